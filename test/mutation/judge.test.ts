// SPDX-License-Identifier: Apache-2.0
// A judge runs the tests that it is asked to, with the mutant switched on, and blames it only where it is to blame.
import { execFileSync, fork, type ChildProcess } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { repoPath } from '../support/repo.ts';
import { bundleTests } from './build.ts';
import type { FromJudge, ToJudge } from './judge/messages.ts';

const FILE = 'test/mutation/fixtures/judged.ts';
const FIFTH = 'a card > is not the fifth mutant';
const AFTER = 'a card > is the first of its modules, after the test before';
const SIXTH = 'a card > is not the sixth mutant either';

let judge: ChildProcess;

beforeAll(async () => {
  execFileSync(process.execPath, [repoPath('.ci/build.mjs'), 'judges']);
  await bundleTests([FILE], repoPath('build/mutation/tests'));
  judge = fork(repoPath('build/mutation/judge.mjs'), { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
});

afterAll(() => void judge.kill());

function ask(question: ToJudge): Promise<FromJudge> {
  return new Promise((done) => {
    const hear = (message: FromJudge): void => {
      if (message.type === 'group') return;
      judge.off('message', hear);
      done(message);
    };
    judge.on('message', hear);
    judge.send(question);
  });
}

const verdictOn = (mutant: number, tests: string[]): Promise<FromJudge> =>
  ask({ type: 'judge', mutant, groups: [{ file: FILE, tests, ms: 1, fuel: 1 }] });

describe('a judge', () => {
  it('finds every test of a file to pass without a mutant, and again: modules are fresh', async () => {
    for (const round of [1, 2]) {
      const answer = await ask({ type: 'reach', file: FILE, mutants: 10 });

      expect(answer, `round ${round}`).toMatchObject({
        type: 'reached',
        file: {
          file: FILE,
          tests: [FIFTH, AFTER, SIXTH].map((name) => ({ name, state: 'passed' })),
        },
      });
    }
  });

  it('names the test that fails with a mutant', async () => {
    expect(await verdictOn(5, [FIFTH, SIXTH])).toMatchObject({
      verdict: { status: 'killed', by: `${FILE}: ${FIFTH}` },
    });
    expect(await verdictOn(6, [FIFTH, SIXTH])).toMatchObject({
      verdict: { status: 'killed', by: `${FILE}: ${SIXTH}` },
    });
    expect(await verdictOn(7, [FIFTH, SIXTH])).toEqual({ type: 'verdict', verdict: { status: 'survived', tests: 2 } });
  });

  it('runs no other tests than those it was given', async () => {
    expect(await verdictOn(5, [SIXTH])).toMatchObject({ verdict: { status: 'survived', tests: 1 } });
  });

  it('takes a file as a whole once a test needs the one before it, and blames no mutant for that', async () => {
    expect(await verdictOn(7, [AFTER])).toMatchObject({ verdict: { status: 'survived' } });
    expect(await verdictOn(5, [SIXTH])).toMatchObject({ verdict: { status: 'killed', by: `${FILE}: ${FIFTH}` } });
  });
});
