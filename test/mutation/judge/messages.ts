// SPDX-License-Identifier: Apache-2.0
// What the runner and its judges, which are processes, tell each other.
import type { ReachedFile, TestGroup } from './reach.ts';

export type ToJudge =
  | { readonly type: 'reach'; readonly file: string; readonly mutants: number }
  | { readonly type: 'judge'; readonly mutant: number; readonly groups: readonly TestGroup[] };

export type FromJudge =
  | { readonly type: 'reached'; readonly file: ReachedFile }
  /** Work on a group begins that takes so long without a mutant. */
  | { readonly type: 'group'; readonly file: string; readonly ms: number }
  | { readonly type: 'verdict'; readonly verdict: Verdict };

export interface Verdict {
  readonly status: 'killed' | 'timeout' | 'survived';
  /** File and name of the test that failed. */
  readonly by?: string;
  readonly error?: string;
  readonly tests: number;
}
