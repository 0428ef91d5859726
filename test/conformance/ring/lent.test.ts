// SPDX-License-Identifier: Apache-2.0
// More chains in work than the card has large buffers and lists of segments for: they take their turn, nothing is lost,
// nothing is cut, and small frames pass meanwhile. 32 of each are there for transmission and 32 for reception.
import { describe, expect, it } from 'vitest';

import { concat, frame, HEADER, macOf, packet, STRANGER } from './support/frames.ts';
import { cut, readable, writable } from './support/buffers.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { RX, TX } from '../../support/registers.ts';

const VFS = [1, 2, 3];
const JOBS = 32;
const JUMBO = 9014;

/** Three VFs, each with as many chains in work as a queue can have. */
function started(mode: (typeof MODES)[number], queues: Readonly<Record<number, object>> = { 0: {}, 1: {} }) {
  const card = new RawCard({ mode, numVfs: 3, mtu: 9000, windowBytes: 8 << 20, profile: { 'queue.jobs': JOBS } });
  const functions = VFS.map((fn) => card.fn(fn, 2 << 20));
  for (const fn of functions) fn.start({ queues });
  return { card, functions };
}

/** JOBS frames of every function at once, cut into `pieces`; the doorbells come when all of them lie there. */
function sendAll(functions: readonly RawFunction[], length: number, pieces: number): Uint8Array[] {
  const sent = functions.flatMap((fn, vf) => {
    const frames = Array.from({ length: JOBS }, (_, i) => frame(STRANGER, macOf(vf + 1), length, 8 * vf + i));
    frames.forEach((bytes, i) => {
      const parts = cut(packet(bytes), ...Array.from({ length: pieces - 1 }, (_, at) => HEADER + 14 + at));
      const ring = fn.ring(TX);
      if (i * pieces + pieces > ring.size) throw new Error('the ring is too short');
      ring.offer(ring.chain(readable(fn, ...parts), i * pieces));
    });
    return frames;
  });
  for (const fn of functions) fn.notify(TX);
  functions[0]!.card.settle();
  return sent;
}

const sorted = (frames: readonly Uint8Array[]): string[] => frames.map((bytes) => bytes.join()).toSorted();

describe.each(MODES)('%s', (mode) => {
  it('96 frames of 9,014 bytes leave whole', () => {
    const { card, functions } = started(mode);

    const sent = sendAll(functions, JUMBO, 2);

    expect(sorted(card.wire.map(({ bytes }) => bytes))).toEqual(sorted(sent));
    expect(functions.map((fn) => fn.ring(TX).usedIdx)).toEqual([JOBS, JOBS, JOBS]);
  });

  it('three queues of long chains leave whole', () => {
    const { card, functions } = started(mode);

    // 256 entries hold twelve chains of 20 a queue, so they come in turns
    for (let turn = 0; turn < 3; turn++) {
      const sent: Uint8Array[] = [];
      const before = card.wire.length;
      functions.forEach((fn, vf) => {
        for (let i = 0; i < 12; i++) {
          const bytes = frame(STRANGER, macOf(vf + 1), 100, 12 * turn + i);
          const parts = cut(packet(bytes), ...Array.from({ length: 19 }, (_, at) => 2 + at));
          fn.ring(TX).offer(fn.ring(TX).chain(readable(fn, ...parts), 20 * i));
          sent.push(bytes);
        }
        fn.notify(TX);
      });
      card.settle();
      expect(sorted(card.wire.slice(before).map(({ bytes }) => bytes))).toEqual(sorted(sent));
    }
    expect(functions.map((fn) => fn.ring(TX).usedIdx)).toEqual([36, 36, 36]);
  });

  it('96 large frames to one function arrive whole, and the small one behind them', () => {
    const { card, functions } = started(mode);
    const receiver = card.fn(0, 2 << 20);
    receiver.start();
    const arriving = Array.from({ length: 96 }, (_, i) => frame(receiver.mac, STRANGER, JUMBO, i));
    const ring = receiver.ring(RX);
    const buffers = Array.from({ length: 97 }, () => writable(receiver, HEADER + JUMBO)[0]!);
    buffers.forEach((buffer, id) => ring.offer(ring.chain([buffer], id)));
    receiver.kick(RX);

    for (const bytes of [...arriving, frame(receiver.mac, STRANGER, 60)]) card.arrive(bytes);

    expect(ring.usedSince(0).map(({ len }) => len)).toEqual([...arriving.map(() => HEADER + JUMBO), HEADER + 60]);
    arriving.forEach((bytes, id) => expect(receiver.bytesAt(buffers[id]!.addr + HEADER, JUMBO)).toEqual(bytes));
    expect(functions.map((fn) => fn.ring(RX).usedIdx)).toEqual([0, 0, 0]);
  });

  it('a control command that is longer than what the card reads of it is refused, not cut', () => {
    const { card } = started(mode);
    const fn = card.fn(1);
    const queues = { 0: {}, 1: {}, 2: {} };
    fn.start({ features: [17, 18], queues }); // CTRL_VQ, CTRL_RX
    // VIRTIO_NET_CTRL_MAC_TABLE_SET with no unicast and no multicast address, and zeros behind
    const whole = concat(Uint8Array.of(1, 0), new Uint8Array(9408));
    const ack = writable(fn, 1);

    fn.ring(2).offer(fn.ring(2).chain([...readable(fn, whole), ...ack], 0));
    fn.kick(2);

    expect(fn.bytesAt(ack[0]!.addr, 1)).toEqual(Uint8Array.of(1)); // VIRTIO_NET_ERR
    expect(fn.ring(2).usedIdx).toBe(1);
  });
});
