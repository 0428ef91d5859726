// SPDX-License-Identifier: Apache-2.0
// The SR-IOV extended capability of the PF: PCI Express Base §9.3.3; what Linux expects of it at enumeration.
import { describe, expect, it } from 'vitest';

import { Card } from '../support/card.ts';
import { SRIOV } from '../../support/raw_bench.ts';

const CTRL = SRIOV + 0x08;
const NUM_VFS = SRIOV + 0x10;
const SYSTEM_PAGE_SIZE = SRIOV + 0x20;

describe('identity', () => {
  it.each([1, 8, 1024])('TotalVFs and InitialVFs are both %i', (totalVfs) => {
    const { configRead } = new Card({ totalVfs }).direct(0);

    expect(configRead(SRIOV + 0x0e, 2)).toBe(totalVfs);
    expect(configRead(SRIOV + 0x0c, 2)).toBe(totalVfs);
  });

  it.each([
    [0x0100, 0],
    [0x0103, 3],
  ])('a PF at %i depends on itself alone: Function Dependency Link %i', (routingId, link) => {
    const { configRead } = new Card({ routingId }).direct(0);

    expect(configRead(SRIOV + 0x12, 1)).toBe(link);
  });

  it('there is no VF migration and no 10-bit tag support', () => {
    const { configRead } = new Card().direct(0);

    expect(configRead(SRIOV + 0x04, 4) & 0b101).toBe(0);
    expect(configRead(SRIOV + 0x3c, 4)).toBe(0);
  });

  it.each([
    [1, 1],
    [2, 3],
    [0x80, 2],
  ])('First VF Offset %i and VF Stride %i come from the configuration', (firstVfOffset, vfStride) => {
    const { configRead } = new Card({ firstVfOffset, vfStride }).direct(0);

    expect(configRead(SRIOV + 0x14, 2)).toBe(firstVfOffset);
    expect(configRead(SRIOV + 0x16, 2)).toBe(vfStride);
  });

  it('First VF Offset and VF Stride are never 0, whatever NumVFs is', () => {
    const { configRead, configWrite } = new Card().direct(0);

    for (const count of [4, 3, 2, 1, 0]) {
      configWrite(NUM_VFS, 2, count);
      expect(configRead(SRIOV + 0x14, 2)).toBe(1);
      expect(configRead(SRIOV + 0x16, 2)).toBe(1);
    }
  });
});

describe('NumVFs', () => {
  it.each([0, 1, 4])('%i is stored while VF Enable is clear', (count) => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(NUM_VFS, 2, count);

    expect(configRead(NUM_VFS, 2)).toBe(count);
  });

  it.each([5, 0xffff])('%i, above TotalVFs, brings no VF beyond TotalVFs into being', (count) => {
    const card = new Card().enableVfs(count);

    expect(card.nic.functionAt(0x0105)).toBe(-1);
    expect(card.nic.functionAt(0x0500)).toBe(-1);
    expect(card.direct(0).configRead(0x00, 2)).toBe(0x1af4);
  });

  it.each([0, 1, 3])('a change to %i while VF Enable is set is ignored', (count) => {
    const card = new Card().enableVfs(2);

    card.nic.configWrite(0, NUM_VFS, 2, count);

    expect(card.nic.configRead(0, NUM_VFS, 2)).toBe(2);
    expect([1, 2, 3].map((vf) => card.nic.isPresent(vf))).toEqual([true, true, false]);
  });

  it('0 with VF Enable brings no VF into being', () => {
    const card = new Card().enableVfs(0);

    expect([1, 2, 3, 4].map((vf) => card.nic.isPresent(vf))).toEqual([false, false, false, false]);
  });
});

describe('VF Enable', () => {
  it('brings VFs 1..NumVFs into being, and no others', () => {
    const card = new Card();
    expect([1, 2, 3, 4].map((vf) => card.nic.isPresent(vf))).toEqual([false, false, false, false]);

    card.enableVfs(3);

    expect([1, 2, 3, 4].map((vf) => card.nic.isPresent(vf))).toEqual([true, true, true, false]);
  });

  it('takes them away when it is cleared', () => {
    const card = new Card().enableVfs(3);

    card.disableVfs();

    expect([1, 2, 3, 4].map((vf) => card.nic.isPresent(vf))).toEqual([false, false, false, false]);
  });

  it('works in accesses of one byte', () => {
    const card = new Card();
    card.nic.configWrite(0, NUM_VFS, 1, 2);

    card.nic.configWrite(0, CTRL, 1, 0x09);

    expect(card.nic.isPresent(2)).toBe(true);
  });

  it('works in an access of a dword, whose upper half is the read-only status', () => {
    const card = new Card();
    card.nic.configWrite(0, NUM_VFS, 2, 2);

    card.nic.configWrite(0, CTRL, 4, 0xffff0009);

    expect(card.nic.isPresent(2)).toBe(true);
    expect(card.nic.configRead(0, CTRL, 4)).toBe(0x00000009);
  });

  it('keeps ARI Capable Hierarchy; VF migration and 10-bit tag bits stay 0', () => {
    const card = new Card().enableVfs(1);

    card.nic.configWrite(0, CTRL, 2, 0xffff);

    expect(card.nic.configRead(0, CTRL, 2)).toBe(0x0019);
  });

  it('can be set again with another number of VFs', () => {
    const card = new Card().enableVfs(1);
    card.disableVfs();

    card.enableVfs(4);

    expect([1, 2, 3, 4].map((vf) => card.nic.isPresent(vf))).toEqual([true, true, true, true]);
  });
});

describe('page sizes', () => {
  it('4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB are supported', () => {
    expect(new Card().direct(0).configRead(SRIOV + 0x1c, 4)).toBe(0x553);
  });

  it('4 KiB is set at reset', () => {
    expect(new Card().direct(0).configRead(SYSTEM_PAGE_SIZE, 4)).toBe(1);
  });

  it.each([0x001, 0x002, 0x010, 0x040, 0x100, 0x400])('page size bit %i is taken', (size) => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(SYSTEM_PAGE_SIZE, 4, size);

    expect(configRead(SYSTEM_PAGE_SIZE, 4)).toBe(size);
  });

  it('a page size that is not supported never shows', () => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(SYSTEM_PAGE_SIZE, 4, 0xfffff_aac);

    expect(configRead(SYSTEM_PAGE_SIZE, 4) & ~0x553).toBe(0);
  });

  it('a change while VF Enable is set is ignored', () => {
    const card = new Card().enableVfs(2);

    card.nic.configWrite(0, SYSTEM_PAGE_SIZE, 4, 0x10);

    expect(card.nic.configRead(0, SYSTEM_PAGE_SIZE, 4)).toBe(1);
  });
});
