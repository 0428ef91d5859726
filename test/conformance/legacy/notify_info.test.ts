// SPDX-License-Identifier: Apache-2.0
// LEGACY_NOTIFY_INFO and what its address does: virtio 1.4 "Legacy Interfaces: Group administration commands"; what Linux's
// variant driver takes from it; bad-driver case L04.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, fromLe, LIST_QUERY, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { LegacyFunction, NOTIFY_INFO } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';
import { SRIOV } from '../../support/raw_bench.ts';
import { NOTIFY, VIRTIO_BAR } from '../../support/registers.ts';

const MEMBER = 2;

eachMode((mode) => {
  const ready = (config = {}): AdminQueue => new AdminQueue(new Card({ mode, ...config }).enableVfs(2)).useAll();
  /** The entries of a member's answer as [flags, bar, offset]. */
  const entries = (admin: AdminQueue, member: number): number[][] => {
    const { result } = admin.command(NOTIFY_INFO, SRIOV_GROUP, member, [], 64);
    return [0, 16, 32, 48].map((at) => [result[at]!, result[at + 1]!, fromLe(result.subarray(at + 8, at + 16))]);
  };

  describe(requirement('ADM-LEG-13'), () => {
    it('the entry behind the usable one ends the list, and so does the last of four', () => {
      const [, second, , last] = entries(ready(), 1);

      expect(second![0]).toBe(0);
      expect(last![0]).toBe(0);
    });
  });

  describe(requirement('ADM-LEG-16'), () => {
    it.each([1, 2])('VF %i has one entry, in a BAR of the member, which is the kind Linux wants', (member) => {
      const [first] = entries(ready(), member);

      expect(first).toEqual([MEMBER, VIRTIO_BAR, NOTIFY]);
    });
  });

  describe(requirement('ADM-LEG-14'), () => {
    it('the entry names a VF BAR that is implemented, and lies inside it', () => {
      const admin = ready();
      const [, bar, offset] = entries(admin, 1)[0]!;
      const register = SRIOV + 0x24 + 4 * bar!;
      admin.card.nic.configWrite(0, register, 4, 0xffffffff);

      const mask = (admin.card.nic.configRead(0, register, 4) & ~0xf) >>> 0;

      expect(mask).not.toBe(0);
      expect(offset! + 2).toBeLessThanOrEqual(0x1_0000_0000 - mask);
    });
  });

  describe(requirement('ADM-LEG-15'), () => {
    it('the offset is even', () => {
      expect(entries(ready(), 2)[0]![2]! % 2).toBe(0);
    });
  });

  describe(requirement('ADM-LEG-11'), () => {
    const started = (): LegacyFunction => new LegacyFunction(ready(), 1).start();

    it('an index written to the address kicks that queue', () => {
      const legacy = started();
      const head = legacy.addFrame();

      legacy.notifyByRegister(1);

      expect(legacy.ring(1).takeUsed()).toEqual([{ id: head, length: 0 }]);
    });

    it('an index written to Queue Notify by command kicks that queue', () => {
      const legacy = started();
      const head = legacy.addFrame();

      legacy.notifyByCommand(1);

      expect(legacy.ring(1).takeUsed()).toEqual([{ id: head, length: 0 }]);
    });

    it('both ways in turn serve one queue', () => {
      const legacy = started();

      for (let i = 0; i < 3; i++) {
        legacy.addFrame();
        legacy.notifyByCommand(1);
        legacy.addFrame();
        legacy.notifyByRegister(1);
      }

      expect(legacy.ring(1).takeUsed()).toHaveLength(6);
    });

    it.each([2, 7, 0xffff])('index %i, no queue of this driver, kicks none, either way', (queue) => {
      const legacy = started();
      legacy.addFrame();

      legacy.notifyByRegister(queue);
      legacy.notifyByCommand(queue);

      expect(legacy.ring(1).usedIdx).toBe(0);
      expect(legacy.commands.get('device_status')).toBe(7);
    });

    it('the address of another VF kicks the other VF alone', () => {
      const admin = ready();
      const [one, two] = [1, 2].map((member) => new LegacyFunction(admin, member).start());
      one!.addFrame();
      two!.addFrame();

      two!.notifyByRegister(1);

      expect(one!.ring(1).usedIdx).toBe(0);
      expect(two!.ring(1).usedIdx).toBe(1);
    });
  });

  describe(requirement('ADM-LEG-12'), () => {
    it.each([true, false])('with legacy = %s bit 6 comes with bits 2 to 5', (legacy) => {
      const admin = new AdminQueue(new Card({ mode, legacy }).enableVfs(1));
      const list = fromLe(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).result);

      expect((list >> 6) & 1).toBe(legacy ? 1 : 0);
      expect((list >> 2) & 0xf).toBe(legacy ? 0xf : 0);
    });
  });

  describe(requirement('ADM-LEG-01'), () => {
    it.each([true, false])('with legacy = %s bits 2 to 5 are all alike', (legacy) => {
      const admin = new AdminQueue(new Card({ mode, legacy }).enableVfs(1));

      const four = (fromLe(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).result) >> 2) & 0xf;

      expect([0, 0xf]).toContain(four);
    });
  });
});

describe(requirement('ADM-LEG-17'), () => {
  it('VF BAR0 in the SR-IOV capability reads zero after ones were written', () => {
    const { configRead, configWrite } = new Card().direct(0);

    configWrite(SRIOV + 0x24, 4, 0xffffffff);

    expect(configRead(SRIOV + 0x24, 4)).toBe(0);
  });
});

describe(requirement('ADM-LEG-09'), () => {
  it.each([0, 1])('function %i has a revision of at least 1 and a subsystem id of at least 0x40', (fn) => {
    const { configRead } = new Card().enableVfs(1).direct(fn);

    expect(configRead(0x08, 1)).toBeGreaterThanOrEqual(1);
    expect(configRead(0x2e, 2)).toBeGreaterThanOrEqual(0x40);
  });
});

describe(requirement('ADM-LEG-10'), () => {
  it('the PF has device id 0x1041', () => {
    expect(new Card().direct(0).configRead(0x02, 2)).toBe(0x1041);
  });
});
