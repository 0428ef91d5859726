// SPDX-License-Identifier: Apache-2.0
// What became of each mutant, a line of JSON each in build/mutation/results.jsonl: written as it is known, so that a run that was
// ended can go on. The first line says of which core and which tests the others tell.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type Status =
  | 'killed' // a test failed
  | 'timeout' // it went on without end
  | 'digest' // only the digests of behaviour changed: nothing says which behaviour is right
  | 'survived'
  | 'unreached' // no test passes the place
  | 'equivalent'; // no test could, for a written reason

export const STATUSES: readonly Status[] = ['killed', 'timeout', 'digest', 'survived', 'unreached', 'equivalent'];

export interface Result {
  readonly id: string;
  readonly status: Status;
  /** Test that failed first. */
  readonly by?: string;
  readonly error?: string;
  /** Tests that met it. */
  readonly tests: number;
  /** Tests that take longer than a mutant may cost were left out. */
  readonly isCut?: boolean;
  readonly seconds: number;
}

/** The results of `file`; those of another core or other tests are of no use. */
export function readResults(file: string, stamp: string): Map<string, Result> {
  if (!existsSync(file)) return new Map();
  const [head, ...lines] = readFileSync(file, 'utf8').split('\n');
  if (head !== headOf(stamp)) return new Map();
  const results = new Map<string, Result>();
  // the last line may have been cut off
  for (const line of lines) {
    const result = parsed(line);
    if (result !== undefined) results.set(result.id, result);
  }
  return results;
}

function parsed(line: string): Result | undefined {
  try {
    return JSON.parse(line) as Result;
  } catch {
    return undefined;
  }
}

const headOf = (stamp: string): string => JSON.stringify({ schema: 'virtfn.mutation.results.1', stamp });

/** Begins a file of results, with those that stay. */
export function startResults(file: string, stamp: string, kept: Iterable<Result>): (result: Result) => void {
  mkdirSync(dirname(file), { recursive: true });
  const lines = [headOf(stamp), ...[...kept].map((result) => JSON.stringify(result))];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return (result) => appendFileSync(file, `${JSON.stringify(result)}\n`);
}
