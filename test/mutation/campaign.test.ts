// SPDX-License-Identifier: Apache-2.0
// Choice, lists, results and report of a run, without judges.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { readRepoFile, repoPath } from '../support/repo.ts';
import { judgeAll, kinship, type Campaign } from './campaign.ts';
import { packSites, ReachMap, type ReachedFile } from './judge/reach.ts';
import type { Mutant } from './mutants.ts';
import { checkIds, choose, type Equivalent, type KilledKind } from './plan.ts';
import { reportPage } from './report/page.ts';
import { reportOf, reportText, type Material } from './report/report.ts';
import { readResults, startResults, type Result } from './results.ts';
import { mutateCore } from './schemata.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtfn-mutation-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Mutants of one place each; every third one is in another file. */
const mutants = Array.from({ length: 12 }, (_, at): Mutant => ({
  number: at + 1,
  id: `id${at}`,
  site: at + 1,
  kind: 'comparison',
  file: at % 3 === 2 ? 'assembly/net/tx.ts' : 'assembly/pci/msix.ts',
  line: at + 1,
  column: 3,
  function: 'f',
  text: 'a < b',
  replacement: 'a <= b',
}));
const all = { seed: 1, sample: undefined, files: undefined, ids: undefined };
const result = (id: string, status: Result['status']): Result => ({ id, status, tests: 3, seconds: 1 });

describe('the choice of mutants', () => {
  const ids = (some: readonly Mutant[]): string[] => some.map(({ id }) => id);

  it('is the same for the same seed, and another for another', () => {
    expect(ids(choose(mutants, all))).toEqual(ids(choose(mutants, all)));
    expect(ids(choose(mutants, { ...all, seed: 2 }))).not.toEqual(ids(choose(mutants, all)));
  });

  it('makes a sample the beginning of the whole', () => {
    expect(ids(choose(mutants, { ...all, sample: 4 }))).toEqual(ids(choose(mutants, all)).slice(0, 4));
  });

  it('takes those of a folder, of a file, of a pattern', () => {
    for (const files of ['assembly/net', 'assembly/net/tx.ts']) {
      expect(choose(mutants, { ...all, files })).toHaveLength(4);
    }
    expect(choose(mutants, { ...all, files: 'assembly/n' })).toEqual([]);
  });
});

describe('the lists of mutants', () => {
  const { mutants: ofCore } = mutateCore(repoPath('assembly'));
  const equivalents = JSON.parse(readRepoFile('test/mutation/equivalent.json')) as Equivalent[];
  const killed = JSON.parse(readRepoFile('test/mutation/must_stay_killed.json')) as KilledKind[];

  it('name mutants of the core, each once, with a reason', () => {
    checkIds(
      'equivalent.json',
      equivalents.map(({ id }) => id),
      ofCore,
    );
    checkIds(
      'must_stay_killed.json',
      killed.flatMap(({ mutants: some }) => Object.keys(some)),
      ofCore,
    );
    expect(new Set(equivalents.map(({ id }) => id)).size).toBe(equivalents.length);
    expect(equivalents.filter(({ reason }) => reason.length < 20)).toEqual([]);
  });

  it('are refused where they name one that is gone, with what to do', () => {
    expect(() => checkIds('equivalent.json', ['id3', 'gone'], mutants)).toThrow(
      /^equivalent.json names gone, and no such mutant exists; .*--list/,
    );
  });
});

describe('results', () => {
  const file = join(folder, 'results.jsonl');

  it('are read again, but for a line that was cut off, and only of the same core and tests', () => {
    const keep = startResults(file, 'stamp', [result('id1', 'killed')]);
    keep(result('id2', 'survived'));
    appendFileSync(file, '{"id":"id3","sta');

    expect([...readResults(file, 'stamp').values()]).toEqual([result('id1', 'killed'), result('id2', 'survived')]);
    expect(readResults(file, 'other').size).toBe(0);
    expect(readResults(join(folder, 'none'), 'stamp').size).toBe(0);
  });
});

describe('a run', () => {
  /** No test passes any place. */
  const campaign: Campaign = {
    ready: { mutants, files: [], stamp: 'stamp' },
    chosen: mutants.slice(0, 3),
    known: new Map([['id1', result('id1', 'killed')]]),
    equivalent: new Set(['id0']),
    workers: 1,
    mostMs: 1000,
    isOver: () => false,
    onResult: () => {},
    file: join(folder, 'run.jsonl'),
  };

  it('believes the list of equivalents and the results it goes on from, and knows what no test reaches', async () => {
    const results = await judgeAll(campaign);

    expect([...results].map(([id, { status }]) => [id, status])).toEqual([
      ['id0', 'equivalent'],
      ['id1', 'killed'],
      ['id2', 'unreached'],
    ]);
    expect([...readResults(campaign.file, 'stamp').keys()].toSorted()).toEqual(['id0', 'id1', 'id2']);
  });

  it('ends when its time is over', async () => {
    expect((await judgeAll({ ...campaign, isOver: () => true })).size).toBe(0);
  });
});

describe('the map of what tests reach', () => {
  const test = (name: string, ms: number, sites: number[]): ReachedFile['tests'][number] => ({
    name,
    state: 'passed',
    ms,
    fuel: 10 * ms,
    sites: packSites(sites, 12),
  });
  const slow = { file: 'slow', collectMs: 5, failed: undefined, tests: [test('a', 100, [1, 8]), test('b', 50, [8])] };
  const quick = { file: 'quick', collectMs: 1, failed: undefined, tests: [test('c', 2, [8, 12])] };
  const broken = { ...quick, file: 'broken', tests: [{ ...quick.tests[0]!, state: 'failed' as const }] };
  const map = new ReachMap([slow, quick, broken]);

  it('gives the tests that pass a site, the quickest file first, and no test that fails without a mutant', () => {
    expect(map.groupsOf(8)).toEqual([
      { file: 'quick', tests: ['c'], ms: 3, fuel: 20 },
      { file: 'slow', tests: ['a', 'b'], ms: 155, fuel: 1000 },
    ]);
    expect(map.groupsOf(1)).toEqual([{ file: 'slow', tests: ['a'], ms: 105, fuel: 1000 }]);
    expect(map.groupsOf(2)).toEqual([]);
  });
});

describe('the order of tests', () => {
  it('prefers those that are named after the source', () => {
    const of = (test: string): number => kinship('assembly/virtio/ring/split.ts', test);

    expect(of('test/conformance/ring/kick_suppression.test.ts')).toBeGreaterThan(
      of('test/conformance/net/mtu.test.ts'),
    );
    expect(kinship('assembly/host/iommu.ts', 'test/iommufd/ioas.test.ts')).toBeGreaterThan(0);
    expect(kinship('assembly/virtio/job.ts', 'test/conformance/pci/virtio_structures.test.ts')).toBe(0);
  });
});

describe('the report', () => {
  const statuses: Result['status'][] = ['killed', 'killed', 'timeout', 'survived', 'digest', 'equivalent'];
  const material: Material = {
    seed: 7,
    mutants,
    all: 100,
    results: new Map(statuses.map((status, at) => [`id${at}`, result(`id${at}`, status)])),
    equivalents: [{ id: 'id5', mutant: 'a < b -> a <= b', reason: 'a is never b' }],
    killedKinds: [
      { kind: 'off by one', mutants: { id0: 'a < b -> a <= b', id3: 'a < b -> a <= b', id11: 'not judged' } },
    ],
    minutes: 2,
    sourceLine: (_, line) => `if (a < b) line ${line}`,
  };
  const report = reportOf(material);

  it('counts tests alone as killers, and no equivalents', () => {
    expect(report).toMatchObject({ seed: 7, all: 100, chosen: 12, judged: 6, killedPercent: 60 });
    expect(report.counts).toEqual({ killed: 2, timeout: 1, digest: 1, survived: 1, unreached: 0, equivalent: 1 });
  });

  it('shows the source line of what is open', () => {
    const text = reportText(report);

    expect(text).toContain(
      'assembly/pci/msix.ts\n  4: if (a < b) line 4\n    id3 comparison: a < b -> a <= b; survived 3 tests',
    );
    expect(text).toContain('killed: 60 % of those that are not equivalent');
    expect(text).not.toContain('id0 comparison');
  });

  it('names what had to stay killed', () => {
    expect(report.revived).toEqual([{ kind: 'off by one', id: 'id3', mutant: 'a < b -> a <= b', status: 'survived' }]);
    expect(reportText(report)).toContain('must stay killed (off by one): id3');
  });

  it('is a page of its own, which shows the code as it is', () => {
    const page = reportPage(report);

    expect(page).toContain('<code>if (a &lt; b) line 4</code>');
    expect(page).toContain('a is never b');
    expect(page).not.toMatch(/<script|https?:\/\//);
  });
});
