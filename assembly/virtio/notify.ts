// SPDX-License-Identifier: Apache-2.0
// Available buffer notifications (virtio 1.4 §4.1.5.2): a doorbell names its queue by the 16-bit value written, the
// address only has to lie in the notification structure. That makes the member-BAR address of LEGACY_NOTIFY_INFO
// good for every queue.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { FC_DOORBELLS, FC_DOORBELLS_IGNORED } from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import { countFn, param } from '../mem/arena.ts';
import { isTracing, record } from '../sim/trace.ts';
import { hasHeld } from './hold.ts';
import { scheduleVisit } from './visit.ts';
import { findQueue } from './queue_window.ts';
import { hasKnown } from './ring/ring.ts';

/** A doorbell for queue `index`, written by the host at cycle `issued`. */
export function kick(f: usize, index: u32, issued: u64): void {
  const q = findQueue(f, index);
  if (q == 0 || load<u8>(f, FN.LIVE) == 0 || load<u8>(q, Q.ENABLED) == 0) {
    countFn(f, FC_DOORBELLS_IGNORED);
    return;
  }
  countFn(f, FC_DOORBELLS);
  store<u8>(q, 1, Q.KICKED);
  store<u64>(q, issued, Q.KICK_ISSUED);
  store<u64>(q, load<u64>(CTL.NOW), Q.KICK_ARRIVED);
  scheduleVisit(q, param(P.DOORBELL));
  if (isTracing(TRACE.MASK_STATE)) record(TRACE.DOORBELL, load<u32>(f, FN.INDEX), index, 0, 0, issued);
}

/** Visits every queue that has an unanswered doorbell, buffers that it knows of, or work in hand (bus mastering changed). */
export function visitQueues(f: usize): void {
  const queues = load<u32>(f, FN.QUEUE_COUNT) + 1;
  for (let i: u32 = 0; i < queues; i++) {
    const q = findQueue(f, i);
    if (q == 0) continue;
    // buffers may have come in while nothing could be done with them
    const hasWork = load<u32>(q, Q.JOBS) != 0 || hasHeld(q);
    if (load<u8>(q, Q.KICKED) != 0 || hasKnown(q) || hasWork) scheduleVisit(q, 0);
  }
}
