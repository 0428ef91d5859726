// SPDX-License-Identifier: Apache-2.0
// Several queue pairs. virtio 1.4 §5.1.6.5.6 "Automatic receive steering in multiqueue mode".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F, R } from '../../support/registers.ts';
import { Port } from './support/port.ts';

const PAIRS = 4;
const CONTROL = 2 * PAIRS;
const OK = 0;
const ERR = 1;

describe.each(MODES)('%s', (mode) => {
  function started() {
    const card = new RawCard({ mode, queueSize: 64, pfQueuePairs: PAIRS });
    const features = [F.CTRL_VQ, F.CTRL_RX, F.MQ, F.RING_RESET];
    const port = new Port(card, 0, { features, pairs: PAIRS, control: CONTROL });
    const fill = (count = 20): void => {
      for (let pair = 0; pair < PAIRS; pair++)
        port.post(
          Array.from({ length: count }, () => 200),
          pair,
        );
    };
    /** Frames of twelve different flows; returns how many came on each pair. */
    const arrive = (): number[] => {
      for (let flow = 0; flow < 12; flow++) card.arrive(ipv4(port.mac, flow));
      return Array.from({ length: PAIRS }, (_, pair) => port.frames(pair).length);
    };
    return { card, port, fill, arrive };
  }

  /** A UDP packet whose source address and port depend on `flow`. */
  function ipv4(to: Uint8Array, flow: number): Uint8Array {
    const bytes = frame(to, STRANGER, 60);
    bytes.set([8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, flow + 1, 10, 0, 0, 99], 12);
    bytes.set([0x40, flow * 7, 0, 53, 0, 26, 0, 0], 34);
    return bytes;
  }

  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

  describe.each([requirement('NET-MQ-01'), 'DESC-NET-04 one pair and the control queue by default'])('%s', () => {
    it('before any command frames come on the first receive queue alone', () => {
      const { fill, arrive } = started();
      fill();

      expect(arrive()).toEqual([12, 0, 0, 0]);
    });

    it('after a reset that is so again', () => {
      const { card, port } = started();
      port.setPairs(4);

      const again = new Port(card, 0, { features: [F.CTRL_VQ, F.MQ], pairs: PAIRS, control: CONTROL });
      for (let pair = 0; pair < PAIRS; pair++)
        again.post(
          Array.from({ length: 12 }, () => 200),
          pair,
        );
      for (let flow = 0; flow < 12; flow++) card.arrive(ipv4(again.mac, flow));

      expect([0, 1, 2, 3].map((pair) => again.frames(pair).length)).toEqual([12, 0, 0, 0]);
    });
  });

  describe(requirement('NET-MQ-02'), () => {
    it.each([1, 2, 3, 4])('with %i pairs set, no frame comes on a queue beyond them', (pairs) => {
      const { port, fill, arrive } = started();
      fill();

      expect(port.setPairs(pairs)).toBe(OK);
      const counts = arrive();

      expect(sum(counts)).toBe(12);
      expect(sum(counts.slice(pairs))).toBe(0);
    });

    it('shrinking from 4 to 1 takes effect with the acknowledgement', () => {
      const { port, fill, arrive } = started();
      fill(30);
      port.setPairs(4);
      arrive();

      port.setPairs(1);

      expect(arrive()).toEqual([12, 0, 0, 0]);
    });
  });

  it('packets may be sent on every pair', () => {
    const { card, port } = started();
    port.setPairs(4);

    for (let pair = 0; pair < PAIRS; pair++) port.send(frame(STRANGER, port.mac, 60, pair), undefined, pair);

    expect(card.wire.map(({ bytes }) => bytes)).toEqual(
      [0, 1, 2, 3].map((seed) => frame(STRANGER, port.mac, 60, seed)),
    );
  });

  it('a flow stays on one queue', () => {
    const { card, port, fill } = started();
    fill();
    port.setPairs(4);

    for (let i = 0; i < 10; i++) card.arrive(ipv4(port.mac, 5));

    expect([0, 1, 2, 3].map((pair) => port.frames(pair).length).sort()).toEqual([0, 0, 0, 10]);
  });

  it.each([
    [0, ERR],
    [5, ERR],
    [0x8000, ERR],
    [0xffff, ERR],
    [1, OK],
    [3, OK],
    [4, OK],
  ])('%i pairs: ack %i', (pairs, ack) => {
    expect(started().port.setPairs(pairs)).toBe(ack);
  });

  it('a refused number leaves the steering as it was', () => {
    const { port, fill, arrive } = started();
    fill();

    port.setPairs(5);

    expect(arrive()).toEqual([12, 0, 0, 0]);
  });

  function resetQueue(port: Port, queue: number): void {
    port.fn.setQueue(queue, R.QUEUE_RESET, 1);
    for (let reads = 0; port.fn.queue(queue, R.QUEUE_RESET) !== 0; reads++) if (reads > 100) throw new Error('no end');
  }

  describe(requirement('NET-MQ-03'), () => {
    it.each([0, 1, 2, 3])('with receive queue %i in reset the others get every frame', (down) => {
      const { port, fill, arrive } = started();
      fill();
      port.setPairs(4);

      resetQueue(port, 2 * down);
      const counts = arrive();

      expect(counts[down]).toBe(0);
      expect(sum(counts)).toBe(12);
    });
  });

  describe(requirement('NET-MQ-04'), () => {
    it('with every receive queue in reset frames are dropped and counted', () => {
      const { port, fill, arrive } = started();
      fill();
      port.setPairs(4);

      for (let pair = 0; pair < PAIRS; pair++) resetQueue(port, 2 * pair);

      expect(arrive()).toEqual([0, 0, 0, 0]);
      expect(port.fn.counters['rx_drop_disabled']).toBe(12);
    });
  });

  describe('DESC-NET-01 without MQ the control queue has index 2', () => {
    it('a command on queue 2 is answered though the card has four pairs', () => {
      const card = new RawCard({ mode, queueSize: 64, pfQueuePairs: PAIRS });
      const port = new Port(card, 0, { features: [F.CTRL_VQ, F.CTRL_RX], control: 2 });

      expect(port.setPromiscuous(true)).toBe(OK);
      expect(port.setPairs(1)).toBe(ERR); // MQ was not negotiated
    });
  });
});
