// SPDX-License-Identifier: Apache-2.0
// The computer around the card when it is outside, in another simulator: a request leaves the card as an output in the cycle
// in which it arrives at the root complex, with its requester, PASID, address and, a write, its bytes. Translation, memory
// and what they cost are the business of who takes it; a read is answered by its tag. A write waits in the queue of writes
// until it arrives, and its bytes until it is taken.
import * as FN from '../abi/function.ts';
import * as POSTED from '../abi/posted.ts';
import { NONE } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { emit, emitBytes } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { passEntry } from './write_queue.ts';

const PAGE: u32 = 4096;

/** A read request is at the root complex; whoever takes the record answers by `tag`. */
export function emitRead(f: usize, tag: u32, iova: u64, length: u32): void {
  emit(kindOf(f, EV.OUT_DMA_READ), load<u32>(f, FN.INDEX), tag, length, <u32>iova, <u32>(iova >> 32));
}

/** The write that was kept last, in effect in cycle `effect`, leaves when it arrives. */
export function sendOut(effect: u64): void {
  scheduleAt(effect - param(P.HOST_WRITE), EV.WRITE_OUT, EV.PRIO_POSTED, 0, 0);
}

/** EV.WRITE_OUT: the oldest write that is kept is at the root complex. It is handed out page by page, as it is translated. */
export function emitWrite(): void {
  const entry = passEntry();
  const f: usize = load<u32>(entry, POSTED.FN);
  const fn = load<u32>(f, FN.INDEX);
  const kind = kindOf(f, EV.OUT_DMA_WRITE);
  let iova = load<u64>(entry, POSTED.IOVA);
  let left = load<u32>(entry, POSTED.LENGTH);
  let bytes = entry + POSTED.ENTRY_BYTES;
  do {
    const piece = min(left, PAGE - ((<u32>iova) & (PAGE - 1)));
    emitBytes(kind, fn, bytes, piece, <u32>iova, <u32>(iova >> 32));
    iova += piece;
    bytes += piece;
    left -= piece;
  } while (left != 0);
}

function kindOf(f: usize, kind: u32): u32 {
  const pasid = load<u32>(f, FN.PASID);
  return pasid == NONE ? kind : kind | ((pasid + 1) << EV.OUT_PASID_SHIFT);
}
