// SPDX-License-Identifier: Apache-2.0
// Walk of a descriptor chain of a split virtqueue (virtio 1.4 §2.7.5, §2.7.5.3): descriptors are fetched in blocks, every
// rule that a driver can break is checked, and the job gets its segments. The walk is resumable: it returns WALK_PENDING
// while a block is fetched, and goes on where it stopped.
import { FC_BAD_DMA, FC_BAD_HEAD, FC_BAD_INDIRECT, FC_BAD_LOOP, FC_BAD_NEXT } from '../../abi/counter.ts';
import * as DMA from '../../abi/dma_context.ts';
import * as FN from '../../abi/function.ts';
import * as JOB from '../../abi/job.ts';
import * as Q from '../../abi/queue.ts';
import { NONE } from '../../abi/state_value.ts';
import * as P from '../../abi/timing_param.ts';
import {
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_FLAGS,
  VIRTQ_DESC_LEN,
  VIRTQ_DESC_NEXT,
  VIRTQ_DESC_SIZE,
} from '../../abi/virtio_ring.ts';
import { param } from '../../mem/arena.ts';
import { readInto } from '../../pcie/requester.ts';
import { addSegment, hasSegmentRoom } from '../segments.ts';
import { WALK_DONE, WALK_ON, WALK_PENDING } from './contract.ts';

export function beginWalk(job: usize, q: usize, id: u32): void {
  const size = <u32>load<u16>(q, Q.SIZE);
  store<u8>(job, 0, JOB.INDIRECT);
  store<u64>(job, load<u64>(q, Q.DESC), JOB.TABLE);
  store<u32>(job, size, JOB.TABLE_SIZE);
  store<u32>(job, id, JOB.DESC);
  store<u32>(job, NONE, JOB.BLOCK);
  store<u32>(job, size, JOB.BUDGET);
}

export function walk(job: usize): i32 {
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  let index = load<u32>(job, JOB.DESC);
  let budget = load<u32>(job, JOB.BUDGET);
  let result = WALK_ON;
  do {
    const tableSize = load<u32>(job, JOB.TABLE_SIZE);
    const block = load<u32>(job, JOB.BLOCK);
    if (index >= tableSize) {
      result = block == NONE && load<u8>(job, JOB.INDIRECT) == 0 ? FC_BAD_HEAD : FC_BAD_NEXT;
    } else if (block == NONE || index - block >= load<u32>(job, JOB.BLOCK_COUNT)) {
      if (!fetchBlock(job, index, tableSize)) {
        store<u8>(job, 1, JOB.BUSY);
        result = WALK_PENDING;
      }
    } else if (load<u32>(job, JOB.CONTEXT + DMA.FAULT) != 0) {
      result = FC_BAD_DMA;
    } else if (budget == 0) {
      result = FC_BAD_LOOP;
    } else if (!hasSegmentRoom(job)) {
      result = WALK_PENDING;
    } else {
      const desc = job + JOB.CACHE + (index - block) * VIRTQ_DESC_SIZE;
      const flags = load<u16>(desc, VIRTQ_DESC_FLAGS);
      if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
        store<u16>(job, <u16>(tableSize - budget + 1), JOB.DESCRIPTORS);
        result = enterTable(job, f, desc, flags);
        index = 0;
      } else {
        budget--;
        index = load<u16>(desc, VIRTQ_DESC_NEXT);
        result = addSegment(job, load<u64>(desc), load<u32>(desc, VIRTQ_DESC_LEN), (flags & VIRTQ_DESC_F_WRITE) != 0);
        if (result == WALK_ON && (flags & VIRTQ_DESC_F_NEXT) == 0) {
          if (load<u8>(job, JOB.INDIRECT) == 0) store<u16>(job, <u16>(tableSize - budget), JOB.DESCRIPTORS);
          return WALK_DONE;
        }
      }
    }
  } while (result == WALK_ON);
  store<u32>(job, index, JOB.DESC);
  store<u32>(job, budget, JOB.BUDGET);
  return result;
}

/**
 * Goes on in the indirect table that `desc` names. The descriptor itself is no element of the chain, so a table may have
 * as many entries as the queue.
 */
function enterTable(job: usize, f: usize, desc: usize, flags: u32): i32 {
  const length = load<u32>(desc, VIRTQ_DESC_LEN);
  const isWrong =
    load<u8>(f, FN.INDIRECT) == 0 ||
    load<u8>(job, JOB.INDIRECT) != 0 ||
    (flags & VIRTQ_DESC_F_NEXT) != 0 ||
    length == 0 ||
    (length & (VIRTQ_DESC_SIZE - 1)) != 0;
  if (isWrong) return FC_BAD_INDIRECT;
  store<u8>(job, 1, JOB.INDIRECT);
  store<u64>(job, load<u64>(desc), JOB.TABLE);
  store<u32>(job, length / VIRTQ_DESC_SIZE, JOB.TABLE_SIZE);
  store<u32>(job, NONE, JOB.BLOCK);
  return WALK_ON;
}

/** Reads the block that holds entry `index`; true if it is there at once. */
function fetchBlock(job: usize, index: u32, tableSize: u32): bool {
  // an indirect table is read from its start, as far as the cache reaches; the ring's table in aligned blocks
  const isIndirect = load<u8>(job, JOB.INDIRECT) != 0;
  const blockSize = isIndirect ? 16 : param(P.DESCRIPTOR_BLOCK);
  const block = index & ~(blockSize - 1);
  const entries = min(blockSize, tableSize - block);
  store<u32>(job, block, JOB.BLOCK);
  store<u32>(job, entries, JOB.BLOCK_COUNT);
  const at = load<u64>(job, JOB.TABLE) + <u64>block * VIRTQ_DESC_SIZE;
  return readInto(job, at, entries * VIRTQ_DESC_SIZE, job + JOB.CACHE);
}
