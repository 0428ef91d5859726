// SPDX-License-Identifier: Apache-2.0
// A judge: a process that meets one mutant after the other with the tests that can see it, or lists what each test passes.
import { fuelLeft, FUEL_MAX, refuel, reportSites, switchTo } from '../core/switch.ts';
import type { FromJudge, ToJudge, Verdict } from './messages.ts';
import { packSites, type ReachedFile, type ReachedTest, type TestGroup } from './reach.ts';
import { runTestFile, type FileRun } from './test_file.ts';

/** A mutant may turn this much more often than the core as it is before it counts as one without end. */
const FUEL_FACTOR = 10;
const FUEL_MORE = 1_000_000;

/** Tests that fail without a mutant when they run alone: they need those before them. */
const dependent = new Set<string>();
const independent = new Set<string>();

async function reach(file: string, mutants: number): Promise<ReachedFile> {
  const tests: ReachedTest[] = [];
  const common: number[] = [];
  let collectMs: number | undefined;
  let began = cpuMs();
  reportSites();
  const { failed, error } = await runTestFile(file, {
    onTest() {
      collectMs ??= cpuMs() - began;
      common.push(...reportSites());
      refuel(FUEL_MAX);
      began = cpuMs();
    },
    onResult(name, state) {
      const ms = cpuMs() - began;
      tests.push({ name, state, ms, fuel: FUEL_MAX - fuelLeft(), sites: packSites(reportSites(), mutants) });
    },
  });
  common.push(...reportSites());
  switchTo(0);
  // what is passed between tests, all of them may see
  const bits = Buffer.from(packSites(common, mutants), 'base64');
  const seen = tests.map((test) => ({ ...test, sites: either(Buffer.from(test.sites, 'base64'), bits) }));
  const why = failed === undefined ? undefined : `${failed}: ${error}`;
  return { file, collectMs: collectMs ?? 0, failed: why, tests: seen };
}

/** Of the processor, which others use as well: what a test takes does not depend on them. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function either(a: Buffer, b: Buffer): string {
  return Buffer.from(a.map((byte, at) => byte | b[at]!)).toString('base64');
}

async function judge(mutant: number, groups: readonly TestGroup[]): Promise<Verdict> {
  let tests = 0;
  for (const group of groups) {
    tell({ type: 'group', file: group.file, ms: group.ms });
    tests += group.tests.length;
    let { run, isEmpty } = await meet(mutant, group, dependent.has(group.file) ? undefined : new Set(group.tests));
    if (run.failed === undefined) continue;
    if (!dependent.has(group.file) && !(await isIndependent(group, run.failed))) {
      dependent.add(group.file);
      ({ run, isEmpty } = await meet(mutant, group, undefined));
      if (run.failed === undefined) continue;
    }
    const by = run.failed === group.file ? group.file : `${group.file}: ${run.failed}`;
    return {
      status: isEmpty ? 'timeout' : 'killed',
      by,
      error: (run.error ?? '').split('\n')[0]!.slice(0, 200),
      tests,
    };
  }
  return { status: 'survived', tests };
}

async function meet(
  mutant: number,
  { file, fuel }: TestGroup,
  only: ReadonlySet<string> | undefined,
): Promise<{ run: FileRun; isEmpty: boolean }> {
  const turns = Math.min(FUEL_MAX, fuel * FUEL_FACTOR + FUEL_MORE);
  let isEmpty = false;
  refuel(turns);
  switchTo(mutant);
  try {
    const run = await runTestFile(
      file,
      {
        onTest() {
          isEmpty ||= fuelLeft() < 0;
          refuel(turns);
        },
      },
      only,
    );
    return { run, isEmpty: isEmpty || fuelLeft() < 0 };
  } finally {
    switchTo(0);
    refuel(FUEL_MAX);
  }
}

/** Does the test, run alone, pass without a mutant? Then it is the mutant that failed it. */
async function isIndependent(group: TestGroup, test: string): Promise<boolean> {
  const key = `${group.file}: ${test}`;
  if (independent.has(key)) return true;
  const only = test === group.file ? new Set(group.tests) : new Set([test]);
  const { run } = await meet(0, { ...group, fuel: FUEL_MAX }, only);
  if (run.failed === undefined) independent.add(key);
  return run.failed === undefined;
}

function tell(message: FromJudge): void {
  process.send!(message);
}

// what a mutant leaves behind when its test is over already
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

process.on('message', async (message: ToJudge) => {
  if (message.type === 'reach') tell({ type: 'reached', file: await reach(message.file, message.mutants) });
  else tell({ type: 'verdict', verdict: await judge(message.mutant, message.groups) });
});
