// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// An I/O address space: that of function n is n by default
export const IOAS_RANGES_OWN = 7;
export const IOAS_STRIDE = 256;
export const IOAS_COUNT = 0; // u32: ranges in use
export const IOAS_FLAGS = 4; // u32: IOAS_ALLOCATED, IOAS_TRACKED
export const IOAS_AT = 8; // u32: address of the ranges: IOAS_RANGES, or a block of the pool
export const IOAS_CAPACITY = 12; // u32: ranges for which there is room
export const IOAS_RANGES = 32; // range[IOAS_RANGES_OWN]: the first few, sorted by iova

// A mapped range
export const RANGE_BYTES = 32;
export const RANGE_IOVA = 0; // u64
export const RANGE_LENGTH = 8; // u64
export const RANGE_OFFSET = 16; // u32: window offset, or handle of foreign memory
export const RANGE_PERMISSIONS = 20; // u32: IOMMU_*
export const RANGE_DIRTY = 24; // u32: address of a bitmap with one bit a page, with IOMMU_TRACKED

// A free block of the pool of the address spaces
export const POOL_BYTES = 0; // u32
export const POOL_NEXT = 4; // u32: free block, in the order of addresses
