// SPDX-License-Identifier: Apache-2.0
// Address spaces as the host changes them: mapping, unmapping, binding of functions, dirty tracking. An address space is a
// sorted list of ranges, in its own block while it is short, in the pool when it grows. iommu.ts translates by it.
import { FUNCTIONS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import {
  IOAS_AT,
  IOAS_CAPACITY,
  IOAS_COUNT,
  IOAS_FLAGS,
  IOAS_RANGES,
  IOAS_RANGES_OWN,
  RANGE_BYTES,
  RANGE_DIRTY,
  RANGE_IOVA,
  RANGE_LENGTH,
  RANGE_OFFSET,
  RANGE_PERMISSIONS,
} from '../abi/address_space.ts';
import { IOAS_TRACKED, IOMMU_FOREIGN, IOMMU_PAGE_SHIFT, IOMMU_TRACKED } from '../abi/state_value.ts';
import { functionAt } from '../mem/arena.ts';
import { invalidateIotlb } from './timing.ts';
import { findRange, ioasAt, upperBound } from './iommu.ts';
import { giveBlock, takeBlock } from './pool.ts';

/** Largest range whose dirty pages are marked: its bitmap has to fit the pool. */
const TRACKED_BYTES_MAX: u64 = 1 << 34;

export function initAddressSpace(ioas: u32): void {
  const space = ioasAt(ioas);
  store<u32>(space, <u32>(space + IOAS_RANGES), IOAS_AT);
  store<u32>(space, IOAS_RANGES_OWN, IOAS_CAPACITY);
}

function rangeAt(space: usize, index: u32): usize {
  return load<u32>(space, IOAS_AT) + index * RANGE_BYTES;
}

/** What was translated by an address space is forgotten: whoever takes something away from it calls this. */
function forgetTranslations(ioas: u32): void {
  const end: usize = FUNCTIONS + load<u32>(CTL.FUNCTIONS) * FN.STRIDE;
  for (let f: usize = FUNCTIONS; f < end; f += FN.STRIDE) {
    if (load<u32>(f, FN.IOAS) == ioas) store<u64>(f, 0, FN.TLB_BYTES);
  }
  invalidateIotlb(ioas);
}

/** Binds a function's requests to an address space, NONE to none. The IO-TLB knows translations by address space. */
export function bindFunction(fn: u32, ioas: u32): void {
  const f = functionAt(fn);
  store<u32>(f, ioas, FN.IOAS);
  store<u64>(f, 0, FN.TLB_BYTES);
  store<u8>(f, 0, FN.LATE_MEMORY);
}

// ---- mappings -------------------------------------------------------------------------------------------------------------

/**
 * Maps [iova, iova + length) to the window at `offset`, or, with IOMMU_FOREIGN, to foreign memory of that handle; false if
 * it overlaps, the pool has no room, or the window is too small.
 */
export function ioasMap(ioas: u32, iova: u64, length: u64, offset: u32, permissions: u32): bool {
  const space = ioasAt(ioas);
  if (length == 0 || iova + length - 1 < iova) return false;
  const isForeign = (permissions & IOMMU_FOREIGN) != 0;
  if (!isForeign && <u64>offset + length > <u64>load<u32>(CTL.WINDOW_BYTES)) return false;
  const at = upperBound(space, iova);
  if (at > 0) {
    const before = rangeAt(space, at - 1);
    if (iova - load<u64>(before, RANGE_IOVA) < load<u64>(before, RANGE_LENGTH)) return false;
  }
  const total = load<u32>(space, IOAS_COUNT);
  if (at < total && load<u64>(rangeAt(space, at), RANGE_IOVA) - iova < length) return false;
  const isTracked = (load<u32>(space, IOAS_FLAGS) & IOAS_TRACKED) != 0;
  const dirty = isTracked ? takeBitmap(length) : 0;
  if (isTracked && dirty == 0) return false;
  if (total == load<u32>(space, IOAS_CAPACITY) && !grow(space)) {
    if (isTracked) giveBlock(dirty, bitmapBytes(length));
    return false;
  }
  const range = rangeAt(space, at);
  memory.copy(range + RANGE_BYTES, range, (total - at) * RANGE_BYTES);
  store<u64>(range, iova, RANGE_IOVA);
  store<u64>(range, length, RANGE_LENGTH);
  store<u32>(range, offset, RANGE_OFFSET);
  store<u32>(range, isTracked ? permissions | IOMMU_TRACKED : permissions, RANGE_PERMISSIONS);
  store<u32>(range, <u32>dirty, RANGE_DIRTY);
  store<u32>(space, total + 1, IOAS_COUNT);
  return true;
}

/** Twice the room for ranges; false if the pool has none. */
function grow(space: usize): bool {
  const capacity = load<u32>(space, IOAS_CAPACITY);
  const block = takeBlock(2 * capacity * RANGE_BYTES);
  if (block == 0) return false;
  memory.copy(block, rangeAt(space, 0), capacity * RANGE_BYTES);
  giveList(space);
  store<u32>(space, <u32>block, IOAS_AT);
  store<u32>(space, 2 * capacity, IOAS_CAPACITY);
  return true;
}

function giveList(space: usize): void {
  const capacity = load<u32>(space, IOAS_CAPACITY);
  if (capacity > <u32>IOAS_RANGES_OWN) giveBlock(load<u32>(space, IOAS_AT), capacity * RANGE_BYTES);
}

/** Keeps `count` ranges; an empty address space needs nothing of the pool. */
function setCount(ioas: u32, count: u32): void {
  const space = ioasAt(ioas);
  store<u32>(space, count, IOAS_COUNT);
  if (count != 0) return;
  giveList(space);
  initAddressSpace(ioas);
}

/** Removes every range, and ends dirty tracking. */
export function ioasClear(ioas: u32): void {
  forgetTranslations(ioas);
  ioasTrack(ioas, false);
  setCount(ioas, 0);
}

/** Removes every range that lies wholly inside [iova, iova + length); returns the bytes removed, or 2^64-1 if one would be cut. */
export function ioasUnmap(ioas: u32, iova: u64, length: u64): u64 {
  const space = ioasAt(ioas);
  const total = load<u32>(space, IOAS_COUNT);
  if (length == 0 || total == 0) return 0;
  const last = iova + length - 1;
  // the ranges from `first` on to `end` touch what is unmapped
  let first = upperBound(space, iova);
  if (first > 0 && iova - load<u64>(rangeAt(space, first - 1)) < load<u64>(rangeAt(space, first - 1), RANGE_LENGTH)) {
    first--;
  }
  const end = upperBound(space, last);
  if (first >= end) return 0;
  const lastRange = rangeAt(space, end - 1);
  if (load<u64>(rangeAt(space, first)) < iova) return 0xffffffffffffffff;
  if (load<u64>(lastRange) + load<u64>(lastRange, RANGE_LENGTH) - 1 > last) return 0xffffffffffffffff;
  forgetTranslations(ioas);
  let removed: u64 = 0;
  for (let i = first; i < end; i++) {
    removed += load<u64>(rangeAt(space, i), RANGE_LENGTH);
    giveBitmap(rangeAt(space, i));
  }
  memory.copy(rangeAt(space, first), rangeAt(space, end), (total - end) * RANGE_BYTES);
  setCount(ioas, total - (end - first));
  return removed;
}

// ---- dirty pages ------------------------------------------------------------------------------------------------------------

function bitmapBytes(length: u64): u32 {
  return <u32>((length + 0x7fff) >> (IOMMU_PAGE_SHIFT + 3));
}

function takeBitmap(length: u64): usize {
  return length > TRACKED_BYTES_MAX ? 0 : takeBlock(bitmapBytes(length));
}

function giveBitmap(range: usize): void {
  const permissions = load<u32>(range, RANGE_PERMISSIONS);
  if ((permissions & IOMMU_TRACKED) == 0) return;
  giveBlock(load<u32>(range, RANGE_DIRTY), bitmapBytes(load<u64>(range, RANGE_LENGTH)));
  store<u32>(range, permissions & ~IOMMU_TRACKED, RANGE_PERMISSIONS);
}

/** Begins to mark the pages that are written, all of them clean, or ends it; false if the pool has no room for that. */
export function ioasTrack(ioas: u32, isOn: bool): bool {
  const space = ioasAt(ioas);
  const total = load<u32>(space, IOAS_COUNT);
  const flags = load<u32>(space, IOAS_FLAGS);
  for (let i: u32 = 0; i < total; i++) giveBitmap(rangeAt(space, i));
  store<u32>(space, isOn ? flags | IOAS_TRACKED : flags & ~IOAS_TRACKED, IOAS_FLAGS);
  if (!isOn) return true;
  for (let i: u32 = 0; i < total; i++) {
    const range = rangeAt(space, i);
    const dirty = takeBitmap(load<u64>(range, RANGE_LENGTH));
    if (dirty == 0) {
      ioasTrack(ioas, false);
      return false;
    }
    store<u32>(range, <u32>dirty, RANGE_DIRTY);
    store<u32>(range, load<u32>(range, RANGE_PERMISSIONS) | IOMMU_TRACKED, RANGE_PERMISSIONS);
  }
  forgetTranslations(ioas);
  return true;
}

/** Was the page at `iova` written since tracking began, or since it was last asked with `clear`? */
export function ioasDirty(ioas: u32, iova: u64, clear: bool): bool {
  const range = findRange(ioasAt(ioas), iova);
  if (range == 0 || (load<u32>(range, RANGE_PERMISSIONS) & IOMMU_TRACKED) == 0) return false;
  const page = (iova - load<u64>(range, RANGE_IOVA)) >> IOMMU_PAGE_SHIFT;
  const at: usize = load<u32>(range, RANGE_DIRTY) + <u32>(page >> 3);
  const bit: u32 = 1 << ((<u32>page) & 7);
  const isDirty = (load<u8>(at) & bit) != 0;
  if (isDirty && clear) store<u8>(at, <u8>(load<u8>(at) ^ bit));
  return isDirty;
}
