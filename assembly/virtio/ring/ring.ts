// SPDX-License-Identifier: Apache-2.0
// What an engine needs of a virtqueue, whatever the format of its ring (virtio 1.4 §2.7): buffers are taken in the order in
// which the driver made them available, walked, perhaps put back, and completed; what was completed is shown to the driver
// at once, and signal.ts decides whether to tell it. contract.ts says what a format is; which one a queue has is decided here.
import * as FN from '../../abi/function.ts';
import * as Q from '../../abi/queue.ts';
import { RING_PACKED, RING_SPLIT } from '../../abi/state_value.ts';
import { VIRTIO_F_RING_PACKED } from '../../abi/virtio_features.ts';
import * as JOB from '../../abi/job.ts';
import * as packed from './packed.ts';
import * as packedTable from './packed_table.ts';
import * as split from './split.ts';
import * as splitTable from './split_table.ts';

/** What the driver negotiated. */
function takesPacked(f: usize): bool {
  return (load<u32>(f, FN.DRIVER_FEATURES + 4) & (1 << (VIRTIO_F_RING_PACKED - 32))) != 0;
}

function isPacked(q: usize): bool {
  return load<u8>(q, Q.FORMAT) == <u8>RING_PACKED;
}

/** Nothing was taken, read or used: after a reset of the device or the queue. */
export function resetRing(q: usize): void {
  store<u8>(q, RING_SPLIT, Q.FORMAT);
  split.reset(q);
  packed.reset(q);
}

/** May a queue of function `f` have `size` entries, which is no more than it has at most? */
export function isRingSize(f: usize, size: u32): bool {
  return takesPacked(f) ? packed.isRingSize(f, size) : split.isRingSize(f, size);
}

/** Do the areas of a queue of function `f` lie where a ring can be? */
export function isAligned(q: usize, f: usize): bool {
  return takesPacked(f) ? packed.isAligned(q) : split.isAligned(q);
}

/** The driver enables the queue: its ring is what was negotiated. */
export function beginRing(q: usize, f: usize): void {
  store<u8>(q, takesPacked(f) ? <u8>RING_PACKED : <u8>RING_SPLIT, Q.FORMAT);
}

/** Where the buffer stands that take() gives next. */
export function nextPosition(q: usize): u16 {
  return isPacked(q) ? packed.nextPosition(q) : split.nextPosition(q);
}

/**
 * Next available buffer: its id, or TAKE_*. `mayRead`: the ring may be looked at although no doorbell came (receive queues
 * look for buffers when a frame is there).
 */
export function take(q: usize, mayRead: bool): i32 {
  return isPacked(q) ? packed.take(q, mayRead) : split.take(q, mayRead);
}

/** EV.FE_DONE, or at once in functional mode: what was fetched is taken over. */
export function finishTake(q: usize): void {
  if (isPacked(q)) packed.finishTake(q);
  else split.finishTake(q);
}

/** Buffers from `position` on were taken and not used: they will be fetched again. */
export function putBack(q: usize, position: u16): void {
  if (isPacked(q)) packed.putBack(q, position);
  else split.putBack(q, position);
}

/** Are buffers known that were not taken yet? */
export function hasKnown(q: usize): bool {
  return isPacked(q) ? packed.hasKnown(q) : split.hasKnown(q);
}

/** Points the walk of a job at buffer `id`; segments collected so far stay. */
export function beginWalk(job: usize, q: usize, id: u32): void {
  if (isPacked(q)) packedTable.beginWalk(job, q, id);
  else splitTable.beginWalk(job, q, id);
}

/** Takes the walk as far as it goes: WALK_*, or the counter of the rule that the driver broke. */
export function walk(job: usize): i32 {
  return isPacked(load<u32>(job, JOB.QUEUE)) ? packedTable.walk(job) : splitTable.walk(job);
}

/**
 * Functional mode's look at buffer `id` without a walk: address of its segment (address u64, length u32) in the card's
 * memory, if it is one readable piece; 0 if it is not, or cannot be read on the spot.
 */
export function onlySegment(q: usize, f: usize, id: u32): usize {
  return isPacked(q) ? packed.onlySegment(q, f, id) : split.onlySegment(q, f, id);
}

/** The buffer of onlySegment() goes on from there: what it cost to read its descriptor is counted. */
export function countOnlySegment(q: usize): void {
  if (isPacked(q)) packed.countOnlySegment(q);
  else split.countOnlySegment(q);
}

/** Buffer `id`, which took `descriptors` of the ring, is used, with `length` bytes written; publish() shows it. */
export function complete(q: usize, context: usize, id: u32, descriptors: u32, length: u32): void {
  if (isPacked(q)) packed.complete(q, context, id, descriptors, length);
  else split.complete(q, context, id, descriptors, length);
}

/** Shows the driver all that was completed since the last time; false if there is nothing. */
export function publish(q: usize, context: usize): bool {
  return isPacked(q) ? packed.publish(q, context) : split.publish(q, context);
}

/** By the words as last read: does the driver want to know of what was shown up to `shown` since the last decision? */
export function wantsSignal(q: usize, shown: u16): bool {
  return isPacked(q) ? packed.wantsSignal(q, shown) : split.wantsSignal(q, shown);
}

/** Reads the words anew by which the driver says so; true if they are there at once, else EV.NOTIFY_DONE will come. */
export function readWants(q: usize): bool {
  return isPacked(q) ? packed.readWants(q) : split.readWants(q);
}

/** They are there: they are taken over. */
export function keepWants(q: usize): void {
  if (isPacked(q)) packed.keepWants(q);
  else split.keepWants(q);
}
