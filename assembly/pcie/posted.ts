// SPDX-License-Identifier: Apache-2.0
// Posted writes of the card: DMA writes and MSI-X messages, in one order. A write is cut into TLPs and put on the link at
// once, so when it takes effect is known. Until then it waits in a FIFO; what is due is put into memory when somebody
// looks: a read being served, a message, or the end of a run. Nobody can tell the difference, and a write costs no event.
import { CREDIT_UP_P, POSTED_RING, POSTED_BYTES } from '../abi/state_map.ts';
import * as POSTED from '../abi/posted.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { ENGINE_DMA_WRITE } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import { C_DMA_WRITE_BYTES, C_DMA_WRITES, C_MSI_WRITES } from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import { copyBytes, count, functionAt, param } from '../mem/arena.ts';
import { occupyEngine } from '../sim/engine.ts';
import { emit } from '../sim/output.ts';
import { NEVER, scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { creditTime, takeCredits } from './credits.ts';
import { writeMemory } from './host_memory.ts';
import { translationDone, writeTakesEffect } from './host_timing.ts';
import { sendUp } from './link.ts';
import { traceIntx, traceMemory, traceWord } from './link_trace.ts';
import { copyCycles, dataUnits, dwordBytes, prefixBytes, requestBytes, writePiece } from './tlp.ts';

/** The largest write that the card makes, and what it may lose at the end of the ring. */
const FRAME_GAP = 0x2800;

/** Cycles to wait before `bytes` in `entries` posted writes find room; 0 if they do now. */
export function postedWait(entries: u32, bytes: u32): u64 {
  if (isFunctional()) return 0;
  const used = load<u32>(CTL.POSTED_HEAD) - load<u32>(CTL.POSTED_TAIL);
  // an entry may leave a gap of its own size at the end of the ring
  const need = entries * (POSTED.ENTRY_BYTES + 8) + bytes + FRAME_GAP;
  if (used + need <= <u32>POSTED_BYTES) return 0;
  deliverPosted();
  if (load<u32>(CTL.POSTED_HEAD) - load<u32>(CTL.POSTED_TAIL) + need <= <u32>POSTED_BYTES) return 0;
  const first: usize = POSTED_RING + (load<u32>(CTL.POSTED_TAIL) & (POSTED_BYTES - 1));
  return load<u64>(first, POSTED.EFFECT) - load<u64>(CTL.NOW);
}

/** Posts a write of `length` bytes from `source`, on account of `context`; returns the cycle in which it takes effect. */
export function postWrite(context: usize, iova: u64, length: u32, source: usize): u64 {
  const f: usize = load<u32>(context, DMA.FN);
  count(C_DMA_WRITES);
  count(C_DMA_WRITE_BYTES, length);
  if (isFunctional()) {
    const now = load<u64>(CTL.NOW);
    writeMemory(f, iova, length, source, now);
    return now;
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
  keep(f, iova, length, source, effect);
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
  const effect = writeTakesEffect(translationDone(f, iova, arrival));
  takeCredits(CREDIT_UP_P, units, effect);
  if (isTracing(TRACE.MASK_TLP)) traceMemory(TRACE.TLP_MWR, f, 0, iova, length, bytes, arrival, source);
  return effect;
}

/** Stores a write until it takes effect. */
function keep(f: usize, iova: u64, length: u32, source: usize, effect: u64): void {
  const size = POSTED.ENTRY_BYTES + ((length + 7) & ~7);
  let head = load<u32>(CTL.POSTED_HEAD);
  const room = POSTED_BYTES - (head & (POSTED_BYTES - 1));
  if (room < size) {
    const gap: usize = POSTED_RING + (head & (POSTED_BYTES - 1));
    if (room >= POSTED.ENTRY_BYTES) {
      store<u64>(gap, effect, POSTED.EFFECT);
      store<u32>(gap, 0, POSTED.FN);
      store<u32>(gap, room, POSTED.LENGTH);
    }
    head += room;
  }
  if (head + size - load<u32>(CTL.POSTED_TAIL) > <u32>POSTED_BYTES) unreachable(); // callers ask postedWait first: a bug of the model
  const entry: usize = POSTED_RING + (head & (POSTED_BYTES - 1));
  store<u64>(entry, effect, POSTED.EFFECT);
  store<u32>(entry, <u32>f, POSTED.FN);
  store<u32>(entry, length, POSTED.LENGTH);
  store<u64>(entry, iova, POSTED.IOVA);
  copyBytes(entry + POSTED.ENTRY_BYTES, source, length);
  store<u32>(CTL.POSTED_HEAD, head + size);
}

/** When the newest write that is under way takes effect; the current time if there is none. */
export function lastPostedArrival(): u64 {
  const time = load<u64>(CTL.NOW);
  if (load<u32>(CTL.POSTED_HEAD) == load<u32>(CTL.POSTED_TAIL)) return time;
  return max(time, load<u64>(CTL.POSTED_LAST));
}

/** When the oldest write that is under way takes effect, NEVER if there is none. */
export function nextPostedArrival(): u64 {
  const tail = load<u32>(CTL.POSTED_TAIL);
  if (load<u32>(CTL.POSTED_HEAD) == tail) return NEVER;
  const at = tail & (POSTED_BYTES - 1);
  // in a gap at the end of the ring the oldest write is the first entry of the ring
  return load<u64>(POSTED_RING + (<u32>(POSTED_BYTES - at) < <u32>POSTED.ENTRY_BYTES ? 0 : at), POSTED.EFFECT);
}

/** When the last write of function `f`, or with `f` 0 of those bound to `ioas`, takes effect; 0 if none is under way. */
export function lastWriteOf(f: usize, ioas: u32): u64 {
  const head = load<u32>(CTL.POSTED_HEAD);
  let tail = load<u32>(CTL.POSTED_TAIL);
  let last: u64 = 0;
  while (tail != head) {
    const room = POSTED_BYTES - (tail & (POSTED_BYTES - 1));
    if (room < POSTED.ENTRY_BYTES) {
      tail += room;
      continue;
    }
    const entry: usize = POSTED_RING + (tail & (POSTED_BYTES - 1));
    const length = load<u32>(entry, POSTED.LENGTH);
    const owner: usize = load<u32>(entry, POSTED.FN);
    if (owner == 0) {
      tail += length;
      continue;
    }
    if (f != 0 ? owner == f : load<u32>(owner, FN.IOAS) == ioas) last = load<u64>(entry, POSTED.EFFECT);
    tail += POSTED.ENTRY_BYTES + ((length + 7) & ~7);
  }
  return last;
}

/** Puts every write that is due by now into host memory. */
export function deliverPosted(): void {
  const time = load<u64>(CTL.NOW);
  const head = load<u32>(CTL.POSTED_HEAD);
  let tail = load<u32>(CTL.POSTED_TAIL);
  while (tail != head) {
    const room = POSTED_BYTES - (tail & (POSTED_BYTES - 1));
    if (room < POSTED.ENTRY_BYTES) {
      tail += room;
      continue;
    }
    const entry: usize = POSTED_RING + (tail & (POSTED_BYTES - 1));
    const effect = load<u64>(entry, POSTED.EFFECT);
    if (effect > time) break;
    const f: usize = load<u32>(entry, POSTED.FN);
    const length = load<u32>(entry, POSTED.LENGTH);
    if (f == 0) {
      tail += length;
      continue;
    }
    writeMemory(f, load<u64>(entry, POSTED.IOVA), length, entry + POSTED.ENTRY_BYTES, effect);
    tail += POSTED.ENTRY_BYTES + ((length + 7) & ~7);
  }
  store<u32>(CTL.POSTED_TAIL, tail);
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
  const effect = writeTakesEffect(arrival); // interrupts are not translated as memory is
  takeCredits(CREDIT_UP_P, 1, effect);
  if (isTracing(TRACE.MASK_TLP)) traceWord(TRACE.TLP_MWR, f, address, 4, data, bytes, arrival);
  const handled = effect + param(P.HOST_INTERRUPT);
  scheduleAt(handled, EV.MSI, EV.PRIO_POSTED, (fn << 16) | vector, data);
  return handled;
}

/** EV.MSI: the write is in effect. */
export function arriveMsi(fn: u32, vector: u32, data: u32): void {
  deliverPosted();
  const sent = functionAt(fn) + FN.MSIX_SENT + (vector << 3); // the table may have changed since
  emit(EV.OUT_MSI, fn, vector, data, load<u32>(sent), load<u32>(sent, 4));
}

/** Sends Assert_INTA (level 1) or Deassert_INTA behind all posted writes. */
export function postIntx(level: u32): void {
  const bytes = param(P.TLP_4DW);
  const arrival = sendUp(bytes, max(load<u64>(CTL.NOW), creditTime(CREDIT_UP_P, 0)));
  const effect = writeTakesEffect(arrival);
  takeCredits(CREDIT_UP_P, 0, effect);
  if (isTracing(TRACE.MASK_TLP)) traceIntx(functionAt(0), level, bytes, arrival);
  scheduleAt(effect + param(P.HOST_INTERRUPT), EV.INTX, EV.PRIO_POSTED, 0, level);
}
