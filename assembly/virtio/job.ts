// SPDX-License-Identifier: Apache-2.0
// Jobs: one chain in work (transmit, control, admin) or one frame to be received. Two fixed pools, so that receiving
// always goes on while transmitting is blocked. The jobs of a queue form a FIFO; only the oldest executes and retires.
import { CTL_JOB_FREE, CTL_NOW, CTL_RX_JOB_FREE, CTL_WAIT_HEAD, CTL_WAIT_TAIL } from '../abi/control.ts';
import { FC_CHAINS } from '../abi/counter.ts';
import {
  DMA_DONE_EVENT,
  DMA_DOWN_BYTES,
  DMA_DOWN_TLPS,
  DMA_FN,
  DMA_GENERATION,
  DMA_LIFE,
  DMA_UP_BYTES,
  DMA_UP_TLPS,
} from '../abi/dma_context.ts';
import { EV_JOB_DONE, EV_JOB_STEP, PRIO_LATE, PRIO_NORMAL } from '../abi/event_code.ts';
import {
  JOB_BLOCK,
  JOB_BUDGET,
  JOB_BUSY,
  JOB_CONTEXT,
  JOB_DESC,
  JOB_HEAD,
  JOB_HEADS,
  JOB_HELD,
  JOB_INDIRECT,
  JOB_LENGTH,
  JOB_NEXT,
  JOB_QUEUE,
  JOB_QUEUE_TIMES,
  JOB_READABLE,
  JOB_READ_BYTES,
  JOB_RESULT,
  JOB_STARTED,
  JOB_STATE,
  JOB_STATUS,
  JOB_STRIDE,
  JOB_TABLE,
  JOB_TABLE_SIZE,
  JOB_WRITABLE,
  JOB_WRITE_BYTES,
} from '../abi/job.ts';
import {
  QUEUE_TIMES_BYTES,
  Q_CONTEXT,
  Q_DESC,
  Q_FIFO_HEAD,
  Q_FIFO_TAIL,
  Q_JOBS,
  Q_KICK_ISSUED,
  Q_NEXT_WAITING,
  Q_SIZE,
  Q_WAITING,
} from '../abi/queue.ts';
import { JOBS, JOB_POOL, RX_JOBS, RX_JOB_POOL } from '../abi/state_map.ts';
import { JOB_FREE, JOB_WALK, NONE } from '../abi/state_value.ts';
import { TRACE_MASK_STATE, TRACE_QUEUE_JOBS } from '../abi/trace_kind.ts';
import { DEBUG, countFn } from '../mem/arena.ts';
import { cancelRead } from '../pcie/requester.ts';
import { occupyEngine } from '../sim/engine.ts';
import { schedule, scheduleAt } from '../sim/scheduler.ts';
import { retryDelay } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { KIND_COMMANDS, kindOf } from './queue_kind.ts';
import { traceJob, traceQueue } from './state_trace.ts';
import { scheduleVisit } from './visit.ts';

export function initJobs(): void {
  for (let i = 0; i < JOB_POOL + RX_JOB_POOL; i++) {
    const job: usize = JOBS + i * JOB_STRIDE;
    const isLast = i == JOB_POOL - 1 || i == JOB_POOL + RX_JOB_POOL - 1;
    store<u32>(job, isLast ? 0 : <u32>(job + JOB_STRIDE), JOB_NEXT);
  }
  store<u32>(CTL_JOB_FREE, JOBS);
  store<u32>(CTL_RX_JOB_FREE, RX_JOBS);
}

/** Takes a job for the chain `head` of a queue and puts it at the end of the queue's FIFO; 0 if none is free. */
export function startJob(q: usize, head: u32): usize {
  const job: usize = load<u32>(CTL_JOB_FREE);
  if (job == 0) return 0;
  if (DEBUG) assert(load<u8>(job, JOB_STATE) == <u8>JOB_FREE); // what is in the list of free jobs is free
  store<u32>(CTL_JOB_FREE, load<u32>(job, JOB_NEXT));
  enqueue(q, job);
  beginWalk(job, q, head);
  store<u8>(job, JOB_WALK, JOB_STATE);
  store<u64>(job, load<u64>(CTL_NOW), JOB_STARTED);
  if (isTracing(TRACE_MASK_STATE)) traceJob(job, JOB_WALK);
  if ((kindOf(q) & KIND_COMMANDS) != 0) memory.copy(job + JOB_QUEUE_TIMES, q + Q_KICK_ISSUED, QUEUE_TIMES_BYTES);
  return job;
}

/** Takes a job for a frame that waits for buffers of a receive queue; 0 if none is free. */
export function startReceiveJob(q: usize): usize {
  const job: usize = load<u32>(CTL_RX_JOB_FREE);
  if (job == 0) return 0;
  if (DEBUG) assert(load<u8>(job, JOB_STATE) == <u8>JOB_FREE);
  store<u32>(CTL_RX_JOB_FREE, load<u32>(job, JOB_NEXT));
  enqueue(q, job);
  store<u8>(job, 0, JOB_HELD);
  return job;
}

export function hasReceiveJob(): bool {
  return load<u32>(CTL_RX_JOB_FREE) != 0;
}

function enqueue(q: usize, job: usize): void {
  store<u32>(job, load<u32>(q, Q_CONTEXT + DMA_FN), JOB_CONTEXT + DMA_FN);
  store<u32>(job, EV_JOB_DONE, JOB_CONTEXT + DMA_DONE_EVENT);
  store<u32>(job, 0, DMA_UP_TLPS);
  store<u32>(job, 0, DMA_UP_BYTES);
  store<u32>(job, 0, DMA_DOWN_TLPS);
  store<u32>(job, 0, DMA_DOWN_BYTES);
  store<u32>(job, 0, DMA_LIFE);
  store<u32>(job, <u32>q, JOB_QUEUE);
  store<u32>(job, 0, JOB_NEXT);
  store<u8>(job, 0, JOB_STATUS);
  store<u8>(job, 0, JOB_BUSY);
  store<u32>(job, 0, JOB_HEADS);
  store<u32>(job, 0, JOB_RESULT);
  store<u32>(job, 0, JOB_LENGTH);
  store<u32>(job, 0, JOB_READABLE);
  store<u32>(job, 0, JOB_WRITABLE);
  store<u32>(job, 0, JOB_READ_BYTES);
  store<u32>(job, 0, JOB_WRITE_BYTES);
  const tail: usize = load<u32>(q, Q_FIFO_TAIL);
  if (tail == 0) store<u32>(q, <u32>job, Q_FIFO_HEAD);
  else store<u32>(tail, <u32>job, JOB_NEXT);
  store<u32>(q, <u32>job, Q_FIFO_TAIL);
  store<u32>(q, load<u32>(q, Q_JOBS) + 1, Q_JOBS);
  if (isTracing(TRACE_MASK_STATE)) traceQueue(q, TRACE_QUEUE_JOBS, load<u32>(q, Q_JOBS));
}

/** Points the walk of a job at the chain `head`; segments collected so far stay. */
export function beginWalk(job: usize, q: usize, head: u32): void {
  const size = <u32>load<u16>(q, Q_SIZE);
  countFn(load<u32>(job, JOB_CONTEXT + DMA_FN), FC_CHAINS);
  store<u16>(job, <u16>head, JOB_HEAD);
  store<u8>(job, 0, JOB_INDIRECT);
  store<u64>(job, load<u64>(q, Q_DESC), JOB_TABLE);
  store<u32>(job, size, JOB_TABLE_SIZE);
  store<u32>(job, head, JOB_DESC);
  store<u32>(job, NONE, JOB_BLOCK);
  store<u32>(job, size, JOB_BUDGET);
}

/** Takes the oldest job off its queue and gives it back; wakes a queue that waits for one. */
export function finishJob(job: usize): void {
  const q: usize = load<u32>(job, JOB_QUEUE);
  if (DEBUG) assert(load<u32>(q, Q_FIFO_HEAD) == <u32>job && load<u32>(q, Q_JOBS) != 0); // only the oldest retires
  const next = load<u32>(job, JOB_NEXT);
  store<u32>(q, next, Q_FIFO_HEAD);
  if (next == 0) store<u32>(q, 0, Q_FIFO_TAIL);
  store<u32>(q, load<u32>(q, Q_JOBS) - 1, Q_JOBS);
  if (isTracing(TRACE_MASK_STATE)) traceQueue(q, TRACE_QUEUE_JOBS, load<u32>(q, Q_JOBS));
  release(job);
}

function release(job: usize): void {
  if (DEBUG) assert(load<u8>(job, JOB_STATE) != <u8>JOB_FREE); // it is given back once
  cancelRead(job);
  if (isTracing(TRACE_MASK_STATE)) traceJob(job, JOB_FREE);
  store<u8>(job, JOB_FREE, JOB_STATE);
  const pool: usize = job < <usize>RX_JOBS ? CTL_JOB_FREE : CTL_RX_JOB_FREE;
  store<u32>(job, load<u32>(pool), JOB_NEXT);
  store<u32>(pool, <u32>job);
  if (load<u32>(CTL_WAIT_HEAD) != 0 && pool == CTL_JOB_FREE) wakeWaiting();
}

/** Gives back all jobs of a queue, whatever they wait for; late completions find another generation. */
export function abandonJobs(q: usize): void {
  let job: usize = load<u32>(q, Q_FIFO_HEAD);
  while (job != 0) {
    const next: usize = load<u32>(job, JOB_NEXT);
    release(job);
    job = next;
  }
  store<u32>(q, 0, Q_FIFO_HEAD);
  store<u32>(q, 0, Q_FIFO_TAIL);
  store<u32>(q, 0, Q_JOBS);
  if (isTracing(TRACE_MASK_STATE)) traceQueue(q, TRACE_QUEUE_JOBS, 0);
}

/** Remembers that a queue found no free job. */
export function waitForJob(q: usize): void {
  if (load<u8>(q, Q_WAITING) != 0) return;
  store<u8>(q, 1, Q_WAITING);
  store<u32>(q, 0, Q_NEXT_WAITING);
  const tail: usize = load<u32>(CTL_WAIT_TAIL);
  if (tail == 0) store<u32>(CTL_WAIT_HEAD, <u32>q);
  else store<u32>(tail, <u32>q, Q_NEXT_WAITING);
  store<u32>(CTL_WAIT_TAIL, <u32>q);
}

function wakeWaiting(): void {
  const q: usize = load<u32>(CTL_WAIT_HEAD);
  const next = load<u32>(q, Q_NEXT_WAITING);
  store<u32>(CTL_WAIT_HEAD, next);
  if (next == 0) store<u32>(CTL_WAIT_TAIL, 0);
  store<u8>(q, 0, Q_WAITING);
  scheduleVisit(q, 0);
}

/** Cycles until something asks again for room that others have to make. */
export const RETRY_CYCLES = 64;

/** Tries the job's step again later; behind the visits of the cycle, so that those who make room come first. */
export function retryJob(job: usize): void {
  store<u8>(job, 1, JOB_BUSY);
  schedule(retryDelay(RETRY_CYCLES), EV_JOB_STEP, PRIO_LATE, <u32>job, load<u32>(job, DMA_GENERATION));
}

/**
 * Continues the job when a unit of `engine` has worked on it for `cycles`, and `after` cycles more; returns how long it
 * waits for the unit.
 */
export function occupyJob(job: usize, engine: i32, countParam: i32, cycles: u32, after: u32): u32 {
  const start = occupyEngine(engine, countParam, cycles);
  store<u8>(job, 1, JOB_BUSY);
  scheduleAt(start + cycles + after, EV_JOB_STEP, PRIO_NORMAL, <u32>job, load<u32>(job, DMA_GENERATION));
  return <u32>(start - load<u64>(CTL_NOW));
}

/** Continues the job after `cycles`. */
export function delayJob(job: usize, cycles: u64): void {
  store<u8>(job, 1, JOB_BUSY);
  schedule(cycles, EV_JOB_STEP, PRIO_NORMAL, <u32>job, load<u32>(job, DMA_GENERATION));
}
