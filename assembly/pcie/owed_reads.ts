// SPDX-License-Identifier: Apache-2.0
// Read requests that memory outside owes an answer: handed out when they arrive at the root complex, answered by their tag
// when whoever has the memory says so. Who says nothing within the completion time-out has lost the completion (PCIe 6.0
// §2.8); the earliest deadline is kept beside the events, as it moves with every answer.
import { CREDIT_UP_NP, TAGS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as TAG from '../abi/tag.ts';
import { CPL_NEVER_LOG2, READ_FAULT_LOST } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { DEBUG, param } from '../mem/arena.ts';
import { passRead } from '../host/root_complex.ts';
import { NEVER, scheduleAt } from '../sim/scheduler.ts';
import { isStale, respond } from './completions.ts';
import { giveCredit } from './credits.ts';
import { tagNumber } from './read_trace.ts';
import { takeInjectedFault } from './read_fault.ts';
import { sendReads } from './requests.ts';
import { tagsEnd } from './tags.ts';

/** EV.READ_OUT: a request is at the root complex. */
export function handOut(tag: usize): void {
  passRead(load<u32>(tag, TAG.FN), tagNumber(tag), load<u64>(tag, TAG.IOVA), load<u32>(tag, TAG.LENGTH));
  store<u32>(tag, 1, TAG.LATE);
  store<u32>(CTL.READS_OWED, load<u32>(CTL.READS_OWED) + 1);
  watch(load<u64>(tag, TAG.DEADLINE));
}

/** Is a request with this tag owed? */
export function isOwed(number: u32): bool {
  const tag: usize = TAGS + number * TAG.BYTES;
  return tag < tagsEnd() && load<u32>(tag, TAG.LATE) != 0;
}

/** Where the bytes of a request that is owed belong; 0 if nobody waits for them any more. */
export function targetOf(number: u32): usize {
  const tag: usize = TAGS + number * TAG.BYTES;
  return isStale(tag) ? 0 : load<u32>(tag, TAG.TARGET);
}

/** The answer to a request that is owed: its bytes are in place, or `status` (READ_FAULT_*) says what becomes of it. */
export function answerOwed(number: u32, status: u32): void {
  const tag: usize = TAGS + number * TAG.BYTES;
  if (DEBUG) assert(isOwed(number));
  const owed = load<u32>(CTL.READS_OWED) - 1;
  store<u32>(CTL.READS_OWED, owed);
  store<u32>(tag, 0, TAG.LATE);
  if (owed == 0) initOwedReads();
  const arrival = load<u32>(tag, TAG.SENT) + load<u32>(tag, TAG.UP) + param(P.UP_LATENCY);
  store<u32>(tag, <u32>load<u64>(CTL.NOW) - arrival, TAG.HOST);
  if (load<u32>(CTL.READ_FAULTS) != 0) status = takeInjectedFault();
  store<u32>(tag, status, TAG.STATUS);
  giveCredit(CREDIT_UP_NP);
  respond(tag, status);
  sendReads();
}

// ---- the completion time-out ------------------------------------------------------------------------------------------------

/** Nothing is owed. */
export function initOwedReads(): void {
  store<u64>(CTL.READ_DEADLINE, NEVER);
}

/** Cycle in which the first of the requests that are owed is given up; NEVER if none is. */
export function nextDeadline(): u64 {
  return load<u64>(CTL.READ_DEADLINE);
}

function watch(deadline: u64): void {
  if (deadline >> CPL_NEVER_LOG2 != 0) return;
  store<u64>(CTL.READ_DEADLINE, min(load<u64>(CTL.READ_DEADLINE), max(deadline, load<u64>(CTL.NOW))));
}

/** The first deadline has come: what is owed since then is given up, by events of this cycle. */
export function giveUpOwed(): void {
  const now = load<u64>(CTL.NOW);
  const end = tagsEnd();
  store<u64>(CTL.READ_DEADLINE, NEVER);
  for (let tag: usize = TAGS; tag < end; tag += TAG.BYTES) {
    if (load<u32>(tag, TAG.LATE) == 0 || load<u32>(tag, TAG.STATUS) == READ_FAULT_LOST) continue;
    const deadline = load<u64>(tag, TAG.DEADLINE);
    if (deadline > now) watch(deadline);
    else scheduleAt(now, EV.DMA_TIMEOUT, EV.PRIO_NORMAL, <u32>tag, load<u32>(tag, TAG.NUMBER));
  }
}

/** Completion Timeout Disable was cleared: what is owed gets its time from now on. */
export function watchOwed(): void {
  if (load<u32>(CTL.READS_OWED) == 0) return;
  const deadline = load<u64>(CTL.NOW) + load<u64>(CTL.CPL_TIMEOUT);
  const end = tagsEnd();
  for (let tag: usize = TAGS; tag < end; tag += TAG.BYTES) {
    if (load<u32>(tag, TAG.LATE) == 0 || load<u64>(tag, TAG.DEADLINE) >> CPL_NEVER_LOG2 == 0) continue;
    store<u64>(tag, deadline, TAG.DEADLINE);
  }
  watch(deadline);
}
