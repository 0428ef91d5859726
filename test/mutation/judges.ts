// SPDX-License-Identifier: Apache-2.0
// The judges at work: as many processes as there are cores. One that does not answer is ended, and its mutant with it.
import { fork, type ChildProcess } from 'node:child_process';

import { repoPath } from '../support/repo.ts';
import type { FromJudge, ToJudge, Verdict } from './judge/messages.ts';
import type { ReachedFile } from './judge/reach.ts';

/** Fuel ends what goes on in the core; only what a test does around it can need this. Slow machines are slow. */
const PATIENCE_MS = 60_000;
const PATIENCE_FACTOR = 30;
/** Scripts and modules pile up in a process. */
const TASKS_OF_A_JUDGE = 300;

export type Answer =
  { readonly type: 'reached'; readonly file: ReachedFile } | { readonly type: 'verdict'; readonly verdict: Verdict };

/** Has `count` judges work through the tasks that `next` gives until it has none. */
export async function letJudgesWork<Task>(
  count: number,
  next: () => Task | undefined,
  ask: (task: Task) => ToJudge,
  take: (task: Task, answer: Answer | 'no answer', at: string | undefined) => void,
): Promise<void> {
  const work = async (): Promise<void> => {
    let judge: ChildProcess | undefined;
    let tasks = 0;
    for (let task = next(); task !== undefined; task = next()) {
      // one that ended between two tasks, too, has a successor
      if (judge?.connected !== true) judge = startJudge();
      const { answer, at } = await askJudge(judge, ask(task));
      take(task, answer, at);
      tasks += 1;
      if (answer !== 'no answer' && tasks < TASKS_OF_A_JUDGE) continue;
      judge.kill('SIGKILL');
      judge = undefined;
      tasks = 0;
    }
    judge?.kill('SIGKILL');
  };
  await Promise.all(Array.from({ length: count }, work));
}

function startJudge(): ChildProcess {
  // only what fails is told, by message
  return fork(repoPath('build/mutation/judge.mjs'), {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}

/** The judge's answer, and which file it was at last. */
function askJudge(
  judge: ChildProcess,
  question: ToJudge,
): Promise<{ answer: Answer | 'no answer'; at: string | undefined }> {
  return new Promise((done) => {
    let at: string | undefined;
    let timer: NodeJS.Timeout;
    const end = (answer: Answer | 'no answer'): void => {
      clearTimeout(timer);
      judge.off('message', hear);
      judge.off('exit', lose);
      judge.off('error', lose);
      done({ answer, at });
    };
    const wait = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => end('no answer'), PATIENCE_MS + PATIENCE_FACTOR * ms);
    };
    const lose = (): void => end('no answer');
    const hear = (message: FromJudge): void => {
      if (message.type !== 'group') return end(message);
      at = message.file;
      wait(message.ms);
    };
    judge.on('message', hear);
    judge.once('exit', lose);
    judge.once('error', lose);
    wait(10 * PATIENCE_MS);
    judge.send(question);
  });
}
