// SPDX-License-Identifier: Apache-2.0
// The variant driver's configuration space: identity of a legacy device over what the core returns, byte by byte.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { AccessSize } from '../../src/vfio/vfio_device.ts';
import { boundVf } from '../support/variant_fakes.ts';

describe('configuration space of a transitional VF', () => {
  it.each([
    { what: 'vendor id', offset: 0x00, size: 2, value: 0x1af4 },
    { what: 'device id', offset: 0x02, size: 2, value: 0x1000 },
    { what: 'vendor and device id', offset: 0x00, size: 4, value: 0x1000_1af4 },
    { what: 'the high byte of the device id', offset: 0x03, size: 1, value: 0x10 },
    { what: 'command', offset: 0x04, size: 2, value: 0x0003 },
    { what: 'revision', offset: 0x08, size: 1, value: 0 },
    { what: 'class and revision', offset: 0x08, size: 4, value: 0x0200_0000 },
    { what: 'BAR0', offset: 0x10, size: 4, value: 0x0000_0001 },
    { what: 'BAR2', offset: 0x18, size: 4, value: 0 },
    { what: 'subsystem vendor id', offset: 0x2c, size: 2, value: 0x1af4 },
    { what: 'subsystem id', offset: 0x2e, size: 2, value: 1 },
    { what: 'both subsystem ids', offset: 0x2c, size: 4, value: 0x0001_1af4 },
    { what: 'the capability pointer', offset: 0x34, size: 1, value: 0x40 },
  ] as const)('$what reads $value', ({ offset, size, value }) => {
    expect(boundVf().device.read(7, offset, size)).toBe(value);
  });

  it('reads go to the core first', () => {
    const { device, core } = boundVf();

    device.read(7, 0x10, 4);

    expect(core.log).toEqual(['read 7 16 4']);
  });

  it('a long read is overlaid like the single registers and returns its length', () => {
    const { device } = boundVf();
    const header = new Uint8Array(64);

    const count = device.readBytes(7, 0, header);

    expect(count).toBe(64);
    expect([...header.subarray(0, 0x14)]).toEqual([
      0xf4, 0x1a, 0x00, 0x10, 0x03, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x02, 0, 0, 0, 0, 1, 0, 0, 0,
    ]);
    expect([...header.subarray(0x2c, 0x30)]).toEqual([0xf4, 0x1a, 0x01, 0x00]);
  });

  it('every unaligned read shows the same bytes as a read of the whole header', () => {
    const { device } = boundVf();
    device.write(7, 0x10, 4, 0xfebc_5de0);
    const header = new Uint8Array(64);
    device.readBytes(7, 0, header);

    fc.assert(
      fc.property(
        fc.nat(59),
        fc.constantFrom<AccessSize>(1, 2, 4),
        fc.integer({ min: 1, max: 5 }),
        (at, size, count) => {
          const expected = [...header.subarray(at, at + size)].reduce((sum, byte, i) => sum + byte * 256 ** i, 0);
          const bytes = new Uint8Array(count);
          device.readBytes(7, at, bytes);

          expect(device.read(7, at, size)).toBe(expected);
          expect(bytes).toEqual(header.slice(at, at + count));
        },
      ),
    );
  });

  it.each([
    [0xffff_ffff, 0xffff_ffe1],
    [0x0000_c000, 0x0000_c001],
    [0x0000_c03f, 0x0000_c021],
    [0, 1],
  ])('BAR0 written %i reads %i', (written, read) => {
    const { device } = boundVf();

    device.write(7, 0x10, 4, written);

    expect(device.read(7, 0x10, 4)).toBe(read);
  });

  it('BAR0 and command are remembered byte by byte', () => {
    const { device } = boundVf();

    device.write(7, 0x12, 1, 0xab);
    device.writeBytes(7, 0x0f, Uint8Array.of(0xff, 0x40, 0xc0));
    device.write(7, 0x05, 1, 0x04);

    expect(device.read(7, 0x10, 4)).toBe(0x00ab_c041);
    expect(device.read(7, 0x04, 1)).toBe(0x03);
  });

  it('command bit 0 shows the last write, not the core', () => {
    const { device } = boundVf();

    device.write(7, 4, 2, 0x0006);
    const off = device.read(7, 4, 2);
    device.write(7, 4, 1, 0x01);

    expect([off, device.read(7, 4, 2)]).toEqual([0x0002, 0x0003]);
  });

  it('everything written also goes to the core', () => {
    const { device, core } = boundVf();

    device.write(7, 4, 2, 0x0407);
    device.write(7, 0x10, 4, 0xffff_ffff);
    device.writeBytes(7, 0x3c, Uint8Array.of(11));

    expect(core.log).toEqual(['write 7 4 2 0x407', 'write 7 16 4 0xffffffff', 'writeBytes 7 60 11']);
  });

  it('other registers and regions pass through', () => {
    const { device, core } = boundVf();
    core.config.set([0x78, 0x56, 0x34, 0x12], 0x44);
    core.readValue = 0x99;

    expect(device.read(7, 0x44, 4)).toBe(0x1234_5678);
    expect(device.read(2, 0x14, 1)).toBe(0x99);
    device.write(4, 0xc, 4, 1);
    expect(core.log).toEqual(['read 7 68 4', 'read 2 20 1', 'write 4 12 4 0x1']);
  });
});

describe('region, irq and device info', () => {
  it('region 0 has 32 bytes, read and write', () => {
    expect(boundVf().device.regionInfo(0)).toEqual({ index: 0, flags: 3, size: 32 });
  });

  it.each([1, 2, 4, 7])('region %i is the core’s', (index) => {
    const { device, core } = boundVf();

    expect(device.regionInfo(index)).toEqual(core.regionInfo(index));
  });

  it('device info, irq info and requester id are the core’s', () => {
    const { device } = boundVf();

    expect(device.info()).toEqual({ flags: 3, numRegions: 9, numIrqs: 5 });
    expect(device.irqInfo(0).count).toBe(0);
    expect(device.irqInfo(2).count).toBe(4);
    expect(device.requesterId).toBe(0x0108);
  });

  it('attach and irqs reach the core', () => {
    const { device, core } = boundVf();

    device.attach({ id: 6 });
    device.attach(null);
    device.setIrqs(2, 0, [null, null]);
    device.disableIrqs(2);

    expect(core.log).toEqual(['attach 6', 'attach none', 'setIrqs 2 0 2', 'disableIrqs 2']);
  });
});
