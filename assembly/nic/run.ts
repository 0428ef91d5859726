// SPDX-License-Identifier: Apache-2.0
// Time goes on: the event loop, and host requests as transactions on the link. A posted write travels and arrives; a
// read or a configuration access keeps its caller until the completion is back, while the rest of the card works on.
import * as CTL from '../abi/control.ts';
import * as EV from '../abi/event_code.ts';
import * as INBOUND from '../abi/inbound.ts';
import { CREDIT_DOWN_NP, CREDIT_DOWN_P, INBOUND_RING, INBOUND_SLOTS } from '../abi/state_map.ts';
import * as P from '../abi/timing_param.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { deliverWrites, lastWriteEffect, lastWriteOf, nextWriteEffect } from '../host/write_queue.ts';
import { isOutside } from '../host/side.ts';
import { functionAt, param } from '../mem/arena.ts';
import { completionReady, receiveRequest, sendCompletion } from '../pcie/completer.ts';
import { readAnswered } from '../pcie/completions.ts';
import { lastArrivalUp } from '../pcie/link.ts';
import { lastReadOf } from '../pcie/tags.ts';
import { hasOutput, hasOutputRoom } from '../sim/output.ts';
import { moveTo, NEVER, nextEventTime, scheduleAt, takeEvent } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { hasTraceRoom, isTracing } from '../sim/trace.ts';
import { requestBytes } from '../pcie/tlp.ts';
import { traceRegister, TRACE_SPACE_CONFIG } from '../virtio/state_trace.ts';
import { receiveFrame } from '../net/wire.ts';
import { dispatch, readDone } from './dispatch.ts';
import { createOnDemand, forgetOnDemand, leave } from './lifecycle.ts';
import {
  barAddress,
  readConfigRegister,
  readMemoryRegister,
  writeConfigRegister,
  writeMemoryRegister,
} from './router.ts';

const DWORD = 4;

/** As the time to run to: as long as there is something to do; then the clock stays where the last of it happened. */
export const FOREVER: u64 = NEVER - 1;

/**
 * Runs events up to and including cycle `until`. With `stopOnOutput` it returns after the event that made output; in
 * any case when the host has to take output before more fits.
 */
export function advanceTo(until: u64, stopOnOutput: bool): i32 {
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

/** Runs events up to `until` whatever output comes; for the short time that a host request is under way. */
function runThrough(until: u64): void {
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
function runNow(): void {
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
  deliverWrites();
}

/** Completion of a host's request: waits for credits if it must, and keeps the caller until it is back. */
function answer(f: usize, address: u64, size: u32, value: u32): void {
  // what runs until then may take them
  for (let ready = completionReady(); ready > load<u64>(CTL.NOW); ready = completionReady()) runThrough(ready);
  runThrough(sendCompletion(f, address, size, value));
  deliverWrites();
}

export function hostRead(fn: u32, bar: u32, offset: u32, size: u32): u32 {
  const f = functionAt(fn);
  if (isFunctional()) return readMemoryRegister(f, bar, offset, size);
  const address = barAddress(f, bar) + offset;
  const bytes = requestBytes(address);
  const decoded = receiveRequest(CREDIT_DOWN_NP, bytes, TRACE.TLP_MRD | TRACE.TLP_DOWN, f, address, size, 0, 0);
  runThrough(decoded + param(P.REGISTER));
  const value = readMemoryRegister(f, bar, offset, size);
  if (isTracing(TRACE.MASK_STATE)) traceRegister(f, bar, offset, size, value, false);
  answer(f, address, size, value);
  return value;
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

/** The bytes that an access of `size` bytes carries. */
function carried(value: u32, size: u32): u32 {
  return value & (0xffffffff >> (32 - (size << 3)));
}

export function hostWrite(fn: u32, bar: u32, offset: u32, size: u32, value: u32): void {
  value = carried(value, size);
  const now = load<u64>(CTL.NOW);
  const f = functionAt(fn);
  if (isFunctional()) {
    if (isTracing(TRACE.MASK_STATE)) traceRegister(f, bar, offset, size, value, true);
    writeMemoryRegister(f, bar, offset, size, value, now);
    runNow();
    return;
  }
  const head = load<u32>(CTL.INBOUND_HEAD);
  while (head - load<u32>(CTL.INBOUND_TAIL) == INBOUND_SLOTS) runThrough(nextEventTime()); // no room on the way: the host waits
  const slot = head & (INBOUND_SLOTS - 1);
  const at: usize = INBOUND_RING + slot * INBOUND.SLOT_BYTES;
  store<u64>(at, now, INBOUND.ISSUED);
  store<u32>(at, fn, INBOUND.FUNCTION);
  store<u32>(at, bar, INBOUND.BAR);
  store<u32>(at, offset, INBOUND.OFFSET);
  store<u32>(at, size, INBOUND.SIZE);
  store<u32>(at, value, INBOUND.VALUE);
  store<u32>(CTL.INBOUND_HEAD, head + 1);
  const address = barAddress(f, bar) + offset;
  const bytes = requestBytes(address) + DWORD;
  const decoded = receiveRequest(CREDIT_DOWN_P, bytes, TRACE.TLP_MWR | TRACE.TLP_DOWN, f, address, size, value, 1);
  scheduleAt(decoded, EV.INBOUND, EV.PRIO_POSTED, slot, 0);
}

export function hostConfigRead(fn: u32, offset: u32, size: u32): u32 {
  const f = functionAt(fn);
  if (isFunctional()) return readConfigRegister(f, offset, size);
  const bytes = param(P.TLP_3DW);
  const decoded = receiveRequest(CREDIT_DOWN_NP, bytes, TRACE.TLP_CFGRD | TRACE.TLP_DOWN, f, offset, size, 0, 0);
  runThrough(decoded + param(P.CONFIG_ACCESS));
  const value = readConfigRegister(f, offset, size);
  if (isTracing(TRACE.MASK_STATE)) traceRegister(f, TRACE_SPACE_CONFIG, offset, size, value, false);
  answer(f, offset, size, value);
  return value;
}

export function hostConfigWrite(fn: u32, offset: u32, size: u32, value: u32): void {
  value = carried(value, size);
  const f = functionAt(fn);
  const now = load<u64>(CTL.NOW);
  if (isFunctional()) {
    if (isTracing(TRACE.MASK_STATE)) traceRegister(f, TRACE_SPACE_CONFIG, offset, size, value, true);
    writeConfigRegister(f, offset, size, value, now);
    runNow();
    return;
  }
  const bytes = param(P.TLP_3DW) + DWORD;
  const decoded = receiveRequest(CREDIT_DOWN_NP, bytes, TRACE.TLP_CFGWR | TRACE.TLP_DOWN, f, offset, size, value, 1);
  runThrough(decoded + param(P.CONFIG_ACCESS));
  if (isTracing(TRACE.MASK_STATE)) traceRegister(f, TRACE_SPACE_CONFIG, offset, size, value, true);
  writeConfigRegister(f, offset, size, value, now);
  answer(f, offset, 0, 0);
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
    deliverWrites();
  }
  forgetOnDemand(f);
}

/** See receiveFrame(). */
export function wireReceive(bytes: u32): bool {
  if (!receiveFrame(bytes)) return false;
  if (isFunctional() && load<u32>(CTL.WIRE_IN_BYTES) != 0) runNow();
  return true;
}
