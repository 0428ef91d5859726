// SPDX-License-Identifier: Apache-2.0
// More work at once than the card has room for: jobs, output records, wire buffer, posted writes. Work may wait or be
// dropped and counted; it is never lost or mixed up.
import { describe, expect, it } from 'vitest';

import { BROADCAST, frame, HEADER, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { WRITE } from '../../support/raw_ring.ts';
import { F, R } from '../../support/registers.ts';

const RX = 0;
const TX = 1;
const MEMORY = 32 << 10;

/** Functions with `buffers` receive buffers, all of them in one place: contents do not matter here. */
function ports(card: RawCard, count: number, buffers: number): RawFunction[] {
  return Array.from({ length: count }, (_entry, number) => {
    const fn = card.fn(number, MEMORY);
    fn.start();
    const addr = fn.space(2048);
    const ring = fn.ring(RX);
    for (let i = 0; i < buffers; i++) ring.describe(i, { addr, len: 2048, flags: WRITE });
    if (buffers > 0) ring.offer(...Array.from({ length: buffers }, (_, i) => i));
    fn.kick(RX);
    return fn;
  });
}

/** Puts the same frame into every slot of a transmit ring and offers them all, without a doorbell. */
function fillTransmit(fn: RawFunction, bytes: Uint8Array): void {
  const ring = fn.ring(TX);
  const whole = packet(bytes);
  const addr = fn.place(whole);
  for (let i = 0; i < ring.size; i++) ring.describe(i, { addr, len: whole.length });
  ring.offer(...Array.from({ length: ring.size }, (_, i) => i));
}

describe.each(MODES)('%s', (mode) => {
  it('forty functions send sixteen frames each at once: all leave, each sender in its own order', () => {
    const card = new RawCard({ mode, queueSize: 16, numVfs: 39 });
    const functions = ports(card, 40, 0);
    for (const fn of functions) {
      const ring = fn.ring(TX);
      const at = Array.from({ length: 16 }, (_, seed) => fn.place(packet(frame(STRANGER, macOf(fn.fn), 60, seed))));
      at.forEach((addr, i) => ring.describe(i, { addr, len: HEADER + 60 }));
      ring.offer(...at.map((_, i) => i));
    }

    for (const fn of functions) fn.notify(TX);
    card.settle();

    expect(card.wire).toHaveLength(640);
    for (const { fn } of functions) {
      const seeds = card.wire.filter((sent) => sent.fn === fn).map(({ bytes }) => bytes[14]! - 14);
      expect(seeds).toEqual(Array.from({ length: 16 }, (_, i) => i));
    }
  });

  it('a flood of 64 broadcasts to 100 ports is delivered or dropped, port by port', () => {
    const card = new RawCard({ mode, queueSize: 64, numVfs: 100, wire: 'discard', windowBytes: 8 << 20 });
    const [sender, ...others] = ports(card, 101, 64);
    fillTransmit(sender!, frame(BROADCAST, macOf(0)));

    sender!.kick(TX);

    expect(sender!.ring(TX).usedIdx).toBe(64);
    expect(card.nic.counters()['wire_tx_frames']).toBe(64);
    for (const { counters } of others) {
      const drops = counters['rx_drop_no_buffer']!;
      expect(counters['rx_frames']! + drops).toBe(64);
    }
  });

  it('the last used entry of every port is notified, however many messages one doorbell sets off', () => {
    const card = new RawCard({ mode, queueSize: 256, numVfs: 60, wire: 'discard', windowBytes: 8 << 20 });
    const functions = ports(card, 61, 256);
    const seen = functions.map(() => 0);
    card.nic.onMessage(({ fn, vector }) => {
      if (vector === RX + 1) seen[fn] = functions[fn]!.ring(RX).usedIdx;
    });
    fillTransmit(functions[0]!, frame(BROADCAST, macOf(0)));

    functions[0]!.kick(TX);

    expect(seen.slice(1)).toEqual(functions.slice(1).map((fn) => fn.ring(RX).usedIdx));
  });

  it('256 frames of 9014 bytes in one doorbell all reach the host, whole', () => {
    const card = new RawCard({ mode, queueSize: 256, mtu: 9000 });
    const fn = card.fn(0);
    fn.start();
    const sent = frame(STRANGER, fn.mac, 9014);
    fillTransmit(fn, sent);

    fn.kick(TX);

    expect(card.wire).toHaveLength(256);
    expect(card.wire.filter(({ bytes }) => Buffer.compare(bytes, sent) !== 0)).toEqual([]);
  });

  it('5,000 posted writes in a row all take effect, in order', () => {
    const card = new RawCard({ mode });
    const fn = card.fn(0);

    for (let i = 1; i <= 5000; i++) fn.write(R.DRIVER_FEATURE_SELECT, i, 4);

    expect(fn.read(R.DRIVER_FEATURE_SELECT, 4)).toBe(5000);
  });

  it('a thousand doorbells in a row use each buffer once', () => {
    const card = new RawCard({ mode, queueSize: 16 });
    const fn = card.fn(0);
    fn.start({ features: [F.EVENT_IDX] });
    fillTransmit(fn, frame(STRANGER, fn.mac));

    for (let i = 0; i < 2000; i++) fn.notify(TX);
    card.settle();

    expect(card.wire).toHaveLength(16);
    expect(fn.ring(TX).usedIdx).toBe(16);
  });

  it('frames that come in back to back are taken or refused at the port, and none is lost in between', () => {
    const card = new RawCard({ mode, queueSize: 256 });
    const [fn] = ports(card, 1, 256);
    let taken = 0;

    for (let i = 0; i < 2000; i++) {
      if (card.nic.receiveFrame(frame(fn!.mac, STRANGER, 60, i))) taken++;
      card.nic.advance(card.nic.now() + 3);
    }
    card.settle();

    const counters = { ...card.nic.counters(), ...fn!.counters };
    expect(taken).toBeGreaterThan(100);
    expect(counters['rx_frames']! + counters['rx_drop_no_buffer']!).toBe(taken);
  });

  // without time the doorbell that comes first is done first
  it.runIf(mode === 'timed')('a function with a full ring does not keep its neighbour waiting', () => {
    const card = new RawCard({ mode, queueSize: 256, numVfs: 1 });
    const [busy, idle] = ports(card, 2, 0);
    fillTransmit(busy!, frame(STRANGER, macOf(0), 200));
    const one = packet(frame(STRANGER, macOf(1)));
    idle!.ring(TX).chain([{ addr: idle!.place(one), len: one.length }]);
    idle!.ring(TX).offer(0);

    busy!.notify(TX);
    card.nic.advance(card.nic.now() + 500);
    idle!.notify(TX);
    card.settle();

    expect(card.wire).toHaveLength(257);
    const before = card.wire.findIndex(({ fn }) => fn === 1);
    expect(before).toBeLessThan(128);
  });
});
