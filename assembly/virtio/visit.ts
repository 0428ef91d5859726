// SPDX-License-Identifier: Apache-2.0
// Visits: the scheduler's look at one queue. At most one per queue is on the wheel.
import { Q_SCHEDULED } from '../abi/function_state.ts';
import { EV_QUEUE, PRIO_LATE } from '../abi/event_code.ts';
import { schedule } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';

/** Puts a visit of the queue on the wheel, if none is there. */
export function scheduleVisit(q: usize, delay: u32): void {
  if (load<u8>(q, Q_SCHEDULED) != 0) return;
  store<u8>(q, 1, Q_SCHEDULED);
  schedule(isFunctional() ? 0 : delay, EV_QUEUE, PRIO_LATE, <u32>q, 0);
}
