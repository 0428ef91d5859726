// SPDX-License-Identifier: Apache-2.0
// Control queue, admin client, data queues and a whole driver over a ring format that the sources know nothing of: it is
// plugged in as an option.
import { describe, expect, it } from 'vitest';

import { AdminClient } from '../../src/guest/admin_client.ts';
import { ControlQueue } from '../../src/guest/control_queue.ts';
import { RxQueue, TxQueue } from '../../src/guest/net_queues.ts';
import { PfDriver } from '../../src/guest/pf_driver.ts';
import { answerBytes } from '../support/admin_device.ts';
import { counting, LEGACY_FRAMING, MODERN_FRAMING } from '../support/net_rings.ts';
import { PlainMemory, ScriptedClock } from '../support/plain_memory.ts';
import { makePlainRing } from '../support/plain_ring.ts';
import { PlainRingDevice, type Buffer } from '../support/plain_ring_device.ts';
import { RegisterFunction } from '../support/register_function.ts';

/** A plain ring for a queue, and both of its sides. */
function plain(size = 8) {
  const memory = new PlainMemory();
  const options = {
    queue: 1,
    size,
    layout: 'modern',
    features: [],
    indirectEntries: 0,
    checksUsedLength: true,
  } as const;
  const ring = makePlainRing(memory, options);
  const notified: number[] = [];
  const doorbell = { notify: (queue: number) => notified.push(queue) };
  return { memory, ring, device: new PlainRingDevice(memory, ring), clock: new ScriptedClock(), notified, doorbell };
}

describe('the drivers over a ring of another format', () => {
  it('the control queue sends a command and reads its ack', () => {
    const { memory, ring, device, clock, notified, doorbell } = plain();
    const control = new ControlQueue(ring, memory, clock, doorbell);
    const commands: number[][] = [];
    for (const ack of [0, 1]) {
      clock.pending.push(() => {
        const buffer = device.take()!;
        commands.push(device.read(buffer));
        device.answer(buffer, [ack]);
      });
    }

    const isOk = [control.command(1, 1, Uint8Array.of(2, 0, 0, 0, 0, 9)), control.command(0, 0, Uint8Array.of(1))];

    expect(isOk).toEqual([true, false]);
    expect(commands).toEqual([
      [1, 1, 2, 0, 0, 0, 0, 9],
      [0, 0, 1],
    ]);
    expect(notified).toEqual([1, 1]);
  });

  it('the admin client has many commands in flight, of all lengths', () => {
    const { memory, ring, device, clock, doorbell } = plain(16);
    const client = new AdminClient(memory, clock, doorbell, { slots: 4 });
    client.start(ring);
    client.supportedCommands = 0x3e7fc;
    const seen: string[][] = [];
    const lengths: readonly (readonly [number, number])[] = [
      [0, 0],
      [1, 4],
      [9, 0],
      [0, 8],
      [300, 300],
      [1, 4],
    ];

    const results = lengths.flatMap((two, round) => {
      const slots = two.map((data, i) => client.submit(2 + i, 1, round, new Uint8Array(data).fill(7), two[1 - i]!));
      const buffers = two.map(() => device.take()!);
      const parts = ({ segments }: Buffer): string =>
        segments.map(({ isWritable, length }) => (isWritable ? 'w' : 'r') + length).join(' ');
      seen.push(buffers.map(parts));
      for (const buffer of buffers.toReversed()) {
        const hasResult = buffer.segments.filter(({ isWritable }) => isWritable).length > 1;
        device.answer(buffer, answerBytes(0, 0, hasResult ? [100 + round] : []));
      }
      client.onUsed();
      const done = [client.poll(), client.poll()];
      expect(done).toEqual(slots.toReversed());
      for (const slot of done) client.release(slot);
      return done.map((slot) => [client.status(slot), ...client.result(slot).subarray(0, client.resultLength(slot))]);
    });

    expect(results).toEqual([
      [0],
      [0],
      [0, 101],
      [0, 101],
      [0, 102],
      [0],
      [0],
      [0, 103],
      [0, 104],
      [0, 104],
      [0, 105],
      [0, 105],
    ]);
    expect(seen).toEqual([
      ['r24 w8', 'r24 w8'],
      ['r24 r1 w8 w4', 'r24 r4 w8 w1'],
      ['r24 r9 w8', 'r24 w8 w9'],
      ['r24 w8 w8', 'r24 r8 w8'],
      ['r24 r300 w8 w300', 'r24 r300 w8 w300'],
      ['r24 r1 w8 w4', 'r24 r4 w8 w1'],
    ]);
  });

  it.each([MODERN_FRAMING, LEGACY_FRAMING])('frames go out and come in, framing $headerBytes', (framing) => {
    const out = plain();
    const tx = new TxQueue(out.ring, out.memory, out.doorbell, { ...framing, maxFrameBytes: 100 });
    const into = plain();
    const bufferBytes = framing.headerBytes + 100;
    const rx = new RxQueue(into.ring, into.memory, into.doorbell, { ...framing, isMergeable: false, bufferBytes });
    const frames: number[][] = [];
    rx.onReceive = (bytes, offset, length) => frames.push([...bytes.subarray(offset, offset + length)]);
    rx.fill();

    const bytes = Array.from({ length: 40 }, (_, round) => {
      tx.send(counting(60, round));
      const buffer = out.device.take()!;
      const packet = out.device.read(buffer);
      out.device.complete(buffer.id, 0);
      // num_buffers, in a header of 12 bytes, is 1
      const header = framing.headerBytes === 12 ? [...packet.slice(0, 10), 1, 0] : packet.slice(0, 10);
      into.device.answer(into.device.take()!, [...header, ...packet.slice(framing.headerBytes)]);
      rx.onUsed();
      return [...counting(60, round)];
    });

    expect(frames).toEqual(bytes);
    expect([tx.frames, tx.refused, rx.frames, rx.lengthErrors]).toEqual([40, 0, 40, 0]);
  });

  it('a whole PF driver starts and sends, given nothing but the factory', () => {
    const device = new RegisterFunction(3, 8);
    device.offered.splice(0, 2, 0, 0x201); // VERSION_1 and ADMIN_VQ
    Object.assign(device, { numQueues: 2, adminIndex: 2, adminNum: 1 });
    const memory = new PlainMemory();
    const clock = new ScriptedClock();
    const place = (queue: number): PlainRingDevice => {
      const { size, address } = device.queues[queue]!;
      const [descriptorIova, driverIova, deviceIova] = address;
      const where = { size, descriptorIova: descriptorIova!, driverIova: driverIova!, deviceIova: deviceIova! };
      return new PlainRingDevice(memory, where);
    };
    let admin: PlainRingDevice | null = null;
    for (const result of [[0x7c, 0, 0, 0, 0, 0, 0, 0], []]) {
      clock.pending.push(() => {
        admin ??= place(2);
        admin.answer(admin.take()!, answerBytes(0, 0, result));
        device.interrupt(2);
      });
    }

    const pf = new PfDriver(device, memory, clock, { makeRing: makePlainRing });
    pf.start();
    const isSent = pf.net.send(counting(60));

    expect(pf.admin.supportedCommands).toBe(0x7c);
    const tx = place(1);
    expect([isSent, tx.read(tx.take()!).slice(12)]).toEqual([true, [...counting(60)]]);
    expect(place(0).take()?.segments).toMatchObject([{ length: 12 + 1500 + 22, isWritable: true }]);
    expect(device.notified).toEqual([2, 2, 0, 1]);
  });
});
