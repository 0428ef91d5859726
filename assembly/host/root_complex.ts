// SPDX-License-Identifier: Apache-2.0
// The root complex: all that the card's port (assembly/pcie) asks of the computer around the card, in the order in which
// requests are put on the link, with the cycle in which they arrive. There are two such computers. The one inside knows at
// once what will happen: a read is answered by EV.DMA_HOST in the cycle that readServed() gives. The one outside gets a
// request when it is there, and answers a read when it likes.
import * as CTL from '../abi/control.ts';
import { IOMMU_READ } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { lastSpan, noteFault, translate } from './iommu.ts';
import { readMemory, writeMemory } from './memory.ts';
import { emitRead, sendOut } from './outside.ts';
import { isOutside } from './side.ts';
import { answerDue, translationDone, writeTakesEffect } from './timing.ts';
import { deliverWrites, keepWrite, writeWait } from './write_queue.ts';

// ---- reads ----------------------------------------------------------------------------------------------------------------

/** A read of function `f` arrives in cycle `arrival`, of bytes in one page; the cycle in which its address is translated. */
export function readTranslated(f: usize, iova: u64, arrival: u64): u64 {
  return translationDone(f, iova, arrival);
}

/**
 * Cycle in which memory answers a read whose address is translated in cycle `translated`; it does not overtake writes.
 * NEVER: it is outside, the request goes out when it has arrived, and the answer comes when it comes.
 */
export function readServed(translated: u64): u64 {
  return answerDue(translated);
}

/** A read whose answer nobody knows has arrived: it goes out with the number of its tag. */
export function passRead(f: usize, tag: u32, iova: u64, length: u32): void {
  emitRead(f, tag, iova, length);
}

/** EV.DMA_HOST: as readNow(), behind the writes that are in effect by now. */
export function serveRead(f: usize, iova: u64, length: u32, target: usize, reader: usize, number: u32): u32 {
  deliverWrites();
  return readMemory(f, iova, length, target, reader, number);
}

/**
 * Reads `length` bytes now, in functional mode. 0: they are at `target`. READ_FAILED: part of them cannot be had. Added to
 * that, the number of pieces that come later, for `reader`, whose read has the `number`.
 */
export function readNow(f: usize, iova: u64, length: u32, target: usize, reader: usize, number: u32): u32 {
  return readMemory(f, iova, length, target, reader, number);
}

/** Where `length` bytes at `iova` lie, if the function may read them and they lie in one piece of linear memory; else 0. */
export function bytesInPlace(f: usize, iova: u64, length: u32): usize {
  const at = translate(f, iova, IOMMU_READ);
  return at != 0 && lastSpan() >= length ? at : 0;
}

/** A piece of a read that was to come later is there, or, not good, cannot be had; `f` 0: nobody waits for it any more. */
export function pieceAnswered(f: usize, iova: u64, isGood: bool): void {
  store<u32>(CTL.LATE_READS, load<u32>(CTL.LATE_READS) - 1);
  if (!isGood && f != 0) noteFault(f, iova, false);
}

// ---- writes and messages --------------------------------------------------------------------------------------------------

/** Cycles to wait before `bytes` in `entries` writes find room on their way; 0 if they do now. */
export function waitForRoom(entries: u32, bytes: u32): u64 {
  return writeWait(entries, bytes);
}

/** A TLP of a write arrives in cycle `arrival`; the cycle in which it is in effect, and its place free. */
export function writeEffect(f: usize, iova: u64, arrival: u64): u64 {
  return writeTakesEffect(translationDone(f, iova, arrival));
}

/** All of a write is on its way and takes effect in cycle `effect`; memory outside gets it when the last TLP has arrived. */
export function takeWrite(f: usize, iova: u64, length: u32, source: usize, effect: u64): void {
  keepWrite(f, iova, length, source, effect);
  if (isOutside()) sendOut(effect);
}

/** Functional mode: a write takes effect at once. */
export function writeNow(f: usize, iova: u64, length: u32, source: usize): void {
  writeMemory(f, iova, length, source, load<u64>(CTL.NOW));
}

/** A message arrives in cycle `arrival`, behind all writes before it; the cycle in which it is in effect, its place free. */
export function messageEffect(arrival: u64): u64 {
  return writeTakesEffect(arrival); // not translated as memory is
}

/** Cycle in which a message, in effect in cycle `effect`, comes to its handler, or to the host outside. */
export function messageHandled(effect: u64): u64 {
  return isOutside() ? effect - param(P.HOST_WRITE) : effect + param(P.HOST_INTERRUPT);
}

/** A message is handled: what was written before it is in memory, or has gone outside before. */
export function showWrites(): void {
  if (!isOutside()) deliverWrites();
}
