// SPDX-License-Identifier: Apache-2.0
// Memory read requests of the card: the contexts whose read is set up stand in a list, and the first of them sends its
// requests as long as there are tags, room for the completions and credits. Who waits for credits is woken by EV_DMA_WAKE,
// who waits for a tag or for room by the next completion. A function that may not send (bus mastering off) is parked.
import { COUNTER, CREDIT_UP_NP, LINK_UP, TAG } from '../abi/state_map.ts';
import {
  CTL_CPL_DATA,
  CTL_CPL_HEADERS,
  CTL_CPL_TIMEOUT,
  CTL_NOW,
  CTL_PARKED_HEAD,
  CTL_READ_HEAD,
  CTL_READ_TAIL,
  CTL_READ_WAKE,
  CTL_TAGS_USED,
  CTL_TAG_FREE,
} from '../abi/control.ts';
import { FN_BUS_MASTER } from '../abi/function.ts';
import {
  DMA_BYTES,
  DMA_CURSOR,
  DMA_CURSOR_DONE,
  DMA_ENGINE_WAIT,
  DMA_FN,
  DMA_GENERATION,
  DMA_LEFT,
  DMA_LISTED,
  DMA_NEXT,
  DMA_PENDING,
  DMA_READY,
  DMA_SETUP,
  DMA_TARGET,
  DMA_UP_BYTES,
  DMA_UP_TLPS,
  SEGMENT_BYTES,
  SEGMENT_IOVA,
  SEGMENT_LENGTH,
} from '../abi/dma_context.ts';
import {
  TAG_BYTES,
  TAG_CONTEXT,
  TAG_DEADLINE,
  TAG_ENGINE_WAIT,
  TAG_FN,
  TAG_FORGOTTEN,
  TAG_GENERATION,
  TAG_HEADERS,
  TAG_HOST,
  TAG_IOVA,
  TAG_LENGTH,
  TAG_NEXT,
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
  TLP_MRD,
  TRACE_DMA_ISSUED,
  TRACE_MASK_STATE,
  TRACE_MASK_TLP,
  TRACE_NOBODY,
  TRACE_TAGS,
} from '../abi/trace_kind.ts';
import { DMA_PARKED, DMA_WAITING } from '../abi/state_value.ts';
import { EV_DMA_HOST, EV_DMA_WAKE, PRIO_NORMAL } from '../abi/event_code.ts';
import { C_DMA_READ_REQUESTS } from '../abi/counter.ts';
import { P_CPL_DATA, P_CPL_HEADERS, P_UP_LATENCY } from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isTracing, record } from '../sim/trace.ts';
import { creditTime, takeCredits } from './credits.ts';
import { readServed, translationDone } from './host_timing.ts';
import { sendUp, wireFree } from './link.ts';
import { traceMemory } from './link_trace.ts';
import { tagNumber, traceRequest } from './read_trace.ts';
import { expire, freeTag, isUnanswered, tagsEnd } from './tags.ts';
import { completionCount, dataUnits, prefixBytes, readPiece, requestBytes } from './tlp.ts';

/** A function level reset: what function `f` had sent is no longer its own, and what would never be answered is over. */
export function forgetReads(f: usize): void {
  if (load<u32>(CTL_TAGS_USED) == 0) return;
  const end = tagsEnd();
  for (let tag: usize = TAG; tag < end; tag += TAG_BYTES) {
    if (load<u32>(tag, TAG_NUMBER) == 0 || load<u32>(tag, TAG_FN) != <u32>f) continue;
    store<u32>(tag, 1, TAG_FORGOTTEN);
    if (isUnanswered(tag)) freeTag(tag);
  }
  sendReads();
}

/** EV_DMA_READY: the read is set up. */
export function readReady(context: usize, generation: u32): void {
  if (load<u32>(context, DMA_GENERATION) != generation) return;
  store<u32>(context, <u32>load<u64>(CTL_NOW), DMA_READY);
  enlist(context);
  sendReads();
}

function enlist(context: usize): void {
  store<u8>(context, DMA_WAITING, DMA_LISTED);
  store<u32>(context, 0, DMA_NEXT);
  const tail: usize = load<u32>(CTL_READ_TAIL);
  if (tail == 0) store<u32>(CTL_READ_HEAD, <u32>context);
  else store<u32>(tail, <u32>context, DMA_NEXT);
  store<u32>(CTL_READ_TAIL, <u32>context);
}

/** Takes a context off the list that it is on, wherever it stands; only resets and errors do that in the middle. */
export function unlist(context: usize): void {
  const head: usize = load<u8>(context, DMA_LISTED) == DMA_PARKED ? CTL_PARKED_HEAD : CTL_READ_HEAD;
  let before: usize = 0;
  let at: usize = load<u32>(head);
  while (at != context) {
    before = at;
    at = load<u32>(at, DMA_NEXT);
  }
  const next = load<u32>(context, DMA_NEXT);
  if (before == 0) store<u32>(head, next);
  else store<u32>(before, next, DMA_NEXT);
  if (head == CTL_READ_HEAD && load<u32>(CTL_READ_TAIL) == <u32>context) store<u32>(CTL_READ_TAIL, <u32>before);
  store<u8>(context, 0, DMA_LISTED);
}

/** Bus mastering of a function is on again: its parked reads go on, behind those that wait. */
export function resumeReads(f: usize): void {
  let context: usize = load<u32>(CTL_PARKED_HEAD);
  while (context != 0) {
    const next: usize = load<u32>(context, DMA_NEXT);
    if (load<u32>(context, DMA_FN) == <u32>f) {
      unlist(context);
      enlist(context);
    }
    context = next;
  }
  sendReads();
}

function park(context: usize): void {
  unlist(context);
  store<u8>(context, DMA_PARKED, DMA_LISTED);
  store<u32>(context, load<u32>(CTL_PARKED_HEAD), DMA_NEXT);
  store<u32>(CTL_PARKED_HEAD, <u32>context);
}

/** Sends the requests of waiting contexts as long as there are tags, room and credits for them. */
export function sendReads(): void {
  let context: usize = load<u32>(CTL_READ_HEAD);
  while (context != 0) {
    if (load<u8>(load<u32>(context, DMA_FN), FN_BUS_MASTER) == 0) {
      park(context);
    } else {
      if (!sendRequest(context)) return;
      if (load<u32>(context, DMA_LEFT) == 0) unlist(context);
    }
    context = load<u32>(CTL_READ_HEAD);
  }
}

/** Sends the next request of a context; false if it has to wait. */
function sendRequest(context: usize): bool {
  const tag: usize = load<u32>(CTL_TAG_FREE);
  if (tag == 0) return false;
  let segment: usize = load<u32>(context, DMA_CURSOR);
  let done = load<u32>(context, DMA_CURSOR_DONE);
  while (done == load<u32>(segment, SEGMENT_LENGTH)) {
    segment += SEGMENT_BYTES;
    done = 0;
  }
  const left = load<u32>(context, DMA_LEFT);
  const iova = load<u64>(segment, SEGMENT_IOVA) + done;
  const length = readPiece(iova, min(load<u32>(segment, SEGMENT_LENGTH) - done, left));
  const headers = completionCount(iova, length);
  if (!hasRoom(headers, length)) return false;
  const creditsBack = creditTime(CREDIT_UP_NP, 0);
  if (creditsBack > wireFree(LINK_UP)) {
    wakeAt(creditsBack);
    return false;
  }

  store<u32>(context, <u32>segment, DMA_CURSOR);
  store<u32>(context, done + length, DMA_CURSOR_DONE);
  store<u32>(context, left - length, DMA_LEFT);
  store<u16>(context, load<u16>(context, DMA_PENDING) + 1, DMA_PENDING);
  const f: usize = load<u32>(context, DMA_FN);
  const bytes = prefixBytes(f) + requestBytes(iova);
  store<u32>(context, load<u32>(context, DMA_UP_TLPS) + 1, DMA_UP_TLPS);
  store<u32>(context, load<u32>(context, DMA_UP_BYTES) + bytes, DMA_UP_BYTES);
  count(C_DMA_READ_REQUESTS);

  const now = load<u64>(CTL_NOW);
  const arrival = sendUp(bytes, now);
  const translated = translationDone(f, iova, arrival);
  const served = readServed(translated);
  takeCredits(CREDIT_UP_NP, 0, served);
  store<u32>(CTL_TAG_FREE, load<u32>(tag, TAG_NEXT));
  store<u32>(CTL_TAGS_USED, load<u32>(CTL_TAGS_USED) + 1);
  store<u32>(CTL_CPL_HEADERS, load<u32>(CTL_CPL_HEADERS) + headers);
  store<u32>(CTL_CPL_DATA, load<u32>(CTL_CPL_DATA) + dataUnits(length));
  store<u32>(tag, <u32>context, TAG_CONTEXT);
  store<u32>(tag, load<u32>(context, DMA_GENERATION), TAG_GENERATION);
  store<u64>(tag, iova, TAG_IOVA);
  store<u32>(tag, length, TAG_LENGTH);
  store<u32>(tag, load<u32>(context, DMA_TARGET) + load<u32>(context, DMA_BYTES) - left, TAG_TARGET);
  store<u32>(tag, 0, TAG_STATUS);
  store<u32>(tag, <u32>f, TAG_FN);
  store<u32>(tag, headers, TAG_HEADERS);
  store<u32>(tag, load<u32>(COUNTER + (C_DMA_READ_REQUESTS << 3)), TAG_NUMBER);
  store<u32>(tag, load<u32>(context, DMA_ENGINE_WAIT), TAG_ENGINE_WAIT);
  store<u32>(tag, load<u32>(context, DMA_SETUP), TAG_SETUP);
  store<u32>(tag, load<u32>(context, DMA_READY), TAG_READY);
  store<u32>(tag, <u32>now, TAG_SENT);
  store<u32>(tag, <u32>(arrival - now) - param(P_UP_LATENCY), TAG_UP);
  store<u32>(tag, <u32>(translated - arrival), TAG_TRANSLATION);
  store<u32>(tag, <u32>(served - arrival), TAG_HOST);
  store<u32>(tag, 0, TAG_FORGOTTEN);
  const deadline = now + load<u64>(CTL_CPL_TIMEOUT);
  store<u64>(tag, deadline, TAG_DEADLINE);
  if (isTracing(TRACE_MASK_TLP)) traceMemory(TLP_MRD, f, tagNumber(tag), iova, length, bytes, arrival, 0);
  if (isTracing(TRACE_MASK_STATE)) {
    record(TRACE_TAGS, TRACE_NOBODY, 0, load<u32>(CTL_TAGS_USED), 0, 0);
    traceRequest(TRACE_DMA_ISSUED, context, tag);
  }
  if (served > deadline) expire(tag);
  scheduleAt(served, EV_DMA_HOST, PRIO_NORMAL, <u32>tag, 0);
  return true;
}

/** Is there room for the completions of one more request? A request always finds room where nothing is reserved. */
function hasRoom(headers: u32, length: u32): bool {
  const usedHeaders = load<u32>(CTL_CPL_HEADERS);
  if (usedHeaders == 0) return true;
  const allHeaders = param(P_CPL_HEADERS);
  if (allHeaders != 0 && usedHeaders + headers > allHeaders) return false;
  const allData = param(P_CPL_DATA);
  return allData == 0 || load<u32>(CTL_CPL_DATA) + dataUnits(length) <= allData;
}

/** Has the waiting contexts looked at in cycle `time`, unless that is to happen earlier anyway. */
function wakeAt(time: u64): void {
  const pending = load<u64>(CTL_READ_WAKE);
  if (pending != 0 && pending <= time) return;
  store<u64>(CTL_READ_WAKE, time);
  scheduleAt(time, EV_DMA_WAKE, PRIO_NORMAL, 0, 0);
}

/** EV_DMA_WAKE: credits are back. */
export function wakeReads(): void {
  if (load<u64>(CTL_READ_WAKE) == load<u64>(CTL_NOW)) store<u64>(CTL_READ_WAKE, 0);
  sendReads();
}
