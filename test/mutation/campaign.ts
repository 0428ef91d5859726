// SPDX-License-Identifier: Apache-2.0
// A run: makes the map of what each test reaches, then has the judges meet the chosen mutants, and keeps every result.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

import { repoPath } from '../support/repo.ts';
import { bundleTests } from './build.ts';
import { ReachMap, type ReachedFile, type TestGroup } from './judge/reach.ts';
import { letJudgesWork } from './judges.ts';
import type { Mutant } from './mutants.ts';
import { startResults, type Result } from './results.ts';
import { isDigest } from './tests.ts';

const REACH_FILE = repoPath('build/mutation/reach.jsonl');

/** A file or two have a test that wants another core; beyond this, and beyond one in so many, something is wrong. */
const MOST_FAILED = 10;

export interface Ready {
  readonly mutants: readonly Mutant[];
  readonly files: readonly ReachedFile[];
  /** Of the core and the tests that the results are of. */
  readonly stamp: string;
}

/** Mutants in the module that was built. */
export function readMutants(): Mutant[] {
  return JSON.parse(readFileSync(repoPath('build/nic.mutation.json'), 'utf8')) as Mutant[];
}

/** Bundles the tests and runs once without a mutant those that were not, with this core and as they are now. */
export async function prepare(
  tests: readonly string[],
  workers: number,
  onFile: (done: number, all: number) => void,
): Promise<Ready> {
  const mutants = readMutants();
  await bundleTests(tests, repoPath('build/mutation/tests'));
  const core = readFileSync(repoPath('build/nic.mutation.wasm'));
  const stamps = new Map(tests.map((file) => [file, stampOf(core, readFileSync(repoPath(bundleOf(file))))]));
  const known = readReach();
  const waiting = tests.filter((file) => known.get(file)?.stamp !== stamps.get(file));
  let done = tests.length - waiting.length;
  await letJudgesWork(
    workers,
    () => waiting.shift(),
    (file) => ({ type: 'reach', file, mutants: mutants.length }),
    (file, answer) => {
      const reached = answer === 'no answer' || answer.type !== 'reached' ? undefined : answer.file;
      const line = {
        stamp: stamps.get(file)!,
        reached: reached ?? { file, collectMs: 0, failed: 'it did not end', tests: [] },
      };
      known.set(file, line);
      appendFileSync(REACH_FILE, `${JSON.stringify(line)}\n`);
      done += 1;
      onFile(done, tests.length);
    },
  );
  const failed = tests.filter((file) => known.get(file)!.reached.failed !== undefined);
  if (failed.length > MOST_FAILED && failed.length > tests.length / MOST_FAILED) {
    throw new Error(
      `${failed.length} of ${tests.length} test files fail without a mutant; is build/nic.mutation.wasm of other sources? npm run mutation builds it`,
    );
  }
  const kept = [...known.values()].filter(({ reached }) => existsSync(repoPath(reached.file)));
  writeFileSync(REACH_FILE, `${kept.map((line) => JSON.stringify(line)).join('\n')}\n`);
  const lines = tests.map((file) => known.get(file)!);
  return {
    mutants,
    files: lines.map(({ reached }) => reached),
    stamp: stampOf(...[...stamps.values()].map(Buffer.from)),
  };
}

const bundleOf = (file: string): string => file.replace(/^test\//, 'build/mutation/tests/').replace(/\.ts$/, '.cjs');

function stampOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

interface ReachLine {
  /** Of core and test file. */
  readonly stamp: string;
  readonly reached: ReachedFile;
}

/** The last line of each file; the file grows while tests run, and is written anew when all have. */
function readReach(): Map<string, ReachLine> {
  if (!existsSync(REACH_FILE)) return new Map();
  const lines = readFileSync(REACH_FILE, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as ReachLine);
  return new Map(lines.map((line) => [line.reached.file, line]));
}

export interface Campaign {
  readonly ready: Ready;
  readonly chosen: readonly Mutant[];
  readonly known: ReadonlyMap<string, Result>;
  readonly equivalent: ReadonlySet<string>;
  readonly workers: number;
  /** Milliseconds that the tests of one mutant may take, as they do without it. */
  readonly mostMs: number;
  readonly isOver: () => boolean;
  readonly onResult: (mutant: Mutant, result: Result) => void;
  readonly file: string;
}

/** Judges the chosen mutants that have no result yet, until it is over; all results of chosen ones. */
export async function judgeAll(campaign: Campaign): Promise<Map<string, Result>> {
  const { ready, chosen, known, equivalent, workers, mostMs, isOver, onResult, file } = campaign;
  const reach = new ReachMap(ready.files);
  const keep = startResults(file, ready.stamp, known.values());
  const results = new Map<string, Result>();
  const killers = new Killers();
  const waiting = [...chosen];
  const note = (mutant: Mutant, result: Result): void => {
    results.set(mutant.id, result);
    if (!known.has(mutant.id)) keep(result);
    killers.add(mutant, result);
    onResult(mutant, result);
  };
  const next = (): Meeting | undefined => {
    for (let mutant = waiting.shift(); mutant !== undefined && !isOver(); mutant = waiting.shift()) {
      const { id } = mutant;
      const groups = reach.groupsOf(mutant.site);
      if (equivalent.has(id)) note(mutant, { id, status: 'equivalent', tests: 0, seconds: 0 });
      else if (known.has(id)) note(mutant, known.get(id)!);
      else if (groups.length === 0) note(mutant, { id, status: 'unreached', tests: 0, seconds: 0 });
      else return { mutant, ...affordable(killers.inOrder(mutant, groups), mostMs), began: performance.now() };
    }
    return undefined;
  };
  await letJudgesWork(
    workers,
    next,
    ({ mutant, groups }) => ({ type: 'judge', mutant: mutant.number, groups }),
    ({ mutant, isCut, began }, answer, at) => {
      const { id } = mutant;
      const seconds = Math.round((performance.now() - began) / 10) / 100;
      if (answer === 'no answer')
        return note(mutant, { id, status: 'timeout', by: at ?? 'no test', tests: 0, seconds });
      if (answer.type !== 'verdict') throw new Error(`a judge that was asked for a verdict gave ${answer.type}`);
      const { status, by, error, tests } = answer.verdict;
      const isOnlyDigest = status === 'killed' && isDigest(by!);
      note(mutant, {
        id,
        status: isOnlyDigest ? 'digest' : status,
        ...(by === undefined ? {} : { by }),
        ...(error === undefined ? {} : { error }),
        tests,
        ...(isCut && (isOnlyDigest || status === 'survived') ? { isCut } : {}),
        seconds,
      });
    },
  );
  return results;
}

interface Meeting {
  readonly mutant: Mutant;
  readonly groups: readonly TestGroup[];
  readonly isCut: boolean;
  readonly began: number;
}

/** Digests come last: they only decide where no test does. */
function affordable(groups: readonly TestGroup[], mostMs: number): { groups: TestGroup[]; isCut: boolean } {
  const judging = groups.filter(({ file }) => !isDigest(file));
  let sum = 0;
  const taken = judging.filter(({ ms }) => (sum += ms) <= mostMs);
  return { groups: [...taken, ...groups.filter(({ file }) => isDigest(file))], isCut: taken.length < judging.length };
}

/** What killed mutants of the same function, and of the same file, is asked first. */
class Killers {
  readonly #kills = new Map<string, Map<string, number>>();

  add({ file, function: name }: Mutant, { status, by }: Result): void {
    if (status !== 'killed' || by === undefined) return;
    const [test] = by.split(': ');
    for (const place of [file, `${file} ${name}`]) {
      const kills = this.#kills.get(place) ?? new Map<string, number>();
      this.#kills.set(place, kills.set(test!, (kills.get(test!) ?? 0) + 1));
    }
  }

  inOrder({ file, function: name }: Mutant, groups: readonly TestGroup[]): TestGroup[] {
    const inFile = this.#kills.get(file);
    const inFunction = this.#kills.get(`${file} ${name}`);
    const cost = (group: TestGroup): number => {
      const kills = (inFile?.get(group.file) ?? 0) + 10 * (inFunction?.get(group.file) ?? 0);
      return group.ms / (1 + kills + kinship(file, group.file));
    };
    return groups
      .map((group) => ({ group, cost: cost(group) }))
      .sort((a, b) => a.cost - b.cost)
      .map(({ group }) => group);
  }
}

const KIN = 8;

/** Tests are named after what they test: words of both paths that are one, or that one begins with. */
export function kinship(source: string, test: string): number {
  const wordsOf = (path: string): string[] =>
    path.split(/[/_.]/).filter((word) => word.length > 2 && !NO_WORDS.has(word));
  const words = wordsOf(test);
  return (
    KIN *
    wordsOf(source).filter((word) => words.some((other) => other.startsWith(word) || word.startsWith(other))).length
  );
}

const NO_WORDS: ReadonlySet<string> = new Set(['assembly', 'test', 'virtio', 'nic']);
