// SPDX-License-Identifier: Apache-2.0
// Host memory as the card's requests see it: an access of a function is translated range by range and copied. What is
// not in linear memory is somebody else's (foreign.ts), and may come later.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { IOMMU_READ, IOMMU_WRITE, MEMORY_DONE, MEMORY_FAULT, MEMORY_LATER, READ_FAILED } from '../abi/state_value.ts';
import { copyBytes } from '../mem/arena.ts';
import { readForeign, writeForeign } from './foreign.ts';
import {
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
      const answer = range == 0 ? MEMORY_FAULT : readForeign(range, iova, span, target, <u32>reader, number);
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
  if (isForeign(range)) return writeForeign(range, iova, length, source);
  copyBytes(windowAddress(range) + <u32>rangeOffset(range, iova), source, length);
  return true;
}
