// SPDX-License-Identifier: Apache-2.0
// Admin chains that cannot be answered: the device says DEVICE_NEEDS_RESET, counts the cause and stays bounded, or answers.
// Bad-driver cases A07, A08, A13; oracles O1, O2.
import { describe, expect, it } from 'vitest';

import { AdminQueue, header, LIST_QUERY, OK, SELF, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { COMMON_WRITE, LegacyCommands } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';
import { NEXT, WRITE } from '../../support/raw_ring.ts';

const NEEDS_RESET = 0x40;
const NOWHERE = 0x7777_0000_0000;

eachMode((mode) => {
  const ready = (): AdminQueue => new AdminQueue(new Card({ mode }).enableVfs(2)).useAll();
  /** A good header of LIST_QUERY in memory, and room for its answer. */
  const query = (admin: AdminQueue): { headerAt: number; answerAt: number } => {
    const { memory } = admin.pf;
    const at = memory.alloc(24, 8);
    memory.u8.set(header(LIST_QUERY, SELF, 0), at);
    return { headerAt: memory.iova(at), answerAt: memory.iova(memory.alloc(64, 8)) };
  };
  const causes = ({ card }: AdminQueue): string[] =>
    Object.entries(card.nic.functionCounters(0))
      .filter(([name, count]) => name.startsWith('bad_') && count > 0)
      .map(([name]) => name);

  describe('an answer that has no place', () => {
    it('a chain without any writable descriptor needs a reset, counted as bad_chain', () => {
      const admin = ready();
      const { headerAt } = query(admin);

      admin.ring.add([{ iova: headerAt, length: 24 }]);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
      expect(causes(admin)).toEqual(['bad_chain']);
    });

    it.each([1, 2, 3])('a writable part of %i bytes needs a reset or takes the first bytes of the status', (length) => {
      const admin = ready();
      const { headerAt, answerAt } = query(admin);

      const head = admin.ring.add([
        { iova: headerAt, length: 24 },
        { iova: answerAt, length, isWritable: true },
      ]);
      admin.kick();

      const isStopped = (admin.pf.status & NEEDS_RESET) !== 0;
      const answer = [{ id: head, length }];
      expect(isStopped ? causes(admin) : admin.ring.takeUsed()).toEqual(isStopped ? ['bad_chain'] : answer);
    });

    it('a status in memory that is not mapped is lost at the host, as posted writes are, and counted there', () => {
      const admin = ready();
      const { headerAt } = query(admin);

      const head = admin.ring.add([
        { iova: headerAt, length: 24 },
        { iova: NOWHERE, length: 16, isWritable: true },
      ]);
      admin.kick();

      const isStopped = (admin.pf.status & NEEDS_RESET) !== 0;
      expect(isStopped ? [] : admin.ring.takeUsed()).toEqual(isStopped ? [] : [{ id: head, length: 16 }]);
      expect(admin.card.nic.counters()['dma_faults']).toBeGreaterThanOrEqual(1);
    });

    it('a status in front of the header needs a reset, counted as bad_order', () => {
      const admin = ready();
      const { headerAt, answerAt } = query(admin);

      admin.ring.add([
        { iova: answerAt, length: 16, isWritable: true },
        { iova: headerAt, length: 24 },
      ]);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
      expect(causes(admin)).toEqual(['bad_order']);
    });
  });

  describe('a command that cannot be read', () => {
    it('a header in memory that is not mapped needs a reset, counted as bad_dma', () => {
      const admin = ready();
      const { answerAt } = query(admin);

      admin.ring.add([
        { iova: NOWHERE, length: 24 },
        { iova: answerAt, length: 16, isWritable: true },
      ]);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
      expect(causes(admin)).toEqual(['bad_dma']);
    });

    it('data in memory that is not mapped needs a reset and leaves the member alone', () => {
      const admin = ready();
      const { memory } = admin.pf;
      const { answerAt } = query(admin);
      const at = memory.alloc(24, 8);
      memory.u8.set(header(COMMON_WRITE, SRIOV_GROUP, 1), at);

      admin.ring.add([
        { iova: memory.iova(at), length: 24 },
        { iova: NOWHERE, length: 12 },
        { iova: answerAt, length: 8, isWritable: true },
      ]);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
      expect(causes(admin)).toEqual(['bad_dma']);
      expect(new LegacyCommands(new AdminQueue(admin.card).useAll(), 1).get('driver_features')).toBe(0);
    });

    it('a chain that loops needs a reset, counted as bad_loop', () => {
      const admin = ready();
      const { headerAt } = query(admin);

      admin.ring.describe(10, { addr: headerAt, len: 24, flags: NEXT, next: 11 });
      admin.ring.describe(11, { addr: headerAt, len: 24, flags: NEXT, next: 10 });
      admin.ring.offer(10);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
      expect(causes(admin)).toEqual(['bad_loop']);
    });

    it('a next beyond the table needs a reset, counted as bad_next', () => {
      const admin = ready();
      const { headerAt } = query(admin);

      admin.ring.describe(10, { addr: headerAt, len: 24, flags: NEXT, next: admin.ring.size });
      admin.ring.offer(10);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
      expect(causes(admin)).toEqual(['bad_next']);
    });
  });

  describe('a part far larger than any command', () => {
    it('30,000 readable bytes behind the header are disregarded', () => {
      const admin = ready();
      const { memory } = admin.pf;
      const { answerAt } = query(admin);
      const at = memory.alloc(30_024, 8);
      memory.u8.set(header(LIST_QUERY, SELF, 0), at);

      const head = admin.ring.add([
        { iova: memory.iova(at), length: 30_024 },
        { iova: answerAt, length: 16, isWritable: true },
      ]);
      admin.kick();

      expect(admin.ring.takeUsed()).toEqual([{ id: head, length: 16 }]);
    });

    it('a writable part of 4 GiB less a byte takes the answer, where its first bytes are mapped', () => {
      const admin = ready();
      const { headerAt, answerAt } = query(admin);

      const head = admin.ring.add([
        { iova: headerAt, length: 24 },
        { iova: answerAt, length: 0xffffffff, isWritable: true },
      ]);
      admin.kick();

      const isStopped = (admin.pf.status & NEEDS_RESET) !== 0;
      expect(isStopped ? [] : admin.ring.takeUsed()).toEqual(isStopped ? [] : [{ id: head, length: 16 }]);
    });

    it('lengths that sum up beyond 2^32 need a reset', () => {
      const admin = ready();
      const { headerAt, answerAt } = query(admin);

      admin.ring.describe(0, { addr: headerAt, len: 0xffffffff, flags: NEXT, next: 1 });
      admin.ring.describe(1, { addr: headerAt, len: 0xffffffff, flags: NEXT, next: 2 });
      admin.ring.describe(2, { addr: answerAt, len: 16, flags: WRITE });
      admin.ring.offer(0);
      admin.kick();

      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);
    });
  });

  describe('after DEVICE_NEEDS_RESET', () => {
    it('VFs go on, and a reset of the PF brings the admin queue back', () => {
      const admin = ready();
      admin.ring.offer(admin.ring.size);
      admin.kick();
      expect(admin.pf.status & NEEDS_RESET).toBe(NEEDS_RESET);

      const again = new AdminQueue(admin.card).useAll();

      expect(new LegacyCommands(again, 1).get('queue_size')).toBe(256);
      expect(again.command(LIST_QUERY, SELF, 0, [], 8).status).toEqual(OK);
    });
  });
});
