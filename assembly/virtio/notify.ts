// SPDX-License-Identifier: Apache-2.0
// Available buffer notifications (virtio 1.4 §4.1.5.2): a doorbell names its queue by the 16-bit value written, the
// address only has to lie in the notification structure. That makes the member-BAR address of LEGACY_NOTIFY_INFO
// good for every queue.
import { CTL_NOW } from '../abi/control.ts';
import { FN_INDEX, FN_LIVE, FN_QUEUE_COUNT } from '../abi/function.ts';
import { Q_AVAIL_IDX, Q_AVAIL_SEEN, Q_ENABLED, Q_JOBS, Q_KICKED, Q_KICK_ARRIVED, Q_KICK_ISSUED } from '../abi/queue.ts';
import { TRACE_DOORBELL, TRACE_MASK_STATE } from '../abi/trace_kind.ts';
import { FC_DOORBELLS, FC_DOORBELLS_IGNORED } from '../abi/counter.ts';
import { P_DOORBELL } from '../abi/timing_param.ts';
import { countFn, param } from '../mem/arena.ts';
import { isTracing, record } from '../sim/trace.ts';
import { hasHeld } from './hold.ts';
import { scheduleVisit } from './visit.ts';
import { findQueue } from './queue_window.ts';

/** A doorbell for queue `index`, written by the host at cycle `issued`. */
export function kick(f: usize, index: u32, issued: u64): void {
  const q = findQueue(f, index);
  if (q == 0 || load<u8>(f, FN_LIVE) == 0 || load<u8>(q, Q_ENABLED) == 0) {
    countFn(f, FC_DOORBELLS_IGNORED);
    return;
  }
  countFn(f, FC_DOORBELLS);
  store<u8>(q, 1, Q_KICKED);
  store<u64>(q, issued, Q_KICK_ISSUED);
  store<u64>(q, load<u64>(CTL_NOW), Q_KICK_ARRIVED);
  scheduleVisit(q, param(P_DOORBELL));
  if (isTracing(TRACE_MASK_STATE)) record(TRACE_DOORBELL, load<u32>(f, FN_INDEX), index, 0, 0, issued);
}

/** Visits every queue that has an unanswered doorbell, heads that it knows of, or work in hand (bus mastering changed). */
export function visitQueues(f: usize): void {
  const queues = load<u32>(f, FN_QUEUE_COUNT) + 1;
  for (let i: u32 = 0; i < queues; i++) {
    const q = findQueue(f, i);
    if (q == 0) continue;
    // the index may have come in while nothing could be done with it
    const knowsHeads = load<u16>(q, Q_AVAIL_SEEN) != load<u16>(q, Q_AVAIL_IDX);
    const hasWork = load<u32>(q, Q_JOBS) != 0 || hasHeld(q);
    if (load<u8>(q, Q_KICKED) != 0 || knowsHeads || hasWork) scheduleVisit(q, 0);
  }
}
