// SPDX-License-Identifier: Apache-2.0
// `virtfn bench admin` as a person meets it: options and their mistakes, text, JSON by its schema, and the page.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { benchAdminCommand } from '../../src/cli/bench/admin.ts';
import { standardOutput } from '../../src/cli/kit/output.ts';
import { CliProgram } from '../support/cli_program.ts';
import { repoPath } from '../support/repo.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtfn-bench-'));
const jsonFile = join(folder, 'admin.json');
const htmlFile = join(folder, 'deep', 'admin.html');
const ESCAPE = String.fromCharCode(27);

afterAll(() => rmSync(folder, { recursive: true }));

/** What the command prints; mistakes are thrown. */
async function run(...args: string[]): Promise<string> {
  let text = '';
  const output = vi.spyOn(standardOutput, 'write').mockImplementation((piece) => {
    text += piece;
  });
  const errors = vi.spyOn(process.stderr, 'write').mockImplementation((piece) => {
    text += String(piece);
    return true;
  });
  try {
    await benchAdminCommand().exitOverride().parseAsync(args, { from: 'user' });
  } finally {
    output.mockRestore();
    errors.mockRestore();
  }
  return text;
}

describe('virtfn bench admin --quick', () => {
  let text = '';
  let json: Record<string, unknown> = {};
  let page = '';

  beforeAll(async () => {
    const points = ['--vfs', '4,1', '--in-flight', '1,16'];
    text = await run('--quick', ...points, '--set', 'clock.period_ps=2000', '--json', jsonFile, '--html', htmlFile);
    json = JSON.parse(readFileSync(jsonFile, 'utf8')) as typeof json;
    page = readFileSync(htmlFile, 'utf8');
  });

  it('says first how many times a direct access a legacy one costs', () => {
    const [first] = text.split('\n');
    const head = text.split('\n\n')[0]!.replaceAll('\n', ' '); // wrapped at 80 columns

    expect(first).toMatch(/^A legacy register read costs \d+\.\d times a direct one, [\d,]+ ns against [\d,]+ ns/);
    expect(head).toContain('Simulated time: profile fpga-gen3x8-250mhz, 500 MHz, clock.period_ps=2000, seed 1, quick');
    expect(text).not.toContain(ESCAPE);
  });

  it('prints every table and names the files', () => {
    const titles = text.split('\n').filter((line, i, lines) => lines[i + 1]?.startsWith('┌') && !line.startsWith('└'));

    expect(titles.length).toBe(11);
    expect(text).toContain(`  ${htmlFile}`);
    expect(text).toContain(`  ${jsonFile}`);
  });

  it('says where the time of a register read goes, the largest part first', () => {
    const lines = text.split('\n');
    const at = lines.indexOf('Where the time of a legacy register read goes, p50');
    const rows = lines.slice(at).flatMap((line) => {
      const [, name, cycles] = /^│ (\S.*?) +│ +([\d,]+) │/.exec(line) ?? [];
      return name === undefined ? [] : [{ name, cycles: Number(cycles!.replace(',', '')) }];
    });
    const parts = rows.slice(
      0,
      rows.findIndex(({ name }) => name === 'total'),
    );

    // five reads on the critical path wait 280 ns each for the host's memory, in cycles of 2 ns
    expect(parts[0]).toEqual({ name: 'host.read_latency_ns', cycles: 700 });
    expect(parts.reduce((sum, { cycles }) => sum + cycles, 0)).toBe(rows[parts.length]!.cycles);
  });

  it('writes JSON by the schema that its documentation describes', () => {
    const documentation = readFileSync(repoPath('docs/bench_admin.md'), 'utf8');

    expect(json).toMatchObject({
      schema: 'virtfn.bench.admin/2',
      seed: 1,
      isQuick: true,
      profile: { name: 'fpga-gen3x8-250mhz', clockPs: 2000, set: { 'clock.period_ps': 2000 } },
      headline: { read: { ratio: expect.any(Number) as number } },
      vfs: [{ points: [{ vfs: 1 }, { vfs: 4 }] }, {}, {}, {}],
      inFlight: [{ points: [{ inFlight: 1 }, { inFlight: 16 }] }, {}, {}, {}],
    });
    for (const key of keysOf(json)) expect(documentation, `docs/bench_admin.md names ${key}`).toContain(`\`${key}\``);
  });

  it('draws every chart, with tooltips, for light and dark', () => {
    const charts = [...page.matchAll(/<figure id="chart-([a-z-]+)"><svg/g)].map(([, id]) => id);

    expect(charts).toEqual([
      'phases',
      'accounts',
      'variants',
      'notify',
      'in-flight-latency',
      'in-flight-rate',
      'in-flight-phases',
      'vfs-latency',
      'vfs-rate',
      'load',
      'boot',
      'boot-legacy',
    ]);
    expect(page.match(/<title>/g)!.length).toBeGreaterThan(300);
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('says what the numbers rest on', () => {
    const { version } = JSON.parse(readFileSync(repoPath('package.json'), 'utf8')) as { version: string };
    const [basis] = /<h2>What the numbers rest on<\/h2>.*?<\/section>/s.exec(page)!;
    const [, assumed] = /parameters are assumptions: .*?LEGACY_COMMON_CFG_READ: (.*?)\.<\/li>/s.exec(basis)!;
    const documented = readFileSync(repoPath('docs/timing_model.md'), 'utf8').matchAll(
      /^\| `(\S+)` .* ASSUMPTION.*\|$/gm,
    );

    expect(basis).toContain(
      `virtfn ${version} made this page: <code>virtfn bench admin --profile fpga-gen3x8-250mhz --set clock.period_ps=2000 --vfs 1,4 --in-flight 1,16 --seed 1 --quick</code>`,
    );
    expect(basis).toContain('Set for this run: clock.period_ps = 2000.');
    expect(basis).toContain('driver cost 0');
    expect(basis).toContain('no exit of a virtual machine is counted');
    // what is set for this run is no assumption of the profile any more
    expect(assumed!.split(', ')).toEqual(
      [...documented].map(([, name]) => name).filter((n) => n !== 'clock.period_ps'),
    );
    expect(basis).toContain('<td>clock.period_ps</td><td>2,000 ps</td><td>set for this run</td>');
    expect(basis).toContain('<td>admin.decode_ns</td><td>20 ns</td><td>ASSUMPTION: 5 cycles at 250 MHz</td>');
  });

  it('has a command line that makes the same page again', async () => {
    const [, command] = /<code>virtfn bench admin (.*?)<\/code>/.exec(page)!;
    const again = join(folder, 'again.html');
    await run(...command!.split(' '), '--html', again);

    expect(readFileSync(again, 'utf8')).toBe(page);
  });

  it('leaves nothing to be fetched and nothing to be run', () => {
    const addresses = [...page.matchAll(/https?:\/\/[^"'\s<]*/g)].map(([address]) => address);

    expect(addresses.filter((address) => address !== 'http://www.w3.org/2000/svg')).toEqual([]);
    expect(page).not.toMatch(/<script|<link|<img|@import|url\(/);
  });

  it('prints nothing but JSON with --json -', () => {
    const program = new CliProgram();
    const options = '--quick --vfs 1 --in-flight 1 --profile firmware --set admin.decode_ns=40 --json -';
    try {
      const { code, stdout } = program.run('bench', 'admin', ...options.split(' '));

      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        schema: 'virtfn.bench.admin/2',
        profile: { name: 'firmware', set: { 'admin.decode_ns': 40 } },
      });
    } finally {
      program.remove();
    }
  });
});

describe('mistakes', () => {
  it.each([
    [['--vfs', '0'], 'whole number from 1 to 1024'],
    [['--vfs', '1,2000'], 'whole number from 1 to 1024'],
    [['--in-flight', '65'], 'whole number from 1 to 64'],
    [['--in-flight', '4,4'], 'each number once'],
    [['--seed', '-1'], 'whole number'],
    [['--set', 'admin.legacy_read_ns'], 'name of a parameter'],
    [['--set', 'admin.legacy_read_ns=fast'], 'name of a parameter'],
    [['--profile', 'fast'], '--profile fast: no such profile; there are fpga-gen3x8-250mhz, '],
    [['--set', 'admin.speed=1'], 'admin.speed is no parameter'],
    [['--set', 'link.mps_bytes=100'], 'link.mps_bytes = 100 is outside'],
    [['surplus'], 'too many arguments'],
  ])('%j: is refused with what to do', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });
});

/** Names of the objects' members, at every depth; those that are data (parameters, phases) are left out. */
function keysOf(value: unknown, into = new Set<string>()): Set<string> {
  if (Array.isArray(value)) {
    for (const item of value) keysOf(item, into);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      into.add(key);
      if (
        !['set', 'phaseTotals', 'accounts', 'accountTotals'].includes(key) &&
        !(key === 'phases' && !Array.isArray(member))
      )
        keysOf(member, into);
    }
  }
  return into;
}
