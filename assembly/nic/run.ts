// SPDX-License-Identifier: Apache-2.0
// Time goes on: the event loop, and what the host does that lets time pass, or that time waits for.
import * as CTL from '../abi/control.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { showWrites } from '../host/root_complex.ts';
import { deliverWrites, lastWriteEffect, lastWriteOf, nextWriteEffect } from '../host/write_queue.ts';
import { isOutside } from '../host/side.ts';
import { functionAt, param } from '../mem/arena.ts';
import { readAnswered } from '../pcie/completions.ts';
import { lastArrivalUp } from '../pcie/link.ts';
import { giveUpOwed, nextDeadline } from '../pcie/owed_reads.ts';
import { lastReadOf } from '../pcie/tags.ts';
import { hasByteRoom, hasOutput, hasOutputRoom } from '../sim/output.ts';
import { moveTo, NEVER, nextEventTime, takeEvent } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { hasTraceRoom } from '../sim/trace.ts';
import { receiveFrame } from '../net/wire.ts';
import { dispatch, dispatchOutside, readDone } from './dispatch.ts';
import { createOnDemand, forgetOnDemand, leave } from './lifecycle.ts';

/** As the time to run to: as long as there is something to do; then the clock stays where the last of it happened. */
export const FOREVER: u64 = NEVER - 1;

/**
 * Runs events up to and including cycle `until`. With `stopOnOutput` it returns after the event that made output; in
 * any case when the host has to take output before more fits.
 */
export function advanceTo(until: u64, stopOnOutput: bool): i32 {
  if (isOutside()) return advanceOutside(until, stopOnOutput);
  let time = nextEventTime();
  while (time <= until) {
    if (!hasOutputRoom() || !hasTraceRoom()) {
      deliverWrites();
      return EV.RUN_EVENT;
    }
    moveTo(time);
    dispatch(takeEvent());
    if (stopOnOutput && hasOutput()) {
      deliverWrites();
      return EV.RUN_EVENT;
    }
    time = nextEventTime();
  }
  moveTo(until == FOREVER ? lastWriteEffect() : until);
  deliverWrites();
  return time == NEVER && nextWriteEffect() == NEVER ? EV.RUN_IDLE : EV.RUN_REACHED;
}

/**
 * The same where memory is outside: what it owes has deadlines beside the events, bytes of writes may have to be taken before
 * there is room for more, and nothing waits inside the card for somebody to look.
 */
function advanceOutside(until: u64, stopOnOutput: bool): i32 {
  while (nextTimeOutside() <= until) {
    if (!hasOutputRoom() || !hasByteRoom() || !hasTraceRoom()) return EV.RUN_EVENT;
    stepOutside();
    if (stopOnOutput && hasOutput()) return EV.RUN_EVENT;
  }
  if (until != FOREVER) moveTo(until);
  return nextTimeOutside() == NEVER ? EV.RUN_IDLE : EV.RUN_REACHED;
}

function nextTimeOutside(): u64 {
  return min(nextEventTime(), nextDeadline());
}

function stepOutside(): void {
  moveTo(nextTimeOutside());
  if (nextDeadline() == load<u64>(CTL.NOW)) giveUpOwed();
  const node = takeEvent();
  if (node != 0) dispatchOutside(node);
}

/** Runs events up to `until` whatever output comes; for the short time that a host request is under way. */
export function runThrough(until: u64): void {
  while (isOutside() && nextTimeOutside() <= until) stepOutside();
  while (true) {
    const time = nextEventTime();
    if (time > until) break;
    moveTo(time);
    const node = takeEvent();
    if (node != 0) dispatch(node);
  }
  moveTo(until);
}

/** Functional mode: everything that is due now is done before the caller goes on, as far as the output ring takes it. */
export function runNow(): void {
  const time = load<u64>(CTL.NOW);
  while (nextEventTime() == time && hasOutputRoom()) dispatch(takeEvent());
}

/**
 * The wait of the host at the end of an invalidation: time goes on until all that function `f`, or with `f` 0 the functions
 * bound to `ioas`, have sent by now is in effect. What they send meanwhile may come before the end of it or not.
 */
export function settleRequests(f: usize, ioas: u32): void {
  if (isFunctional()) return;
  const end = max(lastWriteOf(f, ioas), lastReadOf(f, ioas));
  if (end > load<u64>(CTL.NOW)) runThrough(end);
  showWrites();
}

/** Memory that was asked before answers a piece of a read; functional mode does at once what becomes possible by it. */
export function hostAnswer(reader: usize, number: u32, iova: u64, isGood: bool): void {
  readDone(readAnswered(reader, number, iova, isGood));
  if (!isFunctional()) return;
  runNow();
  const next = load<u64>(CTL.NOW) + 1; // see retryDelay()
  if (nextEventTime() != next) return;
  moveTo(next);
  runNow();
}

export function hostCreateFunction(fn: u32, pasid: u32): void {
  createOnDemand(functionAt(fn), pasid);
}

/**
 * Destroys a function on demand: writes of the host that are on their way reach it, it stops, and what it has put on the
 * link arrives, its messages included, before the host goes on.
 */
export function hostDestroyFunction(fn: u32): void {
  const f = functionAt(fn);
  while (load<u32>(CTL.INBOUND_HEAD) != load<u32>(CTL.INBOUND_TAIL)) runThrough(nextEventTime());
  leave(f);
  if (!isFunctional()) {
    const quiet = isOutside() ? lastArrivalUp() : load<u64>(CTL.POSTED_LAST) + param(P.HOST_INTERRUPT);
    if (quiet > load<u64>(CTL.NOW)) runThrough(quiet);
    showWrites();
  }
  forgetOnDemand(f);
}

/** See receiveFrame(). */
export function wireReceive(bytes: u32): bool {
  if (!receiveFrame(bytes)) return false;
  if (isFunctional() && load<u32>(CTL.WIRE_IN_BYTES) != 0) runNow();
  return true;
}
