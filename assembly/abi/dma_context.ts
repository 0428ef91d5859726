// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// DMA context: the head of every queue and job, one outstanding read each
export const DMA_FN = 0; // u32: address of the function block
export const DMA_DONE_EVENT = 4; // u32: event code
export const DMA_SEGMENTS = 8; // u32: address of the segments
export const DMA_SEGMENT_COUNT = 12; // u32
export const DMA_BYTES = 16; // u32: bytes to read, never more than the room at DMA_TARGET
export const DMA_TARGET = 20; // u32: address
export const DMA_FAULT = 24; // u32: 1 after an address that is not mapped
export const DMA_GENERATION = 28; // u32: compared with the event's
export const DMA_SEGMENT = 32; // segment[2]: the context's own segment list
export const DMA_UP_TLPS = 64; // u32: traffic caused so far by the owner, both directions
export const DMA_UP_BYTES = 68; // u32
export const DMA_DOWN_TLPS = 72; // u32
export const DMA_DOWN_BYTES = 76; // u32
export const DMA_CURSOR = 80; // u32: address of the segment that is being requested
export const DMA_CURSOR_DONE = 84; // u32: bytes of it that have been requested
export const DMA_LEFT = 88; // u32: bytes of the read that are not yet requested
export const DMA_PENDING = 92; // u16: requests under way
export const DMA_LISTED = 94; // u8: DMA_WAITING or DMA_PARKED: on which list of contexts
export const DMA_NEXT = 96; // u32: next context of that list
export const DMA_READY = 100; // u32: low word of the cycle in which the read was set up
export const DMA_SETUP = 104; // u32: cycles of that
export const DMA_ENGINE_WAIT = 108; // u32: cycles before
export const DMA_LIFE = 112; // u32: address where the life of the read is added up (LIFE_*), 0: nowhere

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
