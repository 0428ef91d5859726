// SPDX-License-Identifier: Apache-2.0
// How a job waits: for a unit of an engine, for some cycles, or for room that others have to make. EV.JOB_STEP goes on.
import * as CTL from '../abi/control.ts';
import * as DMA from '../abi/dma_context.ts';
import * as EV from '../abi/event_code.ts';
import * as JOB from '../abi/job.ts';
import { occupyEngine } from '../sim/engine.ts';
import { schedule, scheduleAt } from '../sim/scheduler.ts';
import { retryDelay } from '../sim/time.ts';

/** Cycles until something asks again for room that others have to make. */
export const RETRY_CYCLES = 64;

/** Tries the job's step again later; behind the visits of the cycle, so that those who make room come first. */
export function retryJob(job: usize): void {
  store<u8>(job, 1, JOB.BUSY);
  schedule(retryDelay(RETRY_CYCLES), EV.JOB_STEP, EV.PRIO_LATE, <u32>job, load<u32>(job, DMA.GENERATION));
}

/**
 * Continues the job when a unit of `engine` has worked on it for `cycles`, and `after` cycles more; returns how long it
 * waits for the unit.
 */
export function occupyJob(job: usize, engine: i32, countParam: i32, cycles: u32, after: u32): u32 {
  const start = occupyEngine(engine, countParam, cycles);
  store<u8>(job, 1, JOB.BUSY);
  scheduleAt(start + cycles + after, EV.JOB_STEP, EV.PRIO_NORMAL, <u32>job, load<u32>(job, DMA.GENERATION));
  return <u32>(start - load<u64>(CTL.NOW));
}

/** Continues the job after `cycles`. */
export function delayJob(job: usize, cycles: u64): void {
  store<u8>(job, 1, JOB.BUSY);
  schedule(cycles, EV.JOB_STEP, EV.PRIO_NORMAL, <u32>job, load<u32>(job, DMA.GENERATION));
}
