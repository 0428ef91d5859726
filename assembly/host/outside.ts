// SPDX-License-Identifier: Apache-2.0
// The computer around the card when it is outside, in another simulator: a request leaves the card as an output in the cycle
// in which it arrives at the root complex, with its requester, PASID, address and, a write, its bytes. Translation, memory
// and what they cost are the business of who takes it; a read is answered by its tag. A write waits here until it arrives,
// and its bytes until it is taken.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as POSTED from '../abi/posted.ts';
import { NONE } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { emit, emitBytes } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { keepWrite, passEntry } from './write_queue.ts';

/** A read request is at the root complex; whoever takes the record answers by `tag`. */
export function emitRead(f: usize, tag: u32, iova: u64, length: u32): void {
  emit(kindOf(f, EV.OUT_DMA_READ), load<u32>(f, FN.INDEX), tag, length, <u32>iova, <u32>(iova >> 32));
}

/** Keeps the TLP of a write that arrives in cycle `arrival`; the cycle in which the root complex has room for another one. */
export function sendWriteOut(f: usize, iova: u64, length: u32, source: usize, arrival: u64): u64 {
  keepWrite(f, iova, length, source, arrival);
  scheduleAt(arrival, EV.WRITE_OUT, EV.PRIO_POSTED, 0, 0);
  return passMessageOut(arrival);
}

/** Likewise for a message, whose record its sender makes. */
export function passMessageOut(arrival: u64): u64 {
  store<u64>(CTL.POSTED_LAST, arrival);
  return arrival + param(P.HOST_WRITE);
}

/** EV.WRITE_OUT: the oldest write that is kept is at the root complex. */
export function emitWrite(): void {
  const entry = passEntry();
  const f: usize = load<u32>(entry, POSTED.FN);
  const iova = load<u64>(entry, POSTED.IOVA);
  const bytes = entry + POSTED.ENTRY_BYTES;
  const kind = kindOf(f, EV.OUT_DMA_WRITE);
  emitBytes(kind, load<u32>(f, FN.INDEX), bytes, load<u32>(entry, POSTED.LENGTH), <u32>iova, <u32>(iova >> 32));
}

function kindOf(f: usize, kind: u32): u32 {
  const pasid = load<u32>(f, FN.PASID);
  return pasid == NONE ? kind : kind | ((pasid + 1) << EV.OUT_PASID_SHIFT);
}
