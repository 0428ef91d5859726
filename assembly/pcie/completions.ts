// SPDX-License-Identifier: Apache-2.0
// Completions of the card's reads: the host answers a request, the completions travel down, the tag is free again, and
// the last of a read wakes its owner. What nobody waits for any more still travels, and frees its tag. Completions can be
// spoilt on demand: Unsupported Request, poisoned data, or none at all.
import { TAG } from '../abi/state_map.ts';
import { CTL_LATE_READS, CTL_NOW, CTL_READ_FAULTS } from '../abi/control.ts';
import {
  DMA_BYTES,
  DMA_DOWN_BYTES,
  DMA_DOWN_TLPS,
  DMA_FAULT,
  DMA_FN,
  DMA_GENERATION,
  DMA_LEFT,
  DMA_LIFE,
  DMA_LISTED,
  DMA_PENDING,
  LIFE_COPY,
  LIFE_DOWN_LATENCY,
  LIFE_DOWN_QUEUE,
  LIFE_DOWN_WIRE,
  LIFE_ENGINE_WAIT,
  LIFE_HOST,
  LIFE_HOST_EXTRA,
  LIFE_SETUP,
  LIFE_TAG_WAIT,
  LIFE_TRANSLATION,
  LIFE_UP_LATENCY,
  LIFE_UP_QUEUE,
  LIFE_UP_WIRE,
} from '../abi/dma_context.ts';
import {
  TAG_CONTEXT,
  TAG_DEADLINE,
  TAG_DOWN,
  TAG_ENGINE_WAIT,
  TAG_FN,
  TAG_FORGOTTEN,
  TAG_GENERATION,
  TAG_HEADERS,
  TAG_HOST,
  TAG_IOVA,
  TAG_LATE,
  TAG_LENGTH,
  TAG_NUMBER,
  TAG_READY,
  TAG_SENT,
  TAG_SETUP,
  TAG_STATUS,
  TAG_TARGET,
  TAG_TRANSLATION,
  TAG_UP,
} from '../abi/port.ts';
import {
  TLP_CPL,
  TLP_CPLD,
  TLP_DOWN,
  TLP_POISONED,
  TLP_STATUS_SHIFT,
  TRACE_DMA_DONE,
  TRACE_DMA_DROPPED,
  TRACE_DMA_SERVED,
  TRACE_MASK_STATE,
  TRACE_MASK_TLP,
} from '../abi/trace_kind.ts';
import {
  CPL_NEVER_LOG2,
  READ_FAILED,
  READ_FAULT_LOST,
  READ_FAULT_POISONED,
  READ_FAULT_UNSUPPORTED,
} from '../abi/state_value.ts';
import { EV_DMA_COPIED, EV_DMA_DONE, PRIO_NORMAL } from '../abi/event_code.ts';
import { C_COMPLETIONS_DROPPED, C_COMPLETION_TIMEOUTS } from '../abi/counter.ts';
import { P_DOWN_LATENCY, P_HOST_READ, P_TLP_3DW, P_UP_LATENCY } from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isTracing } from '../sim/trace.ts';
import { readMemory } from './host_memory.ts';
import { noteFault } from './iommu.ts';
import { sendDown, wireCycles } from './link.ts';
import { traceTlp } from './link_trace.ts';
import { deliverPosted } from './posted.ts';
import { tagNumber, traceRequest } from './read_trace.ts';
import { failRead, noteReadFault, takeInjectedFault } from './read_fault.ts';
import { sendReads, unlist } from './requests.ts';
import { armLost, expire, freeTag, isUnanswered, tagsEnd } from './tags.ts';
import { completionPiece, copyCycles, completionRest, dwordBytes, prefixBytes, requestBytes } from './tlp.ts';

function isStale(tag: usize): bool {
  return load<u32>(load<u32>(tag, TAG_CONTEXT), DMA_GENERATION) != load<u32>(tag, TAG_GENERATION);
}

/** EV_DMA_HOST: host memory answers a request, or will do so later. */
export function serveRead(tag: usize): void {
  let status = load<u32>(CTL_READ_FAULTS) != 0 ? takeInjectedFault() : 0;
  let later: u32 = 0;
  if (!isStale(tag)) {
    deliverPosted();
    if (status == 0) {
      const target: usize = load<u32>(tag, TAG_TARGET);
      const number = load<u32>(tag, TAG_NUMBER);
      later = readMemory(
        load<u32>(tag, TAG_FN),
        load<u64>(tag, TAG_IOVA),
        load<u32>(tag, TAG_LENGTH),
        target,
        tag,
        number,
      );
      if ((later & READ_FAILED) != 0) status = READ_FAULT_UNSUPPORTED;
      later &= ~READ_FAILED;
    }
  }
  store<u32>(tag, status, TAG_STATUS);
  if (later == 0) return respond(tag, status);
  store<u32>(tag, later, TAG_LATE);
  store<u64>(tag, (<u64>1) << CPL_NEVER_LOG2, TAG_DEADLINE); // the host's clock is not the card's
}

/** Is what memory answers to `reader` still wanted? `number` is that of the read that it was asked for. */
export function isReadWanted(reader: usize, number: u32): bool {
  if (isTag(reader)) return load<u32>(reader, TAG_NUMBER) == number && !isStale(reader);
  return load<u32>(reader, DMA_GENERATION) == number;
}

/** Is it the tag of a request? Else it is a context in functional mode. */
function isTag(reader: usize): bool {
  return reader >= <usize>TAG && reader < tagsEnd();
}

/** Memory has answered one piece, at `iova`, of a read that had to wait. Returns the context whose read is done, else 0. */
export function readAnswered(reader: usize, number: u32, iova: u64, isGood: bool): usize {
  store<u32>(CTL_LATE_READS, load<u32>(CTL_LATE_READS) - 1);
  if (isTag(reader)) {
    if (load<u32>(reader, TAG_NUMBER) != number) return 0;
    if (!isGood && !isStale(reader)) {
      noteFault(load<u32>(reader, TAG_FN), iova, false);
      store<u32>(reader, READ_FAULT_UNSUPPORTED, TAG_STATUS);
    }
    const left = load<u32>(reader, TAG_LATE) - 1;
    store<u32>(reader, left, TAG_LATE);
    if (left == 0) respond(reader, load<u32>(reader, TAG_STATUS));
    return 0;
  }
  if (load<u32>(reader, DMA_GENERATION) != number) return 0;
  if (!isGood) {
    noteFault(load<u32>(reader, DMA_FN), iova, false);
    failRead(reader, READ_FAULT_UNSUPPORTED);
  }
  const left = load<u16>(reader, DMA_PENDING) - 1;
  store<u16>(reader, <u16>left, DMA_PENDING);
  return left == 0 ? reader : 0;
}

/** The completions of a request travel to the card, whoever still wants them. */
function respond(tag: usize, status: u32): void {
  const now = load<u64>(CTL_NOW);
  const context: usize = load<u32>(tag, TAG_CONTEXT);
  const f: usize = load<u32>(tag, TAG_FN);
  const iova = load<u64>(tag, TAG_IOVA);
  const length = load<u32>(tag, TAG_LENGTH);
  if (isTracing(TRACE_MASK_STATE)) traceRequest(TRACE_DMA_SERVED, context, tag);
  const deadline = load<u64>(tag, TAG_DEADLINE);
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
  const tlps = isError ? 1 : load<u32>(tag, TAG_HEADERS);
  const header = param(P_TLP_3DW);
  const bytes = tlps * header + (isError ? 0 : dwordBytes(iova, length));
  let arrival: u64;
  if (isTracing(TRACE_MASK_TLP)) arrival = sendTraced(tag, f, iova, isError ? 0 : length, status);
  else arrival = sendDown(tlps, bytes, tlps == 1 ? bytes : header + ((completionRest(iova, length) + 3) & ~3), now);
  if (!isStale(tag)) {
    store<u32>(context, load<u32>(context, DMA_DOWN_TLPS) + tlps, DMA_DOWN_TLPS);
    store<u32>(context, load<u32>(context, DMA_DOWN_BYTES) + bytes, DMA_DOWN_BYTES);
  }
  // in time until here, and yet too late
  if (now <= deadline && arrival > deadline) expire(tag);
  store<u32>(tag, <u32>(arrival - now) - param(P_DOWN_LATENCY), TAG_DOWN);
  scheduleAt(arrival, EV_DMA_DONE, PRIO_NORMAL, <u32>tag, 0);
}

/** Sends the completions one by one and records each; they arrive as in one block. */
function sendTraced(tag: usize, f: usize, iova: u64, length: u32, status: u32): u64 {
  const now = load<u64>(CTL_NOW);
  const header = param(P_TLP_3DW);
  const number = tagNumber(tag);
  if (length == 0) {
    const arrival = sendDown(1, header, header, now);
    traceTlp(TLP_CPL | TLP_DOWN | (1 << TLP_STATUS_SHIFT), f, number, iova, 0, 0, header, arrival, 0);
    return arrival;
  }
  const sub = TLP_CPLD | TLP_DOWN | (status == READ_FAULT_POISONED ? TLP_POISONED : 0);
  let at = iova;
  let left = length;
  let arrival: u64 = 0;
  while (left != 0) {
    const piece = completionPiece(at, left);
    const bytes = header + dwordBytes(at, piece);
    arrival = sendDown(1, bytes, bytes, now);
    traceTlp(sub, f, number, at, piece, left, bytes, arrival, load<u32>(tag, TAG_TARGET) + length - left);
    at += piece;
    left -= piece;
  }
  return arrival;
}

/** EV_DMA_DONE: a request is completed and its tag is free. Returns its context if that was all of the read, else 0. */
export function completeRead(tag: usize): usize {
  const done = finishRequest(tag);
  freeTag(tag);
  sendReads();
  return done;
}

/** EV_DMA_TIMEOUT: the completion of request `number` did not come in time. As completeRead. */
export function expireRead(tag: usize, number: u32): usize {
  if (load<u32>(tag, TAG_NUMBER) != number) return 0;
  const isLost = load<u32>(tag, TAG_STATUS) == READ_FAULT_LOST;
  store<u32>(tag, READ_FAULT_LOST, TAG_STATUS);
  if (isStale(tag)) count(C_COMPLETION_TIMEOUTS); // else finishRequest() does
  const done = finishRequest(tag);
  // a completion that is only late finds nobody, and frees the tag
  if (isLost) freeTag(tag);
  else {
    store<u32>(tag, load<u32>(tag, TAG_GENERATION) - 1, TAG_GENERATION);
    store<u32>(tag, 1, TAG_FORGOTTEN);
  }
  sendReads();
  return done;
}

/** Books a request on the account of its context; returns the context if the read is done with. */
function finishRequest(tag: usize): usize {
  const context: usize = load<u32>(tag, TAG_CONTEXT);
  if (isStale(tag)) {
    count(C_COMPLETIONS_DROPPED);
    if (isTracing(TRACE_MASK_STATE)) traceRequest(TRACE_DMA_DROPPED, context, tag);
    return 0;
  }
  const status = load<u32>(tag, TAG_STATUS);
  if (status != 0) {
    noteReadFault(load<u32>(tag, TAG_FN), status);
    store<u32>(context, 1, DMA_FAULT);
    store<u32>(context, 0, DMA_LEFT); // the rest is not asked for
    if (load<u8>(context, DMA_LISTED) != 0) unlist(context);
  }
  const pending = load<u16>(context, DMA_PENDING) - 1;
  store<u16>(context, pending, DMA_PENDING);
  if (isTracing(TRACE_MASK_STATE)) traceRequest(TRACE_DMA_DONE, context, tag);
  if (pending != 0 || load<u32>(context, DMA_LEFT) != 0) return 0;
  const copy = copyCycles(load<u32>(context, DMA_BYTES));
  if (load<u32>(context, DMA_LIFE) != 0) keepLife(tag, context, copy);
  if (copy == 0) return context;
  scheduleAt(load<u64>(CTL_NOW) + copy, EV_DMA_COPIED, PRIO_NORMAL, <u32>context, load<u32>(context, DMA_GENERATION));
  return 0;
}

/** EV_DMA_COPIED: what was read is where it is needed. Returns the context, 0 if it was reset meanwhile. */
export function readCopied(context: usize, generation: u32): usize {
  return load<u32>(context, DMA_GENERATION) == generation ? context : 0;
}

/**
 * Takes apart the life of the request that ended a read, and adds it up where the context says. Its parts add up to the
 * time from startRead() until the owner is woken, because each begins where the one before ended.
 */
function keepLife(tag: usize, context: usize, copy: u32): void {
  const life: usize = load<u32>(context, DMA_LIFE);
  const up = load<u32>(tag, TAG_UP);
  const upWire = min(up, wireCycles(prefixBytes(load<u32>(tag, TAG_FN)) + requestBytes(load<u64>(tag, TAG_IOVA))));
  const host = load<u32>(tag, TAG_HOST);
  const translation = load<u32>(tag, TAG_TRANSLATION);
  const memory = min(host - translation, param(P_HOST_READ));
  const down = load<u32>(tag, TAG_DOWN);
  const bytes =
    load<u32>(tag, TAG_HEADERS) * param(P_TLP_3DW) + dwordBytes(load<u64>(tag, TAG_IOVA), load<u32>(tag, TAG_LENGTH));
  const downWire = min(down, wireCycles(bytes));
  add(life + LIFE_ENGINE_WAIT, load<u32>(tag, TAG_ENGINE_WAIT));
  add(life + LIFE_SETUP, load<u32>(tag, TAG_SETUP));
  add(life + LIFE_TAG_WAIT, load<u32>(tag, TAG_SENT) - load<u32>(tag, TAG_READY));
  add(life + LIFE_UP_QUEUE, up - upWire);
  add(life + LIFE_UP_WIRE, upWire);
  add(life + LIFE_UP_LATENCY, param(P_UP_LATENCY));
  add(life + LIFE_TRANSLATION, translation);
  add(life + LIFE_HOST, memory);
  add(life + LIFE_HOST_EXTRA, host - translation - memory);
  add(life + LIFE_DOWN_QUEUE, down - downWire);
  add(life + LIFE_DOWN_WIRE, downWire);
  add(life + LIFE_DOWN_LATENCY, param(P_DOWN_LATENCY));
  add(life + LIFE_COPY, copy);
}

function add(at: usize, cycles: u32): void {
  store<u32>(at, load<u32>(at) + cycles);
}
