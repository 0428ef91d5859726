// SPDX-License-Identifier: Apache-2.0
// Host memory as the card's requests see it: an access of a function is translated range by range and copied.
import { IOMMU_READ, IOMMU_WRITE } from '../abi/state_map.ts';
import { C_DMA_FAULTS } from '../abi/counter.ts';
import { copyBytes, count } from '../mem/arena.ts';
import { lastSpan, translate } from './iommu.ts';

/** Reads `length` bytes at `iova` for the function; false, with part of them read, at an address that is not mapped. */
export function readMemory(f: usize, iova: u64, length: u32, target: usize): bool {
  const whole = translate(f, iova, IOMMU_READ);
  if (whole != 0 && length <= lastSpan()) {
    copyBytes(target, whole, length);
    return true;
  }
  while (length > 0) {
    const from = translate(f, iova, IOMMU_READ);
    if (from == 0) return false;
    const span = min(lastSpan(), length);
    copyBytes(target, from, span);
    target += span;
    iova += span;
    length -= span;
  }
  return true;
}

/** Writes likewise; what is not mapped is lost and counted. */
export function writeMemory(f: usize, iova: u64, length: u32, source: usize): void {
  const whole = translate(f, iova, IOMMU_WRITE);
  if (whole != 0 && length <= lastSpan()) {
    copyBytes(whole, source, length);
    return;
  }
  while (length > 0) {
    const to = translate(f, iova, IOMMU_WRITE);
    if (to == 0) {
      count(C_DMA_FAULTS); // a posted write has no completion: the device never learns of it
      return;
    }
    const span = min(lastSpan(), length);
    copyBytes(to, source, span);
    source += span;
    iova += span;
    length -= span;
  }
}
