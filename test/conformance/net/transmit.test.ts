// SPDX-License-Identifier: Apache-2.0
// Packets out: what of the header counts, what is refused and under which cause it is counted. virtio 1.4 §5.1.6.2
// "Packet Transmission". The card has no offloads, so every gso_type but NONE was never negotiated.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { concat, frame, HEADER, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { Port, type PortOptions } from './support/port.ts';

/** virtio_net_hdr: flags @0, gso_type @1, hdr_len @2, gso_size @4, csum_start @6, csum_offset @8, num_buffers @10. */
function header(fields: { flags?: number; gsoType?: number; words?: readonly number[] }): Uint8Array {
  const { flags = 0, gsoType = 0, words = [0, 0, 0, 0, 0] } = fields;
  return Uint8Array.of(flags, gsoType, ...words.flatMap((word) => [word & 0xff, word >> 8]));
}

describe.each(MODES)('%s', (mode) => {
  function started(options: PortOptions = {}) {
    const card = new RawCard({ mode, queueSize: 16 });
    const port = new Port(card, 0, options);
    const sent = frame(STRANGER, port.mac, 100);
    const drops = (): Record<string, number> =>
      Object.fromEntries(Object.entries(port.fn.counters).filter(([name, n]) => name.startsWith('tx_drop_') && n > 0));
    return { card, port, sent, drops, wire: () => card.wire.map(({ bytes }) => bytes) };
  }

  it.each([
    ['without MRG_RXBUF', []],
    ['with MRG_RXBUF', [F.MRG_RXBUF]],
  ])('the header has 12 bytes %s', (_, features) => {
    const { port, sent, wire } = started({ features });

    port.send(sent);

    expect(HEADER).toBe(12);
    expect(wire()).toEqual([sent]);
    expect(port.fn.counters).toMatchObject({ tx_frames: 1, tx_bytes: 100 });
  });

  describe(requirement('NET-TX-01'), () => {
    it.each([0x80, 0x40, 0x20, 0x10, 0x04, 0x02])('flag bit 0x%s is disregarded', (flags) => {
      const { port, sent, wire } = started();

      port.send(sent, header({ flags }));

      expect(wire()).toEqual([sent]);
    });
  });

  describe(requirement('NET-TX-02'), () => {
    it.each([
      [0, 0],
      [0xffff, 0xffff],
      [14, 16],
      [5000, 2],
    ])('csum_start %i and csum_offset %i do not touch the frame', (start, offset) => {
      const { port, sent, wire } = started();

      port.send(sent, header({ words: [0, 0, start, offset, 0] }));

      expect(wire()).toEqual([sent]);
    });
  });

  describe(requirement('NET-TX-07'), () => {
    it.each([0, 1, 54, 0xffff])('hdr_len %i makes no difference', (hdrLen) => {
      const { port, sent, wire } = started();

      port.send(sent, header({ words: [hdrLen, 0xffff, 0, 0, 0] }));

      expect(wire()).toEqual([sent]);
    });
  });

  it('num_buffers of a transmitted packet makes no difference', () => {
    const { port, sent, wire } = started({ features: [F.MRG_RXBUF] });

    port.send(sent, header({ words: [0, 0, 0, 0, 0xffff] }));

    expect(wire()).toEqual([sent]);
  });

  describe.each([
    [requirement('NET-TX-08'), { flags: 1, gsoType: 0x61 }],
    [requirement('NET-TX-10'), { flags: 0, gsoType: 0x21 }],
    [requirement('NET-TX-11'), { flags: 3, gsoType: 0x41 }],
    [requirement('NET-TX-12'), { flags: 1, gsoType: 0x20 }],
    [requirement('NET-TX-13'), { flags: 8, gsoType: 0 }],
  ])('%s', (_, fields) => {
    it('nothing leaves; the buffer comes back, and the drop is counted', () => {
      const { port, sent, wire, drops } = started();

      port.send(sent, header(fields));

      expect(wire()).toEqual([]);
      expect(port.fn.ring(1).usedSince(0)).toEqual([{ id: 0, len: 0 }]);
      expect(drops()).toEqual({ tx_drop_bad_header: 1 });
    });
  });

  it.each([1, 3, 4, 5, 0x81, 0x20, 0x7f])('gso_type %i was never negotiated: dropped as a bad header', (gsoType) => {
    const { port, sent, wire, drops } = started();

    port.send(sent, header({ flags: 1, gsoType, words: [54, 1000, 34, 16, 0] }));

    expect(wire()).toEqual([]);
    expect(drops()).toEqual({ tx_drop_bad_header: 1 });
  });

  describe(requirement('NET-TX-14'), () => {
    it('an IPv4 packet with wrong checksums goes out as it is', () => {
      const { port, wire } = started();
      const ip = Uint8Array.of(0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0xde, 0xad, 10, 0, 0, 1, 10, 0, 0, 2);
      const udp = Uint8Array.of(0, 53, 0, 53, 0, 8, 0xbe, 0xef);
      const sent = concat(STRANGER, port.mac, Uint8Array.of(8, 0), ip, udp, new Uint8Array(18));

      port.send(sent);

      expect(wire()).toEqual([sent]);
    });
  });

  it.each([
    ['nothing at all', 0],
    ['one byte of header', 1],
    ['half a header', 6],
    ['a header and no frame', 12],
    ['a header and 13 bytes', 25],
  ])('a packet of %s is too short: dropped, counted, used', (_, length) => {
    const { port, wire, drops } = started();
    const ring = port.fn.ring(1);
    ring.describe(0, { addr: port.fn.space(32, 0), len: length });
    ring.offer(0);

    port.fn.kick(1);

    expect(wire()).toEqual([]);
    expect(ring.usedSince(0)).toEqual([{ id: 0, len: 0 }]);
    expect(drops()).toEqual({ tx_drop_short: 1 });
    expect(port.fn.needsReset).toBe(false);
  });

  it('a frame of 14 bytes is the shortest that goes out, unpadded', () => {
    const { port, wire } = started();
    const sent = frame(STRANGER, port.mac, 14);

    port.send(sent);

    expect(wire()).toEqual([sent]);
  });

  it('drops do not stop the queue, and good frames between them leave in order', () => {
    const { port, wire, drops } = started();
    const good = [1, 2, 3].map((seed) => frame(STRANGER, port.mac, 60, seed));

    port.queue(good[0]!);
    port.queue(good[1]!, header({ flags: 1, gsoType: 1 }));
    port.queue(good[1]!);
    port.queue(new Uint8Array(0));
    port.queue(good[2]!);
    port.fn.kick(1);

    expect(wire()).toEqual(good);
    expect(port.fn.ring(1).usedIdx).toBe(5);
    expect(drops()).toEqual({ tx_drop_bad_header: 1, tx_drop_short: 1 });
  });
});
