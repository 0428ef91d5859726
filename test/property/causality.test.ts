// SPDX-License-Identifier: Apache-2.0
// Cause before effect, in timed mode: an interrupt never overtakes its used index, the index never its data, and nothing
// is faster than the links it has to cross.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { frame, HEADER, macOf, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';
import { WRITE } from '../support/raw_ring.ts';
import { F } from '../support/registers.ts';

const RX = 0;
const TX = 1;

describe('in timed mode', () => {
  it('an MSI-X message finds its used entries, and they find their data', () => {
    const lengths = fc.array(fc.integer({ min: 14, max: 1514 }), { minLength: 1, maxLength: 6 });
    const link = fc.record({
      up: fc.integer({ min: 0, max: 2000 }),
      down: fc.integer({ min: 0, max: 2000 }),
      rate: fc.constantFrom(2, 57.88, 400),
      host: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(lengths, link, fc.boolean(), (sizes, { up, down, rate, host }, isMergeable) => {
        const card = new RawCard({
          build: 'release',
          queueSize: 64,
          profile: {
            'link.up_latency_ns': up,
            'link.down_latency_ns': down,
            'link.generation': 0,
            'link.rate_gbps': rate,
            'host.read_latency_ns': host,
          },
        });
        const fn = card.fn(0);
        fn.start({ features: isMergeable ? [F.MRG_RXBUF] : [] });
        const rx = fn.ring(RX);
        const bytes = isMergeable ? 400 : 2000;
        const space = Array.from({ length: 32 }, () => fn.space(bytes));
        space.forEach((addr, i) => rx.describe(i, { addr, len: bytes, flags: WRITE }));
        rx.offer(...space.map((_, i) => i));
        fn.kick(RX);
        let interrupts = 0;
        const counts: boolean[] = [];
        card.nic.onVector(0, RX + 1, () => counts.push(rx.usedIdx >= ++interrupts));

        sizes.forEach((size, i) => {
          const sent = frame(macOf(0), STRANGER, size, i);
          const before = rx.usedIdx;
          expect(card.nic.receiveFrame(sent)).toBe(true);
          while (rx.usedIdx === before) {
            if (card.nic.nextEventTime() === Infinity) throw new Error('the frame never came');
            card.nic.advance(card.nic.nextEventTime());
          }
          const used = rx.usedSince(before);
          const got = used.flatMap(({ id, len }) => [...fn.bytesAt(space[id]!, len)]).slice(HEADER);
          expect(got).toEqual([...sent]);
          card.settle();
        });

        expect(counts.every(Boolean)).toBe(true);
        expect(interrupts).toBeGreaterThan(0);
      }),
      { seed: 31, numRuns: 40 },
    );
  });

  it('no completion comes sooner than doorbell, two dependent reads and write-back need on the links', () => {
    const config = fc.record({
      up: fc.integer({ min: 0, max: 500 }),
      down: fc.integer({ min: 0, max: 500 }),
      host: fc.integer({ min: 0, max: 500 }),
      frames: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(config, ({ up, down, host, frames }) => {
        const card = new RawCard({
          build: 'release',
          profile: {
            'link.up_latency_ns': 4 * up, // whole cycles of 4 ns
            'link.down_latency_ns': 4 * down,
            'host.read_latency_ns': 4 * host,
          },
        });
        const fn = card.fn(0);
        fn.start();
        const ring = fn.ring(TX);
        const sent = packet(frame(STRANGER, macOf(0)));
        for (let i = 0; i < frames; i++) ring.offer(ring.chain([{ addr: fn.place(sent), len: sent.length }], i));
        const start = card.nic.now();
        fn.notify(TX);
        card.settle();

        // doorbell down; index, ring entry, descriptor and data each up, host, down; used entry and MSI-X up
        const floor = down + 4 * (up + host + down) + up;
        expect(card.messages).not.toEqual([]);
        for (const { timeCycles } of card.messages) expect(timeCycles - start).toBeGreaterThanOrEqual(floor);
        for (const { timeCycles } of card.wire) expect(timeCycles - start).toBeGreaterThanOrEqual(floor - up);
        expect(ring.usedIdx).toBe(frames);
      }),
      { seed: 32, numRuns: 60 },
    );
  });

  it('time never goes back, over calls and over outputs', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 900 })), { maxLength: 25 }), (work) => {
        const card = new RawCard({ build: 'release' });
        const fn = card.fn(0);
        fn.start();
        const ring = fn.ring(TX);
        const sent = packet(frame(STRANGER, macOf(0)));
        ring.chain([{ addr: fn.place(sent), len: sent.length }]);
        const times: number[] = [];
        card.nic.onMessage(({ timeCycles }) => times.push(timeCycles));
        card.nic.onFrame((_, __, timeCycles) => times.push(timeCycles));
        for (const [kind, cycles] of work) {
          const before = card.nic.now();
          if (kind === 0) ring.offer(0);
          else if (kind === 1) fn.notify(TX);
          else if (kind === 2) card.nic.advance(before + cycles, true);
          else expect(fn.status).toBe(0xf);
          expect(card.nic.now()).toBeGreaterThanOrEqual(before);
        }
        card.settle();

        expect(times).toEqual(times.toSorted((a, b) => a - b));
      }),
      { seed: 33, numRuns: 40 },
    );
  });
});
