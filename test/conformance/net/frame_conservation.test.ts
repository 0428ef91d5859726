// SPDX-License-Identifier: Apache-2.0
// No frame is lost without a count: what was put in equals what came out and what was dropped by cause.
import { describe, expect, it } from 'vitest';

import { BROADCAST, frame, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { Port } from './support/port.ts';

const UNKNOWN = Uint8Array.of(0x02, 0x77, 0x77, 0x77, 0x77, 0x77);

/** Sum of a function's counters whose name begins with `prefix`. */
function sumOf(counters: Readonly<Record<string, number>>, prefix: string): number {
  return Object.entries(counters).reduce((sum, [name, n]) => (name.startsWith(prefix) ? sum + n : sum), 0);
}

describe.each(MODES)('%s', (mode) => {
  function started(buffers: readonly number[]) {
    const card = new RawCard({ mode, queueSize: 64, numVfs: 2 });
    const ports = buffers.map((count, fn) => {
      const port = new Port(card, fn);
      if (count > 0) port.post(Array.from({ length: count }, () => 200));
      return port;
    });
    return { card, ports };
  }

  it('unicast of every kind: sent = delivered + wire + dropped', () => {
    const { card, ports } = started([5, 0, 30]);
    let put = 0;
    for (let round = 0; round < 10; round++) {
      for (const [fn, port] of ports.entries()) {
        for (const to of [macOf(0), macOf(1), macOf(2), STRANGER]) {
          port.send(frame(to, macOf(fn), 60 + round, put++));
        }
        port.send(frame(STRANGER, macOf(fn), 5));
        port.send(frame(STRANGER, macOf(fn), 1519));
        put += 2;
      }
      for (const to of [macOf(0), macOf(1), macOf(2), UNKNOWN]) {
        card.arrive(frame(to, STRANGER, 60, put++));
      }
    }

    const delivered = ports.reduce((sum, port) => sum + port.frames().length, 0);
    const dropped = ports.reduce(
      (sum, { fn }) => sum + sumOf(fn.counters, 'tx_drop_') + sumOf(fn.counters, 'rx_drop_'),
      0,
    );
    const lost = sumOf(card.nic.counters(), 'wire_rx_no_') + card.nic.counters()['wire_rx_bad_length']!;

    expect(put).toBe(10 * (3 * 6 + 4));
    expect(delivered + card.wire.length + dropped + lost).toBe(put);
    expect(delivered).toBe(35); // 5 buffers of the PF, 30 of VF 2; each gets 30 frames addressed to it
    expect(card.wire).toHaveLength(30);
  });

  it('the counters agree with what was seen: frames and bytes, each way', () => {
    const { card, ports } = started([10, 10, 10]);
    ports[0]!.send(frame(macOf(1), macOf(0), 100));
    ports[1]!.send(frame(STRANGER, macOf(1), 70));
    card.arrive(frame(macOf(2), STRANGER, 90));
    ports[2]!.send(frame(macOf(0), macOf(2), 65));

    expect(ports.map(({ fn }) => [fn.counters['tx_frames'], fn.counters['tx_bytes']])).toEqual([
      [1, 100],
      [1, 70],
      [1, 65],
    ]);
    expect(ports.map(({ fn }) => [fn.counters['rx_frames'], fn.counters['rx_bytes']])).toEqual([
      [1, 65],
      [1, 100],
      [1, 90],
    ]);
    expect(card.nic.counters()).toMatchObject({
      wire_tx_frames: 1,
      wire_tx_bytes: 70,
      wire_rx_frames: 1,
      wire_rx_bytes: 90,
    });
  });

  it('broadcast: one copy for each other port and the wire, each delivered or dropped', () => {
    const { card, ports } = started([3, 0, 10]);

    for (let i = 0; i < 6; i++) ports[1]!.send(frame(BROADCAST, macOf(1), 60, i));
    for (let i = 0; i < 4; i++) card.arrive(frame(BROADCAST, STRANGER, 60, i));

    const delivered = ports.map((port) => port.frames().length);
    const dropped = ports.map(({ fn }) => sumOf(fn.counters, 'rx_drop_'));
    // PF: 6 + 4 copies for 3 buffers; VF 1: 4 copies, no buffer; VF 2: 6 + 4 copies for 10 buffers
    expect(delivered).toEqual([3, 0, 10]);
    expect(dropped).toEqual([7, 4, 0]);
    expect(card.wire).toHaveLength(6);
  });

  it('a burst into one port is delivered up to its buffers, the rest counted', () => {
    const { card, ports } = started([20, 0, 0]);
    for (const port of ports.slice(1)) {
      for (let i = 0; i < 16; i++) port.queue(frame(macOf(0), port.mac, 60, i));
    }

    ports[1]!.fn.notify(1);
    ports[2]!.fn.notify(1);
    card.settle();

    expect(ports[0]!.frames()).toHaveLength(20);
    expect(ports[0]!.fn.counters).toMatchObject({ rx_frames: 20, rx_drop_no_buffer: 12 });
  });
});
