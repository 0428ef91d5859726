// SPDX-License-Identifier: Apache-2.0
// The frames of a trace: each comes in once, however often it is offered to a card that has no room for it yet.
import { describe, expect, it } from 'vitest';

import * as TRACE from '../../../assembly/abi/trace_kind.ts';
import { traceRecords } from '../../../src/trace/records.ts';
import { frame, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { Port } from './support/port.ts';

const FRAMES = 250;
const IN = 0;
/** Port of frames that came from the wire. */
const WIRE = 0xffff;

/** Ports of the frames that came in. */
function arrivals(card: RawCard): number[] {
  const ports: number[] = [];
  for (const { kind, fn, sub } of traceRecords([card.nic.takeTrace()])) {
    if (kind === TRACE.FRAME && sub === IN) ports.push(fn);
  }
  expect(card.nic.lostTraceRecords()).toBe(0);
  return ports;
}

describe.each(MODES)('%s', (mode) => {
  function sending(to: (receiver: Uint8Array) => Uint8Array, profile: Record<string, number>) {
    const card = new RawCard({ mode, numVfs: 1, traceBytes: 1 << 24, profile });
    const [receiver, sender] = [new Port(card, 0), new Port(card, 1)];
    receiver.post(Array.from({ length: 256 }, () => 200));
    card.nic.startTrace(TRACE.MASK_FRAMES);
    const bytes = frame(to(receiver.mac), sender.mac);
    for (let i = 0; i < FRAMES; i++) sender.queue(bytes);
    sender.fn.notify(1);
    return { card, receiver };
  }

  it('one that waits for a receive job, of which there are 128', () => {
    // the jobs of frames that are being received are taken for 100 us each
    const { card, receiver } = sending((mac) => mac, { 'net.receive_ns': 100_000 });
    expect(card.nic.receiveFrame(frame(receiver.mac, STRANGER))).toBe(true);
    card.settle();

    const ports = arrivals(card);
    expect(ports.filter((port) => port === 1)).toHaveLength(FRAMES);
    expect(ports.filter((port) => port === WIRE)).toHaveLength(1);
    expect(receiver.fn.counters['rx_frames']).toBe(FRAMES + 1);
  });
});

it('one that waits for room in front of a slow wire', () => {
  const card = new RawCard({ mode: 'timed', traceBytes: 1 << 24, profile: { 'wire.rate_gbps': 1 }, mtu: 9000 });
  const sender = new Port(card, 0);
  card.nic.startTrace(TRACE.MASK_FRAMES);
  // 512 KiB are in front of the wire: 58 frames of 9,014 bytes
  const bytes = frame(STRANGER, sender.mac, 9014);
  const at = sender.fn.place(Uint8Array.from([...new Uint8Array(12), ...bytes]));
  const ring = sender.fn.ring(1);
  for (let i = 0; i < FRAMES; i++) {
    ring.describe(i, { addr: at, len: 12 + 9014 });
    ring.offer(i);
  }

  sender.fn.kick(1);

  expect(arrivals(card)).toHaveLength(FRAMES);
  expect(card.wire).toHaveLength(FRAMES);
});
