// SPDX-License-Identifier: Apache-2.0
// Accesses of the host as calls: a posted write travels and arrives; a read or a configuration access keeps its caller from
// step to step (request.ts) until the completion is back, while the rest of the card works on.
import * as CTL from '../abi/control.ts';
import * as EV from '../abi/event_code.ts';
import * as INBOUND from '../abi/inbound.ts';
import { CREDIT_DOWN_P, INBOUND_RING, INBOUND_SLOTS } from '../abi/state_map.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { showWrites } from '../host/root_complex.ts';
import { functionAt } from '../mem/arena.ts';
import { completionReady, receiveRequest, sendCompletion } from '../pcie/completer.ts';
import { requestBytes } from '../pcie/tlp.ts';
import { nextEventTime, scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { traceRegister, TRACE_SPACE_CONFIG } from '../virtio/state_trace.ts';
import { addressOf, carried, readRegister, sendConfigWrite, sendRead, writeConfig } from './request.ts';
import { readConfigRegister, readMemoryRegister, writeMemoryRegister } from './router.ts';
import { runNow, runThrough } from './run.ts';

const DWORD = 4;

export function hostRead(fn: u32, bar: u32, offset: u32, size: u32): u32 {
  const f = functionAt(fn);
  return isFunctional() ? readMemoryRegister(f, bar, offset, size) : readThrough(f, bar, offset, size);
}

export function hostConfigRead(fn: u32, offset: u32, size: u32): u32 {
  const f = functionAt(fn);
  return isFunctional() ? readConfigRegister(f, offset, size) : readThrough(f, TRACE_SPACE_CONFIG, offset, size);
}

function readThrough(f: usize, bar: u32, offset: u32, size: u32): u32 {
  const address = addressOf(f, bar, offset);
  runThrough(sendRead(f, bar, address, size));
  const value = readRegister(f, bar, offset, size);
  wait(f, address, size, value);
  return value;
}

/** Until the completion of a request is back: it waits for credits if it must. */
function wait(f: usize, address: u64, size: u32, value: u32): void {
  // what runs until then may take them
  for (let ready = completionReady(); ready > load<u64>(CTL.NOW); ready = completionReady()) runThrough(ready);
  runThrough(sendCompletion(f, address, size, value));
  showWrites();
}

export function hostConfigWrite(fn: u32, offset: u32, size: u32, value: u32): void {
  value = carried(value, size);
  const f = functionAt(fn);
  const now = load<u64>(CTL.NOW);
  if (isFunctional()) {
    writeConfig(f, offset, size, value, now);
    runNow();
    return;
  }
  runThrough(sendConfigWrite(f, offset, size, value));
  writeConfig(f, offset, size, value, now);
  wait(f, offset, 0, 0);
}

/** Would a write have to wait for room on the way? */
export function isWayFull(): bool {
  return load<u32>(CTL.INBOUND_HEAD) - load<u32>(CTL.INBOUND_TAIL) == INBOUND_SLOTS;
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
  while (isWayFull()) runThrough(nextEventTime());
  const head = load<u32>(CTL.INBOUND_HEAD);
  const slot = head & (INBOUND_SLOTS - 1);
  const at: usize = INBOUND_RING + slot * INBOUND.SLOT_BYTES;
  store<u64>(at, now, INBOUND.ISSUED);
  store<u32>(at, fn, INBOUND.FUNCTION);
  store<u32>(at, bar, INBOUND.BAR);
  store<u32>(at, offset, INBOUND.OFFSET);
  store<u32>(at, size, INBOUND.SIZE);
  store<u32>(at, value, INBOUND.VALUE);
  store<u32>(CTL.INBOUND_HEAD, head + 1);
  const address = addressOf(f, bar, offset);
  const bytes = requestBytes(address) + DWORD;
  const decoded = receiveRequest(CREDIT_DOWN_P, bytes, TRACE.TLP_MWR | TRACE.TLP_DOWN, f, address, size, value, 1);
  scheduleAt(decoded, EV.INBOUND, EV.PRIO_POSTED, slot, 0);
}
