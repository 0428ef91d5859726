// SPDX-License-Identifier: Apache-2.0
// What a core with all its mutants (test/mutation) asks of the host: which one is switched on, and how much it may still do.
// The host changes both between tests, in every card that lives; a card's state and its snapshots have nothing of it.
import { REPORTED } from '../abi/fuzz_memory.ts';

/** Number of the mutant; 0: none; below: none, and each site reports once for each such number that it was passed. */
declare let ACTIVE: i32;
/** Turns of loops, and calls, until the core traps: what a mutant does without end. */
declare let FUEL: i32;
declare function passed(site: u32): void;

/** Is one of the `count` mutants of the site switched on? */
export function at(first: i32, count: i32): bool {
  if (ACTIVE < 0) report(first);
  return <u32>(ACTIVE - first) < <u32>count;
}

export function is(mutant: i32): bool {
  return ACTIVE == mutant;
}

/** The mark is the number for which it was told, and lies where memory is of no other use. */
function report(first: u32): void {
  const mark = first << 1;
  if (load<u16>(mark, REPORTED) == <u16>ACTIVE) return;
  store<u16>(mark, <u16>ACTIVE, REPORTED);
  passed(first);
}

export function burn(): void {
  if (--FUEL < 0) unreachable();
}
