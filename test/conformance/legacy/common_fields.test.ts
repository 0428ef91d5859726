// SPDX-License-Identifier: Apache-2.0
// Which accesses to the legacy common registers are good: virtio 1.4 "Legacy Interfaces: Group administration commands" with
// §4.1.4.10. A part of a field is inside one field (AMB-38), data lengths are 1, 2 and 4 (AMB-09); bad-driver cases L01, L02.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, fromLe, INVALID_FIELD, le, OK } from '../../support/admin_queue.ts';
import { Card, MSIX } from '../support/card.ts';
import { functionImage } from '../support/function_image.ts';
import { LEGACY, LegacyCommands } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

/** Fields as [first byte, length]; the last two exist with MSI-X enabled. */
const FIELDS = Object.values(LEGACY);

function isInsideOneField(offset: number, length: number, isMsixOn: boolean): boolean {
  return FIELDS.slice(0, isMsixOn ? 10 : 8).some(([at, bytes]) => offset >= at && offset + length <= at + bytes);
}

eachMode((mode) => {
  describe.each([
    ['off', false],
    ['on', true],
  ] as const)('with MSI-X of the VF %s', (_name, isMsixOn) => {
    const ready = (): LegacyCommands => {
      const admin = new AdminQueue(new Card({ mode }).enableVfs(2)).useAll();
      admin.card.nic.configWrite(1, MSIX + 2, 2, isMsixOn ? 0x8000 : 0);
      return new LegacyCommands(admin, 1);
    };

    describe(requirement('ADM-LEG-03'), () => {
      it('reads of 1, 2 and 4 bytes at 0..30 succeed inside one field and fail elsewhere', () => {
        const commands = ready();

        for (const length of [1, 2, 4]) {
          for (let offset = 0; offset <= 30; offset++) {
            const { status } = commands.readCommon(offset, length);
            const expected = isInsideOneField(offset, length, isMsixOn) ? OK : INVALID_FIELD;
            expect([offset, length, status]).toEqual([offset, length, expected]);
          }
        }
      });

      it('writes of 1, 2 and 4 bytes at 0..30 succeed inside one field and fail elsewhere', () => {
        const commands = ready();

        for (const length of [1, 2, 4]) {
          for (let offset = 0; offset <= 30; offset++) {
            const { status } = commands.writeCommon(offset, le(0, length));
            const expected = isInsideOneField(offset, length, isMsixOn) ? OK : INVALID_FIELD;
            expect([offset, length, status]).toEqual([offset, length, expected]);
          }
        }
      });

      it.each([0, 5, 8, 16, 32])('an access of %i bytes fails and changes nothing', (length) => {
        const commands = ready();
        const { card } = commands.admin;
        const before = functionImage(card, 1);

        for (const offset of [0, 4, 12, 18, 20]) {
          expect(commands.readCommon(offset, length).status).toEqual(INVALID_FIELD);
          expect(commands.writeCommon(offset, le(1, length)).status).toEqual(INVALID_FIELD);
        }

        expect(functionImage(card, 1)).toBe(before);
      });

      it.each([31, 64, 127, 128, 200, 255])('offset %i is outside', (offset) => {
        const commands = ready();

        expect(commands.readCommon(offset, 1).status).toEqual(INVALID_FIELD);
        expect(commands.writeCommon(offset, [0]).status).toEqual(INVALID_FIELD);
      });

      it('a part of a field reads as that part', () => {
        const commands = ready();
        const features = commands.get('device_features');

        expect([0, 1, 2, 3].map((i) => fromLe(commands.readCommon(i, 1).result))).toEqual(le(features, 4));
        expect([0, 2].map((i) => fromLe(commands.readCommon(i, 2).result))).toEqual([
          features % 65536,
          features >>> 16,
        ]);
      });
    });
  });
});
