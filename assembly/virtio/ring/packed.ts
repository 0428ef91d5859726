// SPDX-License-Identifier: Apache-2.0
// A packed virtqueue as the device holds it (virtio 1.4 §2.8). One read brings descriptors, as many as are left of some
// 64-byte lines, and the driver's event suppression words behind them; those of the next buffer stay in the queue until its
// last one is there, so that whoever takes it finds them. A used descriptor goes into the place where its buffer stood; the
// first since publish() is written last, and hides those behind it until then. Walks are in packed_table.ts.
//
//   place      descriptors counted over two rounds of the ring: below Q.SIZE with wrap counter 1, the rest with 0
//   position   the place of a buffer's first descriptor
//   Q.LINE     descriptors as read: Q.HEADS of them available, the next buffer from Q.HEADS_AT on, Q.CHAIN of it looked at
import { FC_BAD_AVAIL_IDX, FC_BAD_DMA, FC_BAD_LOOP, FC_BAD_NEXT } from '../../abi/counter.ts';
import * as CTL from '../../abi/control.ts';
import * as DMA from '../../abi/dma_context.ts';
import * as FN from '../../abi/function.ts';
import * as Q from '../../abi/queue.ts';
import { ADMIN_INDEX_LIFE, ADMIN_RING_LIFE } from '../../abi/state_map.ts';
import { FETCH_IDLE, FETCH_IDX, FETCH_RING } from '../../abi/state_value.ts';
import * as P from '../../abi/timing_param.ts';
import * as TRACE from '../../abi/trace_kind.ts';
import {
  PACKED_DESC_ALIGN,
  PACKED_DESC_F_AVAIL,
  PACKED_DESC_F_USED,
  PACKED_DESC_FLAGS,
  PACKED_DESC_ID,
  PACKED_DESC_LEN,
  PACKED_DESC_SIZE,
  PACKED_EVENT_ALIGN,
  PACKED_EVENT_FLAGS,
  PACKED_EVENT_FLAGS_DESC_MASK,
  PACKED_EVENT_OFF_WRAP,
  PACKED_EVENT_OFF_WRAP_OFF_MASK,
  PACKED_EVENT_OFF_WRAP_WRAP,
  PACKED_EVENT_SIZE,
  RING_EVENT_FLAGS_DESC,
  RING_EVENT_FLAGS_DISABLE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from '../../abi/virtio_ring.ts';
import { DEBUG, param } from '../../mem/arena.ts';
import { postWrite } from '../../pcie/posted.ts';
import { appendRead, prepareRead, readInto, startRead } from '../../pcie/requester.ts';
import { isTracing } from '../../sim/trace.ts';
import { breakQueue } from '../needs_reset.ts';
import { traceQueue } from '../state_trace.ts';
import { TAKE_BROKEN, TAKE_NONE, TAKE_PENDING } from './contract.ts';
import { keepLife } from './fetch_life.ts';

const LINE = 64;
const LINE_DESCRIPTORS = LINE / PACKED_DESC_SIZE;
const STATE_BITS = <u16>(PACKED_DESC_F_AVAIL | PACKED_DESC_F_USED);

export function reset(q: usize): void {
  store<u8>(q, 0, Q.MORE);
  store<u16>(q, 0, Q.HEADS_AT);
  store<u16>(q, 0, Q.CHAIN);
  store<u16>(q, 0, Q.USED_AT);
  store<u8>(q, 0, Q.FIRST_HELD);
}

export function isRingSize(_f: usize, size: u32): bool {
  return size != 0;
}

export function isAligned(q: usize): bool {
  return (
    (load<u32>(q, Q.DESC) & (PACKED_DESC_ALIGN - 1)) == 0 &&
    (load<u32>(q, Q.DRIVER) & (PACKED_EVENT_ALIGN - 1)) == 0 &&
    (load<u32>(q, Q.DEVICE) & (PACKED_EVENT_ALIGN - 1)) == 0
  );
}

export function nextPosition(q: usize): u16 {
  return load<u16>(q, Q.AVAIL_IDX);
}

export function hasKnown(q: usize): bool {
  return load<u8>(q, Q.MORE) != 0 || load<u16>(q, Q.HEADS_AT) != load<u16>(q, Q.HEADS);
}

/** The place `count` descriptors behind `place`. */
export function placeBehind(place: u32, count: u32, size: u32): u32 {
  const behind = place + count;
  return behind < size << 1 ? behind : behind - (size << 1);
}

/** Descriptors from `place` to `behind`. */
function between(place: u32, behind: u32, size: u32): u32 {
  return behind >= place ? behind - place : behind + (size << 1) - place;
}

export function slotOf(place: u32, size: u32): u32 {
  return place < size ? place : place - size;
}

/** A place as event suppression has it: offset and wrap counter. */
function offWrap(place: u32, size: u32): u16 {
  return place < size ? <u16>(place | PACKED_EVENT_OFF_WRAP_WRAP) : <u16>(place - size);
}

export function take(q: usize, mayRead: bool): i32 {
  while (true) {
    const seen = <u32>load<u16>(q, Q.CHAIN);
    const at = <u32>(<u16>(load<u16>(q, Q.HEADS_AT) + seen));
    if (at < <u32>load<u16>(q, Q.HEADS)) {
      const desc = q + Q.LINE + at * PACKED_DESC_SIZE;
      const descriptors = seen + 1;
      const size = <u32>load<u16>(q, Q.SIZE);
      if ((load<u16>(desc, PACKED_DESC_FLAGS) & VIRTQ_DESC_F_NEXT) == 0) {
        const next = placeBehind(load<u16>(q, Q.AVAIL_IDX), descriptors, size);
        store<u16>(q, <u16>next, Q.AVAIL_IDX);
        store<u16>(q, <u16>descriptors, Q.TAKEN);
        store<u16>(q, <u16>(at + 1), Q.HEADS_AT);
        store<u16>(q, 0, Q.CHAIN);
        if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_AVAIL_IDX, next);
        return load<u16>(desc, PACKED_DESC_ID); // the last one's counts
      }
      if (descriptors == size) {
        breakQueue(q, FC_BAD_LOOP);
        return TAKE_BROKEN;
      }
      store<u16>(q, <u16>descriptors, Q.CHAIN);
      continue;
    }
    if (load<u8>(q, Q.FETCH) != FETCH_IDLE) return TAKE_PENDING;
    const isIdle = seen == 0 && load<u8>(q, Q.MORE) == 0;
    if (isIdle) {
      // going idle, as the split ring does: say where the next doorbell is wanted, then look once more
      if (!mayRead && load<u8>(q, Q.KICKED) == 0 && !armEvent(q)) return TAKE_NONE;
      mayRead = false;
    }
    if (!fetch(q, isIdle)) return TAKE_PENDING;
    if (load<u8>(q, Q.BROKEN) != 0) return TAKE_BROKEN;
  }
}

/** Asks for a doorbell with the next buffer; false if the driver was asked already, or EVENT_IDX is off. */
function armEvent(q: usize): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  if (load<u8>(f, FN.EVENT_IDX) == 0) return false;
  const event = offWrap(load<u16>(q, Q.AVAIL_IDX), load<u16>(q, Q.SIZE));
  if (load<u8>(q, Q.EVENT_ARMED) != 0 && load<u16>(q, Q.EVENT_WRITTEN) == event) return false;
  store<u8>(q, 1, Q.EVENT_ARMED);
  store<u16>(q, event, Q.EVENT_WRITTEN);
  store<u16>(q, event, Q.STAGE + PACKED_EVENT_OFF_WRAP);
  store<u16>(q, RING_EVENT_FLAGS_DESC, Q.STAGE + PACKED_EVENT_FLAGS);
  postWrite(q + Q.CONTEXT, load<u64>(q, Q.DEVICE), PACKED_EVENT_SIZE, q + Q.STAGE);
  return true;
}

/** Reads on behind what is known; true if it is there at once. What is known of the next buffer stays as long as it fits. */
function fetch(q: usize, isIdle: bool): bool {
  const size = <u32>load<u16>(q, Q.SIZE);
  const seen = <u32>load<u16>(q, Q.CHAIN);
  const kept = seen < <u32>Q.DESCRIPTORS_PREFETCHED ? seen : 0;
  if (kept != 0) {
    const first = <usize>load<u16>(q, Q.HEADS_AT);
    memory.copy(q + Q.LINE, q + Q.LINE + first * PACKED_DESC_SIZE, kept * PACKED_DESC_SIZE);
  }
  store<u16>(q, <u16>(kept - seen), Q.HEADS_AT); // before the line, if some of the buffer are not kept
  store<u16>(q, <u16>kept, Q.HEADS);
  const place = placeBehind(load<u16>(q, Q.AVAIL_IDX), seen, size);
  const slot = slotOf(place, size);
  const address = load<u64>(q, Q.DESC) + <u64>(slot * PACKED_DESC_SIZE);
  // up to the end of the lines, of the ring, of the room here; and no further than what the driver can have made available
  const inLines = param(P.FETCH_PACKED_LINES) * LINE_DESCRIPTORS - ((<u32>address) & (LINE - 1)) / PACKED_DESC_SIZE;
  const room = size - inWork(q, size);
  const possible = room > seen ? room - seen : 1;
  const entries = min(min(inLines, size - slot), min(Q.DESCRIPTORS_PREFETCHED - kept, possible));
  store<u16>(q, <u16>place, Q.FETCH_AT);
  store<u16>(q, <u16>((kept + entries) * PACKED_DESC_SIZE), Q.LINE_BYTES);
  store<u8>(q, 0, Q.KICKED);
  if (isIdle) {
    store<u64>(q, load<u64>(CTL.NOW), Q.VISITED);
    keepLife(q, ADMIN_RING_LIFE); // entries and index are one
    keepLife(q, ADMIN_INDEX_LIFE);
  } else {
    keepLife(q, ADMIN_RING_LIFE);
  }
  const what = isIdle ? FETCH_IDX : FETCH_RING;
  store<u8>(q, <u8>what, Q.FETCH);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_FETCH, what);
  prepareRead(q + Q.CONTEXT, address, entries * PACKED_DESC_SIZE, q + Q.LINE + kept * PACKED_DESC_SIZE);
  appendRead(q + Q.CONTEXT, load<u64>(q, Q.DRIVER), PACKED_EVENT_SIZE);
  if (!startRead(q + Q.CONTEXT)) return false;
  finishTake(q);
  return true;
}

/** Descriptors that were taken and are not used. */
function inWork(q: usize, size: u32): u32 {
  return between(load<u16>(q, Q.USED_AT), load<u16>(q, Q.AVAIL_IDX), size);
}

export function finishTake(q: usize): void {
  const what = load<u8>(q, Q.FETCH);
  if (DEBUG) assert(what != <u8>FETCH_IDLE); // somebody asked for what came
  store<u8>(q, FETCH_IDLE, Q.FETCH);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_FETCH, FETCH_IDLE);
  if (load<u32>(q, Q.CONTEXT + DMA.FAULT) != 0) return breakQueue(q, FC_BAD_DMA);
  const now = load<u64>(CTL.NOW);
  if (what == <u8>FETCH_IDX) store<u64>(q, now, Q.IDX_READ);
  store<u64>(q, now, Q.RING_READ);
  const bytes = <usize>load<u16>(q, Q.LINE_BYTES);
  keepWords(q, q + Q.LINE + bytes);
  const size = <u32>load<u16>(q, Q.SIZE);
  const seen = <u32>load<u16>(q, Q.CHAIN);
  const place = <u32>load<u16>(q, Q.FETCH_AT);
  if (place != placeBehind(load<u16>(q, Q.AVAIL_IDX), seen, size)) return; // buffers were put back meanwhile
  const kept = load<u16>(q, Q.HEADS);
  const end = <u16>(bytes / PACKED_DESC_SIZE);
  const available = <u16>(place < size ? PACKED_DESC_F_AVAIL : PACKED_DESC_F_USED); // no read goes on into the next round
  let heads = kept;
  while (heads < end) {
    const flags = load<u16>(q + Q.LINE + <usize>heads * PACKED_DESC_SIZE, PACKED_DESC_FLAGS);
    if ((flags & STATE_BITS) != available) break;
    heads++;
  }
  const known = inWork(q, size) + seen + (heads - kept);
  // a descriptor in work is not the driver's to make available; one that follows another is available before it
  if (known > size) return breakQueue(q, FC_BAD_AVAIL_IDX);
  if (seen != 0 && heads == kept) return breakQueue(q, FC_BAD_NEXT);
  store<u16>(q, heads, Q.HEADS);
  store<u8>(q, heads == end && known < size ? 1 : 0, Q.MORE);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_AVAIL_SEEN, placeBehind(place, heads - kept, size));
}

export function putBack(q: usize, position: u16): void {
  store<u16>(q, position, Q.AVAIL_IDX);
  if (DEBUG) assert(inWork(q, load<u16>(q, Q.SIZE)) <= <u32>load<u16>(q, Q.SIZE)); // they were taken from this ring
  store<u16>(q, 0, Q.HEADS);
  store<u16>(q, 0, Q.HEADS_AT);
  store<u16>(q, 0, Q.CHAIN);
  store<u8>(q, 1, Q.MORE);
}

export function onlySegment(q: usize, _f: usize, _id: u32): usize {
  if (load<u16>(q, Q.TAKEN) != 1 || load<u32>(CTL.READ_FAULTS) != 0) return 0;
  const desc = q + Q.LINE + (<usize>load<u16>(q, Q.HEADS_AT) - 1) * PACKED_DESC_SIZE;
  return (load<u16>(desc, PACKED_DESC_FLAGS) & (VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_INDIRECT)) == 0 ? desc : 0;
}

/** It came with the ring. */
export function countOnlySegment(_q: usize): void {}

export function complete(q: usize, context: usize, id: u32, descriptors: u32, length: u32): void {
  const size = <u32>load<u16>(q, Q.SIZE);
  const place = <u32>load<u16>(q, Q.USED_AT);
  const isFirst = load<u8>(q, Q.FIRST_HELD) == 0;
  const stage = (isFirst ? q + Q.USED_STAGE : q + Q.STAGE) - PACKED_DESC_LEN;
  let flags = place < size ? STATE_BITS : <u16>0;
  if (length != 0) flags |= <u16>VIRTQ_DESC_F_WRITE;
  store<u32>(stage, length, PACKED_DESC_LEN);
  store<u16>(stage, <u16>id, PACKED_DESC_ID);
  store<u16>(stage, flags, PACKED_DESC_FLAGS);
  if (isFirst) {
    store<u8>(q, 1, Q.FIRST_HELD);
    store<u16>(q, <u16>place, Q.FIRST_AT);
  } else {
    writeUsed(q, context, place, size, q + Q.STAGE);
  }
  store<u16>(q, <u16>placeBehind(place, descriptors, size), Q.USED_AT);
  store<u16>(q, load<u16>(q, Q.USED_IDX) + <u16>descriptors, Q.USED_IDX);
}

/** Length, id and flags in one write: a driver that sees the flags has the rest. */
function writeUsed(q: usize, context: usize, place: u32, size: u32, stage: usize): void {
  const at = load<u64>(q, Q.DESC) + <u64>(slotOf(place, size) * PACKED_DESC_SIZE) + PACKED_DESC_LEN;
  postWrite(context, at, PACKED_DESC_SIZE - PACKED_DESC_LEN, stage);
}

export function publish(q: usize, context: usize): bool {
  if (load<u8>(q, Q.FIRST_HELD) == 0) return false;
  store<u8>(q, 0, Q.FIRST_HELD);
  const usedIdx = load<u16>(q, Q.USED_IDX);
  store<u16>(q, usedIdx, Q.USED_SHOWN);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_USED_IDX, usedIdx);
  writeUsed(q, context, load<u16>(q, Q.FIRST_AT), load<u16>(q, Q.SIZE), q + Q.USED_STAGE);
  return true;
}

export function wantsSignal(q: usize, shown: u16): bool {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const flags = load<u16>(q, Q.AVAIL_FLAGS) & PACKED_EVENT_FLAGS_DESC_MASK;
  if (flags == RING_EVENT_FLAGS_DISABLE) return false;
  // the reserved value, and DESC that was not negotiated, leave notifications on (AMB-27)
  if (flags != RING_EVENT_FLAGS_DESC || load<u8>(f, FN.EVENT_IDX) == 0) return true;
  const size = <u32>load<u16>(q, Q.SIZE);
  const word = <u32>load<u16>(q, Q.USED_EVENT);
  const offset = word & PACKED_EVENT_OFF_WRAP_OFF_MASK;
  if (offset >= size) return false; // no such descriptor is ever used
  const event = (word & PACKED_EVENT_OFF_WRAP_WRAP) != 0 ? offset : offset + size;
  // descriptors from the event on to what was shown; those used since and not shown do not count
  const unshown = <u32>(<u16>(load<u16>(q, Q.USED_IDX) - shown));
  const past = between(event, load<u16>(q, Q.USED_AT), size);
  return past > unshown && past - unshown <= <u32>(<u16>(shown - load<u16>(q, Q.SIGNALLED)));
}

export function readWants(q: usize): bool {
  return readInto(q + Q.NOTIFY_CONTEXT, load<u64>(q, Q.DRIVER), PACKED_EVENT_SIZE, q + Q.NOTIFY_WORDS);
}

export function keepWants(q: usize): void {
  keepWords(q, q + Q.NOTIFY_WORDS);
}

/** The driver's event suppression words, as read. */
function keepWords(q: usize, words: usize): void {
  store<u16>(q, load<u16>(words, PACKED_EVENT_OFF_WRAP), Q.USED_EVENT);
  store<u16>(q, load<u16>(words, PACKED_EVENT_FLAGS), Q.AVAIL_FLAGS);
}
