// SPDX-License-Identifier: Apache-2.0
// Split and packed virtqueues in driver memory. virtio 1.4 §2.7 (split), §2.8 (packed).
//
//   split descriptor    | addr (8)            | len (4) | flags (2) | next (2) |     16 * n, aligned 16
//   available ring      | flags (2) | idx (2) | ring: n * le16      | used_event |   6 + 2 * n, aligned 2
//   used ring           | flags (2) | idx (2) | ring: n * (id, len) | avail_event |  6 + 8 * n, aligned 4
//   packed descriptor   | addr (8)            | len (4) | id (2) | flags (2) |

import { RO, RW } from './register_row.ts';

// Split descriptor
export const VIRTQ_DESC_ADDR = 0; // le64
export const VIRTQ_DESC_ADDR_HI = 4;
export const VIRTQ_DESC_LEN = 8; // le32
export const VIRTQ_DESC_FLAGS = 12; // le16
export const VIRTQ_DESC_NEXT = 14; // le16
export const VIRTQ_DESC_SIZE = 16;
export const VIRTQ_DESC_F_NEXT = 1 << 0;
export const VIRTQ_DESC_F_WRITE = 1 << 1;
export const VIRTQ_DESC_F_INDIRECT = 1 << 2;

// Available ring
export const VIRTQ_AVAIL_FLAGS = 0; // le16
export const VIRTQ_AVAIL_IDX = 2; // le16
export const VIRTQ_AVAIL_RING = 4; // le16[n]; used_event follows
export const VIRTQ_AVAIL_ELEM_SIZE = 2;
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1 << 0;

// Used ring
export const VIRTQ_USED_FLAGS = 0; // le16
export const VIRTQ_USED_IDX = 2; // le16
export const VIRTQ_USED_RING = 4; // struct virtq_used_elem[n]; avail_event follows
export const VIRTQ_USED_ELEM_ID = 0; // le32
export const VIRTQ_USED_ELEM_LEN = 4; // le32
export const VIRTQ_USED_ELEM_SIZE = 8;
export const VIRTQ_USED_F_NO_NOTIFY = 1 << 0;

// Sizes and alignments
export const VIRTQ_EVENT_SIZE = 2; // used_event and avail_event, always present
export const VIRTQ_DESC_ALIGN = 16;
export const VIRTQ_AVAIL_ALIGN = 2;
export const VIRTQ_USED_ALIGN = 4;
export const VIRTQ_MAX_SIZE = 32768;

// Packed descriptor
export const PACKED_DESC_ADDR = 0; // le64
export const PACKED_DESC_ADDR_HI = 4;
export const PACKED_DESC_LEN = 8; // le32
export const PACKED_DESC_ID = 12; // le16
export const PACKED_DESC_FLAGS = 14; // le16
export const PACKED_DESC_SIZE = 16;
export const PACKED_DESC_ALIGN = 16;
export const PACKED_DESC_F_AVAIL = 1 << 7;
export const PACKED_DESC_F_USED = 1 << 15;

// Packed event suppression structure (one for the driver, one for the device)
export const PACKED_EVENT_OFF_WRAP = 0; // le16
export const PACKED_EVENT_FLAGS = 2; // le16
export const PACKED_EVENT_SIZE = 4;
export const PACKED_EVENT_ALIGN = 4;
export const PACKED_EVENT_OFF_WRAP_OFF_SHIFT = 0;
export const PACKED_EVENT_OFF_WRAP_OFF_MASK = 0x7fff;
export const PACKED_EVENT_OFF_WRAP_WRAP = 1 << 15;
export const PACKED_EVENT_FLAGS_DESC_SHIFT = 0;
export const PACKED_EVENT_FLAGS_DESC_MASK = 3;
export const RING_EVENT_FLAGS_ENABLE = 0;
export const RING_EVENT_FLAGS_DISABLE = 1;
export const RING_EVENT_FLAGS_DESC = 2;

// The rows describe memory, so access is the driver's: RW where it writes, RO where the device does.
// prettier-ignore
export const VIRTQ_DESC: StaticArray<u32> = [ // offset, width, access, reset, write mask
  VIRTQ_DESC_ADDR, 4, RW, 0, 0xffffffff,
  VIRTQ_DESC_ADDR_HI, 4, RW, 0, 0xffffffff,
  VIRTQ_DESC_LEN, 4, RW, 0, 0xffffffff,
  VIRTQ_DESC_FLAGS, 2, RW, 0, 0xffff,
  VIRTQ_DESC_NEXT, 2, RW, 0, 0xffff,
];

// prettier-ignore
export const VIRTQ_AVAIL: StaticArray<u32> = [
  VIRTQ_AVAIL_FLAGS, 2, RW, 0, 0xffff,
  VIRTQ_AVAIL_IDX, 2, RW, 0, 0xffff,
];

// prettier-ignore
export const VIRTQ_USED: StaticArray<u32> = [
  VIRTQ_USED_FLAGS, 2, RO, 0, 0,
  VIRTQ_USED_IDX, 2, RO, 0, 0,
];

// prettier-ignore
export const VIRTQ_USED_ELEM: StaticArray<u32> = [
  VIRTQ_USED_ELEM_ID, 4, RO, 0, 0,
  VIRTQ_USED_ELEM_LEN, 4, RO, 0, 0,
];

// prettier-ignore
export const PACKED_DESC: StaticArray<u32> = [
  PACKED_DESC_ADDR, 4, RW, 0, 0xffffffff,
  PACKED_DESC_ADDR_HI, 4, RW, 0, 0xffffffff,
  PACKED_DESC_LEN, 4, RW, 0, 0xffffffff,
  PACKED_DESC_ID, 2, RW, 0, 0xffff,
  PACKED_DESC_FLAGS, 2, RW, 0, 0xffff,
];

// prettier-ignore
export const PACKED_EVENT: StaticArray<u32> = [
  PACKED_EVENT_OFF_WRAP, 2, RW, 0, 0xffff,
  PACKED_EVENT_FLAGS, 2, RW, 0, 0x0003,
];
