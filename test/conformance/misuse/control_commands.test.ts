// SPDX-License-Identifier: Apache-2.0
// Control commands as a bad driver sends them: cut anywhere, too short, for features that were never negotiated, with
// counts that lie, without a place for the answer. virtio 1.4 §5.1.6.5: u8 class, u8 command, data, u8 ack.
import { describe, expect, it } from 'vitest';

import { cut, readable, submit, writable } from '../ring/support/buffers.ts';
import { frame, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { WRITE, type Descriptor } from '../../support/raw_ring.ts';
import { F } from '../../support/registers.ts';
import { BAD, Bench, stopped, UNHARMED } from './support/bench.ts';

const CONTROL = 2;
const OK = 0;
const ERR = 1;
const ALL = [F.CTRL_VQ, F.CTRL_RX, F.CTRL_MAC_ADDR];
const QUEUES = { 0: {}, 1: {}, [CONTROL]: {} };

describe.each(MODES)('%s', (mode) => {
  const bench = (features: readonly number[] = ALL): Bench => new Bench({ mode }, { features, queues: QUEUES });

  /** Sends the parts as one chain with an ack byte; returns the ack. */
  function command(at: Bench, ...parts: readonly (readonly number[])[]): number {
    const [ack] = writable(at.bad, 1);
    const data = readable(at.bad, ...parts.map((part) => Uint8Array.from(part)));
    submit(at.bad, CONTROL, [...data, ack!]);
    return at.bad.bytesAt(ack!.addr, 1)[0]!;
  }

  /** Does VF 1 take a frame to this address? */
  function takes(at: Bench, to: Uint8Array): boolean {
    const ring = at.bad.ring(0);
    const before = ring.usedIdx;
    submit(at.bad, 0, writable(at.bad, 200), ring.availIdx % 16);
    at.card.arrive(frame(to, STRANGER));
    return ring.usedIdx !== before;
  }

  const OTHER = [0x02, 0x10, 0x20, 0x30, 0x40, 0x50];

  it('a command cut at any byte means the same', () => {
    const at = bench();
    const bytes = Uint8Array.of(1, 0, 1, 0, 0, 0, ...OTHER, 0, 0, 0, 0);

    for (let i = 1; i < bytes.length; i++) {
      expect(command(at, ...cut(bytes, i).map((part) => [...part]))).toBe(OK);
    }
    const pieces = cut(bytes, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15); // with the ack, fifteen descriptors of 16
    expect(command(at, ...pieces.map((part) => [...part]))).toBe(OK);

    expect(takes(at, Uint8Array.from(OTHER))).toBe(true);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([
    ['nothing', []],
    ['a class alone', [0]],
    ['PROMISC without its byte', [0, 0]],
    ['ADDR_SET with five bytes', [1, 1, 2, 0, 0, 0, 1]],
    ['ADDR_SET with no bytes', [1, 1]],
    ['TABLE_SET with no tables', [1, 0]],
    ['TABLE_SET with half a count', [1, 0, 1, 0]],
    ['TABLE_SET without the second table', [1, 0, 0, 0, 0, 0]],
  ])('a short command, %s, is answered with an error', (_, bytes) => {
    const at = bench();

    expect(command(at, bytes)).toBe(ERR);

    expect(at.bad.mac).toEqual(macOf(BAD));
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([
    ['one entry, no bytes', [1, 0, 1, 0, 0, 0]],
    ['two entries, one there', [1, 0, 2, 0, 0, 0, ...OTHER, 0, 0, 0, 0]],
    ['2^32 - 1 entries', [1, 0, 0xff, 0xff, 0xff, 0xff, ...OTHER, 0, 0, 0, 0]],
    ['a count whose bytes wrap around 2^32', [1, 0, 0xab, 0xaa, 0xaa, 0x2a, ...OTHER, 0, 0, 0, 0]],
    ['a second count past the end', [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5]],
  ])('N01 MAC_TABLE_SET with %s is refused and changes nothing', (_, bytes) => {
    const at = bench();
    expect(command(at, [1, 0, 1, 0, 0, 0, ...OTHER, 0, 0, 0, 0])).toBe(OK);

    expect(command(at, bytes)).toBe(ERR);

    expect(takes(at, Uint8Array.from(OTHER))).toBe(true);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([33, 64, 100, 600])('N01 a table of %i addresses is taken whole or refused whole', (entries) => {
    const at = bench();
    const address = (i: number): number[] => [2, 9, 9, 9, i >> 8, i & 0xff];
    const table = Array.from({ length: entries }, (_, i) => address(i)).flat();

    const ack = command(at, [1, 0, entries & 0xff, entries >> 8, 0, 0, ...table, 0, 0, 0, 0]);

    const taken = [0, 1, entries - 1].map((i) => takes(at, Uint8Array.from(address(i))));
    expect(taken).toEqual(ack === OK ? [true, true, true] : [false, false, false]);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([
    ['N02 VLAN_ADD', [2, 0, 5, 0]],
    ['N02 VLAN_ADD of 4096', [2, 0, 0, 16]],
    ['N03 VQ_PAIRS_SET', [4, 0, 1, 0]],
    ['N04 RSS_CONFIG', [4, 1, ...Array.from({ length: 60 }, () => 1)]],
    ['N05 GUEST_OFFLOADS_SET', [5, 0, 0xff, 0, 0, 0, 0, 0, 0, 0]],
    ['N06 coalescing of a queue', [6, 2, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]],
    ['N08 ANNOUNCE_ACK', [3, 0]],
    ['N08 statistics', [8, 0]],
    ['N08 class 255', [255, 255]],
    ['N08 receive command 200', [0, 200, 1]],
    ['N08 MAC command 2', [1, 2, ...OTHER]],
  ])('%s was never negotiated: error', (_, bytes) => {
    const at = bench();

    expect(command(at, bytes)).toBe(ERR);

    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([
    ['CTRL_RX', [F.CTRL_VQ], [0, 0, 1]],
    ['CTRL_MAC_ADDR and CTRL_RX', [F.CTRL_VQ], [1, 1, ...OTHER]],
  ])('N08 without %s its commands are refused', (_, features, bytes) => {
    const at = bench(features);

    expect(command(at, bytes)).toBe(ERR);

    expect(at.bad.mac).toEqual(macOf(BAD));
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('a group address is no address of a function', () => {
    const at = bench();

    const ack = command(at, [1, 1, 0x01, 0, 0x5e, 0, 0, 1]);

    expect(ack === ERR || at.bad.mac[0] === 1).toBe(true);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([2, 0xff])('PROMISC with %i, neither 0 nor 1, is answered', (value) => {
    const at = bench();

    expect([OK, ERR]).toContain(command(at, [0, 0, value]));

    expect(at.verdict()).toBe(UNHARMED);
  });

  describe('N07 the place for the answer', () => {
    const PROMISC = Uint8Array.of(0, 0, 1);

    it('is missing: no byte is written', () => {
      const at = bench();

      submit(at.bad, CONTROL, readable(at.bad, PROMISC));

      expect(
        at.bad
          .ring(CONTROL)
          .usedSince(0)
          .every(({ len }) => len === 0),
      ).toBe(true);
      expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_chain')]);
    });

    it('has no bytes', () => {
      const at = bench();

      submit(at.bad, CONTROL, [...readable(at.bad, PROMISC), ...writable(at.bad, 0)]);

      expect(
        at.bad
          .ring(CONTROL)
          .usedSince(0)
          .every(({ len }) => len === 0),
      ).toBe(true);
      expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_chain')]);
    });

    it('has more bytes than one, in pieces: the first one is written, and no more', () => {
      const at = bench();
      const space = writable(at.bad, 0, 4, 4);

      submit(at.bad, CONTROL, [...readable(at.bad, PROMISC), ...space]);

      expect([...at.bad.bytesAt(space[1]!.addr, 4)]).toEqual([OK, 0xee, 0xee, 0xee]);
      expect(at.bad.ring(CONTROL).usedSince(0)).toEqual([{ id: 0, len: 1 }]);
      expect(at.verdict()).toBe(UNHARMED);
    });

    it('comes first', () => {
      const at = bench();

      submit(at.bad, CONTROL, [...writable(at.bad, 1), ...readable(at.bad, PROMISC)]);

      expect(at.verdict()).toBeOneOf(stopped('bad_order', 'bad_chain'));
    });

    it('is not mapped', () => {
      const at = bench();
      const ack: Descriptor = { addr: 0x7777_0000, len: 1, flags: WRITE };

      submit(at.bad, CONTROL, [...readable(at.bad, PROMISC), ack]);

      expect(at.card.nic.counters()['dma_faults']).toBe(1);
      expect(at.isContained()).toBe(true);
    });
  });

  it('a command of 60,000 bytes is answered or refused', () => {
    const at = bench();
    const [data] = readable(at.bad, new Uint8Array(60_000));

    submit(at.bad, CONTROL, [data!, ...writable(at.bad, 1)]);

    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_length', 'bad_chain')]);
  });
});
