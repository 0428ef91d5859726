// SPDX-License-Identifier: Apache-2.0
// What the device reads and what it writes. The memory is mapped so that any access in the wrong direction faults.
// virtio 1.4 §2.7.5 "The Virtqueue Descriptor Table".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { readable, submit } from './support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { RawRing, WRITE } from '../../support/raw_ring.ts';
import { F, RX, TX } from '../../support/registers.ts';

describe.each(MODES)('%s', (mode) => {
  function started(features: readonly number[] = []) {
    const card = new RawCard({ mode, queueSize: 16 });
    const fn = card.fn(0);
    const page = fn.memory.iova(fn.memory.alloc(4096, 4096));
    fn.start({ features });
    return { card, fn, page };
  }

  describe(requirement('SPLIT-DESC-01'), () => {
    it('a packet is sent from memory that cannot be written', () => {
      const { card, fn, page } = started();
      const sent = frame(STRANGER, fn.mac, 100);
      fn.memory.u8.set(packet(sent), page - fn.memory.iova(0));
      fn.protect(page, 4096, { write: false });

      submit(fn, TX, [{ addr: page, len: HEADER + 100 }]);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(card.nic.counters()['dma_faults']).toBe(0);
    });
  });

  describe(requirement('SPLIT-DESC-02'), () => {
    it.each([
      ['without', []],
      ['with', [F.MRG_RXBUF]],
    ])('a frame is received into memory that cannot be read, %s mergeable buffers', (_, features) => {
      const { card, fn, page } = started(features);
      fn.protect(page, 4096, { read: false });
      submit(fn, RX, [{ addr: page, len: 200, flags: WRITE }]);
      const sent = frame(fn.mac, STRANGER, 100);

      card.arrive(sent);

      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 0, len: HEADER + 100 }]);
      expect(fn.bytesAt(page + HEADER, 100)).toEqual(sent);
      expect(card.nic.counters()['dma_faults']).toBe(0);
    });
  });

  describe(requirement('SPLIT-DESC-04'), () => {
    it.each([
      ['without', []],
      ['with', [F.EVENT_IDX]],
    ])('descriptor table and available ring may lie in memory that cannot be written, %s EVENT_IDX', (_, features) => {
      const { card, fn } = started(features);
      const page = fn.memory.alloc(4096, 4096);
      const used = fn.memory.alloc(4096, 4096);
      const ring = new RawRing(fn.memory, 16, { desc: page, avail: page + 256, used });
      fn.start({ features, queues: { 1: { ring } } });
      ring.chain(readable(fn, packet(frame(STRANGER, fn.mac))));
      ring.offer(0);
      fn.protect(fn.memory.iova(page), 4096, { write: false });

      fn.kick(TX);

      expect(ring.usedSince(0)).toEqual([{ id: 0, len: 0 }]);
      expect(card.nic.counters()['dma_faults']).toBe(0);
    });

    it('the used ring may lie in memory that cannot be read', () => {
      const { card, fn, page } = started();
      const used = page - fn.memory.iova(0);
      const ring = new RawRing(fn.memory, 16, { desc: fn.memory.alloc(256, 16), avail: fn.memory.alloc(38, 2), used });
      fn.start({ queues: { 1: { ring } } });
      fn.protect(page, 4096, { read: false });

      submit(fn, TX, readable(fn, packet(frame(STRANGER, fn.mac))));

      expect(ring.usedSince(0)).toEqual([{ id: 0, len: 0 }]);
      expect(card.nic.counters()['dma_faults']).toBe(0);
    });
  });

  describe('buffers across the border of two mappings', () => {
    /** Two pages that follow each other at the device and lie the other way round in memory. */
    function swapped() {
      const { card, fn } = started();
      const at = fn.memory.alloc(3 * 4096, 4096); // the page between them stays unmapped
      const base = fn.memory.iova(0);
      const window = base - 0x1_0000_0000;
      fn.ioas.unmap(base, fn.memory.size);
      fn.ioas.map(base, at, window);
      const iova = base + at;
      fn.ioas.map(iova, 4096, window + at + 2 * 4096);
      fn.ioas.map(iova + 4096, 4096, window + at);
      return { card, fn, border: iova + 4096, first: at + 2 * 4096, second: at };
    }

    it.each([1, 11, 12, 13, 50, 99, 111])('a packet with %i bytes before the border is sent whole', (before) => {
      const { card, fn, border, first, second } = swapped();
      const sent = frame(STRANGER, fn.mac, 100);
      const whole = packet(sent);
      fn.memory.u8.set(whole.slice(0, before), first + 4096 - before);
      fn.memory.u8.set(whole.slice(before), second);

      submit(fn, TX, [{ addr: border - before, len: whole.length }]);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(card.nic.counters()['dma_faults']).toBe(0);
    });

    it.each([1, 11, 12, 13, 50, 99, 111])('a frame is received around %i bytes before the border', (before) => {
      const { card, fn, border, first, second } = swapped();
      const arriving = frame(fn.mac, STRANGER, 100);
      submit(fn, RX, [{ addr: border - before, len: 200, flags: WRITE }]);

      card.arrive(arriving);

      const got = [
        ...fn.memory.u8.slice(first + 4096 - before, first + 4096),
        ...fn.memory.u8.slice(second, second + 200),
      ];
      expect(Uint8Array.from(got.slice(HEADER, HEADER + 100))).toEqual(arriving);
      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 0, len: HEADER + 100 }]);
      expect(card.nic.counters()['dma_faults']).toBe(0);
    });
  });

  it('bytes around a receive buffer and behind the used length stay as they were', () => {
    const { card, fn } = started();
    const around = fn.space(400);
    submit(fn, RX, [{ addr: around + 100, len: 200, flags: WRITE }]);

    card.arrive(frame(fn.mac, STRANGER, 60));

    expect(fn.bytesAt(around, 100).every((byte) => byte === 0xee)).toBe(true);
    expect(fn.bytesAt(around + 100 + HEADER + 60, 228).every((byte) => byte === 0xee)).toBe(true);
  });

  it('transmit buffers hold after use what they held before', () => {
    const { fn } = started();
    const sent = packet(frame(STRANGER, fn.mac, 300));
    const descriptors = readable(fn, sent.slice(0, 50), sent.slice(50));

    submit(fn, TX, descriptors);

    expect(fn.bytesAt(descriptors[0]!.addr, 50)).toEqual(sent.slice(0, 50));
    expect(fn.bytesAt(descriptors[1]!.addr, sent.length - 50)).toEqual(sent.slice(50));
  });
});
