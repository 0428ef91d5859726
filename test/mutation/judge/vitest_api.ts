// SPDX-License-Identifier: Apache-2.0
// What a test file imports as 'vitest' while mutants are judged: vitest's own runner, assertions and spies, without its
// processes. Snapshots are compared as they stand beside the tests, never written.
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import vm from 'node:vm';

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from '@vitest/expect';
import * as runner from '@vitest/runner';
import { getTestName } from '@vitest/runner/utils';
import { fn, restoreAllMocks, spyOn } from '@vitest/spy';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

type Matchers = Readonly<Record<string, (received: unknown) => { pass: boolean; message: () => string }>>;

const chaiExpect = chai.expect as unknown as { extend(expect: unknown, matchers: Matchers): void };

const expectation = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  (globalThis as unknown as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT],
  { extend: (matchers: Matchers) => chaiExpect.extend(expectation, matchers) },
);

const snapshots = new Map<string, Readonly<Record<string, string>>>();
let asked = new Map<string, number>();

/** Snapshots are counted from one on again. */
export function startSnapshots(): void {
  asked = new Map();
}

function snapshotsOf(file: string): Readonly<Record<string, string>> {
  let known = snapshots.get(file);
  if (known === undefined) {
    const path = join(dirname(file), '__snapshots__', `${basename(file)}.snap`);
    const exports: Record<string, string> = {};
    if (existsSync(path)) vm.runInNewContext(readFileSync(path, 'utf8'), { exports });
    snapshots.set(file, (known = exports));
  }
  return known;
}

expectation.extend(customMatchers as unknown as Matchers);
expectation.extend({
  toMatchSnapshot(received) {
    if (typeof received !== 'string')
      throw new Error(`a snapshot of ${typeof received}; only strings are compared here`);
    const test = runner.getCurrentTest()!;
    const name = getTestName(test);
    const nth = (asked.get(name) ?? 0) + 1;
    asked.set(name, nth);
    const expected = snapshotsOf(test.file.filepath)[`${name} ${nth}`];
    return {
      pass: expected === `"${received}"`,
      message: () => `snapshot ${name} ${nth} is ${expected}, not ${received}`,
    };
  },
});

const { describe, it, test, beforeAll, afterAll, beforeEach, afterEach, onTestFailed, onTestFinished } = runner;
export const vitestApi = {
  describe,
  it,
  test,
  beforeAll,
  afterAll,
  beforeEach,
  afterEach,
  onTestFailed,
  onTestFinished,
  expect: expectation,
  vi: { fn, spyOn, restoreAllMocks },
};
