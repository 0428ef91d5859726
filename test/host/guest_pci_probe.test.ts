// SPDX-License-Identifier: Apache-2.0
// What a driver finds in configuration space, and what it refuses.
import { describe, expect, it } from 'vitest';

import { findCapability, findExtendedCapability, probeVirtioPci } from '../../src/guest/pci_probe.ts';
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
      msix: { capability: 0x84, vectors: 4 },
      express: 0x90,
      sriov: 0,
    });
  });

  it('SR-IOV is found among the extended capabilities of a PCI Express function', () => {
    const device = new RegisterFunction();
    device.view.setUint32(0x100, 0x1401_000e, true); // ARI, next 0x140
    device.view.setUint32(0x140, 0x0001_0010, true);

    expect(probeVirtioPci(device).sriov).toBe(0x140);
    device.config[0x90] = 0x05; // no PCI Express capability
    expect(probeVirtioPci(device).sriov).toBe(0);
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

  it('device configuration and MSI-X may be missing', () => {
    const device = new RegisterFunction();
    device.config[0x77] = 5;
    device.config[0x84] = 0x05;

    expect(probeVirtioPci(device)).toMatchObject({ deviceConfig: null, msix: null });
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
