// SPDX-License-Identifier: Apache-2.0
// Walk of a descriptor chain (virtio 1.4 §2.7.5, §2.7.5.3): descriptors are fetched in blocks, every rule that a driver
// can break is checked, and the result is a list of segments: readable ones first, then writable ones. The walk is
// resumable: it returns WALK_PENDING while a block is fetched, and goes on where it stopped.
import * as FN from '../abi/function.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import { NONE } from '../abi/state_value.ts';
import {
  FC_BAD_DMA,
  FC_BAD_HEAD,
  FC_BAD_INDIRECT,
  FC_BAD_LENGTH,
  FC_BAD_LOOP,
  FC_BAD_NEXT,
  FC_BAD_ORDER,
} from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import {
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_FLAGS,
  VIRTQ_DESC_LEN,
  VIRTQ_DESC_NEXT,
  VIRTQ_DESC_SIZE,
} from '../abi/virtio_ring.ts';
import { param } from '../mem/arena.ts';
import { readInto } from '../pcie/requester.ts';

export const WALK_DONE = 0;
export const WALK_PENDING = -1;
const CONTINUE = -2;
// positive results are the counter of the rule that was broken

/** Takes the walk as far as it goes. */
export function walk(job: usize): i32 {
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  let index = load<u32>(job, JOB.DESC);
  let budget = load<u32>(job, JOB.BUDGET);
  let result = CONTINUE;
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
    } else {
      const desc = job + JOB.CACHE + (index - block) * VIRTQ_DESC_SIZE;
      const flags = load<u16>(desc, VIRTQ_DESC_FLAGS);
      if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
        result = enterTable(job, f, desc, flags);
        index = 0;
      } else {
        budget--;
        index = load<u16>(desc, VIRTQ_DESC_NEXT);
        result = addSegment(job, load<u64>(desc), load<u32>(desc, VIRTQ_DESC_LEN), (flags & VIRTQ_DESC_F_WRITE) != 0);
        if (result == CONTINUE && (flags & VIRTQ_DESC_F_NEXT) == 0) return WALK_DONE;
      }
    }
  } while (result == CONTINUE);
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
  return CONTINUE;
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

function addSegment(job: usize, addr: u64, length: u32, isWritable: bool): i32 {
  const readable = load<u32>(job, JOB.READABLE);
  const writable = load<u32>(job, JOB.WRITABLE);
  if (readable + writable == JOB.SEGMENTS_MAX) return FC_BAD_LOOP;
  const segment = job + JOB.SEGMENTS + (readable + writable) * DMA.SEGMENT_BYTES;
  store<u64>(segment, addr, DMA.SEGMENT_IOVA);
  store<u32>(segment, length, DMA.SEGMENT_LENGTH);
  if (isWritable) {
    const sum = <u64>load<u32>(job, JOB.WRITE_BYTES) + length;
    if (sum > 0xffffffff) return FC_BAD_LENGTH;
    store<u32>(job, writable + 1, JOB.WRITABLE);
    store<u32>(job, <u32>sum, JOB.WRITE_BYTES);
    return CONTINUE;
  }
  if (writable != 0) return FC_BAD_ORDER;
  const sum = <u64>load<u32>(job, JOB.READ_BYTES) + length;
  if (sum > 0xffffffff) return FC_BAD_LENGTH;
  store<u32>(job, readable + 1, JOB.READABLE);
  store<u32>(job, <u32>sum, JOB.READ_BYTES);
  return CONTINUE;
}
