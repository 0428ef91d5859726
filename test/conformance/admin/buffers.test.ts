// SPDX-License-Identifier: Apache-2.0
// Lengths and cuts of a command's two parts: virtio 1.4 "Group administration commands" over admin virtqueues; bad-driver
// cases A01, A02, A07, A08, A09.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import {
  AdminQueue,
  fromLe,
  header,
  INVALID_MEMBER,
  LIST_QUERY,
  LIST_USE,
  OK,
  PATTERN,
  SELF,
  SRIOV_GROUP,
} from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { COMMON_READ, COMMON_WRITE, LegacyCommands, NOTIFY_INFO } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const QUERY = header(LIST_QUERY, SRIOV_GROUP, 0);

eachMode((mode) => {
  const ready = (): AdminQueue => new AdminQueue(new Card({ mode }).enableVfs(2)).useAll();

  describe(requirement('ADM-VQ-01'), () => {
    it('LIST_QUERY of a header cut to 0..23 bytes answers as if padded with zeros', () => {
      const admin = ready();

      for (const length of range(0, 23)) {
        const { status, result } = admin.send(QUERY.slice(0, length), 16);
        // without its third byte the group type is 0, the self group
        expect([length, status, fromLe(result)]).toEqual([length, OK, length < 3 ? 0x3 : 0x7f]);
      }
    });

    it('a legacy read cut to 1..24 bytes has member 0 up to 16 bytes, then offset 0', () => {
      const admin = ready();
      const whole = header(COMMON_READ, SRIOV_GROUP, 2);

      for (const length of range(3, 24)) {
        const { status } = admin.send(whole.slice(0, length), 12);
        expect([length, status]).toEqual([length, length < 17 ? INVALID_MEMBER : OK]);
      }
    });

    it('a LIST_USE bitmap of one byte is a whole one', () => {
      const admin = ready();

      expect(admin.command(LIST_USE, SRIOV_GROUP, 0, [0x7f]).status).toEqual(OK);
      expect(admin.command(NOTIFY_INFO, SRIOV_GROUP, 1, [], 64).status).toEqual(OK);
    });

    it('a LIST_USE without any bitmap is an empty list', () => {
      const admin = ready();

      expect(admin.command(LIST_USE, SRIOV_GROUP, 0).status).toEqual(OK);
      expect(admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).status).not.toEqual(OK);
    });
  });

  describe(requirement('ADM-VQ-02'), () => {
    it('a result area of 0..7 bytes takes that much of the result', () => {
      const admin = ready();

      for (const bytes of range(0, 7)) {
        const { status, result } = admin.command(LIST_QUERY, SRIOV_GROUP, 0, [], bytes);
        expect([status, [...result]]).toEqual([OK, [0x7f, 0, 0, 0, 0, 0, 0].slice(0, bytes)]);
      }
    });

    it('NOTIFY_INFO with room for one entry writes that entry', () => {
      const { status, result, length } = ready().command(NOTIFY_INFO, SRIOV_GROUP, 1, [], 16);

      expect(status).toEqual(OK);
      expect([...result]).toEqual([2, 2, 0, 0, 0, 0, 0, 0, 0x00, 0x30, 0, 0, 0, 0, 0, 0]);
      expect(length).toBe(24);
    });

    it('a writable part of 4..7 bytes holds status and qualifier and what fits behind them', () => {
      const admin = ready();

      for (const bytes of range(4, 7)) {
        const { bytes: written, length } = admin.send(header(0x12, SRIOV_GROUP, 1), bytes);
        expect([[...written], length]).toEqual([[22, 0, 2, 0, 0, 0, 0].slice(0, bytes), bytes]);
      }
    });
  });

  describe(requirement('ADM-VQ-03'), () => {
    it('bytes behind the data of a read are disregarded', () => {
      const admin = ready();
      const plain = admin.command(COMMON_READ, SRIOV_GROUP, 1, [12], 2);

      const padded = admin.command(COMMON_READ, SRIOV_GROUP, 1, [12, 7, 7, 7, 7, 7, 7, 7, 99, 99, 99], 2);

      expect(padded.status).toEqual(OK);
      expect(padded.result).toEqual(plain.result);
    });

    it('data of a command that has none is disregarded', () => {
      const garbage = range(1, 40);
      const admin = ready();

      expect(fromLe(admin.command(LIST_QUERY, SRIOV_GROUP, 0, garbage, 8).result)).toBe(0x7f);
      expect(admin.command(NOTIFY_INFO, SRIOV_GROUP, 1, garbage, 64).status).toEqual(OK);
    });

    it('more zero words of a LIST_USE bitmap make no difference', () => {
      const bitmap = [0x7f, ...range(1, 127).map(() => 0)];

      expect(ready().command(LIST_USE, SRIOV_GROUP, 0, bitmap).status).toEqual(OK);
    });

    it('a LIST_USE bitmap of more bytes than the card reads is refused for want of memory (12), not cut', () => {
      const bitmap = [0x7f, ...range(1, 9408).map(() => 0)];

      expect(ready().command(LIST_USE, SRIOV_GROUP, 0, bitmap).status).toEqual([12, 0]);
    });
  });

  describe(requirement('ADM-VQ-04'), () => {
    it.each([
      ['LIST_QUERY', LIST_QUERY, 0, 8],
      ['NOTIFY_INFO', NOTIFY_INFO, 1, 64],
    ])('%s leaves what lies behind its result as it was', (_name, opcode, member, size) => {
      const { length, bytes } = ready().command(opcode, SRIOV_GROUP, member, [], size + 32);

      expect(length).toBe(8 + size);
      expect([...bytes.subarray(length)]).toEqual(range(1, 32).map(() => PATTERN));
    });

    it('a command without result leaves the result area as it was', () => {
      const { bytes, length } = ready().command(LIST_USE, SRIOV_GROUP, 0, [0x7f], 16);

      expect(length).toBe(8);
      expect([...bytes.subarray(8)]).toEqual(range(1, 16).map(() => PATTERN));
    });
  });

  describe(requirement('ADM-VQ-05'), () => {
    it.each([
      [LIST_QUERY, SRIOV_GROUP, 0, 0, 8],
      [LIST_QUERY, SRIOV_GROUP, 0, 3, 11],
      [LIST_QUERY, SELF, 0, 8, 16],
      [LIST_USE, SELF, 0, 0, 8],
      [NOTIFY_INFO, SRIOV_GROUP, 1, 64, 72],
      [NOTIFY_INFO, SRIOV_GROUP, 1, 100, 72],
      [COMMON_READ, SRIOV_GROUP, 1, 4, 12],
    ])(
      'opcode %i in group %i, member %i, %i bytes for the result: used length %i',
      (opcode, group, member, room, used) => {
        expect(ready().command(opcode, group, member, [0], room).length).toBe(used);
      },
    );
  });

  describe(requirement('ADM-VQ-06'), () => {
    it('reserved and padding bytes of the answer are written as zeros', () => {
      const { bytes } = ready().command(NOTIFY_INFO, SRIOV_GROUP, 1, [], 64);

      expect([...bytes.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
      expect([...bytes.subarray(10, 16)]).toEqual([0, 0, 0, 0, 0, 0]);
      expect([...bytes.subarray(24)]).toEqual(range(1, 48).map(() => 0));
    });
  });

  describe(requirement('ADM-VQ-07'), () => {
    it('no length of either part makes LIST_QUERY, LIST_USE or NOTIFY_INFO fail', () => {
      const admin = ready();

      for (const extra of [0, 1, 3, 5, 7, 8, 9, 31, 64, 65]) {
        const zeros = range(1, extra).map(() => 0);
        for (const [opcode, data] of [
          [LIST_QUERY, zeros],
          [LIST_USE, [0x7f, ...zeros]],
          [NOTIFY_INFO, zeros],
        ] as const) {
          const member = opcode === NOTIFY_INFO ? 1 : 0;
          expect([opcode, extra, admin.command(opcode, SRIOV_GROUP, member, data, extra).status]).toEqual([
            opcode,
            extra,
            OK,
          ]);
        }
      }
    });
  });

  describe(requirement('ADM-VQ-08'), () => {
    it('a writable part of 8 bytes is initialized whole, for success and failure', () => {
      const admin = ready();

      expect([...admin.send(header(LIST_USE, SELF, 0), 8).bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
      expect([...admin.send(header(0x12, SELF, 0), 8).bytes]).toEqual([22, 0, 2, 0, 0, 0, 0, 0]);
    });
  });

  describe(requirement('ADM-VQ-09'), () => {
    it('status and qualifier are written over a pattern, for success and failure', () => {
      const admin = ready();

      expect(admin.send(QUERY, 8).status).toEqual(OK);
      expect(admin.send(header(LIST_QUERY, 7, 0), 8).status).toEqual([22, 4]);
    });
  });

  describe('cuts', () => {
    it('a header cut in two at every byte is one header', () => {
      const admin = ready();
      const whole = [...header(COMMON_READ, SRIOV_GROUP, 2), 12];

      for (const cut of range(1, 24)) {
        const { status, result } = admin.send(whole, 10, { readable: [cut] });
        expect([cut, status, fromLe(result)]).toEqual([cut, OK, 256]);
      }
    });

    it('a command in descriptors of one byte each is one command', () => {
      const whole = [...header(COMMON_READ, SRIOV_GROUP, 2), 12];
      const cuts = { readable: range(1, 24).map(() => 1), writable: range(1, 9).map(() => 1) };

      const { status, result } = ready().send(whole, 10, cuts);

      expect([status, fromLe(result)]).toEqual([OK, 256]);
    });

    it('status and result cut at every byte are written whole', () => {
      const admin = ready();
      const expected = [...admin.send(header(NOTIFY_INFO, SRIOV_GROUP, 1), 72).bytes];

      for (const cut of range(1, 71)) {
        const { bytes, length } = admin.send(header(NOTIFY_INFO, SRIOV_GROUP, 1), 72, { writable: [cut] });
        expect([cut, length, [...bytes]]).toEqual([cut, 72, expected]);
      }
    });

    it('the data of a write cut behind each byte is one value', () => {
      const commands = new LegacyCommands(ready(), 1);
      const whole = [...header(COMMON_WRITE, SRIOV_GROUP, 1), 8, 0, 0, 0, 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12];

      for (const cut of range(25, 35)) {
        commands.set('queue_address', 0);
        expect(commands.admin.send(whole, 8, { readable: [cut] }).status).toEqual(OK);
        expect([cut, commands.get('queue_address')]).toEqual([cut, 0x12345678]);
      }
    });
  });
});
