// SPDX-License-Identifier: Apache-2.0
// VF BARs and the addresses of VFs: PCI Express Base §9.3.3.14 "VF BAR0 ... VF BAR5", §9.3.3.3.4 "VF MSE", §9.3.3.13.
import { describe, expect, it } from 'vitest';

import { Card } from '../support/card.ts';
import { SRIOV } from '../../support/raw_bench.ts';

const CTRL = SRIOV + 0x08;
const SYSTEM_PAGE_SIZE = SRIOV + 0x20;
const VF_BAR = (bar: number): number => SRIOV + 0x24 + 4 * bar;

describe('sizing', () => {
  it.each([
    [0x001, 2, 0xffffc004],
    [0x001, 4, 0xfffff004],
    [0x002, 4, 0xffffe004],
    [0x010, 2, 0xffff0004],
    [0x010, 4, 0xffff0004],
    [0x040, 2, 0xfffc0004],
    [0x100, 4, 0xfff00004],
    [0x400, 2, 0xffc00004],
  ])('with system page size %i VF BAR %i answers %i: the share of a VF is at least a page', (page, bar, mask) => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(SYSTEM_PAGE_SIZE, 4, page);
    configWrite(VF_BAR(bar), 4, 0xffffffff);
    configWrite(VF_BAR(bar + 1), 4, 0xffffffff);

    expect(configRead(VF_BAR(bar), 4)).toBe(mask);
    expect(configRead(VF_BAR(bar + 1), 4)).toBe(0xffffffff);
  });

  it.each([0, 1])('VF BAR %i does not exist and stays zero', (bar) => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(VF_BAR(bar), 4, 0xffffffff);

    expect(configRead(VF_BAR(bar), 4)).toBe(0);
  });

  it('an address that was written reads back below its type bits', () => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(VF_BAR(2), 4, 0x1234_8000);
    configWrite(VF_BAR(3), 4, 0x0000_0042);

    expect(configRead(VF_BAR(2), 4)).toBe(0x1234_8004);
    expect(configRead(VF_BAR(3), 4)).toBe(0x42);
  });

  it('a VF has no BAR registers of its own', () => {
    const { configRead, configWrite } = new Card().enableVfs(1).direct(1);

    configWrite(0x18, 4, 0xffffffff);

    expect(configRead(0x18, 4)).toBe(0);
  });
});

describe('addresses of VFs', () => {
  it('VF n has the n-th share of each block', () => {
    const { nic, bus } = new Card().enableVfs(4);
    const [registers, msix] = bus.vf;

    for (let vf = 1; vf <= 4; vf++) {
      expect(nic.decode(registers!.address + (vf - 1) * 16384)).toEqual({ fn: vf, bar: 2, offset: 0 });
      expect(nic.decode(registers!.address + vf * 16384 - 1)).toEqual({ fn: vf, bar: 2, offset: 16383 });
      expect(nic.decode(msix!.address + (vf - 1) * 4096 + 0x800)).toEqual({ fn: vf, bar: 4, offset: 0x800 });
    }
  });

  it('the shares of VFs that do not exist are not claimed', () => {
    const { nic, bus } = new Card().enableVfs(2);

    expect(nic.decode(bus.vf[0]!.address + 16384)).toMatchObject({ fn: 2 });
    expect(nic.decode(bus.vf[0]!.address + 2 * 16384)).toBeNull();
  });

  it('with pages of 64 KiB the shares lie 64 KiB apart', () => {
    const card = new Card();
    card.nic.configWrite(0, SYSTEM_PAGE_SIZE, 4, 0x10);
    card.nic.configWrite(0, VF_BAR(2), 4, 0x4000_0000);
    card.nic.configWrite(0, VF_BAR(3), 4, 0);

    card.enableVfs(3);

    expect(card.nic.decode(0x4000_0000)).toEqual({ fn: 1, bar: 2, offset: 0 });
    expect(card.nic.decode(0x4001_0000)).toEqual({ fn: 2, bar: 2, offset: 0 });
    expect(card.nic.decode(0x4002_0014)).toEqual({ fn: 3, bar: 2, offset: 0x14 });
    expect(card.nic.decode(0x4003_0000)).toBeNull();
  });

  it('follow the VF BAR when it is moved', () => {
    const card = new Card();
    card.nic.configWrite(0, VF_BAR(4), 4, 0x5000_0000);
    card.nic.configWrite(0, VF_BAR(5), 4, 0);

    card.enableVfs(4);

    expect(card.nic.decode(0x5000_0000 + 3 * 4096)).toEqual({ fn: 4, bar: 4, offset: 0 });
  });

  it('move with VF MSE clear while VFs exist, and lead to the same registers', () => {
    const card = new Card().enableVfs(2);
    card.direct(2).write(2, 22, 2, 1);

    card.nic.configWrite(0, CTRL, 2, 0x0001);
    card.nic.configWrite(0, VF_BAR(2), 4, 0x6000_0000);
    card.nic.configWrite(0, VF_BAR(3), 4, 0x0000_0001);
    card.nic.configWrite(0, CTRL, 2, 0x0009);

    expect(card.nic.decode(0x1_6000_0000 + 16384 + 22)).toEqual({ fn: 2, bar: 2, offset: 22 });
    expect(card.nic.decode(card.bus.vf[0]!.address)).toBeNull();
    expect(card.direct(2).read(2, 22, 2)).toBe(1);
  });

  it('1,024 VFs have 1,024 shares', () => {
    const { nic, bus } = new Card({ totalVfs: 1024 }).enableVfs(1024);

    expect(nic.decode(bus.vf[0]!.address + 1023 * 16384 + 18)).toEqual({ fn: 1024, bar: 2, offset: 18 });
    expect(nic.decode(bus.vf[1]!.address + 511 * 4096)).toEqual({ fn: 512, bar: 4, offset: 0 });
  });
});

describe('VF MSE', () => {
  it('clear: VFs claim no addresses and their registers answer all ones', () => {
    const card = new Card().enableVfs(2);

    card.nic.configWrite(0, CTRL, 2, 0x0001);

    expect(card.nic.decode(card.bus.vf[0]!.address)).toBeNull();
    expect(card.direct(1).read(2, 18, 2)).toBe(0xffff);
    expect(card.nic.isPresent(1)).toBe(true);
  });

  it('set again: the registers are as they were', () => {
    const card = new Card().enableVfs(2);
    card.direct(1).write(2, 22, 2, 1);
    card.nic.configWrite(0, CTRL, 2, 0x0001);

    card.nic.configWrite(0, CTRL, 2, 0x0009);

    expect(card.direct(1).read(2, 22, 2)).toBe(1);
  });

  it('does not depend on Memory Space Enable of the PF', () => {
    const card = new Card().enableVfs(1);

    card.nic.configWrite(0, 0x04, 2, 0);

    expect(card.direct(1).read(2, 18, 2)).toBe(3);
    expect(card.direct(0).read(2, 18, 2)).toBe(0xffff);
  });

  it('Memory Space Enable in the command register of a VF is hardwired to 0 on the bus', () => {
    const card = new Card().enableVfs(1);

    card.nic.configWrite(1, 0x04, 2, 0x0002);

    expect(card.nic.configRead(1, 0x04, 2)).toBe(0);
    expect(card.direct(1).read(2, 18, 2)).toBe(3);
  });
});
