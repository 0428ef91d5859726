// SPDX-License-Identifier: Apache-2.0
// mutation: the core with one fault after the other, and the tests that ought to notice.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

import { repoPath } from '../support/repo.ts';
import { judgeAll, prepare, readMutants } from './campaign.ts';
import type { Mutant } from './mutants.ts';
import { checkIds, choose, type Equivalent, type KilledKind } from './plan.ts';
import { reportPage } from './report/page.ts';
import { reportOf, reportText } from './report/report.ts';
import { readResults, type Result } from './results.ts';
import { judgingTests } from './tests.ts';

const RESULTS = repoPath('build/mutation/results.jsonl');
const HELP = `npm run mutation -- [options]

Judges mutants of the core, small faults planted one at a time, by the tests that pass the place. Exit code 1 when one of
test/mutation/must_stay_killed.json survives; other survivors are reported.

  --sample N       so many of them; default all
  --seed N         which ones, and in which order; default 1
  --budget SECONDS judges for this time, and reports what is known then
  --files GLOB     those of these files, or of this folder: 'assembly/net'
  --tests FOLDER   judged by these alone: test/conformance/net, say; several with commas
  --mutant ID      this one, with the test that fails; several with commas
  --survivors      those again that survived in the last run
  --resume         keeps the results of the last run, of the same core and the same tests
  --must           only those of must_stay_killed.json
  --cost SECONDS   tests that a mutant meets at most, as long as they take without it; default 60
  --workers N      default: one for each core
  --list           prints the mutants, judges none
  --json           the report as JSON
  --html FILE      the report as a page as well
`;

const number = (name: string, text: string | undefined, fallback: number): number => {
  const value = Number(text ?? fallback);
  if (!(value >= 0)) fail(`--${name} wants a number, not '${text}'`);
  return value;
};

function fail(why: string): never {
  console.error(`mutation: ${why}`);
  process.exit(2);
}

function readList<T>(name: string): T[] {
  return JSON.parse(readFileSync(repoPath(`test/mutation/${name}`), 'utf8')) as T[];
}

function options() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      options: {
        sample: text,
        seed: text,
        budget: text,
        files: text,
        tests: text,
        mutant: text,
        cost: text,
        workers: text,
        html: text,
        survivors: flag,
        resume: flag,
        must: flag,
        list: flag,
        json: flag,
        help: { ...flag, short: 'h' },
      },
    }).values;
  } catch (error) {
    return fail(`${(error as Error).message}; see npm run mutation -- --help`);
  }
}

const values = options();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const seed = number('seed', values.seed, 1);
const budget = number('budget', values.budget, Infinity);
const workers = number('workers', values.workers, availableParallelism());
const mutants = readMutants();
const equivalents = readList<Equivalent>('equivalent.json');
const killedKinds = readList<KilledKind>('must_stay_killed.json');
const mustIds = killedKinds.flatMap((kind) => Object.keys(kind.mutants));
try {
  checkIds(
    'test/mutation/equivalent.json',
    equivalents.map(({ id }) => id),
    mutants,
  );
  checkIds('test/mutation/must_stay_killed.json', mustIds, mutants);
  if (values.mutant !== undefined) checkIds('--mutant', values.mutant.split(','), mutants);
} catch (error) {
  fail((error as Error).message);
}

/** Results of the last run, whatever it was of. */
function lastResults(): Map<string, Result> {
  if (!existsSync(RESULTS)) fail('there was no run before; leave --survivors out');
  const { stamp } = JSON.parse(readFileSync(RESULTS, 'utf8').split('\n')[0]!) as { stamp: string };
  return readResults(RESULTS, stamp);
}

function wantedIds(): ReadonlySet<string> | undefined {
  if (values.mutant !== undefined) return new Set(values.mutant.split(','));
  if (values.must) return new Set(mustIds);
  if (!values.survivors) return undefined;
  const open = [...lastResults().values()].filter(({ status }) => ['survived', 'digest', 'unreached'].includes(status));
  return new Set(open.map(({ id }) => id));
}

const sample = values.sample === undefined ? undefined : number('sample', values.sample, 0);
const picked = choose(mutants, { seed, sample, files: values.files, ids: wantedIds() });
if (picked.length === 0) fail('no mutant is chosen; npm run mutation -- --list shows them all');
if (values.list) {
  for (const { id, kind, file, line, text, replacement } of picked.toSorted((a, b) => a.number - b.number)) {
    console.log(`${id} ${kind} ${file}:${line} ${text} -> ${replacement === '' ? '(left out)' : replacement}`);
  }
  process.exit(0);
}
// those first that decide about the exit code
const isFirst = new Set(values.mutant === undefined && !values.survivors && values.files === undefined ? mustIds : []);
const chosen: Mutant[] = [
  ...mutants.filter(({ id }) => isFirst.has(id)),
  ...picked.filter(({ id }) => !isFirst.has(id)),
];

const LOG_EVERY_MS = 30_000;
let said = performance.now();
/** On a terminal a line that changes, elsewhere one now and then. */
const say = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (performance.now() - said > LOG_EVERY_MS) {
    said = performance.now();
    console.error(`mutation: ${text}`);
  }
};
const tests = judgingTests(values.tests?.split(','));
if (tests.length === 0) fail(`no tests in ${values.tests}; a folder below test/ has some`);
const ready = await prepare(tests, workers, (done, all) =>
  say(`tests without a mutant: ${done} of ${all} files`),
).catch((error: Error) => fail(error.message));
for (const { file, failed } of ready.files) {
  if (failed !== undefined)
    console.error(`mutation: no judge, since it fails without a mutant: ${file}: ${failed.split('\n')[0]}`);
}
let done = 0;
const judging = performance.now();
const results = await judgeAll({
  ready,
  chosen,
  known: values.resume ? readResults(RESULTS, ready.stamp) : new Map(),
  equivalent: new Set(equivalents.map(({ id }) => id)),
  workers,
  mostMs: 1000 * number('cost', values.cost, 60),
  isOver: () => performance.now() - judging > 1000 * budget,
  onResult({ file, line, text }, { status, by, error }) {
    done += 1;
    say(`${done} of ${chosen.length} mutants, ${Math.round((60_000 * done) / (performance.now() - judging))} a minute`);
    if (values.mutant !== undefined) console.error(`${file}:${line} ${text}: ${status} ${by ?? ''} ${error ?? ''}`);
  },
  file: RESULTS,
});
if (process.stderr.isTTY) say('');

const report = reportOf({
  seed,
  mutants: chosen,
  all: mutants.length,
  results,
  equivalents,
  killedKinds,
  minutes: (performance.now() - judging) / 60_000,
  sourceLine: (file, line) => readFileSync(repoPath(file), 'utf8').split('\n')[line - 1]!.trim(),
});
console.log(values.json ? JSON.stringify(report, null, 2) : reportText(report));
if (values.html !== undefined) writeFileSync(values.html, reportPage(report));
if (report.revived.length > 0) process.exitCode = 1;
