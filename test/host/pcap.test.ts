// SPDX-License-Identifier: Apache-2.0
// Classic capture files: what libpcap reads of them, what is refused at which byte, and what other programs make of ours.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { UsageError } from '../../src/util/errors.ts';
import { openCapture } from '../../src/wire/capture.ts';
import { CaptureDamage } from '../../src/wire/frame_reader.ts';
import { encodePcap, type PcapFrame } from '../../src/wire/pcap.ts';
import { repoPath } from '../support/repo.ts';

const PING_HTTP = 'test/fixtures/ping_http.pcap';

/** Bytes of hexadecimal digits; blanks are for the reader. */
function bytesOf(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'));
}

function framesOf(file: Uint8Array): PcapFrame[] {
  return [...openCapture(file, 'IN').frames()];
}

// Two frames: AB CD at 1.000002 s (or 1.000000002 s), EF at 3 s. Typed from pcap-savefile(5).
const LITTLE_ENDIAN_TAIL = `0200 0400 00000000 00000000 00000400 01000000
  01000000 02000000 02000000 02000000 abcd
  03000000 00000000 01000000 01000000 ef`;
const BIG_ENDIAN_TAIL = `0002 0004 00000000 00000000 00040000 00000001
  00000001 00000002 00000002 00000002 abcd
  00000003 00000000 00000001 00000001 ef`;
const LITTLE_ENDIAN_FILE = bytesOf(`d4c3b2a1 ${LITTLE_ENDIAN_TAIL}`);

/** The little-endian file with other bytes at one place. */
function patched(offset: number, digits: string): Uint8Array {
  const file = LITTLE_ENDIAN_FILE.slice();
  file.set(bytesOf(digits), offset);
  return file;
}

describe('openCapture', () => {
  it.each([
    ['little', 'microseconds', `d4c3b2a1 ${LITTLE_ENDIAN_TAIL}`, 2000],
    ['big', 'microseconds', `a1b2c3d4 ${BIG_ENDIAN_TAIL}`, 2000],
    ['little', 'nanoseconds', `4d3cb2a1 ${LITTLE_ENDIAN_TAIL}`, 2],
    ['big', 'nanoseconds', `a1b23c4d ${BIG_ENDIAN_TAIL}`, 2],
  ])('reads %s-endian files in %s', (_byteOrder, _resolution, digits, nanoseconds) => {
    expect(framesOf(bytesOf(digits))).toEqual([
      { seconds: 1, nanoseconds, bytes: bytesOf('abcd') },
      { seconds: 3, nanoseconds: 0, bytes: bytesOf('ef') },
    ]);
  });

  it.each([
    [
      'little',
      '34cdb2a1 0200 0400 00000000 00000000 00000400 01000000',
      '01000000 02000000 02000000 02000000 05000000',
    ],
    ['big', 'a1b2cd34 0002 0004 00000000 00000000 00040000 00000001', '00000001 00000002 00000002 00000002 00000005'],
  ])('reads %s-endian files of the modified format, whose records have eight bytes more', (_, header, record) => {
    const frames = framesOf(bytesOf(`${header} ${record} 0008 00 00 abcd ${record} 0008 00 00 ef01`));

    expect(frames.map(({ seconds, nanoseconds, bytes }) => [seconds, nanoseconds, bytes])).toEqual([
      [1, 2000, bytesOf('abcd')],
      [1, 2000, bytesOf('ef01')],
    ]);
  });

  it.each([
    ['2.2: original length first', '0200 0200', '05000000 02000000'],
    ['2.3, captured length first', '0200 0300', '02000000 05000000'],
    ['2.3, original length first', '0200 0300', '05000000 02000000'],
    ['543.0 of DG/UX: original length first', '1f02 0000', '05000000 02000000'],
  ])('reads version %s', (_, version, lengths) => {
    const file = bytesOf(`d4c3b2a1 ${version} 00000000 00000000 00000400 01000000 01000000 00000000 ${lengths} abcd`);

    expect(framesOf(file)).toEqual([{ seconds: 1, nanoseconds: 0, bytes: bytesOf('abcd'), originalLength: 5 }]);
  });

  it('reads a file that lies inside a larger buffer', () => {
    const larger = new Uint8Array(LITTLE_ENDIAN_FILE.length + 20).fill(0xff);
    larger.set(LITTLE_ENDIAN_FILE, 7);

    const frames = framesOf(larger.subarray(7, 7 + LITTLE_ENDIAN_FILE.length));

    expect(frames).toEqual(framesOf(LITTLE_ENDIAN_FILE));
  });

  it('gives no frame for a file that is a header alone', () => {
    expect(framesOf(LITTLE_ENDIAN_FILE.subarray(0, 24))).toEqual([]);
  });

  it.each([
    ['no snapshot length', patched(16, '00000000')],
    ['a snapshot length below its frames', patched(16, '01000000')],
    ['a snapshot length of 4 GiB', patched(16, 'ffffffff')],
    ['a time zone and an accuracy', patched(8, '100e0000 06000000')],
  ])('reads whole frames of a file with %s', (_, file) => {
    expect(framesOf(file)).toEqual(framesOf(LITTLE_ENDIAN_FILE));
  });

  it('gives the bytes that are there where the original length is larger, and says so', () => {
    expect(framesOf(patched(36, 'ea050000'))[0]).toMatchObject({ bytes: bytesOf('abcd'), originalLength: 1514 });
  });

  it('gives all captured bytes where the original length is smaller', () => {
    const [frame] = framesOf(patched(36, '01000000'));

    expect(frame!.bytes).toEqual(bytesOf('abcd'));
    expect(frame!.originalLength).toBeUndefined();
  });

  it('carries a fraction that is more than a second', () => {
    // 4,294,967,295 us are 4,294 s and 967,295 us
    expect(framesOf(patched(28, 'ffffffff'))[0]).toMatchObject({ seconds: 1 + 4294, nanoseconds: 967_295_000 });
  });

  it('reads times without a sign: 0xfffffffe s are in 2106', () => {
    expect(new Date(framesOf(patched(24, 'feffffff'))[0]!.seconds * 1000).toISOString()).toBe(
      '2106-02-07T06:28:14.000Z',
    );
  });

  it('takes off the check sequence that the link type tells of, in words of 16 bits', () => {
    const file = (lengths: string, bytes: string): Uint8Array =>
      bytesOf(`d4c3b2a1 0200 0400 00000000 00000000 00000400 01000024 01000000 00000000 ${lengths} ${bytes}`);

    expect(framesOf(file('06000000 06000000', 'abcd 11223344'))[0]!.bytes).toEqual(bytesOf('abcd'));
    // 4 of 6 bytes: two of the frame, two of its check sequence
    expect(framesOf(file('04000000 06000000', 'abcd 1122'))[0]).toEqual({
      seconds: 1,
      nanoseconds: 0,
      bytes: bytesOf('abcd'),
    });
    expect(framesOf(file('03000000 0a000000', 'abcdef'))[0]).toMatchObject({
      bytes: bytesOf('abcdef'),
      originalLength: 6,
    });
    expect(framesOf(file('02000000 02000000', 'abcd'))[0]!.bytes).toHaveLength(0);
  });

  it('hands out the frames before a damaged one', () => {
    const frames = openCapture(LITTLE_ENDIAN_FILE.subarray(0, 50), 'IN').frames();

    expect(frames.next().value).toMatchObject({ seconds: 1 });
    expect(() => frames.next()).toThrow('IN: byte 42: frame 2 is cut off after 8 of the 16 bytes of its header');
  });

  it.each([
    [
      'an absurd length',
      patched(32, 'ffffffff ffffffff'),
      'byte 32: frame 1 claims 4294967295 bytes, more than the 262144',
    ],
    ['a cut record header', LITTLE_ENDIAN_FILE.subarray(0, 25), 'byte 24: frame 1 is cut off after 1 of the 16 bytes'],
    ['a cut frame', LITTLE_ENDIAN_FILE.subarray(0, 41), 'byte 40: frame 1 is cut off after 1 of 2 bytes'],
  ])('stops at %s', (_, file, message) => {
    expect(() => framesOf(file)).toThrow(CaptureDamage);
    expect(() => framesOf(file)).toThrow(`IN: ${message}`);
  });

  it.each([
    ['an empty file', bytesOf(''), 'byte 0: 0 bytes are too short'],
    ['a file of another kind', bytesOf('89504e47 0d0a1a0a'), 'byte 0: a file that begins with 0x89504e47 is neither'],
    ['gzip', bytesOf('1f8b0800 00000000'), 'byte 0: this file is compressed; unpack it first: gzip -dc < IN > OUT'],
    ['zstd', bytesOf('28b52ffd 00000000'), 'byte 0: this file is compressed; unpack it first: zstd -dc < IN > OUT'],
    ['snoop', bytesOf('736e6f6f 70000000'), 'byte 0: this is a capture of snoop; convert it with: editcap -F pcap'],
    ['a cut file header', LITTLE_ENDIAN_FILE.subarray(0, 20), 'byte 20: the file header of 24 bytes is cut off'],
    ['version 2.5', patched(6, '0500'), 'byte 4: format version 2.5, not 2.0 to 2.4'],
    ['version 1.4', patched(4, '0100'), 'byte 4: format version 1.4, not 2.0 to 2.4'],
    [
      'Linux cooked frames',
      patched(20, '71000000'),
      'byte 20: link type 113 (Linux cooked) is not Ethernet; record on one',
    ],
    ['a link type without a name', patched(20, 'e7030000'), 'byte 20: link type 999 is not Ethernet; record on an'],
  ])('refuses %s', (_, file, message) => {
    expect(() => openCapture(file, 'IN')).toThrow(UsageError);
    expect(() => openCapture(file, 'IN')).toThrow(`IN: ${message}`);
  });
});

describe('encodePcap', () => {
  it('writes little-endian nanoseconds for Ethernet, byte by byte', () => {
    const file = encodePcap([{ seconds: 1, nanoseconds: 2, bytes: bytesOf('abcd') }]);

    expect(Buffer.from(file).toString('hex')).toBe(
      '4d3cb2a1020004000000000000000000000004000100000001000000020000000200000002000000abcd',
    );
  });

  it.each([
    [-1, 'editcap -t 1 IN OUT'],
    [2 ** 32, 'editcap -t -1 IN OUT'],
  ])('refuses the time %d s, which the format cannot say', (seconds, remedy) => {
    expect(() => encodePcap([{ seconds, nanoseconds: 0, bytes: bytesOf('ab') }])).toThrow(UsageError);
    expect(() => encodePcap([{ seconds, nanoseconds: 0, bytes: bytesOf('ab') }])).toThrow(remedy);
  });

  it('keeps every frame through a round trip', () => {
    const frame = fc.record({
      seconds: fc.nat(0xffff_ffff),
      nanoseconds: fc.nat(999_999_999),
      bytes: fc.uint8Array({ maxLength: 1600 }),
    });

    fc.assert(
      fc.property(fc.array(frame), (frames) => {
        expect(framesOf(encodePcap(frames))).toEqual(frames);
      }),
    );
  });
});

describe('the capture of a ping and an HTTP transfer', () => {
  const frames = framesOf(readFileSync(repoPath(PING_HTTP)));

  it('holds the 49 frames that tcpdump counted, none above 1514 bytes', () => {
    const first = frames[0];
    const last = frames.at(-1);

    expect(frames).toHaveLength(49);
    expect(frames.filter(({ bytes }) => bytes.length === 1514)).toHaveLength(13);
    expect(Math.max(...frames.map(({ bytes }) => bytes.length))).toBe(1514);
    expect(first).toMatchObject({ seconds: 1_795_354_151, nanoseconds: 990_087_000 });
    expect(last).toMatchObject({ seconds: 1_795_354_152, nanoseconds: 852_811_000 });
  });

  it('holds IPv4 packets with right header checksums', () => {
    const packets = frames.filter(({ bytes }) => bytes[12] === 0x08 && bytes[13] === 0x00);
    const sums = packets.map(({ bytes }) => onesComplementSum(bytes.subarray(14, 34)));

    // A header with its checksum in place adds up to all ones (RFC 1071).
    expect(packets).toHaveLength(47);
    expect(new Set(sums)).toEqual(new Set([0xffff]));
  });

  const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0;

  it.skipIf(!hasTcpdump)('reads the same in tcpdump after it was written again', () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtfn-pcap-'));
    try {
      const copy = join(folder, 'copy.pcap');
      writeFileSync(copy, encodePcap(frames));
      const text = (file: string): string =>
        execFileSync('tcpdump', ['-nn', '-tt', '-e', '-xx', '--time-stamp-precision=nano', '-r', file], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });

      expect(text(copy)).toBe(text(repoPath(PING_HTTP)));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Sum of 16-bit words with end-around carry. */
function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
