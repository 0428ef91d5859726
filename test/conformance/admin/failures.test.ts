// SPDX-License-Identifier: Apache-2.0
// What a failed command leaves behind: nothing. virtio 1.4 "Group administration commands"; oracle: all that can be read of
// PF and VFs before and after.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, header, LIST_USE, SELF, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { functionImage } from '../support/function_image.ts';
import { COMMON_READ, COMMON_WRITE, DEVICE_READ, DEVICE_WRITE, LegacyFunction } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

const PREFIX = [0, 0, 0, 0, 0, 0, 0];

/** Commands that end in EINVAL: what is wrong, opcode, group, member, data, bytes of result. */
const BAD: readonly (readonly [string, number, number, number | bigint, readonly number[], number])[] = [
  ['group type 2', COMMON_WRITE, 2, 1, [18, ...PREFIX, 0], 0],
  ['a reserved opcode', 0x8000, SRIOV_GROUP, 1, [18, ...PREFIX, 0], 0],
  ['an unassigned opcode', 0x12, SRIOV_GROUP, 1, [18, ...PREFIX, 0], 0],
  ['member 0', COMMON_WRITE, SRIOV_GROUP, 0, [18, ...PREFIX, 0], 0],
  ['a member beyond NumVFs', COMMON_WRITE, SRIOV_GROUP, 3, [18, ...PREFIX, 0], 0],
  ['a member whose low half is 1', COMMON_WRITE, SRIOV_GROUP, 0x1_0000_0001, [18, ...PREFIX, 0], 0],
  ['a write beyond the common part', COMMON_WRITE, SRIOV_GROUP, 1, [24, ...PREFIX, 0], 0],
  ['a write over status and ISR', COMMON_WRITE, SRIOV_GROUP, 1, [18, ...PREFIX, 0, 0], 0],
  ['a write over select and notify', COMMON_WRITE, SRIOV_GROUP, 1, [14, ...PREFIX, 1, 0, 1, 0], 0],
  ['a write of 8 bytes', COMMON_WRITE, SRIOV_GROUP, 1, [4, ...PREFIX, 1, 2, 3, 4, 5, 6, 7, 8], 0],
  ['a write of no bytes', COMMON_WRITE, SRIOV_GROUP, 1, [18, ...PREFIX], 0],
  ['a read over status and ISR', COMMON_READ, SRIOV_GROUP, 1, [18], 2],
  ['a read beyond the common part', COMMON_READ, SRIOV_GROUP, 1, [30], 1],
  ['a device write over mac and status', DEVICE_WRITE, SRIOV_GROUP, 1, [4, ...PREFIX, 9, 9, 9, 9], 0],
  ['a device write far outside', DEVICE_WRITE, SRIOV_GROUP, 1, [255, ...PREFIX, 9], 0],
  ['a device read far outside', DEVICE_READ, SRIOV_GROUP, 1, [200], 4],
  ['a list with an opcode that is not offered', LIST_USE, SRIOV_GROUP, 0, [0xff, 0xff], 0],
  ['a list for the self group with VF commands', LIST_USE, SELF, 0, [0x7f], 0],
];

eachMode((mode) => {
  const ready = (): { admin: AdminQueue; legacy: LegacyFunction } => {
    const admin = new AdminQueue(new Card({ mode }).enableVfs(2)).useAll();
    return { admin, legacy: new LegacyFunction(admin, 1).start() };
  };
  const images = ({ card }: AdminQueue): string[] => [0, 1, 2].map((fn) => functionImage(card, fn));

  describe(requirement('ADM-CMD-07'), () => {
    it.each(BAD)('%s changes no register of PF or VFs', (_what, opcode, group, member, data, bytes) => {
      const { admin } = ready();
      const before = images(admin);

      const { status } = admin.send([...header(opcode, group, member), ...data], 8 + bytes);

      expect(status[0]).toBe(22);
      expect(images(admin)).toEqual(before);
    });

    it('a failed read of ISR together with its neighbour does not clear it', () => {
      const { admin, legacy } = ready();
      legacy.addFrame();
      legacy.notifyByRegister(1);

      expect(admin.command(COMMON_READ, SRIOV_GROUP, 1, [18], 2).status[0]).toBe(22);

      expect(legacy.commands.get('isr_status')).toBe(1);
    });

    it('a failed write over Queue Notify kicks no queue', () => {
      const { admin, legacy } = ready();
      legacy.addFrame();

      expect(admin.command(COMMON_WRITE, SRIOV_GROUP, 1, [14, ...PREFIX, 1, 0, 1, 0]).status[0]).toBe(22);
      admin.card.settle();

      expect(legacy.ring(1).usedIdx).toBe(0);
    });
  });

  describe(requirement('ADM-CMD-08'), () => {
    it('no EINVAL sets DEVICE_NEEDS_RESET, and commands and VFs go on', () => {
      const { admin, legacy } = ready();

      for (const [, opcode, group, member, data, bytes] of BAD) {
        admin.send([...header(opcode, group, member), ...data], 8 + bytes);
      }

      expect(admin.pf.status).toBe(15);
      expect(legacy.commands.get('device_status')).toBe(7);
      legacy.addFrame();
      legacy.notifyByRegister(1);
      expect(legacy.ring(1).takeUsed()).toHaveLength(1);
    });
  });

  describe(requirement('ADM-CMD-09'), () => {
    it('a failed command for one member leaves the address, features and rings of the other as they are', () => {
      const { admin } = ready();
      const other = new LegacyFunction(admin, 2).start();
      const before = functionImage(admin.card, 2);

      admin.command(COMMON_WRITE, SRIOV_GROUP, 1, [24, ...PREFIX, 0]);
      admin.command(DEVICE_WRITE, SRIOV_GROUP, 1, [4, ...PREFIX, 9, 9, 9, 9]);

      expect(functionImage(admin.card, 2)).toBe(before);
      other.addFrame();
      other.notifyByRegister(1);
      expect(other.ring(1).takeUsed()).toHaveLength(1);
    });
  });
});
