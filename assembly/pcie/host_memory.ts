// SPDX-License-Identifier: Apache-2.0
// Host memory as the card's requests see it: an access of a function is translated range by range and copied. Memory that
// belongs to someone else (a virtual machine monitor's, say) is reached through two imported functions, the only ones
// that the core has; everything else lies in linear memory.
import { IOMMU_READ, IOMMU_WRITE } from '../abi/state_map.ts';
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

/** Copies foreign memory of a handle, from `offset` on, to `target` in linear memory; false: not mapped there. */
declare function foreignRead(handle: u32, offset: f64, length: u32, target: usize): bool;
/** Copies `length` bytes at `source` in linear memory likewise the other way. */
declare function foreignWrite(handle: u32, offset: f64, length: u32, source: usize): bool;

/** Reads `length` bytes at `iova` for the function; false, a fault, with part of them read, where it is not mapped. */
export function readMemory(f: usize, iova: u64, length: u32, target: usize): bool {
  const whole = translate(f, iova, IOMMU_READ);
  if (whole != 0 && length <= lastSpan()) {
    copyBytes(target, whole, length);
    return true;
  }
  while (length > 0) {
    const from = translate(f, iova, IOMMU_READ);
    const span = min(lastSpan(), length);
    if (from != 0) {
      copyBytes(target, from, span);
    } else {
      const range = lastRange();
      if (range == 0 || !foreignRead(foreignHandle(range), <f64>rangeOffset(range, iova), span, target)) {
        noteFault(f, iova, false);
        return false;
      }
    }
    target += span;
    iova += span;
    length -= span;
  }
  return true;
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
  if (isForeign(range)) return foreignWrite(foreignHandle(range), <f64>offset, length, source);
  copyBytes(windowAddress(range) + <u32>offset, source, length);
  return true;
}
