// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A read request under way
export const BYTES = 96;
export const CONTEXT = 0; // u32: DMA context that it is for
export const GENERATION = 4; // u32
export const IOVA = 8; // u64
export const LENGTH = 16; // u32
export const TARGET = 20; // u32
export const STATUS = 24; // u32: READ_FAULT_* or 0
export const NEXT = 28; // u32: free list
export const FN = 32; // u32: function block
export const HEADERS = 36; // u32: room for completions that is reserved
export const NUMBER = 40; // u32: requests since creation, this one included
export const ENGINE_WAIT = 44; // u32: its life in cycles, from here on; what it waited for stands between
export const SETUP = 48; // u32
export const READY = 52; // u32: low word of the cycle in which it was set up
export const SENT = 56; // u32: likewise, put on the link
export const UP = 60; // u32: until its last symbol was out
export const TRANSLATION = 64; // u32: in the IO-TLB
export const HOST = 68; // u32: in the host, translation included
export const DOWN = 72; // u32: until the last symbol of its completions was out
export const FORGOTTEN = 76; // u32: 1: given up, or a function level reset came over it
export const DEADLINE = 80; // u64: the cycle in which the request is given up
export const LATE = 88; // u32: pieces of it that memory has not answered yet
