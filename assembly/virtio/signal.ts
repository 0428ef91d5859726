// SPDX-License-Identifier: Apache-2.0
// When to notify the driver of used buffers (virtio 1.4 §2.7.7.2, §2.7.10, §2.8.10). The driver's suppression words were
// read together with what it made available; if that copy says "notify", the message goes at once. If it says "be silent",
// the words are read again after the used buffers were shown, because the driver may have changed its mind in between.
// They are read again too where writes are in effect later than they are made: the answer tells that those before it are.
import { FC_BAD_DMA, FC_INTERRUPTS_SUPPRESSED } from '../abi/counter.ts';
import * as DMA from '../abi/dma_context.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import { NOTIFY_AGAIN, NOTIFY_IDLE, NOTIFY_READING } from '../abi/state_value.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { countFn } from '../mem/arena.ts';
import { isTracing } from '../sim/trace.ts';
import { notifyUsed } from './interrupt.ts';
import { breakQueue } from './needs_reset.ts';
import { keepWants, publish, readWants, wantsSignal } from './ring/ring.ts';
import { traceMsix, traceQueue } from './state_trace.ts';

/**
 * Shows the driver all buffers completed since the last time, and notifies it; the arrival cycle of the message, 0 if none
 * went out.
 */
export function flushUsed(q: usize, context: usize): u64 {
  return publish(q, context) ? signalUsed(q) : 0;
}

/** Notifies the driver of what was used since the last decision, if it wants to know; arrival cycle or 0. */
function signalUsed(q: usize): u64 {
  if (load<u8>(q, Q.NOTIFY_STATE) != NOTIFY_IDLE) {
    store<u8>(q, NOTIFY_AGAIN, Q.NOTIFY_STATE);
    return 0;
  }
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const shown = load<u16>(q, Q.USED_SHOWN);
  if (load<u8>(f, FN.LATE_MEMORY) == 0 && wantsSignal(q, shown)) return sendSignal(q, shown);
  store<u16>(q, shown, Q.SHOWN_BEFORE);
  store<u8>(q, NOTIFY_READING, Q.NOTIFY_STATE);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_NOTIFY, NOTIFY_READING);
  if (!readWants(q)) return 0;
  return finishSignal(q);
}

/** EV.NOTIFY_DONE, or at once in functional mode: decides with fresh words. */
export function finishSignal(q: usize): u64 {
  const again = load<u8>(q, Q.NOTIFY_STATE) == NOTIFY_AGAIN;
  store<u8>(q, NOTIFY_IDLE, Q.NOTIFY_STATE);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_NOTIFY, NOTIFY_IDLE);
  if (load<u32>(q, Q.NOTIFY_CONTEXT + DMA.FAULT) != 0) {
    breakQueue(q, FC_BAD_DMA);
    return 0;
  }
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  keepWants(q);
  // what was shown meanwhile may not be in effect: it gets a decision of its own
  const isLate = again && load<u8>(f, FN.LATE_MEMORY) != 0;
  const shown = isLate ? load<u16>(q, Q.SHOWN_BEFORE) : load<u16>(q, Q.USED_SHOWN);
  if (wantsSignal(q, shown)) {
    const handled = sendSignal(q, shown);
    return isLate ? signalUsed(q) : handled;
  }
  if (again) return signalUsed(q);
  countFn(f, FC_INTERRUPTS_SUPPRESSED);
  store<u16>(q, shown, Q.SIGNALLED);
  return 0;
}

function sendSignal(q: usize, shown: u16): u64 {
  store<u16>(q, shown, Q.SIGNALLED);
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const vector = <u32>load<u16>(q, Q.VECTOR);
  const handled = notifyUsed(f, vector);
  if (handled != 0 && isTracing(TRACE.MASK_STATE)) traceMsix(f, vector, load<u32>(q, Q.INDEX), handled);
  return handled;
}
