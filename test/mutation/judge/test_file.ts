// SPDX-License-Identifier: Apache-2.0
// One test file, run again and again in one process: its script is compiled once, its modules are fresh each time, and of its
// tests only those run that are asked for. A test is known by its full name, and by a number where several have the same.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

import { startTests, type File, type Task, type Test, type VitestRunner } from '@vitest/runner';
import { getTestName } from '@vitest/runner/utils';

import { PATIENCE_MS } from '../../support/patience.ts';
import { repoPath } from '../../support/repo.ts';
import { startSnapshots, vitestApi } from './vitest_api.ts';

const require = createRequire(repoPath('package.json'));
type Script = (require: (name: string) => unknown, module: object, exports: object, ...names: string[]) => void;
const scripts = new Map<string, Script>();

/** What a run tells, test by test. */
export interface Listener {
  /** Before the file's own code: hooks of suites, too, run before the first test. */
  onCollect?(): void;
  /** `test` runs next. Returning false leaves it out. */
  onTest?(test: string): boolean | void;
  onResult?(test: string, state: TestState): void;
}

export type TestState = 'passed' | 'failed' | 'skipped';

export interface FileRun {
  /** The first test that failed; the file's name where it failed outside of them. */
  readonly failed: string | undefined;
  readonly error: string | undefined;
  /** Names of all tests of the file. */
  readonly tests: readonly string[];
}

/** Memory of cards that nobody holds any more is looked for beyond this: the engine takes its time. */
const MEMORY_BYTES = 1024 * 1024 * 1024;

function collectCards(): void {
  if (process.memoryUsage.rss() > MEMORY_BYTES) globalThis.gc?.();
}

/** Runs the tests of `only` (all without it) of a test file, named from the top of the repository, up to the first failure. */
export async function runTestFile(file: string, listener: Listener = {}, only?: ReadonlySet<string>): Promise<FileRun> {
  const names = new Map<Task, string>();
  let failed: string | undefined;
  let error: string | undefined;
  const fail = (name: string, task: Task): void => {
    failed ??= name;
    error ??= task.result?.errors?.[0]?.message ?? 'failed';
  };
  const runner: VitestRunner = {
    config: CONFIG,
    importFile: () => {
      listener.onCollect?.();
      startSnapshots();
      runScript(file);
    },
    onCollected([collected]) {
      nameTests(collected!, names);
      for (const [test, name] of names) if (only !== undefined && !only.has(name)) test.mode = 'skip';
      leaveOutEmptySuites(collected!);
    },
    onBeforeRunTask(test) {
      if (failed !== undefined && listener.onResult === undefined) test.mode = 'skip';
      else if (test.mode === 'run' || test.mode === 'queued') {
        if (listener.onTest?.(names.get(test)!) === false) test.mode = 'skip';
      }
    },
    onAfterRunTask(test) {
      collectCards();
      const name = names.get(test)!;
      const state = stateOf(test);
      if (state === 'failed') fail(name, test);
      listener.onResult?.(name, state);
    },
  };
  const [root] = await startTests([repoPath(file)], runner);
  // a hook, or the file's own code
  if (failed === undefined) for (const task of allTasks(root!)) if (task.result?.state === 'fail') fail(file, task);
  return { failed, error, tests: [...names.values()] };
}

const CONFIG: VitestRunner['config'] = {
  root: repoPath('.'),
  setupFiles: [],
  name: undefined,
  passWithNoTests: true,
  testNamePattern: undefined,
  allowOnly: true,
  sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
  chaiConfig: undefined,
  maxConcurrency: 1,
  testTimeout: 2 * PATIENCE_MS,
  hookTimeout: 2 * PATIENCE_MS,
  retry: 0,
  includeTaskLocation: false,
  // nobody reads how two values differ
  diffOptions: { maxDepth: 1, truncateThreshold: 1 },
  tags: [],
  tagsFilter: undefined,
  strictTags: false,
};

function runScript(file: string): void {
  let script = scripts.get(file);
  if (script === undefined) {
    const path = repoPath(`build/mutation/tests/${file.replace(/^test\//, '').replace(/\.ts$/, '.cjs')}`);
    const text = `(function (require, module, exports, __filename, __dirname) {${readFileSync(path, 'utf8')}\n})`;
    script = new vm.Script(text, {
      filename: path,
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    }).runInThisContext() as Script;
    scripts.set(file, script);
  }
  const module = { exports: {} };
  const path = repoPath(file);
  script((name) => (name === 'vitest' ? vitestApi : require(name)), module, module.exports, path, path);
}

function nameTests(file: File, names: Map<Task, string>): void {
  const counts = new Map<string, number>();
  for (const task of allTasks(file)) {
    if (task.type !== 'test') continue;
    const name = getTestName(task);
    const nth = counts.get(name) ?? 0;
    counts.set(name, nth + 1);
    names.set(task, nth === 0 ? name : `${name} (${nth + 1})`);
  }
}

/** Hooks of a suite run when one of its tests does. */
function leaveOutEmptySuites(task: Task): boolean {
  if (task.type === 'test') return task.mode === 'run' || task.mode === 'queued';
  const isRunning = task.tasks.map(leaveOutEmptySuites).some(Boolean);
  if (!isRunning) task.mode = 'skip';
  return isRunning;
}

function* allTasks(task: Task): Generator<Task> {
  yield task;
  if (task.type === 'suite') for (const child of task.tasks) yield* allTasks(child);
}

function stateOf(test: Test): TestState {
  if (test.result?.state === 'fail') return 'failed';
  return test.result?.state === 'pass' ? 'passed' : 'skipped';
}
