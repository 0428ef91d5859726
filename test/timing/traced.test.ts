// SPDX-License-Identifier: Apache-2.0
// Nobody inside the card can tell whether it is traced: same state, same outputs, same times, however often the ring is
// emptied on the way.
import { describe, expect, it } from 'vitest';

import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { F } from '../support/registers.ts';
import { Scenario, type Step } from '../property/support/scenario.ts';

const RING_BYTES = 65536;
const EVERYTHING = TRACE.MASK_TLP | TRACE.MASK_STATE | TRACE.MASK_FRAMES | TRACE.MASK_DATA;

/** Every kind of traffic, many times over: frames to a function, to everybody and to the wire, commands, frames coming in. */
const WORK: readonly Step[] = Array.from({ length: 12 }, (_, round): Step[] => [
  { kind: 'post', fn: 1, count: 3 },
  { kind: 'post', fn: 2, count: 3 },
  { kind: 'send', fn: 0, to: 1, lengths: [60, 1518, 300] },
  { kind: 'send', fn: 2, to: 4, lengths: [1000, 64] },
  { kind: 'admin', opcode: round % 7, group: 1, member: 1 },
  { kind: 'wait', cycles: 700 },
  { kind: 'send', fn: 1, to: 3, lengths: [200] },
  { kind: 'arrive', to: 2, length: 900 },
  { kind: 'wait', cycles: 3000 },
]).flat();

/** The work on a card with a trace ring, or without one if `mask` is 0. */
function run(mask: number, how: 'settled' | 'advanced', features: readonly number[]) {
  const scenario = new Scenario({ build: 'release', traceBytes: mask === 0 ? 0 : RING_BYTES }, features);
  const { nic } = scenario.card;
  if (mask !== 0) nic.startTrace(mask);
  for (const step of WORK) {
    scenario.do(step);
    if (how === 'settled') scenario.card.settle();
  }
  if (how === 'settled') scenario.card.settle();
  else nic.advance(nic.now() + 20_000);
  if (mask !== 0) nic.stopTrace();
  const bytes = nic.takeTrace().length;
  return {
    bytes,
    lost: nic.lostTraceRecords(),
    seen: {
      now: nic.now(),
      digest: nic.digest(),
      outputs: scenario.outputs(),
      counters: nic.counters(),
      traffic: nic.linkTraffic(),
    },
  };
}

describe.each([
  ['settled', []],
  ['settled', [F.EVENT_IDX, F.MRG_RXBUF]],
  ['advanced', []],
  ['advanced', [F.EVENT_IDX]],
] as const)('work that is %s, with features %j', (how, features) => {
  const plain = run(0, how, features);

  it('is work: frames leave and messages come, and nothing is recorded', () => {
    expect(plain.seen.outputs.filter((line) => line.includes('frame')).length).toBeGreaterThan(20);
    expect(plain.seen.outputs.filter((line) => line.includes('msi')).length).toBeGreaterThan(3);
    expect(plain.bytes).toBe(0);
  });

  it.each([
    ['TLPs', TRACE.MASK_TLP],
    ['state', TRACE.MASK_STATE],
    ['frames', TRACE.MASK_FRAMES],
    ['TLPs with their data', TRACE.MASK_TLP | TRACE.MASK_DATA],
    ['everything', EVERYTHING],
  ])('is the same while %s are recorded', (_what, mask) => {
    const traced = run(mask, how, features);

    expect(traced.seen).toEqual(plain.seen);
    expect(traced.lost).toBe(0);
    expect(traced.bytes).toBeGreaterThan(0);
  });

  it('fills half of the ring several times when everything is recorded', () => {
    expect(run(EVERYTHING, how, features).bytes).toBeGreaterThan(4 * (RING_BYTES / 2));
  });
});
