// SPDX-License-Identifier: Apache-2.0
// Requests of the host that are answered: memory reads in a BAR and configuration accesses, step by step: on the link, the
// register, the completion. access.ts keeps its caller from step to step; here a request has a tag, its steps are events,
// and the completion is an output. A register is accessed after everything else of its cycle.
import * as CTL from '../abi/control.ts';
import * as EV from '../abi/event_code.ts';
import * as REQUEST from '../abi/request.ts';
import { CREDIT_DOWN_NP, HOST_REQUESTS, HOST_TAGS } from '../abi/state_map.ts';
import { NONE } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { functionAt, param } from '../mem/arena.ts';
import { completionReady, receiveRequest, sendCompletion } from '../pcie/completer.ts';
import { requestBytes } from '../pcie/tlp.ts';
import { emit } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { traceRegister, TRACE_SPACE_CONFIG } from '../virtio/state_trace.ts';
import { barAddress, readConfigRegister, readMemoryRegister, writeConfigRegister } from './router.ts';

const DWORD = 4;

/** The bytes that an access of `size` bytes carries. */
export function carried(value: u32, size: u32): u32 {
  return value & (0xffffffff >> (32 - (size << 3)));
}

// ---- the steps --------------------------------------------------------------------------------------------------------------

/** Bus address of a register, for those of a BAR; the offset of one of configuration space. */
export function addressOf(f: usize, bar: u32, offset: u32): u64 {
  return bar == TRACE_SPACE_CONFIG ? offset : barAddress(f, bar) + offset;
}

/** Puts a read on the link; the cycle in which its register is read. */
export function sendRead(f: usize, bar: u32, address: u64, size: u32): u64 {
  const isConfig = bar == TRACE_SPACE_CONFIG;
  const bytes = isConfig ? param(P.TLP_3DW) : requestBytes(address);
  const kind = (isConfig ? TRACE.TLP_CFGRD : TRACE.TLP_MRD) | TRACE.TLP_DOWN;
  const decoded = receiveRequest(CREDIT_DOWN_NP, bytes, kind, f, address, size, 0, 0);
  return decoded + param(isConfig ? P.CONFIG_ACCESS : P.REGISTER);
}

/** Puts a configuration write on the link; the cycle in which its register is written. */
export function sendConfigWrite(f: usize, offset: u32, size: u32, value: u32): u64 {
  const bytes = param(P.TLP_3DW) + DWORD;
  const kind = TRACE.TLP_CFGWR | TRACE.TLP_DOWN;
  return receiveRequest(CREDIT_DOWN_NP, bytes, kind, f, offset, size, value, 1) + param(P.CONFIG_ACCESS);
}

/** Reads the register. */
export function readRegister(f: usize, bar: u32, offset: u32, size: u32): u32 {
  const isConfig = bar == TRACE_SPACE_CONFIG;
  const value = isConfig ? readConfigRegister(f, offset, size) : readMemoryRegister(f, bar, offset, size);
  if (isTracing(TRACE.MASK_STATE)) traceRegister(f, bar, offset, size, value, false);
  return value;
}

/** Writes the register; `issued` is when the host sent it. */
export function writeConfig(f: usize, offset: u32, size: u32, value: u32, issued: u64): void {
  if (isTracing(TRACE.MASK_STATE)) traceRegister(f, TRACE_SPACE_CONFIG, offset, size, value, true);
  writeConfigRegister(f, offset, size, value, issued);
}

// ---- requests with a tag ------------------------------------------------------------------------------------------------------

export function initRequests(): void {
  let next: u32 = 0;
  for (
    let at: usize = HOST_REQUESTS + (HOST_TAGS - 1) * REQUEST.BYTES;
    at >= <usize>HOST_REQUESTS;
    at -= REQUEST.BYTES
  ) {
    store<u32>(at, next, REQUEST.NEXT);
    next = <u32>at;
  }
  store<u32>(CTL.REQUEST_FREE, next);
}

/** Requests a register of a BAR, or with TRACE_SPACE_CONFIG of configuration space; the tag, NONE if all are in use. */
export function requestRead(fn: u32, bar: u32, offset: u32, size: u32): u32 {
  const at = take(fn, bar, offset, size);
  if (at == 0) return NONE;
  const f = functionAt(fn);
  store<u8>(at, 0, REQUEST.IS_WRITE);
  return start(at, isFunctional() ? load<u64>(CTL.NOW) : sendRead(f, bar, load<u64>(at, REQUEST.ADDRESS), size));
}

/** Requests a configuration write likewise; its completion has no value. */
export function requestConfigWrite(fn: u32, offset: u32, size: u32, value: u32): u32 {
  const at = take(fn, TRACE_SPACE_CONFIG, offset, size);
  if (at == 0) return NONE;
  store<u8>(at, 1, REQUEST.IS_WRITE);
  store<u32>(at, carried(value, size), REQUEST.VALUE);
  const f = functionAt(fn);
  return start(
    at,
    isFunctional() ? load<u64>(CTL.NOW) : sendConfigWrite(f, offset, size, load<u32>(at, REQUEST.VALUE)),
  );
}

function take(fn: u32, bar: u32, offset: u32, size: u32): usize {
  const at: usize = load<u32>(CTL.REQUEST_FREE);
  if (at == 0) return 0;
  store<u32>(CTL.REQUEST_FREE, load<u32>(at, REQUEST.NEXT));
  store<u64>(at, load<u64>(CTL.NOW), REQUEST.ISSUED);
  store<u64>(at, addressOf(functionAt(fn), bar, offset), REQUEST.ADDRESS);
  store<u32>(at, fn, REQUEST.FUNCTION);
  store<u32>(at, bar, REQUEST.BAR);
  store<u32>(at, offset, REQUEST.OFFSET);
  store<u32>(at, size, REQUEST.SIZE);
  return at;
}

/** The register is accessed in cycle `time`; the tag. */
function start(at: usize, time: u64): u32 {
  scheduleAt(time, EV.ACCESS, EV.PRIO_LAST, <u32>at, 0);
  return <u32>((at - HOST_REQUESTS) / REQUEST.BYTES);
}

/** EV.ACCESS: the register is accessed, and the completion follows. */
function accessRegister(at: usize): void {
  const f = functionAt(load<u32>(at, REQUEST.FUNCTION));
  const offset = load<u32>(at, REQUEST.OFFSET);
  const size = load<u32>(at, REQUEST.SIZE);
  if (load<u8>(at, REQUEST.IS_WRITE) != 0) {
    writeConfig(f, offset, size, load<u32>(at, REQUEST.VALUE), load<u64>(at, REQUEST.ISSUED));
    store<u32>(at, 0, REQUEST.SIZE); // what comes back has no data
    store<u32>(at, 0, REQUEST.VALUE);
  } else {
    store<u32>(at, readRegister(f, load<u32>(at, REQUEST.BAR), offset, size), REQUEST.VALUE);
  }
  if (isFunctional()) completeRequest(at);
  else sendAnswer(at);
}

/** EV.ANSWER: the completion is sent, as soon as there is a credit for it. */
function sendAnswer(at: usize): void {
  const ready = completionReady();
  if (ready > load<u64>(CTL.NOW)) {
    scheduleAt(ready, EV.ANSWER, EV.PRIO_LAST, <u32>at, 0);
    return;
  }
  const f = functionAt(load<u32>(at, REQUEST.FUNCTION));
  const size = load<u32>(at, REQUEST.SIZE);
  const back = sendCompletion(f, load<u64>(at, REQUEST.ADDRESS), size, load<u32>(at, REQUEST.VALUE));
  scheduleAt(back, EV.COMPLETED, EV.PRIO_LAST, <u32>at, 0);
}

/** EV.COMPLETED: the host has its answer. */
function completeRequest(at: usize): void {
  const tag = <u32>((at - HOST_REQUESTS) / REQUEST.BYTES);
  emit(EV.OUT_COMPLETION, load<u32>(at, REQUEST.FUNCTION), tag, load<u32>(at, REQUEST.VALUE), 0, 0);
  store<u32>(at, load<u32>(CTL.REQUEST_FREE), REQUEST.NEXT);
  store<u32>(CTL.REQUEST_FREE, <u32>at);
}

/** Takes a request a step further. */
export function stepRequest(code: u32, at: usize): void {
  switch (code) {
    case EV.ACCESS:
      accessRegister(at);
      return;
    case EV.ANSWER:
      sendAnswer(at);
      return;
    case EV.COMPLETED:
      completeRequest(at);
      return;
    default:
      unreachable();
  }
}
