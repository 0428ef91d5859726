// SPDX-License-Identifier: Apache-2.0
// The rate limit in simulated time against arithmetic: n frames of L bytes at R Mbit/s take n * 8 L / R microseconds. What is
// in work when the first frame has gone is the burst; over many frames only the rate counts.
import { describe, expect, it } from 'vitest';

import { Port } from '../conformance/net/support/port.ts';
import { frame, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';

const FRAMES = 224;
/** Frames after which the credit of the start is used up. */
const SETTLED = 128;
/** Chains of one queue in work (queue.jobs of the profile). */
const IN_WORK = 4;
/** From taking a chain to sending its frame, at most. */
const FETCH_NS = 3000;
const CLOCK_NS = 4;

/** Times in which frames of a function left, in nanoseconds; all were there from the start. */
function departures(profile: { rateMbps?: number }, bytes: number, options = {}): number[] {
  const card = new RawCard({ totalVfs: 2, queueSize: 256, windowBytes: 8 << 20, ...options });
  card.nic.provision(1, profile);
  card.enableVfs(2);
  const port = new Port(card, 1);
  for (let i = 0; i < FRAMES; i++) {
    const at = port.fn.place(new Uint8Array([...new Uint8Array(12), ...frame(STRANGER, port.mac, bytes)]));
    port.fn.ring(1).describe(i, { addr: at, len: 12 + bytes });
    port.fn.ring(1).offer(i);
  }
  port.fn.kick(1);
  expect(card.wire).toHaveLength(FRAMES);
  return card.wire.map(({ timeCycles }) => timeCycles * CLOCK_NS);
}

describe('a rate limit', () => {
  it.each([
    [1, 60],
    [10, 1514],
    [100, 60],
    [1000, 1514],
  ])(
    'of %i Mbit/s: frames of %i bytes leave in bursts of what is in work, whose times are those of the rate',
    (rateMbps, bytes) => {
      const times = departures({ rateMbps }, bytes);
      const frameNs = (8 * bytes * 1000) / rateMbps;

      const elapsed = times[SETTLED + 20 * IN_WORK]! - times[SETTLED]!;

      expect(Math.abs(elapsed - 20 * IN_WORK * frameNs)).toBeLessThan(FETCH_NS);
    },
  );

  it.each([
    [1000, 60],
    [10_000, 1514],
  ])('of %i Mbit/s is kept where fetching a frame of %i bytes takes longer than sending it', (rateMbps, bytes) => {
    const times = departures({ rateMbps }, bytes);
    const frameNs = (8 * bytes * 1000) / rateMbps;

    const elapsed = times[FRAMES - 1 - IN_WORK]! - times[SETTLED]!;

    const expected = (FRAMES - 1 - IN_WORK - SETTLED) * frameNs;
    expect(Math.abs(elapsed - expected)).toBeLessThan(IN_WORK * frameNs + FETCH_NS);
  });

  it('lets a function that was idle send the credit of 4,096 cycles at once, no more', () => {
    const times = departures({ rateMbps: 1000 }, 60);
    const creditFrames = (4096 * CLOCK_NS) / (8 * 60);

    for (const [i, time] of times.entries()) {
      expect(time - times[0]!).toBeGreaterThan((i - creditFrames - IN_WORK) * 8 * 60 - FETCH_NS);
    }
  });

  it('above what the wire takes changes nothing', () => {
    const free = departures({}, 1514);
    const limited = departures({ rateMbps: 400_000 }, 1514);

    expect(limited).toEqual(free);
  });

  it('is not applied in functional mode', () => {
    expect(new Set(departures({ rateMbps: 1 }, 1514, { mode: 'functional' })).size).toBe(1);
  });

  it('of one function holds up nobody else', () => {
    const run = (rateMbps: number): number[] => {
      const card = new RawCard({ totalVfs: 2, queueSize: 64, windowBytes: 8 << 20 });
      card.nic.provision(1, { rateMbps });
      card.enableVfs(2);
      const [slow, fast] = [1, 2].map((fn) => new Port(card, fn));
      for (let i = 0; i < 16; i++) slow!.queue(frame(STRANGER, slow!.mac, 60));
      slow!.fn.card.nic.write(1, 2, 0x3004, 2, 1);
      card.nic.advance(card.nic.now() + 5000);
      for (let i = 0; i < 16; i++) fast!.queue(frame(STRANGER, fast!.mac, 60));
      const start = card.nic.now();
      fast!.fn.kick(1);
      return card.wire.filter(({ fn }) => fn === 2).map(({ timeCycles }) => timeCycles - start);
    };

    expect(run(1)).toEqual(run(2));
    expect(Math.max(...run(1))).toBeLessThan(2500);
  });

  it('is gone with the function that had it', () => {
    const card = new RawCard({ totalVfs: 1, queueSize: 64, windowBytes: 8 << 20 });
    card.nic.provision(1, { rateMbps: 1 });
    card.enableVfs(1);
    const port = new Port(card, 1);
    for (let i = 0; i < 8; i++) port.queue(frame(STRANGER, port.mac, 1500));
    card.nic.write(1, 2, 0x3004, 2, 1);
    card.nic.advance(card.nic.now() + 5000);
    card.nic.configWrite(0, 0x148, 2, 0);
    card.nic.provision(1, {});
    card.nic.configWrite(0, 0x148, 2, 9);
    card.nic.configWrite(1, 0x04, 2, 4);
    const before = card.wire.length;
    const start = card.nic.now();

    const again = new Port(card, 1);
    for (let i = 0; i < 8; i++) again.send(frame(STRANGER, again.mac, 1500));

    expect(card.wire).toHaveLength(before + 8);
    expect(card.wire.at(-1)!.timeCycles - start).toBeLessThan(100_000);
  });

  it('outlives a reset of the function: a driver cannot shake it off', () => {
    const card = new RawCard({ totalVfs: 1, queueSize: 64 });
    card.nic.provision(1, { rateMbps: 1 });
    card.enableVfs(1);
    const port = new Port(card, 1);
    port.queue(frame(STRANGER, port.mac, 1000));
    card.nic.write(1, 2, 0x3004, 2, 1);
    card.nic.advance(card.nic.now() + 5000);
    expect(card.wire).toHaveLength(1);

    port.fn.reset();
    const again = new Port(card, 1);
    again.send(frame(STRANGER, again.mac, 60));

    expect(card.wire).toHaveLength(2);
    const gapNs = (card.wire[1]!.timeCycles - card.wire[0]!.timeCycles) * CLOCK_NS;
    expect(Math.abs(gapNs - (8_000_000 - 4096 * CLOCK_NS))).toBeLessThan(10_000);
  });
});
