// SPDX-License-Identifier: Apache-2.0
// What the device puts into the used ring and when: id and length, order against data and index, wrap-around of ring and
// index. virtio 1.4 §2.7.8 "The Virtqueue Used Ring".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { contents, readable, submit, writable } from './support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { RX, TX } from '../../support/registers.ts';

const FRAME = 60;

describe.each(MODES)('used ring, %s', (mode) => {
  function started(queueSize = 8) {
    const card = new RawCard({ mode, queueSize });
    const fn = card.fn(0);
    fn.start();
    return { card, fn };
  }

  describe('DESC-SPLIT-02 a used element names the head of the chain and the bytes written', () => {
    it('a transmitted packet comes back with its head and length 0', () => {
      const { fn } = started();

      submit(fn, TX, readable(fn, packet(frame(STRANGER, fn.mac))), 5);

      expect(fn.ring(TX).usedSince(0)).toEqual([{ id: 5, len: 0 }]);
    });

    it('a received frame comes back with header and frame as its length', () => {
      const { card, fn } = started();
      submit(fn, RX, writable(fn, 2000), 3);

      card.arrive(frame(fn.mac, STRANGER, FRAME));

      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 3, len: HEADER + FRAME }]);
    });

    it('the head is the id even where the chain goes down and jumps', () => {
      const { card, fn } = started();
      const sent = packet(frame(STRANGER, fn.mac, FRAME));
      const [a, b, c] = readable(fn, sent.slice(0, 20), sent.slice(20, 50), sent.slice(50));
      const ring = fn.ring(TX);
      ring.describe(6, { ...a!, flags: 1, next: 1 });
      ring.describe(1, { ...b!, flags: 1, next: 4 });
      ring.describe(4, c!);

      ring.offer(6);
      fn.kick(TX);

      expect(ring.usedSince(0)).toEqual([{ id: 6, len: 0 }]);
      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent.slice(HEADER)]);
    });
  });

  it('chains offered together are all used, each head once, and frames leave in their order', () => {
    const { card, fn } = started();
    const frames = [1, 2, 3, 4, 5].map((seed) => frame(STRANGER, fn.mac, FRAME + seed, seed));
    const heads = [4, 0, 7, 2, 5];
    frames.forEach((bytes, i) => fn.ring(TX).chain(readable(fn, packet(bytes)), heads[i]));

    fn.ring(TX).offer(...heads);
    fn.kick(TX);

    const ids = fn.ring(TX).usedSince(0);
    expect(ids.map(({ id }) => id).sort()).toEqual([...heads].sort());
    expect(card.wire.map(({ bytes }) => bytes)).toEqual(frames);
  });

  it('the ring is used round and round: slot i mod n holds element i', () => {
    const { card, fn } = started(4);
    const [descriptor] = readable(fn, packet(frame(STRANGER, fn.mac)));

    for (let i = 0; i < 11; i++) submit(fn, TX, [descriptor!], (3 * i) % 4);

    // elements 7..10 are the last four: heads 21, 24, 27, 30 mod 4
    expect(fn.ring(TX).usedIdx).toBe(11);
    expect(fn.ring(TX).usedSince(7)).toEqual([1, 0, 3, 2].map((id) => ({ id, len: 0 })));
    expect(card.wire).toHaveLength(11);
  });

  describe(requirement('SPLIT-DESC-04'), () => {
    it('the descriptor table is the same before and after traffic, and so is the available ring', () => {
      const { card, fn } = started();
      const ring = fn.ring(TX);
      ring.chain(readable(fn, packet(frame(STRANGER, fn.mac))), 2);
      ring.offer(2);
      const { desc, used } = ring.places;
      const before = fn.memory.u8.slice(desc, used);

      fn.kick(TX);

      expect(card.wire).toHaveLength(1);
      expect(fn.memory.u8.slice(desc, used)).toEqual(before);
    });
  });

  describe(requirement('SPLIT-USED-02'), () => {
    it('a frame lies in its buffer, to the last byte, with the header in front', () => {
      const { card, fn } = started();
      const buffers = writable(fn, HEADER + FRAME);
      submit(fn, RX, buffers);
      const sent = frame(fn.mac, STRANGER, FRAME);

      card.arrive(sent);

      expect(contents(fn, buffers).slice(HEADER)).toEqual(sent);
    });
  });
});

describe('used ring, cycle by cycle', () => {
  /** Runs in steps of one cycle until the used index moves; false if it never does. */
  function runToUsed(card: RawCard, usedIdx: () => number): boolean {
    const before = usedIdx();
    for (let cycle = 0; cycle < 20_000; cycle++) {
      card.nic.advance(card.nic.now() + 1);
      if (usedIdx() !== before) return true;
    }
    return false;
  }

  describe(requirement('SPLIT-USED-01'), () => {
    it('at the very cycle in which the index moves, id, length and data are in memory', () => {
      const card = new RawCard({ queueSize: 8 });
      const fn = card.fn(0);
      fn.start();
      const buffers = writable(fn, 100, 2000);
      submit(fn, RX, buffers, 6);
      const sent = frame(fn.mac, STRANGER, 1000);

      expect(card.nic.receiveFrame(sent)).toBe(true);
      expect(runToUsed(card, () => fn.ring(RX).usedIdx)).toBe(true);

      expect(fn.ring(RX).used(0)).toEqual({ id: 6, len: HEADER + 1000 });
      expect(contents(fn, buffers).slice(HEADER, HEADER + 1000)).toEqual(sent);
    });
  });
});

describe('index wrap-around', () => {
  it('66,000 frames pass the available and used index beyond 65535 without a gap', () => {
    const card = new RawCard({ mode: 'functional', wire: 'discard', queueSize: 256 });
    const fn = card.fn(0);
    fn.start();
    const ring = fn.ring(TX);
    const [descriptor] = readable(fn, packet(frame(STRANGER, fn.mac)));
    for (let i = 0; i < 256; i++) ring.describe(i, descriptor!);

    for (let sent = 0; sent < 66_000; sent += 250) {
      ring.offer(...Array.from({ length: 250 }, (_, i) => (sent + 7 * i) % 256));
      fn.kick(TX);
    }

    expect(ring.usedIdx).toBe(66_000 - 65_536);
    expect(card.nic.counters()['wire_tx_frames']).toBe(66_000);
    expect(ring.used(463)).toEqual({ id: (65_750 + 7 * 249) % 256, len: 0 });
    expect(fn.needsReset).toBe(false);
  });
});
