// SPDX-License-Identifier: Apache-2.0
// The switch inside the card: who gets a frame, by destination and source. It forwards by the addresses that functions
// have (nothing is learned): a known unicast address to its owner, an unknown one from a function to the wire and from
// the wire nowhere, broadcast and groups to every port and the wire, and a copy of everything to promiscuous ports.
import { describe, expect, it } from 'vitest';

import { BROADCAST, frame, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { Port } from './support/port.ts';

const GROUP = Uint8Array.of(0x01, 0x00, 0x5e, 0x11, 0x22, 0x33);
const UNKNOWN = Uint8Array.of(0x02, 0x77, 0x77, 0x77, 0x77, 0x77);
const WIRE = 'wire';

describe.each(MODES)('%s', (mode) => {
  /** PF and three VFs with drivers; VF 4 exists and has none. */
  function started() {
    const card = new RawCard({ mode, queueSize: 64, numVfs: 4 });
    const features = [F.MAC, F.CTRL_VQ, F.CTRL_RX, F.CTRL_MAC_ADDR];
    const ports = [0, 1, 2, 3].map((fn) => new Port(card, fn, { features, control: 2 }));
    for (const port of ports) {
      port.setMacTable([], []);
      port.post(Array.from({ length: 20 }, () => 200));
    }
    /** Who gets a frame from `from` to `to`: numbers of functions, and the wire. */
    const reached = (from: number | typeof WIRE, to: Uint8Array): (number | typeof WIRE)[] => {
      const before = card.wire.length;
      const bytes = frame(to, from === WIRE ? STRANGER : ports[from]!.mac);
      if (from === WIRE) card.arrive(bytes);
      else ports[from]!.send(bytes);
      const functions = ports.map((port) => port.frames());
      for (const got of functions.flat()) expect(got).toEqual(bytes);
      const numbers = functions.flatMap((got, fn) => got.map(() => fn));
      return card.wire.length > before ? [...numbers, WIRE] : numbers;
    };
    return { card, ports, reached };
  }

  const mac = (fn: number): Uint8Array => Uint8Array.of(0x02, 0x76, 0x66, 0, 0, fn);

  it.each([
    [0, 1],
    [0, 3],
    [1, 0],
    [1, 2],
    [3, 2],
    [2, 0],
  ])('unicast from function %i to function %i goes there alone, and not to the wire', (from, to) => {
    expect(started().reached(from, mac(to))).toEqual([to]);
  });

  it.each([0, 1, 3])('unicast from the wire to function %i goes there alone', (to) => {
    expect(started().reached(WIRE, mac(to))).toEqual([to]);
  });

  it.each([0, 1, 3])('unknown unicast from function %i goes to the wire alone', (from) => {
    expect(started().reached(from, UNKNOWN)).toEqual([WIRE]);
  });

  it('unknown unicast from the wire is dropped and counted', () => {
    const { card, reached } = started();

    expect(reached(WIRE, UNKNOWN)).toEqual([]);
    expect(card.nic.counters()['wire_rx_no_match']).toBe(1);
  });

  it.each([
    [0, [1, 2, 3, WIRE]],
    [2, [0, 1, 3, WIRE]],
    [WIRE, [0, 1, 2, 3]],
  ] as const)('broadcast from %s reaches every other port, the sender never', (from, expected) => {
    expect(started().reached(from, BROADCAST)).toEqual(expected);
  });

  it('groups reach the ports that asked for them, and the wire', () => {
    const { ports, reached } = started();
    ports[1]!.setMacTable([], [GROUP]);
    ports[3]!.setAllMulticast(true);

    expect(reached(0, GROUP)).toEqual([1, 3, WIRE]);
    expect(reached(1, GROUP)).toEqual([3, WIRE]);
    expect(reached(WIRE, GROUP)).toEqual([1, 3]);
  });

  it('a frame to the sender itself goes nowhere and is counted', () => {
    const { ports, reached } = started();

    expect(reached(2, mac(2))).toEqual([]);
    expect(ports[2]!.fn.counters).toMatchObject({ tx_drop_hairpin: 1, tx_frames: 0, tx_bytes: 0 });
    expect(ports[2]!.fn.ring(1).usedIdx).toBe(1);
  });

  it('is no loss where a promiscuous port listens', () => {
    const { card, ports, reached } = started();
    ports[3]!.setPromiscuous(true);

    expect(reached(2, mac(2))).toEqual([3]);
    expect(reached(WIRE, UNKNOWN)).toEqual([3]);
    expect(ports[2]!.fn.counters).toMatchObject({ tx_drop_hairpin: 0, tx_frames: 1 });
    expect(card.nic.counters()['wire_rx_no_match']).toBe(0);
    expect(reached(3, mac(3))).toEqual([]);
    expect(ports[3]!.fn.counters['tx_drop_hairpin']).toBe(1);
  });

  it('a broadcast from the wire that finds no driver at all is counted', () => {
    const card = new RawCard({ mode, numVfs: 1 });

    card.arrive(frame(BROADCAST, STRANGER));

    expect(card.nic.counters()['wire_rx_no_match']).toBe(1);
  });

  it('a promiscuous port gets a copy of everything but its own frames', () => {
    const { ports, reached } = started();
    ports[3]!.setPromiscuous(true);

    expect(reached(1, mac(2))).toEqual([2, 3]);
    expect(reached(1, UNKNOWN)).toEqual([3, WIRE]);
    expect(reached(WIRE, mac(0))).toEqual([0, 3]);
    expect(reached(WIRE, UNKNOWN)).toEqual([3]);
    expect(reached(WIRE, mac(3))).toEqual([3]);
    expect(reached(1, BROADCAST)).toEqual([0, 2, 3, WIRE]);
    expect(reached(3, mac(1))).toEqual([1]);
    expect(reached(3, UNKNOWN)).toEqual([WIRE]);
  });

  it('two promiscuous ports each get a copy', () => {
    const { ports, reached } = started();
    ports[0]!.setPromiscuous(true);
    ports[3]!.setPromiscuous(true);

    expect(reached(1, mac(2))).toEqual([0, 2, 3]);
    expect(reached(WIRE, UNKNOWN)).toEqual([0, 3]);
  });

  it('an address of the unicast table leads to its owner', () => {
    const { ports, reached } = started();
    ports[2]!.setMacTable([UNKNOWN], []);

    expect(reached(0, UNKNOWN)).toEqual([2]);
    expect(reached(WIRE, UNKNOWN)).toEqual([2]);
  });

  it('a changed address leads to its owner, the old one to the wire', () => {
    const { ports, reached } = started();
    ports[2]!.setMac(UNKNOWN);

    expect(reached(0, UNKNOWN)).toEqual([2]);
    expect(reached(0, mac(2))).toEqual([WIRE]);
  });

  it('a port without a driver gets nothing; what is meant for it from the wire is dropped', () => {
    const { card, reached } = started();

    expect(reached(WIRE, mac(4))).toEqual([]);
    const drops = card.nic.counters()['wire_rx_no_match']! + card.fn(4).counters['rx_drop_disabled']!;
    expect(drops).toBe(1);
  });

  it('a port that is reset is out of the switch', () => {
    const { ports, reached } = started();
    const ring = ports[1]!.fn.ring(0);

    ports[1]!.fn.status = 0;

    expect(reached(0, BROADCAST)).toEqual([2, 3, WIRE]);
    expect(ring.usedIdx).toBe(0);
  });

  it('source addresses are not learned', () => {
    const { card, ports, reached } = started();

    ports[1]!.send(frame(BROADCAST, UNKNOWN));
    card.wire.length = 0;
    ports.forEach((port) => port.frames());

    expect(reached(0, UNKNOWN)).toEqual([WIRE]);
  });
});
