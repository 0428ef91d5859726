// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// DMA context: the head of every queue and job, one outstanding read each
export const FN = 0; // u32: address of the function block
export const DONE_EVENT = 4; // u32: event code
export const SEGMENTS = 8; // u32: address of the segments
export const SEGMENT_COUNT = 12; // u32
export const BYTES = 16; // u32: bytes to read, never more than the room at DMA_TARGET
export const TARGET = 20; // u32: address
export const FAULT = 24; // u32: 1 after an address that is not mapped
export const GENERATION = 28; // u32: compared with the event's
export const SEGMENT = 32; // segment[2]: the context's own segment list
export const UP_TLPS = 64; // u32: traffic caused so far by the owner, both directions
export const UP_BYTES = 68; // u32
export const DOWN_TLPS = 72; // u32
export const DOWN_BYTES = 76; // u32
export const CURSOR = 80; // u32: address of the segment that is being requested
export const CURSOR_DONE = 84; // u32: bytes of it that have been requested
export const LEFT = 88; // u32: bytes of the read that are not yet requested
export const PENDING = 92; // u16: requests under way
export const LISTED = 94; // u8: DMA_WAITING or DMA_PARKED: on which list of contexts
export const NEXT = 96; // u32: next context of that list
export const READY = 100; // u32: low word of the cycle in which the read was set up
export const SETUP = 104; // u32: cycles of that
export const ENGINE_WAIT = 108; // u32: cycles before
export const LIFE = 112; // u32: address where the life of the read is added up (LIFE_*), 0: nowhere

// A piece of guest memory
export const SEGMENT_BYTES = 16;
export const SEGMENT_IOVA = 0; // u64
export const SEGMENT_LENGTH = 8; // u32

// The life of a read: cycles, which add up to the time from its start to its end
export const LIFE_BYTES = 52;
export const LIFE_ENGINE_WAIT = 0; // u32
export const LIFE_SETUP = 4; // u32: with what the owner adds
export const LIFE_TAG_WAIT = 8; // u32: for a tag, room for completions, credits
export const LIFE_UP_QUEUE = 12; // u32: behind other TLPs
export const LIFE_UP_WIRE = 16; // u32
export const LIFE_UP_LATENCY = 20; // u32
export const LIFE_TRANSLATION = 24; // u32
export const LIFE_HOST = 28; // u32
export const LIFE_HOST_EXTRA = 32; // u32: tails, and waiting for earlier writes
export const LIFE_DOWN_QUEUE = 36; // u32
export const LIFE_DOWN_WIRE = 40; // u32
export const LIFE_DOWN_LATENCY = 44; // u32
export const LIFE_COPY = 48; // u32
