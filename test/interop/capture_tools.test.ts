// SPDX-License-Identifier: Apache-2.0
// Captures of real programs as we read them, beside what tcpdump reads of the same file, and the remedies that our messages
// name, followed. Where a program is missing its tests are skipped; .ci/run installs them from Debian.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { framePieces } from '../../src/trace/pcapng.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { openCapture } from '../../src/wire/capture.ts';
import { encodePcap, type PcapFrame } from '../../src/wire/pcap.ts';
import { repoPath } from '../support/repo.ts';
import { NOBODY, traceBytes, TRACED_CARD } from '../support/trace_records.ts';

const PING_HTTP = repoPath('test/fixtures/ping_http.pcap');

const has = (program: string, option = '--version'): boolean => spawnSync(program, [option]).error === undefined;
const hasTcpdump = has('tcpdump');
const hasWireshark = ['editcap', 'mergecap', 'text2pcap', 'tshark'].every((program) => has(program));
const hasPcapfix = has('pcapfix');

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'virtfn-interop-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a line of the shell in the folder; throws where it fails. */
function shell(line: string): void {
  const { status, stderr } = spawnSync('bash', ['-c', `set -o pipefail; ${line}`], {
    cwd: folder,
    env: { ...process.env, PING_HTTP },
  });
  if (status !== 0) throw new Error(`${line}: ${stderr.toString()}`);
}

function read(name: string): PcapFrame[] {
  return [...openCapture(readFileSync(join(folder, name)), name).frames()];
}

function digits(frames: readonly PcapFrame[]): string[] {
  return frames.map(({ bytes }) => Buffer.from(bytes).toString('hex'));
}

/** Time and bytes of each frame as tcpdump prints them. */
function byTcpdump(name: string): string[] {
  const args = ['-nn', '-tt', '-xx', '-q', '--time-stamp-precision=nano', '-r', name];
  const { stdout } = spawnSync('tcpdump', args, { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 });
  const frames: string[] = [];
  for (const line of stdout.split('\n')) {
    const time = /^(\d+\.\d{9}) /.exec(line)?.[1];
    if (time !== undefined) frames.push(`${time} `);
    else frames[frames.length - 1] += /^\t0x[\da-f]+: +(.*)$/.exec(line)?.[1]!.replaceAll(' ', '') ?? '';
  }
  return frames;
}

function byUs(name: string): string[] {
  return read(name).map(({ seconds, nanoseconds, bytes }) => {
    return `${seconds}.${String(nanoseconds).padStart(9, '0')} ${Buffer.from(bytes).toString('hex')}`;
  });
}

const original = [...openCapture(readFileSync(PING_HTTP), PING_HTTP).frames()];

describe.skipIf(!hasTcpdump || !hasWireshark)('a capture made by', () => {
  it.each([
    ['tcpdump, nanoseconds', 'tcpdump -r $PING_HTTP --time-stamp-precision=nano -w OUT', 49],
    ['tcpdump, cut at 60 bytes', 'tcpdump -r $PING_HTTP -s 60 -w cut; editcap -s 60 -F pcap $PING_HTTP OUT', 49],
    ['editcap, pcapng', 'editcap -F pcapng $PING_HTTP OUT', 49],
    ['editcap, nanoseconds', 'editcap -F nsecpcap $PING_HTTP OUT', 49],
    ['editcap, modified pcap', 'editcap -F modpcap $PING_HTTP OUT', 49],
    ['editcap, pcapng with comments and names', 'editcap -F pcapng -a 1:first -a 3:third $PING_HTTP OUT', 49],
    ['mergecap, pcapng of two interfaces', 'mergecap -I none -w OUT $PING_HTTP $PING_HTTP', 98],
    ['editcap, two sections', 'editcap -F pcapng $PING_HTTP one; cat one one > OUT', 98],
    ['tshark, pcapng', 'tshark -r $PING_HTTP -F pcapng -w OUT', 49],
    ['text2pcap', 'tshark -r $PING_HTTP --hexdump frames | text2pcap -q - OUT', 49],
  ])('%s is read as tcpdump reads it', (what, line, frames) => {
    const name = `${what.replaceAll(/\W+/g, '_')}.capture`;
    shell(line.replaceAll('OUT', name));

    const ours = byUs(name);

    expect(ours).toHaveLength(frames);
    expect(ours).toEqual(byTcpdump(name));
  });

  it('a shell that cuts it off gives the frames before, as tcpdump does', () => {
    shell('head -c 500 $PING_HTTP > short');

    const frames = openCapture(readFileSync(join(folder, 'short')), 'short').frames();
    const before = [1, 2, 3, 4, 5].map(() => frames.next().value as PcapFrame);

    expect(digits(before)).toEqual(digits(original.slice(0, 5)));
    expect(byTcpdump('short')).toHaveLength(5);
    expect(() => frames.next()).toThrow('byte 498: frame 6 is cut off after 2 of 98 bytes');
  });

  it('editcap, of a time after 2106 that tcpdump prints with 32 bits, has all of it', () => {
    shell('editcap -F pcapng -t 2600000000 $PING_HTTP late.pcapng');

    expect(read('late.pcapng').map(({ seconds }) => seconds)).toEqual(
      original.map(({ seconds }) => seconds + 2_600_000_000),
    );
  });

  it('us, a trace, is read by tcpdump as by us', () => {
    const payload = Array.from({ length: 60 }, (_, i) => i);
    const records = traceBytes(
      { kind: 10, time: 250_000_001, fn: 1, sub: 0, a: 60, payload },
      { kind: 10, time: 250_000_200, fn: NOBODY, sub: 1, a: 60, payload },
    );
    writeFileSync(join(folder, 'trace.pcapng'), Buffer.concat([...framePieces(TRACED_CARD, traceRecords([records]))]));

    expect(byUs('trace.pcapng')).toHaveLength(2);
    expect(byUs('trace.pcapng')).toEqual(byTcpdump('trace.pcapng'));
  });
});

describe.skipIf(!hasWireshark)('a check sequence that the link type tells of', () => {
  it('is one to tshark, and taken off by us', () => {
    // 60 zeros and their CRC-32
    const frame = new Uint8Array(64);
    frame.set([0x08, 0x89, 0x12, 0x04], 60);
    writeFileSync(
      join(folder, 'fcs.pcap'),
      withFcsInLinkType(encodePcap([{ seconds: 1, nanoseconds: 0, bytes: frame }])),
    );
    const { stdout } = spawnSync('tshark', ['-r', 'fcs.pcap', '-T', 'fields', '-e', 'eth.fcs'], { cwd: folder });

    expect(stdout.toString().trim()).toBe('0x08891204');
    expect(read('fcs.pcap').map(({ bytes }) => bytes.length)).toEqual([60]);
  });
});

/** Two words of 16 bits behind each frame, as the draft of the pcap format says it. */
function withFcsInLinkType(file: Uint8Array): Uint8Array {
  return file.with(23, 0x24);
}

describe('the remedy for', () => {
  const messageOf = (name: string): string => {
    try {
      read(name);
    } catch (error) {
      return String(error);
    }
    throw new Error(`${name} is read`);
  };

  it.skipIf(!hasWireshark).each([
    ['a compressed file', 'gzip -c $PING_HTTP > IN', 'gzip -dc < IN > OUT'],
    ['a capture of snoop', 'editcap -F snoop $PING_HTTP IN', 'editcap -F pcap IN OUT'],
    ['a capture of Network Monitor', 'editcap -F netmon2 $PING_HTTP IN', 'editcap -F pcap IN OUT'],
    ['an old variant', 'editcap -F rh6_1pcap $PING_HTTP IN', 'editcap -F pcap IN OUT'],
    ['a format without a name here', 'editcap -F visual $PING_HTTP IN', 'editcap -F pcap IN OUT'],
  ])('%s works', (_, make, remedy) => {
    shell(make);
    expect(messageOf('IN')).toContain(remedy);

    shell(remedy);

    expect(digits(read('OUT'))).toEqual(digits(original));
  });

  it.skipIf(!hasWireshark)('raw IP works', () => {
    const packets = original.filter(({ bytes }) => bytes[12] === 0x08 && bytes[13] === 0x00);
    writeFileSync(join(folder, 'ip'), encodePcap(packets));
    shell('editcap -F pcap -T rawip -C 14 -L ip IN');
    const remedy = 'tshark -r IN --hexdump frames | text2pcap -e 0x0800 - OUT';
    expect(messageOf('IN')).toContain(remedy);

    shell(remedy);

    // other addresses, the same packets
    const withoutAddresses = (frames: readonly PcapFrame[]): string[] => digits(frames).map((text) => text.slice(24));
    expect(withoutAddresses(read('OUT'))).toEqual(withoutAddresses(packets));
  });

  it.skipIf(!hasPcapfix)('a damaged length works', () => {
    const damaged = readFileSync(PING_HTTP);
    damaged.writeUInt32LE(0xfffffff0, 24 + 16 + 42 + 8); // of frame 2
    writeFileSync(join(folder, 'IN'), damaged);
    expect(messageOf('IN')).toContain('pcapfix -o OUT IN');

    rmSync(join(folder, 'OUT'), { force: true });
    shell('pcapfix -o OUT IN');

    expect(digits(read('OUT'))).toEqual(digits(original));
  });

  it.skipIf(!hasWireshark)('a time after 2106 works', () => {
    shell('editcap -F pcapng -t 2600000000 $PING_HTTP IN');
    const late = read('IN');
    const remedy = /editcap -t -\d+ IN OUT/.exec(failure(() => encodePcap([late.at(-1)!])))?.[0] ?? 'no remedy';

    shell(remedy);

    expect(() => encodePcap(read('OUT'))).not.toThrow();
  });

  it.skipIf(!hasWireshark)('frames of offloads works', () => {
    writeFileSync(join(folder, 'IN'), encodePcap([{ seconds: 1, nanoseconds: 0, bytes: new Uint8Array(65_226) }]));

    shell('editcap -s 9014 IN OUT');

    expect(read('OUT')).toMatchObject([{ bytes: new Uint8Array(9014), originalLength: 65_226 }]);
  });
});

function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return String(error);
  }
  return '';
}
