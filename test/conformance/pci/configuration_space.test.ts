// SPDX-License-Identifier: Apache-2.0
// The function as PCI software sees it: header, capability lists, BARs. PCI Express Base §7.5, §7.6, §7.7; §9.3.4 for VFs.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { capabilities, extendedCapabilities } from '../support/capability_walk.ts';
import { Card, EXPRESS, MSIX, PM } from '../support/card.ts';
import { eachFunction, eachPath } from '../support/modes.ts';
import { SRIOV } from '../../support/raw_bench.ts';

describe(requirement('PCI-BUS-01'), () => {
  eachPath((kind) => {
    eachFunction((fn) => {
      it('has a type 0 header of an Ethernet controller with a capability list', () => {
        const { configRead } = new Card().enableVfs(2).path(kind, fn);

        expect(configRead(0x0e, 1) & 0x7f).toBe(0);
        expect(configRead(0x0a, 2)).toBe(0x0200);
        expect(configRead(0x06, 2) & 0x0010).toBe(0x0010);
      });

      it('has a capability list of distinct, aligned entries that ends', () => {
        const found = capabilities(new Card().enableVfs(2).path(kind, fn));

        expect(found.length).toBeLessThan(20);
        expect(new Set(found.map(({ at }) => at)).size).toBe(found.length);
        for (const { at } of found) {
          expect(at % 4).toBe(0);
          expect(at).toBeGreaterThanOrEqual(0x40);
        }
      });

      it('lists power management, MSI-X and PCI Express once each', () => {
        const ids = capabilities(new Card().enableVfs(2).path(kind, fn)).map(({ id }) => id);

        for (const id of [0x01, 0x10, 0x11]) expect(ids.filter((other) => other === id)).toEqual([id]);
      });

      it('is a PCI Express endpoint, capability version 2, that can reset its functions alone', () => {
        const { configRead } = new Card().enableVfs(2).path(kind, fn);

        expect(configRead(EXPRESS, 1)).toBe(0x10);
        expect(configRead(EXPRESS + 0x02, 2) & 0x00ff).toBe(0x0002);
        expect(configRead(EXPRESS + 0x04, 4) & 0x1000_0000).toBe(0x1000_0000);
      });

      it('has power management version 3 and an MSI-X capability where this card puts them', () => {
        const { configRead } = new Card().enableVfs(2).path(kind, fn);

        expect(configRead(PM, 1)).toBe(0x01);
        expect(configRead(PM + 2, 2) & 7).toBe(3);
        expect(configRead(MSIX, 1)).toBe(0x11);
      });

      it('answers zero behind its last capability', () => {
        const { configRead } = new Card().enableVfs(2).path(kind, fn);

        expect(configRead(0xe8, 4)).toBe(0);
        expect(configRead(0x800, 4)).toBe(0);
        expect(configRead(0xffc, 4)).toBe(0);
      });
    });
  });

  it('the PF lists ARI and SR-IOV as extended capabilities, version 1 each', () => {
    const { configRead } = new Card().direct(0);

    expect(extendedCapabilities(new Card().direct(0))).toEqual([
      { id: 0x0e, at: 0x100 },
      { id: 0x10, at: SRIOV },
    ]);
    expect((configRead(SRIOV, 4) >>> 16) & 0xf).toBe(1);
  });

  it('a VF has no SR-IOV capability', () => {
    const found = extendedCapabilities(new Card().enableVfs(2).direct(2));

    expect(found.some(({ id }) => id === 0x10)).toBe(false);
  });

  it('a user of the PF through vfio sees SR-IOV, and cannot write it', () => {
    const card = new Card();
    const path = card.vfio(0);

    path.configWrite(SRIOV + 0x10, 2, 2);
    path.configWrite(SRIOV + 0x08, 2, 0x0009);

    expect(extendedCapabilities(path).some(({ id }) => id === 0x10)).toBe(true);
    expect([0x08, 0x10].map((register) => path.configRead(SRIOV + register, 2))).toEqual([0, 0]);
    expect(card.nic.isPresent(1)).toBe(false);
  });

  it('a VF has no interrupt pin, no BAR registers and no ROM', () => {
    const { configRead } = new Card().enableVfs(2).direct(2);

    expect(configRead(0x3d, 1)).toBe(0);
    expect([0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30].map((at) => configRead(at, 4))).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('the PF uses INTA', () => {
    expect(new Card().direct(0).configRead(0x3d, 1)).toBe(1);
  });
});

describe('BARs of the PF', () => {
  it.each([
    [2, 0x18, 16384],
    [4, 0x20, 4096],
  ])('BAR %i is 64-bit memory and its size mask says %i, %i bytes', (_bar, at, bytes) => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(at, 4, 0xffffffff);
    configWrite(at + 4, 4, 0xffffffff);

    expect(configRead(at, 4)).toBe(0x1_0000_0000 - bytes + 4);
    expect(configRead(at + 4, 4)).toBe(0xffffffff);
  });

  it.each([0x10, 0x14])('the register at %i belongs to no BAR and stays zero', (at) => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(at, 4, 0xffffffff);

    expect(configRead(at, 4)).toBe(0);
  });

  it('size through vfio like real ones, and move nothing on the bus', () => {
    const card = new Card();
    const { configRead, configWrite } = card.vfio(0);
    const before = card.nic.configRead(0, 0x18, 4);

    configWrite(0x18, 4, 0xffffffff);

    expect(configRead(0x18, 4)).toBe(0xffffc004);
    expect(card.nic.configRead(0, 0x18, 4)).toBe(before);
  });

  it('decode where they are placed, and nowhere else', () => {
    const { nic, bus } = new Card();
    const [registers, msix] = bus.pf;

    expect(nic.decode(registers!.address)).toEqual({ fn: 0, bar: 2, offset: 0 });
    expect(nic.decode(registers!.address + 16383)).toEqual({ fn: 0, bar: 2, offset: 16383 });
    expect(nic.decode(msix!.address + 8)).toEqual({ fn: 0, bar: 4, offset: 8 });
    expect(nic.decode(registers!.address - 1)).toBeNull();
  });

  it('are where they were after sizing with decode on', () => {
    const { nic, bus } = new Card();
    const before = nic.configRead(0, 0x18, 4);

    nic.configWrite(0, 0x18, 4, 0xffffffff);
    nic.configRead(0, 0x18, 4);
    nic.configWrite(0, 0x18, 4, before);

    expect(nic.decode(bus.pf[0]!.address)).toEqual({ fn: 0, bar: 2, offset: 0 });
  });

  it('do not decode while Memory Space Enable is clear', () => {
    const { nic, bus } = new Card();

    nic.configWrite(0, 0x04, 2, 0);

    expect(nic.decode(bus.pf[0]!.address)).toBeNull();
    expect(nic.read(0, 2, 0, 4)).toBe(0xffffffff);
    expect(nic.counters()['unsupported_request']).toBe(1);
  });
});
