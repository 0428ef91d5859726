// SPDX-License-Identifier: Apache-2.0
// `virtfn bench pcie` as a process: what it prints and writes, and how it refuses what cannot be.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';

interface Report {
  readonly schema: string;
  readonly profile: string | null;
  readonly rows: readonly Record<string, number | string>[];
}

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

const bench = (...args: string[]): ReturnType<CliProgram['run']> => program.run('bench', 'pcie', ...args);

function report(...args: string[]): Report {
  const { code, stdout, stderr } = bench(...args, '--json', '-');
  if (code !== 0 || stderr !== '') throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as Report;
}

describe('virtfn bench pcie', () => {
  it('prints one row for each operation and size, as text', () => {
    const { code, stdout, stderr } = bench('--bytes', '256,64');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // 8 lanes of 8 GT/s x 128/130; less 8/203 + 8/203 + 4/1538 for DLLPs
    expect(stdout).toMatch(/^The link alone\nGen3 x8, MPS 256, MRRS 512: 63\.02 Gb\/s raw, 57\.88 Gb\/s for TLPs\n/);
    for (const op of ['read', 'write', 'readwrite', 'simplenic']) {
      for (const bytes of [64, 256])
        expect(stdout).toMatch(new RegExp(`^│ ${op} +│ +${bytes} │ +\\d+\\.\\d{3} │`, 'm'));
    }
    expect(stdout).not.toContain('Written');
  });

  it('prints the report as JSON in place of the text', () => {
    const { schema, profile, rows } = report('--op', 'write', '--bytes', '64,128');

    expect({ schema, profile }).toEqual({ schema: 'virtfn.bench.pcie/1', profile: null });
    expect(rows.map(({ gen, lanes, mps, mrrs, op, bytes }) => [gen, lanes, mps, mrrs, op, bytes])).toEqual([
      [3, 8, 256, 512, 'write', 64],
      [3, 8, 256, 512, 'write', 128],
    ]);
    // 57.876 Gb/s x 64 / (24 + 64) and x 128 / (24 + 128)
    for (const [i, gbps] of [42.09, 48.74].entries()) {
      expect(rows[i]!['gbps']).toBeCloseTo(gbps, 1);
      expect(rows[i]!['formulaGbps']).toBeCloseTo(gbps, 1);
    }
  });

  it('takes the link from its options', () => {
    const { rows } = report(...'--gen 5 --lanes 16 --mps 512 --mrrs 1024 --op read --bytes 64'.split(' '));

    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ gen: 5, lanes: 16, mps: 512, mrrs: 1024, op: 'read', bytes: 64 });
    expect(rows[0]!['rawGbps']).toBeCloseTo((16 * 32 * 128) / 130, 3);
  });

  it('takes parameters by their documented names, which go before the profile', () => {
    const set = ['--set', 'link.lanes=4', '--set', 'link.ecrc=1', '--set', 'link.dllps=0'];

    const { rows } = report('--lanes', '4', ...set, '--op', 'write', '--bytes', '64');

    expect(rows[0]!['lanes']).toBe(4);
    // 4 x 8 x 128/130 Gb/s x 64 / (24 + 4 + 64)
    expect(rows[0]!['formulaGbps']).toBeCloseTo(21.918, 2);
    expect(rows[0]!['gbps']).toBeCloseTo(21.918, 1);
  });

  it('is bound by the tags of a profile that is asked for, by name or by file', () => {
    program.write('few.json', { base: 'nfp6000-gen3x8', values: { 'link.tags': 16 } });

    const [named, filed] = ['nfp6000-gen3x8', 'few.json'].map((profile) =>
      report('--profile', profile, '--op', 'read', '--bytes', '64'),
    );

    expect(named!.profile).toBe('nfp6000-gen3x8');
    expect(named!.rows[0]!['gbps']).toBeLessThan(33);
    // half the tags, half the rate
    expect((filed!.rows[0]!['gbps'] as number) / (named!.rows[0]!['gbps'] as number)).toBeCloseTo(0.5, 1);
  });

  it('writes files, and names them with their sizes', () => {
    const { code, stdout } = bench(
      '--op',
      'read',
      '--bytes',
      '64',
      '--json',
      'out/rates.json',
      '--svg',
      'out/rates.svg',
    );

    expect(code).toBe(0);
    const json = readFileSync(join(program.folder, 'out/rates.json'), 'utf8');
    expect(JSON.parse(json)).toMatchObject({ schema: 'virtfn.bench.pcie/1', rows: [{ op: 'read', bytes: 64 }] });
    expect(readFileSync(join(program.folder, 'out/rates.svg'), 'utf8')).toMatch(/^<svg /);
    expect(stdout).toMatch(/Written\n/);
    expect(stdout).toContain(`rates.json  ${json.length.toLocaleString('en-US')} bytes`);
  });
});

describe('a mistake', () => {
  it.each<[what: string, args: string[], message: RegExp]>([
    ['a generation that is none', ['--gen', '7'], /'7' is invalid.*1 to 6/],
    ['three lanes', ['--lanes', '3'], /--lanes <n>' argument '3' is invalid.*power of two from 1 to 32/],
    ['an MPS that is no power of two', ['--mps', '300'], /--mps <n>' argument '300' is invalid.*power of two from 128/],
    ['an MPS of 300 by --set', ['--set', 'link.mps_bytes=300'], /: link\.mps_bytes = 300 is not a power of two$/],
    [
      'one parameter with two values',
      ['--mps', '256', '--set', 'link.mps_bytes=512'],
      /^virtfn: --mps 256: --set link\.mps_bytes=512 says otherwise; give one of them$/,
    ],
    ['a small MPS', ['--mps', '64'], /'64' is invalid.*128 to 4096/],
    ['an operation that is none', ['--op', 'copy'], /'copy' is invalid.*read, write, readwrite, simplenic/],
    ['sizes of nothing', ['--bytes', '64,0'], /'64,0' is invalid.*1 to 4096/],
    ['a size that comes twice', ['--bytes', '64,64'], /each number once/],
    ['a value that is none', ['--set', 'link.tags=many'], /'link\.tags=many' is invalid/],
    [
      'a profile that is none',
      ['--profile', 'asic'],
      /--profile asic: no such profile; did you mean asic-gen5x16-1ghz\?/,
    ],
    ['a file that is not there', ['--profile', 'no.json'], /no\.json: /],
    [
      'several parameters',
      ['--set', 'link.tag=1', '--set', 'link.tags=0', '--set', 'link.mps_bytes=300', '--set', 'host.cold=0.5'],
      /link\.tags = 0 is outside 1\.\.\d+.*link\.tag is no parameter.*link\.mps_bytes = 300 is not.*host\.cold = 0\.5/,
    ],
    [
      'parameters that are out of range, and others that contradict each other',
      ['--set', 'link.tags=0', '--set', 'link.completion_bytes=512', '--set', 'host.extra_p50_ns=9'],
      /link\.tags = 0 .*link\.completion_bytes = 512 is more than link\.mps_bytes = 256; host\.extra_p50_ns = 9 is more/,
    ],
  ])('(%s) is one line that names it, and exit code 2', (_what, args, message) => {
    const { code, stdout, stderr } = bench(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});
