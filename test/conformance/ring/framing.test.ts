// SPDX-License-Identifier: Apache-2.0
// How a message is cut into descriptors carries no meaning. virtio 1.4 §2.7.4 "Message Framing".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { contents, cut, readable, submit, writable } from './support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { RX, TX } from '../../support/registers.ts';

const FRAME = 64;

describe.each(MODES)('%s', (mode) => {
  function started() {
    const card = new RawCard({ mode, queueSize: 256 });
    const fn = card.fn(0);
    fn.start();
    return { card, fn, sent: frame(STRANGER, fn.mac, FRAME) };
  }

  describe(requirement('SPLIT-FRAME-01'), () => {
    it('a packet cut in two at any byte leaves as the same frame', () => {
      const { card, fn, sent } = started();
      const whole = packet(sent);

      for (let at = 1; at < whole.length; at++) submit(fn, TX, readable(fn, ...cut(whole, at)));

      expect(card.wire).toHaveLength(whole.length - 1);
      for (const { bytes } of card.wire) expect(bytes).toEqual(sent);
    });

    it('a packet in pieces of one byte leaves as the same frame', () => {
      const { card, fn, sent } = started();
      const whole = packet(sent);

      submit(fn, TX, readable(fn, ...Array.from(whole, (byte) => Uint8Array.of(byte))));

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(fn.ring(TX).usedSince(0)).toEqual([{ id: 0, len: 0 }]);
    });

    it('pieces of no bytes add nothing, wherever they are', () => {
      const { card, fn, sent } = started();
      const nothing = new Uint8Array(0);
      const [header, first, second] = cut(packet(sent), HEADER, HEADER + 30);

      submit(fn, TX, readable(fn, nothing, header!, nothing, first!, nothing, nothing, second!, nothing));

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
    });

    it('a receive buffer cut in two at any byte gets the same bytes', () => {
      const { card, fn } = started();
      const arriving = frame(fn.mac, STRANGER, FRAME);
      const length = HEADER + FRAME;
      const results: Uint8Array[] = [];

      for (let at = 1; at < length; at++) {
        const buffers = writable(fn, at, length - at);
        submit(fn, RX, buffers);
        card.arrive(arriving);
        results.push(contents(fn, buffers).slice(HEADER));
      }

      expect(results).toHaveLength(length - 1);
      for (const bytes of results) expect(bytes).toEqual(arriving);
      expect(
        fn
          .ring(RX)
          .usedSince(0)
          .every(({ len }) => len === length),
      ).toBe(true);
    });

    it('a receive buffer of one-byte pieces is filled piece by piece', () => {
      const { card, fn } = started();
      const arriving = frame(fn.mac, STRANGER, FRAME);
      const buffers = writable(fn, ...Array.from({ length: HEADER + FRAME }, () => 1));
      submit(fn, RX, buffers);

      card.arrive(arriving);

      expect(contents(fn, buffers).slice(HEADER)).toEqual(arriving);
      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 0, len: HEADER + FRAME }]);
    });

    it('writable pieces of no bytes take nothing', () => {
      const { card, fn } = started();
      const arriving = frame(fn.mac, STRANGER, FRAME);
      const buffers = writable(fn, 0, 20, 0, 0, 100, 0);
      submit(fn, RX, buffers);

      card.arrive(arriving);

      expect(contents(fn, buffers).slice(HEADER, HEADER + FRAME)).toEqual(arriving);
      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 0, len: HEADER + FRAME }]);
    });
  });

  describe(requirement('SPLIT-FRAME-02'), () => {
    it('a chain as long as the queue is taken, of 256 descriptors in any order', () => {
      const { card, fn } = started();
      const sent = frame(STRANGER, fn.mac, 1000);
      const whole = packet(sent); // 1012 bytes: 244 pieces of 4 and 12 pieces of 3
      const lengths = Array.from({ length: 256 }, (_, i) => (i < 244 ? 4 : 3));
      const edges = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
      const pieces = readable(fn, ...edges.map((edge, i) => whole.slice(edge, edge + lengths[i]!)));
      const place = (i: number): number => (i * 77) % 256; // 77 is odd: every place once
      pieces.forEach((piece, i) =>
        fn.ring(TX).describe(place(i), i < 255 ? { ...piece, flags: 1, next: place(i + 1) } : piece),
      );

      fn.ring(TX).offer(place(0));
      fn.kick(TX);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(fn.ring(TX).usedSince(0)).toEqual([{ id: 0, len: 0 }]);
    });
  });
});
