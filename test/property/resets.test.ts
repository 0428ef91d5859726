// SPDX-License-Identifier: Apache-2.0
// Random work with resets of every kind thrown in at random moments: the debug core never traps, both builds stay equal,
// and when all is over every function works.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { frame, HEADER, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { R } from '../support/registers.ts';
import { FUNCTIONS, Scenario, step, type Step } from './support/scenario.ts';

type Disturbance =
  | { readonly kind: 'restart'; readonly fn: number; readonly how: 'status' | 'flr' | 'bus master' }
  | { readonly kind: 'queue reset'; readonly fn: number; readonly queue: number }
  | { readonly kind: 'vfs' };

const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  fc.record({
    kind: fc.constant('restart' as const),
    fn: fc.nat({ max: FUNCTIONS - 1 }),
    how: fc.constantFrom('status' as const, 'flr' as const, 'bus master' as const),
  }),
  fc.record({
    kind: fc.constant('queue reset' as const),
    fn: fc.nat({ max: FUNCTIONS - 1 }),
    queue: fc.nat({ max: 1 }),
  }),
  fc.constant({ kind: 'vfs' as const }),
);

const mixture: fc.Arbitrary<(Step | Disturbance)[]> = fc.array(
  fc.oneof({ weight: 5, arbitrary: step }, { weight: 1, arbitrary: disturbance }),
  { minLength: 1, maxLength: 40 },
);

/** VF Enable falls and rises, or the PF goes through FLR: firmware places the BARs again. */
function bringVfsBack({ card }: Scenario): void {
  card.nic.configWrite(0, 0x148, 2, 0);
  card.enableVfs(FUNCTIONS - 1);
}

function disturb(scenario: Scenario, what: Disturbance): void {
  const { card } = scenario;
  if (what.kind === 'queue reset') {
    const fn = scenario.functions[what.fn]!;
    const ring = fn.ring(what.queue);
    fn.setQueue(what.queue, R.QUEUE_RESET, 1);
    for (let reads = 0; fn.queue(what.queue, R.QUEUE_RESET) !== 0; reads++) if (reads > 100) throw new Error('no end');
    ring.clear();
    fn.addQueue(what.queue, { ring });
    return;
  }
  if (what.kind === 'vfs') {
    bringVfsBack(scenario);
    for (let number = 1; number < FUNCTIONS; number++) scenario.restart(number);
    return;
  }
  if (what.how === 'flr') {
    const bars = [0x18, 0x1c, 0x20, 0x24].map((at) => [at, card.nic.configRead(0, at, 4)] as const);
    card.nic.configWrite(what.fn, 0x5c, 2, 0x8000);
    if (what.fn === 0) {
      for (const [at, value] of bars) card.nic.configWrite(0, at, 4, value);
      card.nic.configWrite(0, 4, 2, 6);
      card.enableVfs(FUNCTIONS - 1);
      for (let number = 1; number < FUNCTIONS; number++) scenario.restart(number);
    }
  } else if (what.how === 'bus master') {
    card.nic.configWrite(what.fn, 4, 2, 2);
    scenario.functions[what.fn]!.notify(1);
  }
  scenario.restart(what.fn);
}

describe('resets at random moments', () => {
  it.each(['timed', 'functional'] as const)('leave both builds equal and every function working, %s', (mode) => {
    fc.assert(
      fc.property(mixture, fc.boolean(), (work, hasRingReset) => {
        const features = hasRingReset ? [40] : [];
        const builds = (['debug', 'release'] as const).map((build) => new Scenario({ build, mode }, features));
        for (const scenario of builds) {
          for (const what of work) {
            if (what.kind === 'queue reset' && !hasRingReset) continue;
            if (what.kind === 'restart' || what.kind === 'queue reset' || what.kind === 'vfs') disturb(scenario, what);
            else scenario.do(what);
          }
          scenario.card.settle();
        }
        expect(builds[0]!.card.nic.digest()).toBe(builds[1]!.card.nic.digest());
        expect(builds[0]!.outputs()).toEqual(builds[1]!.outputs());

        const { card, functions } = builds[0]!;
        for (const { needsReset } of functions) expect(needsReset).toBe(false);
        functions.forEach((_, number) => builds[0]!.restart(number));
        functions.forEach((fn, number) => {
          builds[0]!.do({ kind: 'post', fn: number, count: 1 });
          card.wire.length = 0;
          builds[0]!.do({ kind: 'send', fn: number, to: FUNCTIONS + 1, lengths: [60] });
          card.settle();
          card.arrive(frame(macOf(number), STRANGER, 60));

          expect(card.wire).toHaveLength(1);
          expect(
            fn
              .ring(0)
              .usedSince(0)
              .map(({ len }) => len),
          ).toEqual([HEADER + 60]);
        });
      }),
      { seed: 41, numRuns: 30 },
    );
  });
});
