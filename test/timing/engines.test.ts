// SPDX-License-Identifier: Apache-2.0
// Engines take one piece of work at a time, first come, first served, and all functions share them. Two functions ring in
// one burst: they are visited in cycles 100 and 102 (scheduler.test.ts). A frame of 64 bytes is known 554 cycles after the
// visit, its engine takes over; 2 cycles of write-back and the wire, 7.04 + 10, follow (frames.test.ts).
import { describe, expect, it } from 'vitest';

import * as TRACE from '../../assembly/abi/trace_kind.ts';
import type { ProfileOverrides } from '../../src/device/profile.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { readable, writable } from '../conformance/ring/support/buffers.ts';
import { BROADCAST, frame, HEADER, macOf, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';
import type { RawFunction } from '../support/raw_function.ts';
import type { Descriptor } from '../support/raw_ring.ts';
import { F, RX, TX } from '../support/registers.ts';
import { adminCommand, bench } from './support/bench.ts';

const CONTROL = 2;
const FRAME_BYTES = 64;

/** A card whose PF and VF 1 run, with `chain` of each made available in `queue`. */
function pair(profile: ProfileOverrides, queue: number, chain: (fn: RawFunction) => readonly Descriptor[]) {
  const card = new RawCard({ profile, numVfs: 1, queueSize: 16, traceBytes: 1 << 20 });
  const functions = [card.fn(0), card.fn(1)];
  for (const fn of functions) {
    fn.start({ features: [F.CTRL_VQ, F.CTRL_RX], queues: { 0: {}, 1: {}, 2: {} } });
    fn.ring(queue).offer(fn.ring(queue).chain(chain(fn)));
  }
  card.nic.startTrace(TRACE.MASK_STATE);
  return { card, functions };
}

const sent = (fn: RawFunction): Descriptor[] => [
  { addr: fn.place(packet(frame(STRANGER, macOf(fn.fn), FRAME_BYTES)), 4), len: HEADER + FRAME_BYTES },
];

/** Both functions ring; [function, cycle] of each frame on the wire. */
function transmitBoth(profile: ProfileOverrides): [fn: number, cycle: number][] {
  const { card, functions } = pair(profile, TX, sent);
  const start = card.nic.now();
  for (const fn of functions) fn.notify(TX);
  card.settle();
  return card.wire.map(({ fn, timeCycles }) => [fn, timeCycles - start]);
}

/** Cycles between the messages of two functions that are notified of the same kind of work. */
function apart(card: RawCard): number {
  const [first, second] = card.messages.slice(-2);
  if (first?.fn === second?.fn) throw new Error('one function was notified twice');
  return second!.timeCycles - first!.timeCycles;
}

describe('net.transmit_ns of 1000 cycles', () => {
  const SLOW = { 'net.transmit_ns': 4000 };

  // known 654 and 656, done 1656; the second is taken at 1654, when the engine is free: out at 2656 + 7.04 (2664) + 10
  it('is spent one frame after the other with one engine', () => {
    expect(transmitBoth({ ...SLOW, 'net.transmit_engines': 1 })).toEqual([
      [0, 1674],
      [1, 2674],
    ]);
  });

  // done 1656 and about 1658: the wire has the first until 1663.04, the second until 1670.08 (1671); + 10
  it('is spent on two frames at once with two engines', () => {
    expect(transmitBoth({ ...SLOW, 'net.transmit_engines': 2 })).toEqual([
      [0, 1674],
      [1, 1681],
    ]);
  });
});

describe('net.receive_ns of 1000 cycles', () => {
  it.each([
    [1, 1000, 1010],
    [2, 0, 10],
  ])('with %i engines a broadcast reaches two functions %i to %i cycles apart', (engines, least, most) => {
    const profile = { 'net.receive_ns': 4000, 'net.receive_engines': engines };
    const { card, functions } = pair(profile, RX, (fn) => writable(fn, HEADER + FRAME_BYTES));
    for (const fn of functions) fn.kick(RX);

    card.arrive(frame(BROADCAST, STRANGER, FRAME_BYTES));

    expect(functions.map((fn) => fn.ring(RX).usedIdx)).toEqual([1, 1]);
    expect(apart(card)).toBeGreaterThanOrEqual(least);
    expect(apart(card)).toBeLessThanOrEqual(most);
  });
});

describe('net.control_ns of 1000 cycles', () => {
  // VIRTIO_NET_CTRL_RX_PROMISC: class 0, command 0, on
  const promiscuous = (fn: RawFunction): Descriptor[] => [
    ...readable(fn, Uint8Array.of(0, 0), Uint8Array.of(1)),
    ...writable(fn, 1),
  ];

  it.each([
    [1, 1000, 1010],
    [2, 0, 10],
  ])('with %i engines commands of two functions end %i to %i cycles apart', (engines, least, most) => {
    const profile = { 'net.control_ns': 4000, 'net.control_engines': engines };
    const { card, functions } = pair(profile, CONTROL, promiscuous);

    for (const fn of functions) fn.notify(CONTROL);
    card.settle();

    expect(functions.map((fn) => fn.ring(CONTROL).usedIdx)).toEqual([1, 1]);
    expect(apart(card)).toBeGreaterThanOrEqual(least);
    expect(apart(card)).toBeLessThanOrEqual(most);
  });
});

describe('dma.read_interval_ns of 1000 cycles', () => {
  /** [function, cycle] of the first read request of each function. */
  function firstRequests(engines: number): [fn: number, cycle: number][] {
    const { card, functions } = pair({ 'dma.read_interval_ns': 4000, 'dma.read_engines': engines }, TX, sent);
    const start = card.nic.now();
    for (const fn of functions) fn.notify(TX);
    card.settle();
    const first = new Map<number, number>();
    for (const { kind, sub, fn, time } of traceRecords([card.nic.takeTrace()])) {
      if (kind === TRACE.DMA && sub === TRACE.DMA_ISSUED && !first.has(fn)) first.set(fn, time - start);
    }
    return [...first];
  }

  // asked at 100 and 102, set up in 13 cycles; one engine takes the second at 1100
  it.each([
    [1, 113, 1113],
    [2, 113, 115],
  ])('with %i engines lets the first requests of two functions out at %i and %i', (engines, pf, vf) => {
    expect(firstRequests(engines)).toEqual([
      [0, pf],
      [1, vf],
    ]);
  });

  // index 100, ring, descriptors and data: each is asked for when the one before is there, 137, 137 and 139 cycles, but
  // the engine takes the next no earlier than 1000 after it took the one before: data asked at 3100, 141 for the data
  it('with one engine spreads the four reads of a frame over three intervals', () => {
    const { card, functions } = pair({ 'dma.read_interval_ns': 4000 }, TX, sent);
    const start = card.nic.now();

    functions[0]!.notify(TX);
    card.settle();

    // decoding 1, set-up 13, 24 bytes up 0.76 (3115), + 26 + 70, 96 bytes down 3.05 (3215), + 26; engine 2, write-back 2,
    // the wire 7.04 (3253) + 10
    expect(card.wire.map(({ timeCycles }) => timeCycles - start)).toEqual([3263]);
  });
});

describe('admin.engines', () => {
  it.each([1, 2])('are %i: the card has one admin queue, which executes in order', (engines) => {
    const at = bench({ 'admin.list_ns': 4000, 'admin.engines': engines });
    const plain = adminCommand(at).record;

    const [first, second] = twoCommands(at);

    // 5 cycles of decoding and 1000; the second begins when the first is written back, 2 cycles later
    expect(plain.executed - plain.executing).toBe(1005);
    expect(first!.executed - first!.executing).toBe(1005);
    expect(second!.executing - first!.executed).toBe(2);
    expect(second!.executed - second!.executing).toBe(1005);
  });

  function twoCommands({ card, fn }: ReturnType<typeof bench>) {
    const ADMIN = 3;
    const ring = fn.ring(ADMIN);
    const records: ReturnType<typeof adminCommand>['record'][] = [];
    card.nic.onAdminCommand((record) => records.push(record));
    const heads = [0, 2].map((first) =>
      // LIST_QUERY of the SR-IOV group
      ring.chain([...readable(fn, Uint8Array.of(0, 0, 1, 0, ...new Uint8Array(20))), ...writable(fn, 16)], first),
    );
    ring.offer(...heads);
    fn.kick(ADMIN);
    return records;
  }
});
