// SPDX-License-Identifier: Apache-2.0
// Rings of every size, as the device offers them and as the driver cuts them down. virtio 1.4 §2.7 "Split Virtqueues".
import { describe, expect, it } from 'vitest';

import { contents, readable, writable } from './support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { R, RX, TX } from '../../support/registers.ts';

const SIZES = [2, 4, 8, 16, 32, 64, 128, 256];

/** Three times round both rings: every slot carries three different frames. */
function goRound(card: RawCard, fn: RawFunction, size: number): void {
  const [descriptor] = readable(fn, packet(frame(STRANGER, fn.mac)));
  const buffers = writable(fn, ...Array.from({ length: size }, () => 100));
  buffers.forEach((buffer, i) => fn.ring(RX).describe(i, buffer));
  for (let i = 0; i < size; i++) fn.ring(TX).describe(i, descriptor!);
  card.wire.length = 0;
  for (let round = 0; round < 3; round++) {
    const all = Array.from({ length: size }, (_, i) => (i + round) % size);
    fn.ring(TX).offer(...all);
    fn.kick(TX);
    fn.ring(RX).offer(...all);
    fn.kick(RX);
    all.forEach((head, i) => {
      const sent = frame(fn.mac, STRANGER, 60, round * 50 + i);
      card.arrive(sent);
      expect(fn.ring(RX).used((round * size + i) & 0xffff)).toEqual({ id: head, len: HEADER + 60 });
      expect(contents(fn, [buffers[head]!]).slice(HEADER, HEADER + 60)).toEqual(sent);
    });
  }
  expect([fn.ring(TX).usedIdx, fn.ring(RX).usedIdx]).toEqual([3 * size, 3 * size]);
  expect(card.wire).toHaveLength(3 * size);
}

describe.each(MODES)('DESC-SPLIT-01 queue sizes are powers of two, %s', (mode) => {
  it.each(SIZES)('a card built with rings of %i offers that size and serves it', (size) => {
    const card = new RawCard({ mode, queueSize: size });
    const fn = card.fn(0);
    expect([fn.queue(RX, R.QUEUE_SIZE), fn.queue(TX, R.QUEUE_SIZE)]).toEqual([size, size]);
    fn.start();

    goRound(card, fn, size);
  });

  it.each([1, ...SIZES])('a driver may cut rings of 256 down to %i', (size) => {
    const card = new RawCard({ mode, queueSize: 256 });
    const fn = card.fn(0);
    fn.start({ queues: { 0: { size }, 1: { size } } });
    expect([fn.queue(RX, R.QUEUE_SIZE), fn.queue(TX, R.QUEUE_SIZE)]).toEqual([size, size]);

    goRound(card, fn, size);
  });

  it('queues of one function may differ in size', () => {
    const card = new RawCard({ mode, queueSize: 64 });
    const fn = card.fn(0);
    fn.start({ queues: { 0: { size: 32 }, 1: { size: 4 } } });

    goRound(card, fn, 4);

    expect(fn.queue(RX, R.QUEUE_SIZE)).toBe(32);
  });

  it('a reset of the device brings the offered size back', () => {
    const card = new RawCard({ mode, queueSize: 64 });
    const fn = card.fn(0);
    fn.start({ queues: { 0: { size: 8 }, 1: { size: 2 } } });

    fn.reset();

    expect([fn.queue(RX, R.QUEUE_SIZE), fn.queue(TX, R.QUEUE_SIZE)]).toEqual([64, 64]);
  });
});
