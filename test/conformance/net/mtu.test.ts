// SPDX-License-Identifier: Apache-2.0
// Frame length limits with VIRTIO_NET_F_MTU. virtio 1.4 §5.1.4.1: the limit is mtu and the Ethernet header, 14 bytes, or
// 18 with one VLAN tag. A stack of two (IEEE 802.1ad) takes 22, as with every card that knows them.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, HEADER, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { Port } from './support/port.ts';

/** A frame with VLAN tags of these types, VLAN 5, then the type of what follows. */
function tagged(to: Uint8Array, from: Uint8Array, length: number, types: readonly number[]): Uint8Array {
  const bytes = frame(to, from, length);
  bytes.set([...types.flatMap((type) => [type >> 8, type & 0xff, 0x00, 0x05]), 0x88, 0xb5], 12);
  return bytes;
}

const Q = 0x8100;
const AD = 0x88a8;
const TAGS: readonly (readonly number[])[] = [[Q], [AD], [0x9100], [Q, Q], [AD, Q], [0x9100, Q]];

describe.each(MODES)('%s', (mode) => {
  describe.each([68, 1500, 9000])('mtu %i', (mtu) => {
    function started() {
      const card = new RawCard({ mode, queueSize: 16, mtu, numVfs: 1 });
      const port = new Port(card, 0, { features: [F.MTU] });
      return { card, port };
    }

    describe(requirement('NET-CFG-06'), () => {
      it('a packet of mtu bytes behind 14 bytes of header goes out in one piece', () => {
        const { card, port } = started();
        const sent = frame(STRANGER, port.mac, mtu + 14);

        port.send(sent);

        expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      });

      it.each(TAGS)('so does one behind a header with tags %x %x', (...types) => {
        const { card, port } = started();
        const sent = tagged(STRANGER, port.mac, mtu + 14 + 4 * types.length, types);

        port.send(sent);

        expect(card.wire.map(({ bytes }) => bytes)).toEqual([sent]);
      });
    });

    it.each([[], ...TAGS, [Q, Q, Q]])('a byte more is dropped as oversize and its buffer used: %x %x', (...types) => {
      const { card, port } = started();

      // no more than two tags count
      port.send(tagged(STRANGER, port.mac, mtu + 15 + 4 * Math.min(types.length, 2), types));

      expect(card.wire).toEqual([]);
      expect(port.fn.counters['tx_drop_oversize']).toBe(1);
      expect(port.fn.ring(1).usedSince(0)).toEqual([{ id: 0, len: 0 }]);
      expect(port.fn.needsReset).toBe(false);
    });

    describe(requirement('NET-CFG-05'), () => {
      it('a frame of mtu + 14 bytes from the wire is received', () => {
        const { card, port } = started();
        port.post([HEADER + mtu + 18]);
        const arriving = frame(port.mac, STRANGER, mtu + 14);

        card.arrive(arriving);

        expect(port.frames()).toEqual([arriving]);
      });

      it.each(TAGS)('one with tags %x %x is, with 4 bytes more for each', (...types) => {
        const { card, port } = started();
        port.post([HEADER + mtu + 22]);
        const arriving = tagged(port.mac, STRANGER, mtu + 14 + 4 * types.length, types);

        card.arrive(arriving);

        expect(port.frames()).toEqual([arriving]);
      });

      it.each(TAGS)('one with tags %x %x and a byte more is not', (...types) => {
        const { card, port } = started();
        port.post([HEADER + mtu + 100]);

        card.arrive(tagged(port.mac, STRANGER, mtu + 15 + 4 * types.length, types));

        expect(port.frames()).toEqual([]);
        expect(port.fn.counters['rx_drop_oversize']).toBe(1);
      });

      it('an untagged frame of mtu + 15 bytes is not', () => {
        const { card, port } = started();
        port.post([HEADER + mtu + 100]);

        card.arrive(frame(port.mac, STRANGER, mtu + 15));

        expect(port.frames()).toEqual([]);
      });

      it('a frame of mtu + 19 bytes is dropped and counted', () => {
        const { card, port } = started();
        port.post([HEADER + mtu + 100]);

        card.arrive(frame(port.mac, STRANGER, mtu + 19));

        expect(port.frames()).toEqual([]);
        const drops = port.fn.counters['rx_drop_oversize']! + card.nic.counters()['wire_rx_bad_length']!;
        expect(drops).toBe(1);
        expect(port.fn.ring(0).usedIdx).toBe(0);
      });
    });
  });

  describe(requirement('NET-CFG-04'), () => {
    it('mtu reads the same before and after features, traffic and reset', () => {
      const card = new RawCard({ mode, queueSize: 16, mtu: 1400 });
      const fn = card.fn(0);
      const seen = [fn.deviceConfig(10, 2)];

      const port = new Port(card, 0, { features: [F.MTU] });
      seen.push(fn.deviceConfig(10, 2));
      port.send(frame(STRANGER, port.mac));
      seen.push(fn.deviceConfig(10, 2));
      fn.reset();
      seen.push(fn.deviceConfig(10, 2));

      expect(seen).toEqual([1400, 1400, 1400, 1400]);
    });
  });
});
