// SPDX-License-Identifier: Apache-2.0
// What can come of a bad act, and the verdict on it.

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

/** The device did what it must not. */
export class Misbehaviour extends Error {}

/** The device serves nothing any more. */
export class Wedged extends Error {}

/** The case cannot be tried here. */
export class Skip extends Error {}

/** Throws Misbehaviour where something that must hold does not. */
export function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Misbehaviour(otherwise);
}

const REFUSALS: ReadonlySet<Outcome> = new Set<Outcome>(['ignored', 'dropped', 'refused', 'error', 'needs-reset']);

/** The verdict on an outcome, where nothing else was wrong. */
export function verdictOn(outcome: Outcome, allowed: readonly Outcome[]): Verdict {
  if (!allowed.includes(outcome)) return 'FAIL';
  return REFUSALS.has(outcome) ? 'REJECT' : 'PASS';
}
