// SPDX-License-Identifier: Apache-2.0
// What a bad-driver case is made of: the act, the outcomes that are allowed, and the verdict on what was seen.
import type { CoreBuild } from '../core/load.ts';
import type { NicConfig } from '../device/config.ts';
import type { NicMode } from '../device/profile.ts';
import type { Bench } from './bench.ts';

/** What a device can make of an act. */
export type Outcome =
  /** It did what the act, taken literally, asks for. */
  | 'served'
  /** A register write or a doorbell without effect. */
  | 'ignored'
  /** The buffer was used and its frame thrown away. */
  | 'dropped'
  /** An administration status, or the ack of a control command, that says no. */
  | 'refused'
  /** An errno for the caller, or all ones instead of a value. */
  | 'error'
  /** DEVICE_NEEDS_RESET. */
  | 'needs-reset';

/**
 * PASS: an allowed outcome, the function works. REJECT: refused cleanly and as allowed, and works after a reset. WEDGED:
 * no good request is served any more, reset or not. FAIL: anything that is not allowed. SKIP: nothing to try here.
 */
export type Verdict = 'PASS' | 'REJECT' | 'WEDGED' | 'FAIL' | 'SKIP';

export const VERDICTS: readonly Verdict[] = ['PASS', 'REJECT', 'WEDGED', 'FAIL', 'SKIP'];

/** How a case reaches its functions. */
export type PathName = 'direct' | 'vfio-user';

/**
 * Who drives what at the start:
 * - `net`: the PF runs under its driver; VF 1 is the bad function with receive and transmit queue up, VF 2 looks on.
 * - `admin`: the PF is the bad function, with receive, transmit and admin queue up; VF 1 is a member without a driver, VF 2
 *   looks on.
 * - `legacy`: as `net`, and VF 1 is behind the variant driver; nothing has been written to it.
 */
export type Setup = 'net' | 'admin' | 'legacy';

export interface Case {
  /** Group and number of the corpus, and a word where a number stands for several cases: `D09-nested`. */
  readonly id: string;
  /** What the bad driver does. */
  readonly act: string;
  /** Where the allowed outcomes come from: requirement ids, AMB labels of decision 0008, or a section. */
  readonly clause: string;
  readonly allowed: readonly Outcome[];
  readonly setup: Setup;
  /** Options of the card beside the bench's own. */
  readonly config?: NicConfig;
  /** The driver of setup `net` sits in the kernel and has the MSI-X table; through vfio-pci nobody has. */
  readonly hasTable?: boolean;
  /** Feature bits that the bad function's driver accepts beside the base features. */
  readonly features?: readonly number[];
  /** Queues of the bad function beside 0 and 1. */
  readonly queues?: readonly number[];
  /** The case needs time to pass between two steps. */
  readonly isTimed?: boolean;
  /** Why the case makes no sense over vfio-user. */
  readonly directOnly?: string;
  /** The act itself takes the queues away, so nothing can be served before a reset. */
  readonly leavesDown?: boolean;
  /** The card has to offer this, or there is nothing to try: the text says what is missing. */
  readonly needs?: (bench: Bench) => string | null;
  /** Acts, and says what came of it. Throws Violation for what no outcome names. */
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

/** How the cards of a run are made. */
export interface RunOptions {
  readonly mode: NicMode;
  readonly build?: CoreBuild;
}

/** The device did what it must not. */
export class Violation extends Error {}

/** The device serves nothing any more. */
export class Wedged extends Error {}

/** The case cannot be tried here. */
export class Skip extends Error {}

/** Throws Violation where something that must hold does not. */
export function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Violation(otherwise);
}

const REFUSALS: ReadonlySet<Outcome> = new Set<Outcome>(['ignored', 'dropped', 'refused', 'error', 'needs-reset']);

/** The verdict on an outcome, where nothing else was wrong. */
export function verdictOn(one: Case, outcome: Outcome): Verdict {
  if (!one.allowed.includes(outcome)) return 'FAIL';
  return REFUSALS.has(outcome) ? 'REJECT' : 'PASS';
}
