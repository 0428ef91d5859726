// SPDX-License-Identifier: Apache-2.0
// Completions of the card's reads: the host answers a request, the completions travel down, the tag is free again, and
// the last of a read wakes its owner. What nobody waits for any more still travels, and frees its tag. Completions can be
// spoilt on demand: Unsupported Request, poisoned data, or none at all.
import { TAGS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TAG from '../abi/tag.ts';
import * as TRACE from '../abi/trace_kind.ts';
import {
  CPL_NEVER_LOG2,
  READ_FAILED,
  READ_FAULT_LOST,
  READ_FAULT_POISONED,
  READ_FAULT_UNSUPPORTED,
} from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import { C_COMPLETIONS_DROPPED, C_COMPLETION_TIMEOUTS } from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { pieceAnswered, serveRead as serve } from '../host/root_complex.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isTracing } from '../sim/trace.ts';
import { sendDown, wireCycles } from './link.ts';
import { traceTlp } from './link_trace.ts';
import { tagNumber, traceRequest } from './read_trace.ts';
import { failRead, noteReadFault, takeInjectedFault } from './read_fault.ts';
import { sendReads, unlist } from './requests.ts';
import { armLost, expire, freeTag, isUnanswered, tagsEnd } from './tags.ts';
import { completionPiece, copyCycles, completionRest, dwordBytes, prefixBytes, requestBytes } from './tlp.ts';

/** Is its owner no longer interested? */
export function isStale(tag: usize): bool {
  return load<u32>(load<u32>(tag, TAG.CONTEXT), DMA.GENERATION) != load<u32>(tag, TAG.GENERATION);
}

/** EV.DMA_HOST: memory inside answers a request, or will do so later. */
export function serveRead(tag: usize): void {
  let status = load<u32>(CTL.READ_FAULTS) != 0 ? takeInjectedFault() : 0;
  let later: u32 = 0;
  if (!isStale(tag)) {
    if (status == 0) {
      const target: usize = load<u32>(tag, TAG.TARGET);
      const number = load<u32>(tag, TAG.NUMBER);
      later = serve(load<u32>(tag, TAG.FN), load<u64>(tag, TAG.IOVA), load<u32>(tag, TAG.LENGTH), target, tag, number);
      if ((later & READ_FAILED) != 0) status = READ_FAULT_UNSUPPORTED;
      later &= ~READ_FAILED;
    }
  }
  store<u32>(tag, status, TAG.STATUS);
  if (later == 0) return respond(tag, status);
  store<u32>(tag, later, TAG.LATE);
  store<u64>(tag, (<u64>1) << CPL_NEVER_LOG2, TAG.DEADLINE); // the host's clock is not the card's
}

/** Is what memory answers to `reader` still wanted? `number` is that of the read that it was asked for. */
export function isReadWanted(reader: usize, number: u32): bool {
  if (isTag(reader)) return load<u32>(reader, TAG.NUMBER) == number && !isStale(reader);
  return load<u32>(reader, DMA.GENERATION) == number;
}

/** Is it the tag of a request? Else it is a context in functional mode. */
function isTag(reader: usize): bool {
  return reader >= <usize>TAGS && reader < tagsEnd();
}

/** Memory has answered one piece, at `iova`, of a read that had to wait. Returns the context whose read is done, else 0. */
export function readAnswered(reader: usize, number: u32, iova: u64, isGood: bool): usize {
  const isRequest = isTag(reader);
  const isWanted = isReadWanted(reader, number);
  const f: usize = isRequest ? load<u32>(reader, TAG.FN) : load<u32>(reader, DMA.FN);
  pieceAnswered(isWanted ? f : 0, iova, isGood);
  if (isRequest) {
    if (load<u32>(reader, TAG.NUMBER) != number) return 0;
    if (!isGood && isWanted) store<u32>(reader, READ_FAULT_UNSUPPORTED, TAG.STATUS);
    const left = load<u32>(reader, TAG.LATE) - 1;
    store<u32>(reader, left, TAG.LATE);
    if (left == 0) respond(reader, load<u32>(reader, TAG.STATUS));
    return 0;
  }
  if (!isWanted) return 0;
  if (!isGood) failRead(reader, READ_FAULT_UNSUPPORTED);
  const left = load<u16>(reader, DMA.PENDING) - 1;
  store<u16>(reader, <u16>left, DMA.PENDING);
  return left == 0 ? reader : 0;
}

/** The completions of a request travel to the card, whoever still wants them. */
export function respond(tag: usize, status: u32): void {
  const now = load<u64>(CTL.NOW);
  const context: usize = load<u32>(tag, TAG.CONTEXT);
  const f: usize = load<u32>(tag, TAG.FN);
  const iova = load<u64>(tag, TAG.IOVA);
  const length = load<u32>(tag, TAG.LENGTH);
  if (isTracing(TRACE.MASK_STATE)) traceRequest(TRACE.DMA_SERVED, context, tag);
  const deadline = load<u64>(tag, TAG.DEADLINE);
  if (status == READ_FAULT_LOST) {
    if (isUnanswered(tag)) {
      armLost(tag);
    } else if (now <= deadline) {
      expire(tag);
    } else {
      freeTag(tag); // the request was given up while memory took its time
      sendReads();
    }
    return;
  }
  const isError = status == READ_FAULT_UNSUPPORTED;
  const tlps = isError ? 1 : load<u32>(tag, TAG.HEADERS);
  const header = param(P.TLP_3DW);
  const bytes = tlps * header + (isError ? 0 : dwordBytes(iova, length));
  let arrival: u64;
  if (isTracing(TRACE.MASK_TLP)) arrival = sendTraced(tag, f, iova, isError ? 0 : length, status);
  else arrival = sendDown(tlps, bytes, tlps == 1 ? bytes : header + ((completionRest(iova, length) + 3) & ~3), now);
  if (!isStale(tag)) {
    store<u32>(context, load<u32>(context, DMA.DOWN_TLPS) + tlps, DMA.DOWN_TLPS);
    store<u32>(context, load<u32>(context, DMA.DOWN_BYTES) + bytes, DMA.DOWN_BYTES);
  }
  // in time until here, and yet too late
  if (now <= deadline && arrival > deadline) expire(tag);
  store<u32>(tag, <u32>(arrival - now) - param(P.DOWN_LATENCY), TAG.DOWN);
  scheduleAt(arrival, EV.DMA_DONE, EV.PRIO_NORMAL, <u32>tag, 0);
}

/** Sends the completions one by one and records each; they arrive as in one block. */
function sendTraced(tag: usize, f: usize, iova: u64, length: u32, status: u32): u64 {
  const now = load<u64>(CTL.NOW);
  const header = param(P.TLP_3DW);
  const number = tagNumber(tag);
  if (length == 0) {
    const arrival = sendDown(1, header, header, now);
    traceTlp(TRACE.TLP_CPL | TRACE.TLP_DOWN | (1 << TRACE.TLP_STATUS_SHIFT), f, number, iova, 0, 0, header, arrival, 0);
    return arrival;
  }
  const sub = TRACE.TLP_CPLD | TRACE.TLP_DOWN | (status == READ_FAULT_POISONED ? TRACE.TLP_POISONED : 0);
  let at = iova;
  let left = length;
  let arrival: u64 = 0;
  while (left != 0) {
    const piece = completionPiece(at, left);
    const bytes = header + dwordBytes(at, piece);
    arrival = sendDown(1, bytes, bytes, now);
    traceTlp(sub, f, number, at, piece, left, bytes, arrival, load<u32>(tag, TAG.TARGET) + length - left);
    at += piece;
    left -= piece;
  }
  return arrival;
}

/** EV.DMA_DONE: a request is completed and its tag is free. Returns its context if that was all of the read, else 0. */
export function completeRead(tag: usize): usize {
  const done = finishRequest(tag);
  freeTag(tag);
  sendReads();
  return done;
}

/** EV.DMA_TIMEOUT: the completion of request `number` did not come in time. As completeRead. */
export function expireRead(tag: usize, number: u32): usize {
  if (load<u32>(tag, TAG.NUMBER) != number) return 0;
  const isLost = load<u32>(tag, TAG.STATUS) == READ_FAULT_LOST;
  store<u32>(tag, READ_FAULT_LOST, TAG.STATUS);
  if (isStale(tag)) count(C_COMPLETION_TIMEOUTS); // else finishRequest() does
  const done = finishRequest(tag);
  // a completion that is only late finds nobody, and frees the tag
  if (isLost) freeTag(tag);
  else {
    store<u32>(tag, load<u32>(tag, TAG.GENERATION) - 1, TAG.GENERATION);
    store<u32>(tag, 1, TAG.FORGOTTEN);
  }
  sendReads();
  return done;
}

/** Books a request on the account of its context; returns the context if the read is done with. */
function finishRequest(tag: usize): usize {
  const context: usize = load<u32>(tag, TAG.CONTEXT);
  if (isStale(tag)) {
    count(C_COMPLETIONS_DROPPED);
    if (isTracing(TRACE.MASK_STATE)) traceRequest(TRACE.DMA_DROPPED, context, tag);
    return 0;
  }
  const status = load<u32>(tag, TAG.STATUS);
  if (status != 0) {
    noteReadFault(load<u32>(tag, TAG.FN), status);
    store<u32>(context, 1, DMA.FAULT);
    store<u32>(context, 0, DMA.LEFT); // the rest is not asked for
    if (load<u8>(context, DMA.LISTED) != 0) unlist(context);
  }
  const pending = load<u16>(context, DMA.PENDING) - 1;
  store<u16>(context, pending, DMA.PENDING);
  if (isTracing(TRACE.MASK_STATE)) traceRequest(TRACE.DMA_DONE, context, tag);
  if (pending != 0 || load<u32>(context, DMA.LEFT) != 0) return 0;
  const copy = copyCycles(load<u32>(context, DMA.BYTES));
  if (load<u32>(context, DMA.LIFE) != 0) keepLife(tag, context, copy);
  if (copy == 0) return context;
  scheduleAt(
    load<u64>(CTL.NOW) + copy,
    EV.DMA_COPIED,
    EV.PRIO_NORMAL,
    <u32>context,
    load<u32>(context, DMA.GENERATION),
  );
  return 0;
}

/** EV.DMA_COPIED: what was read is where it is needed. Returns the context, 0 if it was reset meanwhile. */
export function readCopied(context: usize, generation: u32): usize {
  return load<u32>(context, DMA.GENERATION) == generation ? context : 0;
}

/**
 * Takes apart the life of the request that ended a read, and adds it up where the context says. Its parts add up to the
 * time from startRead() until the owner is woken, because each begins where the one before ended.
 */
function keepLife(tag: usize, context: usize, copy: u32): void {
  const life: usize = load<u32>(context, DMA.LIFE);
  const up = load<u32>(tag, TAG.UP);
  const upWire = min(up, wireCycles(prefixBytes(load<u32>(tag, TAG.FN)) + requestBytes(load<u64>(tag, TAG.IOVA))));
  const host = load<u32>(tag, TAG.HOST);
  const translation = load<u32>(tag, TAG.TRANSLATION);
  const memory = min(host - translation, param(P.HOST_READ));
  const down = load<u32>(tag, TAG.DOWN);
  const bytes =
    load<u32>(tag, TAG.HEADERS) * param(P.TLP_3DW) + dwordBytes(load<u64>(tag, TAG.IOVA), load<u32>(tag, TAG.LENGTH));
  const downWire = min(down, wireCycles(bytes));
  add(life + DMA.LIFE_ENGINE_WAIT, load<u32>(tag, TAG.ENGINE_WAIT));
  add(life + DMA.LIFE_SETUP, load<u32>(tag, TAG.SETUP));
  add(life + DMA.LIFE_TAG_WAIT, load<u32>(tag, TAG.SENT) - load<u32>(tag, TAG.READY));
  add(life + DMA.LIFE_UP_QUEUE, up - upWire);
  add(life + DMA.LIFE_UP_WIRE, upWire);
  add(life + DMA.LIFE_UP_LATENCY, param(P.UP_LATENCY));
  add(life + DMA.LIFE_TRANSLATION, translation);
  add(life + DMA.LIFE_HOST, memory);
  add(life + DMA.LIFE_HOST_EXTRA, host - translation - memory);
  add(life + DMA.LIFE_DOWN_QUEUE, down - downWire);
  add(life + DMA.LIFE_DOWN_WIRE, downWire);
  add(life + DMA.LIFE_DOWN_LATENCY, param(P.DOWN_LATENCY));
  add(life + DMA.LIFE_COPY, copy);
}

function add(at: usize, cycles: u32): void {
  store<u32>(at, load<u32>(at) + cycles);
}
