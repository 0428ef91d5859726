// SPDX-License-Identifier: Apache-2.0
// A split virtqueue as the device holds it (virtio 1.4 §2.7). Available side: the index and the ring entries are read by
// DMA into a small prefetch list, which take() hands out; a position is an available index. Used side: used elements, then
// one index for all of them; the driver's suppression words (§2.7.7, §2.7.10) are read together with the available index.
// Walks of its descriptor table are in split_table.ts.
import * as CTL from '../../abi/control.ts';
import { C_DMA_READ_BYTES, C_DMA_READS, FC_BAD_AVAIL_IDX, FC_BAD_DMA } from '../../abi/counter.ts';
import * as DMA from '../../abi/dma_context.ts';
import * as FN from '../../abi/function.ts';
import * as Q from '../../abi/queue.ts';
import { ADMIN_INDEX_LIFE, ADMIN_RING_LIFE } from '../../abi/state_map.ts';
import { FETCH_IDLE, FETCH_IDX, FETCH_RING } from '../../abi/state_value.ts';
import * as P from '../../abi/timing_param.ts';
import * as TRACE from '../../abi/trace_kind.ts';
import {
  VIRTQ_AVAIL_ALIGN,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_AVAIL_FLAGS,
  VIRTQ_AVAIL_IDX,
  VIRTQ_AVAIL_RING,
  VIRTQ_DESC_ALIGN,
  VIRTQ_DESC_FLAGS,
  VIRTQ_DESC_SIZE,
  VIRTQ_USED_ALIGN,
  VIRTQ_USED_ELEM_SIZE,
  VIRTQ_USED_IDX,
  VIRTQ_USED_RING,
} from '../../abi/virtio_ring.ts';
import { bytesInPlace } from '../../host/root_complex.ts';
import { DEBUG, count, param } from '../../mem/arena.ts';
import { postWrite } from '../../pcie/posted.ts';
import { appendRead, prepareRead, readInto, startRead } from '../../pcie/requester.ts';
import { isTracing } from '../../sim/trace.ts';
import { breakQueue } from '../needs_reset.ts';
import { traceQueue } from '../state_trace.ts';
import { TAKE_BROKEN, TAKE_NONE, TAKE_PENDING } from './contract.ts';
import { keepLife } from './fetch_life.ts';

const LINE = 64;

export function reset(q: usize): void {
  store<u8>(q, FETCH_IDLE, Q.FETCH);
  store<u8>(q, 0, Q.EVENT_ARMED);
  store<u16>(q, 0, Q.AVAIL_IDX);
  store<u16>(q, 0, Q.AVAIL_SEEN);
  store<u16>(q, 0, Q.USED_IDX);
  store<u16>(q, 0, Q.HEADS);
  store<u16>(q, 0, Q.AVAIL_FLAGS);
  store<u16>(q, 0, Q.USED_EVENT);
}

export function isRingSize(_f: usize, size: u32): bool {
  return size != 0 && popcnt(size) == 1;
}

export function isAligned(q: usize): bool {
  return (
    (load<u32>(q, Q.DESC) & (VIRTQ_DESC_ALIGN - 1)) == 0 &&
    (load<u32>(q, Q.DRIVER) & (VIRTQ_AVAIL_ALIGN - 1)) == 0 &&
    (load<u32>(q, Q.DEVICE) & (VIRTQ_USED_ALIGN - 1)) == 0
  );
}

export function nextPosition(q: usize): u16 {
  return load<u16>(q, Q.AVAIL_IDX);
}

export function hasKnown(q: usize): bool {
  return load<u16>(q, Q.AVAIL_SEEN) != load<u16>(q, Q.AVAIL_IDX);
}

export function take(q: usize, mayRead: bool): i32 {
  while (true) {
    const availIdx = load<u16>(q, Q.AVAIL_IDX);
    const at = <u16>(availIdx - load<u16>(q, Q.HEADS_AT));
    if (at < load<u16>(q, Q.HEADS)) {
      store<u16>(q, availIdx + 1, Q.AVAIL_IDX);
      if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_AVAIL_IDX, <u16>(availIdx + 1));
      return load<u16>(q + Q.HEAD_LIST + ((<usize>at) << 1));
    }
    if (load<u8>(q, Q.FETCH) != FETCH_IDLE) return TAKE_PENDING;
    if (availIdx != load<u16>(q, Q.AVAIL_SEEN)) {
      if (!fetchRing(q)) return TAKE_PENDING;
    } else {
      if (!mayRead && load<u8>(q, Q.KICKED) == 0) {
        // going idle: with EVENT_IDX tell the driver where the next doorbell is wanted, then look once more, because
        // the driver may have published in between (the read cannot pass the write)
        if (!armEvent(q)) return TAKE_NONE;
      }
      mayRead = false;
      store<u8>(q, 0, Q.KICKED);
      if (!fetchIdx(q)) return TAKE_PENDING;
    }
    if (load<u8>(q, Q.BROKEN) != 0) return TAKE_BROKEN;
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
  finishTake(q);
  return true;
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
  finishTake(q);
  return true;
}

export function finishTake(q: usize): void {
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
  // a driver has no more descriptors than the queue has entries, and those of buffers in work are not free
  const availIdx = load<u16>(q, Q.AVAIL_IDX);
  const inWork = <u32>(<u16>(availIdx - load<u16>(q, Q.USED_IDX)));
  if (inWork + <u16>(seen - availIdx) > <u32>load<u16>(q, Q.SIZE)) {
    breakQueue(q, FC_BAD_AVAIL_IDX);
    return;
  }
  store<u16>(q, seen, Q.AVAIL_SEEN);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_AVAIL_SEEN, seen);
  if (load<u16>(q, Q.LINE_BYTES) > <u32>VIRTQ_AVAIL_RING) takeLine(q);
}

export function putBack(q: usize, position: u16): void {
  if (DEBUG) assert(<u16>(load<u16>(q, Q.AVAIL_IDX) - position) <= load<u16>(q, Q.SIZE)); // they were taken from this ring
  store<u16>(q, position, Q.AVAIL_IDX);
  store<u16>(q, 0, Q.HEADS);
}

export function onlySegment(q: usize, f: usize, id: u32): usize {
  if (id >= <u32>load<u16>(q, Q.SIZE) || load<u32>(CTL.READ_FAULTS) != 0) return 0;
  const desc = bytesInPlace(f, load<u64>(q, Q.DESC) + <u64>(id * VIRTQ_DESC_SIZE), VIRTQ_DESC_SIZE);
  return desc != 0 && load<u16>(desc, VIRTQ_DESC_FLAGS) == 0 ? desc : 0;
}

export function countOnlySegment(_q: usize): void {
  count(C_DMA_READS);
  count(C_DMA_READ_BYTES, VIRTQ_DESC_SIZE);
}

export function complete(q: usize, context: usize, id: u32, _descriptors: u32, length: u32): void {
  const usedIdx = load<u16>(q, Q.USED_IDX);
  const slot = <u64>(usedIdx & (load<u16>(q, Q.SIZE) - 1));
  store<u32>(q, id, Q.USED_STAGE);
  store<u32>(q, length, Q.USED_STAGE + 4);
  const at = load<u64>(q, Q.DEVICE) + VIRTQ_USED_RING + slot * VIRTQ_USED_ELEM_SIZE;
  postWrite(context, at, VIRTQ_USED_ELEM_SIZE, q + Q.USED_STAGE);
  store<u16>(q, usedIdx + 1, Q.USED_IDX);
}

export function publish(q: usize, context: usize): bool {
  const usedIdx = load<u16>(q, Q.USED_IDX);
  if (usedIdx == load<u16>(q, Q.USED_SHOWN)) return false;
  store<u16>(q, usedIdx, Q.USED_SHOWN);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_USED_IDX, usedIdx);
  postWrite(context, load<u64>(q, Q.DEVICE) + VIRTQ_USED_IDX, 2, q + Q.USED_IDX);
  return true;
}

export function wantsSignal(q: usize, shown: u16): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  if (load<u8>(f, FN.EVENT_IDX) == 0) return (load<u16>(q, Q.AVAIL_FLAGS) & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
  const event = load<u16>(q, Q.USED_EVENT);
  return <u16>(shown - event - 1) < <u16>(shown - load<u16>(q, Q.SIGNALLED));
}

export function readWants(q: usize): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const driver = load<u64>(q, Q.DRIVER);
  const at = load<u8>(f, FN.EVENT_IDX) != 0 ? driver + VIRTQ_AVAIL_RING + ((<u64>load<u16>(q, Q.SIZE)) << 1) : driver;
  return readInto(q + Q.NOTIFY_CONTEXT, at, 2, q + Q.NOTIFY_WORDS);
}

export function keepWants(q: usize): void {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const word = load<u16>(q, Q.NOTIFY_WORDS);
  if (load<u8>(f, FN.EVENT_IDX) != 0) store<u16>(q, word, Q.USED_EVENT);
  else store<u16>(q, word, Q.AVAIL_FLAGS);
}
