// SPDX-License-Identifier: Apache-2.0
// LIST_QUERY and LIST_USE: virtio 1.4 "Group administration commands"; bad-driver cases A03, A05, A06. A list in use is
// taken literally, LIST_QUERY and LIST_USE themselves included (AMB-36).
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import {
  AdminQueue,
  fromLe,
  INVALID_FIELD,
  INVALID_OPCODE,
  LIST_QUERY,
  LIST_USE,
  OK,
  SELF,
  SRIOV_GROUP,
} from '../../support/admin_queue.ts';
import { Card, EXPRESS } from '../support/card.ts';
import { COMMON_READ, COMMON_WRITE, DEVICE_READ, DEVICE_WRITE, NOTIFY_INFO } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

/** LIST_QUERY, LIST_USE and the five legacy access commands. */
const ALL = 0x7f;
/** What Linux uses where it finds legacy support. */
const LINUX = 0x7c;
const LEGACY = [COMMON_WRITE, COMMON_READ, DEVICE_WRITE, DEVICE_READ, NOTIFY_INFO];

eachMode((mode) => {
  const fresh = (config = {}): AdminQueue => new AdminQueue(new Card({ mode, ...config }).enableVfs(2));
  const query = (admin: AdminQueue, group: number): number => fromLe(admin.command(LIST_QUERY, group, 0, [], 8).result);
  const use = (admin: AdminQueue, group: number, list: number): number[] =>
    admin.command(LIST_USE, group, 0, [list, 0, 0, 0, 0, 0, 0, 0]).status;
  /** Opcodes 0..6 that are legal now; LIST_USE is asked last, with a list that changes nothing of interest. */
  const legal = (admin: AdminQueue): number[] =>
    [LIST_QUERY, ...LEGACY].filter(
      (opcode) => admin.command(opcode, SRIOV_GROUP, 1, [0, 0, 0, 0, 0, 0, 0, 0, 0], 8).status[1] !== 2,
    );

  describe(requirement('ADM-CMD-13'), () => {
    it('the SR-IOV group has the legacy commands, the self group LIST_QUERY and LIST_USE alone', () => {
      const admin = fresh();

      expect(query(admin, SRIOV_GROUP)).toBe(ALL);
      expect(query(admin, SELF)).toBe(0x3);
    });

    it('without legacy support the SR-IOV group has LIST_QUERY and LIST_USE alone', () => {
      expect(query(fresh({ legacy: false }), SRIOV_GROUP)).toBe(0x3);
    });
  });

  describe(requirement('ADM-CMD-14'), () => {
    it('before LIST_USE every other opcode is refused', () => {
      const admin = fresh();

      for (let opcode = 2; opcode < 0x14; opcode++) {
        expect(admin.command(opcode, SRIOV_GROUP, 1, [0], 8).status).toEqual(INVALID_OPCODE);
        expect(admin.command(opcode, SELF, 0, [0], 8).status).toEqual(INVALID_OPCODE);
      }
    });

    it('LIST_QUERY and LIST_USE work in both groups', () => {
      const admin = fresh();

      expect(admin.command(LIST_QUERY, SELF, 0, [], 8).status).toEqual(OK);
      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).toEqual(OK);
      expect(use(admin, SELF, 0x3)).toEqual(OK);
      expect(use(admin, SRIOV_GROUP, ALL)).toEqual(OK);
    });

    it('a device reset brings this state back', () => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, ALL);

      const again = new AdminQueue(admin.card);

      expect(again.command(COMMON_READ, SRIOV_GROUP, 1, [0], 4).status).toEqual(INVALID_OPCODE);
      expect(again.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).toEqual(OK);
    });
  });

  describe(requirement('ADM-CMD-15'), () => {
    it('the list of Linux makes the legacy commands legal, and LIST_QUERY and LIST_USE not', () => {
      const admin = fresh();

      expect(use(admin, SRIOV_GROUP, LINUX)).toEqual(OK);

      expect(legal(admin)).toEqual(LEGACY);
      expect(use(admin, SRIOV_GROUP, ALL)).toEqual(INVALID_OPCODE);
    });

    it('a later list with LIST_USE in the first one replaces it', () => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, ALL);

      expect(use(admin, SRIOV_GROUP, 0x3)).toEqual(OK);

      expect(legal(admin)).toEqual([LIST_QUERY]);
      expect(use(admin, SRIOV_GROUP, ALL)).toEqual(OK);
      expect(legal(admin)).toEqual([LIST_QUERY, ...LEGACY]);
    });

    it('an empty list leaves nothing legal until a reset', () => {
      const admin = fresh();

      expect(use(admin, SRIOV_GROUP, 0)).toEqual(OK);

      expect(legal(admin)).toEqual([]);
      expect(use(admin, SRIOV_GROUP, ALL)).toEqual(INVALID_OPCODE);
    });

    it.each([
      ['an unassigned opcode', [0x7f, 0, 4]],
      ['an assigned opcode that is not offered', [0xff]],
      ['a bit of the second word', [0x7f, 0, 0, 0, 0, 0, 0, 0, 1]],
      ['bit 63', [0x7f, 0, 0, 0, 0, 0, 0, 0x80]],
    ])('a list with %s fails and leaves the list in use as it was', (_what, data) => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, 0x3);

      expect(admin.command(LIST_USE, SRIOV_GROUP, 0, data).status).toEqual(INVALID_FIELD);

      expect(legal(admin)).toEqual([LIST_QUERY]);
    });
  });

  describe(requirement('ADM-CMD-16'), () => {
    it('an opcode that is supported and not in use is refused', () => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, 0x3);

      for (const opcode of LEGACY) {
        expect(admin.command(opcode, SRIOV_GROUP, 1, [0], 8).status).toEqual(INVALID_OPCODE);
      }
    });
  });

  describe(requirement('ADM-CMD-17'), () => {
    it('status is EINVAL, 22, and the qualifier Q_INVALID_OPCODE, 2', () => {
      const admin = fresh();

      expect(admin.command(NOTIFY_INFO, SRIOV_GROUP, 1, [], 64).status).toEqual([22, 2]);
    });
  });

  describe(requirement('ADM-CMD-10'), () => {
    it('the four configuration commands can be used without LEGACY_NOTIFY_INFO', () => {
      const admin = fresh();

      expect(use(admin, SRIOV_GROUP, 0x3c)).toEqual(OK);

      expect(legal(admin)).toEqual([COMMON_WRITE, COMMON_READ, DEVICE_WRITE, DEVICE_READ]);
    });
  });

  describe(requirement('ADM-CMD-11'), () => {
    it.each([0x04, 0x18, 0x40, 0x44])(
      'a list with legacy commands %i alone is used, or refused as a bad field',
      (list) => {
        const admin = fresh();

        const status = use(admin, SRIOV_GROUP, list);

        expect([OK, INVALID_FIELD]).toContainEqual(status);
        const bits = LEGACY.filter((opcode) => ((list >> opcode) & 1) === 1);
        expect(legal(admin)).toEqual(status[0] === 0 ? bits : [LIST_QUERY]);
      },
    );
  });

  describe(requirement('ADM-CMD-12'), () => {
    it('LIST_USE of the self group leaves the SR-IOV list as it is', () => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, ALL);

      use(admin, SELF, 0);

      expect(legal(admin)).toEqual([LIST_QUERY, ...LEGACY]);
    });

    it('LIST_USE of the SR-IOV group leaves the self list as it is', () => {
      const admin = fresh();

      use(admin, SRIOV_GROUP, 0);

      expect(query(admin, SELF)).toBe(0x3);
      expect(use(admin, SELF, 0x3)).toEqual(OK);
    });
  });

  describe(requirement('ADM-CMD-18'), () => {
    it('LIST_QUERY answers the same before and after LIST_USE, reset and FLR', () => {
      const admin = fresh();
      const first = query(admin, SRIOV_GROUP);
      use(admin, SRIOV_GROUP, 0x3);
      expect(query(admin, SRIOV_GROUP)).toBe(first);

      expect(query(new AdminQueue(admin.card), SRIOV_GROUP)).toBe(first);
      admin.card.nic.configWrite(0, EXPRESS + 8, 2, 0x8000);
      expect(query(new AdminQueue(admin.card), SRIOV_GROUP)).toBe(first);
    });
  });

  describe(requirement('ADM-CMD-20'), () => {
    it.each([ALL, LINUX, 0x3, 0])('list %i is taken again after a reset', (list) => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, list);

      expect(use(new AdminQueue(admin.card), SRIOV_GROUP, list)).toEqual(OK);
    });
  });

  describe(requirement('ADM-CMD-21'), () => {
    it('a list that worked is not refused after FLR of the PF and new VFs', () => {
      const admin = fresh();
      use(admin, SRIOV_GROUP, LINUX);
      admin.card.nic.configWrite(0, EXPRESS + 8, 2, 0x8000);
      admin.card.enableVfs(1);

      expect(use(new AdminQueue(admin.card), SRIOV_GROUP, LINUX)).toEqual(OK);
    });
  });
});
