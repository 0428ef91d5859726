// SPDX-License-Identifier: Apache-2.0
// `virtfn trace`: its options, files and what it prints.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';
import { readRepoFile } from '../support/repo.ts';

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

describe('options', () => {
  it.each([
    ['an unknown scenario', ['nothing'], /virtfn: .*'nothing' is invalid.*admin, legacy, modern, traffic.*--help/],
    ['no scenario', [], /virtfn: missing required argument 'scenario'/],
    [
      'one file for two formats',
      ['admin', '--vcd', 'a', '--tlp', './a'],
      /virtfn: --vcd a and --tlp \.\/a go to one file; .* for --tlp/,
    ],
    ['traffic without a second VF', ['traffic', '--vfs', '1'], /virtfn: --vfs 1: traffic goes from VF 1 to VF 2/],
    ['a parameter without a value', ['admin', '--set', 'clock.period_ps'], /virtfn: .*--set/],
  ])('refuses %s with exit code 2', (_, args, message) => {
    const { code, stdout, stderr } = program.run('trace', ...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('are explained with examples', () => {
    const { code, stdout } = program.run('trace', '--help');

    expect(code).toBe(0);
    for (const word of [
      '--vcd',
      '--perfetto',
      '--pcapng',
      '--tlp',
      '--vfs',
      '--profile',
      '--set',
      '--json',
      'Examples:',
    ]) {
      expect(stdout).toContain(word);
    }
  });
});

describe('a run', () => {
  it('without files counts the records, as the document shows', () => {
    const { code, stdout, stderr } = program.run('trace', 'admin');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readRepoFile('docs/trace.md')).toContain(stdout);
  });

  it('reports files with their sizes as JSON', () => {
    const files = ['--vcd', 'out/a.vcd', '--perfetto', 'a.pf', '--pcapng', 'a.pcapng', '--tlp', 'a.tlp'];

    const { code, stdout } = program.run('trace', 'traffic', ...files, '--vfs', '3', '--json', '-');

    expect(code).toBe(0);
    const size = (path: string): number => statSync(join(program.folder, path)).size;
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'virtfn.trace/1',
      scenario: 'traffic',
      vfs: 3,
      files: [
        { format: 'vcd', path: 'out/a.vcd', bytes: size('out/a.vcd') },
        { format: 'perfetto', path: 'a.pf', bytes: size('a.pf') },
        { format: 'pcapng', path: 'a.pcapng', bytes: size('a.pcapng') },
        { format: 'tlp', path: 'a.tlp', bytes: size('a.tlp') },
      ],
    });
  });

  // no scenario but traffic moves a frame; each of them has register accesses, so TLPs
  it.each(['admin', 'legacy', 'modern'])('of %s says that its capture of frames is empty', (scenario) => {
    const { code, stdout, stderr } = program.run('trace', scenario, '--pcapng', 'e.pcapng', '--tlp', 'e.tlp');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(packetsOf('e.pcapng')).toBe(0);
    expect(stdout).toContain(
      '\n\n--pcapng e.pcapng holds no frames: the run has none; virtfn trace traffic has some\n',
    );
    expect(packetsOf('e.tlp')).toBeGreaterThan(0);
    expect(stdout).not.toContain('--tlp');
  });

  it.each(['admin', 'traffic'])('of %s reports how many records each file holds', (scenario) => {
    const files = ['--pcapng', 'n.pcapng', '--tlp', 'n.tlp', '--json', '-'];

    const report = JSON.parse(program.run('trace', scenario, ...files).stdout) as { files: { note?: string }[] };

    expect(report).toMatchObject({
      files: [
        { format: 'pcapng', records: packetsOf('n.pcapng') },
        { format: 'tlp', records: packetsOf('n.tlp') },
      ],
    });
    expect(report.files.map(({ note }) => note !== undefined)).toEqual([scenario === 'admin', false]);
  });

  it('says on standard error that what goes to standard output is empty', () => {
    const { code, stderr } = program.run('trace', 'modern', '--pcapng', '-');

    expect(code).toBe(0);
    expect(stderr).toBe('virtfn: --pcapng - holds no frames: the run has none; virtfn trace traffic has some\n');
    expect(program.run('trace', 'traffic', '--pcapng', '-').stderr).toBe('');
  });

  it('takes as long as its profile says', () => {
    const [standard, firmware] = [[], ['--profile', 'firmware']].map((profile) => {
      const { stdout } = program.run('trace', 'admin', ...profile, '--json', '-');
      return (JSON.parse(stdout) as { simulatedNs: number }).simulatedNs;
    });

    // 13 reads, each 1980 ns longer in the decoder, 5900 in the execution and 492 in the write-back
    expect(firmware! - standard!).toBe(13 * (1980 + 5900 + 492));
  });

  it('refuses a parameter that does not exist with exit code 2', () => {
    const { code, stderr } = program.run('trace', 'admin', '--set', 'nothing.here=1');

    expect(code).toBe(2);
    expect(stderr).toContain('nothing.here');
  });
});

/** Enhanced packet blocks (type 6) of a pcapng file: each block is its type, its length, and the rest of that length. */
function packetsOf(name: string): number {
  const bytes = readFileSync(join(program.folder, name));
  let packets = 0;
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) === 6) packets++;
  }
  return packets;
}
