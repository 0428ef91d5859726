// SPDX-License-Identifier: Apache-2.0
// Every register of configuration space against its row: reset value, reads of each width, what writes change. Values that
// depend on the instance are 0 in the rows and typed here, for a card with 4 VFs and one queue pair as firmware leaves it.
import { describe, expect, it } from 'vitest';

import { findRegisterBlock } from '../../../src/registers/blocks.ts';
import type { RegisterDescriptor } from '../../../src/registers/describe.ts';
import type { AccessSize } from '../../../src/vfio/vfio_device.ts';
import { Card } from '../support/card.ts';
import type { RegisterPath } from '../../support/register_path.ts';

/** Blocks by name: function, place, instance values by register. */
const BLOCKS: readonly (readonly [string, number, number, Readonly<Record<string, number>>])[] = [
  [
    'pci_header',
    0,
    0,
    {
      command: 0x0002, // memory decode, set at enumeration
      base_address_2: 0x00000004,
      base_address_3: 0x00000080,
      base_address_4: 0x00004004,
      base_address_5: 0x00000080,
      subsystem_vendor_id: 0x1af4,
      subsystem_id: 0x0041,
      capability_list: 0x40,
      interrupt_pin: 1,
    },
  ],
  ['pci_vf_header', 2, 0, { subsystem_vendor_id: 0x1af4, subsystem_id: 0x0041, capability_list: 0x40 }],
  ['pci_pm', 0, 0x40, { next: 0x48 }],
  ['pci_pm', 2, 0x40, { next: 0x48 }],
  ['pci_msix', 0, 0x48, { next: 0x54, flags: 0x0004, table: 0x00000004, pba: 0x00000804 }],
  ['pci_msix', 2, 0x48, { next: 0x54, flags: 0x0003, table: 0x00000004, pba: 0x00000804 }],
  [
    'pci_express',
    0,
    0x54,
    // payload of 256 bytes, 8-bit tags; 8 GT/s on 8 lanes, ASPM optionality; speeds 2.5 to 8 GT/s; target 8 GT/s; device
    // control as enumeration leaves it: both attributes, 256-byte payload, 8-bit tags, 512-byte reads
    {
      next: 0x90,
      devcap: 0x10008021,
      devctl: 0x2930,
      lnkcap: 0x00400083,
      lnksta: 0x0083,
      lnkcap2: 0x0000000e,
      lnkctl2: 0x0003,
    },
  ],
  ['pci_vf_express', 2, 0x54, { next: 0x90, devcap: 0x10008021, lnkcap: 0x00400083, lnkcap2: 0x0000000e }],
  ['pci_ari', 0, 0x100, { header: 0x1401000e }],
  ['pci_ari', 2, 0x100, {}],
  [
    'pci_sriov',
    0,
    0x140,
    {
      cap: 0x00000002,
      initial_vf: 4,
      total_vf: 4,
      vf_offset: 1,
      vf_stride: 1,
      vf_did: 0x1041,
      bar_2: 0x00008004,
      bar_3: 0x00000080,
      bar_4: 0x00018004,
      bar_5: 0x00000080,
    },
  ],
];

/** Registers whose writes act beyond storing; suites of their own cover them. */
const ACTS = new Set(['bar', 'bar_1', 'bar_2', 'bar_3', 'bar_4', 'bar_5', 'ctrl', 'num_vf', 'sys_pgsize', 'devctl']);
const isBar = ({ name }: RegisterDescriptor): boolean => name.startsWith('base_address_');
const ones = (bytes: number): number => 2 ** (8 * bytes) - 1;
const hex = (value: number): string => `0x${value.toString(16)}`;

/** A register by accesses of one width; the register's bytes only, whatever lies beside it. */
function readBy({ configRead }: RegisterPath, at: number, bytes: number, size: AccessSize): number {
  const start = at - (at % size);
  let value = 0;
  for (let offset = start; offset < at + bytes; offset += size) {
    const part = configRead(offset, size);
    for (let i = 0; i < size; i++) {
      const place = offset + i - at;
      if (place >= 0 && place < bytes) value += ((part >>> (8 * i)) & 0xff) * 256 ** place;
    }
  }
  return value;
}

describe.each(BLOCKS)('%s of function %i', (name, fn, base, instance) => {
  const registers = findRegisterBlock(name)!.registers;
  const path = (): RegisterPath => new Card().enableVfs(2).direct(fn);
  const untouched = path();
  const expected = (register: RegisterDescriptor): number => {
    // VFs are enabled here
    if (name === 'pci_sriov' && register.name === 'ctrl') return 0x0009;
    if (name === 'pci_sriov' && register.name === 'num_vf') return 2;
    return instance[register.name] ?? register.reset;
  };
  const titled = registers.map((register) => [hex(base + register.offset), register.name, register] as const);

  it.each(titled)('%s %s has its reset value', (_at, _name, register) => {
    expect(untouched.configRead(base + register.offset, register.width as AccessSize)).toBe(expected(register));
  });

  it.each(titled)('%s %s reads alike by bytes, words and dwords', (_at, _name, register) => {
    for (const size of [1, 2, 4] as const) {
      expect(readBy(untouched, base + register.offset, register.width, size)).toBe(expected(register));
    }
  });

  const readOnly = titled.filter(
    ([, , register]) => register.writeMask === 0 && !isBar(register) && !ACTS.has(register.name),
  );
  it.each(readOnly)('%s %s does not change when ones and zeros are written', (_at, _name, register) => {
    const { configRead, configWrite } = path();
    const size = register.width as AccessSize;
    const at = base + register.offset;

    configWrite(at, size, ones(size));
    expect(configRead(at, size)).toBe(expected(register));
    configWrite(at, size, 0);
    expect(configRead(at, size)).toBe(expected(register));
  });

  const stored = titled.filter(
    ([, , { access, writeMask, name: field }]) => access === 'RW' && writeMask > 0 && !ACTS.has(field),
  );
  it.each(stored)('%s %s stores the bits of its write mask, no others', (_at, _name, register) => {
    const { configRead, configWrite } = path();
    const size = register.width as AccessSize;
    const at = base + register.offset;
    const fixed = (expected(register) & ~register.writeMask) >>> 0;

    configWrite(at, size, ones(size));
    expect(configRead(at, size)).toBe((fixed | register.writeMask) >>> 0);
    configWrite(at, size, 0);
    expect(configRead(at, size)).toBe(fixed);
  });

  it.each(stored)('%s %s takes each byte alone', (_at, _name, register) => {
    const { configRead, configWrite } = path();
    const size = register.width as AccessSize;
    const at = base + register.offset;
    configWrite(at, size, 0);
    let value = configRead(at, size);

    for (let i = 0; i < size; i++) {
      configWrite(at + i, 1, 0xff);
      value = (value | (register.writeMask & (0xff << (8 * i)))) >>> 0;
      expect(configRead(at, size)).toBe(value);
    }
  });

  const cleared = titled.filter(([, , { access }]) => access === 'W1C');
  it.each(cleared)('%s %s cannot be set by writing ones', (_at, _name, register) => {
    const { configRead, configWrite } = path();
    const at = base + register.offset;

    configWrite(at, 2, 0xffff);

    expect(configRead(at, 2)).toBe(expected(register));
  });
});

describe('configuration space outside the blocks', () => {
  it.each([0, 2])('of function %i reads zero and keeps nothing', (fn) => {
    const { configRead, configWrite } = new Card().enableVfs(2).direct(fn);

    for (const at of [0xf0, 0x108, 0x13c, 0x180, 0x7fc, 0xffc]) {
      configWrite(at, 4, 0xffffffff);
      expect(configRead(at, 4)).toBe(0);
    }
  });
});

describe('device status', () => {
  // DEFECT: an Unsupported Request is counted, but never logged in device status (PCI Express Base §7.5.3.5).
  it.each([0, 2])('of function %i has Unsupported Request Detected after one, until a one clears it', (fn) => {
    const { configRead, configWrite, read } = new Card().enableVfs(2).direct(fn);
    configWrite(0x44, 2, 3);
    read(2, 0, 4);

    expect(configRead(0x5e, 2) & 0x0008).toBe(0x0008);
    configWrite(0x5e, 2, 0);
    expect(configRead(0x5e, 2) & 0x0008).toBe(0x0008);
    configWrite(0x5e, 2, 0x000f);
    expect(configRead(0x5e, 2)).toBe(0);
  });
});

describe('device control', () => {
  it('of the PF stores its writable bits; the FLR bit is a command and reads 0', () => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(0x5c, 2, 0x7fff);
    expect(configRead(0x5c, 2)).toBe(0x79ff);
    configWrite(0x5c, 2, 0);
    expect(configRead(0x5c, 2)).toBe(0);
  });

  it('of a VF, whose settings are those of the PF, stores nothing', () => {
    const { configRead, configWrite } = new Card().enableVfs(2).direct(2);

    configWrite(0x5c, 2, 0x7fff);

    expect(configRead(0x5c, 2)).toBe(0);
  });
});
