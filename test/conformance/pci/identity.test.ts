// SPDX-License-Identifier: Apache-2.0
// Who the functions say they are: virtio 1.4 §4.1.2 "PCI Device Discovery", and PCI Express Base §9.3.4.1 for VFs, whose
// ids read all ones on the bus and are filled in by vfio-pci.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { eachPath } from '../support/modes.ts';
import { SRIOV } from '../../support/raw_bench.ts';

describe(requirement('PCI-DISC-01'), () => {
  eachPath((kind) => {
    it('the PF answers vendor id 0x1AF4', () => {
      const { configRead } = new Card().path(kind, 0);

      expect(configRead(0x00, 2)).toBe(0x1af4);
    });
  });

  it('a VF answers FFFF on the bus, so that a scan without SR-IOV does not find it', () => {
    const card = new Card().enableVfs(2);

    expect(card.direct(2).configRead(0x00, 4)).toBe(0xffffffff);
    expect(card.direct(2).configRead(0x00, 2)).toBe(0xffff);
    expect(card.direct(2).configRead(0x01, 1)).toBe(0xff);
  });

  it('a VF shows vendor id 0x1AF4 through vfio', () => {
    const card = new Card().enableVfs(2);

    expect(card.vfio(2).configRead(0x00, 2)).toBe(0x1af4);
    expect(card.vfio(2).configRead(0x01, 1)).toBe(0x1a);
  });
});

describe(requirement('PCI-DISC-02'), () => {
  eachPath((kind) => {
    it('the PF answers device id 0x1041, a network device', () => {
      expect(new Card().path(kind, 0).configRead(0x02, 2)).toBe(0x1041);
    });
  });

  it('the SR-IOV capability gives 0x1041 as VF Device ID', () => {
    expect(new Card().direct(0).configRead(SRIOV + 0x1a, 2)).toBe(0x1041);
  });

  it('a VF answers FFFF on the bus and 0x1041 through vfio', () => {
    const card = new Card().enableVfs(1);

    expect(card.direct(1).configRead(0x02, 2)).toBe(0xffff);
    expect(card.vfio(1).configRead(0x02, 2)).toBe(0x1041);
    expect(card.vfio(1).configRead(0x00, 4)).toBe(0x10411af4);
  });
});

describe('the command register of a VF', () => {
  it('has no Memory Space Enable on the bus; vfio shows it set, and as its user writes it', () => {
    const card = new Card().enableVfs(1);
    const { configRead, configWrite } = card.vfio(1);

    expect(card.direct(1).configRead(0x04, 2)).toBe(0);
    expect(configRead(0x04, 2)).toBe(0x0002);
    configWrite(0x04, 2, 0x0004);
    expect(configRead(0x04, 2)).toBe(0x0004);
    configWrite(0x04, 2, 0x0006);
    expect(configRead(0x04, 2)).toBe(0x0006);
    expect(card.direct(1).configRead(0x04, 2)).toBe(0x0004);
  });
});

describe(requirement('PCI-DISC-03'), () => {
  it('a VF has the subsystem vendor id and the subsystem id of its PF', () => {
    const card = new Card().enableVfs(1);

    expect(card.direct(1).configRead(0x2c, 4)).toBe(card.direct(0).configRead(0x2c, 4));
    expect(card.direct(0).configRead(0x2c, 2)).not.toBe(0xffff);
  });
});

describe(requirement('PCI-DISC-04'), () => {
  it('device id and VF device id lie in 0x1040..0x107F', () => {
    const { configRead } = new Card().direct(0);

    for (const id of [configRead(0x02, 2), configRead(SRIOV + 0x1a, 2)]) {
      expect(id).toBeGreaterThanOrEqual(0x1040);
      expect(id).toBeLessThanOrEqual(0x107f);
    }
  });
});

describe(requirement('PCI-DISC-05'), () => {
  eachPath((kind) => {
    it('the revision id of PF and VF is at least 1', () => {
      const card = new Card().enableVfs(1);

      expect(card.path(kind, 0).configRead(0x08, 1)).toBeGreaterThanOrEqual(1);
      expect(card.path(kind, 1).configRead(0x08, 1)).toBeGreaterThanOrEqual(1);
    });
  });
});

describe(requirement('PCI-DISC-06'), () => {
  eachPath((kind) => {
    it('the subsystem id of PF and VF is at least 0x40', () => {
      const card = new Card().enableVfs(1);

      expect(card.path(kind, 0).configRead(0x2e, 2)).toBeGreaterThanOrEqual(0x40);
      expect(card.path(kind, 1).configRead(0x2e, 2)).toBeGreaterThanOrEqual(0x40);
    });
  });
});
