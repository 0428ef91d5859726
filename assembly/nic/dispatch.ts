// SPDX-License-Identifier: Apache-2.0
// The one switch over event codes, and the service of queues: fetch side (take heads, walk, gather) and execution side
// (the oldest job of the queue, in order). Engines are step functions; a step that has to wait has scheduled its event.
import { INBOUND, WIRE_INPUT } from '../abi/state_map.ts';
import { CTL_EVENTS_RUN, CTL_INBOUND_TAIL, CTL_NOW, CTL_WIRE_IN_BYTES, CTL_WIRE_IN_PROGRESS } from '../abi/control.ts';
import {
  Q_AVAIL_IDX,
  Q_CONTEXT,
  Q_FIFO_HEAD,
  Q_JOBS,
  Q_KICKED,
  Q_KIND,
  Q_NOTIFY_CONTEXT,
  Q_SCHEDULED,
} from '../abi/queue.ts';
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
import {
  DMA_BYTES,
  DMA_DONE_EVENT,
  DMA_FAULT,
  DMA_FN,
  DMA_GENERATION,
  DMA_SEGMENTS,
  DMA_SEGMENT_COUNT,
  DMA_TARGET,
} from '../abi/dma_context.ts';
import { INBOUND_SLOT_BYTES } from '../abi/port.ts';
import { TRACE_MASK_STATE } from '../abi/trace_kind.ts';
import {
  JOB_EXECUTE,
  JOB_GATHER,
  JOB_READY,
  JOB_WALK,
  QUEUE_ADMIN,
  QUEUE_RX,
  QUEUE_TX,
  QUEUE_UNUSED,
} from '../abi/state_value.ts';
import {
  EV_DMA_COPIED,
  EV_DMA_DONE,
  EV_DMA_HOST,
  EV_DMA_READY,
  EV_DMA_TIMEOUT,
  EV_DMA_WAKE,
  EV_FE_DONE,
  EV_GENERATOR,
  EV_GENERATOR_DONE,
  EV_INBOUND,
  EV_INTX,
  EV_JOB_DONE,
  EV_JOB_STEP,
  EV_MSI,
  EV_NOTIFY_DONE,
  EV_PICK,
  EV_QUEUE,
  EV_WIRE_RX,
  EV_WIRE_TX,
  OUT_INTX,
  PRIO_LATE,
} from '../abi/event_code.ts';
import { FC_BAD_DMA, FC_RX_DROP_DISABLED } from '../abi/counter.ts';
import { P_DESCRIPTOR, P_QUEUE_JOBS } from '../abi/timing_param.ts';
import { stepAdmin } from '../admin/engine.ts';
import { beginLife, watchData } from '../admin/life.ts';
import { countFn, functionAt, param } from '../mem/arena.ts';
import { stepControl } from '../net/control.ts';
import { rateWait } from '../net/rate.ts';
import { parse } from '../net/packet.ts';
import { resumeHeld, stepReceive } from '../net/rx.ts';
import { FORWARD_DONE, frameSent, forward, PORT_WIRE } from '../net/switch.ts';
import { stepTransmit, transmitDirect } from '../net/tx.ts';
import { completeRead, expireRead, readCopied, serveRead } from '../pcie/completions.ts';
import { stepGenerator } from '../pcie/generator.ts';
import { arriveMsi, deliverPosted } from '../pcie/posted.ts';
import { startRead } from '../pcie/requester.ts';
import { readReady, wakeReads } from '../pcie/requests.ts';
import { emit, hasOutputRoom } from '../sim/output.ts';
import { eventA0, eventA1, eventCode, schedule } from '../sim/scheduler.ts';
import { isFunctional, retryDelay } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { walk, WALK_DONE, WALK_PENDING } from '../virtio/chain.ts';
import { hasHeld, releaseAll } from '../virtio/hold.ts';
import { abandonJobs, finishJob, startJob, waitForJob } from '../virtio/job.ts';
import { finishFetch, isRunnable, returnHeads, takeHead } from '../virtio/queue.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { traceJob, traceRegister } from '../virtio/state_trace.ts';
import { makeReady, pickQueue, scheduleVisit } from '../virtio/visit.ts';
import { finishSignal, flushUsed } from '../virtio/used.ts';
import { writeMemoryRegister } from './router.ts';

/** Chains that one visit retires before other queues get their turn. */
const VISIT_BUDGET = 64;
/** Cycles until a frame from the wire is offered again to a card without a free receive job. */
const WIRE_RETRY_CYCLES = 64;

/** Runs one event that was taken off the wheel. */
export function dispatch(node: usize): void {
  const code = eventCode(node);
  const a0 = eventA0(node);
  const a1 = eventA1(node);
  store<u64>(CTL_EVENTS_RUN, load<u64>(CTL_EVENTS_RUN) + 1);
  switch (code) {
    case EV_INBOUND:
      arriveWrite(a0);
      return;
    case EV_DMA_READY:
      readReady(a0, a1);
      return;
    case EV_DMA_HOST:
      serveRead(a0);
      return;
    case EV_DMA_DONE:
      readDone(completeRead(a0));
      return;
    case EV_DMA_COPIED:
      readDone(readCopied(a0, a1));
      return;
    case EV_DMA_TIMEOUT:
      readDone(expireRead(a0, a1));
      return;
    case EV_DMA_WAKE:
      wakeReads();
      return;
    case EV_JOB_STEP:
      if (load<u32>(a0, DMA_GENERATION) != a1) return;
      store<u8>(a0, 0, JOB_BUSY);
      serviceQueue(load<u32>(a0, JOB_QUEUE));
      return;
    case EV_QUEUE:
      if (isFunctional()) visit(a0);
      else makeReady(a0);
      return;
    case EV_PICK:
      visit(pickQueue());
      return;
    case EV_GENERATOR:
      stepGenerator(a0);
      return;
    case EV_MSI:
      arriveMsi(a0 >> 16, a0 & 0xffff, a1);
      return;
    case EV_INTX:
      deliverPosted();
      emit(OUT_INTX, a0, a1, 0, 0, 0);
      return;
    case EV_WIRE_TX:
      frameSent(a0, a1);
      return;
    case EV_WIRE_RX:
      arriveFrame();
      return;
    default:
      unreachable();
  }
}

/** All of a read is there, or has failed: its owner goes on. 0: there is nobody to wake. */
export function readDone(context: usize): void {
  if (context == 0) return;
  switch (load<u32>(context, DMA_DONE_EVENT)) {
    case EV_FE_DONE: {
      const q: usize = context - Q_CONTEXT;
      finishFetch(q);
      serviceQueue(q);
      return;
    }
    case EV_JOB_DONE:
      store<u8>(context, 0, JOB_BUSY);
      continueJob(context);
      serviceQueue(load<u32>(context, JOB_QUEUE));
      return;
    case EV_NOTIFY_DONE:
      finishSignal(context - Q_NOTIFY_CONTEXT);
      return;
    case EV_GENERATOR_DONE:
      stepGenerator(context);
      return;
    default:
      unreachable();
  }
}

/** The visit that a queue asked for. */
function visit(q: usize): void {
  store<u8>(q, 0, Q_SCHEDULED);
  serviceQueue(q);
}

/** A posted host write reaches its register. */
function arriveWrite(slot: u32): void {
  const at: usize = INBOUND + slot * INBOUND_SLOT_BYTES;
  store<u32>(CTL_INBOUND_TAIL, load<u32>(CTL_INBOUND_TAIL) + 1);
  const f = functionAt(load<u32>(at, 8));
  if (isTracing(TRACE_MASK_STATE)) {
    traceRegister(f, load<u32>(at, 12), load<u32>(at, 16), load<u32>(at, 20), load<u32>(at, 24), true);
  }
  writeMemoryRegister(f, load<u32>(at, 12), load<u32>(at, 16), load<u32>(at, 20), load<u32>(at, 24), load<u64>(at));
}

/** The frame in WIRE_INPUT goes through the switch; comes back until it is through. */
function arriveFrame(): void {
  const bytes = load<u32>(CTL_WIRE_IN_BYTES);
  const progress = forward(PORT_WIRE, parse(WIRE_INPUT, bytes), load<u32>(CTL_WIRE_IN_PROGRESS));
  store<u32>(CTL_WIRE_IN_PROGRESS, progress);
  if (progress == FORWARD_DONE) store<u32>(CTL_WIRE_IN_BYTES, 0);
  else schedule(retryDelay(WIRE_RETRY_CYCLES), EV_WIRE_RX, PRIO_LATE, 0, 0);
}

/** Does everything that a queue can do now; what it used is shown to the driver at the end, with one index. */
function serviceQueue(q: usize): void {
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
  if (load<u8>(q, Q_KIND) == QUEUE_RX) {
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
  const kind = load<u8>(q, Q_KIND);
  if (kind == QUEUE_UNUSED) return;
  const isDirect = kind == QUEUE_TX && isFunctional();
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
    if (kind == QUEUE_RX) {
      if (!resumeHeld(q)) return;
      continue;
    }
    if (load<u32>(q, Q_JOBS) >= param(P_QUEUE_JOBS)) return;
    if (kind == QUEUE_TX && !isDirect) {
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
    if (kind == QUEUE_ADMIN) beginLife(job);
    continueJob(job);
    if (!isRunnable(q)) return;
  }
}

/** A receive job does all its steps as the oldest; other jobs come to execution with their data fetched. */
function isReady(job: usize, kind: u8): bool {
  return kind == QUEUE_RX || load<u8>(job, JOB_STATE) >= <u8>JOB_READY;
}

/** Takes the oldest job one step further; true when it is used. */
function stepOldest(job: usize, kind: u8): bool {
  if (kind == QUEUE_RX) return stepReceive(job);
  if (isTracing(TRACE_MASK_STATE) && load<u8>(job, JOB_STATE) != <u8>JOB_EXECUTE) traceJob(job, JOB_EXECUTE);
  store<u8>(job, JOB_EXECUTE, JOB_STATE);
  if (kind == QUEUE_TX) return stepTransmit(job);
  return kind == QUEUE_ADMIN ? stepAdmin(job) : stepControl(job);
}

/** Fetch side of a transmit, control or admin job: chain, then data. */
function continueJob(job: usize): void {
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
