// SPDX-License-Identifier: Apache-2.0
// What a run of `virtfn fuzz` reports, in one process or summed over its workers.
import type { FuzzedTarget } from '../../fuzz/session.ts';

export const FUZZ_SCHEMA = 'virtfn.fuzz/1';

/** What a run reports. */
export interface FuzzReport {
  readonly schema: typeof FUZZ_SCHEMA;
  readonly seed: number;
  readonly workers: number;
  readonly targets: readonly FuzzedTarget[];
  readonly findings: readonly FoundProblem[];
}

/** A finding in a report; `files` where a corpus folder was given. */
export interface FoundProblem {
  readonly target: string;
  readonly oracle: string;
  readonly message: string;
  readonly input: string;
  readonly files: readonly string[];
}
