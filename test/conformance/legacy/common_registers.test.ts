// SPDX-License-Identifier: Apache-2.0
// The legacy registers of a VF through LEGACY_COMMON_CFG_READ and _WRITE: virtio 1.4 §4.1.4.10, little-endian whatever the
// guest; bad-driver cases L05 to L08.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, le, OK } from '../../support/admin_queue.ts';
import { Card, MSIX } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { functionImage } from '../support/function_image.ts';
import { LegacyCommands, LegacyFunction } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

/** ANY_LAYOUT with the net bits, indirect descriptors and event index of this card with one pair. */
const OFFERED = [3, 5, 15, 16, 17, 18, 23, 27, 28, 29];
const word = (bits: readonly number[]): number => bits.reduce((sum, bit) => sum + 2 ** bit, 0);

eachMode((mode) => {
  const admin = (): AdminQueue => new AdminQueue(new Card({ mode, queueSize: 64 }).enableVfs(2)).useAll();
  const ready = (): LegacyCommands => new LegacyCommands(admin(), 1);

  describe(requirement('ADM-LEG-02'), () => {
    it('multi-byte registers are written and read with the low byte first', () => {
      const commands = ready();

      commands.writeCommon(8, [0x78, 0x56, 0x34, 0x12]);

      expect([...commands.readCommon(8, 4).result]).toEqual([0x78, 0x56, 0x34, 0x12]);
      expect([...commands.readCommon(12, 2).result]).toEqual([64, 0]);
    });
  });

  describe(requirement('ADM-LEG-06'), () => {
    it('device_features are the low 32 bits that are offered, ANY_LAYOUT with them', () => {
      expect(ready().get('device_features')).toBe(word(OFFERED));
    });

    it('queue_size follows queue_select and is 0 for a queue that does not exist', () => {
      const commands = ready();

      const sizes = [0, 1, 2, 3, 0xffff].map((queue) => {
        commands.set('queue_select', queue);
        return commands.get('queue_size');
      });

      expect(sizes).toEqual([64, 64, 64, 0, 0]);
    });

    it('at reset the registers are zero', () => {
      const commands = ready();
      const fields = ['driver_features', 'queue_address', 'queue_select', 'device_status', 'isr_status'] as const;

      expect(fields.map((field) => commands.get(field))).toEqual([0, 0, 0, 0, 0]);
    });

    it('reading ISR clears it', () => {
      const legacy = new LegacyFunction(admin(), 1).start();
      legacy.addFrame();
      legacy.notifyByRegister(1);

      expect(legacy.commands.get('isr_status')).toBe(1);
      expect(legacy.commands.get('isr_status')).toBe(0);
    });

    it('with MSI-X on both vectors are NO_VECTOR at reset', () => {
      const commands = ready();
      commands.admin.card.nic.configWrite(1, MSIX + 2, 2, 0x8000);

      expect([commands.get('config_msix_vector'), commands.get('queue_msix_vector')]).toEqual([0xffff, 0xffff]);
    });
  });

  describe(requirement('ADM-LEG-05'), () => {
    it('driver_features, queue_select and device_status read back', () => {
      const commands = ready();

      commands.set('device_status', 3);
      commands.set('driver_features', word([5, 16]));
      commands.set('queue_select', 1);

      expect(commands.get('device_status')).toBe(3);
      expect(commands.get('driver_features')).toBe(word([5, 16]));
      expect(commands.get('queue_select')).toBe(1);
    });

    it('each queue has an address of its own', () => {
      const commands = ready();
      for (const queue of [0, 1]) {
        commands.set('queue_select', queue);
        commands.set('queue_address', 0x100 + queue);
      }

      const addresses = [0, 1, 2].map((queue) => {
        commands.set('queue_select', queue);
        return commands.get('queue_address');
      });

      expect(addresses).toEqual([0x100, 0x101, 0]);
    });

    it('queue_address 0 takes the queue out of use', () => {
      const legacy = new LegacyFunction(admin(), 1).start();
      legacy.commands.set('queue_select', 1);

      legacy.commands.set('queue_address', 0);
      legacy.addFrame();
      legacy.notifyByRegister(1);

      expect(legacy.commands.get('queue_address')).toBe(0);
      expect(legacy.ring(1).usedIdx).toBe(0);
    });

    it('device_features, queue_size and ISR are read-only', () => {
      const commands = ready();

      expect(commands.writeCommon(0, le(0, 4)).status).toEqual(OK);
      expect(commands.writeCommon(12, le(8, 2)).status).toEqual(OK);
      expect(commands.writeCommon(19, [0xff]).status).toEqual(OK);

      expect(commands.get('device_features')).toBe(word(OFFERED));
      expect(commands.get('queue_size')).toBe(64);
      expect(commands.get('isr_status')).toBe(0);
    });

    it('status 0 resets that VF, and no other', () => {
      const owner = admin();
      const one = new LegacyFunction(owner, 1).start(word([5]));
      new LegacyFunction(owner, 2).start(word([5]));
      const before = functionImage(owner.card, 2);

      one.commands.set('device_status', 0);

      const { commands } = one;
      commands.set('queue_select', 1);
      expect(commands.get('device_status')).toBe(0);
      expect(commands.get('driver_features')).toBe(0);
      expect(commands.get('queue_address')).toBe(0);
      expect(functionImage(owner.card, 2)).toBe(before);
    });

    it('vectors map with MSI-X on, and a vector beyond the table reads NO_VECTOR', () => {
      const commands = ready();
      commands.admin.card.nic.configWrite(1, MSIX + 2, 2, 0x8000);

      commands.set('config_msix_vector', 0);
      commands.set('queue_msix_vector', 3);
      expect([commands.get('config_msix_vector'), commands.get('queue_msix_vector')]).toEqual([0, 3]);
      commands.set('config_msix_vector', 4);
      commands.set('queue_msix_vector', 0x800);
      expect([commands.get('config_msix_vector'), commands.get('queue_msix_vector')]).toEqual([0xffff, 0xffff]);
    });

    it('the queue interrupts through its vector', () => {
      const legacy = new LegacyFunction(admin(), 1);
      const { nic, messages } = legacy.commands.admin.card;
      nic.configWrite(1, MSIX + 2, 2, 0x8000);
      nic.write(1, 4, 16, 4, 0xfee00000);
      nic.write(1, 4, 24, 4, 0x77);
      nic.write(1, 4, 28, 4, 0);
      legacy.start();
      legacy.commands.set('queue_msix_vector', 1);

      legacy.addFrame();
      legacy.notifyByRegister(1);

      expect(messages).toMatchObject([{ fn: 1, vector: 1, data: 0x77 }]);
    });
  });

  describe('a VF that a modern driver holds', () => {
    it('keeps its modern registers apart: reads by command see the same features, status and queues', () => {
      const commands = ready();
      const common = new CommonConfig(commands.admin.card.direct(1));

      common.status = 1;

      expect(commands.get('device_status')).toBe(1);
      expect(commands.get('device_features') & ~(1 << 27)).toBe(common.offered()[0]);
    });
  });
});
