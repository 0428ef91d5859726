// SPDX-License-Identifier: Apache-2.0
// Foreign memory that answers later, in the order in which it was asked, as a program at the other end of a socket does.
import { describe, expect, it } from 'vitest';

import { enumerate } from '../../src/device/bus.ts';
import type { ForeignMemory, LateRead } from '../../src/device/foreign.ts';
import { createNic, type Nic } from '../../src/device/nic.ts';
import type { Clock } from '../../src/guest/platform.ts';
import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../src/guest/virtio_net.ts';
import { Ioas } from '../../src/iommufd/ioas.ts';
import { VfioPci } from '../../src/vfio/vfio_pci.ts';
import { PlainMemory } from '../support/plain_memory.ts';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const PF = 0;
/** Jobs of all receive queues together (docs/decisions/0010). */
const RECEIVE_JOBS = 128;
const STATUS_NEEDS_RESET = 0x40;
const MODES = ['functional', 'timed'] as const;

/** Memory whose owner does one thing after the other, when it is let. */
class LateMemory implements ForeignMemory {
  readonly plain = new PlainMemory(4 << 20);
  nic!: Nic;
  /** Addresses that cannot be read. */
  isGood = true;
  writesUnderWay = 0;
  private readonly orders: (() => void)[] = [];

  read(offset: number, length: number): 'later' {
    const late: LateRead = this.nic.answerLater();
    this.orders.push(() => {
      late.put(0, this.plain.u8.subarray(offset, offset + length));
      late.end(this.isGood);
    });
    return 'later';
  }

  write(offset: number, length: number, source: Uint8Array, at: number): 'later' {
    const bytes = source.slice(at, at + length);
    this.writesUnderWay++;
    this.orders.push(() => {
      this.writesUnderWay--;
      this.plain.u8.set(bytes, offset);
    });
    return 'later';
  }

  get isIdle(): boolean {
    return this.orders.length === 0;
  }

  /** Does the oldest order. */
  step(): void {
    this.orders.shift()?.();
  }
}

function start(mode: (typeof MODES)[number]) {
  const nic = createNic({ mode, totalVfs: 1, wire: 'host' });
  const bus = enumerate(nic);
  const memory = new LateMemory();
  memory.nic = nic;
  const device = new VfioPci(nic, PF, bus);
  device.open();
  const ioas = new Ioas(nic);
  ioas.map(memory.plain.iova(0), memory.plain.size, { foreign: memory });
  device.attach(ioas);
  const cardWorks = (): void => {
    if (mode === 'timed') nic.advance(nic.now() + 100_000);
  };
  const settle = (): boolean => {
    cardWorks();
    memory.step();
    cardWorks();
    return true;
  };
  const clock: Clock = { now: () => nic.now(), waitForEvent: settle, advance: settle };
  const received: Uint8Array[] = [];
  const driver = new VirtioNet(new VirtioModern(device), memory.plain, clock, {
    onReceive: (bytes, offset, length) => received.push(bytes.slice(offset, offset + length)),
  });
  driver.start();
  const untilIdle = (): void => {
    do settle();
    while (!memory.isIdle);
  };
  untilIdle();
  return { nic, memory, driver, received, cardWorks, settle, untilIdle };
}

function frameOf(bytes: number): Uint8Array {
  return Uint8Array.from([
    ...BROADCAST,
    2,
    0,
    0,
    0,
    0,
    9,
    0x88,
    0xb5,
    ...Array.from({ length: bytes - 14 }, () => bytes & 0xff),
  ]);
}

describe.each(MODES)('memory that answers later, %s mode', (mode) => {
  it('gives the frames that it holds, and takes others', () => {
    const { nic, driver, received, untilIdle } = start(mode);
    const sent: Uint8Array[] = [];
    nic.onFrame((one) => void sent.push(one.slice()));
    driver.send(frameOf(300));
    untilIdle();
    nic.receiveFrame(frameOf(400));
    untilIdle();

    expect(sent).toEqual([frameOf(300)]);
    expect(received).toEqual([frameOf(400)]);
  });

  it('has what an interrupt tells of before the interrupt comes', () => {
    const { nic, memory, settle, cardWorks } = start(mode);
    const underWay: number[] = [];
    nic.onMessage(() => underWay.push(memory.writesUnderWay));
    nic.receiveFrame(frameOf(64));
    cardWorks();
    let most = 0;
    while (!memory.isIdle) {
      most = Math.max(most, memory.writesUnderWay);
      settle();
    }

    expect(most).toBeGreaterThan(0); // writes did wait
    expect(underWay).toEqual([0]);
  });

  it('holds up frames for which there is no receive job, and the card comes back', () => {
    const { nic, memory, received, settle, cardWorks } = start(mode);
    const before = nic.functionCounters(PF);
    let offered = 0;
    while (offered < 2 * RECEIVE_JOBS && nic.receiveFrame(frameOf(64 + offered))) {
      offered++;
      cardWorks();
    }
    expect(offered).toBeGreaterThanOrEqual(RECEIVE_JOBS);
    expect(offered).toBeLessThan(2 * RECEIVE_JOBS);
    while (!memory.isIdle) settle();

    const after = nic.functionCounters(PF);
    const dropped = after['rx_drop_no_buffer']! - before['rx_drop_no_buffer']!;
    expect(received.length + dropped).toBe(offered);
    expect(received).toEqual(Array.from({ length: received.length }, (_, i) => frameOf(64 + i)));
    expect(nic.receiveFrame(frameOf(64))).toBe(true);
  });

  it('that cannot be read stops the function, which says where', () => {
    const { nic, memory, driver, untilIdle } = start(mode);
    driver.send(frameOf(64));
    memory.isGood = false;
    untilIdle();

    expect(driver.transport.status() & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
    expect(nic.counters()['dma_faults']).toBeGreaterThan(0);
  });

  it('keeps the card from being copied, until it has answered', () => {
    const { nic, driver, untilIdle, cardWorks } = start(mode);
    driver.send(frameOf(64));
    cardWorks();

    expect(() => nic.snapshot()).toThrow(expect.objectContaining({ code: 'SNAPSHOT' }));
    untilIdle();
    expect(nic.snapshot()).toBeInstanceOf(Uint8Array);
  });

  it('answers nobody after the card was put back', () => {
    const { nic, memory, driver, cardWorks, settle } = start(mode);
    const snapshot = nic.snapshot();
    driver.send(frameOf(64));
    cardWorks();
    nic.restore(snapshot);
    const digest = nic.digest();
    while (!memory.isIdle) memory.step();

    expect(nic.digest()).toBe(digest);
    settle();
  });
});
