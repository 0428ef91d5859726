// SPDX-License-Identifier: Apache-2.0
// Configuration space through VfioPci, row by row as vfio-pci of Linux shows it (support/vfio_rows.ts names the source).
import { beforeAll, describe, expect, it } from 'vitest';

import { createNic, type Nic } from '../../../src/device/nic.ts';
import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { Card } from '../support/card.ts';
import { BAR_ROWS, CAPABILITIES, EXTENDED, SPECIAL, VIEW_ROWS, type ViewRow } from './support/vfio_rows.ts';
import { checkRow, hardware } from './support/view_check.ts';

const CONFIG = 7;
const VF = 2;
const CONFIGURATION = { mode: 'functional', totalVfs: 4, windowBytes: 1 << 19 } as const;
const named = VIEW_ROWS.map((row): [string, ViewRow] => [`${row.name} (0x${row.at.toString(16)})`, row]);

let card: Card;
let nic: Nic;

function open(fn: number): VfioPci {
  card = new Card(CONFIGURATION);
  ({ nic } = card);
  if (fn > 0) card.enableVfs(3);
  const device = new VfioPci(nic, fn, card.bus);
  device.open();
  return device;
}

function twinOf(one: Nic): Nic {
  const twin = createNic(CONFIGURATION);
  twin.restore(one.snapshot());
  return twin;
}

describe.each([
  ['of the PF', 0],
  ['of a VF', VF],
])('the view %s', (_name, fn) => {
  describe('row by row', () => {
    let device: VfioPci;
    let one: Nic;
    let twin: Nic;
    beforeAll(() => {
      device = open(fn);
      one = nic;
      twin = twinOf(nic);
    });

    it.each(named)('%s', (_row, row) => {
      checkRow(device, twin, fn, row);
      expect(hardware(one, fn)).toEqual(hardware(twin, fn));
    });

    it.each(BAR_ROWS)('BAR%i is virtual and sizes', (register, pf, vf, ones, zero) => {
      const at = 0x10 + 4 * register;
      const before = hardware(one, fn);

      expect(device.read(CONFIG, at, 4)).toBe(fn === 0 ? pf : vf);
      device.write(CONFIG, at, 4, 0xffffffff);
      expect(device.read(CONFIG, at, 4)).toBe(ones);
      device.write(CONFIG, at, 4, 0);
      expect(device.read(CONFIG, at, 4)).toBe(zero);
      for (let i = 0; i < 4; i++) device.write(CONFIG, at + i, 1, 0xff);
      expect(device.read(CONFIG, at, 4)).toBe(ones);
      expect(hardware(one, fn)).toEqual(before);
    });
  });

  it('there is no expansion ROM to be sized', () => {
    const device = open(fn);

    device.write(CONFIG, 0x30, 4, 0xfffff800);

    expect(device.read(CONFIG, 0x30, 4)).toBe(0);
  });

  it('vendor specific capabilities and what lies between capabilities go through', () => {
    const device = open(fn);
    const twin = twinOf(nic);
    const listed = [...CAPABILITIES, ...EXTENDED].map(([, at, bytes]) => [at, at + bytes] as const);
    const isRuled = (at: number): boolean => at < 0x40 || listed.some(([from, to]) => at >= from && at < to);
    // the window of the PCI_CFG capability (0xe4) acts when it is touched
    const through = Array.from({ length: 1024 }, (_, i) => 4 * i).filter((at) => !isRuled(at) && at !== 0xe4);

    for (const at of through) {
      device.write(CONFIG, at, 4, 0xffffffff);
      twin.configWrite(fn, at, 4, 0xffffffff);
    }

    for (const at of through) expect(device.read(CONFIG, at, 4)).toBe(twin.configRead(fn, at, 4));
    expect(hardware(nic, fn)).toEqual(hardware(twin, fn));
    expect(nic.configRead(fn, 0xd8, 1)).toBe(0xff); // bar of the window, read-write in the hardware
  });

  it('every capability of the card has its rows, without a gap', () => {
    open(fn);
    const rows = [...VIEW_ROWS.map(({ name, at, bytes }) => [name, at, bytes] as const), ...SPECIAL];
    const covered = new Set(rows.flatMap(([, at, bytes]) => Array.from({ length: bytes }, (_, i) => at + i)));
    const ids: number[][] = [];
    for (let at = nic.configRead(fn, 0x34, 1); at !== 0; at = nic.configRead(fn, at + 1, 1)) {
      ids.push([nic.configRead(fn, at, 1), at]);
    }
    const extended: number[][] = [];
    for (let at = 0x100; at !== 0; at = nic.configRead(fn, at, 4) >>> 20) {
      extended.push([nic.configRead(fn, at, 2), at]);
    }

    expect(ids.filter(([id]) => id !== 9)).toEqual(CAPABILITIES.map(([id, at]) => [id, at]));
    expect(extended).toEqual(EXTENDED.slice(0, fn === 0 ? 2 : 1).map(([id, at]) => [id, at]));
    for (const [, at, bytes] of [[0, 0, 0x40] as const, ...CAPABILITIES, ...EXTENDED]) {
      for (let i = 0; i < bytes; i++) expect(covered).toContain(at + i);
    }
  });

  it('INTx Disable is virtual', () => {
    const device = open(fn);

    device.write(CONFIG, 5, 1, 0x04);
    expect(device.read(CONFIG, 4, 2) & 0x0400).toBe(0x0400);
    device.write(CONFIG, 4, 2, 0x0002);
    expect(device.read(CONFIG, 4, 2) & 0x0400).toBe(0);
  });

  it('Device Control: payload and read request size are virtual, phantom functions are not to be written', () => {
    const device = open(fn);
    const real = nic.configRead(fn, 0x5c, 2);

    device.write(CONFIG, 0x5c, 2, 0x7fff);
    // a PF stores all but phantom functions (9) and aux power (10); a VF has none of these bits itself
    expect(device.read(CONFIG, 0x5c, 2)).toBe(fn === 0 ? 0x79ff : 0x70e0);
    expect(nic.configRead(fn, 0x5c, 2) & 0x70e0).toBe(real & 0x70e0); // reads of 16 KiB do not exist
    device.write(CONFIG, 0x5c, 2, 0);
    expect(device.read(CONFIG, 0x5c, 2)).toBe(0);
    expect(nic.configRead(fn, 0x5c, 2) & 0x00e0).toBe(real & 0x00e0);
  });

  it('a new user finds nothing of the one before', () => {
    const device = open(fn);
    const first = Array.from({ length: 1024 }, (_, i) => device.read(CONFIG, 4 * i, 4));

    device.write(CONFIG, 0x3c, 1, 0x77);
    device.write(CONFIG, 0x0c, 1, 0x10);
    device.write(CONFIG, 0x18, 4, 0x12340000);
    device.write(CONFIG, 0x5c, 2, 0x50e0);
    device.write(CONFIG, 0x7c, 2, 0x0002);
    device.write(CONFIG, 4, 2, 0x0404);
    device.close();
    device.open();

    expect(Array.from({ length: 1024 }, (_, i) => device.read(CONFIG, 4 * i, 4))).toEqual(first);
  });

  it('a function level reset by the capability leaves the settings, and reads back as 0', () => {
    const device = open(fn);
    device.write(CONFIG, 0x3c, 1, 0x0b);
    device.write(CONFIG, 0x0c, 1, 0x10);
    device.write(CONFIG, 4, 2, 0x0406);
    device.write(CONFIG, 0x7c, 2, 0x0002);
    const before = hardware(nic, fn);
    const resets = nic.functionCounters(fn)['resets']!;

    device.write(CONFIG, 0x5c, 2, 0x8000 | device.read(CONFIG, 0x5c, 2));

    expect(nic.functionCounters(fn)['resets']).toBe(resets + 1);
    expect(device.read(CONFIG, 0x5c, 2) & 0x8000).toBe(0);
    expect(device.read(CONFIG, 4, 2)).toBe(0x0406);
    expect(device.read(CONFIG, 0x3c, 1)).toBe(0x0b);
    expect(hardware(nic, fn)).toEqual(before);
  });
});

describe('Command', () => {
  it('of the PF: Memory Space and Bus Master go through', () => {
    const device = open(0);

    expect(device.read(CONFIG, 4, 2)).toBe(0x0002);
    device.write(CONFIG, 4, 2, 0xffff);
    expect(device.read(CONFIG, 4, 2)).toBe(0x0547); // what a virtio PF stores, INTx Disable among it
    expect(nic.configRead(0, 4, 2)).toBe(0x0547);
    device.write(CONFIG, 4, 2, 0);
    expect(device.read(CONFIG, 4, 2)).toBe(0);
    expect(nic.configRead(0, 4, 2)).toBe(0);
  });

  it('of a VF: Memory Space and INTx Disable are the copy, Bus Master is the hardware', () => {
    const device = open(VF);

    expect(device.read(CONFIG, 4, 2)).toBe(0x0002);
    device.write(CONFIG, 4, 2, 0xffff);
    expect(device.read(CONFIG, 4, 2)).toBe(0x0406);
    expect(nic.configRead(VF, 4, 2)).toBe(0x0004);
    device.write(CONFIG, 4, 2, 0);
    expect(device.read(CONFIG, 4, 2)).toBe(0);
  });
});

describe('the size of read requests', () => {
  it('goes through to the PF, not below its payload size and not to sizes that do not exist', () => {
    const device = open(0);
    const rest = nic.configRead(0, 0x5c, 2) & ~0x70e0;
    nic.configWrite(0, 0x5c, 2, rest | 0x2020); // the host: payload of 256 bytes, reads of 512
    device.open();
    const sizes = [0, 5, 7, 3].map((code) => {
      device.write(CONFIG, 0x5c, 2, rest | (code << 12));
      return (nic.configRead(0, 0x5c, 2) >> 12) & 7;
    });

    // 128 becomes 256 as the payload, 4096 and 1024 are taken, 16384 is not
    expect(sizes).toEqual([1, 5, 5, 3]);
    expect(nic.configRead(0, 0x5c, 2) & 0xe0).toBe(0x20);
  });
});
