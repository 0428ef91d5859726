// SPDX-License-Identifier: Apache-2.0
// Walk of a descriptor chain (virtio 1.4 §2.7.5, §2.7.5.3): descriptors are fetched in blocks, every rule that a driver
// can break is checked, and the result is a list of segments: readable ones first, then writable ones. The walk is
// resumable: it returns WALK_PENDING while a block is fetched, and goes on where it stopped.
import { FN_INDIRECT } from '../abi/function.ts';
import {
  JOB_BLOCK,
  JOB_BLOCK_COUNT,
  JOB_BUDGET,
  JOB_BUSY,
  JOB_CACHE,
  JOB_CONTEXT,
  JOB_DESC,
  JOB_INDIRECT,
  JOB_READABLE,
  JOB_READ_BYTES,
  JOB_SEGMENTS,
  JOB_TABLE,
  JOB_TABLE_SIZE,
  JOB_WRITABLE,
  JOB_WRITE_BYTES,
  SEGMENTS_MAX,
} from '../abi/job.ts';
import { DMA_FAULT, DMA_FN, SEGMENT_BYTES, SEGMENT_IOVA, SEGMENT_LENGTH } from '../abi/dma_context.ts';
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
import { P_DESCRIPTOR_BLOCK } from '../abi/timing_param.ts';
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
  const f: usize = load<u32>(job, JOB_CONTEXT + DMA_FN);
  let index = load<u32>(job, JOB_DESC);
  let budget = load<u32>(job, JOB_BUDGET);
  let result = CONTINUE;
  do {
    const tableSize = load<u32>(job, JOB_TABLE_SIZE);
    const block = load<u32>(job, JOB_BLOCK);
    if (index >= tableSize) {
      result = block == NONE && load<u8>(job, JOB_INDIRECT) == 0 ? FC_BAD_HEAD : FC_BAD_NEXT;
    } else if (block == NONE || index - block >= load<u32>(job, JOB_BLOCK_COUNT)) {
      if (!fetchBlock(job, index, tableSize)) {
        store<u8>(job, 1, JOB_BUSY);
        result = WALK_PENDING;
      }
    } else if (load<u32>(job, JOB_CONTEXT + DMA_FAULT) != 0) {
      result = FC_BAD_DMA;
    } else if (budget == 0) {
      result = FC_BAD_LOOP;
    } else {
      const desc = job + JOB_CACHE + (index - block) * VIRTQ_DESC_SIZE;
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
  store<u32>(job, index, JOB_DESC);
  store<u32>(job, budget, JOB_BUDGET);
  return result;
}

/**
 * Goes on in the indirect table that `desc` names. The descriptor itself is no element of the chain, so a table may have
 * as many entries as the queue.
 */
function enterTable(job: usize, f: usize, desc: usize, flags: u32): i32 {
  const length = load<u32>(desc, VIRTQ_DESC_LEN);
  const isWrong =
    load<u8>(f, FN_INDIRECT) == 0 ||
    load<u8>(job, JOB_INDIRECT) != 0 ||
    (flags & VIRTQ_DESC_F_NEXT) != 0 ||
    length == 0 ||
    (length & (VIRTQ_DESC_SIZE - 1)) != 0;
  if (isWrong) return FC_BAD_INDIRECT;
  store<u8>(job, 1, JOB_INDIRECT);
  store<u64>(job, load<u64>(desc), JOB_TABLE);
  store<u32>(job, length / VIRTQ_DESC_SIZE, JOB_TABLE_SIZE);
  store<u32>(job, NONE, JOB_BLOCK);
  return CONTINUE;
}

/** Reads the block that holds entry `index`; true if it is there at once. */
function fetchBlock(job: usize, index: u32, tableSize: u32): bool {
  // an indirect table is read from its start, as far as the cache reaches; the ring's table in aligned blocks
  const isIndirect = load<u8>(job, JOB_INDIRECT) != 0;
  const blockSize = isIndirect ? 16 : param(P_DESCRIPTOR_BLOCK);
  const block = index & ~(blockSize - 1);
  const entries = min(blockSize, tableSize - block);
  store<u32>(job, block, JOB_BLOCK);
  store<u32>(job, entries, JOB_BLOCK_COUNT);
  const at = load<u64>(job, JOB_TABLE) + <u64>block * VIRTQ_DESC_SIZE;
  return readInto(job, at, entries * VIRTQ_DESC_SIZE, job + JOB_CACHE);
}

function addSegment(job: usize, addr: u64, length: u32, isWritable: bool): i32 {
  const readable = load<u32>(job, JOB_READABLE);
  const writable = load<u32>(job, JOB_WRITABLE);
  if (readable + writable == SEGMENTS_MAX) return FC_BAD_LOOP;
  const segment = job + JOB_SEGMENTS + (readable + writable) * SEGMENT_BYTES;
  store<u64>(segment, addr, SEGMENT_IOVA);
  store<u32>(segment, length, SEGMENT_LENGTH);
  if (isWritable) {
    const sum = <u64>load<u32>(job, JOB_WRITE_BYTES) + length;
    if (sum > 0xffffffff) return FC_BAD_LENGTH;
    store<u32>(job, writable + 1, JOB_WRITABLE);
    store<u32>(job, <u32>sum, JOB_WRITE_BYTES);
    return CONTINUE;
  }
  if (writable != 0) return FC_BAD_ORDER;
  const sum = <u64>load<u32>(job, JOB_READ_BYTES) + length;
  if (sum > 0xffffffff) return FC_BAD_LENGTH;
  store<u32>(job, readable + 1, JOB_READABLE);
  store<u32>(job, <u32>sum, JOB_READ_BYTES);
  return CONTINUE;
}
