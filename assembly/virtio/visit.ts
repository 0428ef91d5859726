// SPDX-License-Identifier: Apache-2.0
// The scheduler: queues that want a visit wait in a list of their function, functions with such queues in a list of the
// card. Every P.SCHEDULER cycles the first queue of the first function is picked, and the function goes to the end if it has
// more: round robin over functions, and over the queues of each. A queue stands in the list once, whatever it wants.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as DMA from '../abi/dma_context.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { schedule } from '../sim/scheduler.ts';
import { isFunctional, retryDelay } from '../sim/time.ts';

/** Asks for a visit of the queue, `delay` cycles from now at the earliest, unless it waits for one already. */
export function scheduleVisit(q: usize, delay: u32): void {
  if (load<u8>(q, Q.SCHEDULED) != 0) return;
  store<u8>(q, 1, Q.SCHEDULED);
  if (isFunctional()) schedule(0, EV.QUEUE, EV.PRIO_LATE, <u32>q, 0);
  else if (delay != 0) schedule(delay, EV.QUEUE, EV.PRIO_LATE, <u32>q, 0);
  else makeReady(q);
}

/** Asks for a visit to look once more for what others have to give back, `cycles` from now where time passes. */
export function retryVisit(q: usize, cycles: u32): void {
  if (load<u8>(q, Q.SCHEDULED) != 0) return;
  store<u8>(q, 1, Q.SCHEDULED);
  schedule(retryDelay(cycles), EV.QUEUE, EV.PRIO_LATE, <u32>q, 0);
}

/** EV.QUEUE: the queue waits for its turn from now on. */
export function makeReady(q: usize): void {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  store<u32>(q, 0, Q.NEXT_READY);
  const tail: usize = load<u32>(f, FN.READY_TAIL);
  store<u32>(f, <u32>q, FN.READY_TAIL);
  if (tail != 0) {
    store<u32>(tail, <u32>q, Q.NEXT_READY);
    return;
  }
  store<u32>(f, <u32>q, FN.READY_HEAD);
  appendFunction(f);
  if (load<u32>(CTL.PICKING) != 0) return;
  store<u32>(CTL.PICKING, 1);
  schedule(param(P.SCHEDULER), EV.PICK, EV.PRIO_LATE, 0, 0);
}

function appendFunction(f: usize): void {
  store<u32>(f, 0, FN.NEXT_READY);
  const tail: usize = load<u32>(CTL.READY_TAIL);
  if (tail == 0) store<u32>(CTL.READY_HEAD, <u32>f);
  else store<u32>(tail, <u32>f, FN.NEXT_READY);
  store<u32>(CTL.READY_TAIL, <u32>f);
}

/** EV.PICK: takes the queue whose turn it is. */
export function pickQueue(): usize {
  const f: usize = load<u32>(CTL.READY_HEAD);
  const next = load<u32>(f, FN.NEXT_READY);
  store<u32>(CTL.READY_HEAD, next);
  if (next == 0) store<u32>(CTL.READY_TAIL, 0);
  const q: usize = load<u32>(f, FN.READY_HEAD);
  const more = load<u32>(q, Q.NEXT_READY);
  store<u32>(f, more, FN.READY_HEAD);
  if (more == 0) store<u32>(f, 0, FN.READY_TAIL);
  else appendFunction(f);
  if (load<u32>(CTL.READY_HEAD) == 0) store<u32>(CTL.PICKING, 0);
  else schedule(param(P.SCHEDULER), EV.PICK, EV.PRIO_LATE, 0, 0);
  return q;
}
