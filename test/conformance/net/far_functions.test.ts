// SPDX-License-Identifier: Apache-2.0
// Functions whose number needs more than eight bits do what functions with small numbers do: doorbells, messages, frames to
// and from the wire, the switch, a changed link. Each runs beside the function whose number has the same low byte.
import { describe, expect, it } from 'vitest';

import { readable, submit, writable } from '../ring/support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { RawFunction } from '../../support/raw_function.ts';
import { RX, TX } from '../../support/registers.ts';

/** A function, and the one that it would be with its number cut to a byte. */
const PAIRS = [
  [256, 0],
  [257, 1],
  [511, 255],
  [600, 88],
] as const;

describe.each(MODES)('%s', (mode) => {
  describe.each(PAIRS)('function %i beside function %i', (far, near) => {
    /** Messages of a function carry its number and the vector. */
    function started(): { card: RawCard; one: RawFunction; other: RawFunction } {
      const card = new RawCard({ mode, totalVfs: 600, numVfs: 600, build: 'release' });
      const start = (fn: number): RawFunction => new RawFunction(card, fn).enableMsix(4, fn << 8).start();
      const [other, one] = [start(near), start(far)];
      return { card, one, other };
    }
    const messages = ({ messages: all }: RawCard): number[][] => all.map(({ fn, vector, data }) => [fn, vector, data]);

    it('its doorbell has its queue served, and no other', () => {
      const { card, one, other } = started();
      other.addFrame();
      one.addFrame();

      one.kick(TX);

      expect([one.ring(TX).usedIdx, other.ring(TX).usedIdx]).toEqual([1, 0]);
      expect(card.wire.map(({ fn }) => fn)).toEqual([far]);
      expect(messages(card)).toEqual([[far, 2, (far << 8) + 2]]);
    });

    it('a frame from the wire comes to it alone', () => {
      const { card, one, other } = started();
      for (const fn of [one, other]) submit(fn, RX, writable(fn, 1600));

      card.arrive(frame(one.mac, STRANGER, 80));

      expect(
        one
          .ring(RX)
          .takeUsed()
          .map(({ length }) => length),
      ).toEqual([HEADER + 80]);
      expect(other.ring(RX).usedIdx).toBe(0);
      expect(messages(card)).toEqual([[far, 1, (far << 8) + 1]]);
    });

    it('frames between the two stay in the card', () => {
      const { card, one, other } = started();
      for (const fn of [one, other]) submit(fn, RX, writable(fn, 1600));

      submit(one, TX, readable(one, packet(frame(other.mac, one.mac, 90))));
      submit(other, TX, readable(other, packet(frame(one.mac, other.mac, 100))));

      expect(
        other
          .ring(RX)
          .takeUsed()
          .map(({ length }) => length),
      ).toEqual([HEADER + 90]);
      expect(
        one
          .ring(RX)
          .takeUsed()
          .map(({ length }) => length),
      ).toEqual([HEADER + 100]);
      expect(card.wire).toEqual([]);
    });

    it('a changed link is told to both, once each', () => {
      const { card } = started();

      card.nic.setLink(false);
      card.settle();

      expect(messages(card).toSorted(([a], [b]) => a! - b!)).toEqual([
        [near, 0, near << 8],
        [far, 0, far << 8],
      ]);
    });

    it('its reset is its own', () => {
      const { card, one, other } = started();

      one.reset();
      card.settle();
      other.transmit();

      expect([one.status, other.status]).toEqual([0, 15]);
      expect(card.wire.map(({ fn }) => fn)).toEqual([near]);
    });
  });
});
