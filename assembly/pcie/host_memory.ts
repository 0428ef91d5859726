// SPDX-License-Identifier: Apache-2.0
// Host memory as the card's requests see it: an access of a function is translated range by range and copied. Memory that
// belongs to someone else (a virtual machine monitor's, say) is reached through two imported functions, the only ones
// that the core has; everything else lies in linear memory. Such memory may answer a read later; it takes a write at once,
// and says whether a read that follows has to come back before the write is known to be in effect.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { IOMMU_READ, IOMMU_WRITE, MEMORY_DONE, MEMORY_FAULT, MEMORY_LATER, READ_FAILED } from '../abi/state_value.ts';
import { copyBytes } from '../mem/arena.ts';
import {
  foreignHandle,
  isForeign,
  lastRange,
  lastSpan,
  markDirty,
  noteFault,
  rangeOffset,
  translate,
  windowAddress,
} from './iommu.ts';

/**
 * Copies foreign memory of a handle, from `offset` on, to `target` in linear memory: MEMORY_*. With MEMORY_LATER the host
 * answers once, by `reader`, `number` and the address.
 */
declare function foreignRead(
  handle: u32,
  offset: f64,
  length: u32,
  target: usize,
  reader: u32,
  number: u32,
  iova: f64,
): u32;
/** Copies `length` bytes at `source` in linear memory likewise the other way. MEMORY_LATER: taken, in effect later. */
declare function foreignWrite(handle: u32, offset: f64, length: u32, source: usize): u32;

/**
 * Reads `length` bytes at `iova` for the function. 0: they are there. READ_FAILED: a fault, part of them is not mapped.
 * Added to that, the number of pieces that come later, for `reader`, whose read has the `number`.
 */
export function readMemory(f: usize, iova: u64, length: u32, target: usize, reader: usize, number: u32): u32 {
  const whole = translate(f, iova, IOMMU_READ);
  if (whole != 0 && length <= lastSpan()) {
    copyBytes(target, whole, length);
    return 0;
  }
  let later: u32 = 0;
  while (length > 0) {
    const from = translate(f, iova, IOMMU_READ);
    const span = min(lastSpan(), length);
    if (from != 0) {
      copyBytes(target, from, span);
    } else {
      const range = lastRange();
      const answer = range == 0 ? MEMORY_FAULT : readRange(range, iova, span, target, <u32>reader, number);
      if (answer == MEMORY_LATER) {
        store<u32>(CTL.LATE_READS, load<u32>(CTL.LATE_READS) + 1);
        store<u8>(f, 1, FN.LATE_MEMORY);
        later++;
      } else if (answer != MEMORY_DONE) {
        noteFault(f, iova, false);
        return later + READ_FAILED;
      }
    }
    target += span;
    iova += span;
    length -= span;
  }
  return later;
}

function readRange(range: usize, iova: u64, length: u32, target: usize, reader: u32, number: u32): u32 {
  const offset = <f64>rangeOffset(range, iova);
  return foreignRead(foreignHandle(range), offset, length, target, reader, number, <f64>iova);
}

/** Writes likewise, in effect in `cycle`; what is not mapped is lost. A write has no completion: the device never learns. */
export function writeMemory(f: usize, iova: u64, length: u32, source: usize, cycle: u64): void {
  const whole = translate(f, iova, IOMMU_WRITE);
  if (whole != 0 && length <= lastSpan()) {
    copyBytes(whole, source, length);
    return;
  }
  while (length > 0) {
    const to = translate(f, iova, IOMMU_WRITE);
    const span = min(lastSpan(), length);
    if (to != 0) copyBytes(to, source, span);
    else if (!writeRange(iova, span, source)) {
      noteFault(f, iova, true, cycle);
      return;
    }
    source += span;
    iova += span;
    length -= span;
  }
}

/** Writes to the range of the last translation, which is tracked, foreign, or both; false if there is none. */
function writeRange(iova: u64, length: u32, source: usize): bool {
  const range = lastRange();
  if (range == 0) return false;
  markDirty(range, iova, length);
  const offset = rangeOffset(range, iova);
  if (isForeign(range)) return foreignWrite(foreignHandle(range), <f64>offset, length, source) != MEMORY_FAULT;
  copyBytes(windowAddress(range) + <u32>offset, source, length);
  return true;
}
