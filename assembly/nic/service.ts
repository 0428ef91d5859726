// SPDX-License-Identifier: Apache-2.0
// The service of queues: fetch side (take heads, walk, gather) and execution side (the oldest job of the queue, in order).
// Engines are step functions; a step that has to wait has scheduled its event.
import { CTL_NOW } from '../abi/control.ts';
import { FC_BAD_DMA, FC_RX_DROP_DISABLED } from '../abi/counter.ts';
import { DMA_BYTES, DMA_FAULT, DMA_FN, DMA_SEGMENTS, DMA_SEGMENT_COUNT, DMA_TARGET } from '../abi/dma_context.ts';
import {
  JOB_BUFFER,
  JOB_BUFFER_BYTES,
  JOB_BUSY,
  JOB_FIRST_IDX,
  JOB_GATHERED,
  JOB_HEADS,
  JOB_HELD,
  JOB_LENGTH,
  JOB_QUEUE,
  JOB_READABLE,
  JOB_READ_BYTES,
  JOB_SEGMENTS,
  JOB_STATE,
  JOB_WALKED,
  JOB_WRITABLE,
} from '../abi/job.ts';
import { Q_AVAIL_IDX, Q_CONTEXT, Q_FIFO_HEAD, Q_JOBS, Q_KICKED, Q_KIND, Q_SCHEDULED } from '../abi/queue.ts';
import { JOB_EXECUTE, JOB_GATHER, JOB_READY, JOB_WALK, QUEUE_ADMIN, QUEUE_RX, QUEUE_TX } from '../abi/state_value.ts';
import { P_DESCRIPTOR, P_QUEUE_JOBS } from '../abi/timing_param.ts';
import { TRACE_MASK_STATE } from '../abi/trace_kind.ts';
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
import { walk, WALK_DONE, WALK_PENDING } from '../virtio/chain.ts';
import { hasHeld, releaseAll } from '../virtio/hold.ts';
import { abandonJobs, finishJob, startJob, waitForJob } from '../virtio/job.ts';
import { isRunnable, returnHeads, takeHead } from '../virtio/queue.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { traceJob } from '../virtio/state_trace.ts';
import { scheduleVisit } from '../virtio/visit.ts';
import { flushUsed } from '../virtio/used.ts';
import { KIND_COMMANDS, KIND_DIRECT, KIND_IDLE, KIND_PACED, KIND_RECEIVES, kindOf } from '../virtio/queue_kind.ts';

/** Chains that one visit retires before other queues get their turn. */
const VISIT_BUDGET = 64;

/** The visit that a queue asked for. */
export function visit(q: usize): void {
  store<u8>(q, 0, Q_SCHEDULED);
  serviceQueue(q);
}

/** Does everything that a queue can do now; what it used is shown to the driver at the end, with one index. */
export function serviceQueue(q: usize): void {
  if (!isRunnable(q)) {
    if (load<u32>(q, Q_JOBS) != 0 || hasHeld(q)) giveBack(q);
    return;
  }
  workOn(q);
  flushUsed(q, q + Q_CONTEXT);
}

/**
 * A queue that may not work (bus mastering off, device stopped) keeps no jobs from others: frames for it are dropped,
 * chains that were fetched become available again.
 */
function giveBack(q: usize): void {
  const jobs = load<u32>(q, Q_JOBS);
  if ((kindOf(q) & KIND_RECEIVES) != 0) {
    const oldest: usize = load<u32>(q, Q_FIFO_HEAD);
    let frames = jobs + releaseAll(q);
    if (oldest != 0) {
      if (load<u32>(oldest, JOB_HEADS) != 0) returnHeads(q, load<u16>(oldest, JOB_FIRST_IDX));
      if (load<u8>(oldest, JOB_HELD) != 0) frames--; // it is one of those that were held
    }
    countFn(load<u32>(q, Q_CONTEXT + DMA_FN), FC_RX_DROP_DISABLED, frames);
  } else {
    returnHeads(q, <u16>(load<u16>(q, Q_AVAIL_IDX) - jobs));
    store<u8>(q, 1, Q_KICKED);
  }
  abandonJobs(q);
}

/** Executes the oldest jobs of a queue and takes new heads, until it has to wait. */
function workOn(q: usize): void {
  const kind = kindOf(q);
  if ((kind & KIND_IDLE) != 0) return;
  const isDirect = (kind & KIND_DIRECT) != 0 && isFunctional();
  let budget = VISIT_BUDGET;
  while (true) {
    const oldest: usize = load<u32>(q, Q_FIFO_HEAD);
    if (oldest != 0 && load<u8>(oldest, JOB_BUSY) == 0 && isReady(oldest, kind)) {
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
    if (load<u32>(q, Q_JOBS) >= param(P_QUEUE_JOBS)) return;
    if ((kind & KIND_PACED) != 0 && !isDirect) {
      const wait = rateWait(load<u32>(q, Q_CONTEXT + DMA_FN));
      if (wait != 0) return scheduleVisit(q, wait);
    }
    const head = takeHead(q, false);
    if (head < 0) return;
    if (isDirect && load<u32>(q, Q_JOBS) == 0 && transmitDirect(q, load<u32>(q, Q_CONTEXT + DMA_FN), <u32>head)) {
      if (--budget == 0 || !hasOutputRoom()) return scheduleVisit(q, 0);
      continue;
    }
    const job = startJob(q, <u32>head);
    if (job == 0) {
      returnHeads(q, <u16>(load<u16>(q, Q_AVAIL_IDX) - 1));
      return waitForJob(q);
    }
    if ((kind & KIND_COMMANDS) != 0) beginLife(job);
    continueJob(job);
    if (!isRunnable(q)) return;
  }
}

/** A receive job does all its steps as the oldest; other jobs come to execution with their data fetched. */
function isReady(job: usize, kind: u32): bool {
  return (kind & KIND_RECEIVES) != 0 || load<u8>(job, JOB_STATE) >= <u8>JOB_READY;
}

/** Takes the oldest job one step further; true when it is used. */
function stepOldest(job: usize, kind: u32): bool {
  if ((kind & KIND_RECEIVES) == 0) {
    if (isTracing(TRACE_MASK_STATE) && load<u8>(job, JOB_STATE) != <u8>JOB_EXECUTE) traceJob(job, JOB_EXECUTE);
    store<u8>(job, JOB_EXECUTE, JOB_STATE);
  }
  switch (<i32>load<u8>(load<u32>(job, JOB_QUEUE), Q_KIND)) {
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

/** Fetch side of a transmit, control or admin job: chain, then data. */
export function continueJob(job: usize): void {
  const state = load<u8>(job, JOB_STATE);
  if (state == JOB_WALK) {
    const walked = walk(job);
    if (walked == WALK_PENDING) return;
    if (walked != WALK_DONE) return breakQueue(load<u32>(job, JOB_QUEUE), walked);
    gather(job);
  } else if (state == JOB_GATHER) {
    finishGather(job);
  }
}

/** Reads all readable segments into the job's buffer, as far as it goes; longer ones are cut. */
function gather(job: usize): void {
  const bytes = min<u32>(load<u32>(job, JOB_READ_BYTES), JOB_BUFFER_BYTES - 64);
  store<u64>(job, load<u64>(CTL_NOW), JOB_WALKED);
  store<u8>(job, JOB_GATHER, JOB_STATE);
  if (isTracing(TRACE_MASK_STATE)) traceJob(job, JOB_GATHER);
  store<u32>(job, bytes, JOB_LENGTH);
  store<u32>(job, bytes, DMA_BYTES);
  store<u32>(job, <u32>(job + JOB_SEGMENTS), DMA_SEGMENTS);
  store<u32>(job, load<u32>(job, JOB_READABLE), DMA_SEGMENT_COUNT);
  store<u32>(job, <u32>(job + JOB_BUFFER), DMA_TARGET);
  store<u32>(job, 0, DMA_FAULT);
  watchData(job);
  // the descriptors are decoded before the read is set up
  const descriptors = load<u32>(job, JOB_READABLE) + load<u32>(job, JOB_WRITABLE);
  if (bytes == 0 || startRead(job, descriptors * param(P_DESCRIPTOR))) finishGather(job);
}

function finishGather(job: usize): void {
  if (load<u32>(job, DMA_FAULT) != 0) return breakQueue(load<u32>(job, JOB_QUEUE), FC_BAD_DMA);
  store<u64>(job, load<u64>(CTL_NOW), JOB_GATHERED);
  store<u8>(job, JOB_READY, JOB_STATE);
  if (isTracing(TRACE_MASK_STATE)) traceJob(job, JOB_READY);
}
