// SPDX-License-Identifier: Apache-2.0
// The card as PCIe requester of memory reads. An owner (queue or job) has a DMA context with one read outstanding, a list
// of pieces of memory. A DMA engine sets the read up; then its requests, cut as PCIe demands, take a tag each, room for
// their completions and a credit, in the order of the contexts; the link carries them; the host answers, which is when
// memory is sampled; the completions come back and free the tag. The last of them wakes the owner.
//
//   startRead --setup--> EV.DMA_READY --tag, room, credit--> link --> EV.DMA_HOST --> link --> EV.DMA_DONE --> owner
//
// requests.ts has the way out, completions.ts the way back.
import * as CTL from '../abi/control.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { ENGINE_DMA_READ, READ_FAILED, READ_FAULT_UNSUPPORTED } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import { C_DMA_READS, C_DMA_READ_BYTES } from '../abi/counter.ts';
import * as P from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { readNow } from '../host/root_complex.ts';
import { occupyEngine } from '../sim/engine.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { failRead, takeInjectedFault } from './read_fault.ts';
import { traceRead } from './read_trace.ts';
import { readReady, unlist } from './requests.ts';

/** Sets up a read of one piece of memory into `target`; startRead() sends it. */
export function prepareRead(context: usize, iova: u64, length: u32, target: usize): void {
  store<u64>(context, iova, DMA.SEGMENT + DMA.SEGMENT_IOVA);
  store<u32>(context, length, DMA.SEGMENT + DMA.SEGMENT_LENGTH);
  store<u32>(context, <u32>(context + DMA.SEGMENT), DMA.SEGMENTS);
  store<u32>(context, 1, DMA.SEGMENT_COUNT);
  store<u32>(context, length, DMA.BYTES);
  store<u32>(context, <u32>target, DMA.TARGET);
}

/** Adds a second piece to a read set up by prepareRead; its bytes follow those of the first. */
export function appendRead(context: usize, iova: u64, length: u32): void {
  store<u64>(context, iova, DMA.SEGMENT + DMA.SEGMENT_BYTES + DMA.SEGMENT_IOVA);
  store<u32>(context, length, DMA.SEGMENT + DMA.SEGMENT_BYTES + DMA.SEGMENT_LENGTH);
  store<u32>(context, 2, DMA.SEGMENT_COUNT);
  store<u32>(context, load<u32>(context, DMA.BYTES) + length, DMA.BYTES);
}

/**
 * Reads one piece of memory into `target`: prepareRead and startRead in one, without the detour over the segment list
 * in functional mode.
 */
export function readInto(context: usize, iova: u64, length: u32, target: usize): bool {
  if (isFunctional()) {
    count(C_DMA_READS);
    count(C_DMA_READ_BYTES, length);
    store<u32>(context, 0, DMA.FAULT);
    store<u32>(context, length, DMA.BYTES);
    if (load<u32>(CTL.READ_FAULTS) != 0) return failRead(context, takeInjectedFault());
    const number = load<u32>(context, DMA.GENERATION);
    const outcome = readNow(load<u32>(context, DMA.FN), iova, length, target, context, number);
    return outcome == 0 || isOver(context, outcome);
  }
  prepareRead(context, iova, length, target);
  return startRead(context);
}

/**
 * Starts the read of a context. True: it is done already (functional mode); false: the context's done event will come.
 * Either way DMA.FAULT tells whether all of it came. `setup`: cycles that the owner spends before, on top of the engine's.
 */
export function startRead(context: usize, setup: u32 = 0): bool {
  const bytes = load<u32>(context, DMA.BYTES);
  store<u32>(context, 0, DMA.FAULT);
  count(C_DMA_READS);
  count(C_DMA_READ_BYTES, bytes);
  if (isFunctional()) {
    if (load<u32>(CTL.READ_FAULTS) != 0) return failRead(context, takeInjectedFault());
    return isOver(context, sample(context));
  }
  store<u32>(context, load<u32>(context, DMA.SEGMENTS), DMA.CURSOR);
  store<u32>(context, 0, DMA.CURSOR_DONE);
  store<u32>(context, bytes, DMA.LEFT);
  store<u16>(context, 0, DMA.PENDING);
  const now = load<u64>(CTL.NOW);
  const interval = param(P.DMA_READ_INTERVAL);
  const begins = interval == 0 ? now : occupyEngine(ENGINE_DMA_READ, P.DMA_READ_ENGINES, interval);
  const cycles = setup + param(P.DMA_SETUP);
  store<u32>(context, <u32>(begins - now), DMA.ENGINE_WAIT);
  store<u32>(context, cycles, DMA.SETUP);
  if (isTracing(TRACE.MASK_STATE)) traceRead(TRACE.DMA_ASKED, context);
  const ready = begins + cycles;
  if (ready == now) readReady(context, load<u32>(context, DMA.GENERATION));
  else scheduleAt(ready, EV.DMA_READY, EV.PRIO_NORMAL, <u32>context, load<u32>(context, DMA.GENERATION));
  return false;
}

/** Forgets the read of a context; completions that are under way find another generation. */
export function cancelRead(context: usize): void {
  store<u32>(context, load<u32>(context, DMA.GENERATION) + 1, DMA.GENERATION);
  if (load<u8>(context, DMA.LISTED) != 0) unlist(context);
}

/** Functional mode: is the read over, as readNow() says? Else the context's done event will come. */
function isOver(context: usize, outcome: u32): bool {
  if ((outcome & READ_FAILED) != 0) failRead(context, READ_FAULT_UNSUPPORTED);
  store<u16>(context, <u16>outcome, DMA.PENDING);
  return (outcome & ~READ_FAILED) == 0;
}

/** Reads the bytes of a context's list out of host memory: functional mode's way, all at once; what readNow() says. */
function sample(context: usize): u32 {
  const f: usize = load<u32>(context, DMA.FN);
  let left = load<u32>(context, DMA.BYTES);
  let target: usize = load<u32>(context, DMA.TARGET);
  let segment: usize = load<u32>(context, DMA.SEGMENTS);
  const number = load<u32>(context, DMA.GENERATION);
  let outcome: u32 = 0;
  for (let n = load<u32>(context, DMA.SEGMENT_COUNT); n > 0 && left > 0; n--) {
    const length = min(load<u32>(segment, DMA.SEGMENT_LENGTH), left);
    outcome += readNow(f, load<u64>(segment, DMA.SEGMENT_IOVA), length, target, context, number);
    if ((outcome & READ_FAILED) != 0) return outcome;
    target += length;
    left -= length;
    segment += DMA.SEGMENT_BYTES;
  }
  return outcome;
}
