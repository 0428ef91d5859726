// SPDX-License-Identifier: Apache-2.0
// `virtfn bench dma` as a process: what it prints and writes, and how it refuses what cannot be.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { DmaRow } from '../../src/measure/dma.ts';
import { CliProgram } from '../support/cli_program.ts';

interface Report {
  readonly schema: string;
  readonly profile: string;
  readonly rows: readonly DmaRow[];
}

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

const bench = (...args: string[]): ReturnType<CliProgram['run']> => program.run('bench', 'dma', ...args);

function report(...args: string[]): Report {
  const { code, stdout, stderr } = bench('--samples', '1000', ...args, '--json', '-');
  if (code !== 0 || stderr !== '') throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as Report;
}

describe('virtfn bench dma', () => {
  it('prints a row for each of the sizes that pcie-bench has, as text', () => {
    const { code, stdout, stderr } = bench('--samples', '100');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Profile nfp6000-gen3x8, 8192 bytes of memory\n/);
    for (const bytes of [8, 64, 128, 256, 512, 1024, 1520, 2048]) {
      expect(stdout).toMatch(new RegExp(`^│ read +│ +${bytes} │( +\\d+\\.\\d │){5}$`, 'm'));
    }
  });

  it('prints the report as JSON in place of the text, its quantiles in order', () => {
    const { schema, profile, rows } = report('--bytes', '64,8');

    expect({ schema, profile }).toEqual({ schema: 'virtfn.bench.dma/1', profile: 'nfp6000-gen3x8' });
    expect(rows.map(({ op, bytes }) => [op, bytes])).toEqual([
      ['read', 8],
      ['read', 64],
    ]);
    for (const { minNs, medianNs, p95Ns, p999Ns, maxNs, gbps } of rows) {
      const quantiles = [minNs, medianNs, p95Ns, p999Ns, maxNs];
      expect(quantiles).toEqual([...quantiles].sort((one, other) => one - other));
      expect(Math.abs(medianNs - 546)).toBeLessThan(20); // published for 8 and 64 bytes
      expect(gbps).toBeUndefined();
    }
  });

  it.each(['write', 'write-read'])('measures %ss', (op) => {
    expect(report('--op', op, '--bytes', '64').rows).toMatchObject([{ op, bytes: 64 }]);
  });

  // at 250 MHz: set-up 13, 24 bytes 0.76 (1), 26, 70, 84 bytes 2.67 (3), 26 = 139 cycles, without any tail
  it('takes another profile by name, and its numbers are those of its documented parameters', () => {
    const { profile, rows } = report('--profile', 'fpga-gen3x8-250mhz', '--bytes', '64');

    expect(profile).toBe('fpga-gen3x8-250mhz');
    expect(rows[0]).toMatchObject({ minNs: 556, medianNs: 556, p95Ns: 556, p999Ns: 556, maxNs: 556 });
  });

  it('takes parameters by their documented names, on top of a profile of a file', () => {
    program.write('slow.json', {
      base: 'fpga-gen3x8-250mhz',
      values: { 'host.read_latency_ns': 680, 'dma.setup_ns': 152 },
    });

    const { profile, rows } = report('--profile', 'slow.json', '--set', 'dma.setup_ns=252', '--bytes', '64');

    expect(profile).toBe('fpga-gen3x8-250mhz');
    // 400 ns of memory more, and 63 cycles of set-up in place of 13
    expect(rows[0]!.medianNs).toBe(556 + 400 + 200);
  });

  it('measures rates with --rate: the NFP-6000 is bound by 32 tags', () => {
    const { rows } = report('--rate', '--bytes', '64', '--samples', '20000');

    expect(rows[0]!.gbps).toBeGreaterThan(30);
    expect(rows[0]!.gbps).toBeLessThan(33);
  });

  // 1024 places of 64 bytes in 16 pages, one IO-TLB entry: most reads miss, each by 280 ns
  it('uses the window and the IO-TLB that it is told to', () => {
    const profile = ['--profile', 'fpga-gen3x8-250mhz', '--set', 'iommu.entries=1', '--bytes', '64'];

    expect(report(...profile, '--window', '65536', '--random').rows[0]!.medianNs).toBe(556 + 280);
    expect(report(...profile, '--window', '4096', '--random').rows[0]!.medianNs).toBe(556);
  });

  it('writes files, and names them with their sizes', () => {
    const { code, stdout } = bench(...'--samples 100 --bytes 64 --json out/dma.json --svg out/dma.svg'.split(' '));

    expect(code).toBe(0);
    const json = readFileSync(join(program.folder, 'out/dma.json'), 'utf8');
    expect(JSON.parse(json)).toMatchObject({ schema: 'virtfn.bench.dma/1', rows: [{ op: 'read', bytes: 64 }] });
    expect(readFileSync(join(program.folder, 'out/dma.svg'), 'utf8')).toMatch(/^<svg /);
    expect(stdout).toContain(`dma.json  ${json.length.toLocaleString('en-US')} bytes`);
  });
});

describe('a mistake', () => {
  it.each<[what: string, args: string[], message: RegExp]>([
    ['an operation that is none', ['--op', 'readwrite'], /'readwrite' is invalid.*read, write, write-read/],
    ['a large size', ['--bytes', '5000'], /'5000' is invalid.*1 to 4096/],
    ['no samples', ['--samples', '0'], /'0' is invalid.*1 to 65536/],
    ['a window that is no power of two', ['--window', '5000'], /'5000' is invalid.*power of two from 4096 to 67108864/],
    ['a profile that is none', ['--profile', 'nfp'], /--profile nfp: no such profile; there are /],
    [
      'several parameters',
      ['--set', 'iommu.entries=3', '--set', 'host.cold=2'],
      /iommu\.entries = 3 .*host\.cold = 2 /,
    ],
  ])('(%s) is one line that names it, and exit code 2', (_what, args, message) => {
    const { code, stdout, stderr } = bench(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});
