// SPDX-License-Identifier: Apache-2.0
// A transitional function that shows its legacy interface alone: capabilities, typed from the PCI Local Bus Specification
// (§6.7: pointer at 34h, id and next at the start of each) and virtio 1.4 §4.1.4 (vendor-specific, 09h).
import { describe, expect, it } from 'vitest';

import { Machine } from '../../src/machine/machine.ts';
import { VirtioVfioPci } from '../../src/variant/virtio_vfio_pci.ts';
import { VfioPci } from '../../src/vfio/vfio_pci.ts';
import type { AccessSize } from '../../src/vfio/vfio_device.ts';

const CONFIG = 7;
const [PM, MSIX, EXPRESS, VENDOR] = [0x01, 0x11, 0x10, 0x09];
const PCI_CFG = 5; // cfg_type

function bound(interfaces?: 'legacy'): { device: VirtioVfioPci; core: VfioPci } {
  const { nic, bus, pf } = new Machine({ mode: 'functional', totalVfs: 1 });
  const core = new VfioPci(nic, 1, bus);
  return { device: new VirtioVfioPci(core, pf.admin, 0, interfaces), core };
}

/** [id, offset] of each capability, in the order of the list. */
function capabilities(device: VirtioVfioPci | VfioPci): [number, number][] {
  const list: [number, number][] = [];
  for (let at = device.read(CONFIG, 0x34, 1); at !== 0; at = device.read(CONFIG, at + 1, 1)) {
    list.push([device.read(CONFIG, at, 1), at]);
  }
  return list;
}

describe('a function of which the legacy interface alone is shown', () => {
  it('has power management, MSI-X and PCI Express, and none of virtio', () => {
    expect(capabilities(bound('legacy').device).map(([id]) => id)).toEqual([PM, MSIX, EXPRESS]);
    expect(capabilities(bound().device).map(([id]) => id)).toEqual([
      PM,
      MSIX,
      EXPRESS,
      ...Array.from({ length: 5 }, () => VENDOR),
    ]);
  });

  it('reads 0 where those of virtio are, and what it is elsewhere, by any access', () => {
    const { device, core } = bound('legacy');
    const whole = new Uint8Array(256);
    device.readBytes(CONFIG, 0, whole);
    const hidden = capabilities(core)
      .filter(([id]) => id === VENDOR)
      .map(([, at]) => [at, core.read(CONFIG, at + 2, 1)]);

    expect(hidden).toHaveLength(5);
    for (const [at, length] of hidden)
      expect([...whole.subarray(at, at! + length!)]).toEqual(Array.from({ length: length! }, () => 0));
    for (const size of [1, 2, 4] as AccessSize[]) {
      for (let at = 0; at < 256; at += size) {
        const expected = [...whole.subarray(at, at + size)].reduce((sum, byte, i) => sum + byte * 256 ** i, 0);
        expect(device.read(CONFIG, at, size)).toBe(expected);
      }
    }
  });

  it('is a legacy device: 1af4:1000, revision 0, 32 bytes of registers in I/O BAR0', () => {
    const { device } = bound('legacy');

    expect(device.read(CONFIG, 0, 4)).toBe(0x1000_1af4);
    expect(device.read(CONFIG, 8, 1)).toBe(0);
    expect(device.read(CONFIG, 0x10, 4) & 3).toBe(1);
    device.write(CONFIG, 4, 2, 1); // I/O Space
    device.write(0, 18, 1, 3); // device_status: ACKNOWLEDGE, DRIVER
    expect(device.read(0, 18, 1)).toBe(3);
  });

  it('takes no write to what is left out: the window of PCI_CFG reaches no register', () => {
    const { device, core } = bound('legacy');
    const window = capabilities(core).find(([, at]) => core.read(CONFIG, at + 3, 1) === PCI_CFG)![1];

    device.write(CONFIG, window + 4, 1, 2); // bar
    device.writeBytes(CONFIG, window + 8, Uint8Array.of(0x14, 0, 0, 0, 1, 0, 0, 0, 0x0b)); // offset, length, data: status

    expect(core.read(CONFIG, window + 4, 1)).toBe(0);
    expect(core.read(CONFIG, window + 8, 4)).toBe(0);
    expect(core.read(2, 0x14, 1)).toBe(0);
  });

  it('lets a long write through beside what is left out', () => {
    const { device } = bound('legacy');
    const bytes = new Uint8Array(256);
    device.readBytes(CONFIG, 0, bytes);
    bytes[0x04] = 0x05; // I/O Space, Bus Master

    expect(device.writeBytes(CONFIG, 0, bytes)).toBe(256);
    expect(device.read(CONFIG, 4, 2) & 0x5).toBe(0x5);
  });
});
