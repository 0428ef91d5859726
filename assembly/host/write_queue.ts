// SPDX-License-Identifier: Apache-2.0
// Writes of the card that are not in effect yet: a FIFO of what was sent, each write with its bytes and the cycle of its
// effect. What is due is put into memory when somebody looks: a read being served, a message, or the end of a run. Nobody
// can tell the difference, and a write costs no event (docs/decisions/0003). Where memory is outside a write leaves by an
// event of its own (outside.ts), and its place is free again when the record has been taken.
import { POSTED_BYTES, POSTED_RING } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as POSTED from '../abi/posted.ts';
import * as P from '../abi/timing_param.ts';
import { copyBytes, param } from '../mem/arena.ts';
import { hasOutput } from '../sim/output.ts';
import { NEVER } from '../sim/scheduler.ts';
import { writeMemory } from './memory.ts';
import { isOutside } from './side.ts';

/** The largest write that the card makes, and what it may lose at the end of the ring. */
const FRAME_GAP = 0x2800;
/** Cycles to wait before `bytes` in `entries` writes find room; 0 if they do now. */
export function writeWait(entries: u32, bytes: u32): u64 {
  // an entry may leave a gap of its own size at the end of the ring
  const need = entries * (POSTED.ENTRY_BYTES + 8) + bytes + FRAME_GAP;
  return load<u32>(CTL.POSTED_HEAD) - load<u32>(CTL.POSTED_TAIL) + need <= <u32>POSTED_BYTES / 2 ? 0 : makeRoom(need);
}

/** Half of the ring is in use: cycles until there is room for `need` bytes. */
function makeRoom(need: u32): u64 {
  if (isOutside()) return makeRoomOutside(need);
  deliverWrites();
  if (load<u32>(CTL.POSTED_HEAD) - load<u32>(CTL.POSTED_TAIL) + need <= <u32>POSTED_BYTES) return 0;
  return load<u64>(entryFrom(load<u32>(CTL.POSTED_TAIL)), POSTED.EFFECT) - load<u64>(CTL.NOW);
}

/**
 * Where memory is outside, half of the ring is for writes under way, so that it does not count how soon records are taken; of
 * the other half, which is for those that wait to be taken, a run leaves more free than one step fills.
 */
function makeRoomOutside(need: u32): u64 {
  const head = load<u32>(CTL.POSTED_HEAD);
  const passed = load<u32>(CTL.POSTED_PASSED);
  if (head - passed + need > <u32>POSTED_BYTES / 2) {
    const now = load<u64>(CTL.NOW);
    return max(load<u64>(entryFrom(passed), POSTED.EFFECT) - param(P.HOST_WRITE), now + 1) - now;
  }
  if (!hasOutput()) store<u32>(CTL.POSTED_TAIL, passed);
  // full only in a call that takes no output: a blocking access
  return head - load<u32>(CTL.POSTED_TAIL) + need <= <u32>POSTED_BYTES ? 0 : 1;
}

/** Stores a write until it takes effect. */
export function keepWrite(f: usize, iova: u64, length: u32, source: usize, effect: u64): void {
  const size = POSTED.ENTRY_BYTES + ((length + 7) & ~7);
  let head = load<u32>(CTL.POSTED_HEAD);
  const room = POSTED_BYTES - (head & (POSTED_BYTES - 1));
  if (room < size) {
    const gap: usize = POSTED_RING + (head & (POSTED_BYTES - 1));
    if (room >= POSTED.ENTRY_BYTES) store<u32>(gap, 0, POSTED.FN); // for entryFrom()
    head += room;
  }
  if (head + size - load<u32>(CTL.POSTED_TAIL) > <u32>POSTED_BYTES) unreachable(); // callers ask writeWait first: a bug of the model
  const entry: usize = POSTED_RING + (head & (POSTED_BYTES - 1));
  store<u64>(entry, effect, POSTED.EFFECT);
  store<u32>(entry, <u32>f, POSTED.FN);
  store<u32>(entry, length, POSTED.LENGTH);
  store<u64>(entry, iova, POSTED.IOVA);
  copyBytes(entry + POSTED.ENTRY_BYTES, source, length);
  store<u32>(CTL.POSTED_HEAD, head + size);
}

/** The entry at position `at`, or behind it where the end of the ring was left empty. */
function entryFrom(at: u32): usize {
  const place = at & (POSTED_BYTES - 1);
  if (POSTED_BYTES - place < POSTED.ENTRY_BYTES || load<u32>(POSTED_RING + place, POSTED.FN) == 0) return POSTED_RING;
  return POSTED_RING + place;
}

/** The position behind `entry`, which entryFrom(at) found. */
function behind(at: u32, entry: usize): u32 {
  const skipped = (<u32>(entry - POSTED_RING) - at) & (POSTED_BYTES - 1);
  return at + skipped + POSTED.ENTRY_BYTES + ((load<u32>(entry, POSTED.LENGTH) + 7) & ~7);
}

/** Takes the oldest entry that has not been passed on; its bytes stay until its record has been taken. */
export function passEntry(): usize {
  const at = load<u32>(CTL.POSTED_PASSED);
  const entry = entryFrom(at);
  store<u32>(CTL.POSTED_PASSED, behind(at, entry));
  return entry;
}

/** When the newest write that is under way takes effect; the current time if there is none. */
export function lastWriteEffect(): u64 {
  const time = load<u64>(CTL.NOW);
  if (load<u32>(CTL.POSTED_HEAD) == load<u32>(CTL.POSTED_TAIL)) return time;
  return max(time, load<u64>(CTL.POSTED_LAST));
}

/** When the oldest write that is under way takes effect, NEVER if there is none. */
export function nextWriteEffect(): u64 {
  const tail = load<u32>(CTL.POSTED_TAIL);
  if (load<u32>(CTL.POSTED_HEAD) == tail) return NEVER;
  return load<u64>(entryFrom(tail), POSTED.EFFECT);
}

/** When the last write of function `f`, or with `f` 0 of those bound to `ioas`, takes effect; 0 if none is under way. */
export function lastWriteOf(f: usize, ioas: u32): u64 {
  const head = load<u32>(CTL.POSTED_HEAD);
  let tail = load<u32>(CTL.POSTED_TAIL);
  let last: u64 = 0;
  while (tail != head) {
    const entry = entryFrom(tail);
    const owner: usize = load<u32>(entry, POSTED.FN);
    if (f != 0 ? owner == f : load<u32>(owner, FN.IOAS) == ioas) last = load<u64>(entry, POSTED.EFFECT);
    tail = behind(tail, entry);
  }
  return last;
}

/** Puts every write that is due by now into host memory. */
export function deliverWrites(): void {
  const time = load<u64>(CTL.NOW);
  const head = load<u32>(CTL.POSTED_HEAD);
  let tail = load<u32>(CTL.POSTED_TAIL);
  while (tail != head) {
    const entry = entryFrom(tail);
    const effect = load<u64>(entry, POSTED.EFFECT);
    if (effect > time) break;
    const length = load<u32>(entry, POSTED.LENGTH);
    writeMemory(load<u32>(entry, POSTED.FN), load<u64>(entry, POSTED.IOVA), length, entry + POSTED.ENTRY_BYTES, effect);
    tail = behind(tail, entry);
  }
  store<u32>(CTL.POSTED_TAIL, tail);
}
