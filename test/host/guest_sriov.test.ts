// SPDX-License-Identifier: Apache-2.0
// The SR-IOV capability as Linux works it: accesses in order, waits, and the errors of sriov_numvfs.
import { describe, expect, it } from 'vitest';

import { PfDriver } from '../../src/guest/pf_driver.ts';
import { PlainMemory, ScriptedClock } from '../support/plain_memory.ts';
import { RegisterFunction } from '../support/register_function.ts';
import type { AccessSize } from '../../src/vfio/vfio_device.ts';

const CAP = 0x100;
const error = (code: string) => expect.objectContaining({ name: 'VfioError', code });

/** A PF with 7 VFs; accesses to the capability are noted with offsets from its start. */
class SriovFunction extends RegisterFunction {
  readonly accesses: string[] = [];
  barMasks = [0, 0, 0xffff_c00c, 0xffff_ffff, 0xffff_f00c, 0xffff_ffff];

  constructor() {
    super(3);
    this.offered[1] = 0x21; // VERSION_1, SR_IOV
    this.view.setUint32(CAP, 0x0001_0010, true);
    this.view.setUint16(CAP + 0x0c, 7, true);
    this.view.setUint16(CAP + 0x0e, 7, true);
    this.view.setUint16(CAP + 0x14, 1, true);
    this.view.setUint16(CAP + 0x16, 2, true);
    this.view.setUint16(CAP + 0x1a, 0x1041, true);
    this.view.setUint32(CAP + 0x1c, 0x553, true);
    for (const index of [2, 4]) this.view.setUint32(CAP + 0x24 + 4 * index, 0x0c, true);
  }

  override read(region: number, offset: number, size: AccessSize): number {
    const value = super.read(region, offset, size);
    if (region === 7 && offset > CAP) this.accesses.push(`r 0x${(offset - CAP).toString(16)}`);
    return value;
  }

  override writeConfig(offset: number, size: AccessSize, value: number): void {
    const bar = (offset - CAP - 0x24) / 4;
    if (offset >= CAP) this.accesses.push(`w 0x${(offset - CAP).toString(16)} 0x${value.toString(16)}`);
    super.writeConfig(offset, size, bar >= 0 && bar < 6 && value === 0xffff_ffff ? this.barMasks[bar]! : value);
  }
}

function setup(prepare: (device: SriovFunction) => void = () => undefined, cyclesPerMs = 0) {
  const device = new SriovFunction();
  prepare(device);
  const clock = new ScriptedClock();
  const pf = new PfDriver(device, new PlainMemory(), clock, { cyclesPerMs });
  return { device, clock, pf };
}

function started(prepare?: (device: SriovFunction) => void, cyclesPerMs?: number) {
  const parts = setup(prepare, cyclesPerMs);
  parts.pf.start();
  parts.device.accesses.length = 0;
  return parts;
}

describe('discovery', () => {
  it('switches VFs off, reads TotalVFs, takes the smallest page size, sizes BARs and tries every number of VFs', () => {
    const { device, pf } = setup();

    const sized = (index: number): string[] => {
      const register = `0x${(0x24 + 4 * index).toString(16)}`;
      const old = index % 2 === 0 && index > 0 ? 'c' : '0'; // BARs 2 and 4 are 64-bit ones, prefetchable
      return [`r ${register}`, `w ${register} 0xffffffff`, `r ${register}`, `w ${register} 0x${old}`];
    };
    expect(device.accesses).toEqual([
      'r 0x8',
      'w 0x8 0x0',
      'r 0xe',
      'r 0x1c',
      'w 0x20 0x1',
      ...[0, 1, 2, 3, 4, 5].flatMap(sized),
      'r 0x24',
      'r 0x28',
      'r 0x2c',
      'r 0x30',
      'r 0x34',
      'r 0x38',
      'r 0x1a',
      'r 0x4',
      'r 0x12',
      ...[7, 6, 5, 4, 3, 2, 1, 0].flatMap((numVfs) => [`w 0x10 0x${numVfs}`, 'r 0x14', 'r 0x16']),
    ]);
    expect(pf.sriov).toMatchObject({ totalVfs: 7, vfDeviceId: 0x1041, firstVfOffset: 1, vfStride: 2 });
    expect(pf.sriov?.bars).toEqual([
      { index: 2, size: 0x4000, flags: 0xc, is64Bit: true, address: 0 },
      { index: 4, size: 0x1000, flags: 0xc, is64Bit: true, address: 0 },
    ]);
  });

  it('a VF BAR that firmware has placed keeps its address', () => {
    const { device, pf } = setup((f) => {
      f.view.setUint32(CAP + 0x2c, 0x0010_000c, true);
      f.view.setUint32(CAP + 0x30, 0x38, true);
    });

    expect(pf.sriov?.bars[0]).toMatchObject({ index: 2, address: 0x38_0010_0000 });
    expect(device.view.getUint32(CAP + 0x2c, true)).toBe(0x0010_000c);
  });

  it('VFs left on are switched off, with a second of waiting', () => {
    const { device, clock } = setup((f) => f.view.setUint16(CAP + 8, 0x0019, true), 250);

    expect(device.accesses.slice(0, 3)).toEqual(['r 0x8', 'w 0x8 0x0', 'w 0x8 0x10']);
    expect(clock.advanced).toEqual([250_000]);
  });

  it.each([
    { what: 'a VF BAR of less than a page', prepare: (f: SriovFunction) => (f.barMasks[2] = 0xffff_fc0c) },
    { what: 'no page size', prepare: (f: SriovFunction) => f.view.setUint32(CAP + 0x1c, 0, true) },
    { what: 'First VF Offset 0', prepare: (f: SriovFunction) => f.view.setUint16(CAP + 0x14, 0, true) },
    { what: 'VF Stride 0', prepare: (f: SriovFunction) => f.view.setUint16(CAP + 0x16, 0, true) },
  ])('$what: no VFs, and the PF works all the same', ({ prepare }) => {
    const { pf } = setup((device) => void prepare(device));
    pf.start();

    expect(pf.sriov).toBeNull();
    expect(() => pf.setNumVfs(1)).toThrow(error('ENOENT'));
  });

  it('a device that claims 65,535 VFs is looked at once with each number, and no more', () => {
    const { device, pf } = setup((f) => f.view.setUint16(CAP + 0x0e, 0xffff, true));

    expect(pf.sriov?.totalVfs).toBe(0xffff);
    expect(device.accesses.filter((line) => line.startsWith('w 0x10 '))).toHaveLength(0x10000);
  });

  it('a VF BAR gets its address in two dwords, with its flags', () => {
    const { device, pf } = started();

    pf.sriov!.placeBar(2, 0x38_0010_0000);

    expect(device.accesses).toEqual(['r 0x8', 'w 0x2c 0x10000c', 'w 0x30 0x38']);
    expect(() => pf.sriov!.placeBar(1, 0)).toThrow(error('EINVAL'));
  });

  it('VF BARs do not move while there are VFs', () => {
    const { pf } = started();
    pf.setNumVfs(1);

    expect(() => pf.sriov!.placeBar(2, 0)).toThrow(error('EBUSY'));
  });

  it('a function without the capability has no SR-IOV', () => {
    const { pf } = setup((device) => device.view.setUint32(CAP, 0, true));

    expect(pf.sriov).toBeNull();
    expect(() => pf.setNumVfs(1)).toThrow(error('ENOENT'));
  });
});

describe('sriov_numvfs', () => {
  it('enable writes NumVFs, then 0x0009 in one write, and waits 100 ms', () => {
    const { device, pf, clock } = started(undefined, 250_000);

    pf.setNumVfs(3);

    expect(device.accesses).toEqual(['r 0xc', 'w 0x10 0x3', 'r 0x14', 'r 0x16', 'w 0x8 0x9']);
    expect(clock.advanced).toEqual([25_000_000]);
    expect([pf.sriov?.numVfs, pf.sriov?.vfRequesterId(2)]).toEqual([3, 0x0105]);
  });

  it('enable keeps the ARI bit', () => {
    const { device, pf } = started((f) => f.view.setUint16(CAP + 8, 0x0010, true));

    pf.setNumVfs(3);

    expect(device.accesses.at(-1)).toBe('w 0x8 0x19');
  });

  it('disable clears both bits, waits a second, then writes NumVFs 0', () => {
    const { device, pf, clock } = started(undefined, 1000);
    pf.setNumVfs(3);
    device.accesses.length = 0;

    pf.setNumVfs(0);

    expect(device.accesses).toEqual(['w 0x8 0x0', 'w 0x10 0x0', 'r 0x14', 'r 0x16']);
    expect(clock.advanced).toEqual([100_000, 1_000_000]);
    expect(pf.sriov?.numVfs).toBe(0);
  });

  it('waits cost nothing where no length of a millisecond is given', () => {
    const { pf, clock } = started();

    pf.setNumVfs(7);

    expect(clock.advanced).toEqual([]);
  });

  it.each([8, -1, 1.5, 65536])('%d VFs of 7 is ERANGE', (numVfs) => {
    expect(() => started().pf.setNumVfs(numVfs)).toThrow(error('ERANGE'));
  });

  it('another number while VFs exist is EBUSY, the same number is nothing', () => {
    const { device, pf } = started();
    pf.setNumVfs(2);
    device.accesses.length = 0;

    pf.setNumVfs(2);

    expect(device.accesses).toEqual([]);
    expect(() => pf.setNumVfs(3)).toThrow(error('EBUSY'));
  });

  it('without DRIVER_OK is EBUSY', () => {
    expect(() => setup().pf.setNumVfs(1)).toThrow(error('EBUSY'));
  });

  it('without VIRTIO_F_SR_IOV is EINVAL', () => {
    const { pf } = started((device) => (device.offered[1] = 1));

    expect(() => pf.setNumVfs(1)).toThrow(error('EINVAL'));
  });

  it('InitialVFs other than TotalVFs is EIO', () => {
    const { pf } = started((device) => device.view.setUint16(CAP + 0x0c, 6, true));

    expect(() => pf.setNumVfs(2)).toThrow(error('EIO'));
    expect(pf.sriov?.numVfs).toBe(0);
  });

  it('VFs that depend on another function are ENODEV', () => {
    const { pf } = started((device) => device.view.setUint8(CAP + 0x12, 1));

    expect(() => pf.setNumVfs(2)).toThrow(error('ENODEV'));
  });

  it('behind a reset that took VF Enable everything is written again', () => {
    const { device, pf } = started();
    pf.sriov!.placeBar(2, 0x38_0010_0000);
    pf.setNumVfs(2);
    device.view.setUint16(CAP + 8, 0, true);
    device.accesses.length = 0;

    pf.sriov!.restore();

    expect(device.accesses).toEqual([
      'r 0x8',
      'w 0x8 0x0',
      'r 0x8',
      'r 0x8', // BARs 0 and 1 are not there
      'r 0x8',
      'w 0x2c 0x10000c',
      'w 0x30 0x38',
      'r 0x8',
      'r 0x8',
      'w 0x34 0xc',
      'w 0x38 0x0',
      'r 0x8',
      'w 0x20 0x1',
      'w 0x10 0x2',
      'r 0x14',
      'r 0x16',
      'w 0x8 0x9',
    ]);
    device.accesses.length = 0;
    pf.sriov!.restore();
    expect(device.accesses).toEqual(['r 0x8']);
  });

  it('stop() takes the VFs away before it resets the PF', () => {
    const { device, pf } = started();
    pf.setNumVfs(2);
    device.log.length = 0;

    pf.stop();

    expect(device.log.slice(0, 4)).toEqual([
      'w config 0x108 2 0x0',
      'w config 0x110 2 0x0',
      'w common+20 1 0x0',
      'r common+20 1 = 0x0',
    ]);
    expect(device.log).toContain('disableIrqs 2');
  });
});
