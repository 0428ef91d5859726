// SPDX-License-Identifier: Apache-2.0
// The descriptor ring of a packed virtqueue: wrap counters, lists, used descriptors, indirect tables. virtio 1.4 §2.8.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, HEADER, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { PACKED } from '../../support/raw_packed_ring.ts';
import { PackedFunction, RX, TX } from './support/packed_queues.ts';

const BOTH = PACKED.AVAIL | PACKED.USED;

describe.each(MODES)('%s', (mode) => {
  describe.each([3, 5, 16, 100])('a ring of %i descriptors', (size) => {
    it('wraps round and round: a used descriptor has AVAIL and USED both equal to the wrap counter', () => {
      const at = new PackedFunction({ mode, size });
      const bytes = at.frame();
      const buffer = at.parts(bytes);
      const rounds: number[] = [];

      for (let n = 0; n < 3 * size; n++) {
        at.tx.offer(n % size, buffer);
        at.fn.kick(TX);
        for (const { slot, id, flags, len } of at.tx.takeUsed()) {
          expect([slot, id, len, flags & ~BOTH]).toEqual([n % size, n % size, 0, 0]);
          rounds.push(flags & BOTH);
        }
      }

      expect(rounds).toEqual(Array.from({ length: 3 * size }, (_, n) => (Math.floor(n / size) % 2 === 0 ? BOTH : 0)));
      expect(at.sent).toEqual(Array.from({ length: 3 * size }, () => bytes));
    });

    it('is filled to the last descriptor, with one doorbell', () => {
      const at = new PackedFunction({ mode, size });
      const buffer = at.parts(at.frame());
      for (let round = 0; round < 3; round++) {
        for (let id = 0; id < size; id++) at.tx.offer(id, buffer);

        at.fn.kick(TX);

        expect(at.tx.takeUsed().map(({ id }) => id)).toEqual(Array.from({ length: size }, (_, id) => id));
      }
      expect(at.sent).toHaveLength(3 * size);
    });
  });

  describe(requirement('PACKED-DESC-01'), () => {
    it('what a device-readable buffer holds is the same after it was used', () => {
      const at = new PackedFunction({ mode });
      const parts = at.parts(at.frame(200), HEADER, 50);
      const before = parts.map(({ iova, length }) => at.fn.bytesAt(iova, length));
      at.tx.offer(1, parts);

      at.fn.kick(TX);

      expect(at.tx.takeUsed()).toHaveLength(1);
      expect(parts.map(({ iova, length }) => at.fn.bytesAt(iova, length))).toEqual(before);
    });
  });

  describe(requirement('PACKED-DESC-02'), () => {
    it('receive buffers are written and never read', () => {
      const at = new PackedFunction({ mode });
      const iova = at.fn.memory.iova(at.fn.memory.alloc(4096, 4096));
      at.fn.protect(iova, 4096, { read: false, write: true });
      at.rx.offer(0, [{ iova, length: HEADER + 100, isWritable: true }]);

      at.card.arrive(frame(macOf(0), STRANGER, 100));

      expect(at.rx.takeUsed().map(({ len }) => len)).toEqual([HEADER + 100]);
      expect(at.fn.needsReset).toBe(false);
    });
  });

  describe(requirement('PACKED-DESC-03'), () => {
    it('nothing of a zeroed ring is used, whatever the doorbells say', () => {
      const at = new PackedFunction({ mode });

      for (let n = 0; n < 20; n++) at.fn.kick(TX);

      expect(Array.from({ length: 16 }, (_, slot) => at.tx.at(slot).flags)).toEqual(
        Array.from({ length: 16 }, () => 0),
      );
      expect(at.fn.counters['chains']).toBe(0);
    });

    it.each([
      ['both bits', BOTH],
      ['none', 0],
      ['those of the next round', PACKED.USED],
    ])('a descriptor with %s is not available in the first round', (_, bits) => {
      const at = new PackedFunction({ mode });
      const [buffer] = at.parts(at.frame());
      at.tx.put(0, { addr: buffer!.iova, len: buffer!.length, flags: bits });

      at.fn.kick(TX);

      expect(at.sent).toEqual([]);
      expect(at.tx.at(0).flags).toBe(bits);
    });

    it('descriptors of the round before are not taken again', () => {
      const at = new PackedFunction({ mode, size: 4 });
      const buffer = at.parts(at.frame());
      at.tx.offer(0, [buffer[0]!]);
      at.tx.offer(1, at.parts(at.frame(), HEADER, 20)); // three descriptors, of which one is written when used
      at.fn.kick(TX);

      for (let n = 0; n < 8; n++) at.fn.kick(TX);

      expect(at.sent).toHaveLength(2);
      expect(at.tx.takeUsed().map(({ slot, id }) => [slot, id])).toEqual([
        [0, 0],
        [1, 1],
      ]);
    });
  });

  describe(requirement('PACKED-DESC-04'), () => {
    it('a slot that is used again at once keeps what the driver wrote', () => {
      const at = new PackedFunction({ mode, size: 2 });
      const buffer = at.parts(at.frame());
      for (let n = 0; n < 9; n++) {
        at.tx.offer(n, buffer);
        at.fn.kick(TX);
        at.tx.takeUsed();
        const next = at.tx.avail.slot;
        at.tx.put(next, { addr: 0x1234, len: 77, id: 0x5a5a, flags: at.tx.at(next).flags });
        at.card.settle();
        expect(at.tx.at(next)).toMatchObject({ addr: 0x1234, len: 77, id: 0x5a5a });
      }
    });
  });

  describe(requirement('PACKED-ORDER-01'), () => {
    it('frames leave in the order of the ring, across its end', () => {
      const at = new PackedFunction({ mode, size: 5 });
      const frames = Array.from({ length: 23 }, (_, n) => at.frame(60 + n, n));
      let next = 0;
      while (next < frames.length) {
        for (let n = 0; n < 4 && next < frames.length; n++, next++) at.tx.offer(next % 5, at.parts(frames[next]!));
        at.fn.kick(TX);
        at.tx.takeUsed();
      }

      expect(at.sent).toEqual(frames);
    });
  });

  describe(requirement('PACKED-ORDER-02'), () => {
    it('used descriptors stand in the order in which buffers were completed', () => {
      const at = new PackedFunction({ mode });
      const ids = [9, 3, 0x7fff, 0xfffe, 12];
      for (const id of ids) at.tx.offer(id, at.parts(at.frame()));

      at.fn.kick(TX);

      expect(at.tx.takeUsed().map(({ slot, id }) => [slot, id])).toEqual(ids.map((id, slot) => [slot, id]));
    });
  });

  describe(requirement('PACKED-ORDER-03'), () => {
    it('of buffers that share a frame the first is shown last, so that a driver that polls sees all or nothing', () => {
      const at = new PackedFunction({ mode, features: [F.MRG_RXBUF] });
      for (let id = 0; id < 4; id++) at.rx.offer(id, at.room(64));
      const seen = new Set<number>();
      at.card.nic.receiveFrame(frame(macOf(0), STRANGER, 200));
      for (let step = 0; step < 2000; step++) {
        at.card.nic.advance(at.card.nic.now() + 1);
        const used = [0, 1, 2, 3].filter((slot) => (at.rx.at(slot).flags & BOTH) === BOTH);
        if (used.includes(0)) seen.add(used.length);
      }

      expect([...seen]).toEqual([4]); // header and frame are 212 bytes: four buffers of 64
      expect(at.rx.takeUsed().map(({ len }) => len)).toEqual([64, 64, 64, 20]);
    });
  });

  describe(requirement('PACKED-SG-01'), () => {
    it.each([
      ['two', [HEADER]],
      ['three, one of them empty', [HEADER, 0]],
      ['nine', [1, 2, 3, 4, 5, 6, 7, 8]],
      ['sixteen', Array.from({ length: 15 }, () => 4)],
    ])('a packet in %s pieces leaves as it was', (_, lengths) => {
      const at = new PackedFunction({ mode });
      const bytes = at.frame(120);
      for (let n = 0; n < 5; n++) {
        at.tx.offer(n, at.parts(bytes, ...lengths));
        at.fn.kick(TX);
        expect(at.tx.takeUsed().map(({ id }) => id)).toEqual([n]);
      }

      expect(at.sent).toEqual(Array.from({ length: 5 }, () => bytes));
    });

    it('receive buffers in pieces are filled in their order', () => {
      const at = new PackedFunction({ mode });
      const pieces = at.room(HEADER, 10, 20, 200);
      at.rx.offer(7, pieces);
      const bytes = frame(macOf(0), STRANGER, 90);

      at.card.arrive(bytes);

      const [used] = at.rx.takeUsed();
      expect(used).toMatchObject({ slot: 0, id: 7, len: HEADER + 90 });
      const filled = pieces.flatMap(({ iova, length }) => [...at.fn.bytesAt(iova, length)]);
      expect(Uint8Array.from(filled.slice(HEADER, HEADER + 90))).toEqual(bytes);
    });
  });

  describe(requirement('PACKED-SG-02'), () => {
    it('lists may be as long as the ring, and longer than what is read at a time', () => {
      const at = new PackedFunction({ mode, size: 40 });
      const bytes = at.frame(120);
      for (const pieces of [40, 17, 33, 16, 40]) {
        at.tx.offer(pieces, at.parts(bytes, ...Array.from({ length: pieces - 1 }, () => 2)));
        at.fn.kick(TX);
        expect(at.tx.takeUsed().map(({ id }) => id)).toEqual([pieces]);
      }

      expect(at.sent).toEqual(Array.from({ length: 5 }, () => bytes));
    });
  });

  describe(requirement('PACKED-TEXT-01'), () => {
    it('without a doorbell, receive buffers that were made available are found when a frame is there', () => {
      const at = new PackedFunction({ mode });
      at.rx.offer(0, at.room(200));

      at.card.arrive(frame(macOf(0), STRANGER));

      expect(at.rx.takeUsed()).toHaveLength(1);
    });
  });

  it('WRITE in a used descriptor says that something was written', () => {
    const at = new PackedFunction({ mode });
    at.tx.offer(0, at.parts(at.frame()));
    at.rx.offer(0, at.room(200));
    at.fn.kick(TX);
    at.card.arrive(frame(macOf(0), STRANGER));

    expect(at.tx.takeUsed().map(({ flags, len }) => [flags & PACKED.WRITE, len])).toEqual([[0, 0]]);
    expect(at.rx.takeUsed().map(({ flags, len }) => [flags & PACKED.WRITE, len])).toEqual([
      [PACKED.WRITE, HEADER + 60],
    ]);
  });

  it('a list and what follows it are told apart by its length', () => {
    const at = new PackedFunction({ mode, size: 8 });
    const bytes = [at.frame(60, 1), at.frame(70, 2), at.frame(80, 3)];
    at.tx.offer(1, at.parts(bytes[0]!, HEADER, 5));
    at.tx.offer(2, at.parts(bytes[1]!));
    at.tx.offer(3, at.parts(bytes[2]!, HEADER));

    at.fn.kick(TX);

    expect(at.tx.takeUsed().map(({ slot, id }) => [slot, id])).toEqual([
      [0, 1],
      [3, 2],
      [4, 3],
    ]);
    expect(at.sent).toEqual(bytes);
  });

  describe('indirect tables', () => {
    const features = [F.INDIRECT_DESC];

    it('count addresses, lengths and WRITE alone: ids and other flags are disregarded, WRITE on the descriptor as well', () => {
      const at = new PackedFunction({ mode, features });
      const bytes = at.frame(100);
      const garbage = [PACKED.NEXT, PACKED.INDIRECT, BOTH | 0x7878];
      const entries = at.parts(bytes, HEADER, 40).map(({ iova, length }, i) => ({
        addr: iova,
        len: length,
        id: 0x1111 * i,
        flags: garbage[i]! & ~PACKED.WRITE,
      }));
      at.tx.offerTable(5, entries, PACKED.WRITE);

      at.fn.kick(TX);

      expect(at.sent).toEqual([bytes]);
      expect(at.tx.takeUsed()).toMatchObject([{ slot: 0, id: 5, len: 0 }]);
    });

    it('alternate with direct descriptors', () => {
      const at = new PackedFunction({ mode, features, size: 7 });
      const frames = Array.from({ length: 20 }, (_, n) => at.frame(60 + n, n));
      frames.forEach((bytes, n) => {
        const parts = at.parts(bytes, HEADER, 10);
        if (n % 2 === 0) at.tx.offer(n, parts);
        else
          at.tx.offerTable(
            n,
            parts.map(({ iova, length }) => ({ addr: iova, len: length })),
          );
        at.fn.kick(TX);
        expect(at.tx.takeUsed().map(({ id }) => id)).toEqual([n]);
      });

      expect(at.sent).toEqual(frames);
    });

    it('have as many entries as the ring, no matter how few descriptors are left', () => {
      const at = new PackedFunction({ mode, features, size: 40 });
      const bytes = at.frame(100);
      const parts = at.parts(bytes, ...Array.from({ length: 39 }, () => 2));
      at.tx.offerTable(
        1,
        parts.map(({ iova, length }) => ({ addr: iova, len: length })),
      );

      at.fn.kick(TX);

      expect(at.sent).toEqual([bytes]);
    });

    it('take what is received', () => {
      const at = new PackedFunction({ mode, features });
      const pieces = at.room(HEADER, 30, 100);
      const entries = pieces.map(({ iova, length }) => ({ addr: iova, len: length, flags: PACKED.WRITE }));
      at.rx.offerTable(3, entries);
      const bytes = frame(macOf(0), STRANGER, 100);

      at.fn.kick(RX);
      at.card.arrive(bytes);

      expect(at.rx.takeUsed()).toMatchObject([{ id: 3, len: HEADER + 100 }]);
      const filled = pieces.flatMap(({ iova, length }) => [...at.fn.bytesAt(iova, length)]);
      expect(Uint8Array.from(filled.slice(HEADER, HEADER + 100))).toEqual(bytes);
    });
  });
});

describe('reads of the ring', () => {
  it.each([
    [1, 4],
    [2, 8],
    [4, 16],
  ])('of %i lines bring %i descriptors at once', (lines, descriptors) => {
    const at = new PackedFunction({ mode: 'timed', size: 64, profile: { 'fetch.packed_lines': lines } });
    const buffer = at.parts(at.frame());
    for (let id = 0; id < 16; id++) at.tx.offer(id, buffer);
    const before = at.card.nic.counters().dma_reads!;

    at.fn.kick(TX);

    // each frame is one read; of the ring as many as it takes, and one that finds the end
    expect(at.card.nic.counters().dma_reads! - before).toBe(16 + 16 / descriptors + 1);
    expect(at.sent).toHaveLength(16);
  });
});
