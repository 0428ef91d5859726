// SPDX-License-Identifier: Apache-2.0
// Trace files as other programs read them: vcd2fst of GTKWave, and tshark of Wireshark. Where a program is missing its
// tests are skipped; .ci/run installs both from Debian.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tlpPieces } from '../../src/trace/nettlp.ts';
import { framePieces } from '../../src/trace/pcapng.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { vcdPieces } from '../../src/trace/vcd.ts';
import { joined, NOBODY, traceBytes, TRACED_CARD } from '../support/trace_records.ts';

const hasVcd2fst = spawnSync('vcd2fst', ['--help']).error === undefined;
const hasTshark = spawnSync('tshark', ['--version']).status === 0;

/** Broadcast from 02:00:00:00:00:01, type 0x88b5 (local experiment), 46 bytes of data. */
const FRAME = [
  ...Array.from({ length: 6 }, () => 0xff),
  2,
  0,
  0,
  0,
  0,
  1,
  0x88,
  0xb5,
  ...Array.from({ length: 46 }, (_, i) => i),
];

const records = traceBytes(
  { kind: 4, time: 10, fn: 1, a: 0x0f },
  { kind: 5, time: 20, fn: 1, sub: 1, a: 1, b: 3 },
  { kind: 3, time: 21, fn: 0, sub: 2, a: 1, c: 40 },
  { kind: 1, time: 25, fn: 1, sub: 0x21, a: 64 + 5 * 0x10000, b: 55, c: 0x1_2345_6780, e: 24 }, // MRd up
  {
    kind: 1,
    time: 80,
    fn: 1,
    sub: 0x14,
    a: 4 + 5 * 0x10000,
    b: 55,
    c: 0x1_2345_6780,
    d: 4,
    e: 24,
    payload: [1, 2, 3, 4],
  },
  { kind: 1, time: 81, fn: 0, sub: 2, a: 4, b: 55, c: 0xfee0_1000, e: 24, payload: [0x21, 0x40, 0, 0] },
  { kind: 1, time: 82, fn: 1, sub: 0x12, a: 2, b: 55, c: 0xe000_0002, e: 24 }, // data not recorded
  { kind: 10, time: 250_000_001, fn: 1, sub: 0, a: 60, payload: FRAME },
  { kind: 10, time: 250_000_100, fn: 2, sub: 1, a: 60, payload: FRAME },
  { kind: 10, time: 250_000_200, fn: NOBODY, sub: 1, a: 60, payload: FRAME },
);

/** Digits without the blanks that are for the reader. */
function hex(digits: string): string {
  return digits.replaceAll(' ', '');
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtfn-trace-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, pieces: Iterable<string | Uint8Array>): string {
  const file = join(folder, name);
  writeFileSync(file, joined(Array.from(pieces, (piece) => Buffer.from(piece as string))));
  return file;
}

/** The values of fields, a line for each packet, after a check that tshark finds nothing malformed. */
function tshark(file: string, ...fields: string[]): string[][] {
  const options = ['_ws.malformed', ...fields].flatMap((field) => ['-e', field]);
  const { status, stdout, stderr } = spawnSync(
    'tshark',
    ['-r', file, '-o', 'ip.check_checksum:TRUE', '-T', 'fields', ...options],
    {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    },
  );
  expect({ status, stderr: stderr.replace(/^Running as user "root".*\n/m, '') }).toEqual({ status: 0, stderr: '' });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([malformed, ...values]) => {
      expect(malformed).toBe('');
      return values;
    });
}

describe.skipIf(!hasVcd2fst)('vcd2fst', () => {
  it('takes the value change dump', () => {
    const vcd = written('trace.vcd', vcdPieces(TRACED_CARD, traceRecords([records])));
    const fst = join(folder, 'trace.fst');

    const { status, stdout, stderr } = spawnSync('vcd2fst', [vcd, fst], { encoding: 'utf8' });

    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).not.toMatch(/error|undeclared/i);
    expect(statSync(fst).size).toBeGreaterThan(300);
  });

  it.skipIf(spawnSync('fst2vcd', ['--help']).error !== undefined)('keeps scopes, widths and changes', () => {
    const vcd = written('again.vcd', vcdPieces(TRACED_CARD, traceRecords([records])));
    const fst = join(folder, 'again.fst');
    spawnSync('vcd2fst', [vcd, fst]);

    const { stdout } = spawnSync('fst2vcd', [fst], { encoding: 'utf8' });

    expect(stdout.match(/^\$scope module \S+/gm)).toEqual([
      '$scope module virtfn',
      '$scope module credits_up',
      '$scope module link',
      '$scope module vf1',
      '$scope module queue1',
    ]);
    expect(stdout).toMatch(/\$timescale\s+1ps\s+\$end/);
    expect(stdout).toMatch(/^\$var wire 16 \S+ avail_idx/m);
    expect(stdout).toMatch(/^#160000\n/m); // credits back at cycle 40
  });
});

describe.skipIf(!hasTshark)('tshark', () => {
  it('reads frames with interface, direction, nanoseconds and bytes', () => {
    const file = written('frames.pcapng', framePieces(TRACED_CARD, traceRecords([records])));

    const packets = tshark(
      file,
      'frame.interface_name',
      'frame.interface_description',
      'frame.packet_flags_direction',
      'frame.time_epoch',
      'frame.len',
      'eth.src',
      'data.data',
    );

    const data = Buffer.from(FRAME.slice(14)).toString('hex');
    expect(packets).toEqual([
      ['vf1', 'virtio-net function 01:00.1', '0x00000002', '1.000000004', '60', '02:00:00:00:00:01', data],
      ['vf2', 'virtio-net function 02:00.0', '0x00000001', '1.000000400', '60', '02:00:00:00:00:01', data],
      ['wire', 'wire port', '0x00000002', '1.000000800', '60', '02:00:00:00:00:01', data],
    ]);
  });

  it('reads TLPs as datagrams with right lengths and checksums', () => {
    const file = written('tlp.pcapng', tlpPieces(TRACED_CARD, traceRecords([records])));

    const packets = tshark(
      file,
      'frame.interface_name',
      'frame.time_epoch',
      'ip.src',
      'ip.dst',
      'ip.checksum.status',
      'udp.srcport',
      'udp.length',
      'frame.len',
      'frame.cap_len',
      'data.data',
    );

    expect(packets).toEqual([
      // UDP 8, NetTLP 6, header 16; 12288 + tag 5
      [
        'pcie',
        '0.000000100',
        '192.168.10.3',
        '192.168.10.1',
        '1',
        '12293',
        '30',
        '64',
        '64',
        hex('000000000019200000100101 05ff 0000000123456780'),
      ],
      [
        'pcie',
        '0.000000320',
        '192.168.10.1',
        '192.168.10.3',
        '1',
        '12293',
        '30',
        '64',
        '64',
        hex('000100000050 4a000001 00000004 01010500 01020304'),
      ],
      [
        'pcie',
        '0.000000324',
        '192.168.10.3',
        '192.168.10.1',
        '1',
        '12288',
        '30',
        '64',
        '64',
        hex('000200000051 40000001 0100000f fee01000 21400000'),
      ],
      [
        'pcie',
        '0.000000328',
        '192.168.10.1',
        '192.168.10.3',
        '1',
        '16384',
        '30',
        '64',
        '60',
        hex('000300000052 40000001 0000000c e0000000'),
      ],
    ]);
  });
});
