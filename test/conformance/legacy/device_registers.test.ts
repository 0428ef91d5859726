// SPDX-License-Identifier: Apache-2.0
// The device configuration of a VF through LEGACY_DEV_CFG_READ and _WRITE: virtio 1.4 §5.1.4 with its legacy section. The mac
// is one field of six bytes that a legacy driver may write.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, fromLe, header, INVALID_FIELD, le, OK, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card, MSIX } from '../support/card.ts';
import { functionImage } from '../support/function_image.ts';
import { DEVICE_READ, LegacyCommands } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';
import { DEVICE_CONFIG, VIRTIO_BAR } from '../../support/registers.ts';

const MAC_OF_VF_1 = [0x02, 0x76, 0x66, 0x00, 0x00, 0x01];
/** The whole of struct virtio_net_config: mac, status, max_virtqueue_pairs, mtu, then fields of features not offered here. */
const FIELDS = [
  [0, 6],
  [6, 2],
  [8, 2],
  [10, 2],
  [12, 4],
  [16, 1],
  [17, 1],
  [18, 2],
  [20, 4],
  [24, 4],
] as const;

const isInsideOneField = (offset: number, length: number): boolean =>
  FIELDS.some(([at, bytes]) => offset >= at && offset + length <= at + bytes);

eachMode((mode) => {
  const ready = (): LegacyCommands => {
    const admin = new AdminQueue(new Card({ mode }).enableVfs(2)).useAll();
    return new LegacyCommands(admin, 1);
  };
  const mac = (commands: LegacyCommands): number[] =>
    [0, 1, 2, 3, 4, 5].map((i) => fromLe(commands.readDevice(i, 1).result));

  describe(requirement('ADM-LEG-04'), () => {
    it('reads of 1, 2 and 4 bytes at 0..40 succeed inside one field and fail elsewhere', () => {
      const commands = ready();

      for (const length of [1, 2, 4]) {
        for (let offset = 0; offset <= 40; offset++) {
          const { status } = commands.readDevice(offset, length);
          const expected = isInsideOneField(offset, length) ? OK : INVALID_FIELD;
          expect([offset, length, status]).toEqual([offset, length, expected]);
        }
      }
    });

    it.each([0xffff_fffc, 0xffff_ffff])(
      'a read with room for %i bytes fails, as every one past the end (CARD-04)',
      (room) => {
        const { admin } = ready();
        const readable = [...header(DEVICE_READ, SRIOV_GROUP, 1), 12];
        const at = admin.pf.memory.alloc(64, 8);
        admin.pf.memory.u8.set(readable, at);

        admin.ring.add([
          { iova: admin.pf.memory.iova(at), length: readable.length },
          { iova: admin.pf.memory.iova(at + 32), length: 8, isWritable: true },
          { iova: admin.pf.memory.iova(at + 40), length: room - 8, isWritable: true },
        ]);
        admin.kick();

        expect(admin.ring.takeUsed()).toMatchObject([{ length: 8 }]);
        expect([...admin.pf.memory.u8.subarray(at + 32, at + 36)]).toEqual([22, 0, 3, 0]);
      },
    );

    it('writes of 1, 2 and 4 bytes at 0..40 succeed inside one field and fail elsewhere', () => {
      const commands = ready();

      for (const length of [1, 2, 4]) {
        for (let offset = 0; offset <= 40; offset++) {
          const { status } = commands.writeDevice(offset, le(2, length));
          const expected = isInsideOneField(offset, length) ? OK : INVALID_FIELD;
          expect([offset, length, status]).toEqual([offset, length, expected]);
        }
      }
    });

    it.each([0, 8, 12, 16])('an access of %i bytes fails and changes nothing', (length) => {
      const commands = ready();
      const before = functionImage(commands.admin.card, 1);

      expect(commands.readDevice(0, length).status).toEqual(INVALID_FIELD);
      expect(commands.writeDevice(0, le(0x55, length)).status).toEqual(INVALID_FIELD);

      expect(functionImage(commands.admin.card, 1)).toBe(before);
    });

    it('offset 255 with 2 bytes does not wrap', () => {
      const commands = ready();

      expect(commands.readDevice(255, 2).status).toEqual(INVALID_FIELD);
      expect(commands.writeDevice(255, [1, 1]).status).toEqual(INVALID_FIELD);
      expect(mac(commands)).toEqual(MAC_OF_VF_1);
    });
  });

  describe(requirement('ADM-LEG-08'), () => {
    it('mac and status of the VF are read', () => {
      const commands = ready();

      expect(mac(commands)).toEqual(MAC_OF_VF_1);
      expect(fromLe(commands.readDevice(6, 2).result)).toBe(1);
    });

    it('each VF has its own', () => {
      const { admin } = ready();

      expect(mac(new LegacyCommands(admin, 2))).toEqual([...MAC_OF_VF_1.slice(0, 5), 0x02]);
    });

    it('the offsets do not move with MSI-X of the VF', () => {
      const commands = ready();

      commands.admin.card.nic.configWrite(1, MSIX + 2, 2, 0x8000);

      expect(mac(commands)).toEqual(MAC_OF_VF_1);
    });
  });

  describe(requirement('LEG-PCILAY-02'), () => {
    it('bytes, words and a dword of the mac agree', () => {
      const commands = ready();

      expect([...commands.readDevice(0, 4).result]).toEqual(MAC_OF_VF_1.slice(0, 4));
      expect([...commands.readDevice(4, 2).result]).toEqual(MAC_OF_VF_1.slice(4));
      expect(mac(commands)).toEqual(MAC_OF_VF_1);
    });
  });

  describe(requirement('ADM-LEG-07'), () => {
    it('the mac written byte by byte is the mac of the VF', () => {
      const commands = ready();

      [2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee].forEach((byte, i) => commands.writeDevice(i, [byte]));

      expect(mac(commands)).toEqual([2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);
      const { nic } = commands.admin.card;
      expect(nic.read(1, VIRTIO_BAR, DEVICE_CONFIG, 4)).toBe(0xccbbaa02);
      expect(nic.read(1, VIRTIO_BAR, DEVICE_CONFIG + 4, 2)).toBe(0xeedd);
    });

    it('the mac written in wide accesses is the same', () => {
      const commands = ready();

      commands.writeDevice(0, [2, 0xaa, 0xbb, 0xcc]);
      commands.writeDevice(4, [0xdd, 0xee]);

      expect(mac(commands)).toEqual([2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);
    });

    it('status, max_virtqueue_pairs and mtu are read-only', () => {
      const commands = ready();
      const before = [6, 8, 10].map((at) => fromLe(commands.readDevice(at, 2).result));

      for (const at of [6, 8, 10]) commands.writeDevice(at, [0xff, 0xff]);

      expect([6, 8, 10].map((at) => fromLe(commands.readDevice(at, 2).result))).toEqual(before);
    });

    it('a reset gives the VF its own mac back', () => {
      const commands = ready();
      commands.writeDevice(5, [0x99]);

      commands.admin.card.nic.configWrite(1, 0x54 + 8, 2, 0x8000);

      expect(mac(commands)).toEqual(MAC_OF_VF_1);
    });

    it('a mac that was read and then changed shows in config_generation', () => {
      const commands = ready();
      const { nic } = commands.admin.card;
      nic.read(1, VIRTIO_BAR, DEVICE_CONFIG, 4);
      const before = nic.read(1, VIRTIO_BAR, 21, 1);

      commands.writeDevice(5, [0x99]);
      nic.read(1, VIRTIO_BAR, DEVICE_CONFIG + 4, 2);

      expect(nic.read(1, VIRTIO_BAR, 21, 1)).not.toBe(before);
    });
  });

  describe(requirement('LEG-INIT-01'), () => {
    it('the mac can be written before any feature is negotiated', () => {
      const commands = ready();

      expect(commands.get('device_status')).toBe(0);
      expect(commands.writeDevice(5, [0x77]).status).toEqual(OK);
      expect(mac(commands)[5]).toBe(0x77);
    });
  });
});
