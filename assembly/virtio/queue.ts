// SPDX-License-Identifier: Apache-2.0
// A split virtqueue as the device holds it (virtio 1.4 §2.7): where it lies, how far it is, and the fetch of available
// heads. The available index and the ring entries are read by DMA into a small prefetch list; takeHead() hands them out.
import * as CTL from '../abi/control.ts';
import { FC_BAD_AVAIL_IDX, FC_BAD_DMA } from '../abi/counter.ts';
import * as DMA from '../abi/dma_context.ts';
import * as EV from '../abi/event_code.ts';
import * as FN from '../abi/function.ts';
import * as CFG from '../abi/nic_config.ts';
import * as Q from '../abi/queue.ts';
import { ADMIN_INDEX_LIFE, ADMIN_RING_LIFE } from '../abi/state_map.ts';
import { FETCH_IDLE, FETCH_IDX, FETCH_RING, NOTIFY_IDLE } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import * as TRACE from '../abi/trace_kind.ts';
import {
  VIRTQ_AVAIL_FLAGS,
  VIRTQ_AVAIL_IDX,
  VIRTQ_AVAIL_RING,
  VIRTQ_USED_ELEM_SIZE,
  VIRTQ_USED_RING,
} from '../abi/virtio_ring.ts';
import { DEBUG, config, param } from '../mem/arena.ts';
import { postWrite } from '../pcie/posted.ts';
import { appendRead, cancelRead, prepareRead, readInto, startRead } from '../pcie/requester.ts';
import { isTracing } from '../sim/trace.ts';
import { KIND_COMMANDS, kindOf } from './queue_kind.ts';
import { breakQueue } from './needs_reset.ts';
import { traceQueue } from './state_trace.ts';

/** takeHead: the ring fetch is under way, EV.FE_DONE will come. */
export const HEAD_PENDING = -1;
/** takeHead: the driver has made nothing available. */
export const HEAD_NONE = -2;
/** takeHead: the queue was stopped by a driver's mistake. */
export const HEAD_BROKEN = -3;

const LINE = 64;

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
  store<u8>(q, FETCH_IDLE, Q.FETCH);
  store<u8>(q, NOTIFY_IDLE, Q.NOTIFY_STATE);
  store<u8>(q, 0, Q.EVENT_ARMED);
  store<u16>(q, 0, Q.AVAIL_IDX);
  store<u16>(q, 0, Q.AVAIL_SEEN);
  store<u16>(q, 0, Q.USED_IDX);
  store<u16>(q, 0, Q.USED_SHOWN);
  store<u16>(q, 0, Q.SIGNALLED);
  store<u16>(q, 0, Q.HEADS);
  store<u16>(q, 0, Q.AVAIL_FLAGS);
  store<u16>(q, 0, Q.USED_EVENT);
  store<u32>(q, 0, Q.JOBS);
  store<u32>(q, 0, Q.FIFO_HEAD);
  store<u32>(q, 0, Q.FIFO_TAIL);
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

/**
 * Next available head: its descriptor index, or HEAD_*. `mayRead`: the index may be fetched although no doorbell came
 * (receive queues look for buffers when a frame is there).
 */
export function takeHead(q: usize, mayRead: bool): i32 {
  while (true) {
    const availIdx = load<u16>(q, Q.AVAIL_IDX);
    const at = <u16>(availIdx - load<u16>(q, Q.HEADS_AT));
    if (at < load<u16>(q, Q.HEADS)) {
      store<u16>(q, availIdx + 1, Q.AVAIL_IDX);
      if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_AVAIL_IDX, <u16>(availIdx + 1));
      return load<u16>(q + Q.HEAD_LIST + ((<usize>at) << 1));
    }
    if (load<u8>(q, Q.FETCH) != FETCH_IDLE) return HEAD_PENDING;
    if (availIdx != load<u16>(q, Q.AVAIL_SEEN)) {
      if (!fetchRing(q)) return HEAD_PENDING;
    } else {
      if (!mayRead && load<u8>(q, Q.KICKED) == 0) {
        // going idle: with EVENT_IDX tell the driver where the next doorbell is wanted, then look once more, because
        // the driver may have published in between (the read cannot pass the write)
        if (!armEvent(q)) return HEAD_NONE;
      }
      mayRead = false;
      store<u8>(q, 0, Q.KICKED);
      if (!fetchIdx(q)) return HEAD_PENDING;
    }
    if (load<u8>(q, Q.BROKEN) != 0) return HEAD_BROKEN;
  }
}

/** Writes avail_event = next index; false if it stands there already or EVENT_IDX is off. */
function armEvent(q: usize): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  if (load<u8>(f, FN.EVENT_IDX) == 0) return false;
  const availIdx = load<u16>(q, Q.AVAIL_IDX);
  if (load<u8>(q, Q.EVENT_ARMED) != 0 && load<u16>(q, Q.EVENT_WRITTEN) == availIdx) return false;
  store<u8>(q, 1, Q.EVENT_ARMED);
  store<u16>(q, availIdx, Q.EVENT_WRITTEN);
  const at = load<u64>(q, Q.DEVICE) + VIRTQ_USED_RING + <u64>load<u16>(q, Q.SIZE) * VIRTQ_USED_ELEM_SIZE;
  postWrite(q + Q.CONTEXT, at, 2, q + Q.EVENT_WRITTEN);
  return true;
}

function fetchIdx(q: usize): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const driver = load<u64>(q, Q.DRIVER);
  store<u64>(q, load<u64>(CTL.NOW), Q.VISITED);
  store<u8>(q, FETCH_IDX, Q.FETCH);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_FETCH, FETCH_IDX);
  keepLife(q, ADMIN_RING_LIFE); // the entries may come along with the index
  keepLife(q, ADMIN_INDEX_LIFE);
  const words = lineBytes(q, driver);
  store<u16>(q, <u16>words, Q.LINE_BYTES);
  prepareRead(q + Q.CONTEXT, driver + VIRTQ_AVAIL_FLAGS, words, q + Q.LINE);
  if (load<u8>(f, FN.EVENT_IDX) != 0) {
    appendRead(q + Q.CONTEXT, driver + VIRTQ_AVAIL_RING + ((<u64>load<u16>(q, Q.SIZE)) << 1), 2);
  }
  if (!startRead(q + Q.CONTEXT)) return false;
  finishFetch(q);
  return true;
}

/** The life of the next fetch is kept for the commands that come with it, if it is the admin queue's. */
function keepLife(q: usize, life: usize): void {
  if (config(CFG.TRACE_ADMIN) == 0 || (kindOf(q) & KIND_COMMANDS) == 0) return;
  memory.fill(life, 0, DMA.LIFE_BYTES);
  store<u32>(q, <u32>life, Q.CONTEXT + DMA.LIFE);
}

/**
 * Bytes from the flags on that are read with the index: the two words, or with P.FETCH_LINE all of the ring that shares the
 * index's 64-byte line. Memory gives a line at one time, so entries that came along are as old as the index; of other
 * lines that is not certain.
 */
function lineBytes(q: usize, driver: u64): u32 {
  if (param(P.FETCH_LINE) == 0) return VIRTQ_AVAIL_RING;
  const inLine = LINE - ((<u32>driver + VIRTQ_AVAIL_IDX) & (LINE - 1));
  return VIRTQ_AVAIL_IDX + min(inLine, 2 + ((<u32>load<u16>(q, Q.SIZE)) << 1));
}

/** Heads that came along with the index, if the next ones are among them. */
function takeLine(q: usize): void {
  const availIdx = load<u16>(q, Q.AVAIL_IDX);
  const size = load<u16>(q, Q.SIZE);
  const slot = <u32>(availIdx & (size - 1));
  const entries = (<u32>load<u16>(q, Q.LINE_BYTES) - VIRTQ_AVAIL_RING) >> 1;
  if (slot >= entries) return;
  let heads = <u32>(<u16>(load<u16>(q, Q.AVAIL_SEEN) - availIdx));
  heads = min(min(heads, entries - slot), Q.HEADS_PREFETCHED);
  memory.copy(q + Q.HEAD_LIST, q + Q.LINE + VIRTQ_AVAIL_RING + (slot << 1), heads << 1);
  store<u16>(q, availIdx, Q.HEADS_AT);
  store<u16>(q, <u16>heads, Q.HEADS);
  store<u64>(q, load<u64>(CTL.NOW), Q.RING_READ);
}

function fetchRing(q: usize): bool {
  const availIdx = load<u16>(q, Q.AVAIL_IDX);
  const size = load<u16>(q, Q.SIZE);
  const slot = availIdx & (size - 1);
  let heads = <u32>(<u16>(load<u16>(q, Q.AVAIL_SEEN) - availIdx));
  heads = min(heads, <u32>(size - slot)); // up to the end of the ring
  heads = min(heads, Q.HEADS_PREFETCHED);
  store<u16>(q, availIdx, Q.HEADS_AT);
  store<u16>(q, 0, Q.HEADS);
  store<u8>(q, FETCH_RING, Q.FETCH);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_FETCH, FETCH_RING);
  keepLife(q, ADMIN_RING_LIFE);
  const at = load<u64>(q, Q.DRIVER) + VIRTQ_AVAIL_RING + ((<u64>slot) << 1);
  if (!readInto(q + Q.CONTEXT, at, heads << 1, q + Q.HEAD_LIST)) return false;
  finishFetch(q);
  return true;
}

/** EV.FE_DONE, or at once in functional mode: the words fetched are taken over. */
export function finishFetch(q: usize): void {
  const fetch = load<u8>(q, Q.FETCH);
  if (DEBUG) assert(fetch != <u8>FETCH_IDLE); // somebody asked for what came
  store<u8>(q, FETCH_IDLE, Q.FETCH);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_FETCH, FETCH_IDLE);
  if (load<u32>(q, Q.CONTEXT + DMA.FAULT) != 0) {
    breakQueue(q, FC_BAD_DMA);
    return;
  }
  if (fetch == FETCH_RING) {
    store<u16>(q, <u16>(load<u32>(q, Q.CONTEXT + DMA.BYTES) >> 1), Q.HEADS);
    store<u64>(q, load<u64>(CTL.NOW), Q.RING_READ);
    return;
  }
  store<u64>(q, load<u64>(CTL.NOW), Q.IDX_READ);
  store<u16>(q, load<u16>(q, Q.LINE), Q.AVAIL_FLAGS);
  store<u16>(q, load<u16>(q + Q.LINE + load<u16>(q, Q.LINE_BYTES)), Q.USED_EVENT);
  const seen = load<u16>(q, Q.LINE + VIRTQ_AVAIL_IDX);
  if (<u16>(seen - load<u16>(q, Q.AVAIL_IDX)) > load<u16>(q, Q.SIZE)) {
    breakQueue(q, FC_BAD_AVAIL_IDX);
    return;
  }
  store<u16>(q, seen, Q.AVAIL_SEEN);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_AVAIL_SEEN, seen);
  if (load<u16>(q, Q.LINE_BYTES) > <u32>VIRTQ_AVAIL_RING) takeLine(q);
}

/** Gives heads back that were taken but not used: they will be fetched again. */
export function returnHeads(q: usize, firstIdx: u16): void {
  if (DEBUG) assert(<u16>(load<u16>(q, Q.AVAIL_IDX) - firstIdx) <= load<u16>(q, Q.SIZE)); // they were taken from this ring
  store<u16>(q, firstIdx, Q.AVAIL_IDX);
  store<u16>(q, 0, Q.HEADS);
}
