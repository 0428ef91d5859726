// SPDX-License-Identifier: Apache-2.0
// The device as PCIe requester: DMA reads of a scatter list, posted writes, MSI-X writes. Each owner (queue or job) has
// one DMA context and one read outstanding. A read goes up the link, is served by host memory after the host's latency
// (that is when memory is sampled), and comes back as completions. Posted writes wait in a FIFO until their time of
// arrival and are put into memory when somebody looks: a read being served, or the end of a run. Nobody can tell the
// difference, and a write costs no event.
//
//   posted entry  0 arrival u64 | 8 function u32 | 12 length u32 | 16 iova u64 | 24 bytes padded to 8
import {
  CTL_NOW,
  CTL_POSTED_HEAD,
  CTL_POSTED_LAST,
  CTL_POSTED_TAIL,
  POSTED,
  POSTED_BYTES,
  FN_MSIX_SENT,
} from '../abi/state_map.ts';
import {
  DMA_BYTES,
  DMA_DONE_EVENT,
  DMA_DOWN_BYTES,
  DMA_DOWN_TLPS,
  DMA_FAULT,
  DMA_FN,
  DMA_GENERATION,
  DMA_SEGMENT,
  DMA_SEGMENT_COUNT,
  DMA_SEGMENTS,
  DMA_TARGET,
  DMA_UP_BYTES,
  DMA_UP_TLPS,
  FN_INDEX,
  SEGMENT_BYTES,
  SEGMENT_LENGTH,
} from '../abi/function_state.ts';
import { EV_DMA_HOST, EV_MSI, OUT_MSI, PRIO_NORMAL, PRIO_POSTED } from '../abi/event_code.ts';
import {
  C_DMA_FAULTS,
  C_DMA_READ_BYTES,
  C_DMA_READS,
  C_DMA_WRITE_BYTES,
  C_DMA_WRITES,
  C_MSI_WRITES,
} from '../abi/counter.ts';
import {
  P_DMA_ENGINE,
  P_HOST_READ,
  P_MPS,
  P_MRRS,
  P_RCB,
  P_TLP_CPL_BYTES,
  P_TLP_MEM_BYTES,
  P_TLP_MSI_BYTES,
} from '../abi/timing_param.ts';
import { copyBytes, count, functionAt, param } from '../mem/arena.ts';
import { emit } from '../sim/output.ts';
import { NEVER, scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { readMemory, writeMemory } from './host_memory.ts';
import { sendDown, sendUp } from './link.ts';

const ENTRY_BYTES = 24;

/** TLPs that `bytes` need when cut into pieces of at most `limit`. */
function pieces(bytes: u32, limit: u32): u32 {
  return bytes <= limit ? 1 : (bytes + limit - 1) / limit;
}

/** TLPs for the segments of a read, each cut into pieces of at most `limit`: its requests, or its completions. */
function countPieces(context: usize, limit: u32): u32 {
  let tlps: u32 = 0;
  let left = load<u32>(context, DMA_BYTES);
  let segment: usize = load<u32>(context, DMA_SEGMENTS);
  for (let n = load<u32>(context, DMA_SEGMENT_COUNT); n > 0 && left > 0; n--) {
    const length = min(load<u32>(segment, SEGMENT_LENGTH), left);
    if (length > 0) tlps += pieces(length, limit);
    left -= length;
    segment += SEGMENT_BYTES;
  }
  return tlps;
}

/** Sets up a read of one piece of memory into `target`; startRead() sends it. */
export function prepareRead(context: usize, iova: u64, length: u32, target: usize): void {
  store<u64>(context, iova, DMA_SEGMENT);
  store<u32>(context, length, DMA_SEGMENT + SEGMENT_LENGTH);
  store<u32>(context, <u32>(context + DMA_SEGMENT), DMA_SEGMENTS);
  store<u32>(context, 1, DMA_SEGMENT_COUNT);
  store<u32>(context, length, DMA_BYTES);
  store<u32>(context, <u32>target, DMA_TARGET);
}

/** Adds a second piece to a read set up by prepareRead; its bytes follow those of the first. */
export function appendRead(context: usize, iova: u64, length: u32): void {
  store<u64>(context, iova, DMA_SEGMENT + SEGMENT_BYTES);
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
    const isMapped = readMemory(load<u32>(context, DMA_FN), iova, length, target);
    store<u32>(context, isMapped ? 0 : 1, DMA_FAULT);
    if (!isMapped) count(C_DMA_FAULTS);
    store<u32>(context, length, DMA_BYTES);
    return true;
  }
  prepareRead(context, iova, length, target);
  return startRead(context);
}

/**
 * Starts the read of a context. True: it is done already (functional mode); false: the context's done event will come.
 * Either way DMA_FAULT tells whether all addresses were mapped. `setup`: cycles that the owner spends before, on top of
 * the engine's own.
 */
export function startRead(context: usize, setup: u32 = 0): bool {
  store<u32>(context, 0, DMA_FAULT);
  count(C_DMA_READS);
  count(C_DMA_READ_BYTES, load<u32>(context, DMA_BYTES));
  if (isFunctional()) {
    sample(context);
    return true;
  }
  const tlps = countPieces(context, param(P_MRRS));
  const bytes = tlps * param(P_TLP_MEM_BYTES);
  store<u32>(context, load<u32>(context, DMA_UP_TLPS) + tlps, DMA_UP_TLPS);
  store<u32>(context, load<u32>(context, DMA_UP_BYTES) + bytes, DMA_UP_BYTES);
  const arrival = sendUp(tlps, bytes) + param(P_DMA_ENGINE) + setup + param(P_HOST_READ);
  scheduleAt(arrival, EV_DMA_HOST, PRIO_NORMAL, <u32>context, load<u32>(context, DMA_GENERATION));
  return false;
}

/** EV_DMA_HOST: host memory answers; the completions travel to the device. */
export function serveRead(context: usize, generation: u32): void {
  if (load<u32>(context, DMA_GENERATION) != generation) return;
  deliverPosted();
  sample(context);
  const bytes = load<u32>(context, DMA_BYTES);
  const tlps = load<u32>(context, DMA_FAULT) != 0 ? 1 : countPieces(context, param(P_RCB));
  const wire = tlps * param(P_TLP_CPL_BYTES) + (load<u32>(context, DMA_FAULT) != 0 ? 0 : (bytes + 3) & ~3);
  store<u32>(context, load<u32>(context, DMA_DOWN_TLPS) + tlps, DMA_DOWN_TLPS);
  store<u32>(context, load<u32>(context, DMA_DOWN_BYTES) + wire, DMA_DOWN_BYTES);
  scheduleAt(sendDown(tlps, wire), load<u32>(context, DMA_DONE_EVENT), PRIO_NORMAL, <u32>context, generation);
}

/** Reads the bytes of a context's list out of host memory. */
function sample(context: usize): void {
  const f: usize = load<u32>(context, DMA_FN);
  let left = load<u32>(context, DMA_BYTES);
  let target: usize = load<u32>(context, DMA_TARGET);
  let segment: usize = load<u32>(context, DMA_SEGMENTS);
  for (let n = load<u32>(context, DMA_SEGMENT_COUNT); n > 0 && left > 0; n--) {
    const length = min(load<u32>(segment, SEGMENT_LENGTH), left);
    if (!readMemory(f, load<u64>(segment), length, target)) {
      store<u32>(context, 1, DMA_FAULT);
      count(C_DMA_FAULTS);
      return;
    }
    target += length;
    left -= length;
    segment += SEGMENT_BYTES;
  }
}

/** Cycles to wait before `bytes` in `entries` posted writes find room; 0 if they do now. */
export function postedWait(entries: u32, bytes: u32): u64 {
  if (isFunctional()) return 0;
  const used = load<u32>(CTL_POSTED_HEAD) - load<u32>(CTL_POSTED_TAIL);
  // an entry may leave a gap of its own size at the end of the ring
  const need = entries * (ENTRY_BYTES + 8) + bytes + FRAME_GAP;
  if (used + need <= <u32>POSTED_BYTES) return 0;
  deliverPosted();
  if (load<u32>(CTL_POSTED_HEAD) - load<u32>(CTL_POSTED_TAIL) + need <= <u32>POSTED_BYTES) return 0;
  const first: usize = POSTED + (load<u32>(CTL_POSTED_TAIL) & (POSTED_BYTES - 1));
  return load<u64>(first) - load<u64>(CTL_NOW);
}

const FRAME_GAP = 0x2800;

/** Posts a write of `length` bytes from `source`, on account of `context`; it leaves `after` cycles from now. */
export function postWrite(context: usize, iova: u64, length: u32, source: usize, after: u32 = 0): void {
  const f: usize = load<u32>(context, DMA_FN);
  count(C_DMA_WRITES);
  count(C_DMA_WRITE_BYTES, length);
  if (isFunctional()) {
    writeMemory(f, iova, length, source);
    return;
  }
  const tlps = pieces(length, param(P_MPS));
  const bytes = tlps * param(P_TLP_MEM_BYTES) + ((length + 3) & ~3);
  store<u32>(context, load<u32>(context, DMA_UP_TLPS) + tlps, DMA_UP_TLPS);
  store<u32>(context, load<u32>(context, DMA_UP_BYTES) + bytes, DMA_UP_BYTES);
  const arrival = sendUp(tlps, bytes, after);
  store<u64>(CTL_POSTED_LAST, arrival);
  const size = ENTRY_BYTES + ((length + 7) & ~7);
  let head = load<u32>(CTL_POSTED_HEAD);
  const room = POSTED_BYTES - (head & (POSTED_BYTES - 1));
  if (room < size) {
    // skip to the start of the ring; function 0 address marks the gap
    const gap: usize = POSTED + (head & (POSTED_BYTES - 1));
    if (room >= ENTRY_BYTES) {
      store<u64>(gap, arrival);
      store<u32>(gap, 0, 8);
      store<u32>(gap, room, 12);
    }
    head += room;
  }
  if (head + size - load<u32>(CTL_POSTED_TAIL) > <u32>POSTED_BYTES) unreachable(); // callers ask postedWait first: a bug of the model
  const entry: usize = POSTED + (head & (POSTED_BYTES - 1));
  store<u64>(entry, arrival);
  store<u32>(entry, <u32>f, 8);
  store<u32>(entry, length, 12);
  store<u64>(entry, iova, 16);
  copyBytes(entry + ENTRY_BYTES, source, length);
  store<u32>(CTL_POSTED_HEAD, head + size);
}

/** Arrival of the newest posted write that is under way; the current time if there is none. */
export function lastPostedArrival(): u64 {
  const time = load<u64>(CTL_NOW);
  if (load<u32>(CTL_POSTED_HEAD) == load<u32>(CTL_POSTED_TAIL)) return time;
  return max(time, load<u64>(CTL_POSTED_LAST));
}

/** Arrival of the oldest posted write that is under way, NEVER if there is none. */
export function nextPostedArrival(): u64 {
  const tail = load<u32>(CTL_POSTED_TAIL);
  if (load<u32>(CTL_POSTED_HEAD) == tail) return NEVER;
  const at = tail & (POSTED_BYTES - 1);
  // in a gap at the end of the ring the oldest write is the first entry of the ring
  return load<u64>(POSTED + (<u32>(POSTED_BYTES - at) < <u32>ENTRY_BYTES ? 0 : at));
}

/** Puts every posted write that has arrived by now into host memory. */
export function deliverPosted(): void {
  const time = load<u64>(CTL_NOW);
  const head = load<u32>(CTL_POSTED_HEAD);
  let tail = load<u32>(CTL_POSTED_TAIL);
  while (tail != head) {
    const room = POSTED_BYTES - (tail & (POSTED_BYTES - 1));
    if (room < ENTRY_BYTES) {
      tail += room;
      continue;
    }
    const entry: usize = POSTED + (tail & (POSTED_BYTES - 1));
    if (load<u64>(entry) > time) break;
    const f: usize = load<u32>(entry, 8);
    const length = load<u32>(entry, 12);
    if (f == 0) {
      tail += length;
      continue;
    }
    writeMemory(f, load<u64>(entry, 16), length, entry + ENTRY_BYTES);
    tail += ENTRY_BYTES + ((length + 7) & ~7);
  }
  store<u32>(CTL_POSTED_TAIL, tail);
}

/** Sends an MSI-X write behind all posted writes; returns the cycle of its arrival. */
export function postMsi(f: usize, vector: u32, addressLo: u32, addressHi: u32, data: u32, delay: u32): u64 {
  count(C_MSI_WRITES);
  const fn = load<u32>(f, FN_INDEX);
  if (isFunctional()) {
    emit(OUT_MSI, fn, vector, data, addressLo, addressHi);
    return load<u64>(CTL_NOW);
  }
  const sent = f + FN_MSIX_SENT + (vector << 3);
  store<u32>(sent, addressLo);
  store<u32>(sent, addressHi, 4);
  const arrival = sendUp(1, param(P_TLP_MSI_BYTES) + 4, delay);
  scheduleAt(arrival, EV_MSI, PRIO_POSTED, (fn << 16) | vector, data);
  return arrival;
}

/** EV_MSI: the write reaches the host. */
export function arriveMsi(fn: u32, vector: u32, data: u32): void {
  deliverPosted();
  const sent = functionAt(fn) + FN_MSIX_SENT + (vector << 3); // the table may have changed since
  emit(OUT_MSI, fn, vector, data, load<u32>(sent), load<u32>(sent, 4));
}

/** Forgets the outstanding read of a context; a completion that is under way finds another generation. */
export function cancelRead(context: usize): void {
  store<u32>(context, load<u32>(context, DMA_GENERATION) + 1, DMA_GENERATION);
}
