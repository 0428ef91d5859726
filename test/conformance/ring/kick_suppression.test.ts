// SPDX-License-Identifier: Apache-2.0
// Available buffer notifications: the device's side of their suppression, and doorbells that were not needed.
// virtio 1.4 §2.7.10 "Available Buffer Notification Suppression".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { readable, submit, writable } from './support/buffers.ts';
import { frame, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { F, R, RX, TX } from '../../support/registers.ts';

/** The rule by which a driver with EVENT_IDX decides: has the index passed `event` on its way from `old` to `now`? */
function needsEvent(event: number, now: number, old: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
}

function started(mode: 'functional' | 'timed', features: readonly number[] = []) {
  const card = new RawCard({ mode, queueSize: 16 });
  const fn = card.fn(0);
  fn.start({ features });
  const [descriptor] = readable(fn, packet(frame(STRANGER, fn.mac)));
  for (let i = 0; i < 16; i++) fn.ring(TX).describe(i, descriptor!);
  return { card, fn, ring: fn.ring(TX) };
}

describe.each(MODES)('%s, without EVENT_IDX', (mode) => {
  describe(requirement('SPLIT-AVAILNOTIF-01'), () => {
    it('used flags are 0 or 1 all the time, and 0 at rest', () => {
      const { card, fn, ring } = started(mode);
      const seen = new Set<number>();

      for (let round = 0; round < 4; round++) {
        ring.offer(0, 1, 2);
        fn.notify(TX);
        for (let step = 0; step < 200; step++) {
          card.nic.advance(card.nic.now() + 10);
          seen.add(ring.usedFlags);
        }
        card.settle();
        expect(ring.usedFlags).toBe(0);
      }

      expect([...seen].every((flags) => flags === 0 || flags === 1)).toBe(true);
    });
  });

  it('the word behind the used ring, avail_event, is left alone', () => {
    const { fn, ring } = started(mode);
    const word = (ring.places.used + 4 + 8 * 16) >> 1;
    fn.memory.u16[word] = 0x5a5a;

    ring.offer(0, 1, 2);
    fn.kick(TX);

    expect(ring.usedIdx).toBe(3);
    expect(ring.availEvent).toBe(0x5a5a);
  });
});

describe.each(MODES)('%s, with EVENT_IDX', (mode) => {
  describe(requirement('SPLIT-AVAILNOTIF-03'), () => {
    it('used flags stay 0 under load', () => {
      const { card, fn, ring } = started(mode, [F.EVENT_IDX]);
      const seen = new Set<number>();

      for (let round = 0; round < 4; round++) {
        ring.offer(0, 1, 2);
        fn.notify(TX);
        for (let step = 0; step < 200; step++) {
          card.nic.advance(card.nic.now() + 10);
          seen.add(ring.usedFlags);
        }
        card.settle();
      }

      expect([...seen]).toEqual([0]);
    });
  });

  describe(requirement('SPLIT-AVAILNOTIF-04'), () => {
    it('at rest avail_event asks for a doorbell with the next buffer', () => {
      const { fn, ring } = started(mode, [F.EVENT_IDX]);

      for (let round = 0; round < 40; round++) {
        const old = ring.availIdx;
        ring.offer(round % 16);
        expect(needsEvent(ring.availEvent, ring.availIdx, old)).toBe(true);
        fn.kick(TX);
        expect(ring.usedIdx).toBe(ring.availIdx);
      }
    });

    it.each(['the device', 'the queue'])(
      'after a reset of %s, avail_event is written before the queue rests',
      (which) => {
        const { fn } = started(mode, [F.EVENT_IDX, F.RING_RESET]);
        fn.kick(TX); // nothing is there: the card asks for the first buffer

        if (which === 'the device') {
          fn.start({ features: [F.EVENT_IDX, F.RING_RESET] });
        } else {
          fn.setQueue(TX, R.QUEUE_RESET, 1);
          fn.addQueue(TX, { size: 16 });
        }
        const ring = fn.ring(TX);
        const word = (ring.places.used + 4 + 8 * ring.size) >> 1;
        fn.memory.u16[word] = 0x5a5a; // what the driver's memory held before
        fn.kick(TX);

        expect(ring.availEvent).toBe(0);
      },
    );

    it('a driver that rings only when avail_event says so has every buffer used', () => {
      const { card, fn, ring } = started(mode, [F.EVENT_IDX]);
      let doorbells = 0;

      for (let sent = 0; sent < 300; sent++) {
        while (((ring.availIdx - ring.usedIdx) & 0xffff) === 16) card.nic.advance(card.nic.now() + 50);
        const old = ring.availIdx;
        ring.offer(sent % 16);
        if (needsEvent(ring.availEvent, ring.availIdx, old)) {
          fn.notify(TX);
          doorbells++;
        }
        card.nic.advance(card.nic.now() + ((sent * 37) % 211));
      }
      card.settle();

      expect(ring.usedIdx).toBe(300);
      expect(card.wire).toHaveLength(300);
      expect(doorbells).toBeGreaterThan(0);
    });
  });
});

describe('a buffer offered while another is in work', () => {
  it('is found without a doorbell where avail_event asks for none, whatever the cycle', () => {
    const { card, fn, ring } = started('timed', [F.EVENT_IDX]);
    const stuck: number[] = [];

    for (let cycles = 0; cycles < 1500; cycles++) {
      ring.offer((2 * cycles) % 16);
      fn.notify(TX);
      card.nic.advance(card.nic.now() + cycles);
      const old = ring.availIdx;
      ring.offer((2 * cycles + 1) % 16);
      if (needsEvent(ring.availEvent, ring.availIdx, old)) fn.notify(TX);
      card.settle();
      if (ring.usedIdx !== ring.availIdx) stuck.push(cycles);
    }

    expect(stuck).toEqual([]);
    expect(card.wire).toHaveLength(3000);
  });
});

describe(requirement('SPLIT-AVAILNOTIF-05'), () => {
  describe.each(MODES)('%s', (mode) => {
    /** The queues' state as the driver sees it. */
    function view(fn: RawFunction): unknown {
      return { status: fn.status, used: [...fn.rings.values()].map(({ usedIdx }) => usedIdx) };
    }

    it('doorbells of an empty queue do nothing', () => {
      const { card, fn } = started(mode);
      const before = view(fn);

      for (let i = 0; i < 20; i++) fn.notify(TX);
      for (let i = 0; i < 20; i++) fn.notify(RX);
      card.settle();

      expect(view(fn)).toEqual(before);
      expect(card.messages).toEqual([]);
    });

    it('repeated doorbells of a busy queue use each buffer once', () => {
      const { card, fn, ring } = started(mode);

      for (let i = 0; i < 5; i++) {
        ring.offer(i);
        for (let times = 0; times < 7; times++) fn.notify(TX);
      }
      card.settle();

      expect(ring.usedSince(0).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
      expect(card.wire).toHaveLength(5);
    });

    it('doorbells of queues that are not set up are counted and ignored', () => {
      const { card, fn } = started(mode);
      const before = fn.counters['doorbells_ignored']!;

      for (const queue of [2, 3, 17, 200, 1023]) fn.notify(queue);
      card.settle();

      expect(fn.counters['doorbells_ignored']! - before).toBe(5);
      expect(fn.needsReset).toBe(false);
      submit(fn, TX, readable(fn, packet(frame(STRANGER, fn.mac))));
      expect(card.wire).toHaveLength(1);
    });
  });
});

describe.each(MODES)('%s, receive', (mode) => {
  it('buffers that were offered without a doorbell are found with the next one', () => {
    const { card, fn } = started(mode);
    fn.ring(RX).offer(fn.ring(RX).chain(writable(fn, 200), 0), fn.ring(RX).chain(writable(fn, 200), 1));
    submit(fn, RX, writable(fn, 200), 2);

    for (let i = 0; i < 3; i++) card.arrive(frame(fn.mac, STRANGER));

    expect(
      fn
        .ring(RX)
        .usedSince(0)
        .map(({ id }) => id),
    ).toEqual([0, 1, 2]);
  });
});
