// SPDX-License-Identifier: Apache-2.0
// Records of the trace ring: every field from its place, chunk by chunk, and what is no record.
import { describe, expect, it } from 'vitest';

import { functionName, nanoseconds, picoseconds, TRACE_KINDS, traceRecords } from '../../src/trace/records.ts';
import { NicError } from '../../src/util/errors.ts';
import { traceBytes } from '../support/trace_records.ts';

// 48 bytes: time 0x0102030405, kind 10, VF 2, 48 bytes, sub 1, a 3, b 4, c 0xfedcba9876543210, d 5, e 6, payload a1 a2 a3
const RECORD = `05040302 01000000 0a00 0200 3000 0100 03000000 04000000 10325476 98badcfe 05000000 06000000
  a1a2a300 00000000`;

function bytesOf(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'));
}

describe('traceRecords', () => {
  it('reads each field from its place', () => {
    const [record] = traceRecords([bytesOf(RECORD)]);

    expect(record).toMatchObject({
      time: 0x01_0203_0405,
      kind: 10,
      fn: 2,
      sub: 1,
      a: 3,
      b: 4,
      cLow: 0x7654_3210,
      cHigh: 0xfedc_ba98,
      d: 5,
      e: 6,
    });
    expect([...record!.payload]).toEqual([0xa1, 0xa2, 0xa3, 0, 0, 0, 0, 0]);
  });

  it('reads records that lie inside a larger buffer', () => {
    const larger = new Uint8Array(80).fill(0xff);
    larger.set(bytesOf(RECORD), 5);

    const times = [...traceRecords([larger.subarray(5, 53)])].map(({ time }) => time);

    expect(times).toEqual([0x01_0203_0405]);
  });

  it('goes on from chunk to chunk', () => {
    const chunks = [
      traceBytes({ kind: 2, time: 7 }, { kind: 2, time: 8, payload: [1] }),
      new Uint8Array(),
      traceBytes({ kind: 4, time: 9 }),
    ];

    expect(Array.from(traceRecords(chunks), ({ kind, time }) => [kind, time])).toEqual([
      [2, 7],
      [2, 8],
      [4, 9],
    ]);
  });

  it.each([
    ['a cut off record', bytesOf(RECORD).subarray(0, 40), 'trace byte 0: no whole record of 48 bytes in 40'],
    ['a cut off head', traceBytes({ kind: 1 }, { kind: 1 }).subarray(0, 60), 'trace byte 40: no whole record'],
    ['a length below the head', bytesOf(RECORD.replace('3000', '2000')), 'no whole record of 32 bytes'],
    ['a length that is no multiple of 8', bytesOf(RECORD.replace('3000', '2c00')), 'no whole record of 44 bytes'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => [...traceRecords([bytes])]).toThrow(NicError);
    expect(() => [...traceRecords([bytes])]).toThrow(message);
  });
});

describe('names and times', () => {
  it('names functions as the other tools do', () => {
    expect([0, 1, 1024, 0xffff].map((fn) => functionName(fn))).toEqual(['pf', 'vf1', 'vf1024', 'wire']);
    expect([0, 8, 9, 10, 0xffff].map((fn) => functionName(fn, { vfs: 8 }))).toEqual([
      'pf',
      'vf8',
      'od1',
      'od2',
      'wire',
    ]);
  });

  it('names the eleven kinds', () => {
    expect([...TRACE_KINDS.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('rounds nanoseconds down', () => {
    // 3333 ps: 2 cycles are 6.666 ns
    expect(nanoseconds(2, 3333)).toBe(6);
  });

  it('is exact beyond 2^53 ps', () => {
    // 2^52 + 1 cycles of 4000 ps
    expect(picoseconds(4_503_599_627_370_497, 4000)).toBe(18_014_398_509_481_988_000n);
    expect(nanoseconds(4_503_599_627_370_497, 1000)).toBe(4_503_599_627_370_497);
  });
});
