// SPDX-License-Identifier: Apache-2.0
// --json of every verb: alone it is all that standard output gets, with a file the same report lies there; no argument of a
// verb is taken for that file, and no file that is something else is replaced by two words.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { withJsonInOneWord } from '../../src/cli/kit/json_option.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { CliProgram } from '../support/cli_program.ts';
import { repoPath } from '../support/repo.ts';

/** A short run of each verb; its arguments come last. */
const RUNS: Readonly<Record<string, string>> = {
  replay: '--via modern --mode functional --out out.pcap in.pcap',
  'bench admin': '--quick --vfs 1 --in-flight 1',
  'bench pcie': '--op read --bytes 64',
  'bench dma': '--samples 10 --bytes 64',
  profiles: '--diff firmware',
  'provision list': '',
  'provision query': 'vf1',
  'provision modify': '--dry-run --vlan 10 vf1',
  'provision validate': 'plan.json',
  'provision apply': '--dry-run plan.json',
  'provision stats': 'vf1',
  'provision health': '',
  trace: '--tlp trace.pcapng admin',
  fuzz: '--target regs --input 00',
  'lifecycle demo': '--kind siov',
  'lifecycle table': '',
  lspci: '--vfs 1',
  regs: 'pf',
  villain: '--filter Q01 --path direct --mode functional',
};
/** What has no report of its own, what prints records as long as it serves, and what needs a kernel (test/uml). */
const OTHERS = ['start', 'serve', 'uml kernel', 'uml run', 'bench linux'];

function verbsOf(command: Command, name = ''): string[] {
  return command.commands.flatMap((verb) => {
    const full = `${name} ${verb.name()}`.trim();
    return verb.commands.length > 0 ? verbsOf(verb, full) : [full];
  });
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

let program: CliProgram;
const at = (name: string): string => join(program.folder, name);
const textOf = (name: string): string => readFileSync(at(name), 'utf8');
beforeAll(() => {
  program = new CliProgram();
  copyFileSync(repoPath('test/fixtures/ping_http.pcap'), at('in.pcap'));
  program.write('plan.json', { functions: [{ vf: 1, mtu: 9000 }], numVfs: 2 });
  const { stderr } = program.run('provision', 'apply', 'plan.json');
  if (stderr !== '') throw new Error(stderr);
});
afterAll(() => program.remove());

describe('--json', () => {
  it('is of every verb that reports', () => {
    expect([...Object.keys(RUNS), ...OTHERS].toSorted()).toEqual(verbsOf(makeProgram()).toSorted());
  });

  it.each(Object.entries(RUNS))('of %s prints the report alone, or writes it into a file', (verb, run) => {
    const alone = program.run(...words(verb), '--json', ...words(run));
    const filed = program.run(...words(verb), '--json=reports/report.json', ...words(run));

    expect([alone.code, filed.code]).toEqual([0, 0]);
    expect((JSON.parse(alone.stdout) as { schema: string }).schema).toMatch(/^virtfn(\.[a-z]+)+\/\d+$/);
    expect(textOf('reports/report.json')).toBe(alone.stdout);
    expect(filed.stdout).not.toContain('"schema"');
    expect(filed.stdout).not.toBe('');
  });

  it.each(Object.entries(RUNS))('of %s takes no argument for its file', (verb, run) => {
    const before = [...words(verb), '--json', ...words(run)];

    expect(withJsonInOneWord(makeProgram(), before)).toEqual([...words(verb), '--json=-', ...words(run)]);
  });

  it.each([
    ['bench dma --json dma.json', 'bench dma --json=dma.json'],
    ['bench dma --json - --rate', 'bench dma --json=- --rate'],
    ['lspci --json new.json --vfs 2', 'lspci --json=new.json --vfs 2'],
    ['trace admin --json new.json', 'trace admin --json=new.json'],
    ['trace --json new.json admin', 'trace --json=new.json admin'],
    ['trace --json admin', 'trace --json=- admin'],
    ['profiles --json mine.json', 'profiles --json=- mine.json'],
    ['profiles --json new.json mine.json', 'profiles --json=new.json mine.json'],
    ['replay --json - --via modern --out o', 'replay --json=- - --via modern --out o'],
    ['replay --json -- in.pcap', 'replay --json=- -- in.pcap'],
    ['replay -- --json', 'replay -- --json'],
    ['replay in.pcap --out --json', 'replay in.pcap --out --json'],
    ['bench pcie --op read --json', 'bench pcie --op read --json=-'],
    ['serve --json', 'serve --json'],
    ['--json lspci', '--json lspci'],
    ['bench --json', 'bench --json'],
  ])('%s is %s', (given, meant) => {
    expect(withJsonInOneWord(makeProgram(), given.split(' '))).toEqual(meant.split(' '));
  });

  it('is named in help with the sign that its file needs', () => {
    expect(program.run('regs', '--help').stdout).toMatch(/^ {2}--json\[=<file>\] {2}/m);
  });
});

describe('a file that two words name', () => {
  const dma = (option: string[]) => program.run('bench', 'dma', ...words(RUNS['bench dma']!), ...option);

  it.each([
    ['is a card', '{ "schema": "virtfn.card/1" }'],
    ['is a report of another verb', '{ "schema": "virtfn.bench.pcie/1" }'],
    ['has no schema', '{ "name": "virtfn" }'],
    ['is no JSON', 'GIF89a'],
  ])('and that %s is refused, with what to do', (_what, content) => {
    writeFileSync(at('mine'), content);

    expect(dma(['--json', 'mine'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'virtfn: --json mine: the file is there and no report of this verb; --json=mine replaces it\n',
    });
    expect(textOf('mine')).toBe(content);
  });

  it('is replaced where it is asked for in one word', () => {
    writeFileSync(at('mine'), 'GIF89a');

    expect(dma(['--json=mine']).code).toBe(0);
    expect(textOf('mine')).toContain('"virtfn.bench.dma/1"');
  });

  it('is written where it is new, empty or a report', () => {
    for (const before of [null, '', '{"schema":"virtfn.bench.dma/0"}']) {
      rmSync(at('mine'), { force: true });
      if (before !== null) writeFileSync(at('mine'), before);

      expect(dma(['--json', 'mine']).code).toBe(0);
      expect(textOf('mine')).toContain('"virtfn.bench.dma/1"');
    }
  });

  it('is not the capture that was to be replayed', () => {
    const capture = readFileSync(at('in.pcap'));

    const alone = program.run('replay', '--via', 'modern', '--out', 'o.pcap', '--json', 'in.pcap');
    const swapped = program.run('replay', '--via', 'modern', '--out', 'o.pcap', '--json', 'in.pcap', 'o.json');

    expect(alone.code).toBe(0);
    expect(swapped.stderr).toContain('--json in.pcap: the file is there and no report of this verb');
    expect(readFileSync(at('in.pcap'))).toEqual(capture);
  });
});
