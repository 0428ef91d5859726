// SPDX-License-Identifier: Apache-2.0
// The card as PCIe requester of memory reads. An owner (queue or job) has a DMA context with one read outstanding, a list
// of pieces of memory. A DMA engine sets the read up; then its requests, cut as PCIe demands, take a tag each, room for
// their completions and a credit, in the order of the contexts; the link carries them; the host answers, which is when
// memory is sampled; the completions come back and free the tag. The last of them wakes the owner.
//
//   startRead --setup--> EV_DMA_READY --tag, room, credit--> link --> EV_DMA_HOST --> link --> EV_DMA_DONE --> owner
//
// requests.ts has the way out, completions.ts the way back.
import { CTL_NOW, CTL_READ_FAULTS } from '../abi/control.ts';
import {
  DMA_BYTES,
  DMA_CURSOR,
  DMA_CURSOR_DONE,
  DMA_ENGINE_WAIT,
  DMA_FAULT,
  DMA_FN,
  DMA_GENERATION,
  DMA_LEFT,
  DMA_LISTED,
  DMA_PENDING,
  DMA_SEGMENT,
  DMA_SEGMENTS,
  DMA_SEGMENT_COUNT,
  DMA_SETUP,
  DMA_TARGET,
  SEGMENT_BYTES,
  SEGMENT_IOVA,
  SEGMENT_LENGTH,
} from '../abi/dma_context.ts';
import { TRACE_DMA_ASKED, TRACE_MASK_STATE } from '../abi/trace_kind.ts';
import { ENGINE_DMA_READ, READ_FAILED, READ_FAULT_UNSUPPORTED } from '../abi/state_value.ts';
import { EV_DMA_READY, PRIO_NORMAL } from '../abi/event_code.ts';
import { C_DMA_READS, C_DMA_READ_BYTES } from '../abi/counter.ts';
import { P_DMA_READ_ENGINES, P_DMA_READ_INTERVAL, P_DMA_SETUP } from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { occupyEngine } from '../sim/engine.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { readMemory } from './host_memory.ts';
import { failRead, takeInjectedFault } from './read_fault.ts';
import { traceRead } from './read_trace.ts';
import { readReady, unlist } from './requests.ts';

/** Sets up a read of one piece of memory into `target`; startRead() sends it. */
export function prepareRead(context: usize, iova: u64, length: u32, target: usize): void {
  store<u64>(context, iova, DMA_SEGMENT + SEGMENT_IOVA);
  store<u32>(context, length, DMA_SEGMENT + SEGMENT_LENGTH);
  store<u32>(context, <u32>(context + DMA_SEGMENT), DMA_SEGMENTS);
  store<u32>(context, 1, DMA_SEGMENT_COUNT);
  store<u32>(context, length, DMA_BYTES);
  store<u32>(context, <u32>target, DMA_TARGET);
}

/** Adds a second piece to a read set up by prepareRead; its bytes follow those of the first. */
export function appendRead(context: usize, iova: u64, length: u32): void {
  store<u64>(context, iova, DMA_SEGMENT + SEGMENT_BYTES + SEGMENT_IOVA);
  store<u32>(context, length, DMA_SEGMENT + SEGMENT_BYTES + SEGMENT_LENGTH);
  store<u32>(context, 2, DMA_SEGMENT_COUNT);
  store<u32>(context, load<u32>(context, DMA_BYTES) + length, DMA_BYTES);
}

/**
 * Reads one piece of memory into `target`: prepareRead and startRead in one, without the detour over the segment list
 * in functional mode.
 */
export function readInto(context: usize, iova: u64, length: u32, target: usize): bool {
  if (isFunctional()) {
    count(C_DMA_READS);
    count(C_DMA_READ_BYTES, length);
    store<u32>(context, 0, DMA_FAULT);
    store<u32>(context, length, DMA_BYTES);
    if (load<u32>(CTL_READ_FAULTS) != 0) return failRead(context, takeInjectedFault());
    const number = load<u32>(context, DMA_GENERATION);
    const outcome = readMemory(load<u32>(context, DMA_FN), iova, length, target, context, number);
    return outcome == 0 || isOver(context, outcome);
  }
  prepareRead(context, iova, length, target);
  return startRead(context);
}

/**
 * Starts the read of a context. True: it is done already (functional mode); false: the context's done event will come.
 * Either way DMA_FAULT tells whether all of it came. `setup`: cycles that the owner spends before, on top of the engine's.
 */
export function startRead(context: usize, setup: u32 = 0): bool {
  const bytes = load<u32>(context, DMA_BYTES);
  store<u32>(context, 0, DMA_FAULT);
  count(C_DMA_READS);
  count(C_DMA_READ_BYTES, bytes);
  if (isFunctional()) {
    if (load<u32>(CTL_READ_FAULTS) != 0) return failRead(context, takeInjectedFault());
    return isOver(context, sample(context));
  }
  store<u32>(context, load<u32>(context, DMA_SEGMENTS), DMA_CURSOR);
  store<u32>(context, 0, DMA_CURSOR_DONE);
  store<u32>(context, bytes, DMA_LEFT);
  store<u16>(context, 0, DMA_PENDING);
  const now = load<u64>(CTL_NOW);
  const interval = param(P_DMA_READ_INTERVAL);
  const begins = interval == 0 ? now : occupyEngine(ENGINE_DMA_READ, P_DMA_READ_ENGINES, interval);
  const cycles = setup + param(P_DMA_SETUP);
  store<u32>(context, <u32>(begins - now), DMA_ENGINE_WAIT);
  store<u32>(context, cycles, DMA_SETUP);
  if (isTracing(TRACE_MASK_STATE)) traceRead(TRACE_DMA_ASKED, context);
  const ready = begins + cycles;
  if (ready == now) readReady(context, load<u32>(context, DMA_GENERATION));
  else scheduleAt(ready, EV_DMA_READY, PRIO_NORMAL, <u32>context, load<u32>(context, DMA_GENERATION));
  return false;
}

/** Forgets the read of a context; completions that are under way find another generation. */
export function cancelRead(context: usize): void {
  store<u32>(context, load<u32>(context, DMA_GENERATION) + 1, DMA_GENERATION);
  if (load<u8>(context, DMA_LISTED) != 0) unlist(context);
}

/** Functional mode: is the read over, as readMemory() says? Else the context's done event will come. */
function isOver(context: usize, outcome: u32): bool {
  if ((outcome & READ_FAILED) != 0) failRead(context, READ_FAULT_UNSUPPORTED);
  store<u16>(context, <u16>outcome, DMA_PENDING);
  return (outcome & ~READ_FAILED) == 0;
}

/** Reads the bytes of a context's list out of host memory: functional mode's way, all at once; what readMemory() says. */
function sample(context: usize): u32 {
  const f: usize = load<u32>(context, DMA_FN);
  let left = load<u32>(context, DMA_BYTES);
  let target: usize = load<u32>(context, DMA_TARGET);
  let segment: usize = load<u32>(context, DMA_SEGMENTS);
  const number = load<u32>(context, DMA_GENERATION);
  let outcome: u32 = 0;
  for (let n = load<u32>(context, DMA_SEGMENT_COUNT); n > 0 && left > 0; n--) {
    const length = min(load<u32>(segment, SEGMENT_LENGTH), left);
    outcome += readMemory(f, load<u64>(segment, SEGMENT_IOVA), length, target, context, number);
    if ((outcome & READ_FAILED) != 0) return outcome;
    target += length;
    left -= length;
    segment += SEGMENT_BYTES;
  }
  return outcome;
}
