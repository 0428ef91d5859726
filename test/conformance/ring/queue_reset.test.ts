// SPDX-License-Identifier: Apache-2.0
// Reset of one queue and its second life. virtio 1.4 §2.6.1 "Virtqueue Reset", registers queue_reset and queue_enable of
// §4.1.4.3.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { contents, readable, submit, writable } from './support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { F, R, RX, TX } from '../../support/registers.ts';

function resetQueue(fn: RawFunction, queue: number): void {
  fn.setQueue(queue, R.QUEUE_RESET, 1);
  for (let reads = 0; fn.queue(queue, R.QUEUE_RESET) !== 0; reads++) if (reads > 100) throw new Error('no end');
}

describe.each(MODES)('%s', (mode) => {
  function started(features: readonly number[] = []) {
    const card = new RawCard({ mode, queueSize: 32 });
    const fn = card.fn(0);
    fn.start({ features: [F.RING_RESET, ...features] });
    const send = (first = 0): void => submit(fn, TX, readable(fn, packet(frame(STRANGER, fn.mac))), first);
    return { card, fn, send };
  }

  describe(requirement('GEN-VQRESET-01'), () => {
    it('a transmit queue in reset takes nothing and notifies nothing', () => {
      const { card, fn, send } = started();
      send();
      const { dma_reads, dma_writes } = card.nic.counters();
      const used = fn.ring(TX).usedIdx;

      resetQueue(fn, TX);
      send(5);

      expect(card.wire).toHaveLength(1);
      expect(fn.ring(TX).usedIdx).toBe(used);
      expect(card.interrupts(0)).toHaveLength(1);
      expect(card.nic.counters()).toMatchObject({ dma_reads, dma_writes });
    });

    it('buffers of a receive queue in reset are not written; frames are dropped', () => {
      const { card, fn } = started();
      const buffers = writable(fn, 200);
      submit(fn, RX, buffers);

      resetQueue(fn, RX);
      card.arrive(frame(fn.mac, STRANGER));

      expect(contents(fn, buffers).every((byte) => byte === 0xee)).toBe(true);
      expect(fn.ring(RX).usedIdx).toBe(0);
      expect(card.messages).toEqual([]);
      expect(fn.counters['rx_drop_disabled']).toBe(1);
    });

    it.runIf(mode === 'timed')(
      'work under way is over when queue_reset reads 0: nothing is written or notified later',
      () => {
        for (let cycles = 0; cycles < 1200; cycles += 40) {
          const { card, fn } = started();
          const ring = fn.ring(TX);
          ring.offer(ring.chain(readable(fn, packet(frame(STRANGER, fn.mac)))));
          fn.notify(TX);
          card.nic.advance(card.nic.now() + cycles);
          resetQueue(fn, TX);
          const { usedIdx } = ring;
          const interrupts = card.messages.length;

          card.settle();

          expect([cycles, ring.usedIdx, card.messages.length]).toEqual([cycles, usedIdx, interrupts]);
        }
      },
    );
  });

  describe(requirement('GEN-VQRESET-02'), () => {
    it('registers of the queue hold their reset values again, those of its neighbour stay', () => {
      const { fn } = started();
      const { iovas } = fn.ring(RX);

      resetQueue(fn, TX);

      expect(fn.queue(TX, R.QUEUE_ENABLE)).toBe(0);
      expect(fn.queue(TX, R.QUEUE_SIZE)).toBe(32);
      expect(fn.queue(TX, R.QUEUE_MSIX_VECTOR)).toBe(0xffff);
      expect([0, 4, 8, 12, 16, 20].map((at) => fn.queue(TX, R.QUEUE_DESC + at, 4))).toEqual([0, 0, 0, 0, 0, 0]);
      expect(fn.queue(RX, R.QUEUE_ENABLE)).toBe(1);
      expect(fn.queue(RX, R.QUEUE_DESC, 4)).toBe(iovas.desc >>> 0);
      expect(fn.queue(RX, R.QUEUE_MSIX_VECTOR)).toBe(1);
    });

    it('enabled again over cleared rings, it starts at index 0', () => {
      const { card, fn, send } = started();
      for (let i = 0; i < 5; i++) send(i);

      resetQueue(fn, TX);
      const ring = fn.ring(TX);
      ring.clear();
      fn.addQueue(TX, { ring });
      send(9);

      expect(ring.usedSince(0)).toEqual([{ id: 9, len: 0 }]);
      expect(card.wire).toHaveLength(6);
    });

    it('avail_event starts over as well', () => {
      const { fn, send } = started([F.EVENT_IDX]);
      for (let i = 0; i < 5; i++) send(i);

      resetQueue(fn, TX);
      const ring = fn.ring(TX);
      ring.clear();
      fn.addQueue(TX, { ring });
      send(0);

      expect(ring.availEvent).toBe(1);
      expect(fn.card.interrupts(0, TX + 1)).toHaveLength(2); // used_event 0 was passed once in each life
    });
  });

  describe(requirement('GEN-VQREEN-01'), () => {
    it('a smaller ring elsewhere with another vector takes over', () => {
      const { card, fn, send } = started();
      for (let i = 0; i < 3; i++) send(i);
      const old = fn.ring(TX);

      resetQueue(fn, TX);
      const ring = fn.addQueue(TX, { size: 4, vector: 3 });
      for (let i = 0; i < 9; i++) send(i % 4);

      expect(ring.usedIdx).toBe(9);
      expect(ring.usedSince(5).map(({ id }) => id)).toEqual([1, 2, 3, 0]);
      expect(old.usedIdx).toBe(3);
      expect(card.interrupts(0, 2)).toHaveLength(3);
      expect(card.interrupts(0, 3)).toHaveLength(9);
    });

    it('a receive queue comes back and gets frames again', () => {
      const { card, fn } = started();
      submit(fn, RX, writable(fn, 200));

      resetQueue(fn, RX);
      fn.addQueue(RX, { size: 2 });
      submit(fn, RX, writable(fn, 200), 1);
      card.arrive(frame(fn.mac, STRANGER));

      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 1, len: HEADER + 60 }]);
    });

    it('the other queue of the pair works on throughout', () => {
      const { card, fn, send } = started();

      resetQueue(fn, RX);
      send();

      expect(card.wire).toHaveLength(1);
      expect(fn.needsReset).toBe(false);
    });
  });

  it('without RING_RESET a write to queue_reset does nothing', () => {
    const card = new RawCard({ mode, queueSize: 32 });
    const fn = card.fn(0);
    fn.start();

    fn.setQueue(TX, R.QUEUE_RESET, 1);
    submit(fn, TX, readable(fn, packet(frame(STRANGER, fn.mac))));

    expect(fn.queue(TX, R.QUEUE_ENABLE)).toBe(1);
    expect(card.wire).toHaveLength(1);
  });
});
