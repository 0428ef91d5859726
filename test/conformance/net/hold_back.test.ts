// SPDX-License-Identifier: Apache-2.0
// Frames that find no buffer, on a card that holds them back (receiveHoldBytes): all of a burst arrives, in order, when
// there are buffers, within the bytes that were asked for. A frame takes four bytes and its own, in whole words.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { NicConfig } from '../../../src/device/config.ts';
import { BROADCAST, frame, HEADER, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard, type RawCardOptions } from '../../support/raw_card.ts';
import { F, R } from '../../support/registers.ts';
import { Port, type PortOptions } from './support/port.ts';

const COMMAND = 4;
const MEMORY_ENABLE = 2;
const MEMORY_AND_BUS_MASTER = 6;

const times = (count: number, length: number): number[] => Array.from({ length: count }, () => length);

describe.each(MODES)('%s', (mode) => {
  function started(card: RawCardOptions = {}, options: PortOptions = {}) {
    const bench = new RawCard({ mode, queueSize: 64, receiveHoldBytes: 4096, ...card });
    const port = new Port(bench, 0, options);
    const arriving = (seed: number, length = 60) => frame(port.mac, STRANGER, length, seed);
    const burst = (count: number, length = 60): Uint8Array[] => {
      const frames = Array.from({ length: count }, (_, i) => arriving(i, length));
      for (const bytes of frames) bench.arrive(bytes);
      return frames;
    };
    return { card: bench, port, arriving, burst };
  }

  it.each<[string, NicConfig, number]>([
    ['is dropped by default', { receiveHoldBytes: 0 }, 0],
    ['arrives whole where it is held back', { receiveHoldBytes: 4096 }, 50],
  ])('a burst of 50 frames that finds no buffer %s', (_, options, expected) => {
    const { port, burst } = started(options);
    const frames = burst(50);

    port.post(times(64, 200));

    expect(port.frames()).toEqual(frames.slice(0, expected));
    expect(port.fn.counters).toMatchObject({
      rx_frames: expected,
      rx_bytes: 60 * expected,
      rx_held: expected,
      rx_drop_no_buffer: 50 - expected,
    });
  });

  it('a burst that runs out of buffers goes on with the next ones, later frames behind earlier ones', () => {
    const { card, port, arriving } = started();
    port.post(times(3, 200));

    for (let seed = 0; seed < 30; seed++) {
      card.arrive(arriving(seed));
      if (seed % 3 === 0) port.post([200]);
    }
    port.post(times(30, 200));

    expect(port.frames()).toEqual(Array.from({ length: 30 }, (_, seed) => arriving(seed)));
    expect(port.fn.counters['rx_drop_no_buffer']).toBe(0);
  });

  it('4,096 bytes hold 64 frames of 60 bytes; more are dropped and counted', () => {
    const { port, burst } = started();
    const frames = burst(70);

    port.post(times(64, 200));

    expect(port.frames()).toEqual(frames.slice(0, 64));
    expect(port.fn.counters).toMatchObject({ rx_held: 64, rx_drop_no_buffer: 6, rx_frames: 64 });
  });

  it('a long frame that has no room is dropped, a short one behind it is held', () => {
    const { card, port, arriving } = started();
    // 2 * 1,520 bytes leave 1,056
    for (const [seed, length] of [1514, 1514, 1514, 60].entries()) card.arrive(arriving(seed, length));

    port.post(times(4, 2000));

    expect(port.frames()).toEqual([arriving(0, 1514), arriving(1, 1514), arriving(3, 60)]);
    expect(port.fn.counters).toMatchObject({ rx_held: 3, rx_drop_no_buffer: 1 });
  });

  it('frames of any length and any number of buffers: what a queue of that many bytes would do', () => {
    const step = fc.oneof(
      fc.record({ arrive: fc.integer({ min: 14, max: 1514 }) }),
      fc.record({ post: fc.integer({ min: 1, max: 3 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { card, port, arriving } = started();
        const waiting: Uint8Array[] = [];
        const expected: Uint8Array[] = [];
        let [buffers, held, drops] = [0, 0, 0];
        const bytes = ({ length }: Uint8Array): number => 4 + Math.ceil(length / 4) * 4;
        for (const [seed, one] of steps.entries()) {
          if ('arrive' in one) {
            const arrived = arriving(seed, one.arrive);
            card.arrive(arrived);
            const sum = waiting.reduce((total, other) => total + bytes(other), 0);
            if (buffers > 0) {
              expected.push(arrived);
              buffers--;
            } else if (sum + bytes(arrived) <= 4096) {
              waiting.push(arrived);
              held++;
            } else drops++;
          } else {
            port.post(times(one.post, 1600));
            buffers += one.post;
            const served = waiting.splice(0, buffers);
            expected.push(...served);
            buffers -= served.length;
          }
          expect(port.frames()).toEqual(expected.splice(0));
        }
        expect(port.fn.counters).toMatchObject({ rx_held: held, rx_drop_no_buffer: drops });
      }),
      { numRuns: 10 },
    );
  });

  it('buffers without a doorbell are found when the next frame comes, as without holding back', () => {
    const { card, port, arriving, burst } = started();
    burst(2);
    const ring = port.fn.ring(0);
    for (let i = 0; i < 3; i++) {
      ring.describe(i, { addr: port.fn.space(200), len: 200, flags: 2 });
      ring.offer(i);
    }

    card.settle();
    expect(ring.usedIdx).toBe(0);
    card.arrive(arriving(9));

    expect(ring.usedIdx).toBe(3);
  });

  it('with EVENT_IDX the driver is asked for the doorbell that is waited for', () => {
    const { port, burst } = started({}, { features: [F.EVENT_IDX] });
    port.post(times(5, 200));
    burst(7);

    // five buffers are used: a doorbell is wanted for the sixth, which has index 5
    expect(port.fn.ring(0).availEvent).toBe(5);
  });

  it('a buffer that is too small costs the frame, and the next one gets the next', () => {
    const { card, port, arriving } = started();
    card.arrive(arriving(1, 300));
    card.arrive(arriving(2, 60));

    port.post([200]);

    expect(port.frames()).toEqual([arriving(2, 60)]);
    expect(port.fn.counters).toMatchObject({ rx_held: 2, rx_drop_too_small: 1, rx_frames: 1 });
  });

  it('a frame over several buffers waits for the last of them, and those behind it wait too', () => {
    const { card, port, arriving } = started({}, { features: [F.MRG_RXBUF] });
    port.post([64, 64]);
    card.arrive(arriving(1, 200)); // 212 bytes: four buffers
    card.arrive(arriving(2, 40));

    expect(port.fn.ring(0).usedIdx).toBe(0);
    port.post([64]);
    expect(port.fn.ring(0).usedIdx).toBe(0);
    port.post([64, 64]);

    expect(port.frames()).toEqual([arriving(1, 200), arriving(2, 40)]);
    expect(port.fn.counters).toMatchObject({ rx_held: 2, rx_drop_no_buffer: 0 });
  });

  it('a frame for which the driver has no more descriptors is dropped, and the next one gets the buffers', () => {
    const { card, port, arriving } = started({ queueSize: 4 }, { features: [F.MRG_RXBUF] });
    port.post(times(4, 64));

    card.arrive(arriving(1, 1000)); // 1,012 bytes, and the ring has no more than 4 * 64
    card.arrive(arriving(2, 40));

    expect(port.frames()).toEqual([arriving(2, 40)]);
    expect(port.fn.counters).toMatchObject({ rx_held: 0, rx_drop_no_buffer: 1 });
  });

  it('a frame that takes more than 64 buffers is dropped', () => {
    const { card, port, arriving } = started({ queueSize: 128 }, { features: [F.MRG_RXBUF] });
    port.post(times(70, 16));

    card.arrive(arriving(1, 1514)); // 1,526 bytes: 96 buffers of 16
    card.arrive(arriving(2, 60));

    expect(port.frames()).toEqual([arriving(2, 60)]);
    expect(port.fn.counters).toMatchObject({ rx_held: 0, rx_drop_no_buffer: 1 });
  });

  describe('frames that are held are dropped and counted by', () => {
    function holding() {
      const bench = started({}, { features: [F.RING_RESET] });
      bench.burst(5);
      expect(bench.port.fn.counters).toMatchObject({ rx_held: 5, rx_drop_disabled: 0 });
      return bench;
    }

    it.each<[string, (bench: ReturnType<typeof holding>) => void]>([
      ['a device reset', ({ port }) => port.fn.reset()],
      ['a function level reset', ({ port }) => port.fn.functionLevelReset()],
      ['a reset of the queue', ({ port }) => port.fn.setQueue(0, R.QUEUE_RESET, 1)],
      ['Bus Master Enable', ({ card }) => card.nic.configWrite(0, COMMAND, 2, MEMORY_ENABLE)],
      [
        "a driver's mistake",
        ({ port }) => {
          port.fn.ring(0).offer(64); // beyond the queue
          port.fn.kick(0);
        },
      ],
    ])('%s', (_, act) => {
      const bench = holding();

      act(bench);
      bench.card.settle();

      expect(bench.port.fn.counters).toMatchObject({ rx_held: 5, rx_frames: 0, rx_drop_disabled: 5 });
    });

    it('and none of them comes later', () => {
      const { card, port, arriving } = holding();
      port.fn.reset();

      const again = new Port(card, 0);
      again.post(times(8, 200));
      expect(again.frames()).toEqual([]);
      card.arrive(arriving(77));

      expect(again.frames()).toEqual([arriving(77)]);
    });

    it('Bus Master Enable: the queue goes on when it is back', () => {
      const { card, port, arriving } = holding();
      card.nic.configWrite(0, COMMAND, 2, MEMORY_ENABLE);
      card.settle();
      card.nic.configWrite(0, COMMAND, 2, MEMORY_AND_BUS_MASTER);
      card.settle();

      port.post([200]);
      card.arrive(arriving(77));

      expect(port.frames()).toEqual([arriving(77)]);
    });
  });

  it('each of two queues has half of the bytes, and its own frames', () => {
    const options = { features: [F.CTRL_VQ, F.CTRL_RX, F.MQ], pairs: 2, control: 4 };
    const { card, port } = started({ pfQueuePairs: 2 }, options);
    port.setPairs(2);
    // what is no IP goes by the addresses: find one station for each queue
    const stations: [number, number][] = [];
    port.post(times(40, 200), 0);
    port.post(times(40, 200), 1);
    for (let station = 0; station < 40; station++) {
      card.arrive(frame(port.mac, Uint8Array.of(2, 0, 0, 0, 0, station)));
      stations.push([station, port.frames(0).length === 1 ? 0 : 1]);
      port.frames(1);
    }
    const [one] = stations.find(([, pair]) => pair === 0)!;
    const [other] = stations.find(([, pair]) => pair === 1)!;
    const leftOf = (pair: number): number => 40 - stations.filter((station) => station[1] === pair).length;
    const sent = (station: number, seed: number): Uint8Array =>
      frame(port.mac, Uint8Array.of(2, 0, 0, 0, 0, station), 60, seed);

    // 2,048 bytes hold 32 frames of 60, behind those that still have buffers
    for (let seed = 0; seed < leftOf(0) + 34; seed++) card.arrive(sent(one, seed));
    for (let seed = 0; seed < leftOf(1) + 3; seed++) card.arrive(sent(other, seed));
    expect(port.fn.counters).toMatchObject({ rx_held: 35, rx_drop_no_buffer: 2 });
    port.frames(0);
    port.frames(1);
    port.post(times(40, 200), 1);
    port.post(times(40, 200), 0);

    expect(port.frames(0)).toEqual(Array.from({ length: 32 }, (_, i) => sent(one, leftOf(0) + i)));
    expect(port.frames(1)).toEqual(Array.from({ length: 3 }, (_, i) => sent(other, leftOf(1) + i)));
  });

  it('150 functions that get their buffers at once each get their own frames, though the card works on 128 at a time', () => {
    const card = new RawCard({ mode, queueSize: 8, numVfs: 149, receiveHoldBytes: 4096, windowBytes: 16 << 20 });
    const functions = Array.from({ length: 150 }, (_, fn) => {
      const one = card.fn(fn, 32 << 10);
      one.start();
      return one;
    });
    card.arrive(frame(BROADCAST, STRANGER, 60, 1));
    for (const fn of functions) card.arrive(frame(fn.mac, STRANGER, 60, fn.fn));
    const at = functions.map((fn) => {
      const ring = fn.ring(0);
      const addresses = [fn.space(200), fn.space(200)];
      addresses.forEach((addr, i) => ring.describe(i, { addr, len: 200, flags: 2 }));
      ring.offer(0, 1);
      return addresses;
    });

    for (const fn of functions) fn.notify(0);
    card.settle();

    for (const [i, fn] of functions.entries()) {
      expect(fn.bytesAt(at[i]![0]! + HEADER, 60)).toEqual(frame(BROADCAST, STRANGER, 60, 1));
      expect(fn.bytesAt(at[i]![1]! + HEADER, 60)).toEqual(frame(fn.mac, STRANGER, 60, fn.fn));
      expect(fn.counters).toMatchObject({ rx_held: 2, rx_frames: 2 });
    }
  });

  it('a snapshot has the frames that are held; only a card that holds as much takes it', () => {
    const from = started();
    const frames = from.burst(5);
    const to = started();

    to.card.nic.restore(from.card.nic.snapshot());
    to.port.post(times(8, 200));

    expect(to.port.frames()).toEqual(frames);
    expect(() => started({ receiveHoldBytes: 8192 }).card.nic.restore(from.card.nic.snapshot())).toThrow(/snapshot/);
    expect(() => started({ receiveHoldBytes: 0 }).card.nic.restore(from.card.nic.snapshot())).toThrow(/snapshot/);
  });
});

it('run(a); run(b) is run(a + b), with frames that are held and taken up again', () => {
  const [whole, cut] = [1, 7].map((pieces) => {
    const card = new RawCard({ mode: 'timed', queueSize: 64, receiveHoldBytes: 4096 });
    const port = new Port(card, 0);
    for (let round = 0; round < 8; round++) {
      card.nic.receiveFrame(frame(port.mac, STRANGER, 60 + round, round));
      if (round % 3 === 2) {
        const ring = port.fn.ring(0);
        for (let i = 0; i < 2; i++) {
          const head = ring.availIdx % ring.size;
          ring.describe(head, { addr: port.fn.space(200), len: 200, flags: 2 });
          ring.offer(head);
        }
        port.fn.notify(0);
      }
      const end = card.nic.now() + 700;
      for (let piece = 1; piece <= pieces; piece++) card.nic.advance(end - (pieces - piece) * 100);
    }
    expect(port.fn.counters['rx_held']).toBeGreaterThan(3);
    return card.nic.digest();
  });

  expect(cut).toBe(whole);
});
