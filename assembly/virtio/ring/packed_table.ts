// SPDX-License-Identifier: Apache-2.0
// Walk of a buffer of a packed virtqueue (virtio 1.4 §2.8.6, §2.8.7): a list of descriptors that follow each other in the
// ring, or one that names an indirect table. take() has counted them and given them along, unless they were too many; then
// they are read once more. In a table only addresses, lengths and WRITE count.
import { FC_BAD_DMA, FC_BAD_INDIRECT, FC_BAD_LOOP } from '../../abi/counter.ts';
import * as DMA from '../../abi/dma_context.ts';
import * as FN from '../../abi/function.ts';
import * as JOB from '../../abi/job.ts';
import * as Q from '../../abi/queue.ts';
import { NONE } from '../../abi/state_value.ts';
import {
  PACKED_DESC_FLAGS,
  PACKED_DESC_LEN,
  PACKED_DESC_SIZE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_WRITE,
} from '../../abi/virtio_ring.ts';
import { readInto } from '../../pcie/requester.ts';
import { addSegment, hasSegmentRoom } from '../segments.ts';
import { WALK_DONE, WALK_ON, WALK_PENDING } from './contract.ts';
import { placeBehind, slotOf } from './packed.ts';

/** Descriptors that JOB.CACHE holds. */
const CACHED = 16;

export function beginWalk(job: usize, q: usize, _id: u32): void {
  const descriptors = <u32>load<u16>(q, Q.TAKEN);
  const size = <u32>load<u16>(q, Q.SIZE);
  store<u16>(job, <u16>descriptors, JOB.DESCRIPTORS);
  store<u8>(job, 0, JOB.INDIRECT);
  store<u32>(job, descriptors, JOB.TABLE_SIZE);
  store<u32>(job, 0, JOB.DESC);
  if (descriptors <= <u32>Q.DESCRIPTORS_PREFETCHED) {
    const first = <usize>load<u16>(q, Q.HEADS_AT) - descriptors;
    memory.copy(job + JOB.CACHE, q + Q.LINE + first * PACKED_DESC_SIZE, descriptors * PACKED_DESC_SIZE);
    store<u32>(job, 0, JOB.BLOCK);
    store<u32>(job, descriptors, JOB.BLOCK_COUNT);
    store<u32>(job, 0, JOB.CONTEXT + DMA.FAULT);
  } else {
    store<u16>(job, <u16>placeBehind(load<u16>(q, Q.AVAIL_IDX), 2 * size - descriptors, size), JOB.PLACE);
    store<u32>(job, NONE, JOB.BLOCK);
  }
}

export function walk(job: usize): i32 {
  let index = load<u32>(job, JOB.DESC);
  let result = WALK_ON;
  do {
    const block = load<u32>(job, JOB.BLOCK);
    const entries = load<u32>(job, JOB.TABLE_SIZE);
    if (block == NONE || index - block >= load<u32>(job, JOB.BLOCK_COUNT)) {
      if (!fetchBlock(job, index, entries)) {
        store<u8>(job, 1, JOB.BUSY);
        result = WALK_PENDING;
      }
    } else if (load<u32>(job, JOB.CONTEXT + DMA.FAULT) != 0) {
      result = FC_BAD_DMA;
    } else if (!hasSegmentRoom(job)) {
      result = WALK_PENDING;
    } else {
      const desc = job + JOB.CACHE + (index - block) * PACKED_DESC_SIZE;
      const flags = load<u16>(desc, PACKED_DESC_FLAGS);
      if (load<u8>(job, JOB.INDIRECT) == 0 && (flags & VIRTQ_DESC_F_INDIRECT) != 0) {
        result = enterTable(job, desc, entries);
        index = 0;
      } else {
        result = addSegment(job, load<u64>(desc), load<u32>(desc, PACKED_DESC_LEN), (flags & VIRTQ_DESC_F_WRITE) != 0);
        if (++index == entries && result == WALK_ON) return WALK_DONE;
      }
    }
  } while (result == WALK_ON);
  store<u32>(job, index, JOB.DESC);
  return result;
}

/** Goes on in the indirect table that `desc` names, which is the only descriptor of its buffer. */
function enterTable(job: usize, desc: usize, descriptors: u32): i32 {
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  const length = load<u32>(desc, PACKED_DESC_LEN);
  const isWrong =
    load<u8>(f, FN.INDIRECT) == 0 || descriptors != 1 || length == 0 || (length & (PACKED_DESC_SIZE - 1)) != 0;
  if (isWrong) return FC_BAD_INDIRECT;
  const entries = length / PACKED_DESC_SIZE;
  if (entries > <u32>load<u16>(load<u32>(job, JOB.QUEUE), Q.SIZE)) return FC_BAD_LOOP;
  store<u8>(job, 1, JOB.INDIRECT);
  store<u64>(job, load<u64>(desc), JOB.TABLE);
  store<u32>(job, entries, JOB.TABLE_SIZE);
  store<u32>(job, NONE, JOB.BLOCK);
  return WALK_ON;
}

/** Reads entries from `index` on: of the table, or of the ring up to its end; true if they are there at once. */
function fetchBlock(job: usize, index: u32, entries: u32): bool {
  let count = min<u32>(CACHED, entries - index);
  let address: u64;
  if (load<u8>(job, JOB.INDIRECT) != 0) {
    address = load<u64>(job, JOB.TABLE) + <u64>index * PACKED_DESC_SIZE;
  } else {
    const q: usize = load<u32>(job, JOB.QUEUE);
    const size = <u32>load<u16>(q, Q.SIZE);
    const slot = slotOf(placeBehind(load<u16>(job, JOB.PLACE), index, size), size);
    count = min(count, size - slot);
    address = load<u64>(q, Q.DESC) + <u64>slot * PACKED_DESC_SIZE;
  }
  store<u32>(job, index, JOB.BLOCK);
  store<u32>(job, count, JOB.BLOCK_COUNT);
  return readInto(job, address, count * PACKED_DESC_SIZE, job + JOB.CACHE);
}
