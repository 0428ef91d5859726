// SPDX-License-Identifier: Apache-2.0
// When used buffers are notified. virtio 1.4 §2.7.7 "Used Buffer Notification Suppression", both with the flag and with
// used_event, and the race that the rule protects: a driver that asks for notifications while a buffer is in work.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { readable, submit, writable } from './support/buffers.ts';
import { frame, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F, RX, TX } from '../../support/registers.ts';
import { NO_INTERRUPT } from '../../support/raw_ring.ts';

const TX_VECTOR = 2;

function started(mode: 'functional' | 'timed', features: readonly number[] = []) {
  const card = new RawCard({ mode, queueSize: 16 });
  const fn = card.fn(0);
  fn.start({ features });
  const [descriptor] = readable(fn, packet(frame(STRANGER, fn.mac)));
  const ring = fn.ring(TX);
  for (let i = 0; i < 16; i++) ring.describe(i, descriptor!);
  let next = 0;
  const send = (count = 1): void => {
    ring.offer(...Array.from({ length: count }, () => next++ % 16));
    fn.kick(TX);
  };
  return { card, fn, ring, send, sent: () => card.interrupts(0, TX_VECTOR).length };
}

describe.each(MODES)('%s, without EVENT_IDX', (mode) => {
  describe(requirement('SPLIT-USEDNOTIF-01'), () => {
    it.each([0, 1, 5, 0x7fff, 0xffff])('used_event %i changes nothing', (usedEvent) => {
      const { ring, send, sent } = started(mode);
      ring.usedEvent = usedEvent;

      send();
      send();

      expect(sent()).toBe(2);
    });
  });

  describe(requirement('SPLIT-USEDNOTIF-02'), () => {
    it('flags 1 silence the queue, on transmit as on receive', () => {
      const { card, fn, ring, send } = started(mode);
      ring.availFlags = NO_INTERRUPT;
      fn.ring(RX).availFlags = NO_INTERRUPT;
      submit(fn, RX, writable(fn, 200));

      send();
      card.arrive(frame(fn.mac, STRANGER));

      expect([ring.usedIdx, fn.ring(RX).usedIdx]).toEqual([1, 1]);
      expect(card.messages).toEqual([]);
    });
  });

  describe(requirement('SPLIT-USEDNOTIF-03'), () => {
    it('flags 0 give a notification after every entry that is settled by itself', () => {
      const { send, sent } = started(mode);

      for (let i = 1; i <= 5; i++) {
        send();
        expect(sent()).toBe(i);
      }
    });

    it('the last notification comes with or after the last of several entries', () => {
      const { card, ring, send } = started(mode);
      const seen: number[] = [];
      card.nic.onVector(0, TX_VECTOR, () => seen.push(ring.usedIdx));

      send(10);

      expect(seen.at(-1)).toBe(10);
    });

    it('flags that go from 1 to 0 take effect', () => {
      const { ring, send, sent } = started(mode);
      ring.availFlags = NO_INTERRUPT;
      send();
      ring.availFlags = 0;

      send();

      expect(sent()).toBe(1);
    });
  });
});

describe.each(MODES)('%s, with EVENT_IDX', (mode) => {
  describe(requirement('SPLIT-USEDNOTIF-04'), () => {
    it('NO_INTERRUPT is disregarded', () => {
      const { ring, send, sent } = started(mode, [F.EVENT_IDX]);
      ring.availFlags = NO_INTERRUPT;
      ring.usedEvent = 0;

      send();

      expect(sent()).toBe(1);
    });
  });

  describe(requirement('SPLIT-USEDNOTIF-05'), () => {
    it.each([0, 1, 4, 9])('used_event %i: the notification comes when the index passes it, and once', (usedEvent) => {
      const { ring, send, sent } = started(mode, [F.EVENT_IDX]);
      ring.usedEvent = usedEvent;
      const after: number[] = [];

      for (let i = 0; i < 12; i++) {
        send();
        after.push(sent());
      }

      expect(after).toEqual(Array.from({ length: 12 }, (_, i) => (i >= usedEvent ? 1 : 0)));
    });

    it('used_event is passed in the middle of several entries as well', () => {
      const { ring, send, sent } = started(mode, [F.EVENT_IDX]);
      ring.usedEvent = 6;

      send(10);

      expect(sent()).toBe(1);
    });
  });

  describe(requirement('SPLIT-USEDNOTIF-06'), () => {
    it.each([3, 0x8000, 0xffff])('used_event %i is not reached by three entries', (usedEvent) => {
      const { ring, send, sent } = started(mode, [F.EVENT_IDX]);
      ring.usedEvent = usedEvent;

      send(2);
      send();

      expect(ring.usedIdx).toBe(3);
      expect(sent()).toBe(0);
    });

    it('a driver that moves used_event on is notified for each entry', () => {
      const { ring, send, sent } = started(mode, [F.EVENT_IDX]);

      for (let i = 0; i < 5; i++) {
        ring.usedEvent = i;
        send();
      }

      expect(sent()).toBe(5);
    });
  });
});

describe('a driver that asks for notifications while a buffer is in work', () => {
  /** Cycles behind the doorbell at which it asks, finds nothing used, and is not notified either. */
  function unheard(hasEventIdx: boolean): number[] {
    const { card, fn, ring, sent } = started('timed', hasEventIdx ? [F.EVENT_IDX] : []);
    const lost: number[] = [];
    for (let cycles = 0; cycles < 1500; cycles++) {
      const idx = ring.availIdx;
      const before = sent();
      if (hasEventIdx) ring.usedEvent = (idx - 1) & 0xffff;
      else ring.availFlags = NO_INTERRUPT;
      ring.offer(cycles % 16);
      fn.notify(TX);
      card.nic.advance(card.nic.now() + cycles);
      if (hasEventIdx) ring.usedEvent = idx;
      else ring.availFlags = 0;
      const mustWait = ring.usedIdx === idx;
      card.settle();
      if (mustWait && sent() === before) lost.push(cycles);
    }
    expect(ring.usedIdx).toBe(1500);
    return lost;
  }

  it.each([
    ['flags', false],
    ['used_event', true],
  ])('by %s is notified, whatever the cycle in which it asks', (_, hasEventIdx) => {
    expect(unheard(hasEventIdx)).toEqual([]);
  });
});
