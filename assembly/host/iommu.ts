// SPDX-License-Identifier: Apache-2.0
// Translation of DMA addresses: an address space (IOAS) is a sorted list of ranges that map I/O virtual addresses to the
// guest window, or to foreign memory: bytes that only the host can reach, under a handle of its choice. A function is
// bound to one address space, or to none, when every access faults. address_space.ts changes them.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import {
  IOAS_AT,
  IOAS_COUNT,
  IOAS_STRIDE,
  RANGE_BYTES,
  RANGE_DIRTY,
  RANGE_IOVA,
  RANGE_LENGTH,
  RANGE_OFFSET,
  RANGE_PERMISSIONS,
} from '../abi/address_space.ts';
import { IOMMU_FOREIGN, IOMMU_PAGE_SHIFT, IOMMU_READ, IOMMU_TRACKED, IOMMU_WRITE, NONE } from '../abi/state_value.ts';
import { C_DMA_FAULTS } from '../abi/counter.ts';
import { count } from '../mem/arena.ts';

export function ioasAt(ioas: u32): usize {
  return load<u32>(CTL.IOAS_BASE) + ioas * IOAS_STRIDE;
}

/** Number of ranges whose start is at or below `iova`. */
export function upperBound(space: usize, iova: u64): u32 {
  const ranges: usize = load<u32>(space, IOAS_AT);
  let low: u32 = 0;
  let high = load<u32>(space, IOAS_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u64>(ranges + middle * RANGE_BYTES, RANGE_IOVA) <= iova) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The range that `iova` lies in, 0 if there is none. */
export function findRange(space: usize, iova: u64): usize {
  const total = load<u32>(space, IOAS_COUNT);
  if (total == 0) return 0;
  let range: usize = load<u32>(space, IOAS_AT);
  // one range is the common case; a list is searched
  if (total > 1 || iova < load<u64>(range, RANGE_IOVA)) {
    const at = upperBound(space, iova);
    if (at == 0) return 0;
    range += (at - 1) * RANGE_BYTES;
  }
  return iova - load<u64>(range, RANGE_IOVA) < load<u64>(range, RANGE_LENGTH) ? range : 0;
}

/**
 * Address in linear memory of `iova` for the function; 0 if it is not mapped with the permission, or if its bytes may not
 * be touched directly: foreign memory, and writes to pages that are tracked. The number of bytes from there on to the end
 * of the range goes to `lastSpan`, the range that is to be reached another way to `lastRange`.
 */
export function translate(f: usize, iova: u64, permission: u32): usize {
  // the range of the last translation answers most
  const near = iova - load<u64>(f, FN.TLB_IOVA);
  const rest = load<u64>(f, FN.TLB_BYTES);
  if (near < rest) {
    store<u32>(CTL.SPAN, <u32>min<u64>(rest - near, 0xffffffff));
    return load<u32>(f, FN.TLB_AT) + <u32>near;
  }
  store<u32>(CTL.RANGE, 0);
  const ioas = load<u32>(f, FN.IOAS);
  if (ioas == NONE) return 0;
  const range = findRange(ioasAt(ioas), iova);
  if (range == 0) return 0;
  const permissions = load<u32>(range, RANGE_PERMISSIONS);
  if ((permissions & permission) == 0) return 0;
  const delta = iova - load<u64>(range, RANGE_IOVA);
  const length = load<u64>(range, RANGE_LENGTH);
  store<u32>(CTL.SPAN, <u32>min<u64>(length - delta, 0xffffffff));
  const isMarked = permission == IOMMU_WRITE && (permissions & IOMMU_TRACKED) != 0;
  if (isMarked || (permissions & IOMMU_FOREIGN) != 0) {
    store<u32>(CTL.RANGE, <u32>range);
    return 0;
  }
  const at = windowAddress(range);
  // reads and writes alike, or the next write would go by the range of a read
  if (permissions == (IOMMU_READ | IOMMU_WRITE)) {
    store<u64>(f, iova - delta, FN.TLB_IOVA);
    store<u64>(f, length, FN.TLB_BYTES);
    store<u32>(f, at, FN.TLB_AT);
  }
  return at + <u32>delta;
}

/** Range that the last translate(), which returned 0, fell into; 0 if it was a fault. */
export function lastRange(): usize {
  return load<u32>(CTL.RANGE);
}

/** Bytes that follow in the range found by the last translate(). */
export function lastSpan(): u32 {
  return load<u32>(CTL.SPAN);
}

export function isForeign(range: usize): bool {
  return (load<u32>(range, RANGE_PERMISSIONS) & IOMMU_FOREIGN) != 0;
}

export function foreignHandle(range: usize): u32 {
  return load<u32>(range, RANGE_OFFSET);
}

export function rangeOffset(range: usize, iova: u64): u64 {
  return iova - load<u64>(range, RANGE_IOVA);
}

/** Address in linear memory of the first byte of a range in the window. */
export function windowAddress(range: usize): u32 {
  return load<u32>(CTL.WINDOW_BASE) + load<u32>(range, RANGE_OFFSET);
}

/** Marks the pages of `length` bytes at `iova`, which a range in the same address space holds, if it is tracked. */
export function markDirty(range: usize, iova: u64, length: u32): void {
  if ((load<u32>(range, RANGE_PERMISSIONS) & IOMMU_TRACKED) == 0) return;
  const bitmap: usize = load<u32>(range, RANGE_DIRTY);
  const offset = rangeOffset(range, iova);
  const last = <u32>((offset + length - 1) >> IOMMU_PAGE_SHIFT);
  for (let page = <u32>(offset >> IOMMU_PAGE_SHIFT); page <= last; page++) {
    const at = bitmap + (page >> 3);
    store<u8>(at, <u8>(load<u8>(at) | ((<u32>1) << (page & 7))));
  }
}

/** A request of the function met an address that is not mapped for it: counted, and kept for who owns the function. */
export function noteFault(f: usize, iova: u64, isWrite: bool, cycle: u64 = load<u64>(CTL.NOW)): void {
  count(C_DMA_FAULTS);
  const faults = load<u32>(f, FN.FAULT_COUNT);
  if (faults == FN.FAULTS_MAX) {
    store<u32>(f, load<u32>(f, FN.FAULTS_LOST) + 1, FN.FAULTS_LOST);
    return;
  }
  const fault = f + FN.FAULTS + faults * FN.FAULT_BYTES;
  store<u64>(fault, iova, FN.FAULT_IOVA);
  store<u64>(fault, cycle, FN.FAULT_CYCLE);
  store<u32>(fault, isWrite ? 1 : 0, FN.FAULT_IS_WRITE);
  store<u32>(fault, load<u32>(f, FN.IOAS), FN.FAULT_IOAS);
  store<u32>(f, faults + 1, FN.FAULT_COUNT);
}
