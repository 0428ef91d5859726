// SPDX-License-Identifier: Apache-2.0
// The tags of the card's reads: a record each, in a free list while no request has it. One allocator serves all
// functions, so that a tag tells a request from every other; how many may be in use, device_control.ts says. A request is
// under way until its completion has come, its deadline passed, or a function level reset came over it.
import { TAG } from '../abi/state_map.ts';
import {
  CTL_CPL_DATA,
  CTL_CPL_HEADERS,
  CTL_CPL_TIMEOUT,
  CTL_NOW,
  CTL_TAGS_USED,
  CTL_TAG_END,
  CTL_TAG_FREE,
} from '../abi/control.ts';
import { FN_IOAS } from '../abi/function.ts';
import {
  TAG_BYTES,
  TAG_DEADLINE,
  TAG_FN,
  TAG_FORGOTTEN,
  TAG_HEADERS,
  TAG_HOST,
  TAG_LENGTH,
  TAG_NEXT,
  TAG_NUMBER,
  TAG_SENT,
  TAG_STATUS,
  TAG_UP,
} from '../abi/port.ts';
import { TRACE_MASK_STATE, TRACE_NOBODY, TRACE_TAGS } from '../abi/trace_kind.ts';
import { CPL_NEVER_LOG2, READ_FAULT_LOST } from '../abi/state_value.ts';
import { EV_DMA_TIMEOUT, PRIO_NORMAL } from '../abi/event_code.ts';
import { P_TAGS, P_UP_LATENCY } from '../abi/timing_param.ts';
import { DEBUG, param } from '../mem/arena.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isTracing, record } from '../sim/trace.ts';
import { dataUnits } from './tlp.ts';

/** Lays out the free list anew: the tags below CTL_TAG_END that no request has. */
export function layOutTags(): void {
  let next: u32 = 0;
  for (let tag: usize = load<u32>(CTL_TAG_END) - TAG_BYTES; tag >= <usize>TAG; tag -= TAG_BYTES) {
    if (load<u32>(tag, TAG_NUMBER) != 0) continue;
    store<u32>(tag, next, TAG_NEXT);
    next = <u32>tag;
  }
  store<u32>(CTL_TAG_FREE, next);
}

/** End of the tag records that the card has. */
export function tagsEnd(): usize {
  return TAG + param(P_TAGS) * TAG_BYTES;
}

/** Transactions Pending: has function `f` sent requests that are neither completed nor given up (PCIe 6.0 §7.5.3.5)? */
export function hasPendingReads(f: usize): bool {
  if (load<u32>(CTL_TAGS_USED) == 0) return false;
  const end = tagsEnd();
  for (let tag: usize = TAG; tag < end; tag += TAG_BYTES) {
    if (load<u32>(tag, TAG_NUMBER) == 0 || load<u32>(tag, TAG_FORGOTTEN) != 0) continue;
    if (load<u32>(tag, TAG_FN) == <u32>f) return true;
  }
  return false;
}

/** When the last read of function `f`, or with `f` 0 of those bound to `ioas`, is served; 0 if none waits for that. */
export function lastReadOf(f: usize, ioas: u32): u64 {
  const now = load<u64>(CTL_NOW);
  const end = tagsEnd();
  let wait = 0;
  for (let tag: usize = TAG; tag < end; tag += TAG_BYTES) {
    if (load<u32>(tag, TAG_NUMBER) == 0 || load<u32>(tag, TAG_STATUS) == READ_FAULT_LOST) continue; // served long ago
    const owner: usize = load<u32>(tag, TAG_FN);
    if (f != 0 ? owner != f : load<u32>(owner, FN_IOAS) != ioas) continue;
    const served = load<u32>(tag, TAG_SENT) + load<u32>(tag, TAG_UP) + param(P_UP_LATENCY) + load<u32>(tag, TAG_HOST);
    wait = max(wait, <i32>(served - <u32>now));
  }
  return wait > 0 ? now + wait : 0;
}

/** Its completion is lost, and it has no deadline. */
export function isUnanswered(tag: usize): bool {
  return load<u32>(tag, TAG_STATUS) == READ_FAULT_LOST && load<u64>(tag, TAG_DEADLINE) >> CPL_NEVER_LOG2 != 0;
}

/** Completion Timeout Disable was cleared: what was lost meanwhile gets its time from now on (PCIe 6.0 §7.5.3.16). */
export function armLostReads(): void {
  if (load<u32>(CTL_TAGS_USED) == 0) return;
  const end = tagsEnd();
  for (let tag: usize = TAG; tag < end; tag += TAG_BYTES) {
    if (load<u32>(tag, TAG_NUMBER) != 0 && isUnanswered(tag)) armLost(tag);
  }
}

/** Gives a request whose completion is lost a deadline, from now on; none if time-outs are disabled. */
export function armLost(tag: usize): void {
  const deadline = load<u64>(CTL_NOW) + load<u64>(CTL_CPL_TIMEOUT);
  store<u64>(tag, deadline, TAG_DEADLINE);
  if (deadline >> CPL_NEVER_LOG2 == 0) expire(tag);
}

/** Gives a tag and the room for its completions back. */
export function freeTag(tag: usize): void {
  if (DEBUG) assert(load<u32>(tag, TAG_NUMBER) != 0 && load<u32>(CTL_TAGS_USED) != 0); // it is given back once
  if (DEBUG) assert(load<u32>(CTL_CPL_HEADERS) >= load<u32>(tag, TAG_HEADERS)); // what it had reserved is reserved
  if (DEBUG) assert(load<u32>(CTL_CPL_DATA) >= dataUnits(load<u32>(tag, TAG_LENGTH)));
  store<u32>(CTL_CPL_HEADERS, load<u32>(CTL_CPL_HEADERS) - load<u32>(tag, TAG_HEADERS));
  store<u32>(CTL_CPL_DATA, load<u32>(CTL_CPL_DATA) - dataUnits(load<u32>(tag, TAG_LENGTH)));
  store<u32>(CTL_TAGS_USED, load<u32>(CTL_TAGS_USED) - 1);
  store<u32>(tag, 0, TAG_NUMBER);
  if (<u32>tag < load<u32>(CTL_TAG_END)) {
    store<u32>(tag, load<u32>(CTL_TAG_FREE), TAG_NEXT);
    store<u32>(CTL_TAG_FREE, <u32>tag);
  }
  if (isTracing(TRACE_MASK_STATE)) record(TRACE_TAGS, TRACE_NOBODY, 0, load<u32>(CTL_TAGS_USED), 0, 0);
}

/** Gives the request of a tag up at its deadline, if it is still under way then. */
export function expire(tag: usize): void {
  scheduleAt(load<u64>(tag, TAG_DEADLINE), EV_DMA_TIMEOUT, PRIO_NORMAL, <u32>tag, load<u32>(tag, TAG_NUMBER));
}
