// SPDX-License-Identifier: Apache-2.0
// The legacy ring: one block at queue address * 4096, used ring at the next multiple of 4096. virtio 1.4 §2.7.2 "Legacy
// Interfaces: A Note on Virtqueue Layout".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, macOf, packet, STRANGER } from './support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { RawLegacy } from './support/raw_legacy.ts';
import { WRITE } from '../../support/raw_ring.ts';

const LEGACY_HEADER = 10;

describe.each(MODES)('%s', (mode) => {
  const started = (queueSize: number): RawLegacy => new RawLegacy({ mode, queueSize });
  const sent = frame(STRANGER, macOf(1), 60);
  const buffer = packet(sent, new Uint8Array(LEGACY_HEADER));

  describe(requirement('LEG-VQ-01'), () => {
    it.each([2, 16, 128, 256])('rings of %i: table, available ring, padding, used ring in one block', (queueSize) => {
      const vf = started(queueSize);
      const [rx, tx] = [vf.ring(0), vf.ring(1)];
      const space = vf.place(new Uint8Array(200));
      const last = queueSize - 1;

      tx.describe(last, { addr: vf.place(buffer), len: buffer.length });
      tx.offer(last);
      vf.kick(1);
      rx.describe(last, { addr: space, len: 200, flags: WRITE });
      rx.offer(last);
      vf.kick(0);
      vf.arrive(frame(macOf(1), STRANGER, 60));

      expect([vf.queueSize(0), vf.queueSize(1)]).toEqual([queueSize, queueSize]);
      expect(tx.usedSince(0)).toEqual([{ id: last, len: 0 }]);
      expect(rx.usedSince(0)).toEqual([{ id: last, len: LEGACY_HEADER + 60 }]);
      expect(vf.wire).toEqual([sent]);
      expect(vf.bytesAt(space + LEGACY_HEADER, 60)).toEqual(frame(macOf(1), STRANGER, 60));
    });
  });

  describe('DESC-LEG-06 queue address holds the address of the ring / 4096, queue size is fixed', () => {
    it('the address reads back, and writing the size changes nothing', () => {
      const vf = started(16);

      vf.write(14, 2, 1);
      vf.write(12, 2, 4);

      expect(vf.read(8, 4)).toBe(vf.ring(1).iovas.desc / 4096);
      expect(vf.read(12, 2)).toBe(16);
    });

    it('address 0 takes the queue away', () => {
      const vf = started(16);

      vf.write(14, 2, 1);
      vf.write(8, 4, 0);
      vf.send(buffer);

      expect(vf.wire).toEqual([]);
      expect(vf.ring(1).usedIdx).toBe(0);
    });

    it('another address starts the queue afresh', () => {
      const vf = started(16);
      for (let i = 0; i < 5; i++) vf.send(buffer);

      vf.write(14, 2, 1);
      vf.write(8, 4, 0);
      vf.addQueue(1);
      vf.send(buffer);

      expect(vf.ring(1).usedSince(0)).toEqual([{ id: 0, len: 0 }]);
      expect(vf.wire).toHaveLength(6);
    });
  });

  it('the ring goes round in its legacy place', () => {
    const vf = started(4);

    for (let i = 0; i < 11; i++) vf.send(buffer);

    expect(vf.wire).toHaveLength(11);
    expect(
      vf
        .ring(1)
        .usedSince(7)
        .map(({ id }) => id),
    ).toEqual([3, 0, 1, 2]);
  });

  describe(requirement('LEG-VQEND-01'), () => {
    it('ring fields are little-endian, as the guest of this model is', () => {
      const vf = started(16);
      const tx = vf.ring(1);
      tx.describe(9, { addr: vf.place(buffer), len: buffer.length });
      tx.offer(9);

      vf.kick(1);

      // used: flags 00 00, idx 01 00, id 09 00 00 00, len 00 00 00 00
      const { used } = tx.places;
      expect(vf.memory.u8.slice(used, used + 12)).toEqual(Uint8Array.of(0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0));
    });
  });
});
