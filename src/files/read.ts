// SPDX-License-Identifier: Apache-2.0
// Files that a person wrote: as bytes, and as JSON. `-` is standard input.
import { readFileSync } from 'node:fs';

import { UsageError } from '../util/errors.ts';
import { parseJson } from '../util/json.ts';
import { FileProblems, isRecord, problemText } from '../util/problems.ts';
import { DASH, withFile } from './errors.ts';

const STDIN_FD = 0;

/** Reads a whole file. Throws UsageError, NicError FILE. */
export function readInput(path: string): Uint8Array {
  return withFile(path, () => readFileSync(path === DASH ? STDIN_FD : path));
}

/** The JSON object that a file holds. Throws UsageError that names the file and every problem with its place. */
export function readJsonFile(path: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(readInput(path));
    if (isRecord(value)) return value;
  } catch (error) {
    if (!(error instanceof FileProblems)) throw error;
    throw new UsageError(`${path}: ${error.problems.map(problemText).join('; ')}`);
  }
  throw new UsageError(`${path}: one JSON object is needed`);
}
