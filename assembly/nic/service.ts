// SPDX-License-Identifier: Apache-2.0
// The service of queues: fetch side (take buffers, walk, gather) and execution side (the oldest job of the queue, in order).
// Engines are step functions; a step that has to wait has scheduled its event.
import * as CTL from '../abi/control.ts';
import { FC_BAD_DMA, FC_RX_DROP_DISABLED } from '../abi/counter.ts';
import * as DMA from '../abi/dma_context.ts';
import * as JOB from '../abi/job.ts';
import * as Q from '../abi/queue.ts';
import {
  JOB_EXECUTE,
  JOB_GATHER,
  JOB_LEND,
  JOB_READY,
  JOB_WALK,
  QUEUE_ADMIN,
  QUEUE_RX,
  QUEUE_TX,
} from '../abi/state_value.ts';
import { GATHERED_MAX } from '../abi/state_map.ts';
import * as P from '../abi/timing_param.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { stepAdmin } from '../admin/engine.ts';
import { beginLife, watchData } from '../admin/life.ts';
import { countFn, param } from '../mem/arena.ts';
import { stepControl } from '../net/control.ts';
import { rateWait } from '../net/rate.ts';
import { resumeHeld, stepReceive } from '../net/rx.ts';
import { stepTransmit, transmitDirect } from '../net/tx.ts';
import { startRead } from '../pcie/requester.ts';
import { hasOutputRoom } from '../sim/output.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { hasHeld, releaseAll } from '../virtio/hold.ts';
import { abandonJobs, finishJob, startJob, waitForJob } from '../virtio/job.ts';
import { isRunnable } from '../virtio/queue.ts';
import { retryJob } from '../virtio/job_delay.ts';
import { lendBuffer } from '../virtio/lend.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { traceJob } from '../virtio/state_trace.ts';
import { scheduleVisit } from '../virtio/visit.ts';
import { WALK_DONE, WALK_PENDING } from '../virtio/ring/contract.ts';
import { nextPosition, putBack, take, walk } from '../virtio/ring/ring.ts';
import { flushUsed } from '../virtio/signal.ts';
import { KIND_COMMANDS, KIND_DIRECT, KIND_IDLE, KIND_PACED, KIND_RECEIVES, kindOf } from '../virtio/queue_kind.ts';

/** Chains that one visit retires before other queues get their turn. */
const VISIT_BUDGET = 64;

/** The visit that a queue asked for. */
export function visit(q: usize): void {
  store<u8>(q, 0, Q.SCHEDULED);
  serviceQueue(q);
}

/** Does everything that a queue can do now; what it used is shown to the driver at the end, with one index. */
export function serviceQueue(q: usize): void {
  if (!isRunnable(q)) {
    if (load<u32>(q, Q.JOBS) != 0 || hasHeld(q)) giveBack(q);
    return;
  }
  workOn(q);
  flushUsed(q, q + Q.CONTEXT);
}

/**
 * A queue that may not work (bus mastering off, device stopped) keeps no jobs from others: frames for it are dropped,
 * chains that were fetched become available again.
 */
function giveBack(q: usize): void {
  const oldest: usize = load<u32>(q, Q.FIFO_HEAD);
  if ((kindOf(q) & KIND_RECEIVES) != 0) {
    let frames = load<u32>(q, Q.JOBS) + releaseAll(q);
    if (oldest != 0) {
      if (load<u32>(oldest, JOB.BUFFERS) != 0) putBack(q, load<u16>(oldest, JOB.POSITION));
      if (load<u8>(oldest, JOB.HELD) != 0) frames--; // it is one of those that were held
    }
    countFn(load<u32>(q, Q.CONTEXT + DMA.FN), FC_RX_DROP_DISABLED, frames);
  } else {
    putBack(q, load<u16>(oldest, JOB.POSITION));
    store<u8>(q, 1, Q.KICKED);
  }
  abandonJobs(q);
}

/** Executes the oldest jobs of a queue and takes new buffers, until it has to wait. */
function workOn(q: usize): void {
  const kind = kindOf(q);
  if ((kind & KIND_IDLE) != 0) return;
  const isDirect = (kind & KIND_DIRECT) != 0 && isFunctional();
  let budget = VISIT_BUDGET;
  while (true) {
    const oldest: usize = load<u32>(q, Q.FIFO_HEAD);
    if (oldest != 0 && load<u8>(oldest, JOB.BUSY) == 0 && isReady(oldest, kind)) {
      if (!hasOutputRoom()) return scheduleVisit(q, 0);
      if (stepOldest(oldest, kind)) {
        finishJob(oldest);
        if (--budget == 0) return scheduleVisit(q, 0);
        continue;
      }
      if (!isRunnable(q)) return; // the step broke the queue
    }
    if ((kind & KIND_RECEIVES) != 0) {
      if (!resumeHeld(q)) return;
      continue;
    }
    if (load<u32>(q, Q.JOBS) >= param(P.QUEUE_JOBS)) return;
    if ((kind & KIND_PACED) != 0 && !isDirect) {
      const wait = rateWait(load<u32>(q, Q.CONTEXT + DMA.FN));
      if (wait != 0) return scheduleVisit(q, wait);
    }
    const before = nextPosition(q);
    const id = take(q, false);
    if (id < 0) return;
    if (isDirect && load<u32>(q, Q.JOBS) == 0 && transmitDirect(q, load<u32>(q, Q.CONTEXT + DMA.FN), <u32>id)) {
      if (--budget == 0 || !hasOutputRoom()) return scheduleVisit(q, 0);
      continue;
    }
    const job = startJob(q, <u32>id, before);
    if (job == 0) {
      putBack(q, before);
      return waitForJob(q);
    }
    if ((kind & KIND_COMMANDS) != 0) beginLife(job);
    continueJob(job);
    if (!isRunnable(q)) return;
  }
}

/** A receive job does all its steps as the oldest; other jobs come to execution with their data fetched. */
function isReady(job: usize, kind: u32): bool {
  const state = load<u8>(job, JOB.STATE);
  return (kind & KIND_RECEIVES) != 0 || state == JOB_READY || state == JOB_EXECUTE;
}

/** Takes the oldest job one step further; true when it is used. */
function stepOldest(job: usize, kind: u32): bool {
  if ((kind & KIND_RECEIVES) == 0) {
    if (isTracing(TRACE.MASK_STATE) && load<u8>(job, JOB.STATE) != <u8>JOB_EXECUTE) traceJob(job, JOB_EXECUTE);
    store<u8>(job, JOB_EXECUTE, JOB.STATE);
  }
  switch (<i32>load<u8>(load<u32>(job, JOB.QUEUE), Q.KIND)) {
    case QUEUE_RX:
      return stepReceive(job);
    case QUEUE_TX:
      return stepTransmit(job);
    case QUEUE_ADMIN:
      return stepAdmin(job);
    default:
      return stepControl(job);
  }
}

/** A job that found no list or no buffer tries again, if its queue may still be served. Most steps are of other jobs. */
export function retryFetch(job: usize): void {
  const state = load<u8>(job, JOB.STATE);
  if ((state == JOB_WALK || state == JOB_LEND) && isRunnable(load<u32>(job, JOB.QUEUE))) continueJob(job);
}

/** Fetch side of a transmit, control or admin job: chain, then data. */
export function continueJob(job: usize): void {
  const state = load<u8>(job, JOB.STATE);
  if (state == JOB_WALK) {
    const walked = walk(job);
    if (walked == WALK_PENDING) return;
    if (walked != WALK_DONE) return breakQueue(load<u32>(job, JOB.QUEUE), walked);
    store<u64>(job, load<u64>(CTL.NOW), JOB.WALKED);
    gather(job);
  } else if (state == JOB_LEND) {
    gather(job);
  } else if (state == JOB_GATHER) {
    finishGather(job);
  }
}

/** Reads all readable segments into a buffer, GATHERED_MAX bytes at most; a job that finds no buffer comes back. */
function gather(job: usize): void {
  const bytes = min<u32>(load<u32>(job, JOB.READ_BYTES), GATHERED_MAX);
  if (!lendBuffer(job, bytes)) {
    if (isTracing(TRACE.MASK_STATE) && load<u8>(job, JOB.STATE) != <u8>JOB_LEND) traceJob(job, JOB_LEND);
    store<u8>(job, JOB_LEND, JOB.STATE);
    return retryJob(job);
  }
  store<u8>(job, JOB_GATHER, JOB.STATE);
  if (isTracing(TRACE.MASK_STATE)) traceJob(job, JOB_GATHER);
  store<u32>(job, bytes, JOB.LENGTH);
  store<u32>(job, bytes, DMA.BYTES);
  store<u32>(job, load<u32>(job, JOB.LIST), DMA.SEGMENTS);
  store<u32>(job, load<u32>(job, JOB.READABLE), DMA.SEGMENT_COUNT);
  store<u32>(job, load<u32>(job, JOB.BUFFER), DMA.TARGET);
  store<u32>(job, 0, DMA.FAULT);
  watchData(job);
  // the descriptors are decoded before the read is set up
  const descriptors = load<u32>(job, JOB.READABLE) + load<u32>(job, JOB.WRITABLE);
  if (bytes == 0 || startRead(job, descriptors * param(P.DESCRIPTOR))) finishGather(job);
}

function finishGather(job: usize): void {
  if (load<u32>(job, DMA.FAULT) != 0) return breakQueue(load<u32>(job, JOB.QUEUE), FC_BAD_DMA);
  store<u64>(job, load<u64>(CTL.NOW), JOB.GATHERED);
  store<u8>(job, JOB_READY, JOB.STATE);
  if (isTracing(TRACE.MASK_STATE)) traceJob(job, JOB_READY);
}
