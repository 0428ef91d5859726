// SPDX-License-Identifier: Apache-2.0
// The root complex: all that the card's port (assembly/pcie) asks of the computer around the card, in the order in which
// requests are put on the link, with the cycle in which they arrive. What the computer answers to a read comes back as
// EV.DMA_HOST in the cycle that readServed() gives; a write, a message and a translation are known as soon as asked.
import * as CTL from '../abi/control.ts';
import { IOMMU_READ } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { lastSpan, noteFault, translate } from './iommu.ts';
import { readMemory, writeMemory } from './memory.ts';
import { answerDue, translationDone, writeTakesEffect } from './timing.ts';
import { deliverWrites, keepWrite, writeWait } from './write_queue.ts';

// ---- reads ----------------------------------------------------------------------------------------------------------------

/** A read of function `f` arrives in cycle `arrival`, of bytes in one page; the cycle in which its address is translated. */
export function readTranslated(f: usize, iova: u64, arrival: u64): u64 {
  return translationDone(f, iova, arrival);
}

/** Cycle in which memory answers a read whose address is translated in cycle `translated`; it does not overtake writes. */
export function readServed(translated: u64): u64 {
  return answerDue(translated);
}

/**
 * Reads `length` bytes now, in functional mode or when a read is served. 0: they are at `target`. READ_FAILED: part of them
 * cannot be had. Added to that, the number of pieces that come later, for `reader`, whose read has the `number`.
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

/** A TLP of a write arrives in cycle `arrival`; the cycle in which it takes effect. */
export function writeEffect(f: usize, iova: u64, arrival: u64): u64 {
  return writeTakesEffect(translationDone(f, iova, arrival));
}

/** All of a write is on its way and takes effect in cycle `effect`. */
export function takeWrite(f: usize, iova: u64, length: u32, source: usize, effect: u64): void {
  keepWrite(f, iova, length, source, effect);
}

/** Functional mode: a write takes effect at once. */
export function writeNow(f: usize, iova: u64, length: u32, source: usize): void {
  writeMemory(f, iova, length, source, load<u64>(CTL.NOW));
}

/** A message arrives in cycle `arrival`, behind all writes before it; interrupts are not translated as memory is. */
export function messageEffect(arrival: u64): u64 {
  return writeTakesEffect(arrival);
}

/** Cycle in which the handler of a message that is in effect in cycle `effect` may run. */
export function messageHandled(effect: u64): u64 {
  return effect + param(P.HOST_INTERRUPT);
}

/** Somebody looks at memory now: what is in effect by now is there. */
export function showWrites(): void {
  deliverWrites();
}
