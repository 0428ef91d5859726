// SPDX-License-Identifier: Apache-2.0
// What a bad-driver case is made of: the act, the outcomes that are allowed, and what is reported of it.
import type { Bench, CaseSetup } from './bench.ts';
import type { Outcome, PathName, Verdict } from './verdict.ts';

export interface Case extends CaseSetup {
  /** Group and number of the corpus, and a word where a number stands for several cases: `D09-nested`. */
  readonly id: string;
  /** What the bad driver does. */
  readonly act: string;
  /** Where the allowed outcomes come from: requirement ids, AMB labels of decision 0008, or a section. */
  readonly clause: string;
  readonly allowed: readonly Outcome[];
  /** The case needs time to pass between two steps. */
  readonly isTimed?: boolean;
  /** Why the case makes no sense over vfio-user. */
  readonly directOnly?: string;
  /** The act itself takes the queues away, so nothing can be served before a reset. */
  readonly leavesDown?: boolean;
  /** The card has to offer this, or there is nothing to try: the text says what is missing. */
  readonly needs?: (bench: Bench) => string | null;
  /** Acts, and says what came of it. Throws Misbehaviour for what no outcome names. */
  run(bench: Bench): Outcome;
}

export interface CaseResult {
  readonly id: string;
  readonly path: PathName;
  readonly act: string;
  readonly clause: string;
  readonly verdict: Verdict;
  /** Null where the case did not come so far. */
  readonly outcome: Outcome | null;
  /** Why, of FAIL, WEDGED and SKIP; else empty. */
  readonly detail: string;
}
