// SPDX-License-Identifier: Apache-2.0
// The instrumented core: it does what the release core does, puts itself back to the byte, tells what it reached, and
// stops work without end.
import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { COVERAGE, DIRTY_COUNT, FUEL, POINTS_MAX } from '../../assembly/abi/fuzz_memory.ts';
import { CONTROL, FRAME_BYTES_MAX, WIRE_INPUT } from '../../assembly/abi/state_map.ts';
import { isInstrumented, type InstrumentedPins } from '../../src/core/instance.ts';
import type { Nic } from '../../src/device/nic.ts';
import { repoPath } from '../support/repo.ts';
import { Scenario, steps } from './support/scenario.ts';

const modes = fc.constantFrom('timed' as const, 'functional' as const);

function pinsOf(nic: Nic): InstrumentedPins {
  const { pins } = nic.core;
  if (!isInstrumented(pins)) throw new Error('the core is not instrumented');
  return pins;
}

/** What the host writes by itself: its ends of the rings, the frame on its way in, the drivers' memory. */
function announceHostWrites(nic: Nic): void {
  const pins = pinsOf(nic);
  pins.willWrite(CONTROL, 0x400);
  pins.willWrite(WIRE_INPUT, FRAME_BYTES_MAX);
  pins.willWrite(nic.core.windowBase, nic.core.windowBytes);
}

describe('an instrumented core', () => {
  it('does what the release core does', () => {
    fc.assert(
      fc.property(steps(20), modes, (work, mode) => {
        const builds = (['instrumented', 'release'] as const).map((build) => new Scenario({ build, mode }));
        for (const scenario of builds) {
          work.forEach((step) => scenario.do(step));
          scenario.card.settle();
        }

        expect(builds[0]!.outputs()).toEqual(builds[1]!.outputs());
        expect(builds[0]!.card.nic.digest()).toBe(builds[1]!.card.nic.digest());
      }),
      { seed: 11, numRuns: 15 },
    );
  });

  it('puts back every byte that it changed', () => {
    fc.assert(
      fc.property(steps(6), steps(15), fc.nat({ max: 2000 }), modes, (before, work, cycles, mode) => {
        const scenario = new Scenario({ build: 'instrumented', mode });
        const { nic } = scenario.card;
        before.forEach((step) => scenario.do(step));
        nic.advance(nic.now() + cycles);
        pinsOf(nic).keep();
        const kept = nic.snapshot();

        work.forEach((step) => scenario.do(step));
        scenario.card.settle();
        announceHostWrites(nic);
        const pages = pinsOf(nic).reset();

        expect(pages).toBeGreaterThan(0);
        expect(nic.core.u32[DIRTY_COUNT >> 2]).toBe(0);
        expect(Buffer.compare(nic.snapshot(), kept)).toBe(0);
      }),
      { seed: 12, numRuns: 25 },
    );
  });

  it('tells each point of the code once', () => {
    const { nic } = new Scenario({ build: 'instrumented', mode: 'functional' }).card;
    const pins = pinsOf(nic);
    const points = JSON.parse(readFileSync(repoPath('build/nic.fuzz.json'), 'utf8')) as { file: string }[];
    pins.collect();
    pins.forgetSeen();

    nic.read(0, 2, 0, 4);
    const passed = points.filter((_, point) => nic.core.u8[COVERAGE + point] === 1).map(({ file }) => file);
    const first = pins.collect();
    nic.read(0, 2, 0, 4);
    const second = pins.collect();

    expect(points.length).toBeLessThan(POINTS_MAX);
    expect(first).toBe(passed.length);
    expect(new Set(passed)).toContain('assembly/nic/router.ts');
    expect(new Set(passed)).not.toContain('assembly/admin/command.ts');
    expect(second).toBe(0);
  });

  it('traps when a loop has had its turns', () => {
    const scenario = new Scenario({ build: 'instrumented', mode: 'timed' });
    const { core } = scenario.card.nic;
    core.u32[FUEL >> 2] = 3;

    scenario.do({ kind: 'send', fn: 1, to: 2, lengths: [60, 60, 60, 60] });

    expect(() => scenario.card.settle()).toThrow(WebAssembly.RuntimeError);
  });
});
