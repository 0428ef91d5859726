// SPDX-License-Identifier: Apache-2.0
// Two stages: a guest's page table in its own memory, on top of what its host maps. Entries as in VT-d's first stage
// (Intel VT-d 5.0 §9.7): present 1, write 2, large page 0x80, address in bits 51:12.
import { beforeEach, describe, expect, it } from 'vitest';

import type { IommufdDevice } from '../../src/iommufd/device.ts';
import { errno, IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
const GPA = 0x20_0000; // guest memory begins there and is 128 pages long
const GUEST_PAGES = 128;
const HOST_PAGE = 16;
const [PRESENT, WRITE] = [1, 2];

let bench: IommufdBench;
let device: IommufdDevice;
let ioas: number;
let parent: number;
let tables: number;

const gpa = (page: number): number => GPA + page * PAGE;

beforeEach(() => {
  bench = new IommufdBench(2);
  bench.numberPages();
  device = bench.bind(1);
  ioas = bench.context.ioasAlloc();
  const source = { window: HOST_PAGE * PAGE };
  bench.context.ioasMap(ioas, { iova: GPA, length: GUEST_PAGES * PAGE, source, ...RW });
  parent = bench.context.hwptAlloc({ device: device.id, pt: ioas, nestParent: true });
  tables = 100; // pages from there on are tables; the first is the top
  for (let page = tables; page < GUEST_PAGES; page++) guest(page).fill(0);
});

/** Bytes of a page of the guest. */
function guest(page: number): Uint8Array {
  return bench.window((HOST_PAGE + page) * PAGE, PAGE);
}

function setEntry(table: number, index: number, address: number, bits: number): void {
  const bytes = guest(table);
  new DataView(bytes.buffer, bytes.byteOffset, PAGE).setBigUint64(8 * index, BigInt(address + bits), true);
}

/** Four levels of tables for the 2 MiB at `iova` 0; the last is on page `tables + 3`. */
function chain(bits = PRESENT | WRITE): void {
  for (let level = 0; level < 3; level++) setEntry(tables + level, 0, gpa(tables + level + 1), bits);
}

function alloc(): number {
  const hwpt = bench.context.hwptAlloc({
    device: device.id,
    pt: parent,
    data: { pgtblAddr: gpa(tables), addrWidth: 48 },
  });
  if (device.attached === null) device.attach(hwpt);
  else device.replace(hwpt);
  return hwpt;
}

const page = (iova: number): number | null => {
  const bytes = bench.read(1, iova);
  return bytes === null ? null : bytes[0]! - 1 - HOST_PAGE;
};

describe('a nested page table', () => {
  it('leads through both stages, with the permissions of both', () => {
    chain();
    setEntry(tables + 3, 0, gpa(7), PRESENT | WRITE);
    setEntry(tables + 3, 1, gpa(5), PRESENT);
    setEntry(tables + 3, 3, gpa(GUEST_PAGES), PRESENT | WRITE); // the host has no such memory
    alloc();

    expect([0, 1, 2, 3].map((n) => page(n * PAGE))).toEqual([7, 5, null, null]);
    expect([bench.write(1, 0, 1), bench.write(1, PAGE, 1)]).toEqual([true, false]);
  });

  it('needs the write bit at every level', () => {
    chain(PRESENT);
    setEntry(tables + 3, 0, gpa(7), PRESENT | WRITE);
    alloc();

    expect(page(0)).toBe(7);
    expect(bench.write(1, 0, 1)).toBe(false);
  });

  it('has large pages, as far as the host has memory behind them', () => {
    setEntry(tables, 511, gpa(tables + 1), PRESENT);
    setEntry(tables + 1, 511, gpa(tables + 2), PRESENT);
    setEntry(tables + 2, 511, GPA, PRESENT | 0x80);
    alloc();
    const top = 2 ** 48 - 2 ** 21;

    expect([0, 1, 99, 128].map((n) => page(top + n * PAGE))).toEqual([0, 1, 99, null]);
  });

  it('is as it was until the guest invalidates', () => {
    chain();
    setEntry(tables + 3, 0, gpa(7), PRESENT);
    const hwpt = alloc();
    setEntry(tables + 3, 0, gpa(8), PRESENT);
    setEntry(tables + 3, 1, gpa(9), PRESENT);
    expect([page(0), page(PAGE)]).toEqual([7, null]);

    bench.context.hwptInvalidate(hwpt);
    expect([page(0), page(PAGE)]).toEqual([8, 9]);
  });

  it('loses at once what its parent loses', () => {
    chain();
    for (let n = 0; n < 4; n++) setEntry(tables + 3, n, gpa(n), PRESENT);
    const second = bench.context.ioasMap(ioas, { iova: 2 * GPA, length: PAGE, source: { window: 0 }, ...RW });
    setEntry(tables + 3, 4, second, PRESENT);
    alloc();
    expect(page(4 * PAGE)).toBe(-HOST_PAGE);

    bench.context.ioasUnmap(ioas, GPA, GUEST_PAGES * PAGE);
    expect([0, 1, 2, 3].map((n) => page(n * PAGE))).toEqual([null, null, null, null]);
    expect(page(4 * PAGE)).toBe(-HOST_PAGE);
  });

  it('with loops in the guest’s table ends, in ENOMEM or with what there is', () => {
    for (let i = 0; i < 512; i++) setEntry(tables, i, gpa(tables), PRESENT);
    expect(errno(alloc)).toBe('ENOMEM');
    for (let i = 0; i < 512; i++) setEntry(tables, i, gpa(tables + 1), PRESENT);
    for (let i = 0; i < 512; i++) setEntry(tables + 1, i, 2 ** 40, PRESENT);
    expect(typeof errno(alloc)).toBe('number');
  });

  it('goes, and its parent after it', () => {
    chain();
    setEntry(tables + 3, 0, gpa(7), PRESENT);
    const hwpt = alloc();
    device.detach();

    expect(errno(() => bench.context.destroy(parent))).toBe('EBUSY');
    bench.context.destroy(hwpt);
    bench.context.destroy(parent);
    bench.context.close();
    expect([bench.context.objectCount, bench.nic.iommu.allocated(), bench.nic.iommu.poolUsed()]).toEqual([0, 0, 0]);
  });
});
