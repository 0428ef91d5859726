// SPDX-License-Identifier: Apache-2.0
// The pieces of guest memory that a buffer consists of: readable ones first, then writable ones (virtio 1.4 §2.7.4.2,
// §2.8.6). The walk of a ring adds them one by one; results are scattered over the writable ones.
import { FC_BAD_LENGTH, FC_BAD_LOOP, FC_BAD_ORDER } from '../abi/counter.ts';
import * as DMA from '../abi/dma_context.ts';
import * as JOB from '../abi/job.ts';
import { postWrite } from '../pcie/posted.ts';
import { retryJob } from './job_delay.ts';
import { lendList } from './lend.ts';
import { WALK_ON } from './ring/contract.ts';

/** Is there room for one more piece? If not, the job's step is tried again later. */
export function hasSegmentRoom(job: usize): bool {
  if (load<u32>(job, JOB.READABLE) + load<u32>(job, JOB.WRITABLE) != JOB.SEGMENTS_INLINE) return true;
  if (load<u32>(job, JOB.LIST) != <u32>(job + JOB.SEGMENTS) || lendList(job)) return true;
  retryJob(job);
  return false;
}

/** Adds a piece to the buffer of a job: WALK_ON, or the counter of the rule that the driver broke. */
export function addSegment(job: usize, addr: u64, length: u32, isWritable: bool): i32 {
  const readable = load<u32>(job, JOB.READABLE);
  const writable = load<u32>(job, JOB.WRITABLE);
  if (readable + writable == JOB.SEGMENTS_MAX) return FC_BAD_LOOP;
  const segment: usize = load<u32>(job, JOB.LIST) + (readable + writable) * DMA.SEGMENT_BYTES;
  store<u64>(segment, addr, DMA.SEGMENT_IOVA);
  store<u32>(segment, length, DMA.SEGMENT_LENGTH);
  if (isWritable) {
    const sum = <u64>load<u32>(job, JOB.WRITE_BYTES) + length;
    if (sum > 0xffffffff) return FC_BAD_LENGTH;
    store<u32>(job, writable + 1, JOB.WRITABLE);
    store<u32>(job, <u32>sum, JOB.WRITE_BYTES);
    return WALK_ON;
  }
  if (writable != 0) return FC_BAD_ORDER;
  const sum = <u64>load<u32>(job, JOB.READ_BYTES) + length;
  if (sum > 0xffffffff) return FC_BAD_LENGTH;
  store<u32>(job, readable + 1, JOB.READABLE);
  store<u32>(job, <u32>sum, JOB.READ_BYTES);
  return WALK_ON;
}

/** Posts `bytes` from `source` into the writable segments of a job, starting `skip` bytes in; returns the bytes stored. */
export function scatter(job: usize, skip: u32, source: usize, bytes: u32): u32 {
  let segment: usize = load<u32>(job, JOB.LIST) + load<u32>(job, JOB.READABLE) * DMA.SEGMENT_BYTES;
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

/** Has the chain more bytes than were read of it? */
export function isCut(job: usize): bool {
  return load<u32>(job, JOB.LENGTH) < load<u32>(job, JOB.READ_BYTES);
}
