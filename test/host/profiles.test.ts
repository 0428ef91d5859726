// SPDX-License-Identifier: Apache-2.0
// `virtfn profiles` as a process: the list, the parameters of one, and profile files with and without mistakes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';
import { readRepoFile } from '../support/repo.ts';

const NAMES = ['fpga-gen3x8-250mhz', 'nfp6000-gen3x8', 'nfp6000-e3', 'asic-gen5x16-1ghz', 'firmware', 'simple'];

interface Parameter {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly default: number;
  readonly source: string;
}

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

const profiles = (...args: string[]): ReturnType<CliProgram['run']> => program.run('profiles', ...args);

function parametersOf(...args: string[]): Parameter[] {
  const { code, stdout } = profiles(...args, '--json');
  if (code !== 0) throw new Error(`exit code ${code}`);
  return (JSON.parse(stdout) as { parameters: Parameter[] }).parameters;
}

describe('virtfn profiles', () => {
  it('lists the profiles with one line each, the default first', () => {
    const { code, stdout, stderr } = profiles();

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines.slice(0, NAMES.length).map((line) => line.trim().split(/\s+/)[0])).toEqual(NAMES);
    expect(stdout).toContain('The first is the default.');
  });

  it('lists them as JSON', () => {
    const { schema, profiles: listed } = JSON.parse(profiles('--json').stdout) as {
      schema: string;
      profiles: { name: string; summary: string }[];
    };

    expect(schema).toBe('virtfn.profiles/1');
    expect(listed.map(({ name }) => name)).toEqual(NAMES);
    for (const { summary } of listed) expect(summary.length).toBeGreaterThan(10);
  });

  it('lists every parameter that the timing model documents, with its value and where that is from', () => {
    const parameters = parametersOf('fpga-gen3x8-250mhz');

    const documented = [...readRepoFile('docs/timing_model.md').matchAll(/^\| `([a-z]+\.[a-z0-9_]+)` \| ([\d.]+)/gm)];
    expect(documented.length).toBeGreaterThan(60);
    expect(parameters.map(({ name, value }) => [name, String(value)])).toEqual(
      documented.slice(0, parameters.length).map(([, name, value]) => [name, value]),
    );
    for (const { value, default: usual, source } of parameters) {
      expect(value).toBe(usual);
      expect(source).not.toBe('');
    }
  });

  it('shows with --diff what differs from the default, and only that', () => {
    const different = parametersOf('nfp6000-gen3x8', '--diff');

    expect(different.find(({ name }) => name === 'link.tags')).toMatchObject({ value: 32, default: 256 });
    for (const { value, default: usual } of different) expect(value).not.toBe(usual);
    expect(profiles('fpga-gen3x8-250mhz', '--diff').stdout).toBe(
      'fpga-gen3x8-250mhz has the values of fpga-gen3x8-250mhz\n',
    );
  });

  it('shows a file as the profile that it makes, and says which values are its own', () => {
    program.write('mine.json', { base: 'nfp6000-gen3x8', values: { 'link.tags': 64, 'host.read_latency_ns': 300 } });

    const different = parametersOf('mine.json', '--diff');

    expect(different.find(({ name }) => name === 'link.tags')).toMatchObject({ value: 64, source: 'the file' });
    expect(different.find(({ name }) => name === 'host.read_latency_ns')).toMatchObject({ value: 300, default: 280 });
    expect(different.find(({ name }) => name === 'clock.period_ps')).toMatchObject({ value: 833 });
    expect(profiles('mine.json').stdout).toMatch(/^│ link\.tags +│ 64 +│ +│ 256 +│ the file +│$/m);
  });

  it('takes a file without base as a change of the default profile', () => {
    program.write('plain.json', { values: { 'link.tags': 8 } });

    expect(parametersOf('plain.json', '--diff').map(({ name, value }) => [name, value])).toEqual([['link.tags', 8]]);
  });
});

describe('a mistake', () => {
  it('a name that is no profile is answered by those that there are', () => {
    const { code, stderr } = profiles('nfp');

    expect(code).toBe(2);
    for (const name of NAMES) expect(stderr).toContain(name);
  });

  it.each<[what: string, content: unknown, messages: RegExp[]]>([
    ['no JSON', '{ base: 1', [/bad\.json: line 1, column 3: a name in double quotes is needed, there is b/]],
    ['no object', [1, 2], [/bad\.json: one JSON object is needed/]],
    ['a number in quotes', { values: { 'link.tags': '64' } }, [/link\.tags = "64" is not a number$/m]],
    ['values that are none', { values: [1] }, [/values: an object of parameters and numbers/]],
    [
      'everything wrong at once',
      {
        base: 'asic',
        value: 1,
        values: { 'link.tag': 1, 'link.tags': 0, 'dma.setup_ns': 'long', 'link.mps_bytes': 300 },
      },
      [
        /^virtfn: bad\.json: value: no such member; did you mean values\?; /,
        /base: "asic": no such profile; did you mean asic-gen5x16-1ghz\?/,
        /link\.tag is no parameter/,
        /link\.tags = 0 is outside 1\.\./,
        /dma\.setup_ns = long is not a number/,
        /link\.mps_bytes = 300 is not a power of two/,
      ],
    ],
    [
      'values out of range, and others that contradict each other',
      { values: { 'link.tags': 0, 'credit.host_pd': 4, 'link.rcb_bytes': 128, 'link.completion_bytes': 64 } },
      [
        /link\.tags = 0 is outside/,
        /link\.rcb_bytes = 128 is more than link\.completion_bytes = 64/,
        /credit\.host_pd = 4 does not take a TLP of link\.mps_bytes = 256/,
      ],
    ],
  ])('(%s) in a file is named in one line, and exit code 2', (_what, content, messages) => {
    program.write('bad.json', content);

    const { code, stdout, stderr } = profiles('bad.json');

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const message of messages) expect(stderr).toMatch(message);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});
