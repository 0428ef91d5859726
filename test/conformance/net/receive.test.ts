// SPDX-License-Identifier: Apache-2.0
// Packets in, without mergeable buffers: one buffer each, a clean header, and what happens where no buffer does.
// virtio 1.4 §5.1.6.3 "Setting Up Receive Buffers" and §5.1.6.4 "Processing of Incoming Packets".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, HEADER, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { Port } from './support/port.ts';

describe.each(MODES)('%s', (mode) => {
  function started() {
    const card = new RawCard({ mode, queueSize: 16 });
    const port = new Port(card, 0);
    return { card, port, arriving: (length = 60, seed = 1) => frame(port.mac, STRANGER, length, seed) };
  }

  describe(requirement('NET-RXBUF-02'), () => {
    it.each([14, 60, 61, 1000, 1514])('a frame of %i bytes takes one buffer', (length) => {
      const { card, port, arriving } = started();
      port.post([HEADER + 1518, HEADER + 1518]);

      card.arrive(arriving(length));

      expect(port.received()).toMatchObject([{ frame: arriving(length), lengths: [HEADER + length] }]);
    });

    it('a buffer that fits to the byte is enough', () => {
      const { card, port, arriving } = started();
      port.post([HEADER + 60]);

      card.arrive(arriving(60));

      expect(port.frames()).toEqual([arriving(60)]);
    });

    it('a buffer one byte short is not: the frame is dropped and counted, and never in part delivered', () => {
      const { card, port, arriving } = started();
      port.post([HEADER + 59, HEADER + 100]);

      card.arrive(arriving(60));

      expect(port.fn.counters['rx_drop_too_small']).toBe(1);
      expect(port.fn.counters['rx_frames']).toBe(0);
      expect(port.frames()).toEqual([]);
      expect(port.fn.needsReset).toBe(false);
    });
  });

  describe(requirement('NET-RX-01'), () => {
    it('num_buffers is 1', () => {
      const { card, port, arriving } = started();
      port.post([2000]);

      card.arrive(arriving());

      const [packet] = port.received();
      expect([packet!.header[10], packet!.header[11]]).toEqual([1, 0]);
    });
  });

  describe.each([
    [requirement('NET-RX-05'), 0],
    [requirement('NET-RX-12'), 0],
    [requirement('NET-RX-30'), 0],
  ])('%s', (_, offset) => {
    it('flags are 0', () => {
      const { card, port, arriving } = started();
      port.post([2000]);

      card.arrive(arriving());

      expect(port.received()[0]!.header[offset]).toBe(0);
    });
  });

  describe(requirement('NET-RX-26'), () => {
    it('gso_type is NONE, and hdr_len, gso_size, csum_start and csum_offset are 0', () => {
      const { card, port, arriving } = started();
      port.post([2000]);

      card.arrive(arriving());

      expect(port.received()[0]!.header.slice(1, 10)).toEqual(new Uint8Array(9));
    });
  });

  it('frames fill buffers in the order in which both came', () => {
    const { card, port, arriving } = started();
    port.post(Array.from({ length: 8 }, () => 200));

    for (let seed = 1; seed <= 8; seed++) card.arrive(arriving(60 + seed, seed));

    expect(port.frames()).toEqual(Array.from({ length: 8 }, (_, i) => arriving(61 + i, i + 1)));
    expect(port.fn.counters).toMatchObject({ rx_frames: 8, rx_bytes: 8 * 60 + 36 });
  });

  it('without a buffer frames are dropped and counted; the next buffer gets the next frame', () => {
    const { card, port, arriving } = started();
    card.arrive(arriving(60, 1));
    card.arrive(arriving(60, 2));

    port.post([200]);
    card.arrive(arriving(60, 3));
    card.arrive(arriving(60, 4));

    expect(port.frames()).toEqual([arriving(60, 3)]);
    expect(port.fn.counters).toMatchObject({ rx_drop_no_buffer: 3, rx_frames: 1 });
  });

  it('a dropped frame raises no interrupt', () => {
    const { card, arriving } = started();

    card.arrive(arriving());

    expect(card.messages).toEqual([]);
  });

  it('before DRIVER_OK a frame is dropped, as disabled or as for nobody, and buffers stay untouched', () => {
    const card = new RawCard({ mode, queueSize: 16 });
    const fn = card.fn(0);
    fn.reset();
    fn.negotiate([32, 33]);
    const ring = fn.addQueue(0);
    ring.describe(0, { addr: fn.space(200), len: 200, flags: 2 });
    ring.offer(0);

    card.arrive(frame(fn.mac, STRANGER));

    expect(fn.counters['rx_drop_disabled']! + card.nic.counters()['wire_rx_no_match']!).toBe(1);
    expect([ring.usedIdx, card.messages.length]).toEqual([0, 0]);
  });

  it('after a reset frames go nowhere', () => {
    const { card, port, arriving } = started();
    port.post([200]);
    const ring = port.fn.ring(0);

    port.fn.reset();
    card.arrive(arriving());

    expect(ring.usedIdx).toBe(0);
    expect(card.nic.counters()['dma_faults']).toBe(0);
  });
});
