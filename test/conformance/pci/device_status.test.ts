// SPDX-License-Identifier: Apache-2.0
// Device Status and Status: Transactions Pending (PCI Express Base 6.0 §7.5.3.5, §6.6.2), and what a read that fails leaves
// behind, in both modes alike (§7.5.1.1.4, §6.2.3.2, §2.7.2.2, §2.8).
//
// Status: 8 Master Data Parity Error, 13 Received Master Abort, 15 Detected Parity Error; 0x10 Capabilities List.
// Device Status: 0 correctable, 1 non-fatal error detected, 3 Unsupported Request detected, 5 Transactions Pending.
import { describe, expect, it } from 'vitest';

import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { eachMode } from '../support/modes.ts';
import { TX } from '../../support/registers.ts';

const COMMAND = 0x04;
const STATUS = 0x06;
const DEVCTL = 0x5c;
const DEVSTA = 0x5e;
const DEVCTL2 = 0x7c;
const TIMEOUT_DISABLE = 0x0010;
const INITIATE_FLR = 0x8000;
const PENDING = 0x20;
const NOWHERE = 0x7777_0000;

function running(mode: 'functional' | 'timed', profile: Record<string, number> = {}): { at: RawCard; vf: RawFunction } {
  const at = new RawCard({ mode, numVfs: 2, queueSize: 16, profile });
  const vf = at.fn(1);
  vf.start();
  return { at, vf };
}

function send(vf: RawFunction, addr?: number): void {
  const sent = packet(frame(STRANGER, macOf(1), 64));
  const ring = vf.ring(TX);
  ring.offer(ring.chain([{ addr: addr ?? vf.place(sent, 4), len: sent.length }]));
  vf.notify(TX);
}

eachMode((mode) => {
  describe('a DMA read that fails', () => {
    it('because its address is not mapped is a Received Master Abort', () => {
      const { at, vf } = running(mode);

      send(vf, NOWHERE);
      at.settle();

      expect(at.nic.configRead(1, STATUS, 2)).toBe(0x2010);
      expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0);
      expect(at.nic.counters()['completion_unsupported']).toBe(1);
      expect(vf.needsReset).toBe(true);
    });

    it.each([
      ['unsupported', 0, 0x2010, 0x0, 'completion_unsupported'],
      ['poisoned', 0, 0x8010, 0x2, 'completion_poisoned'],
      ['poisoned', 0x40, 0x8110, 0x2, 'completion_poisoned'], // Parity Error Response of the PF
      ['lost', 0, 0x0010, 0x2, 'completion_timeouts'],
    ] as const)(
      'because its completion is %s, command 0x%x, leaves 0x%x and 0x%x',
      (fault, command, status, devsta, name) => {
        const { at, vf } = running(mode);
        at.nic.configWrite(0, COMMAND, 2, 0x0006 | command);

        at.nic.injectReadFault(fault);
        send(vf);
        at.settle();

        expect(at.nic.configRead(1, STATUS, 2)).toBe(status);
        expect(at.nic.configRead(1, DEVSTA, 2)).toBe(devsta);
        expect(at.nic.counters()[name]).toBe(1);
        expect(vf.needsReset).toBe(true);
        expect(at.wire).toEqual([]);
        expect(at.nic.configRead(2, STATUS, 2)).toBe(0x0010); // of no concern to another function
      },
    );

    it.each([1, 2, 3, 4])(
      '%i of which are asked for, meets as many reads, each of a driver that began again',
      (count) => {
        const { at, vf } = running(mode);
        at.nic.injectReadFault('unsupported', count);

        for (let i = 0; i < count; i++) {
          vf.notify(TX);
          at.settle();
          expect(vf.needsReset).toBe(true);
          vf.start();
        }
        send(vf);
        at.settle();

        expect(at.nic.counters()['completion_unsupported']).toBe(count);
        expect(at.wire).toHaveLength(1);
      },
    );

    it('ends with a count of 0', () => {
      const { at, vf } = running(mode);
      at.nic.injectReadFault('lost', 5);
      at.nic.injectReadFault('lost', 0);

      send(vf);
      at.settle();

      expect(at.wire).toHaveLength(1);
    });

    it('leaves bits that ones clear', () => {
      const { at, vf } = running(mode);
      at.nic.injectReadFault('poisoned');
      send(vf);
      at.settle();

      at.nic.configWrite(1, STATUS, 2, 0xf900);
      at.nic.configWrite(1, DEVSTA, 2, 0x000f);

      expect(at.nic.configRead(1, STATUS, 2)).toBe(0x0010);
      expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0);
    });

    it('cannot fail in a way, or as often, as does not exist', () => {
      const { at } = running(mode);

      for (const kind of ['dropped', '', 'toString', undefined]) {
        expect(() => at.nic.injectReadFault(kind as 'lost')).toThrow(/unsupported, poisoned, lost/);
      }
      for (const count of [-1, 1.5, Number.NaN, 2 ** 32]) {
        expect(() => at.nic.injectReadFault('lost', count)).toThrow(/count = /);
      }
    });
  });

  describe('with the completion time-out disabled, a lost completion', () => {
    const waiting = (): ReturnType<typeof running> => {
      const world = running(mode);
      world.at.nic.configWrite(0, DEVCTL2, 2, TIMEOUT_DISABLE);
      world.at.nic.injectReadFault('lost');
      send(world.vf);
      world.at.settle();
      return world;
    };

    it('is waited for: Transactions Pending of this function alone', () => {
      const { at, vf } = waiting();

      expect(vf.needsReset).toBe(false);
      expect([0, 1, 2].map((fn) => at.nic.configRead(fn, DEVSTA, 2))).toEqual([0, PENDING, 0]);
      expect(at.nic.configRead(1, DEVSTA, 1)).toBe(PENDING);
      expect(at.nic.configRead(1, DEVSTA + 1, 1)).toBe(0);
      expect(at.nic.configRead(1, DEVCTL, 4)).toBe(PENDING * 0x10000);
      at.nic.configWrite(1, DEVSTA, 2, 0xffff); // read-only
      expect(at.nic.configRead(1, DEVSTA, 2)).toBe(PENDING);
    });

    it('is given up when it is enabled again', () => {
      const { at, vf } = waiting();

      at.nic.configWrite(0, DEVCTL2, 2, 0);
      at.settle();

      expect(vf.needsReset).toBe(true);
      expect(at.nic.counters()['completion_timeouts']).toBe(1);
      expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0x2);
    });

    it('is over with a function level reset, after which the function works', () => {
      const { at, vf } = waiting();

      at.nic.configWrite(1, DEVCTL, 2, INITIATE_FLR);
      expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0);
      at.nic.configWrite(1, COMMAND, 2, 0x0004);
      vf.enableMsix();
      vf.start();
      send(vf);
      at.settle();

      expect(at.wire).toHaveLength(1);
    });

    it('is not over with a device reset, after which the function works', () => {
      const { at, vf } = waiting();

      vf.start();
      send(vf);
      at.settle();

      expect(at.wire).toHaveLength(1);
      expect(at.nic.configRead(1, DEVSTA, 2)).toBe(PENDING);
    });
  });
});

describe('Transactions Pending', () => {
  // memory takes 2,000 cycles; a configuration access about 300
  it('is set while a read is under way, and clear when it is back', () => {
    const { at, vf } = running('timed', { 'host.read_latency_ns': 8000 });
    expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0);

    vf.notify(TX);
    at.nic.advance(at.nic.now() + 500);
    expect([0, 1, 2].map((fn) => at.nic.configRead(fn, DEVSTA, 2))).toEqual([0, PENDING, 0]);

    at.settle();
    expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0);
  });

  it('is clear once a function level reset has taken effect, though a completion is under way', () => {
    const { at, vf } = running('timed', { 'host.read_latency_ns': 8000 });
    vf.notify(TX);
    at.nic.advance(at.nic.now() + 500);

    at.nic.configWrite(1, DEVCTL, 2, INITIATE_FLR);

    expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0);
  });

  it('is clear after a time-out, though the completion is still to come', () => {
    const { at, vf } = running('timed', { 'host.read_latency_ns': 8000, 'link.completion_timeout_ns': 2000 });
    vf.notify(TX);

    at.nic.advance(at.nic.now() + 700); // 100 to the request, 500 to its end

    expect(at.nic.configRead(1, DEVSTA, 2)).toBe(0x2);
  });
});

describe('an Unsupported Request', () => {
  // a non-posted one is advisory, and correctable, because its completion says so (§6.2.3.2.4.1); a posted one is not
  it.each([0, 1])('of function %i is correctable for a read, non-fatal for a write', (fn) => {
    const { at } = running('functional');
    at.nic.configWrite(fn, 0x44, 2, 3); // D3hot: no memory decode

    at.nic.read(fn, 2, 0, 4);
    expect(at.nic.configRead(fn, DEVSTA, 2)).toBe(0x9);
    at.nic.configWrite(fn, DEVSTA, 2, 0xf);
    at.nic.write(fn, 2, 0, 4, 0);
    expect(at.nic.configRead(fn, DEVSTA, 2)).toBe(0xa);
  });
});
