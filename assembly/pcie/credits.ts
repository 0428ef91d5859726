// SPDX-License-Identifier: Apache-2.0
// Flow-control credits (PCIe 6.0 §2.6.1): a sender has header credits and data credits (16 bytes each) of a class; a TLP
// takes one and as many as its data need, and they come back when the receiver has made room and its next UpdateFC has
// arrived. All that is needed is a ring of what was taken, sorted by the cycle in which it is back: who needs more than
// is there waits for the first to come.
import { CREDIT_DOWN_P, CREDIT_RING, CREDIT_RING_ENTRIES, CREDIT_UP_P } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as CREDIT from '../abi/credit.ts';
import * as TRACE from '../abi/trace_kind.ts';
import * as P from '../abi/timing_param.ts';
import { DEBUG, param } from '../mem/arena.ts';
import { NEVER } from '../sim/scheduler.ts';
import { isTracing, record } from '../sim/trace.ts';

function indexOf(pool: usize): i32 {
  return <i32>((pool - CREDIT_UP_P) / CREDIT.CLASS_BYTES);
}

/** Index of the header parameter of a class, which stand in the order of the classes; that of the data is the next. */
function limitsOf(pool: usize): i32 {
  return P.UP_PH + (indexOf(pool) << 1);
}

function entryOf(pool: usize, at: u32): usize {
  return CREDIT_RING + indexOf(pool) * CREDIT.RING_BYTES + (at & (CREDIT_RING_ENTRIES - 1)) * CREDIT.ENTRY_BYTES;
}

/**
 * Cycle from which on the class has a header credit and `units` data credits; in the past if it has them already, NEVER as
 * long as nobody knows when.
 */
export function creditTime(pool: usize, units: u32): u64 {
  const limits = limitsOf(pool);
  const headers = param(limits);
  const data = param(limits + 1);
  if ((headers | data) == 0) return 0;
  const head = load<u32>(pool, CREDIT.HEAD);
  let tail = load<u32>(pool, CREDIT.TAIL);
  let used = load<u32>(pool, CREDIT.DATA);
  const mostHeaders = headers == 0 ? U32.MAX_VALUE : headers - 1;
  const mostData = data == 0 ? U32.MAX_VALUE : data;
  while (tail != head && (head - tail > mostHeaders || used + units > mostData)) {
    const entry = entryOf(pool, tail++);
    const cycle = load<u64>(entry, CREDIT.ENTRY_CYCLE);
    if (cycle == NEVER) return NEVER; // what stands before it is looked at again
    used -= load<u32>(entry, CREDIT.ENTRY_UNITS);
    store<u64>(pool, cycle, CREDIT.BACK);
  }
  store<u32>(pool, tail, CREDIT.TAIL);
  store<u32>(pool, used, CREDIT.DATA);
  return load<u64>(pool, CREDIT.BACK);
}

/** Takes the credits of one TLP, whose place the receiver has free again in cycle `drained`. */
export function takeCredits(pool: usize, units: u32, drained: u64): void {
  const limits = limitsOf(pool);
  if ((param(limits) | param(limits + 1)) == 0) return;
  const back = updateAfter(pool, drained) + param(pool >= <usize>CREDIT_DOWN_P ? P.UP_LATENCY : P.DOWN_LATENCY);
  if (param(limits) == 0 && units == 0) {
    // headers are infinite, and data it has none: nothing is taken that could run out, and the ring keeps its room
    if (isTracing(TRACE.MASK_STATE)) traceCredits(pool, units, 0, back);
    return;
  }
  // reads are not answered in the order in which they were sent
  let at = load<u32>(pool, CREDIT.HEAD);
  if (DEBUG) assert(at - load<u32>(pool, CREDIT.TAIL) < <u32>CREDIT_RING_ENTRIES); // the ring has more entries than a class has headers
  store<u32>(pool, at + 1, CREDIT.HEAD);
  store<u32>(pool, load<u32>(pool, CREDIT.DATA) + units, CREDIT.DATA);
  while (at != load<u32>(pool, CREDIT.TAIL) && load<u64>(entryOf(pool, at - 1), CREDIT.ENTRY_CYCLE) > back) {
    const before = entryOf(pool, at - 1);
    const entry = entryOf(pool, at);
    store<u64>(entry, load<u64>(before, CREDIT.ENTRY_CYCLE), CREDIT.ENTRY_CYCLE);
    store<u32>(entry, load<u32>(before, CREDIT.ENTRY_UNITS), CREDIT.ENTRY_UNITS);
    at--;
  }
  if (DEBUG) assert(param(limits + 1) == 0 || load<u32>(pool, CREDIT.DATA) <= param(limits + 1)); // no more is out than there is
  store<u64>(entryOf(pool, at), back, CREDIT.ENTRY_CYCLE);
  store<u32>(entryOf(pool, at), units, CREDIT.ENTRY_UNITS);
  if (isTracing(TRACE.MASK_STATE)) traceCredits(pool, units, 0, back);
}

/** Takes the credit of a TLP without data, of whose place nobody knows when it is free again: giveCredit() will say. */
export function holdCredit(pool: usize): void {
  const limits = limitsOf(pool);
  if ((param(limits) | param(limits + 1)) == 0) return;
  if (isTracing(TRACE.MASK_STATE)) traceCredits(pool, 0, TRACE.CREDITS_TAKEN, NEVER);
  if (param(limits) == 0) return;
  const head = load<u32>(pool, CREDIT.HEAD);
  if (DEBUG) assert(head - load<u32>(pool, CREDIT.TAIL) < <u32>CREDIT_RING_ENTRIES);
  store<u64>(entryOf(pool, head), NEVER, CREDIT.ENTRY_CYCLE);
  store<u32>(entryOf(pool, head), 0, CREDIT.ENTRY_UNITS);
  store<u32>(pool, head + 1, CREDIT.HEAD);
}

/**
 * The place of such a TLP is free now. Credits that are held stand last in the ring and are alike, and become known in the order
 * of time: it is the first of them.
 */
export function giveCredit(pool: usize): void {
  const limits = limitsOf(pool);
  if ((param(limits) | param(limits + 1)) == 0) return;
  const back =
    updateAfter(pool, load<u64>(CTL.NOW)) + param(pool >= <usize>CREDIT_DOWN_P ? P.UP_LATENCY : P.DOWN_LATENCY);
  if (isTracing(TRACE.MASK_STATE)) traceCredits(pool, 0, TRACE.CREDITS_BACK, back);
  if (param(limits) == 0) return;
  const tail = load<u32>(pool, CREDIT.TAIL);
  let at = load<u32>(pool, CREDIT.HEAD);
  while (at != tail && load<u64>(entryOf(pool, at - 1), CREDIT.ENTRY_CYCLE) == NEVER) at--;
  if (DEBUG) assert(at != load<u32>(pool, CREDIT.HEAD)); // there is one
  store<u64>(entryOf(pool, at), back, CREDIT.ENTRY_CYCLE);
}

/** Cycle of the first UpdateFC of the class at or after `drained`. The last one found is near: a division takes longer. */
function updateAfter(pool: usize, drained: u64): u64 {
  const interval = <u64>param(P.FC_INTERVAL);
  if (interval == 0) return drained;
  let update = load<u64>(pool, CREDIT.UPDATE);
  if (drained > update && drained - update <= interval) update += interval;
  else if (drained > update || update - drained >= interval) update = ((drained + interval - 1) / interval) * interval;
  store<u64>(pool, update, CREDIT.UPDATE);
  return update;
}

function traceCredits(pool: usize, units: u32, what: u32, back: u64): void {
  const index = indexOf(pool);
  const down = indexOf(CREDIT_DOWN_P);
  const sub = index < down ? index << 1 : TRACE.CREDIT_DOWN + ((index - down) << 1);
  record(TRACE.CREDITS, TRACE.NOBODY, sub, 1, what, back);
  if (units != 0) record(TRACE.CREDITS, TRACE.NOBODY, sub + 1, units, what, back);
}

/** Credits of a class that are not back now: headers << 16 | data units. */
export function creditsTaken(index: u32): u32 {
  const pool: usize = CREDIT_UP_P + index * CREDIT.CLASS_BYTES;
  const time = load<u64>(CTL.NOW);
  const head = load<u32>(pool, CREDIT.HEAD);
  let tail = load<u32>(pool, CREDIT.TAIL);
  let data = load<u32>(pool, CREDIT.DATA);
  while (tail != head && load<u64>(entryOf(pool, tail), CREDIT.ENTRY_CYCLE) <= time)
    data -= load<u32>(entryOf(pool, tail++), CREDIT.ENTRY_UNITS);
  return ((head - tail) << 16) | data;
}
