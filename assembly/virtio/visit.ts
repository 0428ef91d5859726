// SPDX-License-Identifier: Apache-2.0
// The scheduler: queues that want a visit wait in a list of their function, functions with such queues in a list of the
// card. Every P_SCHEDULER cycles the first queue of the first function is picked, and the function goes to the end if it has
// more: round robin over functions, and over the queues of each. A queue stands in the list once, whatever it wants.
import { CTL_PICKING, CTL_READY_HEAD, CTL_READY_TAIL } from '../abi/control.ts';
import { FN_NEXT_READY, FN_READY_HEAD, FN_READY_TAIL } from '../abi/function.ts';
import { Q_CONTEXT, Q_NEXT_READY, Q_SCHEDULED } from '../abi/queue.ts';
import { DMA_FN } from '../abi/dma_context.ts';
import { EV_PICK, EV_QUEUE, PRIO_LATE } from '../abi/event_code.ts';
import { P_SCHEDULER } from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { schedule } from '../sim/scheduler.ts';
import { isFunctional, retryDelay } from '../sim/time.ts';

/** Asks for a visit of the queue, `delay` cycles from now at the earliest, unless it waits for one already. */
export function scheduleVisit(q: usize, delay: u32): void {
  if (load<u8>(q, Q_SCHEDULED) != 0) return;
  store<u8>(q, 1, Q_SCHEDULED);
  if (isFunctional()) schedule(0, EV_QUEUE, PRIO_LATE, <u32>q, 0);
  else if (delay != 0) schedule(delay, EV_QUEUE, PRIO_LATE, <u32>q, 0);
  else makeReady(q);
}

/** Asks for a visit to look once more for what others have to give back, `cycles` from now where time passes. */
export function retryVisit(q: usize, cycles: u32): void {
  if (load<u8>(q, Q_SCHEDULED) != 0) return;
  store<u8>(q, 1, Q_SCHEDULED);
  schedule(retryDelay(cycles), EV_QUEUE, PRIO_LATE, <u32>q, 0);
}

/** EV_QUEUE: the queue waits for its turn from now on. */
export function makeReady(q: usize): void {
  const f: usize = load<u32>(q, Q_CONTEXT + DMA_FN);
  store<u32>(q, 0, Q_NEXT_READY);
  const tail: usize = load<u32>(f, FN_READY_TAIL);
  store<u32>(f, <u32>q, FN_READY_TAIL);
  if (tail != 0) {
    store<u32>(tail, <u32>q, Q_NEXT_READY);
    return;
  }
  store<u32>(f, <u32>q, FN_READY_HEAD);
  appendFunction(f);
  if (load<u32>(CTL_PICKING) != 0) return;
  store<u32>(CTL_PICKING, 1);
  schedule(param(P_SCHEDULER), EV_PICK, PRIO_LATE, 0, 0);
}

function appendFunction(f: usize): void {
  store<u32>(f, 0, FN_NEXT_READY);
  const tail: usize = load<u32>(CTL_READY_TAIL);
  if (tail == 0) store<u32>(CTL_READY_HEAD, <u32>f);
  else store<u32>(tail, <u32>f, FN_NEXT_READY);
  store<u32>(CTL_READY_TAIL, <u32>f);
}

/** EV_PICK: takes the queue whose turn it is. */
export function pickQueue(): usize {
  const f: usize = load<u32>(CTL_READY_HEAD);
  const next = load<u32>(f, FN_NEXT_READY);
  store<u32>(CTL_READY_HEAD, next);
  if (next == 0) store<u32>(CTL_READY_TAIL, 0);
  const q: usize = load<u32>(f, FN_READY_HEAD);
  const more = load<u32>(q, Q_NEXT_READY);
  store<u32>(f, more, FN_READY_HEAD);
  if (more == 0) store<u32>(f, 0, FN_READY_TAIL);
  else appendFunction(f);
  if (load<u32>(CTL_READY_HEAD) == 0) store<u32>(CTL_PICKING, 0);
  else schedule(param(P_SCHEDULER), EV_PICK, PRIO_LATE, 0, 0);
  return q;
}
