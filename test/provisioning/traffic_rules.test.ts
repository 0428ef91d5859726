// SPDX-License-Identifier: Apache-2.0
// What a profile lets a function send and receive: VLANs (IEEE 802.1Q) by a table of ports, source addresses, trust. The
// expected receivers of a frame come from a model of a VLAN switch that is written here.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { FunctionProfile } from '../../src/device/function_profile.ts';
import { Port } from '../conformance/net/support/port.ts';
import { BROADCAST, concat, frame, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { MODES, RawCard } from '../support/raw_card.ts';
import { F } from '../support/registers.ts';
import { AdminQueue, OK } from '../support/admin_queue.ts';
import { Card } from '../conformance/support/card.ts';
import { LegacyCommands } from '../conformance/support/legacy_commands.ts';

const FEATURES = { features: [F.MAC, F.CTRL_VQ, F.CTRL_RX, F.CTRL_MAC_ADDR], control: 2 };
const VFS = 4;
const WIRE = 'wire';
type Place = number | typeof WIRE;

/** The frame with a tag of VLAN `vlan` behind its addresses; bits 15..12 are priority and DEI. */
function tagged(bytes: Uint8Array, vlan: number, type = 0x8100): Uint8Array {
  const tag = Uint8Array.of(type >> 8, type & 0xff, vlan >> 8, vlan & 0xff);
  return concat(bytes.subarray(0, 12), tag, bytes.subarray(12));
}

/** PF, four VFs and a function on demand with drivers; profiles by function number. */
function started(mode: (typeof MODES)[number], profiles: Readonly<Record<number, FunctionProfile>>) {
  const card = new RawCard({ mode, queueSize: 64, totalVfs: VFS, onDemandFunctions: 1, windowBytes: 8 << 20 });
  for (const [fn, profile] of Object.entries(profiles)) card.nic.provision(Number(fn), profile);
  card.enableVfs(VFS);
  card.nic.createFunction(VFS + 1, 5);
  const ports = Array.from({ length: VFS + 2 }, (_, fn) => new Port(card, fn, FEATURES));
  for (const port of ports) port.post(Array.from({ length: 20 }, () => 200));
  /** Everything that one frame became: receivers in order, with the bytes that each got. */
  const reached = (from: Place, bytes: Uint8Array): Map<Place, Uint8Array> => {
    const before = card.wire.length;
    if (from === WIRE) card.arrive(bytes);
    else ports[from]!.send(bytes);
    const got = new Map<Place, Uint8Array>();
    for (const [fn, port] of ports.entries()) {
      const frames = port.frames();
      expect(frames.length).toBeLessThan(2);
      if (frames.length === 1) got.set(fn, frames[0]!);
      port.post(frames.map(() => 200));
    }
    const onWire = card.wire.slice(before);
    expect(onWire.length).toBeLessThan(2);
    if (onWire.length === 1) got.set(WIRE, onWire[0]!.bytes);
    return got;
  };
  return { card, ports, reached };
}

describe.each(MODES)('%s', (mode) => {
  describe('VLANs', () => {
    const VLANS = [0, 10, 10, 20, 0, 20];
    const network = () =>
      started(mode, Object.fromEntries(VLANS.flatMap((vlan, fn) => (fn === 0 ? [] : [[fn, { vlan }]]))));

    it('a broadcast stays in its VLAN, tagged on the wire and for trunk ports', () => {
      const { reached } = network();
      const bytes = frame(BROADCAST, macOf(1));

      expect(reached(1, bytes)).toEqual(
        new Map<Place, Uint8Array>([
          [0, tagged(bytes, 10)],
          [2, bytes],
          [4, tagged(bytes, 10)],
          [WIRE, tagged(bytes, 10)],
        ]),
      );
    });

    it('unicast does not cross: what is for somebody else goes out, tagged', () => {
      const { reached } = network();

      expect(reached(1, frame(macOf(2), macOf(1)))).toEqual(new Map([[2, frame(macOf(2), macOf(1))]]));
      expect(reached(1, frame(macOf(3), macOf(1)))).toEqual(new Map([[WIRE, tagged(frame(macOf(3), macOf(1)), 10)]]));
      expect(reached(0, frame(macOf(3), macOf(0)))).toEqual(new Map([[WIRE, frame(macOf(3), macOf(0))]]));
    });

    it('a tagged frame of the wire or a trunk reaches its VLAN without the tag; untagged it reaches nobody there', () => {
      const { card, reached } = network();
      const bytes = frame(macOf(5), STRANGER);

      expect(reached(WIRE, tagged(bytes, 20))).toEqual(new Map([[5, bytes]]));
      expect(reached(0, tagged(bytes, 20))).toEqual(new Map([[5, bytes]]));
      expect(reached(WIRE, bytes)).toEqual(new Map());
      expect(reached(WIRE, tagged(bytes, 10))).toEqual(new Map());
      expect(card.nic.counters()['wire_rx_no_match']).toBe(2);
    });

    it('an access port sends no tags of its own', () => {
      const { ports, reached } = network();

      expect(reached(1, tagged(frame(BROADCAST, macOf(1)), 20))).toEqual(new Map());
      expect(ports[1]!.fn.counters['tx_drop_tagged']).toBe(1);
      expect(ports[1]!.fn.counters['tx_frames']).toBe(0);
      expect(ports[1]!.fn.ring(1).usedIdx).toBe(1);
    });

    it('a priority tag names no VLAN: an access port takes the frame into its own and keeps the priority', () => {
      const { ports, reached } = network();
      const bytes = frame(BROADCAST, macOf(1));
      const PRIORITY = 0xb000; // 5, drop eligible

      expect(reached(1, tagged(bytes, PRIORITY))).toEqual(
        new Map<Place, Uint8Array>([
          [0, tagged(bytes, PRIORITY | 10)],
          [2, bytes],
          [4, tagged(bytes, PRIORITY | 10)],
          [WIRE, tagged(bytes, PRIORITY | 10)],
        ]),
      );
      expect(ports[1]!.fn.counters['tx_drop_tagged']).toBe(0);
    });

    it('a priority tag of the wire or a trunk is in no VLAN, and passes between trunks as it is', () => {
      const { card, reached } = network();

      expect(reached(0, tagged(frame(BROADCAST, macOf(0)), 0xe000))).toEqual(
        new Map<Place, Uint8Array>([
          [4, tagged(frame(BROADCAST, macOf(0)), 0xe000)],
          [WIRE, tagged(frame(BROADCAST, macOf(0)), 0xe000)],
        ]),
      );
      expect(reached(WIRE, tagged(frame(macOf(5), STRANGER), 0xe000))).toEqual(new Map());
      expect(card.nic.counters()['wire_rx_no_match']).toBe(1);
    });

    it('a tag of 802.1ad is content: the tag of the VLAN goes outside of it', () => {
      const { reached } = network();
      const inner = tagged(frame(BROADCAST, macOf(1)), 20, 0x88a8);

      expect(reached(1, inner)).toEqual(
        new Map<Place, Uint8Array>([
          [0, tagged(inner, 10)],
          [2, inner],
          [4, tagged(inner, 10)],
          [WIRE, tagged(inner, 10)],
        ]),
      );
      expect([...reached(WIRE, tagged(frame(macOf(5), STRANGER), 20, 0x88a8)).keys()]).toEqual([]);
    });

    it('a frame that the only listener may not see is counted', () => {
      const { card, ports, reached } = network();
      ports[2]!.setPromiscuous(true);

      expect(reached(WIRE, tagged(frame(macOf(99), STRANGER), 20))).toEqual(new Map());
      expect(card.nic.counters()['wire_rx_no_match']).toBe(1);
    });

    it('a promiscuous access port sees its VLAN alone, a trunk everything', () => {
      const { ports, reached } = network();
      ports[2]!.setPromiscuous(true);
      ports[4]!.setPromiscuous(true);
      const bytes = frame(STRANGER, macOf(3));

      expect([...reached(3, bytes).keys()]).toEqual([4, WIRE]);
      expect([...reached(1, frame(STRANGER, macOf(1))).keys()]).toEqual([2, 4, WIRE]);
      expect([...reached(WIRE, tagged(frame(macOf(3), STRANGER), 20)).keys()]).toEqual([3, 4]);
    });

    it('frames of the greatest length pass, with their tag', () => {
      const { card, reached } = network();
      const bytes = frame(STRANGER, macOf(1), 1514);

      expect(reached(1, bytes)).toEqual(new Map([[WIRE, tagged(bytes, 10)]]));
      expect(reached(1, frame(STRANGER, macOf(1), 1515))).toEqual(new Map());
      reached(WIRE, tagged(frame(macOf(3), STRANGER, 1514), 20));
      expect(card.nic.functionCounters(3)).toMatchObject({ rx_drop_oversize: 0, rx_drop_too_small: 1 });
      reached(WIRE, tagged(frame(macOf(3), STRANGER, 1515), 20));
      expect(card.nic.functionCounters(3)).toMatchObject({ rx_drop_oversize: 1 });
    });

    it('is what a VLAN switch does, for any ports and any frame', () => {
      const place = fc.constantFrom<Place>(0, 1, 2, 3, 4, 5, WIRE);
      const vlan = fc.constantFrom(0, 10, 20);
      // none, a priority, or a VLAN without and with one
      const anyTag = fc.constantFrom(null, 0, 0xa000, 10, 20, 0x6014);
      const sent = fc.record({ from: place, to: fc.constantFrom(0, 1, 2, 3, 4, 5, 'nobody', 'all'), tag: anyTag });
      fc.assert(
        fc.property(
          fc.array(vlan, { minLength: 5, maxLength: 5 }),
          fc.array(sent, { maxLength: 6 }),
          (vlans, frames) => {
            const own = [0, ...vlans];
            const { reached } = started(mode, Object.fromEntries(vlans.map((value, i) => [i + 1, { vlan: value }])));
            for (const { from, to, tag } of frames) {
              const source = from === WIRE ? STRANGER : macOf(from);
              const target = to === 'all' ? BROADCAST : to === 'nobody' ? macOf(99) : macOf(Number(to));
              const plain = frame(target, source);
              const bytes = tag === null ? plain : tagged(plain, tag);
              expect(reached(from, bytes)).toEqual(model(own, from, to, tag, plain));
            }
          },
        ),
        { numRuns: mode === 'functional' ? 40 : 10 },
      );
    });

    /** Receivers of a frame in a switch with these VLANs of functions; 0 is a trunk, as the wire is. */
    function model(
      own: number[],
      from: Place,
      to: number | string,
      tag: number | null,
      plain: Uint8Array,
    ): Map<Place, Uint8Array> {
      const access = from === WIRE ? 0 : own[from]!;
      const vid = (tag ?? 0) & 0xfff;
      const priority = (tag ?? 0) & 0xf000;
      if (access !== 0 && vid !== 0) return new Map();
      const vlan = access === 0 ? vid : access;
      const isIn = (fn: number): boolean => own[fn] === 0 || own[fn] === vlan;
      const seen = (port: number): Uint8Array => {
        if (port !== 0) return plain;
        return vlan === 0 && tag === null ? plain : tagged(plain, priority | vlan);
      };
      const got = new Map<Place, Uint8Array>();
      if (to === from) return got;
      if (to === 'all') {
        for (const fn of own.keys()) if (fn !== from && isIn(fn)) got.set(fn, seen(own[fn]!));
        if (from !== WIRE) got.set(WIRE, seen(0));
      } else if (typeof to === 'number' && isIn(to)) {
        got.set(to, seen(own[to]!));
      } else if (from !== WIRE) {
        got.set(WIRE, seen(0));
      }
      return got;
    }
  });

  describe('anti-spoofing', () => {
    it('a frame with somebody else’s source address is dropped and counted; its own and filtered ones pass', () => {
      const { card, ports, reached } = started(mode, { 1: { spoofCheck: true } });

      expect(reached(1, frame(STRANGER, macOf(2))).size).toBe(0);
      expect(reached(1, frame(BROADCAST, STRANGER)).size).toBe(0);
      expect(ports[1]!.fn.counters).toMatchObject({ tx_drop_spoofed: 2, tx_frames: 0 });
      expect(reached(1, frame(STRANGER, macOf(1))).size).toBe(1);
      ports[1]!.setMacTable([macOf(77)], []);
      expect(reached(1, frame(STRANGER, macOf(77))).size).toBe(1);
      expect(reached(2, frame(STRANGER, macOf(9))).size).toBe(1);
      expect(ports[1]!.fn.counters['tx_drop_spoofed']).toBe(2);
      expect(card.wire).toHaveLength(3);
    });

    it('a new address is the function’s own from then on, the old one no longer', () => {
      const { ports, reached } = started(mode, { 1: { spoofCheck: true } });
      ports[1]!.setMac(macOf(50));

      expect(reached(1, frame(STRANGER, macOf(1))).size).toBe(0);
      expect(reached(1, frame(STRANGER, macOf(50))).size).toBe(1);
    });
  });

  describe('trust', () => {
    const ERR = 1;

    it('an untrusted function may not become promiscuous or change its address, and may do all else', () => {
      const { ports, reached } = started(mode, { 1: { trust: false } });
      const [, port, other] = ports;

      expect(port!.setPromiscuous(true)).toBe(ERR);
      expect(port!.setMac(macOf(60))).toBe(ERR);
      expect([...port!.mac]).toEqual([...macOf(1)]);
      expect([...reached(2, frame(STRANGER, macOf(2))).keys()]).toEqual([WIRE]);
      expect(port!.setPromiscuous(false)).toBe(0);
      expect(port!.setAllMulticast(true)).toBe(0);
      expect(port!.setMacTable([macOf(61)], [])).toBe(0);
      expect(other!.setPromiscuous(true)).toBe(0);
      expect(other!.setMac(macOf(62))).toBe(0);
    });

    it('a legacy driver of an untrusted VF writes its address in vain', () => {
      const card = new Card({ mode });
      card.nic.provision(1, { trust: false });
      const admin = new AdminQueue(card.enableVfs(2)).useAll();
      const [untrusted, trusted] = [1, 2].map((vf) => new LegacyCommands(admin, vf));

      expect(untrusted!.writeDevice(0, [0x02, 9, 9, 9, 9, 9]).status).toEqual(OK);
      expect(trusted!.writeDevice(0, [0x02, 9, 9, 9, 9, 9]).status).toEqual(OK);

      expect([...untrusted!.readDevice(0, 6).result]).toEqual([...macOf(1)]);
      expect([...trusted!.readDevice(0, 6).result]).toEqual([0x02, 9, 9, 9, 9, 9]);
      expect(card.nic.functionCounters(1)['ignored_writes']).toBe(1);
    });
  });
});
