// SPDX-License-Identifier: Apache-2.0
// Completion of buffers (virtio 1.4 §2.7.8): bytes into the writable segments, used element, used index, then the
// decision whether to notify (§2.7.7.2, §2.7.10). The driver's suppression words were read together with its index; if
// that copy says "notify", the message goes at once. If it says "be silent", the words are read again after the used
// index was written, because the driver may have changed its mind in between. They are read again too where writes are in
// effect later than they are made: the answer tells that those before it are.
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { NOTIFY_AGAIN, NOTIFY_IDLE, NOTIFY_READING } from '../abi/state_value.ts';
import { FC_BAD_DMA, FC_INTERRUPTS_SUPPRESSED } from '../abi/counter.ts';
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_AVAIL_RING,
  VIRTQ_USED_ELEM_SIZE,
  VIRTQ_USED_IDX,
  VIRTQ_USED_RING,
} from '../abi/virtio_ring.ts';
import { countFn } from '../mem/arena.ts';
import { postWrite } from '../pcie/posted.ts';
import { readInto } from '../pcie/requester.ts';
import { notifyUsed } from './interrupt.ts';
import { isTracing } from '../sim/trace.ts';
import { breakQueue } from './needs_reset.ts';
import { traceMsix, traceQueue } from './state_trace.ts';

/** Posts `bytes` from `source` into the writable segments of a job, starting `skip` bytes in; returns the bytes stored. */
export function scatter(job: usize, skip: u32, source: usize, bytes: u32): u32 {
  let segment = job + JOB.SEGMENTS + load<u32>(job, JOB.READABLE) * DMA.SEGMENT_BYTES;
  let left = bytes;
  for (let n = load<u32>(job, JOB.WRITABLE); n > 0 && left > 0; n--) {
    const length = load<u32>(segment, DMA.SEGMENT_LENGTH);
    if (skip >= length) {
      skip -= length;
    } else {
      const span = min(length - skip, left);
      postWrite(job + JOB.CONTEXT, load<u64>(segment, DMA.SEGMENT_IOVA) + skip, span, source);
      source += span;
      left -= span;
      skip = 0;
    }
    segment += DMA.SEGMENT_BYTES;
  }
  return bytes - left;
}

/** Posts a used element; the index follows with flushUsed. */
export function postUsedElement(q: usize, context: usize, head: u32, length: u32): void {
  const usedIdx = load<u16>(q, Q.USED_IDX);
  const slot = <u64>(usedIdx & (load<u16>(q, Q.SIZE) - 1));
  store<u32>(q, head, Q.USED_STAGE);
  store<u32>(q, length, Q.USED_STAGE + 4);
  const at = load<u64>(q, Q.DEVICE) + VIRTQ_USED_RING + slot * VIRTQ_USED_ELEM_SIZE;
  postWrite(context, at, VIRTQ_USED_ELEM_SIZE, q + Q.USED_STAGE);
  store<u16>(q, usedIdx + 1, Q.USED_IDX);
}

/**
 * Shows the driver all used elements posted since the last time, one index for all, and notifies it; the arrival cycle of
 * the message, 0 if none went out.
 */
export function flushUsed(q: usize, context: usize): u64 {
  const usedIdx = load<u16>(q, Q.USED_IDX);
  if (usedIdx == load<u16>(q, Q.USED_SHOWN)) return 0;
  store<u16>(q, usedIdx, Q.USED_SHOWN);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_USED_IDX, usedIdx);
  postWrite(context, load<u64>(q, Q.DEVICE) + VIRTQ_USED_IDX, 2, q + Q.USED_IDX);
  return signalUsed(q);
}

/** Notifies the driver of what was used since the last decision, if it wants to know; arrival cycle or 0. */
function signalUsed(q: usize): u64 {
  if (load<u8>(q, Q.NOTIFY_STATE) != NOTIFY_IDLE) {
    store<u8>(q, NOTIFY_AGAIN, Q.NOTIFY_STATE);
    return 0;
  }
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const shown = load<u16>(q, Q.USED_SHOWN);
  if (load<u8>(f, FN.LATE_MEMORY) == 0 && isWanted(q, shown)) return sendSignal(q, shown);
  store<u16>(q, shown, Q.SHOWN_BEFORE);
  const driver = load<u64>(q, Q.DRIVER);
  const at = load<u8>(f, FN.EVENT_IDX) != 0 ? driver + VIRTQ_AVAIL_RING + ((<u64>load<u16>(q, Q.SIZE)) << 1) : driver;
  store<u8>(q, NOTIFY_READING, Q.NOTIFY_STATE);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_NOTIFY, NOTIFY_READING);
  if (!readInto(q + Q.NOTIFY_CONTEXT, at, 2, q + Q.NOTIFY_WORDS)) return 0;
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
  const word = load<u16>(q, Q.NOTIFY_WORDS);
  if (load<u8>(f, FN.EVENT_IDX) != 0) store<u16>(q, word, Q.USED_EVENT);
  else store<u16>(q, word, Q.AVAIL_FLAGS);
  // what was shown meanwhile may not be in effect: it gets a decision of its own
  const isLate = again && load<u8>(f, FN.LATE_MEMORY) != 0;
  const shown = isLate ? load<u16>(q, Q.SHOWN_BEFORE) : load<u16>(q, Q.USED_SHOWN);
  if (isWanted(q, shown)) {
    const handled = sendSignal(q, shown);
    return isLate ? signalUsed(q) : handled;
  }
  if (again) return signalUsed(q);
  countFn(f, FC_INTERRUPTS_SUPPRESSED);
  store<u16>(q, shown, Q.SIGNALLED);
  return 0;
}

/** By the words as last read: does the driver want a notification for the entries up to `usedIdx` since the last decision? */
function isWanted(q: usize, usedIdx: u16): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  if (load<u8>(f, FN.EVENT_IDX) == 0) return (load<u16>(q, Q.AVAIL_FLAGS) & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
  const event = load<u16>(q, Q.USED_EVENT);
  return <u16>(usedIdx - event - 1) < <u16>(usedIdx - load<u16>(q, Q.SIGNALLED));
}

function sendSignal(q: usize, shown: u16): u64 {
  store<u16>(q, shown, Q.SIGNALLED);
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const vector = <u32>load<u16>(q, Q.VECTOR);
  const handled = notifyUsed(f, vector);
  if (handled != 0 && isTracing(TRACE.MASK_STATE)) traceMsix(f, vector, load<u32>(q, Q.INDEX), handled);
  return handled;
}
