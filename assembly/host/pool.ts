// SPDX-License-Identifier: Apache-2.0
// Memory for what address spaces have beyond their own block: longer lists of ranges, and dirty bitmaps. Free blocks are a
// list in the order of addresses, neighbours joined, so that what is given back is one block again. Mappings change
// rarely; nothing here is on the way of a request.
import { IOMMU_POOL_BYTES } from '../abi/state_map.ts';
import { POOL_BYTES, POOL_NEXT } from '../abi/address_space.ts';
import * as CTL from '../abi/control.ts';
import { DEBUG } from '../mem/arena.ts';

const GRAIN_MASK: u32 = 31;

/** Makes the pool one free block at `base`. */
export function initPool(base: u32): void {
  store<u32>(CTL.IOMMU_POOL, base);
  store<u32>(CTL.IOMMU_POOL_FREE, base);
  store<u32>(base, IOMMU_POOL_BYTES, POOL_BYTES);
}

/** Zeroed block of at least `bytes`, 0 if there is none. */
export function takeBlock(bytes: u32): usize {
  const size = (bytes + GRAIN_MASK) & ~GRAIN_MASK;
  let link: usize = CTL.IOMMU_POOL_FREE;
  let block: usize = load<u32>(link);
  while (block != 0 && load<u32>(block, POOL_BYTES) < size) {
    link = block + POOL_NEXT;
    block = load<u32>(link);
  }
  if (block == 0) return 0;
  const rest = load<u32>(block, POOL_BYTES) - size;
  if (rest == 0) {
    store<u32>(link, load<u32>(block, POOL_NEXT));
  } else {
    const remainder = block + size;
    store<u32>(remainder, rest, POOL_BYTES);
    store<u32>(remainder, load<u32>(block, POOL_NEXT), POOL_NEXT);
    store<u32>(link, <u32>remainder);
  }
  store<u32>(CTL.IOMMU_POOL_USED, load<u32>(CTL.IOMMU_POOL_USED) + size);
  memory.fill(block, 0, size);
  return block;
}

/** Gives a block of takeBlock(bytes) back. */
export function giveBlock(block: usize, bytes: u32): void {
  const size = (bytes + GRAIN_MASK) & ~GRAIN_MASK;
  if (DEBUG) assert(load<u32>(CTL.IOMMU_POOL_USED) >= size); // it was taken
  store<u32>(CTL.IOMMU_POOL_USED, load<u32>(CTL.IOMMU_POOL_USED) - size);
  let before: usize = 0;
  let after: usize = load<u32>(CTL.IOMMU_POOL_FREE);
  while (after != 0 && after < block) {
    before = after;
    after = load<u32>(after, POOL_NEXT);
  }
  if (DEBUG) assert(before == 0 || before + load<u32>(before, POOL_BYTES) <= block); // nothing of it is free already
  if (DEBUG) assert(after == 0 || block + size <= after);
  store<u32>(block, size, POOL_BYTES);
  store<u32>(block, <u32>after, POOL_NEXT);
  if (before == 0) store<u32>(CTL.IOMMU_POOL_FREE, <u32>block);
  else store<u32>(before, <u32>block, POOL_NEXT);
  join(block);
  if (before != 0) join(before);
}

/** Makes a free block and the next one of the list one block if they are neighbours. */
function join(block: usize): void {
  const next: usize = load<u32>(block, POOL_NEXT);
  if (next == 0 || block + load<u32>(block, POOL_BYTES) != next) return;
  store<u32>(block, load<u32>(block, POOL_BYTES) + load<u32>(next, POOL_BYTES), POOL_BYTES);
  store<u32>(block, load<u32>(next, POOL_NEXT), POOL_NEXT);
}
