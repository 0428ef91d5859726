// SPDX-License-Identifier: Apache-2.0
// Checks of the command header and their order: virtio 1.4 "Group administration commands", status and qualifier.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import {
  AdminQueue,
  fromLe,
  header,
  INVALID_GROUP,
  INVALID_MEMBER,
  INVALID_OPCODE,
  LIST_QUERY,
  LIST_USE,
  OK,
  SELF,
  SRIOV_GROUP,
} from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { COMMON_READ, DEVICE_READ, NOTIFY_INFO } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

const BAD_MEMBERS = [0, 3, 4, 0xffff, 0x1_0000_0001, 2n ** 63n, 2n ** 64n - 1n];
const BAD_OPCODES = [0x07, 0x08, 0x09, 0x0a, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x7fff, 0x8000, 0x8002, 0xffff];
const BAD_GROUPS = [2, 3, 0x100, 0x101, 0xffff];

eachMode((mode) => {
  const ready = (): AdminQueue => new AdminQueue(new Card({ mode }).enableVfs(2)).useAll();

  describe(requirement('ADM-CMD-01'), () => {
    it.each(BAD_GROUPS)('group type %i gives EINVAL, Q_INVALID_GROUP', (group) => {
      expect(ready().command(LIST_QUERY, group, 0, [], 8).status).toEqual(INVALID_GROUP);
    });

    it.each(BAD_OPCODES)('opcode %i gives EINVAL, Q_INVALID_OPCODE', (opcode) => {
      expect(ready().command(opcode, SRIOV_GROUP, 1, [0], 8).status).toEqual(INVALID_OPCODE);
    });

    it.each(BAD_MEMBERS)('member id %s gives EINVAL, Q_INVALID_MEMBER', (member) => {
      const admin = ready();

      for (const opcode of [COMMON_READ, DEVICE_READ, NOTIFY_INFO]) {
        expect(admin.send([...header(opcode, SRIOV_GROUP, member), 0], 12).status).toEqual(INVALID_MEMBER);
      }
    });
  });

  describe(requirement('ADM-CMD-02'), () => {
    it.each(BAD_GROUPS)('group type %i with a bad opcode and a bad member is reported as the group', (group) => {
      expect(ready().command(0xffff, group, 77, [0], 8).status).toEqual(INVALID_GROUP);
    });

    it('group type 2 with a command that is not in use is reported as the group', () => {
      const admin = new AdminQueue(new Card({ mode }).enableVfs(2));

      expect(admin.command(COMMON_READ, 2, 1, [0], 4).status).toEqual(INVALID_GROUP);
    });
  });

  describe(requirement('ADM-CMD-03'), () => {
    it.each(BAD_OPCODES)('opcode %i with a bad member is reported as the opcode', (opcode) => {
      expect(ready().command(opcode, SRIOV_GROUP, 77, [0], 8).status).toEqual(INVALID_OPCODE);
    });

    it.each([2, 3, 4, 5, 6])('opcode %i, good for VFs, is a bad opcode of the self group', (opcode) => {
      expect(ready().command(opcode, SELF, 0, [0], 8).status).toEqual(INVALID_OPCODE);
    });
  });

  describe(requirement('ADM-CMD-04'), () => {
    it('a bad member is reported before a bad field', () => {
      const admin = ready();

      expect(admin.command(COMMON_READ, SRIOV_GROUP, 3, [250], 4).status).toEqual(INVALID_MEMBER);
      expect(admin.command(DEVICE_READ, SRIOV_GROUP, 0, [250], 4).status).toEqual(INVALID_MEMBER);
    });

    it('commands that do not use the member id take it as 0', () => {
      const admin = ready();

      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).toEqual(OK);
      expect(admin.command(LIST_USE, SRIOV_GROUP, 0, [0x7f]).status).toEqual(OK);
    });
  });

  describe(requirement('ADM-CMD-05'), () => {
    it('success is status 0 with qualifier 0 and a zeroed reserved field', () => {
      const { status, bytes } = ready().command(LIST_QUERY, SRIOV_GROUP, 0, [], 8);

      expect(status).toEqual(OK);
      expect([...bytes.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    });

    it.each([1, 2])('every legacy read of member %i succeeds', (member) => {
      const admin = ready();

      expect(admin.command(COMMON_READ, SRIOV_GROUP, member, [0], 4).status).toEqual(OK);
      expect(admin.command(DEVICE_READ, SRIOV_GROUP, member, [0], 1).status).toEqual(OK);
      expect(admin.command(NOTIFY_INFO, SRIOV_GROUP, member, [], 64).status).toEqual(OK);
    });

    it('what the reserved bytes of the header hold makes no difference', () => {
      const { status, result } = ready().send(header(LIST_QUERY, SRIOV_GROUP, 0, 0xff), 16);

      expect(status).toEqual(OK);
      expect(fromLe(result)).toBe(0x7f);
    });
  });

  describe(requirement('ADM-CMD-06'), () => {
    it('a failure has a status other than 0 and is counted', () => {
      const admin = ready();
      const before = admin.card.nic.counters()['admin_errors']!;

      expect(admin.command(0x12, SRIOV_GROUP, 1).status[0]).not.toBe(0);
      expect(admin.card.nic.counters()['admin_errors']).toBe(before + 1);
    });

    it('the result of a failed command is not data of the device', () => {
      const { result } = ready().command(COMMON_READ, SRIOV_GROUP, 99, [0], 4);

      expect([
        [0xa5, 0xa5, 0xa5, 0xa5],
        [0, 0, 0, 0],
      ]).toContainEqual([...result]);
    });
  });
});
