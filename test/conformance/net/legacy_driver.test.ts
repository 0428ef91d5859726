// SPDX-License-Identifier: Apache-2.0
// What a legacy network driver finds: a header of 10 bytes, or 12 with mergeable buffers, a mac that it may write, and
// fields in its own byte order, little-endian here. virtio 1.4 §5.1, the legacy notes.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { RawLegacy, type LegacyOptions } from '../ring/support/raw_legacy.ts';
import { WRITE } from '../../support/raw_ring.ts';
import { F } from '../../support/registers.ts';

const DEVICE_CONFIG = 20; // MSI-X is off
const OTHER = Uint8Array.of(0x02, 0x10, 0x20, 0x30, 0x40, 0x50);
const GROUP = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x05);
const CONTROL = 2;

describe.each(MODES)('%s', (mode) => {
  const started = (options: LegacyOptions = {}): RawLegacy => new RawLegacy({ mode, queueSize: 16, ...options });
  const own = macOf(1);

  /** Posts one buffer and returns its address. */
  function post(vf: RawLegacy, length = 200): number {
    const ring = vf.ring(0);
    const addr = vf.place(new Uint8Array(length).fill(0xee));
    ring.offer(ring.chain([{ addr, len: length, flags: WRITE }], ring.availIdx % ring.size));
    vf.kick(0);
    return addr;
  }

  /** Does the VF take a frame to this address? */
  function takes(vf: RawLegacy, to: Uint8Array): boolean {
    const before = vf.ring(0).usedIdx;
    post(vf);
    vf.arrive(frame(to, STRANGER));
    return vf.ring(0).usedIdx !== before;
  }

  function command(vf: RawLegacy, ...bytes: readonly number[]): number {
    const ring = vf.ring(CONTROL);
    const ack = vf.place(Uint8Array.of(0xa5));
    const data = { addr: vf.place(Uint8Array.from(bytes)), len: bytes.length };
    ring.offer(ring.chain([data, { addr: ack, len: 1, flags: WRITE }]));
    vf.kick(CONTROL);
    return vf.bytesAt(ack, 1)[0]!;
  }

  describe.each([requirement('LEG-NETHDR-01'), 'DESC-LEG-08 10 bytes of header, 12 with MRG_RXBUF'])('%s', () => {
    it.each([
      [10, []],
      [12, [F.MRG_RXBUF]],
    ])('%i bytes, to and from the wire', (bytes, features) => {
      const vf = started({ features });
      const sent = frame(STRANGER, own, 77);
      const arriving = frame(own, STRANGER, 88);

      vf.send(packet(sent, new Uint8Array(bytes)));
      const addr = post(vf);
      vf.arrive(arriving);

      expect(vf.wire).toEqual([sent]);
      expect(vf.ring(0).usedSince(0)).toEqual([{ id: 0, len: bytes + 88 }]);
      expect([...vf.bytesAt(addr, 10)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      expect(vf.bytesAt(addr + bytes, 88)).toEqual(arriving);
    });

    it('num_buffers is little-endian behind the ten bytes', () => {
      const vf = started({ features: [F.MRG_RXBUF] });
      const first = post(vf, 60);
      post(vf, 60);

      vf.arrive(frame(own, STRANGER, 100));

      expect([...vf.bytesAt(first + 10, 2)]).toEqual([2, 0]);
      expect(
        vf
          .ring(0)
          .usedSince(0)
          .map(({ len }) => len),
      ).toEqual([60, 52]);
    });

    it('a buffer for ten bytes and the frame is enough without MRG_RXBUF', () => {
      const vf = started();
      post(vf, 70);

      vf.arrive(frame(own, STRANGER, 60));

      expect(vf.ring(0).usedSince(0)).toEqual([{ id: 0, len: 70 }]);
    });
  });

  describe(requirement('LEG-NETCFG-01'), () => {
    it('status and max_virtqueue_pairs read little-endian, byte by byte and as words', () => {
      const vf = started({ vfQueuePairs: 3 });

      expect([vf.read(DEVICE_CONFIG + 6, 1), vf.read(DEVICE_CONFIG + 7, 1)]).toEqual([1, 0]);
      expect([vf.read(DEVICE_CONFIG + 8, 1), vf.read(DEVICE_CONFIG + 9, 1)]).toEqual([3, 0]);
      expect([vf.read(DEVICE_CONFIG + 6, 2), vf.read(DEVICE_CONFIG + 8, 2)]).toEqual([1, 3]);
    });
  });

  describe.each([requirement('LEG-NETMAC-02'), 'DESC-LEG-07 mac is writable and takes effect'])('%s', () => {
    it('written byte by byte it is the new address after the last byte', () => {
      const vf = started({ features: [F.MAC] });

      OTHER.forEach((byte, i) => vf.write(DEVICE_CONFIG + i, 1, byte));

      expect(OTHER.every((byte, i) => vf.read(DEVICE_CONFIG + i, 1) === byte)).toBe(true);
      expect([takes(vf, OTHER), takes(vf, own)]).toEqual([true, false]);
    });

    it('another function sees the new address in the switch', () => {
      const vf = started({ features: [F.MAC] });
      OTHER.forEach((byte, i) => vf.write(DEVICE_CONFIG + i, 1, byte));
      post(vf);

      vf.machine.pf.net.send(frame(OTHER, macOf(0)));
      vf.machine.settle();

      expect(vf.ring(0).usedIdx).toBe(1);
      expect(vf.wire).toEqual([]);
    });

    it('the other fields cannot be written', () => {
      const vf = started();

      for (const at of [6, 8, 10]) vf.write(DEVICE_CONFIG + at, 2, 0xffff);

      expect([6, 8, 10].map((at) => vf.read(DEVICE_CONFIG + at, 2))).toEqual([1, 1, 1500]);
    });
  });

  describe(requirement('LEG-NETMAC-01'), () => {
    it('entries of MAC_TABLE_SET are little-endian', () => {
      const vf = started({ features: [F.CTRL_VQ, F.CTRL_RX], queues: [0, 1, CONTROL] });

      expect(command(vf, 1, 0, 1, 0, 0, 0, ...OTHER, 1, 0, 0, 0, ...GROUP)).toBe(0);

      expect([takes(vf, OTHER), takes(vf, GROUP), takes(vf, own)]).toEqual([true, true, true]);
    });
  });

  describe(requirement('LEG-NETMQ-01'), () => {
    it('virtqueue_pairs is little-endian', () => {
      const features = [F.CTRL_VQ, F.MQ];
      const vf = started({ features, vfQueuePairs: 3, queues: [0, 1, 2, 3, 4, 5, 6] });
      const ring = vf.ring(6);
      const answer = (low: number, high: number): number => {
        const ack = vf.place(Uint8Array.of(0xa5));
        const data = { addr: vf.place(Uint8Array.of(4, 0, low, high)), len: 4 };
        ring.offer(ring.chain([data, { addr: ack, len: 1, flags: WRITE }]));
        vf.kick(6);
        return vf.bytesAt(ack, 1)[0]!;
      };

      expect([answer(2, 0), answer(0, 2), answer(3, 0), answer(4, 0)]).toEqual([0, 1, 0, 1]);
    });
  });

  it('commands work for a legacy driver: promiscuous mode', () => {
    const vf = started({ features: [F.CTRL_VQ, F.CTRL_RX], queues: [0, 1, CONTROL] });

    expect(command(vf, 0, 0, 1)).toBe(0);

    expect(takes(vf, OTHER)).toBe(true);
  });
});
