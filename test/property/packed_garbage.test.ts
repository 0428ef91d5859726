// SPDX-License-Identifier: Apache-2.0
// Whatever stands in packed rings, the card neither traps (debug build) nor works without end, and writes to no memory but
// used descriptors, its event words and buffers that were made available; after a reset all is well.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { frame, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { PackedFunction, RX, TX } from '../conformance/packed/support/packed_queues.ts';
import { F } from '../support/registers.ts';

const PAGE = 4096;
const FILL = 0x5a;

type Work =
  | {
      readonly kind: 'put';
      readonly queue: number;
      readonly slot: number;
      readonly target: number;
      readonly len: number;
      readonly id: number;
      readonly flags: number;
    }
  | { readonly kind: 'kick'; readonly queue: number }
  | { readonly kind: 'arrive'; readonly length: number }
  | {
      readonly kind: 'event';
      readonly queue: number;
      readonly flags: number;
      readonly slot: number;
      readonly wrap: 0 | 1;
    }
  | { readonly kind: 'wait'; readonly cycles: number }
  | { readonly kind: 'reset'; readonly queue: number }
  | { readonly kind: 'master'; readonly isOn: boolean };

const queue = fc.constantFrom(RX, TX);
/** The bits that matter, and any. */
const flags = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(0x80, 0x8000, 0x8080, 0), fc.constantFrom(0, 0, 1, 2, 2, 3, 4, 5, 6))
      .map(([state, low]) => state | low),
  },
  { weight: 1, arbitrary: fc.nat({ max: 0xffff }) },
);
const work: fc.Arbitrary<Work> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      queue,
      slot: fc.nat({ max: 9 }),
      target: fc.nat({ max: 9 }),
      len: fc.oneof(fc.constantFrom(0, 12, 16, 32, 72, 160, 0xffffffff), fc.nat({ max: 400 })),
      id: fc.nat({ max: 0xffff }),
      flags,
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('kick' as const), queue }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('arrive' as const), length: fc.integer({ min: 14, max: 300 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('event' as const),
      queue,
      flags: fc.nat({ max: 3 }),
      slot: fc.nat({ max: 12 }),
      wrap: fc.constantFrom<0 | 1>(0, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), cycles: fc.nat({ max: 800 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), queue }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('master' as const), isOn: fc.boolean() }) },
);

describe.each(['functional', 'timed'] as const)('garbage in packed rings, %s', (mode) => {
  it('harms nobody', () => {
    fc.assert(
      fc.property(
        fc.array(work, { minLength: 5, maxLength: 60 }),
        fc.constantFrom(1, 2, 5, 10),
        fc.constantFrom(1, 4),
        fc.subarray([F.EVENT_IDX, F.INDIRECT_DESC, F.MRG_RXBUF]),
        (steps, size, lines, features) => {
          const at = new PackedFunction({ mode, size, features, profile: { 'fetch.packed_lines': lines } });
          const { memory } = at.fn;
          // ten buffers that may be named, one of them a table; and a page that nobody names
          const targets = Array.from({ length: 10 }, () => memory.alloc(512, 16));
          const guard = memory.alloc(PAGE, PAGE);
          memory.u8.fill(FILL, guard, guard + PAGE);
          for (let entry = 0; entry < 10; entry++) {
            const word = (targets[9]! + 16 * entry) >> 2;
            memory.u32.set(
              [at.fn.memory.iova(targets[entry % 9]!) >>> 0, Math.floor(memory.iova(0) / 2 ** 32), 100, 0],
              word,
            );
          }
          const ringOf = (index: number) => (index === RX ? at.rx : at.tx);
          for (const step of steps) {
            if (step.kind === 'put') {
              const addr = memory.iova(targets[step.target]!);
              // what is written beyond a buffer would be a buffer that reaches beyond: these end where they end
              const len = (step.flags & 2) !== 0 ? Math.min(step.len, 512) : step.len;
              ringOf(step.queue).put(step.slot % size, { addr, len, id: step.id, flags: step.flags });
            } else if (step.kind === 'kick') at.fn.notify(step.queue);
            else if (step.kind === 'arrive') at.card.nic.receiveFrame(frame(macOf(0), STRANGER, step.length));
            else if (step.kind === 'event') ringOf(step.queue).setDriverEvent(step.flags, step);
            else if (step.kind === 'wait') at.card.nic.advance(at.card.nic.now() + step.cycles);
            else if (step.kind === 'master') at.card.nic.configWrite(0, 4, 2, step.isOn ? 6 : 2);
            else {
              at.fn.setQueue(step.queue, 0x3a, 1);
              at.enable(step.queue, ringOf(step.queue));
            }
          }
          at.card.settle();

          expect(memory.u8.subarray(guard, guard + PAGE).every((byte) => byte === FILL)).toBe(true);
          at.card.nic.configWrite(0, 4, 2, 6);
          at.tx.clear();
          at.rx.clear();
          at.start(features);
          const before = at.sent.length;
          at.tx.offer(0, at.parts(at.frame(99, 5)));
          at.rx.offer(0, at.room(300));
          at.fn.kick(TX);
          at.card.arrive(frame(macOf(0), STRANGER, 80));
          expect(at.sent.slice(before)).toEqual([at.frame(99, 5)]);
          expect([at.tx.takeUsed().length, at.rx.takeUsed().length]).toEqual([1, 1]);
        },
      ),
      { seed: 21, numRuns: 150 },
    );
  });
});
