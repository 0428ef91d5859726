// SPDX-License-Identifier: Apache-2.0
// What is wrong with a file, all of it at once, each with its place as a JSON pointer (RFC 6901).
import { UsageError } from './errors.ts';

/** One thing that is wrong. */
export interface Problem {
  /** JSON pointer into the file; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A file that cannot be used: `problems` has everything that is wrong with it. */
export class FileProblems extends UsageError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemText).join('; '));
    this.problems = problems;
  }
}

export function problemText({ path, message }: Problem): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** Pointer to a member of what `path` points to. */
export function below(path: string, member: string | number): string {
  return `${path}/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Is it an object with named members? */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
