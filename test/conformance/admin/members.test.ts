// SPDX-License-Identifier: Apache-2.0
// Which members the SR-IOV group has: virtio 1.4 "SR-IOV Group", with LIST_QUERY and LIST_USE lenient as Linux needs them or
// strict as the text reads (AMB-01); bad-driver cases A04 and A11.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import {
  AdminQueue,
  fromLe,
  header,
  INVALID_GROUP,
  INVALID_MEMBER,
  LIST_QUERY,
  LIST_USE,
  OK,
  SELF,
  SRIOV_GROUP,
} from '../../support/admin_queue.ts';
import { Card, EXPRESS } from '../support/card.ts';
import { COMMON_READ, COMMON_WRITE, DEVICE_READ, DEVICE_WRITE, NOTIFY_INFO } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

const MEMBER_COMMANDS = [COMMON_WRITE, COMMON_READ, DEVICE_WRITE, DEVICE_READ, NOTIFY_INFO];

eachMode((mode) => {
  const ready = (vfs: number, config = {}): AdminQueue =>
    new AdminQueue(new Card({ mode, ...config }).enableVfs(vfs)).useAll();
  const readFeatures = (admin: AdminQueue, member: number | bigint): number[] =>
    admin.send([...header(COMMON_READ, SRIOV_GROUP, member), 0], 12).status;

  describe(requirement('ADM-CMD-23'), () => {
    it.each(MEMBER_COMMANDS)('with VF Enable clear, opcode %i gives EINVAL, Q_INVALID_GROUP', (opcode) => {
      const admin = ready(2);
      admin.card.disableVfs();

      expect(admin.command(opcode, SRIOV_GROUP, 1, [0], 8).status).toEqual(INVALID_GROUP);
    });

    it.each(MEMBER_COMMANDS)(
      'with VF Enable set and no VF, it is the member that opcode %i lacks (CARD-07)',
      (opcode) => {
        const admin = ready(0);

        expect(admin.command(opcode, SRIOV_GROUP, 1, [0], 8).status).toEqual(INVALID_MEMBER);
      },
    );

    it('lenient: LIST_QUERY and LIST_USE work before VFs exist, and the list holds once they do', () => {
      const admin = new AdminQueue(new Card({ mode, lenientSriovLists: true }));

      const { status, result } = admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8);
      expect([status, fromLe(result)]).toEqual([OK, 0x7f]);
      expect(admin.command(LIST_USE, SRIOV_GROUP, 0, [0x7c]).status).toEqual(OK);
      admin.card.enableVfs(1);
      expect(readFeatures(admin, 1)).toEqual(OK);
    });

    it('strict: LIST_QUERY and LIST_USE fail like all others while VF Enable is clear', () => {
      const admin = new AdminQueue(new Card({ mode, lenientSriovLists: false }));

      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).toEqual(INVALID_GROUP);
      expect(admin.command(LIST_USE, SRIOV_GROUP, 0, [0x7f]).status).toEqual(INVALID_GROUP);
      expect(admin.command(LIST_QUERY, SELF, 0, [], 8).status).toEqual(OK);
    });

    it('strict: LIST_QUERY and LIST_USE work with member id 0 while VF Enable is set', () => {
      const admin = ready(2, { lenientSriovLists: false });

      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).toEqual(OK);
      expect(readFeatures(admin, 2)).toEqual(OK);
    });

    it('the group comes back with VF Enable, its list as it was', () => {
      const admin = ready(2);
      admin.card.disableVfs();
      expect(readFeatures(admin, 1)).toEqual(INVALID_GROUP);

      admin.card.enableVfs(1);

      expect(readFeatures(admin, 1)).toEqual(OK);
    });
  });

  describe(requirement('ADM-CMD-24'), () => {
    it.each([1, 2, 4])('with %i VFs the members are 1 to that number', (vfs) => {
      const admin = ready(vfs);

      for (let member = 1; member <= vfs; member++) expect(readFeatures(admin, member)).toEqual(OK);
      expect(readFeatures(admin, 0)).toEqual(INVALID_MEMBER);
      expect(readFeatures(admin, vfs + 1)).toEqual(INVALID_MEMBER);
    });

    it.each([2n ** 32n + 1n, 2n ** 63n + 1n, 2n ** 64n - 1n])(
      'all 64 bits of the id count: %s is no member',
      (member) => {
        expect(readFeatures(ready(4), member)).toEqual(INVALID_MEMBER);
      },
    );

    it('a VF that was just taken away is no member', () => {
      const admin = ready(4);
      admin.card.disableVfs();
      admin.card.enableVfs(2);

      expect(readFeatures(admin, 2)).toEqual(OK);
      expect(readFeatures(admin, 3)).toEqual(INVALID_MEMBER);
    });

    it('member 1,024 is the last of 1,024', () => {
      const admin = new AdminQueue(new Card({ mode, totalVfs: 1024 }).enableVfs(1024)).useAll();

      expect(readFeatures(admin, 1024)).toEqual(OK);
      expect(readFeatures(admin, 1025)).toEqual(INVALID_MEMBER);
    });
  });
});

describe('a change of the members while commands are in flight', () => {
  const DELAYS = Array.from({ length: 30 }, (_, i) => 40 * i);
  const submit = (): { admin: AdminQueue; pending: ReturnType<AdminQueue['add']>[] } => {
    const admin = new AdminQueue(new Card({ mode: 'timed' }).enableVfs(2)).useAll();
    const pending = Array.from({ length: 8 }, () => admin.add([...header(COMMON_READ, SRIOV_GROUP, 2), 0], 12));
    admin.pf.path.write(2, 0x3000 + 4 * admin.index, 2, admin.index);
    return { admin, pending };
  };

  it('VF Enable cleared at any stage: each command is answered once, in order, with success or Q_INVALID_GROUP', () => {
    for (const delay of DELAYS) {
      const { admin, pending } = submit();
      admin.card.nic.advance(admin.card.nic.now() + delay);

      admin.card.disableVfs();
      admin.card.settle();

      const used = admin.ring.takeUsed();
      expect(used.map(({ id }) => id)).toEqual(pending.map(({ head }) => head));
      used.forEach((entry, i) => expect([OK, INVALID_GROUP]).toContainEqual(admin.answer(pending[i]!, entry).status));
    }
  });

  it('FLR of the VF at any stage: each command is answered once, in order, with success', () => {
    for (const delay of DELAYS) {
      const { admin, pending } = submit();
      admin.card.nic.advance(admin.card.nic.now() + delay);

      admin.card.nic.configWrite(2, EXPRESS + 8, 2, 0x8000);
      admin.card.settle();

      const used = admin.ring.takeUsed();
      expect(used.map((entry, i) => admin.answer(pending[i]!, entry).status)).toEqual(pending.map(() => OK));
    }
  });

  it('reset of the PF at any stage: no answer is written once status reads 0', () => {
    for (const delay of DELAYS) {
      const { admin } = submit();
      admin.card.nic.advance(admin.card.nic.now() + delay);

      admin.pf.status = 0;
      while (admin.pf.status !== 0);
      const before = admin.card.trace(admin.pf.memory);
      admin.card.settle();

      expect([delay, admin.card.trace(admin.pf.memory)]).toEqual([delay, before]);
    }
  });
});
