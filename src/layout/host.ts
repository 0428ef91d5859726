// SPDX-License-Identifier: Apache-2.0
// Blocks of the computer around the card: writes of the card that are under way, IO-TLB, address spaces.
import type { Table } from './rows.ts';

export const HOST_BLOCKS: Table = [
  {
    name: 'posted_entry',
    title: 'A device write on its way to host memory; its bytes follow, padded to 8',
    file: 'posted',
    by: 'host',
    sizeName: 'POSTED_ENTRY_BYTES',
    rows: [
      ['POSTED_EFFECT', 'u64', 'cycle in which it takes effect'],
      ['POSTED_FN', 'u32', 'function block, 0: gap at the end of the ring'],
      ['POSTED_LENGTH', 'u32', ''],
      ['POSTED_IOVA', 'u64', ''],
    ],
  },

  {
    name: 'iotlb_entry',
    title: 'A way of the IO-TLB',
    file: 'iotlb',
    by: 'host',
    sizeName: 'IOTLB_ENTRY_BYTES',
    rows: [
      ['IOTLB_PAGE', 'u64', 'address space << 52 | page number + 1, 0: empty'],
      ['IOTLB_USED', 'u64', 'cycle of its last use'],
      ['IOTLB_READY', 'u64', 'cycle in which the walk is over'],
    ],
  },

  {
    name: 'address_space',
    title: 'An I/O address space: that of function n is n by default',
    file: 'address_space',
    by: 'host',
    sizeName: 'IOAS_STRIDE',
    numbers: [['IOAS_RANGES_OWN', 7, '']],
    rows: [
      ['IOAS_COUNT', 'u32', 'ranges in use'],
      ['IOAS_FLAGS', 'u32', 'IOAS_ALLOCATED, IOAS_TRACKED', { by: 'host src' }],
      ['IOAS_AT', 'u32', 'address of the ranges: IOAS_RANGES, or a block of the pool'],
      ['IOAS_CAPACITY', 'u32', 'ranges for which there is room'],
      ['IOAS_RANGES', 'range[IOAS_RANGES_OWN]', 'the first few, sorted by iova', { at: 32 }],
    ],
  },

  {
    name: 'range',
    title: 'A mapped range',
    file: 'address_space',
    by: 'host',
    sizeName: 'RANGE_BYTES',
    rows: [
      ['RANGE_IOVA', 'u64', ''],
      ['RANGE_LENGTH', 'u64', ''],
      ['RANGE_OFFSET', 'u32', 'window offset, or handle of foreign memory'],
      ['RANGE_PERMISSIONS', 'u32', 'IOMMU_*'],
      ['RANGE_DIRTY', 'u32', 'address of a bitmap with one bit a page, with IOMMU_TRACKED'],
    ],
  },

  {
    name: 'pool_block',
    title: 'A free block of the pool of the address spaces',
    file: 'address_space',
    by: 'host',
    rows: [
      ['POOL_BYTES', 'u32', ''],
      ['POOL_NEXT', 'u32', 'free block, in the order of addresses'],
    ],
  },
];
