// SPDX-License-Identifier: Apache-2.0
// What a driver finds of a profile: offered features, device configuration, queues, vectors, answers of legacy access. Each
// on a VF and on a function on demand, seen through registers whose places are typed from virtio 1.4 §4.1.4.3 and §5.1.4.
import { describe, expect, it } from 'vitest';

import type { FunctionProfile } from '../../src/device/function_profile.ts';
import { MODES, RawCard } from '../support/raw_card.ts';
import { F, R } from '../support/registers.ts';
import { AdminQueue, fromLe, INVALID_MEMBER, LIST_QUERY, OK, SRIOV_GROUP } from '../support/admin_queue.ts';
import { Card } from '../conformance/support/card.ts';
import { LegacyFunction, NOTIFY_INFO } from '../conformance/support/legacy_commands.ts';

const VF = 2;
const ON_DEMAND = 4;
const MTU_AT = 10;
const PAIRS_AT = 8;
const MSIX_CONTROL = 0x4a;

function card(options = {}): RawCard {
  return new RawCard({ totalVfs: 3, onDemandFunctions: 1, ...options });
}

/** Brings the function into being. */
function appear(bench: RawCard, fn: number): void {
  if (fn === ON_DEMAND) bench.nic.createFunction(fn, 1);
  else bench.enableVfs(3);
}

describe.each(MODES)('%s', (mode) => {
  describe.each([
    ['a VF', VF],
    ['a function on demand', ON_DEMAND],
  ])('%s', (_name, fn) => {
    const made = (profile: FunctionProfile) => {
      const bench = card({ mode });
      bench.nic.provision(fn, profile);
      appear(bench, fn);
      return { bench, fn: bench.fn(fn) };
    };

    it('offers no feature that the profile takes away, nor one that depends on it', () => {
      const { fn: target } = made({ withoutFeatures: [F.CTRL_VQ, F.EVENT_IDX, F.RING_RESET] });

      const offered = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => target.hasOffered(bit));

      expect(offered).toEqual([F.MTU, F.MAC, F.MRG_RXBUF, F.STATUS, F.INDIRECT_DESC, F.VERSION_1, 33, 36]);
      expect(target.negotiate([F.EVENT_IDX])).toBe(false);
    });

    it('shows its address and mtu', () => {
      const { fn: target } = made({ mac: '0A:bb:cc:00:11:22', mtu: 9000 });

      expect([...target.mac]).toEqual([0x0a, 0xbb, 0xcc, 0x00, 0x11, 0x22]);
      expect(target.deviceConfig(MTU_AT, 2)).toBe(9000);
    });

    it.each([1, 2, 8])('%i queue pairs are so many queues and a control queue, of the size asked for', (queuePairs) => {
      const { fn: target } = made({ queuePairs, queueSize: 32 });

      expect(target.read(R.NUM_QUEUES)).toBe(2 * queuePairs + 1);
      expect(target.deviceConfig(PAIRS_AT, 2)).toBe(queuePairs);
      expect(target.hasOffered(F.MQ)).toBe(queuePairs > 1);
      const sizes = Array.from({ length: 20 }, (_, i) => target.queue(i, R.QUEUE_SIZE));
      expect(sizes).toEqual(sizes.map((_, i) => (i <= 2 * queuePairs ? 32 : 0)));
    });

    it.each([2, 5, 32])('%i vectors are the table size', (vectors) => {
      const bench = card({ mode, vfVectorPool: 3 * 32 });
      bench.nic.provision(fn, { vectors });
      appear(bench, fn);

      expect((bench.nic.configRead(fn, MSIX_CONTROL, 2) & 0x7ff) + 1).toBe(vectors);
      bench.nic.write(fn, 2, R.CONFIG_MSIX_VECTOR, 2, vectors - 1);
      expect(bench.nic.read(fn, 2, R.CONFIG_MSIX_VECTOR, 2)).toBe(vectors - 1);
      bench.nic.write(fn, 2, R.CONFIG_MSIX_VECTOR, 2, vectors);
      expect(bench.nic.read(fn, 2, R.CONFIG_MSIX_VECTOR, 2)).toBe(0xffff);
    });

    it('keeps its profile through device reset and function level reset', () => {
      const { bench, fn: target } = made({
        mac: '02:00:00:00:00:77',
        mtu: 1400,
        queuePairs: 2,
        withoutFeatures: [F.STATUS],
      });
      const seen = (): unknown => [
        [...target.mac],
        target.deviceConfig(MTU_AT, 2),
        target.read(R.NUM_QUEUES),
        target.hasOffered(F.STATUS),
        bench.nic.configRead(fn, MSIX_CONTROL, 2) & 0x7ff,
      ];
      const before = seen();

      target.reset();
      expect(seen()).toEqual(before);
      target.functionLevelReset();
      expect(seen()).toEqual(before);
    });

    it('is as before once it is provisioned with nothing and comes again', () => {
      const fresh = card({ mode });
      appear(fresh, fn);
      const { bench } = made({ mac: '02:00:00:00:00:77', mtu: 1400, queuePairs: 8, vlan: 7, spoofCheck: true });
      if (fn === ON_DEMAND) bench.nic.destroyFunction(fn);
      else bench.nic.configWrite(0, 0x148, 2, 0);

      bench.nic.provision(fn, {});
      appear(bench, fn);

      const image = (nic: RawCard['nic']): number[] => [
        ...Array.from({ length: 1024 }, (_, i) => nic.configRead(fn, 4 * i, 4)),
        ...Array.from({ length: 16 }, (_, i) => nic.read(fn, 2, 4 * i, 4)),
        ...Array.from({ length: 12 }, (_, i) => nic.read(fn, 2, 0x2000 + i, 1)),
      ];
      expect(image(bench.nic)).toEqual(image(fresh.nic));
      expect(bench.nic.provisioned(fn)).toEqual(fresh.nic.provisioned(fn));
    });
  });

  it('the PF and other functions see nothing of a profile', () => {
    const bench = card({ mode });
    bench.nic.provision(VF, { mtu: 1400, withoutFeatures: [F.MTU] });
    appear(bench, VF);

    expect([0, 1, 3].map((fn) => bench.fn(fn).deviceConfig(MTU_AT, 2))).toEqual([1500, 1500, 1500]);
    expect([0, 1, 3].map((fn) => bench.fn(fn).hasOffered(F.MTU))).toEqual([true, true, true]);
  });

  describe('legacy access', () => {
    const ready = (profile: FunctionProfile): AdminQueue => {
      const bench = new Card({ mode, totalVfs: 4 });
      bench.nic.provision(VF, profile);
      return new AdminQueue(bench.enableVfs(4)).useAll();
    };
    /** [flags, bar, offset] of the first entry of the answer, and the flags of the second. */
    const entries = (admin: AdminQueue, member: number): number[] => {
      const { result } = admin.command(NOTIFY_INFO, SRIOV_GROUP, member, [], 64);
      return [result[0]!, result[1]!, fromLe(result.subarray(8, 16)), result[16]!];
    };

    it.each([
      ['member', [2, 2, 0x3000, 0]],
      ['owner', [1, 2, 0x1800 + 2 * (VF - 1), 0]],
      ['none', [0, 0, 0, 0]],
    ] as const)('LEGACY_NOTIFY_INFO of a VF with its place at %s', (notify, expected) => {
      const admin = ready({ notify });

      expect(entries(admin, VF)).toEqual(expected);
      expect(entries(admin, 1)).toEqual([2, 2, 0x3000, 0]);
    });

    it('a doorbell in the BAR of the owner is the doorbell of the member, and of that alone', () => {
      const admin = ready({ notify: 'owner' });
      const driver = new LegacyFunction(admin, VF).start();
      const [, bar, offset] = entries(admin, VF);
      const { card: bench } = admin;
      driver.addFrame();

      bench.nic.write(0, bar!, offset! + 2, 2, 1);
      bench.settle();
      expect(driver.ring(1).takeUsed()).toHaveLength(0);
      bench.nic.write(0, bar!, offset!, 2, 1);
      bench.settle();

      expect(driver.ring(1).takeUsed()).toHaveLength(1);
      expect(bench.nic.functionCounters(VF)['doorbells']).toBe(1);
    });

    it('where the place is in the member, the owner has none', () => {
      const admin = ready({ notify: 'member' });
      const driver = new LegacyFunction(admin, VF).start();
      driver.addFrame();
      const ignored = admin.card.nic.functionCounters(0)['ignored_writes']!;

      admin.card.nic.write(0, 2, 0x1800 + 2 * (VF - 1), 2, 1);
      admin.card.settle();

      expect(driver.ring(1).takeUsed()).toHaveLength(0);
      expect(admin.card.nic.functionCounters(0)['ignored_writes']).toBe(ignored + 1);
    });

    it('a VF without legacy capability is no member for its commands; the list of the group is the same', () => {
      const admin = ready({ legacy: false });
      const list = new AdminQueue(new Card({ mode, totalVfs: 4 }).enableVfs(4));

      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).bytes).toEqual(
        list.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).bytes,
      );
      for (const opcode of [2, 3, 4, 5, 6]) {
        const data = opcode === 6 ? [] : [18, 0, 0, 0, 0, 0, 0, 0, 1];
        expect(admin.command(opcode, SRIOV_GROUP, VF, data, 64).status).toEqual(INVALID_MEMBER);
      }
      expect(admin.command(3, SRIOV_GROUP, 1, [18], 1).status).toEqual(OK);
      expect(admin.card.nic.read(VF, 2, R.DEVICE_STATUS, 1)).toBe(0);
    });
  });
});
