// SPDX-License-Identifier: Apache-2.0
// No lost wake-up in either direction: a driver that looks at its rings only when it is interrupted, and rings the bell
// only when the device asks for it, still sees everything through. virtio 1.4 §2.7.7 and §2.7.10.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { frame, macOf, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';
import type { RawFunction } from '../support/raw_function.ts';
import { NO_INTERRUPT, WRITE, type RawRing } from '../support/raw_ring.ts';
import { F } from '../support/registers.ts';

const SIZE = 8;
const RX = 0;
const TX = 1;

/** A queue as an event-driven driver runs it. */
class EventDriven {
  seen = 0;
  interrupts = 0;
  readonly ring: RawRing;
  private readonly fn: RawFunction;
  private readonly queue: number;
  private readonly hasEventIdx: boolean;
  private readonly onUsed: () => void;

  constructor(fn: RawFunction, queue: number, hasEventIdx: boolean, onUsed: () => void) {
    this.fn = fn;
    this.queue = queue;
    this.ring = fn.ring(queue);
    this.hasEventIdx = hasEventIdx;
    this.onUsed = onUsed;
    fn.card.nic.onVector(fn.fn, queue + 1, () => this.interrupt());
  }

  get room(): number {
    return SIZE - ((this.ring.availIdx - this.seen) & 0xffff);
  }

  /** Offers the next descriptors and rings where the device wants it. */
  offer(count: number): void {
    const old = this.ring.availIdx;
    this.ring.offer(...Array.from({ length: count }, (_, i) => (old + i) % SIZE));
    const now = this.ring.availIdx;
    const isWanted = this.hasEventIdx
      ? ((now - this.ring.availEvent - 1) & 0xffff) < ((now - old) & 0xffff)
      : (this.ring.usedFlags & 1) === 0;
    if (isWanted) this.fn.notify(this.queue);
  }

  private interrupt(): void {
    this.interrupts++;
    if (!this.hasEventIdx) this.ring.availFlags = NO_INTERRUPT;
    do {
      while (this.seen !== this.ring.usedIdx) {
        this.seen = (this.seen + 1) & 0xffff;
        this.onUsed();
      }
      if (this.hasEventIdx) this.ring.usedEvent = this.seen;
      else this.ring.availFlags = 0;
    } while (this.seen !== this.ring.usedIdx);
  }
}

const work = fc.array(
  fc.record({
    kind: fc.constantFrom('send' as const, 'arrive' as const),
    count: fc.integer({ min: 1, max: 3 }),
    cycles: fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 900 })),
  }),
  { minLength: 20, maxLength: 80 },
);

describe.each(['timed', 'functional'] as const)('an event-driven driver, %s', (mode) => {
  it.each([
    ['with flags', false],
    ['with EVENT_IDX', true],
  ])('%s sees every buffer through', (_, hasEventIdx) => {
    fc.assert(
      fc.property(work, (steps) => {
        const card = new RawCard({ mode, build: 'release', queueSize: SIZE, windowBytes: 1 << 20 });
        const fn = card.fn(0, 128 << 10);
        fn.start({ features: hasEventIdx ? [F.EVENT_IDX] : [] });
        const sent = packet(frame(STRANGER, macOf(0)));
        for (let i = 0; i < SIZE; i++) {
          fn.ring(TX).describe(i, { addr: fn.place(sent), len: sent.length });
          fn.ring(RX).describe(i, { addr: fn.space(200), len: 200, flags: WRITE });
        }
        let received = 0;
        const tx = new EventDriven(fn, TX, hasEventIdx, () => {});
        const rx: EventDriven = new EventDriven(fn, RX, hasEventIdx, () => {
          received++;
          rx.offer(1); // the buffer goes back
        });
        rx.offer(SIZE);
        for (const { kind, count, cycles } of steps) {
          if (kind === 'send' && tx.room >= count) tx.offer(count);
          else if (kind === 'arrive') card.nic.receiveFrame(frame(macOf(0), STRANGER, 60));
          card.nic.advance(card.nic.now() + cycles, false);
        }
        card.settle();

        expect(tx.seen).toBe(tx.ring.availIdx);
        expect(card.wire).toHaveLength(tx.ring.availIdx);
        expect([rx.seen, received]).toEqual([rx.ring.usedIdx, fn.counters['rx_frames']]);
        expect(rx.room).toBe(0);
        expect(tx.interrupts).toBeLessThanOrEqual(tx.ring.usedIdx);
        expect(rx.interrupts).toBeLessThanOrEqual(rx.ring.usedIdx);
      }),
      { seed: 51, numRuns: 40 },
    );
  });
});
