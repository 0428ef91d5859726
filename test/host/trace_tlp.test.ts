// SPDX-License-Identifier: Apache-2.0
// TLPs out of trace records, read back by the figures of the PCIe base specification, and NetTLP's datagram around them.
import { describe, expect, it } from 'vitest';

import { tlpPieces } from '../../src/trace/nettlp.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { TlpEncoder } from '../../src/trace/tlp.ts';
import { readTlp } from '../support/tlp_reader.ts';
import { NOBODY, traceBytes, TRACED_CARD, type TraceFields } from '../support/trace_records.ts';

const MRD = 1;
const MWR = 2;
const CPL = 3;
const CPLD = 4;
const CFGRD = 5;
const CFGWR = 6;
const MSG = 7;
const DOWN = 0x10;
const WIDE = 0x20;
const POISONED = 0x40;

/** The record's `a`: bytes of data and tag. */
function size(bytes: number, tag = 0): number {
  return bytes + tag * 0x10000;
}

function readAll(...records: Omit<TraceFields, 'kind'>[]): Record<string, number | string>[] {
  const encoder = new TlpEncoder(TRACED_CARD);
  const bytes = traceBytes(...records.map((record) => ({ ...record, kind: 1 })));
  return Array.from(traceRecords([bytes]), (record) => readTlp(encoder.encode(record).bytes));
}

const PLAIN = { TC: 0, TD: 0, EP: 0, Attr: 0, AT: 0 };

describe('requests', () => {
  it('reads 64 bytes above 4 GiB with a header of four doublewords', () => {
    const [tlp] = readAll({ fn: 1, sub: MRD | WIDE, a: size(64, 0x17), c: 0x12_3456_7840 });

    expect(tlp).toEqual({
      ...PLAIN,
      name: 'MRd64',
      Length: 16,
      requesterId: 0x0101,
      tag: 0x17,
      firstBe: 0xf,
      lastBe: 0xf,
      address: 0x12_3456_7840,
    });
  });

  it('reads below 4 GiB with a header of three', () => {
    expect(readAll({ fn: 0, sub: MRD, a: size(4096, 1), c: 0xffff_f000 })[0]).toMatchObject({
      name: 'MRd32',
      Length: 0, // 1024
      requesterId: 0x0100,
      address: 0xffff_f000,
    });
  });

  it('carries tags of ten bits', () => {
    // 0x2a5: T9 = 1, T8 = 0
    expect(readAll({ sub: MRD, a: size(4, 0x2a5) })[0]).toMatchObject({ tag: 0x2a5, TC: 0 });
    expect(readAll({ sub: MRD, a: size(4, 0x1ff) })[0]).toMatchObject({ tag: 0x1ff, TC: 0 });
  });

  // PCIe §2.2.5: first BE for the first doubleword, last BE for the last, 0 where there is only one
  it.each([
    [0x1000, 4, 1, 0b1111, 0b0000],
    [0x1001, 1, 1, 0b0010, 0b0000],
    [0x1001, 2, 1, 0b0110, 0b0000],
    [0x1002, 2, 1, 0b1100, 0b0000],
    [0x1003, 2, 2, 0b1000, 0b0001],
    [0x1002, 9, 3, 0b1100, 0b0111],
    [0x1000, 8, 2, 0b1111, 0b1111],
    [0x1001, 4, 2, 0b1110, 0b0001],
    [0x1000, 0, 1, 0b0000, 0b0000],
  ])('enables the right bytes at %x, %i bytes', (address, bytes, length, firstBe, lastBe) => {
    const [tlp] = readAll({ sub: MRD, a: size(bytes), c: address });

    expect(tlp).toMatchObject({ address: address - (address % 4), Length: length, firstBe, lastBe });
  });

  it('writes data at their place in the doublewords, without a tag', () => {
    const [tlp] = readAll({ fn: 2, sub: MWR, a: size(3, 9), c: 0xfee0_1002, payload: [0xaa, 0xbb, 0xcc] });

    expect(tlp).toEqual({
      ...PLAIN,
      name: 'MWr32',
      Length: 2,
      requesterId: 0x0200,
      tag: 0,
      firstBe: 0b1100,
      lastBe: 0b0001,
      address: 0xfee0_1000,
      data: '0000aabbcc000000',
    });
  });

  it('marks poisoned data', () => {
    expect(readAll({ sub: MWR | POISONED, a: size(4), payload: [1, 2, 3, 4] })[0]).toMatchObject({ EP: 1, TD: 0 });
  });

  it('comes from the root complex downstream', () => {
    const [tlp] = readAll({ fn: 1, sub: MRD | WIDE | DOWN, a: size(2, 5), c: 0x80_0000_4016 });

    expect(tlp).toMatchObject({ name: 'MRd64', requesterId: 0, tag: 5, address: 0x80_0000_4014, firstBe: 0b1100 });
  });

  it('configures functions of the own bus by type 0, of further buses by type 1', () => {
    const [read, write] = readAll(
      { fn: 1, sub: CFGRD | DOWN, a: size(2, 3), c: 0x06 },
      { fn: 2, sub: CFGWR | DOWN, a: size(4, 4), c: 0xffc, payload: [1, 2, 3, 4] },
    );

    expect(read).toEqual({
      ...PLAIN,
      name: 'CfgRd0',
      Length: 1,
      requesterId: 0,
      tag: 3,
      firstBe: 0b1100,
      lastBe: 0,
      targetId: 0x0101,
      register: 1,
    });
    expect(write).toMatchObject({ name: 'CfgWr1', Length: 1, targetId: 0x0200, register: 0x3ff, data: '01020304' });
  });

  it('signals INTx by messages', () => {
    const [assert, deassert] = readAll({ sub: MSG, a: 1 }, { sub: MSG, a: 0 });

    expect(assert).toMatchObject({ name: 'Msg local', Length: 0, requesterId: 0x0100, tag: 0, messageCode: 0x20 });
    expect(deassert).toMatchObject({ name: 'Msg local', messageCode: 0x24 });
  });
});

describe('completions', () => {
  it('gives byte count and lower address of what is left', () => {
    // 100 bytes at ...7c: 4 bytes up to the boundary, then 64, then 32
    const [first, second, third] = readAll(
      { fn: 1, sub: CPLD | DOWN, a: size(4, 8), c: 0x20_0000_107c, d: 100, payload: [1, 2, 3, 4] },
      {
        fn: 1,
        sub: CPLD | DOWN,
        a: size(64, 8),
        c: 0x20_0000_1080,
        d: 96,
        payload: Array.from({ length: 64 }, () => 7),
      },
      {
        fn: 1,
        sub: CPLD | DOWN,
        a: size(32, 8),
        c: 0x20_0000_10c0,
        d: 32,
        payload: Array.from({ length: 32 }, () => 8),
      },
    );

    expect(first).toEqual({
      ...PLAIN,
      name: 'CplD',
      Length: 1,
      completerId: 0,
      status: 0,
      BCM: 0,
      byteCount: 100,
      requesterId: 0x0101,
      tag: 8,
      lowerAddress: 0x7c,
      data: '01020304',
    });
    expect(second).toMatchObject({ Length: 16, byteCount: 96, lowerAddress: 0 });
    expect(third).toMatchObject({ Length: 8, byteCount: 32, lowerAddress: 0x40, data: '08'.repeat(32) });
  });

  it('writes 4096 bytes left as 0', () => {
    expect(readAll({ sub: CPLD | DOWN, a: size(4), d: 4096, payload: [0, 0, 0, 0] })[0]).toMatchObject({
      byteCount: 0,
    });
  });

  it('answers the root complex in the name of the function', () => {
    const [, answer] = readAll(
      { fn: 2, sub: MRD | DOWN, a: size(2, 6), c: 0xe000_0016 },
      { fn: 2, sub: CPLD, a: size(2, 6), c: 0xe000_0016, d: 2, payload: [0xcd, 0xab] },
    );

    expect(answer).toMatchObject({
      name: 'CplD',
      Length: 1,
      completerId: 0x0200,
      requesterId: 0,
      tag: 6,
      byteCount: 2,
      lowerAddress: 0x16,
      data: '0000cdab',
    });
  });

  it.each([
    ['Unsupported Request', 1],
    ['Completer Abort', 4],
  ])('refuses with %s', (_, status) => {
    const [tlp] = readAll({ fn: NOBODY, sub: CPL | (status << 8), a: size(0, 2), c: 0x44, d: 4 });

    expect(tlp).toMatchObject({
      name: 'Cpl',
      Length: 0,
      status,
      completerId: 0x0100,
      byteCount: 4,
      lowerAddress: 0x44,
    });
  });

  it('has byte count 4 and lower address 0 for configuration requests, whatever they asked for', () => {
    const [, read, , write, , memory] = readAll(
      { fn: 0, sub: CFGRD | DOWN, a: size(1, 1), c: 0x3d },
      { fn: 0, sub: CPLD, a: size(1, 1), c: 0x3d, d: 1, payload: [0x42] },
      { fn: 0, sub: CFGWR | DOWN, a: size(4, 1), c: 4, payload: [0, 0, 0, 0] },
      { fn: 0, sub: CPL, a: size(0, 1), c: 0 },
      { fn: 0, sub: MRD | DOWN, a: size(1, 1), c: 0x3d },
      { fn: 0, sub: CPLD, a: size(1, 1), c: 0x3d, d: 1, payload: [0x42] },
    );

    expect(read).toMatchObject({ name: 'CplD', Length: 1, byteCount: 4, lowerAddress: 0, data: '00420000' });
    expect(write).toMatchObject({ name: 'Cpl', Length: 0, byteCount: 4, lowerAddress: 0 });
    expect(memory).toMatchObject({ name: 'CplD', byteCount: 1, lowerAddress: 0x3d });
  });
});

describe('tlpPieces', () => {
  function packets(...records: Omit<TraceFields, 'kind'>[]): Buffer[] {
    const bytes = traceBytes(...records.map((record) => ({ ...record, kind: 1 })));
    return [...tlpPieces(TRACED_CARD, traceRecords([bytes]))].slice(2).map((piece) => Buffer.from(piece));
  }

  it('puts a packet of the card into a datagram from 192.168.10.3 to 192.168.10.1', () => {
    const [block] = packets({ fn: 1, sub: MRD, a: size(4, 0x15), c: 0x1000, time: 0x1_0000_0002 });

    // Ethernet 14, IPv4 20, UDP 8, NetTLP 6, header 12: 60 bytes, of which IPv4 counts 46 and UDP 26
    const frame = block!.subarray(28, 28 + block!.readUInt32LE(20));
    // checksum: 4500 + 002e + 4011 + c0a8 + 0a03 + c0a8 + 0a01 = 21a93 -> 1a95 -> ~ e56a
    expect(frame.toString('hex')).toBe(
      `020000000001 020000000003 0800
      4500 002e 0000 0000 40 11 e56a c0a80a03 c0a80a01
      3015 3015 001a 0000
      0000 00000002
      00000001 0101 15 0f 00001000`.replaceAll(/\s/g, ''),
    );
    expect(block!.readUInt32LE(44 + 48)).toBe(2); // outbound
  });

  it('counts packets in the order of their first symbols', () => {
    const found = packets(
      { sub: MWR, time: 30, a: size(4), payload: [1, 1, 1, 1] },
      { sub: MWR | DOWN, time: 10, a: size(4), payload: [2, 2, 2, 2] },
      { sub: MRD, time: 20, a: size(4) },
    ).map((block) => [block.readUInt32LE(16) / 4, block.readUInt16BE(28 + 42), block.readUInt32BE(28 + 44)]);

    expect(found).toEqual([
      [10, 0, 10],
      [20, 1, 20],
      [30, 2, 30],
    ]);
  });

  it('tells the requests of both sides apart by their ports', () => {
    const ports = packets(
      { sub: MRD, a: size(4, 0x123) },
      { sub: CPLD | DOWN, a: size(4, 0x123), d: 4, payload: [0, 0, 0, 0] },
      { sub: MRD | DOWN, a: size(4, 0x1e) },
      { sub: CPLD, a: size(4, 0x1e), d: 4, payload: [0, 0, 0, 0] },
    ).map((block) => block.readUInt16BE(28 + 34));

    expect(ports).toEqual([0x3123, 0x3123, 0x400e, 0x400e]);
  });

  it('says how long a packet was whose data were not recorded', () => {
    const [block] = packets({ sub: MWR, a: size(256), c: 0x1000 });

    // 48 bytes of headers, 12 of the TLP's; 256 of data on the link
    expect([block!.readUInt32LE(20), block!.readUInt32LE(24)]).toEqual([60, 316]);
    expect(block!.readUInt16BE(28 + 16)).toBe(302); // IPv4 total length: 316 - 14
    expect(block!.readUInt16BE(28 + 38)).toBe(282); // UDP length
  });
});
