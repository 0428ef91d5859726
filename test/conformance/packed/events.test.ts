// SPDX-License-Identifier: Apache-2.0
// Event suppression of packed virtqueues, both ways: virtio 1.4 §2.8.10, with flags ENABLE (0), DISABLE (1), DESC (2) and the
// reserved 3, which leaves notifications on (AMB-27).
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { EVENT, type Where } from '../../support/raw_packed_ring.ts';
import { PackedFunction, RX_VECTOR, TX, TX_VECTOR } from './support/packed_queues.ts';

const SIZE = 5;

function started(mode: 'functional' | 'timed', features: readonly number[] = [], size = SIZE) {
  const at = new PackedFunction({ mode, size, features });
  const buffer = at.parts(at.frame());
  let next = 0;
  const send = (count = 1): void => {
    for (let n = 0; n < count; n++) at.tx.offer(next++, buffer);
    at.fn.kick(TX);
    at.tx.takeUsed();
  };
  return { at, send, sent: () => at.card.interrupts(0, TX_VECTOR).length };
}

describe.each(MODES)('%s', (mode) => {
  describe.each([[[]], [[F.EVENT_IDX]]])('features %j', (features) => {
    it.each([
      ['ENABLE', EVENT.ENABLE, 4],
      ['DISABLE', EVENT.DISABLE, 0],
      ['the reserved value', EVENT.RESERVED, 4],
    ])('%s', (_, flags, notified) => {
      const { at, send, sent } = started(mode, features);
      at.tx.setDriverEvent(flags, { slot: 3, wrap: 1 });

      for (let n = 0; n < 4; n++) send();

      expect(sent()).toBe(notified);
      expect(at.sent).toHaveLength(4);
    });

    it('DISABLE silences receive queues, and ENABLE afterwards takes effect', () => {
      const { at } = started(mode, features);
      at.rx.setDriverEvent(EVENT.DISABLE);
      for (let id = 0; id < 3; id++) at.rx.offer(id, at.room(200));
      at.card.arrive(frame(macOf(0), STRANGER));
      expect(at.card.interrupts(0, RX_VECTOR)).toEqual([]);

      at.rx.setDriverEvent(EVENT.ENABLE);
      at.card.arrive(frame(macOf(0), STRANGER));

      expect(at.card.interrupts(0, RX_VECTOR)).toHaveLength(1);
    });
  });

  it('DESC without EVENT_IDX leaves notifications on', () => {
    const { at, send, sent } = started(mode);
    at.tx.setDriverEvent(EVENT.DESC, { slot: 3, wrap: 0 });

    for (let n = 0; n < 4; n++) send();

    expect(sent()).toBe(4);
  });

  describe('DESC with EVENT_IDX', () => {
    /** Descriptor n of all that are ever used. */
    const place = (n: number): Where => ({ slot: n % SIZE, wrap: Math.floor(n / SIZE) % 2 === 0 ? 1 : 0 });

    it.each([0, 1, 4, 5, 7, 9])('the notification comes when descriptor %i is used, and once', (event) => {
      const { at, send, sent } = started(mode, [F.EVENT_IDX]);
      at.tx.setDriverEvent(EVENT.DESC, place(event));
      const after: number[] = [];

      for (let n = 0; n < 10; n++) {
        // an event further than a ring away is one that is past: a driver asks for it when it is near
        if (event - n >= SIZE) at.tx.setDriverEvent(EVENT.DISABLE);
        else at.tx.setDriverEvent(EVENT.DESC, place(event));
        send();
        after.push(sent());
        if (n - event >= SIZE - 1) break;
      }

      expect(after).toEqual(after.map((_, n) => (n >= event ? 1 : 0)));
      expect(sent()).toBe(1);
    });

    it('an event among several that are shown together gives one notification', () => {
      const { at, send, sent } = started(mode, [F.EVENT_IDX]);
      at.tx.setDriverEvent(EVENT.DESC, place(2));

      send(4);

      expect(sent()).toBe(1);
    });

    it('an event that is not reached gives none, that which is next included', () => {
      const { at, send, sent } = started(mode, [F.EVENT_IDX]);
      at.tx.setDriverEvent(EVENT.DESC, place(3));

      send(3);

      expect(sent()).toBe(0);
    });

    it('a driver that moves the event on is notified of each, round after round', () => {
      const { at, send, sent } = started(mode, [F.EVENT_IDX]);

      for (let n = 0; n < 4 * SIZE; n++) {
        at.tx.setDriverEvent(EVENT.DESC, place(n));
        send();
        expect(sent()).toBe(n + 1);
      }
    });

    it('an event at a descriptor within a list is passed with the list', () => {
      const { at, sent } = started(mode, [F.EVENT_IDX], 8);
      at.tx.setDriverEvent(EVENT.DESC, { slot: 2, wrap: 1 });
      at.tx.offer(0, at.parts(at.frame(), 12, 20));

      at.fn.kick(TX);

      expect(sent()).toBe(1); // three descriptors: offset 2 lies among them
    });

    it('an offset beyond the ring is never reached', () => {
      const { at, send, sent } = started(mode, [F.EVENT_IDX]);
      at.tx.setDriverEvent(EVENT.DESC, { slot: SIZE, wrap: 1 });

      for (let n = 0; n < 12; n++) send();

      expect(sent()).toBe(0);
    });
  });

  describe(requirement('PACKED-TEXT-02'), () => {
    it('with EVENT_IDX the device asks for a doorbell with the descriptor that comes next', () => {
      const { at, send } = started(mode, [F.EVENT_IDX]);
      const asked: unknown[] = [];

      for (let n = 0; n < 7; n++) {
        send();
        asked.push(at.tx.deviceEvent);
      }

      expect(asked).toEqual(
        [1, 2, 3, 4, 5, 6, 7].map((n) => ({ flags: EVENT.DESC, slot: n % SIZE, wrap: n < SIZE ? 1 : 0 })),
      );
    });

    it('without EVENT_IDX the device area is left alone', () => {
      const { at, send } = started(mode);
      at.fn.memory.u32[at.tx.places.device >> 2] = 0x5a5a0000;

      send(3);

      expect(at.fn.memory.u32[at.tx.places.device >> 2]).toBe(0x5a5a0000);
    });
  });
});

describe('a driver that asks for notifications while a buffer is in work', () => {
  it.each([
    ['by ENABLE', []],
    ['by DESC', [F.EVENT_IDX]],
  ])('%s is notified, whatever the cycle in which it asks', (_, features) => {
    const { at, sent } = started('timed', features);
    const buffer = at.parts(at.frame());
    const lost: number[] = [];
    for (let cycles = 0; cycles < 1500; cycles++) {
      const before = sent();
      at.tx.setDriverEvent(EVENT.DISABLE);
      at.tx.offer(cycles, buffer);
      at.fn.notify(TX);
      at.card.nic.advance(at.card.nic.now() + cycles);
      at.tx.setDriverEvent(features.length === 0 ? EVENT.ENABLE : EVENT.DESC, at.tx.used);
      const mustWait = at.tx.takeUsed().length === 0;
      at.card.settle();
      if (mustWait && sent() === before) lost.push(cycles);
      at.tx.takeUsed();
    }

    expect(lost).toEqual([]);
    expect(at.sent).toHaveLength(1500);
  });
});

describe('a driver that trusts the device with doorbells', () => {
  it('never waits in vain, whatever the cycle in which it adds a buffer', () => {
    const { at } = started('timed', [F.EVENT_IDX], 4);
    const buffer = at.parts(at.frame());
    const rang = new Set<boolean>();
    for (let cycles = 0; cycles < 1500; cycles++) {
      for (let n = 0; n < 2; n++) {
        const place = at.tx.avail;
        at.tx.offer(2 * cycles + n, buffer);
        const { flags, slot, wrap } = at.tx.deviceEvent;
        const isWanted = flags !== EVENT.DESC ? flags !== EVENT.DISABLE : slot === place.slot && wrap === place.wrap;
        if (isWanted) at.fn.notify(TX);
        rang.add(isWanted);
        if (n === 0) at.card.nic.advance(at.card.nic.now() + cycles);
      }
      at.card.settle();
      if (at.tx.takeUsed().length !== 2) throw new Error(`stuck after ${cycles} cycles`);
    }

    expect(at.sent).toHaveLength(3000);
    expect(rang).toEqual(new Set([true, false]));
  });
});
