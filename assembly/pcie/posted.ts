// SPDX-License-Identifier: Apache-2.0
// Posted writes of the card: DMA writes and MSI-X messages, in one order. A write is cut into TLPs and put on the link at
// once, so when it arrives is known, and the root complex has it from then on.
import { CREDIT_UP_P } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { ENGINE_DMA_WRITE } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import { C_DMA_WRITE_BYTES, C_DMA_WRITES, C_MSI_WRITES } from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import { count, functionAt, param } from '../mem/arena.ts';
import {
  messageEffect,
  messageHandled,
  showWrites,
  takeWrite,
  waitForRoom,
  writeEffect,
  writeNow,
} from '../host/root_complex.ts';
import { occupyEngine } from '../sim/engine.ts';
import { emit } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { creditTime, takeCredits } from './credits.ts';
import { sendUp } from './link.ts';
import { traceIntx, traceMemory, traceWord } from './link_trace.ts';
import { copyCycles, dataUnits, dwordBytes, prefixBytes, requestBytes, writePiece } from './tlp.ts';

/** Cycles to wait before `bytes` in `entries` posted writes find room; 0 if they do now. */
export function postedWait(entries: u32, bytes: u32): u64 {
  return isFunctional() ? 0 : waitForRoom(entries, bytes);
}

/** Posts a write of `length` bytes from `source`, on account of `context`; returns the cycle in which it takes effect. */
export function postWrite(context: usize, iova: u64, length: u32, source: usize): u64 {
  const f: usize = load<u32>(context, DMA.FN);
  count(C_DMA_WRITES);
  count(C_DMA_WRITE_BYTES, length);
  if (isFunctional()) {
    writeNow(f, iova, length, source);
    return load<u64>(CTL.NOW);
  }
  const interval = param(P.DMA_WRITE_INTERVAL);
  let ready = load<u64>(CTL.NOW);
  if (interval != 0) ready = occupyEngine(ENGINE_DMA_WRITE, P.DMA_WRITE_ENGINES, interval);
  ready += copyCycles(length);
  let at = iova;
  let from = source;
  let left = length;
  let effect: u64 = 0;
  do {
    const piece = writePiece(at, left);
    effect = sendWrite(context, f, at, piece, ready, from);
    at += piece;
    from += piece;
    left -= piece;
  } while (left != 0);
  takeWrite(f, iova, length, source, effect);
  return effect;
}

/** Puts one write TLP on the link; the cycle in which it takes effect. */
function sendWrite(context: usize, f: usize, iova: u64, length: u32, ready: u64, source: usize): u64 {
  const data = dwordBytes(iova, length);
  const bytes = prefixBytes(f) + requestBytes(iova) + data;
  store<u32>(context, load<u32>(context, DMA.UP_TLPS) + 1, DMA.UP_TLPS);
  store<u32>(context, load<u32>(context, DMA.UP_BYTES) + bytes, DMA.UP_BYTES);
  const units = dataUnits(data);
  const start = max(ready, creditTime(CREDIT_UP_P, units));
  const arrival = sendUp(bytes, start);
  const effect = writeEffect(f, iova, arrival);
  takeCredits(CREDIT_UP_P, units, effect);
  if (isTracing(TRACE.MASK_TLP)) traceMemory(TRACE.TLP_MWR, f, 0, iova, length, bytes, arrival, source);
  return effect;
}

/** Sends an MSI-X write behind all posted writes; returns the cycle in which the host's handler may run. */
export function postMsi(f: usize, vector: u32, addressLo: u32, addressHi: u32, data: u32, delay: u32): u64 {
  count(C_MSI_WRITES);
  const fn = load<u32>(f, FN.INDEX);
  if (isFunctional()) {
    emit(EV.OUT_MSI, fn, vector, data, addressLo, addressHi);
    return load<u64>(CTL.NOW);
  }
  const sent = f + FN.MSIX_SENT + (vector << 3);
  store<u32>(sent, addressLo);
  store<u32>(sent, addressHi, 4);
  const address = ((<u64>addressHi) << 32) | addressLo;
  const bytes = requestBytes(address) + 4;
  const start = max(load<u64>(CTL.NOW) + delay, creditTime(CREDIT_UP_P, 1));
  const arrival = sendUp(bytes, start);
  const effect = messageEffect(arrival);
  takeCredits(CREDIT_UP_P, 1, effect);
  if (isTracing(TRACE.MASK_TLP)) traceWord(TRACE.TLP_MWR, f, address, 4, data, bytes, arrival);
  const handled = messageHandled(effect);
  scheduleAt(handled, EV.MSI, EV.PRIO_POSTED, (fn << 16) | vector, data);
  return handled;
}

/** EV.MSI: the write is in effect. */
export function arriveMsi(fn: u32, vector: u32, data: u32): void {
  showWrites();
  const sent = functionAt(fn) + FN.MSIX_SENT + (vector << 3); // the table may have changed since
  emit(EV.OUT_MSI, fn, vector, data, load<u32>(sent), load<u32>(sent, 4));
}

/** Sends Assert_INTA (level 1) or Deassert_INTA behind all posted writes. */
export function postIntx(level: u32): void {
  const bytes = param(P.TLP_4DW);
  const arrival = sendUp(bytes, max(load<u64>(CTL.NOW), creditTime(CREDIT_UP_P, 0)));
  const effect = messageEffect(arrival);
  takeCredits(CREDIT_UP_P, 0, effect);
  if (isTracing(TRACE.MASK_TLP)) traceIntx(functionAt(0), level, bytes, arrival);
  scheduleAt(messageHandled(effect), EV.INTX, EV.PRIO_POSTED, 0, level);
}

/** EV.INTX: the message is in effect. */
export function arriveIntx(fn: u32, level: u32): void {
  showWrites();
  emit(EV.OUT_INTX, fn, level, 0, 0, 0);
}
