// SPDX-License-Identifier: Apache-2.0
// When a profile may change, and the pool that the MSI-X vectors of VFs come from. The rule for a VF that exists is that of
// Linux's sriov_vf_msix_count: no driver, and then the count alone.
import { describe, expect, it } from 'vitest';

import { RawCard } from '../support/raw_card.ts';

const MSIX_CONTROL = 0x4a;
const busy = expect.objectContaining({ code: 'EBUSY' }) as unknown;
const invalid = expect.objectContaining({ code: 'EINVAL' }) as unknown;

function card(options = {}): RawCard {
  return new RawCard({ mode: 'functional', totalVfs: 4, onDemandFunctions: 1, ...options });
}

const tableSize = ({ nic }: RawCard, fn: number): number => (nic.configRead(fn, MSIX_CONTROL, 2) & 0x7ff) + 1;

describe('a function that is there', () => {
  it('refuses every other change, and nothing of it is kept', () => {
    const bench = card();
    bench.enableVfs(2);
    const before = bench.nic.digest();

    for (const profile of [{ mtu: 1400 }, { vlan: 1 }, { vectors: 3, trust: false }, { mac: '02:00:00:00:00:01' }]) {
      expect(() => bench.nic.provision(1, profile)).toThrow(busy);
    }
    expect(bench.nic.digest()).toBe(before);
    bench.nic.provision(3, { mtu: 1400 });
    bench.nic.configWrite(0, 0x148, 2, 0);
    bench.nic.provision(1, { mtu: 1400 });
    expect(bench.nic.provisioned(1).mtu).toBe(1400);
  });

  it('changes its vectors while no driver uses it', () => {
    const bench = card({ vfVectorPool: 4 * 8, vfVectors: 4 });
    bench.enableVfs(4);

    bench.nic.provision(2, { ...bench.nic.provisioned(2), vectors: 8 });

    expect([1, 2, 3, 4].map((fn) => tableSize(bench, fn))).toEqual([4, 8, 4, 4]);
    expect(bench.nic.read(2, 4, 16 * 7 + 12, 4)).toBe(1);
    bench.nic.write(2, 2, 0x10, 2, 7);
    expect(bench.nic.read(2, 2, 0x10, 2)).toBe(7);
    bench.nic.provision(2, { vectors: 2 });
    expect(tableSize(bench, 2)).toBe(2);
    expect(bench.nic.read(2, 4, 16 * 7 + 12, 4)).toBe(0);
  });

  it.each([
    ['a device status', (bench: RawCard) => bench.nic.write(2, 2, 0x14, 1, 1)],
    ['MSI-X enabled', (bench: RawCard) => bench.nic.configWrite(2, MSIX_CONTROL, 2, 0x8000)],
  ])('with %s keeps its vectors', (_name, use) => {
    const bench = card();
    bench.enableVfs(4);
    use(bench);
    const before = bench.nic.digest();

    expect(() => bench.nic.provision(2, { vectors: 2 })).toThrow(busy);
    expect(bench.nic.digest()).toBe(before);
    bench.nic.provision(2, bench.nic.provisioned(2)); // asks for nothing new
  });

  it('on demand it keeps even the vectors', () => {
    const bench = card();
    bench.nic.provision(5, { vectors: 9 });
    bench.nic.createFunction(5, 1);

    expect(tableSize(bench, 5)).toBe(9);
    expect(() => bench.nic.provision(5, { vectors: 8 })).toThrow(busy);
  });
});

describe('the pool', () => {
  it('gives each VF its share of what is there', () => {
    const bench = card({ vfVectors: 8, vfVectorPool: 14 });
    bench.enableVfs(4);

    expect([1, 2, 3, 4].map((fn) => tableSize(bench, fn))).toEqual([3, 3, 3, 3]);
    expect(bench.nic.vfVectorsInUse()).toBe(12);
  });

  it('has an end: what one VF gives up another may have, functions on demand need none', () => {
    const bench = card({ vfVectors: 4, vfVectorPool: 16 });
    const { nic } = bench;

    expect(() => nic.provision(1, { vectors: 5 })).toThrow(/pool has 4 left/);
    expect(nic.vfVectorsInUse()).toBe(16);
    nic.provision(5, { vectors: 32 });
    nic.provision(2, { vectors: 2 });
    expect(() => nic.provision(1, { vectors: 7 })).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    nic.provision(1, { vectors: 6 });
    expect(nic.vfVectorsInUse()).toBe(16);
  });

  it.each([7, 129])('of %i vectors for four VFs is no configuration', (vfVectorPool) => {
    expect(() => card({ vfVectorPool })).toThrow(/vfVectorPool/);
  });
});

describe('a profile', () => {
  it('is refused with every bad value named, and changes nothing', () => {
    const { nic } = card();
    const before = nic.digest();
    const bad = {
      withoutFeatures: [64],
      mac: '01:00:00:00:00:00',
      mtu: 67,
      queuePairs: 9,
      queueSize: 3,
      vectors: 1,
      vlan: 4095,
      rateMbps: -1,
      trust: 1 as unknown as boolean,
      notify: 'both' as 'none',
    };

    let message = '';
    try {
      nic.provision(1, bad);
    } catch (error) {
      message = (error as Error).message;
    }

    for (const field of Object.keys(bad)) expect(message).toContain(`${field} = `);
    expect(nic.digest()).toBe(before);
    expect(() => nic.provision(1, { withoutFeatures: [32] })).toThrow(/VERSION_1/);
    expect(() => nic.provision(0, {})).toThrow(invalid);
    expect(() => nic.provision(6, {})).toThrow(expect.objectContaining({ code: 'FUNCTION' }));
  });

  it('is read back as it was given, with the defaults of the card for the rest', () => {
    const { nic } = card({ mtu: 2000 });
    const profile = {
      withoutFeatures: [0, 31, 33, 63],
      mac: '02:aa:00:00:00:01',
      mtu: 68,
      queuePairs: 8,
      queueSize: 2,
      vectors: 4,
      legacy: false,
      notify: 'owner',
      vlan: 4094,
      rateMbps: 400_000,
      spoofCheck: true,
      trust: false,
      migration: true,
    } as const;

    nic.provision(1, profile);
    nic.provision(2, { withoutFeatures: [33, 5, 33] });

    expect(nic.provisioned(1)).toEqual(profile);
    expect(nic.provisioned(2)).toEqual({ ...nic.provisioned(3), mac: '02:76:66:00:00:02', withoutFeatures: [5, 33] });
    expect(nic.provisioned(3)).toMatchObject({ mtu: 2000, legacy: true, trust: true, notify: 'member', vlan: 0 });
    nic.restore(nic.snapshot());
    expect(nic.provisioned(1)).toEqual(profile);
  });
});
