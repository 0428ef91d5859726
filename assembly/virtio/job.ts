// SPDX-License-Identifier: Apache-2.0
// Jobs: one chain in work (transmit, control, admin) or one frame to be received. Two fixed pools, so that receiving
// always goes on while transmitting is blocked. The jobs of a queue form a FIFO; only the oldest executes and retires.
import * as CTL from '../abi/control.ts';
import { FC_CHAINS } from '../abi/counter.ts';
import * as DMA from '../abi/dma_context.ts';
import * as EV from '../abi/event_code.ts';
import * as JOB from '../abi/job.ts';
import * as Q from '../abi/queue.ts';
import { JOBS, JOB_POOL, RX_JOBS, RX_JOB_POOL } from '../abi/state_map.ts';
import { JOB_FREE, JOB_WALK } from '../abi/state_value.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { DEBUG, countFn } from '../mem/arena.ts';
import { cancelRead } from '../pcie/requester.ts';
import { isTracing } from '../sim/trace.ts';
import { hasReceiveBuffer, initLent, lendBuffer, returnLent } from './lend.ts';
import { KIND_COMMANDS, kindOf } from './queue_kind.ts';
import { beginWalk } from './ring/ring.ts';
import { traceJob, traceQueue } from './state_trace.ts';
import { scheduleVisit } from './visit.ts';

export function initJobs(): void {
  for (let i = 0; i < JOB_POOL + RX_JOB_POOL; i++) {
    const job: usize = JOBS + i * JOB.STRIDE;
    const isLast = i == JOB_POOL - 1 || i == JOB_POOL + RX_JOB_POOL - 1;
    store<u32>(job, isLast ? 0 : <u32>(job + JOB.STRIDE), JOB.NEXT);
  }
  store<u32>(CTL.JOB_FREE, JOBS);
  store<u32>(CTL.RX_JOB_FREE, RX_JOBS);
  initLent();
}

/** Takes a job for buffer `id` of a queue, taken at `position`, to the end of the queue's FIFO; 0 if none is free. */
export function startJob(q: usize, id: u32, position: u16): usize {
  const job: usize = load<u32>(CTL.JOB_FREE);
  if (job == 0) return 0;
  if (DEBUG) assert(load<u8>(job, JOB.STATE) == <u8>JOB_FREE); // what is in the list of free jobs is free
  store<u32>(CTL.JOB_FREE, load<u32>(job, JOB.NEXT));
  enqueue(q, job);
  beginBuffer(job, q, id);
  store<u16>(job, position, JOB.POSITION);
  store<u8>(job, JOB_WALK, JOB.STATE);
  store<u64>(job, load<u64>(CTL.NOW), JOB.STARTED);
  if (isTracing(TRACE.MASK_STATE)) traceJob(job, JOB_WALK);
  if ((kindOf(q) & KIND_COMMANDS) != 0) memory.copy(job + JOB.QUEUE_TIMES, q + Q.KICK_ISSUED, Q.TIMES_BYTES);
  return job;
}

/** Takes a job with a buffer of `bytes` for a frame that needs buffers of a receive queue; hasReceiveJob() said that there is one. */
export function startReceiveJob(q: usize, bytes: u32): usize {
  const job: usize = load<u32>(CTL.RX_JOB_FREE);
  if (DEBUG) assert(load<u8>(job, JOB.STATE) == <u8>JOB_FREE);
  store<u32>(CTL.RX_JOB_FREE, load<u32>(job, JOB.NEXT));
  enqueue(q, job);
  store<u8>(job, 0, JOB.HELD);
  lendBuffer(job, bytes);
  return job;
}

/** Is there a job for a frame that is received, with a buffer of `bytes`? */
export function hasReceiveJob(bytes: u32): bool {
  return load<u32>(CTL.RX_JOB_FREE) != 0 && hasReceiveBuffer(bytes);
}

function enqueue(q: usize, job: usize): void {
  store<u32>(job, load<u32>(q, Q.CONTEXT + DMA.FN), JOB.CONTEXT + DMA.FN);
  store<u32>(job, EV.JOB_DONE, JOB.CONTEXT + DMA.DONE_EVENT);
  store<u32>(job, 0, DMA.UP_TLPS);
  store<u32>(job, 0, DMA.UP_BYTES);
  store<u32>(job, 0, DMA.DOWN_TLPS);
  store<u32>(job, 0, DMA.DOWN_BYTES);
  store<u32>(job, 0, DMA.LIFE);
  store<u32>(job, <u32>q, JOB.QUEUE);
  store<u32>(job, 0, JOB.NEXT);
  store<u8>(job, 0, JOB.STATUS);
  store<u8>(job, 0, JOB.BUSY);
  store<u32>(job, 0, JOB.BUFFERS);
  store<u32>(job, 0, JOB.RESULT);
  store<u32>(job, 0, JOB.LENGTH);
  store<u32>(job, 0, JOB.BUFFER);
  store<u32>(job, <u32>(job + JOB.SEGMENTS), JOB.LIST);
  store<u32>(job, 0, JOB.READABLE);
  store<u32>(job, 0, JOB.WRITABLE);
  store<u32>(job, 0, JOB.READ_BYTES);
  store<u32>(job, 0, JOB.WRITE_BYTES);
  const tail: usize = load<u32>(q, Q.FIFO_TAIL);
  if (tail == 0) store<u32>(q, <u32>job, Q.FIFO_HEAD);
  else store<u32>(tail, <u32>job, JOB.NEXT);
  store<u32>(q, <u32>job, Q.FIFO_TAIL);
  store<u32>(q, load<u32>(q, Q.JOBS) + 1, Q.JOBS);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_JOBS, load<u32>(q, Q.JOBS));
}

/** Points the walk of a job at buffer `id`; segments collected so far stay. */
export function beginBuffer(job: usize, q: usize, id: u32): void {
  countFn(load<u32>(job, JOB.CONTEXT + DMA.FN), FC_CHAINS);
  store<u16>(job, <u16>id, JOB.ID);
  beginWalk(job, q, id);
}

/** Takes the oldest job off its queue and gives it back; wakes a queue that waits for one. */
export function finishJob(job: usize): void {
  const q: usize = load<u32>(job, JOB.QUEUE);
  if (DEBUG) assert(load<u32>(q, Q.FIFO_HEAD) == <u32>job && load<u32>(q, Q.JOBS) != 0); // only the oldest retires
  const next = load<u32>(job, JOB.NEXT);
  store<u32>(q, next, Q.FIFO_HEAD);
  if (next == 0) store<u32>(q, 0, Q.FIFO_TAIL);
  store<u32>(q, load<u32>(q, Q.JOBS) - 1, Q.JOBS);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_JOBS, load<u32>(q, Q.JOBS));
  release(job);
}

function release(job: usize): void {
  if (DEBUG) assert(load<u8>(job, JOB.STATE) != <u8>JOB_FREE); // it is given back once
  cancelRead(job);
  if (isTracing(TRACE.MASK_STATE)) traceJob(job, JOB_FREE);
  returnLent(job);
  store<u8>(job, JOB_FREE, JOB.STATE);
  const pool: usize = job < <usize>RX_JOBS ? CTL.JOB_FREE : CTL.RX_JOB_FREE;
  store<u32>(job, load<u32>(pool), JOB.NEXT);
  store<u32>(pool, <u32>job);
  if (load<u32>(CTL.WAIT_HEAD) != 0 && pool == CTL.JOB_FREE) wakeWaiting();
}

/** Gives back all jobs of a queue, whatever they wait for; late completions find another generation. */
export function abandonJobs(q: usize): void {
  let job: usize = load<u32>(q, Q.FIFO_HEAD);
  while (job != 0) {
    const next: usize = load<u32>(job, JOB.NEXT);
    release(job);
    job = next;
  }
  store<u32>(q, 0, Q.FIFO_HEAD);
  store<u32>(q, 0, Q.FIFO_TAIL);
  store<u32>(q, 0, Q.JOBS);
  if (isTracing(TRACE.MASK_STATE)) traceQueue(q, TRACE.QUEUE_JOBS, 0);
}

/** Remembers that a queue found no free job. */
export function waitForJob(q: usize): void {
  if (load<u8>(q, Q.WAITING) != 0) return;
  store<u8>(q, 1, Q.WAITING);
  store<u32>(q, 0, Q.NEXT_WAITING);
  const tail: usize = load<u32>(CTL.WAIT_TAIL);
  if (tail == 0) store<u32>(CTL.WAIT_HEAD, <u32>q);
  else store<u32>(tail, <u32>q, Q.NEXT_WAITING);
  store<u32>(CTL.WAIT_TAIL, <u32>q);
}

function wakeWaiting(): void {
  const q: usize = load<u32>(CTL.WAIT_HEAD);
  const next = load<u32>(q, Q.NEXT_WAITING);
  store<u32>(CTL.WAIT_HEAD, next);
  if (next == 0) store<u32>(CTL.WAIT_TAIL, 0);
  store<u8>(q, 0, Q.WAITING);
  scheduleVisit(q, 0);
}
