// SPDX-License-Identifier: Apache-2.0
// `virtfn fuzz --workers`: the program again, once for each worker, with a seed of its own; their reports become one.
import { spawn } from 'node:child_process';

import type { FuzzReport } from './fuzz.ts';
import { NicError } from '../util/errors.ts';
import { StatusLine } from './output.ts';

interface WorkerSettings {
  readonly target: string;
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  readonly corpus?: string;
}

/** Runs the workers and waits for all of them. Throws NicError FUZZ where one ends without a report. */
export async function runWorkers(settings: WorkerSettings, schema: FuzzReport['schema']): Promise<FuzzReport> {
  const { seed, workers, seconds } = settings;
  const status = new StatusLine();
  const began = Date.now();
  const ticker = setInterval(() => {
    status.show(`${workers} workers  ${Math.round((Date.now() - began) / 1000)} of ${seconds} s`);
  }, 250);
  try {
    const reports = await Promise.all(
      Array.from({ length: workers }, (_, worker) => runWorker({ ...settings, seed: seed + worker })),
    );
    const known = new Set<string>();
    const findings = reports
      .flatMap((report) => report.findings)
      .filter(({ target, oracle, message }) => {
        const key = `${target} ${oracle} ${message.replace(/\d+/g, '#')}`;
        return !known.has(key) && known.add(key);
      });
    return { schema, seed, workers, targets: reports.flatMap((report) => report.targets), findings };
  } finally {
    clearInterval(ticker);
    status.clear();
  }
}

function runWorker({ target, seconds, seed, corpus }: WorkerSettings): Promise<FuzzReport> {
  const args = ['fuzz', '--json', '--target', target, '--seconds', String(seconds), '--seed', String(seed)];
  if (corpus !== undefined) args.push('--corpus', corpus);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [process.argv[1]!, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
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
