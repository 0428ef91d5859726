// SPDX-License-Identifier: Apache-2.0
// Capture files: both byte orders and resolutions, refusals by byte offset, and what other programs make of our files.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { UsageError } from '../../src/util/errors.ts';
import { encodePcap, openPcap, type PcapFrame } from '../../src/wire/pcap.ts';
import { repoPath } from '../support/repo.ts';

const PING_HTTP = 'test/fixtures/ping_http.pcap';

/** Bytes of hexadecimal digits; blanks are for the reader. */
function bytesOf(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'));
}

function framesOf(file: Uint8Array): PcapFrame[] {
  return [...openPcap(file, 'IN').frames()];
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

describe('openPcap', () => {
  it.each([
    ['little', 'microseconds', `d4c3b2a1 ${LITTLE_ENDIAN_TAIL}`, 2000],
    ['big', 'microseconds', `a1b2c3d4 ${BIG_ENDIAN_TAIL}`, 2000],
    ['little', 'nanoseconds', `4d3cb2a1 ${LITTLE_ENDIAN_TAIL}`, 2],
    ['big', 'nanoseconds', `a1b23c4d ${BIG_ENDIAN_TAIL}`, 2],
  ])('reads %s-endian files in %s', (byteOrder, resolution, digits, nanoseconds) => {
    const file = openPcap(bytesOf(digits), 'IN');

    expect(file).toMatchObject({ byteOrder, resolution, snapshotLength: 262_144 });
    expect([...file.frames()]).toEqual([
      { seconds: 1, nanoseconds, bytes: bytesOf('abcd') },
      { seconds: 3, nanoseconds: 0, bytes: bytesOf('ef') },
    ]);
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

  it('hands out the frames before a damaged one', () => {
    const frames = openPcap(LITTLE_ENDIAN_FILE.subarray(0, 50), 'IN').frames();

    expect(frames.next().value).toMatchObject({ seconds: 1 });
    expect(() => frames.next()).toThrow('byte 42: record header of frame 2 is cut off after 8 of 16 bytes');
  });

  it.each([
    ['an empty file', bytesOf(''), 'byte 0: 0 bytes are too short'],
    ['a file of another kind', bytesOf('89504e47 0d0a1a0a'), 'byte 0: magic 0x89504e47 is no pcap file'],
    ['pcapng', bytesOf('0a0d0d0a 1c000000'), 'byte 0: this is pcapng; convert it with: editcap -F pcap'],
    ['the modified format', patched(0, '34cdb2a1'), 'byte 0: this is the modified pcap format'],
    ['gzip', bytesOf('1f8b0800 00000000'), 'byte 0: this file is compressed; unpack it with gunzip'],
    ['zstd', bytesOf('28b52ffd 00000000'), 'byte 0: this file is compressed; unpack it with zstd -d'],
    ['a cut file header', LITTLE_ENDIAN_FILE.subarray(0, 20), 'byte 20: the file header of 24 bytes is cut off'],
    ['version 2.3', patched(6, '0300'), 'byte 4: format version 2.3, not 2.4'],
    ['Linux cooked frames', patched(20, '71000000'), 'byte 20: link type 0x00000071, not 1 (Ethernet)'],
    ['a frame check sequence', patched(20, '01000024'), 'byte 20: link type 0x24000001, not 1 (Ethernet)'],
    ['a fraction of a whole second', patched(28, '40420f00'), 'byte 28: frame 1 has 1000000 as part of a second'],
    ['a frame cut by the snapshot length', patched(36, 'ea050000'), 'byte 32: frame 1 holds only 2 of its 1514 bytes'],
    ['more captured than there was', patched(36, '01000000'), 'byte 32: frame 1 has 2 captured bytes of 1 '],
    ['an absurd length', patched(32, 'ffffffff ffffffff'), 'byte 32: frame 1 has 4294967295 captured bytes'],
    ['a cut record header', LITTLE_ENDIAN_FILE.subarray(0, 25), 'byte 24: record header of frame 1 is cut off after 1'],
    ['a cut frame', LITTLE_ENDIAN_FILE.subarray(0, 41), 'byte 40: frame 1 is cut off after 1 of 2 bytes'],
  ])('refuses %s', (_, file, message) => {
    expect(() => framesOf(file)).toThrow(UsageError);
    expect(() => framesOf(file)).toThrow(`IN: ${message}`);
  });

  it('reads or refuses any damaged file', () => {
    const damage = fc.record({
      offset: fc.nat(LITTLE_ENDIAN_FILE.length - 1),
      value: fc.nat(255),
      length: fc.nat(LITTLE_ENDIAN_FILE.length),
    });

    fc.assert(
      fc.property(damage, ({ offset, value, length }) => {
        const file = LITTLE_ENDIAN_FILE.slice();
        file[offset] = value;
        try {
          framesOf(file.subarray(0, length));
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });
});

describe('encodePcap', () => {
  it('writes little-endian nanoseconds for Ethernet, byte by byte', () => {
    const file = encodePcap([{ seconds: 1, nanoseconds: 2, bytes: bytesOf('abcd') }]);

    expect(Buffer.from(file).toString('hex')).toBe(
      '4d3cb2a1020004000000000000000000000004000100000001000000020000000200000002000000abcd',
    );
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
