// SPDX-License-Identifier: Apache-2.0
// pcapng files: sections, interfaces, times and packets of every kind, and what is damage at which byte. Files are put
// together from the draft in test/support/pcapng_blocks.ts.
import { describe, expect, it } from 'vitest';

import { framePieces } from '../../src/trace/pcapng.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { UsageError } from '../../src/util/errors.ts';
import { openCapture } from '../../src/wire/capture.ts';
import { CaptureDamage, type PcapFrame } from '../../src/wire/frame_reader.ts';
import { Blocks, type ByteOrder, type Option } from '../support/pcapng_blocks.ts';
import { NOBODY, traceBytes, TRACED_CARD } from '../support/trace_records.ts';

const A = Uint8Array.of(0xaa, 0xab, 0xac, 0xad, 0xae);
const B = Uint8Array.of(0xba, 0xbb);
/** 2026-11-30T03:00:00Z. */
const SECONDS = 1_796_007_600;
const MICROSECONDS = BigInt(SECONDS) * 1_000_000n + 250_001n;

const ETHERNET = 1;
const LINUX_SLL = 113;
const OPT_COMMENT = 1;
const IF_TSRESOL = 9;
const IF_FCSLEN = 13;
const IF_TSOFFSET = 14;
const FLAGS = 2;

const little = new Blocks('little');

function file(...blocks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(blocks));
}

function framesOf(bytes: Uint8Array): PcapFrame[] {
  return [...openCapture(bytes, 'IN').frames()];
}

/** The time of one packet of an interface with these options. */
function timeOf(options: readonly Option[], units: bigint): [seconds: number, nanoseconds: number] {
  const [frame] = framesOf(file(little.section(), little.interface(ETHERNET, 0, options), little.packet(0, units, A)));
  return [frame!.seconds, frame!.nanoseconds];
}

describe('a pcapng file', () => {
  it.each<ByteOrder>(['little', 'big'])('gives the frames of all its packet blocks, %s-endian', (order) => {
    const blocks = new Blocks(order);

    const frames = framesOf(
      file(
        blocks.section([[OPT_COMMENT, A]]),
        blocks.interface(ETHERNET, 262_144, [[OPT_COMMENT, B]]),
        blocks.packet(0, MICROSECONDS, A, 5, [[OPT_COMMENT, B]]),
        blocks.oldPacket(0, MICROSECONDS + 1n, B),
        blocks.simplePacket(5, A),
      ),
    );

    expect(frames).toEqual([
      { seconds: SECONDS, nanoseconds: 250_001_000, bytes: A },
      { seconds: SECONDS, nanoseconds: 250_002_000, bytes: B },
      { seconds: 0, nanoseconds: 0, bytes: A },
    ]);
  });

  it('has interfaces anew in each section, which may have another byte order', () => {
    const big = new Blocks('big');

    const frames = framesOf(
      file(
        little.section(),
        little.interface(ETHERNET),
        little.interface(ETHERNET, 0, [[IF_TSRESOL, [9, 1]]]),
        little.packet(1, 5n, A),
        big.section(),
        big.interface(ETHERNET, 0, [[IF_TSRESOL, [3, 1]]]),
        big.packet(0, 5n, B),
      ),
    );

    expect(frames.map(({ nanoseconds, bytes }) => [nanoseconds, bytes])).toEqual([
      [5, A],
      [5_000_000, B],
    ]);
  });

  it('is passed over where a block holds no packet: names, statistics, secrets, private and unknown ones', () => {
    const others = [4, 5, 10, 0xbad, 0x4000_0bad, 0x7fff_ffff].map((type) => little.block(type, [A]));

    const frames = framesOf(
      file(little.section(), ...others, little.interface(ETHERNET), ...others, little.packet(0, 1n, B)),
    );

    expect(frames.map(({ bytes }) => bytes)).toEqual([B]);
  });

  it('leaves out packets of interfaces that are not Ethernet, and tells of each', () => {
    const skipped: number[][] = [];
    const bytes = file(
      little.section(),
      little.interface(LINUX_SLL),
      little.interface(ETHERNET),
      little.packet(0, 1n, A),
      little.packet(1, 1n, B),
      little.packet(0, 1n, A),
    );

    const frames = [...openCapture(bytes, 'IN').frames((...skip) => skipped.push(skip))];

    expect(frames.map((frame) => frame.bytes)).toEqual([B]);
    expect(skipped).toEqual([
      [LINUX_SLL, 0],
      [LINUX_SLL, 0],
    ]);
  });

  it('gives the part of a frame that is there, with its whole length', () => {
    const frames = framesOf(
      file(
        little.section(),
        little.interface(ETHERNET, 5),
        little.packet(0, 1n, A, 60),
        little.simplePacket(60, A),
        little.packet(0, 1n, A, 4), // as some programs write it
      ),
    );

    expect(frames.map(({ bytes, originalLength }) => [bytes, originalLength])).toEqual([
      [A, 60],
      [A, 60],
      [A, undefined],
    ]);
  });

  it('takes off the check sequence: bytes of the interface, bits of it, bytes of the packet first', () => {
    const fcs = (value: number): Uint8Array => little.interface(ETHERNET, 0, [[IF_FCSLEN, [value, 1]]]);
    const flags = (bytes: number): Option[] => [[FLAGS, [bytes << 5, 4]]];

    const frames = framesOf(
      file(
        little.section(),
        fcs(4),
        fcs(32),
        little.packet(0, 1n, A),
        little.packet(1, 1n, A),
        little.packet(0, 1n, A, 5, flags(2)),
        little.oldPacket(0, 1n, A, flags(3)),
        little.packet(0, 1n, A, 5, flags(0)),
      ),
    );

    expect(frames.map(({ bytes }) => bytes.length)).toEqual([1, 1, 3, 2, 1]);
  });

  it('without packets gives no frame', () => {
    expect(framesOf(little.section())).toEqual([]);
  });
});

describe('the time of a packet', () => {
  it.each<[what: string, options: readonly Option[], units: bigint, seconds: number, nanoseconds: number]>([
    ['microseconds without an option', [], MICROSECONDS, SECONDS, 250_001_000],
    ['whole seconds', [[IF_TSRESOL, [0, 1]]], BigInt(SECONDS), SECONDS, 0],
    ['nanoseconds', [[IF_TSRESOL, [9, 1]]], BigInt(SECONDS) * 1_000_000_000n + 999_999_999n, SECONDS, 999_999_999],
    ['picoseconds, cut to nanoseconds', [[IF_TSRESOL, [12, 1]]], 1_000_000_001_999n, 1, 1],
    ['10^-19 s', [[IF_TSRESOL, [19, 1]]], 15_000_000_000_000_000_000n, 1, 500_000_000],
    ['2^-10 s', [[IF_TSRESOL, [0x8a, 1]]], 1536n, 1, 500_000_000],
    ['2^-63 s', [[IF_TSRESOL, [0xbf, 1]]], (1n << 63n) + (1n << 62n), 1, 500_000_000],
    ['after 2106', [], 2n ** 33n * 1_000_000n, 2 ** 33, 0],
    ['the latest that 64 bits of nanoseconds say', [[IF_TSRESOL, [9, 1]]], 2n ** 64n - 1n, 18_446_744_073, 709_551_615],
    ['with an offset', [[IF_TSOFFSET, [SECONDS, 8]]], 1n, SECONDS, 1000],
    ['with an offset into the past', [[IF_TSOFFSET, [-3, 8]]], 1_000_001n, -2, 1000],
  ])('is right in %s', (_, options, units, seconds, nanoseconds) => {
    expect(timeOf(options, units)).toEqual([seconds, nanoseconds]);
  });
});

describe('damage in a pcapng file', () => {
  const start = file(little.section(), little.interface(ETHERNET), little.packet(0, 1n, A));
  const next = start.length; // 28 + 20 + 40
  const packet = little.packet(0, 2n, B);
  const withTrailer = (bytes: Uint8Array): Uint8Array => bytes.with(bytes.length - 4, 0xff);
  const claim = (length: number): Uint8Array => {
    const bytes = packet.slice();
    new DataView(bytes.buffer).setUint32(4, length, true);
    return bytes;
  };

  it.each<[what: string, behind: Uint8Array, message: string]>([
    ['a header that is cut off', packet.subarray(0, 7), 'the block is cut off after 7 of 12 bytes'],
    ['a block that is cut off', packet.subarray(0, 33), 'the block is cut off after 33 of 36 bytes'],
    ['a length of zero', claim(0), 'a block of type 0x00000006 claims 0 bytes'],
    ['a length that is no multiple of four', claim(34), 'a block of type 0x00000006 claims 34 bytes'],
    ['a length of 4 GiB', claim(0xfffffffc), 'a block of type 0x00000006 claims 4294967292 bytes'],
    ['two lengths', withTrailer(packet), 'a block claims 36 bytes in front and 255 behind'],
    ['a packet without room for its header', little.block(6, [A]), 'a block of type 6 has only 20 bytes'],
    ['a packet beyond its block', little.block(6, [[0, 4], [0, 8], [3, 4], [3, 4]]), 'frame 2 claims 3 bytes, its block has 0'], // prettier-ignore
    ['an interface that is not there', little.packet(1, 1n, B), 'frame 2 is of interface 1, which is not described'],
    ['an interface of another section', file(little.section(), packet), 'frame 2 is of interface 0, which is not'],
    ['a resolution of 10^-20', little.interface(1, 0, [[IF_TSRESOL, [20, 1]]]), 'counts time in units of 10^-20 s'],
    ['a resolution of 2^-64', little.interface(1, 0, [[IF_TSRESOL, [0xc0, 1]]]), 'counts time in units of 2^-64 s'],
    [
      'a resolution of two bytes',
      little.interface(1, 0, [[IF_TSRESOL, [6, 2]]]),
      'an option of an interface has 2 bytes',
    ],
    ['an option beyond its block', little.block(1, [[1, 2], [0, 2], [0, 4], [2, 2], [9, 2]]), 'goes beyond its block'], // prettier-ignore
    ['a section without byte order', little.block(0x0a0d0d0a, [[1, 4], [1, 2], [0, 2], [-1, 8]]), 'a section has no byte order'], // prettier-ignore
  ])('(%s) ends the frames at its byte', (_, behind, message) => {
    const frames = openCapture(file(start, behind), 'IN').frames();

    expect(frames.next().value).toMatchObject({ bytes: A });
    expect(() => frames.next()).toThrow(CaptureDamage);
    expect(() => framesOf(file(start, behind))).toThrow(message);
    const offset = message.includes('interface 0, which') ? next + 28 : next;
    const inBlock = message.includes('byte order') ? 8 : 0;
    expect(() => framesOf(file(start, behind))).toThrow(`IN: byte ${offset + inBlock}: `);
  });

  it('is more interfaces than 16 bits number', () => {
    const one = Buffer.from(little.interface(ETHERNET));
    const many = Buffer.alloc(one.length * 65_536, one);

    expect(framesOf(file(little.section(), many, little.packet(65_535, 1n, A)))).toHaveLength(1);
    expect(() => framesOf(file(little.section(), many, one))).toThrow('more than 65536 interfaces');
  });

  it('in options of a packet changes nothing', () => {
    const odd = little.block(6, [[0, 4], [0, 8], [2, 4], [2, 4], B, [0, 2], [FLAGS, 2], [0x7fff, 2]]); // prettier-ignore

    expect(framesOf(file(start, odd))).toHaveLength(2);
  });

  it('is another version', () => {
    expect(() => framesOf(little.section([], 2))).toThrow(UsageError);
    expect(() => framesOf(little.section([], 2))).toThrow('IN: byte 12: pcapng version 2, not 1');
  });
});

describe('a trace of ours', () => {
  it('can be read: frames of the functions and the wire, nanoseconds from the creation of the card', () => {
    const payload = Array.from({ length: 60 }, (_, i) => i);
    const records = traceBytes(
      { kind: 10, time: 250_000_001, fn: 1, sub: 0, a: 60, payload },
      { kind: 10, time: 250_000_200, fn: NOBODY, sub: 1, a: 60, payload },
    );

    const frames = framesOf(file(...framePieces(TRACED_CARD, traceRecords([records]))));

    // cycles of 4 ns: 1.000000004 s and 1.0000008 s
    expect(frames).toEqual([
      { seconds: 1, nanoseconds: 4, bytes: Uint8Array.from(payload) },
      { seconds: 1, nanoseconds: 800, bytes: Uint8Array.from(payload) },
    ]);
  });
});
