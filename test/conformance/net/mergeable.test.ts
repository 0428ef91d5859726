// SPDX-License-Identifier: Apache-2.0
// Packets over several buffers. virtio 1.4 §5.1.6.3.1 and §5.1.6.4.1 with VIRTIO_NET_F_MRG_RXBUF.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, HEADER, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { Port } from './support/port.ts';

function started(mode: 'functional' | 'timed', features: readonly number[] = []) {
  const card = new RawCard({ mode, queueSize: 64 });
  const port = new Port(card, 0, { features: [F.MRG_RXBUF, ...features] });
  return { card, port, arriving: (length: number, seed = 1) => frame(port.mac, STRANGER, length, seed) };
}

/** Used lengths of a packet in buffers of these lengths, by hand: fill each to its end, the last with the rest. */
function filled(lengths: readonly number[], total: number): number[] {
  const result: number[] = [];
  let left = total;
  for (const length of lengths) {
    if (left === 0) break;
    result.push(Math.min(left, length));
    left -= Math.min(left, length);
  }
  return result;
}

describe.each(MODES)('%s', (mode) => {
  const LAYOUTS: [string, number, number[]][] = [
    ['one buffer with room', 100, [512]],
    ['one buffer to the byte', 100, [112]],
    ['two buffers, one byte over', 101, [112, 112]],
    ['equal buffers', 1000, [256, 256, 256, 256, 256]],
    ['buffers filled to the last byte', 500, [128, 128, 128, 128]],
    ['buffers of many lengths', 700, [12, 1, 300, 7, 250, 500]],
    ['a header that fills the first buffer', 60, [12, 60]],
    ['64 small buffers', 1514, Array.from({ length: 64 }, () => 24)],
  ];

  describe(requirement('NET-RX-03'), () => {
    it.each(LAYOUTS)('%s: all but the last are full', (_, length, buffers) => {
      const { card, port, arriving } = started(mode);
      port.post(buffers);

      card.arrive(arriving(length));

      expect(port.received()).toMatchObject([{ frame: arriving(length), lengths: filled(buffers, HEADER + length) }]);
    });
  });

  describe.each([requirement('NET-RX-02'), requirement('NET-RXBUF-01')])('%s', () => {
    it.each(LAYOUTS)('%s: num_buffers is the number of used entries', (_, length, buffers) => {
      const { card, port, arriving } = started(mode);
      port.post(buffers);

      card.arrive(arriving(length));

      const count = filled(buffers, HEADER + length).length;
      expect(port.fn.ring(0).usedIdx).toBe(count);
      expect(port.received()[0]!.header.slice(10)).toEqual(Uint8Array.of(count, 0));
    });
  });

  describe('DESC-NET-28 only the first buffer begins with a header', () => {
    it('the second buffer begins with the byte that did not fit', () => {
      const { card, port, arriving } = started(mode);
      port.post([50, 200]);

      card.arrive(arriving(100));

      const second = port.fn.ring(0).used(1);
      expect(second.len).toBe(HEADER + 100 - 50);
      expect(port.frames()).toEqual([arriving(100)]);
    });
  });

  it('too few buffers: dropped, counted, and those that are there stay available', () => {
    const { card, port, arriving } = started(mode);
    port.post([64, 64]);

    card.arrive(arriving(200, 1));

    expect(port.fn.counters['rx_drop_no_buffer']).toBe(1);
    expect(port.fn.ring(0).usedIdx).toBe(0);

    port.post([64, 64]);
    card.arrive(arriving(200, 2));

    expect(port.frames()).toEqual([arriving(200, 2)]);
    expect(
      port.fn
        .ring(0)
        .usedSince(0)
        .map(({ id }) => id),
    ).toEqual([0, 1, 2, 3]);
  });

  it('a small frame takes the buffer that a large one did not get', () => {
    const { card, port, arriving } = started(mode);
    port.post([64]);

    card.arrive(arriving(200, 1));
    card.arrive(arriving(50, 2));

    expect(port.frames()).toEqual([arriving(50, 2)]);
  });

  it('packets of different lengths follow each other without a gap in the ring', () => {
    const { card, port, arriving } = started(mode);
    port.post(Array.from({ length: 30 }, () => 100));
    const lengths = [60, 300, 88, 89, 1000];

    lengths.forEach((length, i) => card.arrive(arriving(length, i)));

    // 72, 312, 100, 101, 1012 bytes with header: 1, 4, 1, 2, 11 buffers
    expect(port.fn.ring(0).usedIdx).toBe(19);
    expect(port.received().map(({ frame: bytes, lengths: used }) => [bytes.length, used.length])).toEqual([
      [60, 1],
      [300, 4],
      [88, 1],
      [89, 2],
      [1000, 11],
    ]);
  });

  it('buffers made of several descriptors each are filled descriptor by descriptor', () => {
    const { card, port, arriving } = started(mode);
    const ring = port.fn.ring(0);
    const space = port.fn.space(400);
    const at = (offset: number, len: number) => ({ addr: space + offset, len, flags: 2 });
    ring.offer(ring.chain([at(0, 5), at(5, 20), at(25, 75)], 0), ring.chain([at(100, 1), at(101, 99)], 3));
    port.fn.kick(0);

    card.arrive(arriving(150));

    expect(ring.usedSince(0)).toEqual([
      { id: 0, len: 100 },
      { id: 3, len: 62 },
    ]);
    expect(port.fn.bytesAt(space + HEADER, 150)).toEqual(arriving(150));
  });
});

describe(requirement('NET-RX-04'), () => {
  it('the used index moves over all buffers of a packet in one step', () => {
    const { card, port, arriving } = started('timed');
    port.post(Array.from({ length: 60 }, () => 100));
    const steps = new Set<number>();
    let seen = 0;

    for (let packet = 0; packet < 4; packet++) {
      expect(card.nic.receiveFrame(arriving(1000, packet))).toBe(true);
      for (let cycle = 0; cycle < 3000; cycle++) {
        card.nic.advance(card.nic.now() + 1);
        const now = port.fn.ring(0).usedIdx;
        if (now !== seen) steps.add(now - seen);
        seen = now;
      }
    }

    // 1012 bytes: 11 buffers
    expect([...steps]).toEqual([11]);
    expect(seen).toBe(44);
  });

  it('one packet raises one interrupt, with EVENT_IDX pointing at any of its buffers', () => {
    for (const usedEvent of [0, 3, 10]) {
      const { card, port, arriving } = started('timed', [F.EVENT_IDX]);
      port.post(Array.from({ length: 20 }, () => 100));
      port.fn.ring(0).usedEvent = usedEvent;

      card.arrive(arriving(1000));

      expect(card.interrupts(0, 1)).toHaveLength(1);
    }
  });
});
