// SPDX-License-Identifier: Apache-2.0
// Frames that found no buffer and wait for the next ones: a ring of bytes for each receive queue of a card that was made
// with CFG.RECEIVE_HOLD_BYTES, an equal share for each of the function's queues. The frames lie behind the pool of the
// address spaces; a queue knows where its oldest one begins and how many bytes are in use.
//
//   entry  0 length u32 | 4 frame, up to a multiple of 4 bytes; what reaches the end of the ring goes on at its start
import { IOMMU_POOL_BYTES } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as DMA from '../abi/dma_context.ts';
import * as CFG from '../abi/nic_config.ts';
import { config } from '../mem/arena.ts';

const LENGTH_BYTES: u32 = 4;

/** Bytes of the queue's ring, whole words. */
function ringBytes(q: usize): u32 {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  return (config(CFG.RECEIVE_HOLD_BYTES) / load<u32>(f, FN.PAIRS)) & ~3;
}

/** Receive queues have the even indices (virtio 1.4 §5.1.2). */
function ringAt(q: usize, size: u32): usize {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  const ofFunction = load<u32>(f, FN.INDEX) * config(CFG.RECEIVE_HOLD_BYTES);
  return load<u32>(CTL.IOMMU_POOL) + IOMMU_POOL_BYTES + ofFunction + (load<u32>(q, Q.INDEX) >> 1) * size;
}

function entryBytes(length: u32): u32 {
  return LENGTH_BYTES + ((length + 3) & ~3);
}

function wrapped(at: u32, size: u32): u32 {
  return at < size ? at : at - size;
}

export function hasHeld(q: usize): bool {
  return load<u32>(q, Q.HELD_BYTES) != 0;
}

/** Puts a frame behind those of the queue that wait; false if there is no room. */
export function holdFrame(q: usize, frame: usize, length: u32): bool {
  const size = ringBytes(q);
  const held = load<u32>(q, Q.HELD_BYTES);
  const bytes = entryBytes(length);
  if (bytes > size - held) return false;
  const ring = ringAt(q, size);
  const at = wrapped(load<u32>(q, Q.HELD_AT) + held, size);
  store<u32>(ring + at, length);
  const begin = wrapped(at + LENGTH_BYTES, size);
  const first = min(length, size - begin);
  memory.copy(ring + begin, frame, first);
  memory.copy(ring, frame + first, length - first);
  store<u32>(q, held + bytes, Q.HELD_BYTES);
  return true;
}

/** Bytes of the oldest frame. */
export function oldestLength(q: usize): u32 {
  return load<u32>(ringAt(q, ringBytes(q)) + load<u32>(q, Q.HELD_AT));
}

/** Copies the oldest frame to `target` and returns its length; it goes on waiting. */
export function copyOldest(q: usize, target: usize): u32 {
  const size = ringBytes(q);
  const ring = ringAt(q, size);
  const at = load<u32>(q, Q.HELD_AT);
  const length = load<u32>(ring + at);
  const begin = wrapped(at + LENGTH_BYTES, size);
  const first = min(length, size - begin);
  memory.copy(target, ring + begin, first);
  memory.copy(target + first, ring, length - first);
  return length;
}

/** The oldest frame waits no longer. */
export function releaseOldest(q: usize): void {
  const size = ringBytes(q);
  const at = load<u32>(q, Q.HELD_AT);
  const bytes = entryBytes(load<u32>(ringAt(q, size) + at));
  store<u32>(q, wrapped(at + bytes, size), Q.HELD_AT);
  store<u32>(q, load<u32>(q, Q.HELD_BYTES) - bytes, Q.HELD_BYTES);
}

/** Forgets all frames that wait, and returns how many they were. */
export function releaseAll(q: usize): u32 {
  let frames: u32 = 0;
  for (; hasHeld(q); frames++) releaseOldest(q);
  store<u32>(q, 0, Q.HELD_AT);
  store<u8>(q, 0, Q.STALLED);
  return frames;
}
