// SPDX-License-Identifier: Apache-2.0
// Bad drivers of packed rings. What stops a split queue stops a packed one under the same cause; a descriptor that follows
// another and is not available, and one in work that is made available again, are mistakes of their own.
import { describe, expect, it } from 'vitest';

import { frame, HEADER, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { PACKED } from '../../support/raw_packed_ring.ts';
import { PackedFunction, RX, TX, type PackedOptions } from './support/packed_queues.ts';

const CAUSE = /^bad_/;

/** Causes that are counted, and how often; status has DEVICE_NEEDS_RESET where there is one. After a reset all is well. */
function verdict(at: PackedFunction): Record<string, number> {
  at.card.settle();
  const counted = Object.entries(at.fn.counters).filter(([name, n]) => CAUSE.test(name) && n > 0);
  expect(at.fn.needsReset).toBe(counted.length > 0);
  at.tx.clear();
  at.rx.clear();
  at.start();
  const before = at.sent.length;
  at.tx.offer(0, at.parts(at.frame(90, 7)));
  at.fn.kick(TX);
  expect(at.sent.slice(before)).toEqual([at.frame(90, 7)]);
  return Object.fromEntries(counted);
}

describe.each(MODES)('%s', (mode) => {
  const started = (options: PackedOptions = {}): PackedFunction => new PackedFunction({ mode, size: 8, ...options });

  it('a list without end, its descriptors all available', () => {
    const at = started();
    const [piece] = at.parts(at.frame());
    for (let slot = 0; slot < 8; slot++) {
      at.tx.put(slot, { addr: piece!.iova, len: 4, flags: PACKED.NEXT | PACKED.AVAIL });
    }

    at.fn.kick(TX);

    expect(verdict(at)).toEqual({ bad_loop: 1 });
  });

  it.each([TX, RX])('a list whose second descriptor is not available, queue %i', (queue) => {
    const at = started();
    const [piece] = at.parts(at.frame());
    const write = queue === RX ? PACKED.WRITE : 0;
    const ring = queue === RX ? at.rx : at.tx;
    ring.put(0, { addr: piece!.iova, len: 4, flags: PACKED.NEXT | PACKED.AVAIL | write });
    ring.put(1, { addr: piece!.iova, len: 60, flags: write });

    at.fn.kick(queue);
    at.card.arrive(frame(macOf(0), STRANGER));

    expect(verdict(at)).toEqual({ bad_next: 1 });
  });

  it('a list that goes on behind the end of the ring with the wrap counter of its beginning', () => {
    const at = started({ size: 4 });
    for (let id = 0; id < 3; id++) at.tx.offer(id, at.parts(at.frame()));
    at.fn.kick(TX);
    at.tx.takeUsed();
    at.tx.offer(3, at.parts(at.frame(), HEADER)); // slots 3 and 0
    const wrong = at.tx.at(0);
    at.tx.put(0, { ...wrong, flags: wrong.flags ^ (PACKED.AVAIL | PACKED.USED) });

    at.fn.kick(TX);

    expect(verdict(at)).toEqual({ bad_next: 1 });
  });

  it('a receive ring that is made available twice over, while the device has all of it', () => {
    const at = started({ size: 4 });
    for (let id = 0; id < 4; id++) at.rx.offer(id, at.room(8)); // too small for any frame: taken and put back
    at.fn.kick(RX);
    at.card.arrive(frame(macOf(0), STRANGER));

    expect(at.fn.counters['rx_drop_too_small']).toBe(1);
    expect(at.rx.takeUsed()).toEqual([]);
    expect(verdict(at)).toEqual({});
  });

  it('device-readable behind device-writable', () => {
    const at = started();
    at.tx.offer(0, [...at.room(20), ...at.parts(at.frame())]);

    at.fn.kick(TX);

    expect(verdict(at)).toEqual({ bad_order: 1 });
  });

  it('readable buffers on a receive queue', () => {
    const at = started();
    at.rx.offer(0, at.parts(at.frame()));

    at.card.arrive(frame(macOf(0), STRANGER));

    expect(verdict(at)).toEqual({ bad_chain: 1 });
  });

  it('lengths that sum up beyond 2^32', () => {
    const at = started();
    const { iova } = at.parts(at.frame())[0]!;
    at.tx.offer(0, [
      { iova, length: 0xffffffff },
      { iova, length: 2 },
    ]);

    at.fn.kick(TX);

    expect(verdict(at)).toEqual({ bad_length: 1 });
  });

  it('a descriptor ring, a table and a buffer that are not mapped', () => {
    const nowhere = 0x7fff_0000_0000;
    for (const flags of [0, PACKED.INDIRECT]) {
      const at = started({ features: [F.INDIRECT_DESC] });
      at.tx.offer(0, [{ iova: nowhere, length: 64 }], flags);
      at.fn.kick(TX);
      expect(verdict(at)).toEqual({ bad_dma: 1 });
    }
    const at = started();
    at.fn.protect(at.fn.memory.iova(at.fn.memory.alloc(4096, 4096)), 4096, {});
    const { desc } = at.tx.iovas;
    at.fn.ioas.unmap(at.fn.memory.iova(0), at.fn.memory.size);
    expect(desc).toBeGreaterThan(0);
    at.fn.kick(TX);
    expect(at.fn.counters['bad_dma']).toBe(1);
    expect(at.fn.needsReset).toBe(true);
  });

  describe('indirect descriptors', () => {
    const features = [F.INDIRECT_DESC];
    const table = (at: PackedFunction, length: number, flags = 0): void => {
      const { iova } = at.parts(at.frame())[0]!;
      const at16 = at.fn.memory.alloc(16 * 16, 16);
      at.fn.memory.u32.set([iova, Math.floor(iova / 2 ** 32), 72, 0], at16 >> 2);
      at.tx.offer(0, [{ iova: at.fn.memory.iova(at16), length }], PACKED.INDIRECT | flags);
    };

    it.each([0, 1, 8, 15, 17, 24, 40])('a table of %i bytes', (length) => {
      const at = started({ features });
      table(at, length);

      at.fn.kick(TX);

      expect(verdict(at)).toEqual({ bad_indirect: 1 });
    });

    it('without the feature', () => {
      const at = started();
      table(at, 16);

      at.fn.kick(TX);

      expect(verdict(at)).toEqual({ bad_indirect: 1 });
    });

    it('as the first, and as the last of a list', () => {
      for (const position of [0, 1]) {
        const at = started({ features });
        const parts = at.parts(at.frame(), HEADER);
        parts.forEach(({ iova, length }, i) => {
          const flags = PACKED.AVAIL | (i === 0 ? PACKED.NEXT : 0) | (i === position ? PACKED.INDIRECT : 0);
          at.tx.put(i, { addr: iova, len: i === position ? 16 : length, flags });
        });

        at.fn.kick(TX);

        expect(verdict(at)).toEqual({ bad_indirect: 1 });
      }
    });

    it('a table longer than the ring', () => {
      const at = started({ features });
      table(at, 16 * 9);

      at.fn.kick(TX);

      expect(verdict(at)).toEqual({ bad_loop: 1 });
    });

    it('a table in a table is a buffer like any other: the flag is disregarded there', () => {
      const at = started({ features });
      const bytes = at.frame();
      at.tx.offerTable(
        0,
        at.parts(bytes).map(({ iova, length }) => ({ addr: iova, len: length, flags: PACKED.INDIRECT })),
      );

      at.fn.kick(TX);

      expect(at.sent).toEqual([bytes]);
      expect(verdict(at)).toEqual({});
    });
  });
});

describe('a buffer in work', () => {
  it('that is made available once more stops the device', () => {
    const at = new PackedFunction({ mode: 'timed', size: 4, profile: { 'queue.jobs': 8, 'net.transmit_ns': 10_000 } });
    const buffer = at.parts(at.frame());
    for (let id = 0; id < 4; id++) at.tx.offer(id, buffer);
    at.fn.notify(TX);
    at.card.nic.advance(at.card.nic.now() + 1000); // all four are in work
    at.tx.put(0, { addr: buffer[0]!.iova, len: buffer[0]!.length, flags: PACKED.USED }); // the bits of the next round

    at.fn.notify(TX);
    at.card.settle();

    expect(at.fn.counters['bad_avail_idx']).toBe(1);
    expect(at.fn.needsReset).toBe(true);
  });
});
