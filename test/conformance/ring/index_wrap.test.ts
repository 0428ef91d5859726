// SPDX-License-Identifier: Apache-2.0
// Indices of a split ring near the end of their 16 bits: suppression of both sides and the check of the available index
// (virtio 1.4 §2.7.7, §2.7.10, §2.7.13.3) where the index that an event word is compared with has wrapped.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { readable } from './support/buffers.ts';
import { frame, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import type { RawRing } from '../../support/raw_ring.ts';
import { F, TX } from '../../support/registers.ts';

const SIZE = 256;
/** Where the runs begin: six buffers before the index is 0 again. */
const START = 65_530;

interface Wrapping {
  readonly fn: RawFunction;
  readonly ring: RawRing;
  /** Sends so many frames with one doorbell; how many messages came. */
  send(count?: number): number;
}

/** A transmit queue whose indices stand at START, without a message on the way there. */
function nearTheEnd(mode: (typeof MODES)[number], features: readonly number[]): () => Wrapping {
  let kept: { card: RawCard; fn: RawFunction; ring: RawRing; snapshot: Uint8Array } | undefined;
  return () => {
    if (kept === undefined) {
      const card = new RawCard({ mode, wire: 'discard', queueSize: SIZE });
      const fn = card.fn(0).enableMsix();
      fn.start({ features });
      const ring = fn.ring(TX);
      const [descriptor] = readable(fn, packet(frame(STRANGER, fn.mac)));
      for (let i = 0; i < SIZE; i++) ring.describe(i, descriptor!);
      for (let at = 0; at < START; at += SIZE) {
        const count = Math.min(SIZE, START - at);
        // never reached by what is used now
        ring.usedEvent = (at + 0x8000) & 0xffff;
        ring.availFlags = 1;
        ring.offer(...Array.from({ length: count }, (_, i) => i));
        fn.kick(TX);
      }
      ring.availFlags = 0;
      kept = { card, fn, ring, snapshot: card.nic.snapshot() };
    }
    const { card, fn, ring, snapshot } = kept;
    card.nic.restore(snapshot);
    card.messages.length = 0;
    ring.availIdx = START;
    const send = (count = 1): number => {
      const before = card.messages.length;
      ring.offer(...Array.from({ length: count }, (_, i) => i));
      fn.kick(TX);
      return card.messages.length - before;
    };
    return { fn, ring, send };
  };
}

describe.each(MODES)('%s, with EVENT_IDX', (mode) => {
  const start = nearTheEnd(mode, [F.EVENT_IDX]);

  describe(requirement('SPLIT-USEDNOTIF-05'), () => {
    it.each([
      [65_533, 3],
      [65_535, 5],
      [0, 6],
      [2, 8],
    ])('used_event %i: the notification comes with the entry of that index, and once', (usedEvent, nth) => {
      const { ring, send } = start();
      ring.usedEvent = usedEvent;

      const sent = Array.from({ length: 12 }, () => send());

      expect(sent).toEqual(Array.from({ length: 12 }, (_, i) => (i === nth ? 1 : 0)));
      expect(ring.usedIdx).toBe(6);
    });

    it.each([65_530, 65_535, 0, 3])('used_event %i is passed by ten entries in one go', (usedEvent) => {
      const { ring, send } = start();
      ring.usedEvent = usedEvent;

      expect(send(10)).toBe(1);
    });
  });

  describe(requirement('SPLIT-USEDNOTIF-06'), () => {
    it.each([65_529, 4, 5, 0x7fff])('used_event %i is not passed by ten entries from 65530 on', (usedEvent) => {
      const { ring, send } = start();
      ring.usedEvent = usedEvent;

      expect(send(10)).toBe(0);
    });
  });

  describe(requirement('SPLIT-AVAILNOTIF-04'), () => {
    it('at rest avail_event is the index of the next buffer', () => {
      const { ring, send } = start();
      ring.usedEvent = 0x4000;
      const events = Array.from({ length: 9 }, () => {
        send();
        return ring.availEvent;
      });

      expect(events).toEqual([65_531, 65_532, 65_533, 65_534, 65_535, 0, 1, 2, 3]);
    });
  });
});

describe.each(MODES)('%s, without EVENT_IDX', (mode) => {
  const start = nearTheEnd(mode, []);

  it('every doorbell has its notification, and none while the driver says so', () => {
    const { ring, send } = start();

    const loud = Array.from({ length: 4 }, () => send());
    ring.availFlags = 1;
    const quiet = Array.from({ length: 4 }, () => send());

    expect([...loud, ...quiet]).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
    expect(ring.usedIdx).toBe(2);
  });

  it(`the index may run ahead of the card's by the ${SIZE} entries of the ring, over the end`, () => {
    const { fn, ring, send } = start();

    send(SIZE);

    expect(ring.usedIdx).toBe((START + SIZE) & 0xffff);
    expect(fn.needsReset).toBe(false);
  });

  it(`an index that is ${SIZE + 1} ahead stops the device`, () => {
    const { fn, ring, send } = start();

    send(SIZE + 1);

    expect(fn.needsReset).toBe(true);
    expect(fn.counters['bad_avail_idx']).toBe(1);
    expect(ring.usedIdx).toBe(START);
  });

  it('an index behind the one before stops the device', () => {
    const { fn, ring } = start();

    ring.availIdx = START - 1;
    ring.offer();
    fn.kick(TX);

    expect(fn.needsReset).toBe(true);
  });
});
