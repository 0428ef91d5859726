// SPDX-License-Identifier: Apache-2.0
// A virtqueue as the device holds it: where it lies in its function, when it may be served, what a reset leaves of it. Its
// ring is in ring/, what kinds there are in queue_kind.ts.
import * as DMA from '../abi/dma_context.ts';
import * as EV from '../abi/event_code.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import { NOTIFY_IDLE } from '../abi/state_value.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { cancelRead } from '../pcie/requester.ts';
import { isTracing } from '../sim/trace.ts';
import { resetRing } from './ring/ring.ts';
import { traceQueue } from './state_trace.ts';

export function queueAt(f: usize, index: u32): usize {
  return f + FN.QUEUES + index * Q.STRIDE;
}

/** Queue state after device or queue reset; placement registers are the business of common_cfg. */
export function resetQueuePosition(q: usize, f: usize): void {
  cancelRead(q + Q.CONTEXT);
  cancelRead(q + Q.NOTIFY_CONTEXT);
  store<u32>(q, <u32>f, Q.CONTEXT + DMA.FN);
  store<u32>(q, <u32>f, Q.NOTIFY_CONTEXT + DMA.FN);
  store<u32>(q, EV.FE_DONE, Q.CONTEXT + DMA.DONE_EVENT);
  store<u32>(q, EV.NOTIFY_DONE, Q.NOTIFY_CONTEXT + DMA.DONE_EVENT);
  store<u8>(q, 0, Q.BROKEN);
  store<u8>(q, 0, Q.KICKED);
  store<u8>(q, NOTIFY_IDLE, Q.NOTIFY_STATE);
  store<u16>(q, 0, Q.USED_SHOWN);
  store<u16>(q, 0, Q.SIGNALLED);
  store<u32>(q, 0, Q.JOBS);
  store<u32>(q, 0, Q.FIFO_HEAD);
  store<u32>(q, 0, Q.FIFO_TAIL);
  resetRing(q);
  if (isTracing(TRACE.MASK_STATE))
    for (let what = TRACE.QUEUE_AVAIL_SEEN; what <= TRACE.QUEUE_NOTIFY; what++) traceQueue(q, what, 0);
}

/** May the device take buffers from this queue now? */
export function isRunnable(q: usize): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  return (
    load<u8>(f, FN.LIVE) != 0 &&
    load<u8>(f, FN.BUS_MASTER) != 0 &&
    load<u8>(q, Q.ENABLED) != 0 &&
    load<u8>(q, Q.BROKEN) == 0
  );
}
