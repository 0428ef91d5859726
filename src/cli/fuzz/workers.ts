// SPDX-License-Identifier: Apache-2.0
// `virtfn fuzz --workers`: the program again, once for each worker, with a seed of its own; their reports become one.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import type { FuzzProgress } from '../../fuzz/index.ts';
import { NicError } from '../../util/errors.ts';
import { FUZZ_SCHEMA, type FuzzReport } from './report.ts';
import { counted, grouped, StatusLine } from '../kit/output.ts';

/** Set to 1 for a worker: it tells how far it is on standard error, a line of JSON at a time. */
export const WORKER_VARIABLE = 'VIRTFN_FUZZ_WORKER';

interface WorkerProgress extends FuzzProgress {
  readonly target: string;
  readonly elapsed: number;
}

/** How far a run is, on one line. */
export function statusText(name: string, elapsed: number, progress: FuzzProgress): string {
  const { executions, edges, corpus, findings } = progress;
  const rate = `${grouped(executions / elapsed)} exec/s  ${grouped(edges)} edges`;
  return `${name}  ${elapsed.toFixed(0)} s  ${rate}  ${grouped(corpus)} in the corpus  ${counted(findings, 'finding')}`;
}

interface WorkerSettings {
  readonly target: string;
  readonly seconds: number;
  readonly executions?: number;
  readonly seed: number;
  readonly workers: number;
  readonly corpus?: string;
}

/** Runs the workers and waits for all of them. Throws NicError FUZZ where one ends without a report. */
export async function runWorkers(settings: WorkerSettings): Promise<FuzzReport> {
  const { seed, workers } = settings;
  const status = new StatusLine();
  const latest = new Map<number, WorkerProgress>();
  const show = (worker: number, progress: WorkerProgress): void => {
    latest.set(worker, progress);
    const all = [...latest.values()];
    const sum = (of: (one: WorkerProgress) => number): number => all.reduce((total, one) => total + of(one), 0);
    const elapsed = Math.max(...all.map((one) => one.elapsed));
    status.show(
      statusText(`${workers} workers, ${progress.target}`, elapsed, {
        executions: sum(({ executions }) => executions),
        edges: Math.max(...all.map(({ edges }) => edges)),
        corpus: sum(({ corpus }) => corpus),
        findings: sum(({ findings }) => findings),
      }),
    );
  };
  try {
    const reports = await Promise.all(
      Array.from({ length: workers }, (_, worker) =>
        runWorker({ ...settings, seed: (seed + worker) >>> 0 }, (progress) => show(worker, progress)),
      ),
    );
    const known = new Set<string>();
    const findings = reports
      .flatMap((report) => report.findings)
      .filter(({ target, oracle, message }) => {
        const key = `${target} ${oracle} ${message.replace(/\d+/g, '#')}`;
        return !known.has(key) && known.add(key);
      });
    return { schema: FUZZ_SCHEMA, seed, workers, targets: reports.flatMap((report) => report.targets), findings };
  } finally {
    status.clear();
  }
}

function runWorker(
  { target, seconds, executions, seed, corpus }: WorkerSettings,
  onProgress: (progress: WorkerProgress) => void,
): Promise<FuzzReport> {
  const length = executions === undefined ? ['--seconds', `${seconds}`] : ['--executions', `${executions}`];
  const args = ['fuzz', '--json', '--target', target, ...length, '--seed', String(seed)];
  if (corpus !== undefined) args.push('--corpus', corpus);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [process.argv[1]!, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, [WORKER_VARIABLE]: '1' },
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.startsWith('{')) onProgress(JSON.parse(line) as WorkerProgress);
      else errors += `${line}\n`;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      try {
        resolve(JSON.parse(output) as FuzzReport);
      } catch {
        reject(new NicError('FUZZ', `the worker with seed ${seed} ended with ${code} and no report: ${errors.trim()}`));
      }
    });
  });
}
