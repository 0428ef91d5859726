// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// One direction of the link
export const LINK_FREE = 0; // u64: cycle in which the wire is free again ...
export const LINK_FRACTION = 8; // u64: ... and the part of it, in 1/P_BYTE_DEN
export const LINK_DEBT = 16; // u64: DLLPs and ordered sets that are due
export const LINK_TLPS = 24; // u64
export const LINK_BYTES = 32; // u64

// Credits of a class that its sender has not back
export const CREDIT_CLASS_BYTES = 32;
export const CREDIT_HEAD = 0; // u32: free-running entries of the ring
export const CREDIT_TAIL = 4; // u32
export const CREDIT_DATA = 8; // u32: data units under way
export const CREDIT_BACK = 16; // u64: cycle: all that was taken off the ring is back by then
export const CREDIT_UPDATE = 24; // u64: cycle of an UpdateFC, a multiple of P_FC_INTERVAL

// Credits that were taken and are not back yet
export const CREDIT_ENTRY_BYTES = 16;
export const CREDIT_ENTRY_CYCLE = 0; // u64: in which they are back
export const CREDIT_ENTRY_UNITS = 8; // u32: of data

// Ring of a credit class
export const CREDIT_RING_BYTES = 0x10000;
export const CREDIT_RING_ENTRY = 0x0; // credit_entry[CREDIT_RING_ENTRIES]: sorted by cycle

// A read request under way
export const TAG_BYTES = 96;
export const TAG_CONTEXT = 0; // u32: DMA context that it is for
export const TAG_GENERATION = 4; // u32
export const TAG_IOVA = 8; // u64
export const TAG_LENGTH = 16; // u32
export const TAG_TARGET = 20; // u32
export const TAG_STATUS = 24; // u32: READ_FAULT_* or 0
export const TAG_NEXT = 28; // u32: free list
export const TAG_FN = 32; // u32: function block
export const TAG_HEADERS = 36; // u32: room for completions that is reserved
export const TAG_NUMBER = 40; // u32: requests since creation, this one included
export const TAG_ENGINE_WAIT = 44; // u32: its life in cycles, from here on; what it waited for stands between
export const TAG_SETUP = 48; // u32
export const TAG_READY = 52; // u32: low word of the cycle in which it was set up
export const TAG_SENT = 56; // u32: likewise, put on the link
export const TAG_UP = 60; // u32: until its last symbol was out
export const TAG_TRANSLATION = 64; // u32: in the IO-TLB
export const TAG_HOST = 68; // u32: in the host, translation included
export const TAG_DOWN = 72; // u32: until the last symbol of its completions was out
export const TAG_FORGOTTEN = 76; // u32: 1: given up, or a function level reset came over it
export const TAG_DEADLINE = 80; // u64: the cycle in which the request is given up
export const TAG_LATE = 88; // u32: pieces of it that the host has not answered yet

// A host write on its way to the device
export const INBOUND_SLOT_BYTES = 32;
export const INBOUND_ISSUED = 0; // u64: cycle
export const INBOUND_FUNCTION = 8; // u32
export const INBOUND_BAR = 12; // u32
export const INBOUND_OFFSET = 16; // u32
export const INBOUND_SIZE = 20; // u32
export const INBOUND_VALUE = 24; // u32

// A device write on its way to host memory; its bytes follow, padded to 8
export const POSTED_ENTRY_BYTES = 24;
export const POSTED_EFFECT = 0; // u64: cycle in which it takes effect
export const POSTED_FN = 8; // u32: function block, 0: gap at the end of the ring
export const POSTED_LENGTH = 12; // u32
export const POSTED_IOVA = 16; // u64

// A way of the IO-TLB
export const IOTLB_ENTRY_BYTES = 24;
export const IOTLB_PAGE = 0; // u64: address space << 52 | page number + 1, 0: empty
export const IOTLB_USED = 8; // u64: cycle of its last use
export const IOTLB_READY = 16; // u64: cycle in which the walk is over
