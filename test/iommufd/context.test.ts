// SPDX-License-Identifier: Apache-2.0
// The objects of iommufd at work: what is mapped is what the functions of the card reach, as long as they are attached.
import { beforeEach, describe, expect, it } from 'vitest';

import type { ForeignMemory } from '../../src/device/foreign.ts';
import type { IommufdDevice } from '../../src/iommufd/device.ts';
import { errno, IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
const IOVA = 0x1000_0000;

describe.each(['functional', 'timed'] as const)('in %s mode', (mode) => {
  let bench: IommufdBench;
  let device: IommufdDevice;
  let ioas: number;

  beforeEach(() => {
    bench = new IommufdBench(4, { mode });
    bench.numberPages();
    device = bench.bind(1);
    ioas = bench.context.ioasAlloc();
  });

  const firstByte = (fn: number, iova: number): number | undefined => bench.read(fn, iova)?.[0];

  it('a device that is attached reads and writes what is mapped, before and after attaching', () => {
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGE, source: { window: 5 * PAGE }, ...RW });
    device.attach(ioas);
    bench.context.ioasMap(ioas, { iova: IOVA + PAGE, length: PAGE, source: { window: 9 * PAGE }, ...RW });

    expect([firstByte(1, IOVA), firstByte(1, IOVA + PAGE)]).toEqual([6, 10]);
    expect(bench.write(1, IOVA + PAGE + 64, 0x77)).toBe(true);
    expect([...bench.window(9 * PAGE + 64, 64)]).toEqual(Array(64).fill(0x77));
    expect(firstByte(1, IOVA + 2 * PAGE)).toBeUndefined();
  });

  it('two devices of one IOAS share a page table, which goes with the last of them', () => {
    const other = bench.bind(2);
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGE, source: { window: 0 }, ...RW });
    const before = bench.context.objectCount;

    expect(device.attach(ioas)).toBe(other.attach(ioas));
    expect(bench.context.objectCount).toBe(before + 1);
    expect(bench.nic.iommu.allocated()).toBe(1);

    device.detach();
    expect(firstByte(1, IOVA)).toBeUndefined();
    expect(firstByte(2, IOVA)).toBe(1);
    other.detach();
    expect(bench.context.objectCount).toBe(before);
    expect(bench.nic.iommu.allocated()).toBe(0);
  });

  it('replacing changes what the device sees, and a failed one changes nothing', () => {
    const second = bench.context.ioasAlloc();
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGE, source: { window: 0 }, ...RW });
    bench.context.ioasMap(second, { iova: IOVA, length: PAGE, source: { window: PAGE }, ...RW });
    const table = device.attach(ioas);

    expect(errno(() => device.replace(device.id))).toBe('EINVAL');
    expect(firstByte(1, IOVA)).toBe(1);
    expect(device.attached).toBe(table);

    device.replace(second);
    expect(firstByte(1, IOVA)).toBe(2);
    expect(errno(() => bench.context.destroy(table))).toBe('ENOENT'); // went with its last device
    device.unbind();
    bench.context.close();
    expect([bench.context.objectCount, bench.nic.iommu.allocated(), bench.nic.iommu.poolUsed()]).toEqual([0, 0, 0]);
  });

  it('permissions are those of the mapping', () => {
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGE, source: { window: 0 }, read: true });
    bench.context.ioasMap(ioas, { iova: IOVA + PAGE, length: PAGE, source: { window: PAGE }, write: true });
    device.attach(ioas);

    expect([firstByte(1, IOVA), bench.write(1, IOVA, 9)]).toEqual([1, false]);
    expect([firstByte(1, IOVA + PAGE), bench.write(1, IOVA + PAGE, 9)]).toEqual([undefined, true]);
    expect([bench.window(0, 1)[0], bench.window(PAGE, 1)[0]]).toEqual([1, 9]);
  });

  it('more mappings than an address space holds by itself, and all of them back', () => {
    device.attach(ioas);
    const pages = 256;
    // the window backwards, so that nothing can be joined
    for (let i = 0; i < pages; i++) {
      const source = { window: (pages - 1 - i) * PAGE };
      bench.context.ioasMap(ioas, { iova: IOVA + 2 * i * PAGE, length: PAGE, source, ...RW });
    }

    const seen = Array.from({ length: pages }, (_, i) => firstByte(1, IOVA + 2 * i * PAGE));
    expect(seen).toEqual(Array.from({ length: pages }, (_, i) => (pages - i) & 0xff));
    expect(firstByte(1, IOVA + PAGE)).toBeUndefined();
    expect(bench.context.ioasUnmapAll(ioas)).toBe(pages * PAGE);
    expect(bench.nic.iommu.poolUsed()).toBe(0);
    expect(firstByte(1, IOVA)).toBeUndefined();
  });

  it('foreign memory, and a copy of a part of it, is reached at the right place', () => {
    const bytes = new Uint8Array(4 * PAGE).map((_, i) => i >> 12);
    const foreign: ForeignMemory = {
      read: (offset, length, target, at) => {
        target.set(bytes.subarray(offset, offset + length), at);
        return true;
      },
      write: (offset, length, source, at) => {
        bytes.set(source.subarray(at, at + length), offset);
        return true;
      },
    };
    const second = bench.context.ioasAlloc();
    bench.context.ioasMap(ioas, { iova: IOVA, length: 3 * PAGE, source: { foreign, offset: PAGE }, ...RW });
    const copy = { srcIoas: ioas, srcIova: IOVA + PAGE, length: 2 * PAGE, dstIova: 0, ...RW };
    bench.context.ioasCopy(second, copy);
    device.attach(second);
    bench.context.ioasUnmapAll(ioas);

    expect([firstByte(1, 0), firstByte(1, PAGE)]).toEqual([2, 3]);
    expect(bench.write(1, PAGE, 0x55)).toBe(true);
    expect(bytes[3 * PAGE]).toBe(0x55);
    bench.context.ioasUnmapAll(second);
    expect(firstByte(1, 0)).toBeUndefined();
  });

  it('a PASID has its own page table beside that of the requester id', () => {
    const pf = bench.bind(0);
    const flags = { device: pf.id, pasid: true };
    const [one, two] = [bench.context.ioasAlloc(), bench.context.ioasAlloc()];
    bench.context.ioasMap(one, { iova: IOVA, length: PAGE, source: { window: 0 }, ...RW });
    bench.context.ioasMap(two, { iova: IOVA, length: PAGE, source: { window: PAGE }, ...RW });
    const [first, second] = [one, two].map((pt) => bench.context.hwptAlloc({ ...flags, pt })) as [number, number];
    pf.attach(first);
    pf.attachPasid(bench.pasidPort(3, pf.requesterId, 7), second);

    expect([firstByte(0, IOVA), firstByte(3, IOVA)]).toEqual([1, 2]);
    pf.replacePasid(7, first);
    expect(firstByte(3, IOVA)).toBe(1);
    pf.detach();
    expect([firstByte(0, IOVA), firstByte(3, IOVA)]).toEqual([undefined, 1]);
    pf.unbind();
    expect(firstByte(3, IOVA)).toBeUndefined();
  });

  it('a device and an access share an IOAS, and see the same bytes', () => {
    const access = bench.context.createAccess();
    bench.context.ioasMap(ioas, { iova: IOVA, length: 2 * PAGE, source: { window: 0 }, ...RW });
    device.attach(ioas);
    access.attach(ioas);
    const data = new Uint8Array(4).fill(0xa5);
    access.rw(IOVA + PAGE - 2, data, { write: true }); // over the border of two pages

    expect([...bench.read(1, IOVA + PAGE - 3, 6)!]).toEqual([1, 0xa5, 0xa5, 0xa5, 0xa5, 2]);
    bench.write(1, IOVA, 0x3c);
    access.rw(IOVA, data);
    expect([...data]).toEqual([0x3c, 0x3c, 0x3c, 0x3c]);
  });

  it('faults go to their owner, with address, direction and PASID', () => {
    const pf = bench.bind(0);
    const hwpt = bench.context.hwptAlloc({ device: pf.id, pt: ioas, pasid: true });
    pf.attachPasid(bench.pasidPort(3, pf.requesterId, 9), hwpt);
    bench.write(1, 0x5000, 1);
    bench.read(3, 0x6040);
    bench.read(2, 0x7000); // bound by nobody

    const { faults, lost } = bench.context.takeFaults();
    expect(
      faults.map(({ device: owner, requesterId, pasid, iova, isWrite }) => [
        owner === pf ? 'pf' : owner === device ? 'vf 1' : '?',
        requesterId,
        pasid,
        iova,
        isWrite,
      ]),
    ).toEqual([
      ['vf 1', device.requesterId, null, 0x5000, true],
      ['pf', pf.requesterId, 9, 0x6040, false],
    ]);
    expect(lost).toBe(0);
    expect(bench.context.takeFaults().faults).toEqual([]);

    const late = bench.bind(2);
    expect(late.takeFaults().faults).toEqual([]); // not its own: they came before it was bound
  });

  it("one function's faults beyond those kept are counted, and hide nobody else's", () => {
    const other = bench.bind(2);
    for (let i = 0; i < 20; i++) bench.write(1, i * PAGE, 1);
    bench.write(2, 0x9000, 1);

    const { faults, lost } = device.takeFaults();
    expect(faults.map(({ iova }) => iova)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((i) => i * PAGE));
    expect(lost).toBe(12);
    expect(other.takeFaults().faults.map(({ iova }) => iova)).toEqual([0x9000]);
  });
});
