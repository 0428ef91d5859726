// SPDX-License-Identifier: Apache-2.0
// Translation of DMA addresses: an address space (IOAS) is a short sorted list of ranges that map I/O virtual addresses
// to the guest window, or to foreign memory: bytes that only the host can reach, under a handle of its choice. A function
// is bound to one address space, or to none, when every access faults.
import {
  CTL_FOREIGN_RANGE,
  CTL_FUNCTIONS,
  CTL_IOAS_BASE,
  CTL_SPAN,
  CTL_WINDOW_BASE,
  CTL_WINDOW_BYTES,
  FN_STRIDE,
  FUNCTIONS,
  IOAS_COUNT,
  IOAS_RANGES,
  IOAS_RANGES_MAX,
  IOAS_RANGE_BYTES,
  IOAS_STRIDE,
  IOMMU_FOREIGN,
  IOMMU_READ,
  IOMMU_WRITE,
  NONE,
} from '../abi/state_map.ts';
import { FN_IOAS, FN_TLB_AT, FN_TLB_BYTES, FN_TLB_IOVA } from '../abi/function_state.ts';
import { invalidateIotlb } from './host_timing.ts';

const IOVA = 0;
const LENGTH = 8;
const OFFSET = 16;
const PERMISSIONS = 20;

export function ioasAt(ioas: u32): usize {
  return load<u32>(CTL_IOAS_BASE) + ioas * IOAS_STRIDE;
}

/** Number of ranges whose start is at or below `iova`. */
function upperBound(space: usize, iova: u64): u32 {
  let low: u32 = 0;
  let high = load<u32>(space, IOAS_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u64>(space + IOAS_RANGES + middle * IOAS_RANGE_BYTES, IOVA) <= iova) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Makes functions forget their last translation; whoever changes a mapping or an attachment calls it. */
export function forgetTranslations(): void {
  const end: usize = FUNCTIONS + load<u32>(CTL_FUNCTIONS) * FN_STRIDE;
  for (let f: usize = FUNCTIONS; f < end; f += FN_STRIDE) store<u64>(f, 0, FN_TLB_BYTES);
  invalidateIotlb();
}

/**
 * Maps [iova, iova + length) to the window at `offset`, or, with IOMMU_FOREIGN, to foreign memory of that handle; false if
 * it overlaps, the list is full, or the window is too small.
 */
export function ioasMap(ioas: u32, iova: u64, length: u64, offset: u32, permissions: u32): bool {
  const space = ioasAt(ioas);
  const total = load<u32>(space, IOAS_COUNT);
  if (length == 0 || total == IOAS_RANGES_MAX || iova + length - 1 < iova) return false;
  const isForeign = (permissions & IOMMU_FOREIGN) != 0;
  if (!isForeign && <u64>offset + length > <u64>load<u32>(CTL_WINDOW_BYTES)) return false;
  const at = upperBound(space, iova);
  if (at > 0) {
    const before = space + IOAS_RANGES + (at - 1) * IOAS_RANGE_BYTES;
    if (iova - load<u64>(before, IOVA) < load<u64>(before, LENGTH)) return false;
  }
  const range = space + IOAS_RANGES + at * IOAS_RANGE_BYTES;
  if (at < total) {
    if (load<u64>(range, IOVA) - iova < length) return false;
    memory.copy(range + IOAS_RANGE_BYTES, range, (total - at) * IOAS_RANGE_BYTES);
  }
  store<u64>(range, iova, IOVA);
  store<u64>(range, length, LENGTH);
  store<u32>(range, offset, OFFSET);
  store<u32>(range, permissions, PERMISSIONS);
  store<u32>(space, total + 1, IOAS_COUNT);
  return true;
}

/** Removes every range. */
export function ioasClear(ioas: u32): void {
  store<u32>(ioasAt(ioas), 0, IOAS_COUNT);
  forgetTranslations();
}

/** Removes every range that lies wholly inside [iova, iova + length); returns the bytes removed, or 2^64-1 if one would be cut. */
export function ioasUnmap(ioas: u32, iova: u64, length: u64): u64 {
  const space = ioasAt(ioas);
  const total = load<u32>(space, IOAS_COUNT);
  let removed: u64 = 0;
  for (let i: u32 = 0; i < total; i++) {
    const range = space + IOAS_RANGES + i * IOAS_RANGE_BYTES;
    const start = load<u64>(range, IOVA);
    const last = start + load<u64>(range, LENGTH) - 1;
    const isOutside = last < iova || (start > iova && start - iova >= length);
    if (isOutside) continue;
    if (start < iova || last - iova >= length) return 0xffffffffffffffff;
  }
  forgetTranslations();
  let kept: u32 = 0;
  for (let i: u32 = 0; i < total; i++) {
    const range = space + IOAS_RANGES + i * IOAS_RANGE_BYTES;
    const start = load<u64>(range, IOVA);
    if (start >= iova && start - iova < length) {
      removed += load<u64>(range, LENGTH);
      continue;
    }
    if (kept != i) memory.copy(space + IOAS_RANGES + kept * IOAS_RANGE_BYTES, range, IOAS_RANGE_BYTES);
    kept++;
  }
  store<u32>(space, kept, IOAS_COUNT);
  return removed;
}

/**
 * Address in linear memory of `iova` for the function, 0 if it is not mapped with the permission or not in linear memory.
 * The number of bytes from there on to the end of the range goes to `lastSpan`, a range of foreign memory to
 * `lastForeign`.
 */
export function translate(f: usize, iova: u64, permission: u32): usize {
  // the range of the last translation answers most
  const near = iova - load<u64>(f, FN_TLB_IOVA);
  const rest = load<u64>(f, FN_TLB_BYTES);
  if (near < rest) {
    store<u32>(CTL_SPAN, <u32>min<u64>(rest - near, 0xffffffff));
    return load<u32>(f, FN_TLB_AT) + <u32>near;
  }
  store<u32>(CTL_FOREIGN_RANGE, 0);
  const ioas = load<u32>(f, FN_IOAS);
  if (ioas == NONE) return 0;
  const space = ioasAt(ioas);
  const total = load<u32>(space, IOAS_COUNT);
  if (total == 0) return 0;
  let range = space + IOAS_RANGES;
  // one range is the common case; a list is searched
  if (total > 1 || iova < load<u64>(range, IOVA)) {
    const at = upperBound(space, iova);
    if (at == 0) return 0;
    range += (at - 1) * IOAS_RANGE_BYTES;
  }
  const delta = iova - load<u64>(range, IOVA);
  const length = load<u64>(range, LENGTH);
  if (delta >= length || (load<u32>(range, PERMISSIONS) & permission) == 0) return 0;
  store<u32>(CTL_SPAN, <u32>min<u64>(length - delta, 0xffffffff));
  if ((load<u32>(range, PERMISSIONS) & IOMMU_FOREIGN) != 0) {
    store<u32>(CTL_FOREIGN_RANGE, <u32>range);
    return 0;
  }
  const at = load<u32>(CTL_WINDOW_BASE) + load<u32>(range, OFFSET);
  if (load<u32>(range, PERMISSIONS) == (IOMMU_READ | IOMMU_WRITE)) {
    store<u64>(f, iova - delta, FN_TLB_IOVA);
    store<u64>(f, length, FN_TLB_BYTES);
    store<u32>(f, at, FN_TLB_AT);
  }
  return at + <u32>delta;
}

/** Range of foreign memory that the last translate(), which returned 0, fell into; 0 if it was a fault. */
export function lastForeign(): usize {
  return load<u32>(CTL_FOREIGN_RANGE);
}

export function foreignHandle(range: usize): u32 {
  return load<u32>(range, OFFSET);
}

export function foreignOffset(range: usize, iova: u64): u64 {
  return iova - load<u64>(range, IOVA);
}

/** Bytes that follow in the range found by the last translate(). */
export function lastSpan(): u32 {
  return load<u32>(CTL_SPAN);
}
