// SPDX-License-Identifier: Apache-2.0
// `virtfn provision` as a process: what each verb prints, what it leaves in the description of the card, and that a refusal
// leaves it as it was.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { provisionCommand } from '../../src/cli/provision/provision.ts';
import { CliProgram, type ProgramRun } from '../support/cli_program.ts';
import { readRepoFile } from '../support/repo.ts';

const VERBS = provisionCommand().commands.map((verb) => verb.name());
const SCHEMA = 'virtfn.provision/1';
const FILE = {
  profiles: { tenant: { mtu: 9000, vlan: 10 }, quiet: { rateMbps: 100 } },
  functions: [
    { vf: 1, profile: 'tenant', mac: '02:00:00:00:00:01' },
    { vfs: '2-3', profile: 'quiet' },
    { onDemand: 1, queuePairs: 2 },
  ],
  numVfs: 3,
};

let program: CliProgram;
let card = '';
let cards = 0;
beforeAll(() => {
  program = new CliProgram();
  program.write('good.json', FILE);
  program.write('bad.json', {
    ...FILE,
    functions: [
      { vf: 9, mtu: 1 },
      { vf: 1, profile: 'none' },
    ],
    numVfs: 70,
  });
});
afterAll(() => program.remove());

/** A verb on the card of the test. */
const run = (verb: string, ...args: string[]): ProgramRun => program.run('provision', verb, ...args, '--card', card);
const json = (verb: string, ...args: string[]): Record<string, unknown> =>
  JSON.parse(run(verb, ...args, '--json').stdout) as Record<string, unknown>;
const description = (): string => readFileSync(join(program.folder, card), 'utf8');

describe('virtfn provision', () => {
  it('lists its verbs; each explains itself with an example', () => {
    const { code, stdout } = program.run('provision', '--help');

    expect(code).toBe(0);
    expect(stdout).toContain('No card runs on between two calls.');
    for (const verb of VERBS) {
      expect(stdout).toMatch(new RegExp(`^ {2}${verb} +\\S`, 'm'));
      expect(program.run('provision', verb, '--help').stdout).toMatch(
        new RegExp(`Examples?:\\n {2}virtfn provision ${verb}`),
      );
    }
  });

  it('needs a card, and says how to make one', () => {
    card = 'nowhere.json';
    for (const verb of ['list', 'health', 'stats']) {
      const { code, stderr } = run(verb);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^virtfn: nowhere\.json: no such card; make one with virtfn provision apply.*\n$/);
    }
  });

  it('names every mistake of the description of a card, with its place', () => {
    card = 'broken.json';
    program.write(card, { schema: 'virtfn.card/1', card: { totalVfs: 2, mtu: 1 }, functions: [{ vf: 3 }], numVfs: 3 });

    const { code, stdout } = run('list');

    expect(code).toBe(2);
    expect(stdout.match(/^broken\.json: \/\S+:/gm)).toEqual([
      'broken.json: /card/mtu:',
      'broken.json: /functions/0/vf:',
      'broken.json: /numVfs:',
    ]);
  });
});

describe('a card without a file', () => {
  const pipe = (input: string, ...args: string[]): ProgramRun => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program.file, 'provision', ...args], {
      cwd: program.folder,
      encoding: 'utf8',
      input,
    });
    return { code: status, stdout, stderr };
  };
  const apply = (...args: string[]): ProgramRun => pipe('', 'apply', ...args, '--card', '-');

  it('goes to standard output alone, comes from standard input, and leaves nothing behind', () => {
    const before = readdirSync(program.folder);

    const made = apply('good.json', '--total-vfs', '4', '--on-demand', '1');
    const changed = pipe(made.stdout, 'modify', '--num-vfs', '2', '--card', '-');
    const listed = pipe(changed.stdout, 'list', '--card', '-', '--json');

    for (const { code, stderr } of [made, changed, listed]) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(made.stdout)).toMatchObject({ schema: 'virtfn.card/1', ...FILE });
    expect(JSON.parse(changed.stdout)).toMatchObject({ schema: 'virtfn.card/1', numVfs: 2 });
    expect(JSON.parse(listed.stdout)).toMatchObject({ schema: SCHEMA, verb: 'list' });
    expect(readdirSync(program.folder)).toEqual(before);
  });

  it('is not described where nothing is done', () => {
    const { stdout } = apply('good.json', '--total-vfs', '4', '--on-demand', '1', '--dry-run');

    expect(stdout).toMatch(/^VF 1: mac .*\nenable 3 VFs\n$/s);
  });

  it('shares standard output with no report', () => {
    expect(apply('good.json', '--json')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'virtfn: --card - and --json - go to standard output; choose another place for --json\n',
    });
  });

  it('that cannot be is nothing but its problems, on standard error', () => {
    const { code, stdout, stderr } = apply('bad.json');

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^virtfn: bad\.json: \/functions\/0\/vf: /m);
    expect(stderr).toMatch(/^virtfn: bad\.json: \d problems\n$/m);
  });
});

describe('a card', () => {
  beforeEach(() => {
    card = `card${cards++}.json`;
    const { code, stderr } = run('apply', 'good.json', '--total-vfs', '4', '--on-demand', '1');
    if (code !== 0) throw new Error(stderr);
  });

  it('is made by apply, which shows the plan', () => {
    expect(run('apply', 'good.json').stdout).toBe('nothing to do\n');
    card = `card${cards++}.json`;

    const { stdout } = run('apply', 'good.json', '--total-vfs', '4', '--on-demand', '1');

    expect(stdout).toBe(
      `VF 1: mac 02:76:66:00:00:01 -> 02:00:00:00:00:01, mtu 1500 -> 9000, vlan 0 -> 10
VF 2 to VF 3: rateMbps 0 -> 100
function on demand 1: queuePairs 1 -> 2
enable 3 VFs
`,
    );
    expect(JSON.parse(description())).toEqual({
      schema: 'virtfn.card/1',
      card: { totalVfs: 4, onDemandFunctions: 1 },
      ...FILE,
    });
    expect(readdirSync(program.folder).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('is listed and queried, as text and as JSON', () => {
    const { functions, schema, vectors } = json('list');

    expect(schema).toBe(SCHEMA);
    expect(vectors).toEqual({ given: 16, pool: 16 });
    expect(functions).toMatchObject([
      { function: 'pf', isPresent: true, isTransitional: false },
      { function: 'vf1', isPresent: true, profile: 'tenant', mtu: 9000, isTransitional: true },
      { function: 'vf2', isPresent: true, profile: 'quiet', rateMbps: 100 },
      { function: 'vf3', isPresent: true },
      { function: 'vf4', isPresent: false, profile: null },
      { function: 'od1', isPresent: false, queuePairs: 2 },
    ]);
    expect(run('list').stdout).toMatch(/vf1 .* 02:00:00:00:00:01 .* 9000 /);
    expect(json('query', 'vf1')).toMatchObject({
      provisioned: { mtu: 9000, vlan: 10 },
      driver: { mac: '02:00:00:00:00:01', mtu: 9000, queues: 3, vectors: 4 },
    });
    expect(json('query', 'vf4')['driver']).toBe(null);
    expect(run('query', 'vf1').stdout).toMatch(/^transitional +yes$/m);
  });

  it('is modified: fields, profiles, the number of VFs', () => {
    expect(run('modify', 'vf2-3', '--vectors', '2', '--legacy', 'off', '--without', 'VIRTIO_NET_F_MTU').code).toBe(0);
    expect(json('query', 'vf3')).toMatchObject({
      profile: 'quiet',
      isTransitional: false,
      provisioned: { vectors: 2, legacy: false, rateMbps: 100, withoutFeatures: [3] },
    });
    expect(run('modify', 'vf2', '--profile', 'tenant').code).toBe(0);
    expect(json('query', 'vf2')).toMatchObject({
      profile: 'tenant',
      provisioned: { mtu: 9000, legacy: true, vectors: 4 },
    });
    expect(run('modify', 'vf2', '--reset', '--mtu', '1000').code).toBe(0);
    expect(json('query', 'vf2')).toMatchObject({ profile: null, provisioned: { mtu: 1000, vlan: 0, rateMbps: 0 } });
    expect(run('modify', '--num-vfs', '4').stdout).toBe('disable 3 VFs\nenable 4 VFs\n');
    expect(json('query', 'vf4')['isPresent']).toBe(true);
    expect(run('health').code).toBe(0);
  });

  it('stays as it is by --dry-run and by all that only looks', () => {
    const before = description();

    expect(run('modify', 'vf1', '--mtu', '1400', '--dry-run').stdout).toContain('mtu 9000 -> 1400');
    expect(json('modify', '--num-vfs', '0', '--dry-run')).toMatchObject({ isApplied: false, steps: [{ kind: 'vfs' }] });
    for (const args of [['list'], ['query', 'vf1'], ['stats'], ['health'], ['validate', 'good.json']]) {
      expect(run(...(args as [string])).code).toBe(0);
    }

    expect(description()).toBe(before);
  });

  it('stays as it is where a file is bad; every problem is named', () => {
    const before = description();

    for (const verb of ['validate', 'apply']) {
      const { code, stdout, stderr } = run(verb, 'bad.json');
      expect(code).toBe(2);
      expect(stdout.match(/^bad\.json: \S+:/gm)).toEqual([
        'bad.json: /functions/0/vf:',
        'bad.json: /functions/0/mtu:',
        'bad.json: /functions/1/profile:',
        'bad.json: /numVfs:',
      ]);
      expect(stderr).toBe('virtfn: bad.json: 4 problems\n');
    }
    expect(json('validate', 'bad.json')).toMatchObject({ schema: SCHEMA, verb: 'problems' });
    expect(description()).toBe(before);
  });

  it('counts, and is healthy', () => {
    const { functions } = json('stats', 'vf1-2');

    expect(functions).toMatchObject([{ function: 'vf1' }, { function: 'vf2' }]);
    expect(run('health').stdout.match(/^ok /gm)).toHaveLength(6);
    expect(json('health')['checks']).toHaveLength(6);
  });
});

describe('what is refused', () => {
  beforeAll(() => {
    card = 'refused.json';
    run('apply', 'good.json', '--total-vfs', '4', '--on-demand', '1');
  });

  it.each([
    ['more vectors than the pool has', 1, ['modify', 'vf1', '--vectors', '32'], /the pool has 16/],
    ['somebody else’s address', 1, ['modify', 'vf2', '--mac', '02:00:00:00:00:01'], /address of VF 1/],
    ['a group address', 2, ['modify', 'vf2', '--mac', '03:00:00:00:00:01'], /--mac .*'03:00:00:00:00:01'.* unicast/],
    ['no address', 2, ['modify', 'vf2', '--mac', '02:00'], /--mac .*'02:00'.* six bytes/],
    ['a size that no queue has', 2, ['modify', 'vf1', '--queue-size', '100'], /--queue-size .*'100'.*, say 64/],
    ['to leave out what all have', 2, ['modify', 'vf1', '--without', '32'], /--without .*'32'.* VIRTIO_F_VERSION_1/],
    ['a VF that is not there', 2, ['query', 'vf5'], /vf1 to vf4/],
    ['several functions', 2, ['query', 'vf1-2'], /one function/],
    ['functions that run backwards', 2, ['modify', 'vf3-2', '--mtu', '1400'], /vf3-2: this runs backwards; give vf2-3/],
    ['a number of VFs for one', 2, ['modify', 'vf1', '--num-vfs', '3'], /--num-vfs 3 is about the card; leave the fun/],
    ['no change', 2, ['modify', 'vf1'], /what to change/],
    ['nobody to change', 2, ['modify', '--mtu', '1400'], /functions to change/],
    ['too many VFs', 2, ['modify', '--num-vfs', '5'], /4 VFs/],
    ['a profile that is none', 2, ['modify', 'vf1', '--profile', 'x'], /tenant, quiet/],
    ['a value out of range', 2, ['modify', 'vf1', '--vlan', '5000'], /0 to 4094/],
    ['options of another card', 2, ['apply', 'good.json', '--total-vfs', '8'], /exists/],
    ['a file that is not there', 2, ['apply', 'no.json'], /no\.json: no such file/],
  ] as const)('refuses %s in one line, and stays as it is', (_name, expected, args, text) => {
    const before = description();

    const { code, stderr } = run(...(args as unknown as [string]));

    expect({ code, lines: stderr.split('\n').length }).toEqual({ code: expected, lines: 2 });
    expect(stderr).toMatch(text);
    expect(description()).toBe(before);
  });
});

it('a new card that cannot be is refused by the option that asks for it', () => {
  card = 'none.json';

  const { code, stderr } = run('apply', 'good.json', '--total-vfs', '4', '--vf-vector-pool', '7');

  // two vectors for each VF at least, 32 at most
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'virtfn: --vf-vector-pool 7: a whole number from 8 to 128 is needed\n',
  });
  expect(existsSync(join(program.folder, card))).toBe(false);
});

it('says what gives a card that is not there yet what a file asks for', () => {
  card = 'none.json';
  program.write('many.json', { functions: [{ vfs: '2-16' }, { onDemand: 2 }, { vfs: '2-1' }], numVfs: 16 });

  expect(run('validate', 'many.json').stdout.trimEnd().split('\n')).toEqual([
    'many.json: /functions/0/vfs: "2-16": the card has VFs 1 to 8; --total-vfs 16 makes one that has',
    'many.json: /functions/1/onDemand: 2: the card has no functions on demand; --on-demand 2 makes one that has',
    'many.json: /functions/2/vfs: "2-1": this runs backwards; give "1-2"',
    'many.json: /numVfs: 16: a whole number from 0 to 8 is needed; --total-vfs 16 makes one that has',
  ]);
});

it('the example in examples/ is good for the card that it is made for', () => {
  card = 'example.json';
  program.write('tenants.json', readRepoFile('examples/tenants.json'));

  expect(run('validate', 'tenants.json', '--total-vfs', '16').stdout).toBe('tenants.json: good\n');
  expect(existsSync(join(program.folder, card))).toBe(false);
  expect(run('apply', 'tenants.json', '--total-vfs', '16').code).toBe(0);
  expect(run('health').code).toBe(0);
});
