// SPDX-License-Identifier: Apache-2.0
// The transitional device that a guest sees: the variant driver makes it from a VF and legacy commands, so the rules for
// devices with an I/O BAR0 (virtio 1.4 §4.1.2.3, §4.1.4.10) bind its view. Bytes are those of the variant driver of Linux.
import { describe, expect, it } from 'vitest';

import { Machine } from '../../../src/machine/machine.ts';
import type { VirtioVfioPci } from '../../../src/variant/virtio_vfio_pci.ts';
import { requirement } from '../requirements.ts';

const BAR0 = 0;
const CONFIG = 7;
const MSIX_INDEX = 2;
const MAC_OF_VF_1 = [0x02, 0x76, 0x66, 0x00, 0x00, 0x01];

function open(): VirtioVfioPci {
  const device = new Machine({ mode: 'functional', totalVfs: 2 }).openTransitionalVf(1);
  device.write(CONFIG, 0x04, 2, 0x0001);
  return device;
}

/** pread(2) on BAR0. */
function bytes(device: VirtioVfioPci, offset: number, length: number): number[] {
  const data = new Uint8Array(length);
  expect(device.readBytes(BAR0, offset, data)).toBe(length);
  return [...data];
}

describe(requirement('LEG-PCIDET-01'), () => {
  it('BAR0 is an I/O BAR of 32 bytes', () => {
    const device = open();

    expect(device.read(CONFIG, 0x10, 4)).toBe(0x00000001);
    device.write(CONFIG, 0x10, 4, 0xffffffff);
    expect(device.read(CONFIG, 0x10, 4)).toBe(0xffffffe1);
    expect(device.regionInfo(BAR0).size).toBe(32);
  });
});

describe(requirement('LEG-PCIID-01'), () => {
  it('the revision id is 0', () => {
    expect(open().read(CONFIG, 0x08, 1)).toBe(0);
  });
});

describe(requirement('LEG-PCIID-02'), () => {
  it('the subsystem id is 1, the virtio device id of a network device, of vendor 0x1AF4', () => {
    expect(open().read(CONFIG, 0x2c, 4)).toBe(0x0001_1af4);
  });
});

describe(requirement('LEG-PCIID-03'), () => {
  it('the device id is 0x1000', () => {
    expect(open().read(CONFIG, 0x00, 4)).toBe(0x1000_1af4);
  });
});

describe(requirement('LEG-PCILAY-01'), () => {
  it('the legacy registers are in BAR0: features, a queue of 256, status', () => {
    const device = open();

    expect(bytes(device, 0, 4)).toEqual([0x28, 0x80, 0x87, 0x38]);
    expect(bytes(device, 12, 2)).toEqual([0x00, 0x01]);
    device.writeBytes(BAR0, 18, new Uint8Array([3]));
    expect(bytes(device, 18, 1)).toEqual([3]);
  });
});

describe(requirement('LEG-PCILAY-03'), () => {
  it('the mac is at 20 while MSI-X is off', () => {
    const device = open();

    expect([0, 1, 2, 3, 4, 5].flatMap((i) => bytes(device, 20 + i, 1))).toEqual(MAC_OF_VF_1);
  });

  it('the mac is at 24 while MSI-X is on, behind the two vectors', () => {
    const device = open();

    device.setIrqs(MSIX_INDEX, 0, [() => undefined]);

    expect(bytes(device, 20, 2)).toEqual([0xff, 0xff]);
    expect([0, 1, 2, 3, 4, 5].flatMap((i) => bytes(device, 24 + i, 1))).toEqual(MAC_OF_VF_1);
  });
});
