// SPDX-License-Identifier: Apache-2.0
// The tags of the card's reads: a record each, in a free list while no request has it. One allocator serves all
// functions, so that a tag tells a request from every other; how many may be in use, device_control.ts says. A request is
// under way until its completion has come, its deadline passed, or a function level reset came over it.
import { TAGS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as TAG from '../abi/tag.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { CPL_NEVER_LOG2, READ_FAULT_LOST } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { DEBUG, param } from '../mem/arena.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isTracing, record } from '../sim/trace.ts';
import { dataUnits } from './tlp.ts';

/** Lays out the free list anew: the tags below CTL.TAG_END that no request has. */
export function layOutTags(): void {
  let next: u32 = 0;
  for (let tag: usize = load<u32>(CTL.TAG_END) - TAG.BYTES; tag >= <usize>TAGS; tag -= TAG.BYTES) {
    if (load<u32>(tag, TAG.NUMBER) != 0) continue;
    store<u32>(tag, next, TAG.NEXT);
    next = <u32>tag;
  }
  store<u32>(CTL.TAG_FREE, next);
}

/** End of the tag records that the card has. */
export function tagsEnd(): usize {
  return TAGS + param(P.TAGS) * TAG.BYTES;
}

/** Transactions Pending: has function `f` sent requests that are neither completed nor given up (PCIe 6.0 §7.5.3.5)? */
export function hasPendingReads(f: usize): bool {
  if (load<u32>(CTL.TAGS_USED) == 0) return false;
  const end = tagsEnd();
  for (let tag: usize = TAGS; tag < end; tag += TAG.BYTES) {
    if (load<u32>(tag, TAG.NUMBER) == 0 || load<u32>(tag, TAG.FORGOTTEN) != 0) continue;
    if (load<u32>(tag, TAG.FN) == <u32>f) return true;
  }
  return false;
}

/** When the last read of function `f`, or with `f` 0 of those bound to `ioas`, is served; 0 if none waits for that. */
export function lastReadOf(f: usize, ioas: u32): u64 {
  const now = load<u64>(CTL.NOW);
  const end = tagsEnd();
  let wait = 0;
  for (let tag: usize = TAGS; tag < end; tag += TAG.BYTES) {
    if (load<u32>(tag, TAG.NUMBER) == 0 || load<u32>(tag, TAG.STATUS) == READ_FAULT_LOST) continue; // served long ago
    const owner: usize = load<u32>(tag, TAG.FN);
    if (f != 0 ? owner != f : load<u32>(owner, FN.IOAS) != ioas) continue;
    const served = load<u32>(tag, TAG.SENT) + load<u32>(tag, TAG.UP) + param(P.UP_LATENCY) + load<u32>(tag, TAG.HOST);
    wait = max(wait, <i32>(served - <u32>now));
  }
  return wait > 0 ? now + wait : 0;
}

/** Its completion is lost, and it has no deadline. */
export function isUnanswered(tag: usize): bool {
  return load<u32>(tag, TAG.STATUS) == READ_FAULT_LOST && load<u64>(tag, TAG.DEADLINE) >> CPL_NEVER_LOG2 != 0;
}

/** Completion Timeout Disable was cleared: what was lost meanwhile gets its time from now on (PCIe 6.0 §7.5.3.16). */
export function armLostReads(): void {
  if (load<u32>(CTL.TAGS_USED) == 0) return;
  const end = tagsEnd();
  for (let tag: usize = TAGS; tag < end; tag += TAG.BYTES) {
    if (load<u32>(tag, TAG.NUMBER) != 0 && isUnanswered(tag)) armLost(tag);
  }
}

/** Gives a request whose completion is lost a deadline, from now on; none if time-outs are disabled. */
export function armLost(tag: usize): void {
  const deadline = load<u64>(CTL.NOW) + load<u64>(CTL.CPL_TIMEOUT);
  store<u64>(tag, deadline, TAG.DEADLINE);
  if (deadline >> CPL_NEVER_LOG2 == 0) expire(tag);
}

/** Gives a tag and the room for its completions back. */
export function freeTag(tag: usize): void {
  if (DEBUG) assert(load<u32>(tag, TAG.NUMBER) != 0 && load<u32>(CTL.TAGS_USED) != 0); // it is given back once
  if (DEBUG) assert(load<u32>(CTL.CPL_HEADERS) >= load<u32>(tag, TAG.HEADERS)); // what it had reserved is reserved
  if (DEBUG) assert(load<u32>(CTL.CPL_DATA) >= dataUnits(load<u32>(tag, TAG.LENGTH)));
  store<u32>(CTL.CPL_HEADERS, load<u32>(CTL.CPL_HEADERS) - load<u32>(tag, TAG.HEADERS));
  store<u32>(CTL.CPL_DATA, load<u32>(CTL.CPL_DATA) - dataUnits(load<u32>(tag, TAG.LENGTH)));
  store<u32>(CTL.TAGS_USED, load<u32>(CTL.TAGS_USED) - 1);
  store<u32>(tag, 0, TAG.NUMBER);
  if (<u32>tag < load<u32>(CTL.TAG_END)) {
    store<u32>(tag, load<u32>(CTL.TAG_FREE), TAG.NEXT);
    store<u32>(CTL.TAG_FREE, <u32>tag);
  }
  if (isTracing(TRACE.MASK_STATE)) record(TRACE.TAGS, TRACE.NOBODY, 0, load<u32>(CTL.TAGS_USED), 0, 0);
}

/** Gives the request of a tag up at its deadline, if it is still under way then. */
export function expire(tag: usize): void {
  scheduleAt(load<u64>(tag, TAG.DEADLINE), EV.DMA_TIMEOUT, EV.PRIO_NORMAL, <u32>tag, load<u32>(tag, TAG.NUMBER));
}
