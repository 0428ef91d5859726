// SPDX-License-Identifier: Apache-2.0
// The life of DMA reads as records of the trace ring: who asked, and what became of each request.
import { FUNCTIONS, JOBS, TAG } from '../abi/state_map.ts';
import { FN_INDEX, FN_QUEUES, FN_STRIDE } from '../abi/function.ts';
import { QUEUE_STRIDE, Q_NOTIFY_CONTEXT } from '../abi/queue.ts';
import { JOB_STRIDE } from '../abi/job.ts';
import { DMA_BYTES, DMA_FN, DMA_SEGMENTS } from '../abi/dma_context.ts';
import { TAG_BYTES, TAG_IOVA, TAG_LENGTH, TAG_NUMBER } from '../abi/port.ts';
import { TRACE_DMA, TRACE_NOBODY, TRACE_OWNER_NOTIFY, TRACE_OWNER_QUEUE } from '../abi/trace_kind.ts';
import { record } from '../sim/trace.ts';

const NO_TAG: u32 = 0xffff;

/** Number of the job whose context it is, or a queue's, or TRACE_NOBODY. */
function ownerOf(context: usize): u32 {
  if (context < <usize>JOBS) return TRACE_NOBODY;
  if (context < <usize>FUNCTIONS) return <u32>((context - JOBS) / JOB_STRIDE);
  const at = <u32>((context - FUNCTIONS) % FN_STRIDE) - FN_QUEUES;
  const queue = at / QUEUE_STRIDE;
  return at % QUEUE_STRIDE == <u32>Q_NOTIFY_CONTEXT ? TRACE_OWNER_NOTIFY | queue : TRACE_OWNER_QUEUE | queue;
}

/** A read was asked for. */
export function traceRead(event: u32, context: usize): void {
  const fn = load<u32>(load<u32>(context, DMA_FN), FN_INDEX);
  const address = load<u64>(load<u32>(context, DMA_SEGMENTS));
  record(TRACE_DMA, fn, event, NO_TAG | (load<u32>(context, DMA_BYTES) << 16), ownerOf(context), address);
}

/** Number of a tag, from 0. */
export function tagNumber(tag: usize): u32 {
  return <u32>((tag - TAG) / TAG_BYTES);
}

/** Something happened to one of its requests. */
export function traceRequest(event: u32, context: usize, tag: usize): void {
  const fn = load<u32>(load<u32>(context, DMA_FN), FN_INDEX);
  const a = tagNumber(tag) | (load<u32>(tag, TAG_LENGTH) << 16);
  record(TRACE_DMA, fn, event, a, ownerOf(context), load<u64>(tag, TAG_IOVA), 0, load<u32>(tag, TAG_NUMBER));
}
