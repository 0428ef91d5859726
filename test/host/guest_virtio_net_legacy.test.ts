// SPDX-License-Identifier: Apache-2.0
// The legacy driver over an I/O BAR0 of plain registers: the accesses of a boot in order, and both framings.
import { describe, expect, it } from 'vitest';

import { VirtioNetLegacy, type VirtioNetLegacyOptions } from '../../src/guest/virtio_net_legacy.ts';
import { LEGACY_MAC, LegacyFunction } from '../support/legacy_function.ts';
import { zeroes } from '../support/net_rings.ts';
import { PlainMemory, ScriptedClock } from '../support/plain_memory.ts';

const IOVA_BASE = 0x5_0000_0000;

function setup(options: VirtioNetLegacyOptions = {}, features?: number) {
  const device = new LegacyFunction();
  if (features !== undefined) device.features = features;
  const memory = new PlainMemory();
  const clock = new ScriptedClock();
  const driver = new VirtioNetLegacy(device, memory, clock, options);
  device.log.length = 0;
  return { device, memory, clock, driver };
}

describe('legacy boot', () => {
  it('I/O and memory are switched on first, then bus mastering', () => {
    const device = new LegacyFunction();

    expect(new VirtioNetLegacy(device, new PlainMemory(), new ScriptedClock()).transport.virtioType).toBe(1);
    expect(device.log.filter((line) => line.startsWith('w'))).toEqual(['w config 0x4 2 0x3', 'w config 0x4 2 0x7']);
  });

  it('with MSI-X is this sequence of accesses', () => {
    const { device, driver } = setup();

    driver.start();

    const mac = (base: number) => LEGACY_MAC.map((byte, i) => `r8 ${base + i} = 0x${byte.toString(16)}`);
    const page = (queue: number) => `w32 8 0x${device.pages[queue]!.toString(16)}`;
    expect(device.log).toEqual([
      'w8 18 0x0',
      'r8 18 = 0x0',
      'r8 18 = 0x0',
      'w8 18 0x1',
      'r8 18 = 0x1',
      'w8 18 0x3',
      'r32 0 = 0x10020',
      'w32 4 0x10020',
      ...mac(20), // before MSI-X moves the device configuration
      'setIrqs 2 0 3',
      'w16 20 0x0',
      'r16 20 = 0x0',
      'w16 14 0x0',
      'r16 12 = 0x10',
      'w16 14 0x0',
      'r32 8 = 0x0',
      'w16 14 0x0',
      page(0),
      'w16 14 0x0',
      'w16 22 0x1',
      'r16 22 = 0x1',
      'w16 14 0x1',
      'r16 12 = 0x10',
      'w16 14 0x1',
      'r32 8 = 0x0',
      'w16 14 0x1',
      page(1),
      'w16 14 0x1',
      'w16 22 0x2',
      'r16 22 = 0x2',
      'r8 18 = 0x3',
      'w8 18 0x7',
      'r8 18 = 0x7',
      'w16 16 0x0',
      'r8 30 = 0x1', // the link, where MSI-X has moved it
      'r8 31 = 0x0',
    ]);
    expect(device.pages[0]! * 4096).toBeGreaterThan(IOVA_BASE);
  });

  it('features end with bit 31: none beyond is taken for one of the word', () => {
    const { driver } = setup({}, (1 << 5) | (1 << 16) | (1 << 28));

    driver.start();

    const { transport } = driver;
    expect([5, 16, 28].map((bit) => transport.hasFeature(bit))).toEqual([true, true, true]);
    expect([37, 48, 60].map((bit) => transport.hasFeature(bit))).toEqual([false, false, false]);
  });

  it('without MSI-X touches neither vectors nor irqs, and the configuration stays at 20', () => {
    const { device, driver } = setup({ wantsMsix: false });

    driver.start();
    driver.setMac(Uint8Array.of(2, 0, 0, 0, 0, 1));

    expect(device.log.filter((line) => /setIrqs|16 2[02] /.test(line))).toEqual([]);
    expect(device.log.slice(-6)).toEqual(
      [20, 21, 22, 23, 24, 25].map((at, i) => `w8 ${at} 0x${[2, 0, 0, 0, 0, 1][i]}`),
    );
  });

  it('with MSI-X the address is written at 24', () => {
    const { device, driver } = setup();
    driver.start();

    driver.setMac(Uint8Array.of(2, 0, 0, 0, 0, 1));

    expect(device.log.at(-6)).toBe('w8 24 0x2');
    expect(device.netConfig.slice(0, 6)).toEqual([2, 0, 0, 0, 0, 1]);
  });

  it.each([
    { vectors: 3, policy: 'each', assigned: [1, 2] },
    { vectors: 2, policy: 'shared', assigned: [1, 1] },
    { vectors: 1, policy: null, assigned: [0xffff, 0xffff] },
  ])('$vectors vectors: $policy', ({ vectors, policy, assigned }) => {
    const { device, driver } = setup();
    device.vectors = vectors;

    driver.start();

    expect(driver.transport.vectorPolicy).toBe(policy);
    expect(device.queues.slice(0, 2).map((queue) => queue.vector)).toEqual(assigned);
  });

  it('a refused vector frees the queue address before the next attempt', () => {
    const { device, driver } = setup();
    device.usableVectors = 2;

    driver.start();

    expect(driver.transport.vectorPolicy).toBe('shared');
    expect(device.pages.slice(0, 2).every((page) => page > 0)).toBe(true);
  });

  it('a second start uses no more memory', () => {
    const { driver, memory } = setup();
    driver.start();
    driver.stop();
    const used = memory.used;

    driver.start();

    expect(memory.used).toBe(used);
  });

  it('a queue that has an address already is ENOENT, and the status says FAILED', () => {
    const { device, driver } = setup();
    device.pages[1] = 5;
    // A reset that does not reset.
    Object.defineProperty(device.pages, 'fill', { value: () => device.pages });

    expect(() => driver.start()).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(device.status & 0x80).toBe(0x80);
  });

  it.each([
    { what: 'a modern device id', at: 2, value: 0x1041 },
    { what: 'a revision other than 0', at: 8, value: 1 },
  ])('$what is ENODEV', ({ at, value }) => {
    const device = new LegacyFunction();
    device.view.setUint16(at, value, true);

    expect(() => new VirtioNetLegacy(device, new PlainMemory(), new ScriptedClock())).toThrow(
      expect.objectContaining({ code: 'ENODEV' }),
    );
  });
});

describe('legacy frames', () => {
  const frame = Uint8Array.of(1, 2, 3, 4);
  const MRG_RXBUF = 1 << 15;
  const ANY_LAYOUT = 1 << 27;

  it.each([
    // 1,500 bytes and 14 of header, with up to two VLAN tags
    { what: 'plain', features: 0, tx: [10, 4], rx: [10, 1522], header: 10 },
    { what: 'MRG_RXBUF', features: MRG_RXBUF, tx: [12, 4], rx: [1534], header: 12 },
    { what: 'ANY_LAYOUT', features: ANY_LAYOUT, tx: [14], rx: [1532], header: 10 },
    { what: 'both', features: MRG_RXBUF | ANY_LAYOUT, tx: [16], rx: [1534], header: 12 },
  ])('$what: transmit in $tx, receive in $rx', ({ features, tx, rx, header }) => {
    const received: number[][] = [];
    const onReceive = (bytes: Uint8Array, at: number, length: number) =>
      received.push([...bytes.subarray(at, at + length)]);
    const { device, driver, memory } = setup({ onReceive }, features);
    driver.start();

    driver.send(frame);
    const sent = device.legacyRing(memory, 1).take()!;
    const rxRing = device.legacyRing(memory, 0);
    const buffer = rxRing.take()!;
    rxRing.answer(buffer, [...zeroes(10), ...(header === 12 ? [1, 0] : []), ...frame]);
    device.interrupt(0);

    expect(sent.segments.map((segment) => segment.length)).toEqual(tx);
    expect(buffer.segments.map((segment) => segment.length)).toEqual(rx);
    expect(device.legacyRing(memory, 1).read(sent)).toEqual([...zeroes(header), ...frame]);
    expect(received).toEqual([[...frame]]);
    expect(device.notified).toEqual([0, 1]);
  });

  it('the length of a transmitted packet means nothing', () => {
    const { device, driver, memory } = setup();
    driver.start();
    driver.send(frame);
    const ring = device.legacyRing(memory, 1);

    ring.complete(ring.take()!.head, 0xffff);
    driver.poll();

    expect(driver.tx?.completed).toBe(1);
  });

  it('poll() receives without interrupts', () => {
    const { device, driver, memory } = setup({ wantsMsix: false });
    driver.start();
    const ring = device.legacyRing(memory, 0);
    ring.answer(ring.take()!, [...zeroes(10), ...frame]);

    expect(driver.poll()).toBe(1);
    expect(driver.statistics()).toMatchObject({ rxFrames: 1, rxBytes: 4, txFrames: 0 });
  });

  it('receive mode goes through control queue 2 in three buffers', () => {
    const { device, driver, memory, clock } = setup({}, (1 << 17) | (1 << 18));
    driver.start();
    const commands: number[][] = [];
    for (let i = 0; i < 2; i++) {
      clock.pending.push(() => {
        const ring = device.legacyRing(memory, 2);
        for (let seen = 1; seen < ring.availIdx; seen++) ring.take();
        const chain = ring.take()!;
        commands.push(
          ring.read(chain),
          chain.segments.map((segment) => segment.length),
        );
        ring.answer(chain, [0]);
      });
    }

    expect(driver.setReceiveMode(true, true)).toBe(true);
    expect(commands).toEqual([
      [0, 0, 1],
      [2, 1, 1],
      [0, 1, 1],
      [2, 1, 1],
    ]);
  });
});

describe('a legacy device that means no good', () => {
  it('DRV-04: fails in a second start: no queue of the first can be used', () => {
    const { device, driver } = setup();
    driver.start();
    device.queues[1]!.size = 0;
    expect(() => driver.start()).toThrow(expect.objectContaining({ code: 'ENOENT' }));

    expect(() => driver.send(new Uint8Array(60))).toThrow(expect.objectContaining({ code: 'DRIVER_STATE' }));
    expect(driver.poll()).toBe(0);

    device.queues[1]!.size = 16;
    driver.start();
    expect(driver.send(new Uint8Array(60))).toBe(true);
  });
});
