// SPDX-License-Identifier: Apache-2.0
// What a driver finds in configuration space, and what it refuses.
import { describe, expect, it } from 'vitest';

import { findCapability, findExtendedCapability, mapNotify, probeVirtioPci } from '../../src/guest/pci_probe.ts';
import { RegisterFunction } from '../support/register_function.ts';

const error = (code: string) => expect.objectContaining({ name: 'VfioError', code });

describe('virtio capabilities', () => {
  it('are found with BAR, offset and length', () => {
    const layout = probeVirtioPci(new RegisterFunction());

    expect(layout).toMatchObject({
      deviceId: 0x1041,
      virtioType: 1,
      common: { bar: 2, offset: 0x0000, length: 64, capability: 0x40 },
      notify: { bar: 2, offset: 0x3000, length: 0x1000 },
      notifyMultiplier: 4,
      isr: { bar: 2, offset: 0x1000, length: 1 },
      deviceConfig: { bar: 2, offset: 0x2000, length: 64 },
    });
  });

  it('an extended capability is found along the list', () => {
    const device = new RegisterFunction();
    device.view.setUint32(0x100, 0x1401_000e, true); // ARI, next 0x140
    device.view.setUint32(0x140, 0x0001_0010, true);

    expect(findExtendedCapability(device, 0x10)).toBe(0x140);
    expect(findExtendedCapability(device, 0x24)).toBe(0);
  });

  it('a notify structure longer than a page is mapped for each queue', () => {
    const device = new RegisterFunction();
    device.sizes[2] = 0x8000;
    device.view.setUint32(0x5c, 0x2000, true);

    const { notify, notifyCapability } = probeVirtioPci(device);

    expect(notify).toBeNull();
    expect(mapNotify(device, notifyCapability)).toEqual({ bar: 2, offset: 0x3000, length: 0x2000, capability: 0x50 });
  });

  it('the first of a kind is taken', () => {
    const device = new RegisterFunction();
    device.config[0x85] = 0xa0;
    device.putCapability(0xa0, 0x90, 1, 4, 0x100, 64);

    expect(probeVirtioPci(device).common).toMatchObject({ bar: 2, capability: 0x40 });
  });

  it.each([
    ['a reserved BAR number', 6],
    ['a BAR that does not exist', 1],
  ])('one with %s is passed over', (_what, bar) => {
    const device = new RegisterFunction();
    device.config[0x44] = bar;
    device.config[0x85] = 0xa0;
    device.putCapability(0xa0, 0x90, 1, 4, 0x100, 64);

    expect(probeVirtioPci(device).common).toMatchObject({ bar: 4, offset: 0x100 });
  });

  it('device configuration may be missing', () => {
    const device = new RegisterFunction();
    device.config[0x77] = 5;

    expect(probeVirtioPci(device).deviceConfig).toBeNull();
  });

  it('ids below 0x1040 take the type from the subsystem id', () => {
    const device = new RegisterFunction();
    device.view.setUint16(2, 0x1000, true);
    device.view.setUint16(0x2e, 1, true);

    expect(probeVirtioPci(device).virtioType).toBe(1);
  });
});

describe('refused functions', () => {
  it.each([
    [0x8086, 0x1041],
    [0x1af4, 0x0fff],
    [0x1af4, 0x1080],
  ])('%i:%i is ENODEV', (vendor, id) => {
    const device = new RegisterFunction();
    device.view.setUint16(0, vendor, true);
    device.view.setUint16(2, id, true);

    expect(() => probeVirtioPci(device)).toThrow(error('ENODEV'));
  });

  it.each([
    { what: 'no common structure is ENODEV', at: 0x43, code: 'ENODEV' },
    { what: 'no notify structure is EINVAL', at: 0x53, code: 'EINVAL' },
    { what: 'no ISR structure is EINVAL', at: 0x67, code: 'EINVAL' },
  ])('$what', ({ at, code }) => {
    const device = new RegisterFunction();
    device.config[at] = 0x20;

    expect(() => probeVirtioPci(device)).toThrow(error(code));
  });

  it.each([
    { what: 'a common structure of 52 bytes', at: 0x4c, value: 52 },
    { what: 'a common structure at an odd offset', at: 0x48, value: 2 },
    { what: 'a common structure beyond its BAR', at: 0x48, value: 0x3fe0 },
    { what: 'a notify structure of one byte', at: 0x5c, value: 1 },
    { what: 'an ISR of no bytes', at: 0x70, value: 0 },
    { what: 'a device structure at an odd offset', at: 0x7c, value: 0x2002 },
  ])('$what is EINVAL', ({ at, value }) => {
    const device = new RegisterFunction();
    device.view.setUint32(at, value, true);

    expect(() => probeVirtioPci(device)).toThrow(error('EINVAL'));
  });

  it('a capability list that loops ends', () => {
    const device = new RegisterFunction();
    device.config[0x91] = 0x40;

    expect(findCapability(device, 0x05)).toBe(0);
  });

  it('a list of virtio capabilities that runs in a circle is walked once', () => {
    const device = new RegisterFunction();
    device.config[0x43] = 5; // no common structure
    device.config[0x75] = 0x40; // and the last virtio capability leads back to the first
    let reads = 0;
    const { read } = device;
    device.read = (region, offset, size) => {
      reads++;
      return read.call(device, region, offset, size);
    };

    expect(() => probeVirtioPci(device)).toThrow(error('ENODEV'));
    // two ids; status, pointer; of each of the four capabilities its header, kind and BAR and then the pointer; the first again
    expect(reads).toBe(2 + 2 + 4 * (3 + 1) + 1);
  });

  it('a loop among extended capabilities ends', () => {
    const device = new RegisterFunction();
    device.view.setUint32(0x100, 0x1001_000e, true);

    expect(findExtendedCapability(device, 0x10)).toBe(0);
  });

  it('all ones read as no capability', () => {
    const device = new RegisterFunction();
    device.config.fill(0xff, 0x34);
    device.config.fill(0xff, 0x100);

    expect(findCapability(device, 0x11)).toBe(0);
    expect(findExtendedCapability(device, 0x10)).toBe(0);
  });
});
