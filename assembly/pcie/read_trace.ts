// SPDX-License-Identifier: Apache-2.0
// The life of DMA reads as records of the trace ring: who asked, and what became of each request.
import { FUNCTIONS, JOBS, TAGS } from '../abi/state_map.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TAG from '../abi/tag.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { record } from '../sim/trace.ts';

const NO_TAG: u32 = 0xffff;

/** Number of the job whose context it is, or a queue's, or TRACE.NOBODY. */
function ownerOf(context: usize): u32 {
  if (context < <usize>JOBS) return TRACE.NOBODY;
  if (context < <usize>FUNCTIONS) return <u32>((context - JOBS) / JOB.STRIDE);
  const at = <u32>((context - FUNCTIONS) % FN.STRIDE) - FN.QUEUES;
  const queue = at / Q.STRIDE;
  return at % Q.STRIDE == <u32>Q.NOTIFY_CONTEXT ? TRACE.OWNER_NOTIFY | queue : TRACE.OWNER_QUEUE | queue;
}

/** A read was asked for. */
export function traceRead(event: u32, context: usize): void {
  const fn = load<u32>(load<u32>(context, DMA.FN), FN.INDEX);
  const address = load<u64>(load<u32>(context, DMA.SEGMENTS));
  record(TRACE.DMA, fn, event, NO_TAG | (load<u32>(context, DMA.BYTES) << 16), ownerOf(context), address);
}

/** Number of a tag, from 0. */
export function tagNumber(tag: usize): u32 {
  return <u32>((tag - TAGS) / TAG.BYTES);
}

/** Something happened to one of its requests. */
export function traceRequest(event: u32, context: usize, tag: usize): void {
  const fn = load<u32>(load<u32>(context, DMA.FN), FN.INDEX);
  const a = tagNumber(tag) | (load<u32>(tag, TAG.LENGTH) << 16);
  record(TRACE.DMA, fn, event, a, ownerOf(context), load<u64>(tag, TAG.IOVA), 0, load<u32>(tag, TAG.NUMBER));
}
