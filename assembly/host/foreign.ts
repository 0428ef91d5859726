// SPDX-License-Identifier: Apache-2.0
// Memory that belongs to someone else (a virtual machine monitor's, say), as ranges of an address space: it is reached
// through two imported functions, the only ones that the core has. It may answer a read later; it takes a write at once,
// and says whether a read that follows has to come back before the write is known to be in effect.
import { MEMORY_FAULT } from '../abi/state_value.ts';
import { foreignHandle, rangeOffset } from './iommu.ts';

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

/** Reads `length` bytes at `iova`, which `range` holds: MEMORY_*. */
export function readForeign(range: usize, iova: u64, length: u32, target: usize, reader: u32, number: u32): u32 {
  const offset = <f64>rangeOffset(range, iova);
  return foreignRead(foreignHandle(range), offset, length, target, reader, number, <f64>iova);
}

/** Writes likewise; false if there is nothing. */
export function writeForeign(range: usize, iova: u64, length: u32, source: usize): bool {
  return foreignWrite(foreignHandle(range), <f64>rangeOffset(range, iova), length, source) != MEMORY_FAULT;
}
