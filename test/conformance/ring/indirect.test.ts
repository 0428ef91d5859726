// SPDX-License-Identifier: Apache-2.0
// Indirect descriptor tables. virtio 1.4 §2.7.5.3 "Indirect Descriptors".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { contents, cut, indirect, readable, submit, writable } from './support/buffers.ts';
import { frame, HEADER, packet, STRANGER } from './support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F, RX, TX } from '../../support/registers.ts';
import { NEXT, WRITE, type Descriptor } from '../../support/raw_ring.ts';

describe.each(MODES)('%s', (mode) => {
  function started(queueSize = 64) {
    const card = new RawCard({ mode, queueSize });
    const fn = card.fn(0);
    fn.start({ features: [F.INDIRECT_DESC] });
    const sent = frame(STRANGER, fn.mac, 100);
    return { card, fn, sent };
  }

  it('a packet in a table of its own leaves as a frame', () => {
    const { card, fn, sent } = started();

    submit(fn, TX, [indirect(fn, readable(fn, ...cut(packet(sent), HEADER, 40)))], 9);

    expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
    expect(fn.ring(TX).usedSince(0)).toEqual([{ id: 9, len: 0 }]);
  });

  it('a receive buffer in a table is filled', () => {
    const { card, fn } = started();
    const buffers = writable(fn, HEADER, 50, 60);
    submit(fn, RX, [indirect(fn, buffers)], 4);
    const arriving = frame(fn.mac, STRANGER, 100);

    card.arrive(arriving);

    expect(contents(fn, buffers).slice(HEADER, HEADER + 100)).toEqual(arriving);
    expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 4, len: HEADER + 100 }]);
  });

  describe('DESC-SPLIT-03 a table is walked from entry 0 along next', () => {
    it('entries in another order than their links are followed by the links', () => {
      const { card, fn, sent } = started();
      const [a, b, c] = readable(fn, ...cut(packet(sent), 30, 70));
      const entries: Descriptor[] = [
        { ...a!, flags: NEXT, next: 3 },
        c!,
        { addr: 0, len: 0xffff_ffff },
        { ...b!, flags: NEXT, next: 1 },
      ];

      submit(fn, TX, [indirect(fn, entries, true)]);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
    });

    it('entries behind the one without NEXT are not looked at', () => {
      const { card, fn, sent } = started();
      const entries = [...readable(fn, packet(sent)), { addr: 0, len: 5, flags: 0xffff, next: 0xffff }];

      submit(fn, TX, [indirect(fn, entries, true)]);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(fn.needsReset).toBe(false);
    });

    it('the next field of the indirect descriptor itself means nothing', () => {
      const { card, fn, sent } = started();

      submit(fn, TX, [{ ...indirect(fn, readable(fn, packet(sent))), next: 0xffff }]);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
    });
  });

  describe(requirement('SPLIT-INDIR-01'), () => {
    it.each([
      ['set', WRITE],
      ['clear', 0],
    ])('with WRITE %s on the indirect descriptor a packet is sent', (_, write) => {
      const { card, fn, sent } = started();
      const table = indirect(fn, readable(fn, packet(sent)));

      submit(fn, TX, [{ ...table, flags: table.flags! | write }]);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(fn.needsReset).toBe(false);
    });

    it.each([
      ['set', WRITE],
      ['clear', 0],
    ])('with WRITE %s on the indirect descriptor a frame is received', (_, write) => {
      const { card, fn } = started();
      const table = indirect(fn, writable(fn, 200));
      submit(fn, RX, [{ ...table, flags: table.flags! | write }]);

      card.arrive(frame(fn.mac, STRANGER, 100));

      expect(fn.ring(RX).usedSince(0)).toEqual([{ id: 0, len: HEADER + 100 }]);
    });
  });

  describe(requirement('SPLIT-INDIR-02'), () => {
    it.each([1, 2, 5])('%i direct descriptors may stand before the indirect one', (direct) => {
      const { card, fn, sent } = started();
      const whole = packet(sent);
      const edges = Array.from({ length: direct }, (_, i) => 6 * (i + 1));
      const parts = cut(whole, ...edges);
      const table = indirect(fn, readable(fn, ...cut(parts.at(-1)!, 20)));

      submit(fn, TX, [...readable(fn, ...parts.slice(0, -1)), table], 10);

      expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      expect(fn.ring(TX).usedSince(0)).toEqual([{ id: 10, len: 0 }]);
    });

    it('direct writable descriptors may stand before an indirect table of writable ones', () => {
      const { card, fn } = started();
      const direct = writable(fn, HEADER, 10);
      const rest = writable(fn, 40, 60);
      submit(fn, RX, [...direct, indirect(fn, rest)], 2);
      const arriving = frame(fn.mac, STRANGER, 100);

      card.arrive(arriving);

      expect(contents(fn, [...direct, ...rest]).slice(HEADER, HEADER + 100)).toEqual(arriving);
    });
  });

  it('a table may cross a page and hold as many entries as the queue', () => {
    const { card, fn, sent } = started();
    const whole = packet(sent); // 112 bytes: 63 pieces of one, then the rest
    const pieces = readable(fn, ...cut(whole, ...Array.from({ length: 63 }, (_, i) => i + 1)));
    const at = fn.memory.alloc(8192, 4096) + 4096 - 16 * 30; // thirty entries on one page, 34 on the next
    fn.memory.alloc(4096, 4096);
    const { addr } = indirect(fn, pieces);
    fn.memory.u8.set(fn.bytesAt(addr, 16 * 64), at);

    submit(fn, TX, [{ addr: fn.memory.iova(at), len: 16 * 64, flags: 4 }]);

    expect(pieces).toHaveLength(64);
    expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
  });

  it('a table of 256 entries serves a queue of 256', () => {
    const { card, fn } = started(256);
    const sent = frame(STRANGER, fn.mac, 1000);
    const whole = packet(sent); // 255 pieces of 3, then 247 bytes
    const pieces = readable(fn, ...cut(whole, ...Array.from({ length: 255 }, (_, i) => 3 * (i + 1))));

    submit(fn, TX, [indirect(fn, pieces)]);

    expect(pieces).toHaveLength(256);
    expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
  });
});
