// SPDX-License-Identifier: Apache-2.0
// Several commands in flight: virtio 1.4 "Group administration commands" asks for queueing order on one admin queue (AMB-21);
// bad-driver cases A10, A14, A15.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, fromLe, header, LIST_QUERY, LIST_USE, OK, SELF, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { COMMON_READ, COMMON_WRITE, DEVICE_READ, NOTIFY_INFO } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';
import { NOTIFY, VIRTIO_BAR } from '../../support/registers.ts';

const select = (member: number, queue: number): number[] =>
  [header(COMMON_WRITE, SRIOV_GROUP, member), [14, 0, 0, 0, 0, 0, 0, 0, queue, 0]].flat();
const readSelect = (member: number): number[] => [...header(COMMON_READ, SRIOV_GROUP, member), 14];

eachMode((mode) => {
  const ready = (config = {}, size?: number): AdminQueue =>
    new AdminQueue(new Card({ mode, ...config }).enableVfs(2), size === undefined ? {} : { size }).useAll();

  describe(requirement('ADM-VQ-10'), () => {
    it('writes and reads of one register in a row see each other in that order', () => {
      const admin = ready();
      const pending = Array.from({ length: 8 }, (_, i) => [
        admin.add(select(1, i + 1), 8),
        admin.add(readSelect(1), 10),
      ]).flat();

      admin.kick();

      const used = admin.ring.takeUsed();
      expect(used.map(({ id }) => id)).toEqual(pending.map(({ head }) => head));
      const values = pending.map((command, i) => fromLe(admin.answer(command, used[i]!).result));
      expect(values.filter((_, i) => i % 2 === 1)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    it('a LIST_USE between two commands decides about the second alone', () => {
      const admin = ready();
      const before = admin.add(readSelect(1), 10);
      const list = admin.add([...header(LIST_USE, SRIOV_GROUP, 0), 0x3], 8);
      const after = admin.add(readSelect(1), 10);

      admin.kick();

      const used = admin.ring.takeUsed();
      const statuses = [before, list, after].map((command, i) => admin.answer(command, used[i]!).status);
      expect(statuses).toEqual([OK, OK, [22, 2]]);
    });

    it('commands of different length, member and kind are answered in the order of the ring', () => {
      const admin = ready();
      const pending = [
        admin.add([...header(NOTIFY_INFO, SRIOV_GROUP, 1), ...Array.from({ length: 200 }, () => 0)], 72, {
          readable: [24, 100],
          writable: [8, 16, 16, 16],
        }),
        admin.add(header(LIST_QUERY, SELF, 0), 16),
        admin.add([...header(DEVICE_READ, SRIOV_GROUP, 2), 0], 9),
        admin.add(header(0x99, SRIOV_GROUP, 2), 8),
        admin.add(select(2, 5), 8),
        admin.add(readSelect(2), 10),
      ];

      admin.kick();

      const used = admin.ring.takeUsed();
      expect(used.map(({ id }) => id)).toEqual(pending.map(({ head }) => head));
      expect(used.map(({ length }) => length)).toEqual([72, 16, 9, 8, 8, 10]);
    });

    it('16 reads of 1 byte, in flight at once, give the 16 bytes they ask for', () => {
      const admin = ready();
      const pending = Array.from({ length: 16 }, (_, i) =>
        admin.add([...header(COMMON_READ, SRIOV_GROUP, 1), i < 4 ? i : 12 + (i % 2)], 9),
      );

      admin.kick();

      const used = admin.ring.takeUsed();
      const bytes = pending.map((command, i) => admin.answer(command, used[i]!).result[0]!);
      const features = admin.command(COMMON_READ, SRIOV_GROUP, 1, [0], 4).result;
      expect(bytes.slice(0, 4)).toEqual([...features]);
      expect(bytes.slice(4)).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    });
  });

  describe('a small admin queue', () => {
    it('of 2 descriptors takes one command after the other, more than once around', () => {
      const admin = ready({ adminQueueSize: 2 }, 2);

      for (let i = 0; i < 10; i++) {
        expect(admin.command(COMMON_READ, SRIOV_GROUP, 1, [12], 2).status).toEqual(OK);
      }
    });

    it('of 4 descriptors, full with two commands, answers both', () => {
      const admin = ready({ adminQueueSize: 4 }, 4);

      for (let round = 0; round < 10; round++) {
        const pending = [admin.add(select(1, round), 8), admin.add(readSelect(1), 10)];
        admin.kick();
        const used = admin.ring.takeUsed();
        expect(used.map(({ id }) => id)).toEqual(pending.map(({ head }) => head));
        expect(fromLe(admin.answer(pending[1]!, used[1]!).result)).toBe(round);
      }
    });

    it('takes an index that runs over 65535', () => {
      const admin = ready({ adminQueueSize: 2 }, 2);
      const pending = admin.add(readSelect(1), 10);
      admin.kick();
      admin.ring.takeUsed();

      for (let i = 0; i < 66_000; i++) {
        admin.ring.offer(pending.head);
        admin.pf.path.write(VIRTIO_BAR, NOTIFY + 4 * admin.index, 2, admin.index);
        if (mode === 'timed') admin.card.nic.runToOutput();
      }
      admin.card.settle();

      expect(admin.pf.status).toBe(15);
      expect(admin.ring.usedIdx).toBe((66_000 + 3) % 65_536);
    });
  });

  describe('DRIVER_OK', () => {
    it('comes before the first command is looked at', () => {
      const admin = new AdminQueue(new Card({ mode }));
      admin.pf.prepare({ features: [37, 41], queues: {} });
      admin.pf.addQueue(admin.index, { size: admin.ring.size, vector: null });
      const { ring } = admin;
      const buffer = admin.pf.memory.iova(admin.pf.memory.alloc(32, 8));
      admin.pf.ring(admin.index).add([{ iova: buffer, length: 16, isWritable: true }]);

      admin.kick();

      expect(admin.pf.status).toBe(11);
      expect(ring.usedIdx).toBe(0);
    });
  });

  describe('doorbells', () => {
    it('of another queue do not start the admin queue', () => {
      const admin = ready();
      admin.add(header(LIST_QUERY, SELF, 0), 16);

      for (const queue of [0, 1, 2, admin.index + 1, 0x7fff, 0xffff]) {
        admin.pf.path.write(VIRTIO_BAR, NOTIFY + 4 * admin.index, 2, queue);
      }
      admin.card.settle();
      expect(admin.ring.takeUsed()).toEqual([]);

      admin.kick();
      expect(admin.ring.takeUsed()).toHaveLength(1);
    });

    it('more than needed are harmless', () => {
      const admin = ready();
      admin.add(header(LIST_QUERY, SELF, 0), 16);

      for (let i = 0; i < 5; i++) admin.kick();

      expect(admin.ring.takeUsed()).toHaveLength(1);
      expect(admin.pf.status).toBe(15);
    });
  });
});
