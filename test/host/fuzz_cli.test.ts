// SPDX-License-Identifier: Apache-2.0
// `virtfn fuzz` as a process: a short run, its corpus, its report, and a replay with files for viewers.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { encodeProgram } from '../../src/fuzz/program.ts';
import { CliProgram } from '../support/cli_program.ts';

let program: CliProgram;
let folder: string;

beforeAll(() => {
  program = new CliProgram();
  folder = mkdtempSync(join(tmpdir(), 'virtfn-fuzz-'));
});

afterAll(() => {
  program.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe('virtfn fuzz', () => {
  it('reports executions and points of a short run, and keeps its corpus', () => {
    const corpus = join(folder, 'corpus');

    const { code, stdout } = program.run(
      'fuzz',
      '--target',
      'rings',
      '--executions',
      '2000',
      '--corpus',
      corpus,
      '--json',
    );

    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report).toMatchObject({ schema: 'virtfn.fuzz/1', seed: 1, workers: 1, findings: [] });
    expect(report.targets[0]).toMatchObject({ target: 'rings', findings: 0 });
    expect(report.targets[0].executions).toBeGreaterThanOrEqual(2000);
    expect(report.targets[0].edges).toBeGreaterThan(1000);
    expect(report.targets[0].series.length).toBeGreaterThan(0);
    expect(readdirSync(join(corpus, 'rings'))).toHaveLength(report.targets[0].corpus);
  });

  it('ends after --executions at the same input, however fast the machine is', () => {
    const run = (): unknown => {
      const { stdout } = program.run('fuzz', '--target', 'admin', '--executions', '3000', '--seed', '42', '--json');
      const { executions, edges, corpus } = JSON.parse(stdout).targets[0];
      return { executions, edges, corpus };
    };

    expect(run()).toEqual(run());
  });

  it('ends when --seconds are over', () => {
    const { code, stdout } = program.run('fuzz', '--target', 'regs', '--seconds', '1', '--json');

    expect(code).toBe(0);
    expect(JSON.parse(stdout).targets[0].seconds).toBeGreaterThanOrEqual(1);
  });

  it('runs workers, each with a seed of its own', () => {
    const { code, stdout } = program.run(
      'fuzz',
      '--target',
      'regs',
      '--executions',
      '1000',
      '--workers',
      '2',
      '--seed',
      '4294967295',
      '--json',
    );

    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report.workers).toBe(2);
    expect(report.targets.map(({ target }: { target: string }) => target)).toEqual(['regs', 'regs']);
  });

  it('takes a new seed each time it is asked for a random one, and prints it', () => {
    const seedOf = (): string => {
      const { code, stdout } = program.run('fuzz', '--target', 'regs', '--executions', '1', '--seed', 'random');
      expect(code).toBe(0);
      return /^seed (\d+)$/m.exec(stdout)![1]!;
    };

    expect(new Set([seedOf(), seedOf(), seedOf()]).size).toBeGreaterThan(1);
  });

  it('refuses --seconds beside --executions', () => {
    const { code, stderr } = program.run('fuzz', '--seconds', '1', '--executions', '1');

    expect(code).toBe(2);
    expect(stderr).toMatch(/--executions <n>' cannot be used with option '--seconds <n>'/);
  });

  it('prints a table', () => {
    const { code, stdout } = program.run('fuzz', '--target', 'driver', '--executions', '300');

    expect(code).toBe(0);
    expect(stdout).toMatch(/│ target │ seconds │ executions │ exec\/s │ edges │ corpus │ findings │/);
    expect(stdout).toMatch(/│ driver │/);
  });

  it('names the targets where another is asked for', () => {
    const { code, stderr } = program.run('fuzz', '--target', 'disk');

    expect(code).toBe(2);
    expect(stderr).toMatch(/Allowed choices are regs, rings, admin, legacy, driver, vfio-user, uml, all/);
  });
});

describe('virtfn fuzz --replay', () => {
  const input = encodeProgram([
    { name: 'receive', fn: 1, a: 0 },
    { name: 'transmit', fn: 0, a: 1, offset: 60 },
  ]);
  const reproducer = (changes: object = {}): string => {
    const file = join(folder, 'finding.json');
    const value = {
      schema: 'virtfn.fuzz-input/1',
      target: 'rings',
      oracle: 'O2',
      message: 'an old finding',
      input: Buffer.from(input).toString('hex'),
      ...changes,
    };
    writeFileSync(file, JSON.stringify(value));
    return file;
  };

  it('shows operations, accesses and messages, and says that the rule holds now', () => {
    const { code, stdout } = program.run('fuzz', '--replay', reproducer());

    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}1 VF 1: 1 receive buffers$/m);
    expect(stdout).toMatch(/^ {2}2 PF: send 60 bytes to VF 1$/m);
    expect(stdout).toMatch(/^ {4}PF {2}notify\+0x4\/16 = 0x1$/m);
    expect(stdout).toMatch(/^ {4}VF1 message of vector 1$/m);
    expect(stdout).toMatch(/^O2 does not break any more$/m);
  });

  it('reads files of before, whose schema had a slash for the dot', () => {
    expect(program.run('fuzz', '--replay', reproducer({ schema: 'virtfn/fuzz-input/1' })).code).toBe(0);
    expect(program.run('fuzz', '--replay', reproducer({ schema: 'virtfn/fuzz-input/2' }))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('schema is "virtfn/fuzz-input/2", virtfn.fuzz-input/1 is read'),
    });
  });

  it('writes VCD and pcapng', () => {
    const [vcd, pcapng] = [join(folder, 'run.vcd'), join(folder, 'run.pcapng')];

    const { code } = program.run('fuzz', '--replay', reproducer(), '--vcd', vcd, '--pcapng', pcapng);

    expect(code).toBe(0);
    expect(readFileSync(vcd, 'utf8')).toMatch(/^\$version/);
    expect(readFileSync(pcapng).readUInt32LE(0)).toBe(0x0a0d0d0a);
    expect(readFileSync(pcapng).includes(Buffer.from([0x02, 0x76, 0x66, 0, 0, 1]))).toBe(true);
  });

  it('says that there are no frames to write where the input moves none', () => {
    // configuration space and registers of a card without drivers: nothing can send
    const args = ['fuzz', '--target', 'regs', '--input', '0102', '--pcapng', 'none.pcapng'];

    expect(program.run(...args).stdout).toContain('--pcapng none.pcapng holds no frames: the run has none\n');
    expect(JSON.parse(program.run(...args, '--json').stdout)).toMatchObject({
      notes: ['--pcapng none.pcapng holds no frames: the run has none'],
    });
  });

  it('runs an input from the command line again, as a report prints it', () => {
    const { code, stdout } = program.run('fuzz', '--target', 'rings', '--input', Buffer.from(input).toString('hex'));

    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}2 PF: send 60 bytes to VF 1$/m);
    expect(stdout).toMatch(/^it breaks no rule$/m);
  });

  it.each([
    [['--input', '00'], /--input: which target is it an input of\? Give --target regs, rings/],
    [
      ['--target', 'rings', '--input', '0g'],
      /'--input <hex>' argument '0g' is invalid\. Give pairs of hexadecimal digits/,
    ],
    [['--seed', 'rnd'], /'--seed <n>' argument 'rnd' is invalid\. Give a whole number from 0 to 4294967295, or random/],
    [
      ['--input', '00', '--target', 'regs', '--seconds', '3'],
      /'--input <hex>' cannot be used with option '--seconds <n>'/,
    ],
    [['--replay', 'x.json', '--target', 'regs'], /'--replay <file>' cannot be used with option '--target <name>'/],
    [['--replay', 'x.json', '--corpus', 'c'], /'--replay <file>' cannot be used with option '--corpus <dir>'/],
    [['--input', '00', '--replay', 'x.json'], /cannot be used with option '--input <hex>'/],
  ])('refuses %j', (args, message) => {
    const { code, stderr } = program.run('fuzz', ...args);

    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('names every problem of a file', () => {
    const { code, stderr } = program.run('fuzz', '--replay', reproducer({ schema: 'x', target: 'disk', input: 'zz' }));

    expect(code).toBe(2);
    expect(stderr).toMatch(/schema is "x".*target is "disk", none of.*input is no text of hexadecimal digits/);
  });

  it('asks for --replay where a trace is wanted without', () => {
    const { code, stderr } = program.run('fuzz', '--vcd', join(folder, 'none.vcd'));

    expect(code).toBe(2);
    expect(stderr).toMatch(/give --replay FILE too/);
    expect(existsSync(join(folder, 'none.vcd'))).toBe(false);
  });
});
