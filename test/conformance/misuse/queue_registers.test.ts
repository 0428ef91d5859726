// SPDX-License-Identifier: Apache-2.0
// Queues set up wrongly: sizes, addresses, changes after enable, doorbells at the wrong time. The specification leaves
// the reaction open (AMB-39); this card ignores such writes, and addresses that lead nowhere are DMA errors.
import { describe, expect, it } from 'vitest';

import type { AccessSize } from '../../../src/vfio/vfio_device.ts';
import { readable, submit } from '../ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { RawRing } from '../../support/raw_ring.ts';
import {
  ACKNOWLEDGE,
  DRIVER,
  DRIVER_OK,
  F,
  FEATURES_OK,
  NOTIFY,
  R,
  RX,
  TX,
  VIRTIO_BAR,
} from '../../support/registers.ts';
import { BAD, Bench, stopped, UNHARMED } from './support/bench.ts';

describe.each(MODES)('%s', (mode) => {
  const bench = (features: readonly number[] = []): Bench => new Bench({ mode }, { features });
  const good = packet(frame(STRANGER, macOf(BAD)));

  /** Negotiated, and no queue set up. */
  function bare(): Bench {
    const at = new Bench({ mode }, null);
    at.bad.reset();
    at.bad.negotiate([F.VERSION_1, F.ACCESS_PLATFORM]);
    at.bad.write(R.CONFIG_MSIX_VECTOR, 0);
    return at;
  }

  function driverOk(at: Bench): void {
    at.bad.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    at.card.settle();
  }

  it.each([0, 3, 15, 17, 32, 0x8000, 0xffff])('Q01 size %i for a queue of at most 16', (size) => {
    const at = bare();

    at.bad.setQueue(TX, R.QUEUE_SIZE, size);

    const kept = at.bad.queue(TX, R.QUEUE_SIZE);
    expect([2, 4, 8, 16]).toContain(kept);
    at.bad.addQueue(TX, { ring: new RawRing(at.bad.memory, kept) });
    driverOk(at);
    submit(at.bad, TX, readable(at.bad, good));
    expect(at.card.wire).toHaveLength(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  const FIELDS: [string, number, AccessSize, number][] = [
    ['queue_size', R.QUEUE_SIZE, 2, 4],
    ['queue_enable', R.QUEUE_ENABLE, 2, 0],
    ['queue_desc', R.QUEUE_DESC, 4, 0x1234_5670],
    ['queue_desc, upper half', R.QUEUE_DESC + 4, 4, 0x99],
    ['queue_driver', R.QUEUE_DRIVER, 4, 0],
    ['queue_driver, upper half', R.QUEUE_DRIVER + 4, 4, 0xffff_ffff],
    ['queue_device', R.QUEUE_DEVICE, 4, 0x10],
    ['queue_device, upper half', R.QUEUE_DEVICE + 4, 4, 1],
  ];
  it.each(FIELDS)('Q02 %s written while the queue is enabled changes nothing', (_, register, size, value) => {
    const at = bench();
    const before = at.bad.queue(TX, register, size);

    at.bad.setQueue(TX, register, value, size);

    expect(at.bad.queue(TX, register, size)).toBe(before);
    submit(at.bad, TX, readable(at.bad, good));
    expect(at.bad.ring(TX).usedIdx).toBe(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('Q02 features written after FEATURES_OK change nothing', () => {
    const at = bench();
    at.bad.write(R.DRIVER_FEATURE_SELECT, 0, 4);

    at.bad.write(R.DRIVER_FEATURE, 2 ** F.INDIRECT_DESC, 4);
    submit(at.bad, TX, readable(at.bad, good));

    expect(at.card.wire).toHaveLength(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('Q02 a queue enabled after DRIVER_OK works or stays off', () => {
    const at = new Bench({ mode }, { queues: { 0: {} } });

    at.bad.addQueue(TX);
    submit(at.bad, TX, readable(at.bad, good));

    expect(at.card.wire.length).toBe(at.bad.queue(TX, R.QUEUE_ENABLE));
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('Q03 enabled with all addresses null', () => {
    const at = bare();
    at.bad.setQueue(TX, R.QUEUE_ENABLE, 1);
    driverOk(at);

    at.bad.kick(TX);

    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_dma')]);
  });

  it.each([
    ['desc', 1],
    ['desc', 8],
    ['avail', 1],
    ['used', 1],
    ['used', 2],
  ] as const)('Q03 the %s area %i bytes off its alignment', (area, off) => {
    const at = bare();
    const ring = new RawRing(at.bad.memory, 16);
    const { iovas } = ring;
    at.bad.setQueueAddress(TX, R.QUEUE_DESC, iovas.desc + (area === 'desc' ? off : 0));
    at.bad.setQueueAddress(TX, R.QUEUE_DRIVER, iovas.avail + (area === 'avail' ? off : 0));
    at.bad.setQueueAddress(TX, R.QUEUE_DEVICE, iovas.used + (area === 'used' ? off : 0));
    at.bad.setQueue(TX, R.QUEUE_ENABLE, 1);
    driverOk(at);

    at.bad.kick(TX);

    expect(at.isContained()).toBe(true);
  });

  it.each([
    ['avail over desc', { desc: 0, avail: 0, used: 1024 }],
    ['used over avail', { desc: 0, avail: 512, used: 512 }],
    ['used over desc', { desc: 0, avail: 512, used: 0 }],
    ['all at one place', { desc: 0, avail: 0, used: 0 }],
  ])('Q04 areas overlap: %s', (_, offsets) => {
    const at = bare();
    const base = at.bad.memory.alloc(2048, 16);
    const ring = new RawRing(at.bad.memory, 16, {
      desc: base + offsets.desc,
      avail: base + offsets.avail,
      used: base + offsets.used,
    });
    at.bad.addQueue(TX, { ring });
    driverOk(at);
    ring.chain(readable(at.bad, good));
    ring.offer(0);

    for (let i = 0; i < 4; i++) at.bad.kick(TX);

    expect(at.isContained()).toBe(true);
  });

  it.each([
    ['the notification area', VIRTIO_BAR, NOTIFY],
    ['the MSI-X table', 4, 0],
  ])('Q05 rings in %s of the card itself', (_, bar, offset) => {
    const at = bare();
    const address = at.card.bus.vf.find(({ index }) => index === bar)!.address + offset;
    for (const register of [R.QUEUE_DESC, R.QUEUE_DRIVER, R.QUEUE_DEVICE]) {
      at.bad.setQueueAddress(TX, register, address);
    }
    at.bad.setQueue(TX, R.QUEUE_ENABLE, 1);
    driverOk(at);

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  it('Q06 rings that wrap around 2^64', () => {
    const at = bare();
    for (const register of [R.QUEUE_DESC, R.QUEUE_DRIVER, R.QUEUE_DEVICE]) {
      at.bad.setQueue(TX, register, 0xffff_fff0, 4);
      at.bad.setQueue(TX, register + 4, 0xffff_ffff, 4);
    }
    at.bad.setQueue(TX, R.QUEUE_ENABLE, 1);
    driverOk(at);

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  it.each([
    ['before DRIVER_OK', 0xb],
    ['before FEATURES_OK', 0x3],
    ['in reset', 0],
  ])('Q07 a doorbell %s takes no buffer', (_, status) => {
    const at = new Bench({ mode }, null);
    at.bad.reset();
    if (status === 0xb) at.bad.negotiate([F.VERSION_1, F.ACCESS_PLATFORM]);
    else at.bad.status = status;
    const ring = at.bad.addQueue(TX);
    ring.chain(readable(at.bad, good));
    ring.offer(0);

    at.bad.kick(TX);
    at.bad.kick(RX);

    expect([ring.usedIdx, at.card.wire.length, at.card.interrupts(BAD).length]).toEqual([0, 0, 0]);
    expect(at.bad.counters['doorbells_ignored']).toBe(2);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([2, 3, 100, 0x3ff])('Q07 a doorbell of queue %i, which is not there', (queue) => {
    const at = bench();

    at.bad.kick(queue);

    expect(at.bad.counters['doorbells_ignored']).toBe(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each<[string, number, AccessSize, number]>([
    ['a queue that is not there', 4, 2, 0x1234],
    ['one byte', 4, 1, 1],
    ['four bytes', 4, 4, 0xdead_0001],
    ['no queue at the end of the area', 0xffc, 2, 0xffff],
  ])('Q08 notification data: %s', (_, offset, size, value) => {
    const at = bench();

    at.bad.write(NOTIFY + offset, value, size);
    at.card.settle();

    expect(at.verdict()).toBe(UNHARMED);
  });

  it('Q09 a queue is reset twice', () => {
    const at = bench([F.RING_RESET]);
    at.bad.setQueue(TX, R.QUEUE_RESET, 1);

    at.bad.setQueue(TX, R.QUEUE_RESET, 1);

    expect([at.bad.queue(TX, R.QUEUE_RESET), at.bad.queue(TX, R.QUEUE_ENABLE)]).toEqual([0, 0]);
    at.bad.addQueue(TX);
    submit(at.bad, TX, readable(at.bad, good));
    expect(at.card.wire).toHaveLength(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('Q09 0 written to queue_reset does nothing', () => {
    const at = bench([F.RING_RESET]);

    at.bad.setQueue(TX, R.QUEUE_RESET, 0);
    submit(at.bad, TX, readable(at.bad, good));

    expect(at.bad.queue(TX, R.QUEUE_ENABLE)).toBe(1);
    expect(at.card.wire).toHaveLength(1);
    expect(at.verdict()).toBe(UNHARMED);
  });
});
