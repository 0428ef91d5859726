// SPDX-License-Identifier: Apache-2.0
// Memory read requests of the card: the contexts whose read is set up stand in a list, and the first of them sends its
// requests as long as there are tags, room for the completions and credits. Who waits for credits is woken by EV.DMA_WAKE,
// who waits for a tag or for room by the next completion. A function that may not send (bus mastering off) is parked.
import { COUNTER, CREDIT_UP_NP, LINK_UP, TAGS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TAG from '../abi/tag.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { DMA_PARKED, DMA_WAITING } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import { C_DMA_READ_REQUESTS } from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { readServed, readTranslated } from '../host/root_complex.ts';
import { NEVER, scheduleAt } from '../sim/scheduler.ts';
import { isTracing, record } from '../sim/trace.ts';
import { creditTime, holdCredit, takeCredits } from './credits.ts';
import { sendUp, wireFree } from './link.ts';
import { traceMemory } from './link_trace.ts';
import { tagNumber, traceRequest } from './read_trace.ts';
import { expire, freeTag, isUnanswered, tagsEnd } from './tags.ts';
import { completionCount, dataUnits, prefixBytes, readPiece, requestBytes } from './tlp.ts';

/** A function level reset: what function `f` had sent is no longer its own, and what would never be answered is over. */
export function forgetReads(f: usize): void {
  if (load<u32>(CTL.TAGS_USED) == 0) return;
  const end = tagsEnd();
  for (let tag: usize = TAGS; tag < end; tag += TAG.BYTES) {
    if (load<u32>(tag, TAG.NUMBER) == 0 || load<u32>(tag, TAG.FN) != <u32>f) continue;
    store<u32>(tag, 1, TAG.FORGOTTEN);
    if (isUnanswered(tag)) freeTag(tag);
  }
  sendReads();
}

/** EV.DMA_READY: the read is set up. */
export function readReady(context: usize, generation: u32): void {
  if (load<u32>(context, DMA.GENERATION) != generation) return;
  store<u32>(context, <u32>load<u64>(CTL.NOW), DMA.READY);
  enlist(context);
  sendReads();
}

function enlist(context: usize): void {
  store<u8>(context, DMA_WAITING, DMA.LISTED);
  store<u32>(context, 0, DMA.NEXT);
  const tail: usize = load<u32>(CTL.READ_TAIL);
  if (tail == 0) store<u32>(CTL.READ_HEAD, <u32>context);
  else store<u32>(tail, <u32>context, DMA.NEXT);
  store<u32>(CTL.READ_TAIL, <u32>context);
}

/** Takes a context off the list that it is on, wherever it stands; only resets and errors do that in the middle. */
export function unlist(context: usize): void {
  const head: usize = load<u8>(context, DMA.LISTED) == DMA_PARKED ? CTL.PARKED_HEAD : CTL.READ_HEAD;
  let before: usize = 0;
  let at: usize = load<u32>(head);
  while (at != context) {
    before = at;
    at = load<u32>(at, DMA.NEXT);
  }
  const next = load<u32>(context, DMA.NEXT);
  if (before == 0) store<u32>(head, next);
  else store<u32>(before, next, DMA.NEXT);
  if (head == CTL.READ_HEAD && load<u32>(CTL.READ_TAIL) == <u32>context) store<u32>(CTL.READ_TAIL, <u32>before);
  store<u8>(context, 0, DMA.LISTED);
}

/** Bus mastering of a function is on again: its parked reads go on, behind those that wait. */
export function resumeReads(f: usize): void {
  let context: usize = load<u32>(CTL.PARKED_HEAD);
  while (context != 0) {
    const next: usize = load<u32>(context, DMA.NEXT);
    if (load<u32>(context, DMA.FN) == <u32>f) {
      unlist(context);
      enlist(context);
    }
    context = next;
  }
  sendReads();
}

function park(context: usize): void {
  unlist(context);
  store<u8>(context, DMA_PARKED, DMA.LISTED);
  store<u32>(context, load<u32>(CTL.PARKED_HEAD), DMA.NEXT);
  store<u32>(CTL.PARKED_HEAD, <u32>context);
}

/** Sends the requests of waiting contexts as long as there are tags, room and credits for them. */
export function sendReads(): void {
  let context: usize = load<u32>(CTL.READ_HEAD);
  while (context != 0) {
    if (load<u8>(load<u32>(context, DMA.FN), FN.BUS_MASTER) == 0) {
      park(context);
    } else {
      if (!sendRequest(context)) return;
      if (load<u32>(context, DMA.LEFT) == 0) unlist(context);
    }
    context = load<u32>(CTL.READ_HEAD);
  }
}

/** Sends the next request of a context; false if it has to wait. */
function sendRequest(context: usize): bool {
  const tag: usize = load<u32>(CTL.TAG_FREE);
  if (tag == 0) return false;
  let segment: usize = load<u32>(context, DMA.CURSOR);
  let done = load<u32>(context, DMA.CURSOR_DONE);
  while (done == load<u32>(segment, DMA.SEGMENT_LENGTH)) {
    segment += DMA.SEGMENT_BYTES;
    done = 0;
  }
  const left = load<u32>(context, DMA.LEFT);
  const iova = load<u64>(segment, DMA.SEGMENT_IOVA) + done;
  const length = readPiece(iova, min(load<u32>(segment, DMA.SEGMENT_LENGTH) - done, left));
  const headers = completionCount(iova, length);
  if (!hasRoom(headers, length)) return false;
  const creditsBack = creditTime(CREDIT_UP_NP, 0);
  if (creditsBack > wireFree(LINK_UP)) {
    if (creditsBack != NEVER) wakeAt(creditsBack); // else the answer to a request brings one
    return false;
  }

  store<u32>(context, <u32>segment, DMA.CURSOR);
  store<u32>(context, done + length, DMA.CURSOR_DONE);
  store<u32>(context, left - length, DMA.LEFT);
  store<u16>(context, load<u16>(context, DMA.PENDING) + 1, DMA.PENDING);
  const f: usize = load<u32>(context, DMA.FN);
  const bytes = prefixBytes(f) + requestBytes(iova);
  store<u32>(context, load<u32>(context, DMA.UP_TLPS) + 1, DMA.UP_TLPS);
  store<u32>(context, load<u32>(context, DMA.UP_BYTES) + bytes, DMA.UP_BYTES);
  count(C_DMA_READ_REQUESTS);

  const now = load<u64>(CTL.NOW);
  const arrival = sendUp(bytes, now);
  const translated = readTranslated(f, iova, arrival);
  const served = readServed(translated);
  if (served == NEVER) holdCredit(CREDIT_UP_NP);
  else takeCredits(CREDIT_UP_NP, 0, served);
  store<u32>(CTL.TAG_FREE, load<u32>(tag, TAG.NEXT));
  store<u32>(CTL.TAGS_USED, load<u32>(CTL.TAGS_USED) + 1);
  store<u32>(CTL.CPL_HEADERS, load<u32>(CTL.CPL_HEADERS) + headers);
  store<u32>(CTL.CPL_DATA, load<u32>(CTL.CPL_DATA) + dataUnits(length));
  store<u32>(tag, <u32>context, TAG.CONTEXT);
  store<u32>(tag, load<u32>(context, DMA.GENERATION), TAG.GENERATION);
  store<u64>(tag, iova, TAG.IOVA);
  store<u32>(tag, length, TAG.LENGTH);
  store<u32>(tag, load<u32>(context, DMA.TARGET) + load<u32>(context, DMA.BYTES) - left, TAG.TARGET);
  store<u32>(tag, 0, TAG.STATUS);
  store<u32>(tag, <u32>f, TAG.FN);
  store<u32>(tag, headers, TAG.HEADERS);
  store<u32>(tag, load<u32>(COUNTER + (C_DMA_READ_REQUESTS << 3)), TAG.NUMBER);
  store<u32>(tag, load<u32>(context, DMA.ENGINE_WAIT), TAG.ENGINE_WAIT);
  store<u32>(tag, load<u32>(context, DMA.SETUP), TAG.SETUP);
  store<u32>(tag, load<u32>(context, DMA.READY), TAG.READY);
  store<u32>(tag, <u32>now, TAG.SENT);
  store<u32>(tag, <u32>(arrival - now) - param(P.UP_LATENCY), TAG.UP);
  store<u32>(tag, <u32>(translated - arrival), TAG.TRANSLATION);
  store<u32>(tag, <u32>(served - arrival), TAG.HOST);
  store<u32>(tag, 0, TAG.FORGOTTEN);
  const deadline = now + load<u64>(CTL.CPL_TIMEOUT);
  store<u64>(tag, deadline, TAG.DEADLINE);
  if (isTracing(TRACE.MASK_TLP)) traceMemory(TRACE.TLP_MRD, f, tagNumber(tag), iova, length, bytes, arrival, 0);
  if (isTracing(TRACE.MASK_STATE)) {
    record(TRACE.TAGS, TRACE.NOBODY, 0, load<u32>(CTL.TAGS_USED), 0, 0);
    traceRequest(TRACE.DMA_ISSUED, context, tag);
  }
  if (served > deadline) {
    if (served == NEVER) return leave(tag, arrival);
    expire(tag);
  }
  scheduleAt(served, EV.DMA_HOST, EV.PRIO_NORMAL, <u32>tag, 0);
  return true;
}

/** A request whose answer nobody knows goes to memory outside, in the order of the link: with the priority of writes. */
function leave(tag: usize, arrival: u64): bool {
  scheduleAt(arrival, EV.READ_OUT, EV.PRIO_POSTED, <u32>tag, 0);
  return true;
}

/** Is there room for the completions of one more request? A request always finds room where nothing is reserved. */
function hasRoom(headers: u32, length: u32): bool {
  const usedHeaders = load<u32>(CTL.CPL_HEADERS);
  if (usedHeaders == 0) return true;
  const allHeaders = param(P.CPL_HEADERS);
  if (allHeaders != 0 && usedHeaders + headers > allHeaders) return false;
  const allData = param(P.CPL_DATA);
  return allData == 0 || load<u32>(CTL.CPL_DATA) + dataUnits(length) <= allData;
}

/** Has the waiting contexts looked at in cycle `time`, unless that is to happen earlier anyway. */
function wakeAt(time: u64): void {
  const pending = load<u64>(CTL.READ_WAKE);
  if (pending != 0 && pending <= time) return;
  store<u64>(CTL.READ_WAKE, time);
  scheduleAt(time, EV.DMA_WAKE, EV.PRIO_NORMAL, 0, 0);
}

/** EV.DMA_WAKE: credits are back. */
export function wakeReads(): void {
  if (load<u64>(CTL.READ_WAKE) == load<u64>(CTL.NOW)) store<u64>(CTL.READ_WAKE, 0);
  sendReads();
}
