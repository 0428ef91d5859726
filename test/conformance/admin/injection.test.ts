// SPDX-License-Identifier: Apache-2.0
// Answers that the host asks for (nic.injectAdminStatus): how does a driver take a status that this device has no reason to
// give? The command is not executed, the next ones are as before.
import { describe, expect, it } from 'vitest';

import { AdminQueue, INVALID_OPCODE, LIST_QUERY, OK, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { COMMON_READ, COMMON_WRITE, LegacyCommands } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

const EAGAIN = 11;
const TRY_AGAIN = 7;

eachMode((mode) => {
  const ready = (): AdminQueue => new AdminQueue(new Card({ mode }).enableVfs(1)).useAll();

  describe('an injected status', () => {
    it('answers as many commands as was asked for, with the qualifier', () => {
      const admin = ready();
      admin.card.nic.injectAdminStatus({ status: EAGAIN, qualifier: TRY_AGAIN, count: 2 });

      const statuses = [1, 2, 3].map(() => admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status);

      expect(statuses).toEqual([[EAGAIN, TRY_AGAIN], [EAGAIN, TRY_AGAIN], OK]);
    });

    it('is for one opcode where that is said, and the command does nothing', () => {
      const admin = ready();
      const commands = new LegacyCommands(admin, 1);
      admin.card.nic.injectAdminStatus({ opcode: COMMON_WRITE, status: EAGAIN });

      const read = admin.command(COMMON_READ, SRIOV_GROUP, 1, [18], 1);
      const write = commands.writeCommon(18, [1]);

      expect([read.status, write.status]).toEqual([OK, [EAGAIN, 0]]);
      expect(commands.get('device_status')).toBe(0);
    });

    it('does not count commands that are refused anyway', () => {
      const admin = ready();
      admin.card.nic.injectAdminStatus({ status: EAGAIN });

      expect(admin.command(0x1f, SRIOV_GROUP, 1).status).toEqual(INVALID_OPCODE);
      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).toEqual([EAGAIN, 0]);
    });

    it('has to fit 16 bits: ADMIN_STATUS', () => {
      const { nic } = ready().card;

      expect(() => nic.injectAdminStatus({ status: 0x10000 })).toThrowError(
        expect.objectContaining({ code: 'ADMIN_STATUS' }),
      );
    });
  });
});
