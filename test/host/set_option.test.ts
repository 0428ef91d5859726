// SPDX-License-Identifier: Apache-2.0
// What --set and a profile file change of the timing profile stands in every report: who reads one later knows what card it
// is of. `virtfn serve`: test/interop/vfio_user/serve_cli.test.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeProgram } from '../../src/cli/program.ts';
import { CliProgram } from '../support/cli_program.ts';

/** A short run of each verb that takes --set. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  'bench admin': ['--quick', '--vfs', '1', '--in-flight', '1'],
  'bench pcie': ['--op', 'read', '--bytes', '64'],
  'bench dma': ['--samples', '10', '--bytes', '64'],
  trace: ['admin'],
  'lifecycle demo': ['--kind', 'siov'],
};
/** What serves as long as it runs, and what needs a kernel (test/uml). */
const OTHERS = ['serve', 'uml run', 'bench linux'];
const CHANGES = ['--profile', 'few.json', '--set', 'host.read_latency_ns=400', '--set', 'link.ecrc=1'];
/** --set goes before the file. */
const SET = { 'link.tags': 16, 'host.read_latency_ns': 400, 'link.ecrc': 1 };
const TEXT = 'link.tags=16, host.read_latency_ns=400, link.ecrc=1';

interface Report {
  readonly profile: string | { readonly name: string; readonly set: object } | null;
  readonly set?: object;
}

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
  program.write('few.json', { base: 'nfp6000-gen3x8', values: { 'link.tags': 16, 'host.read_latency_ns': 300 } });
});
afterAll(() => program.remove());

/** Profile and changes of a report; that of `bench admin` has them in one object. */
function timingOf({ profile, set }: Report): object {
  return typeof profile === 'object' && profile !== null
    ? { profile: profile.name, set: profile.set }
    : { profile, set };
}

const run = (verb: string, ...args: string[]) => program.run(...verb.split(' '), ...RUNS[verb]!, ...args);
const json = (verb: string, ...args: string[]) => timingOf(JSON.parse(run(verb, ...args, '--json').stdout) as Report);

describe('a report', () => {
  it('is of every verb that takes --set', () => {
    const verbs = makeProgram()
      .commands.flatMap((verb) => (verb.commands.length > 0 ? verb.commands : [verb]))
      .filter((verb) => verb.options.some(({ long }) => long === '--set'))
      .map((verb) => (verb.parent!.name() === 'virtfn' ? verb.name() : `${verb.parent!.name()} ${verb.name()}`));

    expect([...Object.keys(RUNS), ...OTHERS].toSorted()).toEqual(verbs.toSorted());
  });

  it.each(Object.keys(RUNS))('of %s keeps what was changed, as JSON and as text', (verb) => {
    expect(json(verb, ...CHANGES)).toEqual({ profile: 'nfp6000-gen3x8', set: SET });
    // lines are broken to the width of a terminal
    expect(run(verb, ...CHANGES).stdout.replaceAll(/\s+/g, ' ')).toContain(TEXT);
  });

  it.each(Object.keys(RUNS))('of %s says that nothing was changed', (verb) => {
    expect(json(verb)).toMatchObject({ set: {} });
  });

  it('of bench pcie counts what its own options change', () => {
    expect(json('bench pcie', '--gen', '4', '--set', 'link.ecrc=1')).toEqual({
      profile: null,
      set: { 'link.generation': 4, 'link.ecrc': 1 },
    });
  });

  it('of bench admin keeps it on its page', () => {
    expect(run('bench admin', ...CHANGES, '--html', 'admin.html').code).toBe(0);

    expect(readFileSync(join(program.folder, 'admin.html'), 'utf8')).toContain(`changed: ${TEXT}`);
  });
});
