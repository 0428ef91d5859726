// SPDX-License-Identifier: Apache-2.0
// What a network function owes its driver for features that are not offered: plain packets in 12 bytes of header, whatever the
// sender's header holds. virtio 1.4 §5.1.6.4; and the steering that is left to the device, §5.1.6.5.6.
import { describe, expect, it } from 'vitest';

import { Port } from '../net/support/port.ts';
import { requirement } from '../requirements.ts';
import { frame, macOf, STRANGER } from '../ring/support/frames.ts';
import { RawCard } from '../../support/raw_card.ts';
import { Card } from '../support/card.ts';
import { CommonConfig, featureBits } from '../support/common_config.ts';
import { eachMode } from '../support/modes.ts';

const CTRL_VQ = 17;
const MQ = 22;
const PAIRS = 4;
const CONTROL = 2 * PAIRS;

/** A UDP packet of one flow, in the direction away from or towards the function. */
function udp(to: Uint8Array, from: Uint8Array, flow: number, isReply: boolean): Uint8Array {
  const bytes = frame(to, from, 60);
  const here = [10, 0, 0, 1];
  const there = [10, 0, 0, 2];
  const ports = [0x40, flow, 0x00, 0x35];
  bytes.set([8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0], 12);
  bytes.set(isReply ? [...there, ...here] : [...here, ...there], 26);
  bytes.set(isReply ? [...ports.slice(2), ...ports.slice(0, 2)] : ports, 34);
  return bytes;
}

eachMode((mode) => {
  describe.each([
    requirement('NET-RX-07'),
    requirement('NET-RX-08'),
    requirement('NET-RX-09'),
    requirement('NET-RX-10'),
    requirement('NET-RX-11'),
    requirement('NET-RX-13'),
    requirement('NET-RX-21'),
    requirement('NET-RX-25'),
  ])('%s', () => {
    it('a packet from the wire and one from another function have gso_type 0', () => {
      const card = new RawCard({ mode, totalVfs: 2 });
      card.enableVfs(2);
      const [one, two] = [1, 2].map((fn) => new Port(card, fn));
      two!.post([2048, 2048]);

      one!.send(frame(macOf(2), macOf(1), 200));
      card.arrive(frame(macOf(2), STRANGER, 200));

      expect(two!.received().map(({ header }) => header[1])).toEqual([0, 0]);
    });
  });

  describe.each([requirement('NET-RX-06'), requirement('NET-RX-16')])('%s', () => {
    it('the header is 12 bytes long and the packet arrives as it was sent, checksums and all', () => {
      const card = new RawCard({ mode, totalVfs: 2 });
      card.enableVfs(2);
      const [one, two] = [1, 2].map((fn) => new Port(card, fn));
      two!.post([2048]);
      const sent = udp(macOf(2), macOf(1), 1, false);

      one!.send(sent);

      const [packet] = two!.received();
      expect(packet!.lengths).toEqual([12 + 60]);
      expect(packet!.frame).toEqual(sent);
    });
  });

  describe.each([requirement('NET-TX-04'), requirement('NET-TX-09')])('%s', () => {
    it('what stands behind the 12 bytes of header is packet: offsets of longer headers are never looked at', () => {
      const card = new RawCard({ mode, totalVfs: 2 });
      card.enableVfs(2);
      const [one, two] = [1, 2].map((fn) => new Port(card, fn));
      two!.post([2048]);
      const sent = frame(macOf(2), macOf(1), 60, 0xf0);

      one!.send(sent);

      expect(two!.frames()).toEqual([sent]);
    });
  });

  describe(requirement('NET-VLAN-01'), () => {
    it.each([0, 1, 100, 4094, 4095])('a packet tagged with VLAN %i is received', (vlan) => {
      const card = new RawCard({ mode, totalVfs: 1 });
      card.enableVfs(1);
      const port = new Port(card, 1);
      port.post([2048]);
      const tagged = frame(macOf(1), STRANGER, 64);
      tagged.set([0x81, 0x00, vlan >> 8, vlan & 0xff], 12);

      card.arrive(tagged);

      expect(port.frames()).toEqual([tagged]);
    });
  });

  describe('steering', () => {
    const started = (): { card: RawCard; port: Port } => {
      const card = new RawCard({ mode, queueSize: 64, pfQueuePairs: PAIRS });
      const port = new Port(card, 0, { features: [CTRL_VQ, MQ], pairs: PAIRS, control: CONTROL });
      for (let pair = 0; pair < PAIRS; pair++)
        port.post(
          Array.from({ length: 20 }, () => 200),
          pair,
        );
      expect(port.setPairs(PAIRS)).toBe(0);
      return { card, port };
    };
    /** Receive queues that replies of flows 0..n-1 came on. */
    const pairsOf = (card: RawCard, port: Port, flows: number): number[] =>
      Array.from({ length: flows }, (_, flow) => {
        card.arrive(udp(port.mac, STRANGER, flow, true));
        return [0, 1, 2, 3].findIndex((pair) => port.frames(pair).length === 1);
      });

    describe(requirement('NET-TEXT-10'), () => {
      it('flows spread over the pairs, and each stays on its own', () => {
        const { card, port } = started();

        const first = pairsOf(card, port, 16);

        expect(new Set(first).size).toBeGreaterThan(1);
        expect(pairsOf(card, port, 16)).toEqual(first);
      });
    });

    describe(requirement('NET-TEXT-12'), () => {
      it('flows that were never sent come on enabled queues', () => {
        const { card, port } = started();
        port.setPairs(2);

        expect(pairsOf(card, port, 16).filter((pair) => pair < 0 || pair > 1)).toEqual([]);
      });
    });
  });
});

describe.each([requirement('NET-TEXT-08'), requirement('NET-TEXT-09')])('%s', () => {
  it.each([
    [1, false],
    [4, true],
  ])('with %i pairs MQ is offered: %s; RSS never', (pfQueuePairs, hasMq) => {
    const bits = featureBits(new CommonConfig(new Card({ pfQueuePairs }).direct(0)).offered());

    expect(bits.includes(MQ)).toBe(hasMq);
    expect(bits.includes(60)).toBe(false);
  });
});
