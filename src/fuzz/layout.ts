// SPDX-License-Identifier: Apache-2.0
// Guest memory of the fuzzed card. Every function has a slice of its own, and all of them see theirs at the same device
// address: a request with the wrong requester id lands in somebody else's slice, where it is noticed.
//
//   slice  0x0000  rings of queue 0 .. 3, RING_BYTES each: descriptors, available ring, used ring, indirect table
//          0x1000  buffers of queue 0 .. 3, BUFFERS_BYTES each: eight slots, first half read by the card, second written
//          0x3800  nothing, for what programs put there
//          0x7000  end of what is mapped

/** PF and three VFs. */
export const FUNCTIONS = 4;
/** Receive, transmit, control, and on the PF admin. */
export const QUEUES = 4;
export const QUEUE_RX = 0;
export const QUEUE_TX = 1;
export const QUEUE_CONTROL = 2;
export const QUEUE_ADMIN = 3;
export const QUEUE_SIZE = 16;

export const SLICE_BYTES = 0x8000;
export const MAPPED_BYTES = 0x7000;
/** Device address of a slice: above 4 GiB, so that both halves of an address matter. */
export const SLICE_IOVA_HIGH = 1;
export const SLICE_IOVA = 0x1_0000_0000;

export const RING_BYTES = 0x400;
export const RING_AVAILABLE = 0x100;
export const RING_USED = 0x180;
export const RING_INDIRECT = 0x280;
export const RING_INDIRECT_ENTRIES = 24;

export const BUFFERS = 0x1000;
export const BUFFERS_BYTES = 0xa00;
export const SLOT_BYTES = 0x140;
export const SLOTS = 8;
/** Where the part of a slot begins that the card writes. */
export const SLOT_WRITABLE = 0x80;
