// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A chain or a frame in work
export const SEGMENTS_MAX = 256;
export const MERGE_MAX = 64;
export const BUFFER_BYTES = 0x2500;
export const OUT_BYTES = 2048;
export const STRIDE = 0x4240;
export const CONTEXT = 0x0; // dma_context
export const NEXT = 0x78; // u32: free list or FIFO of its queue
export const QUEUE = 0x7c; // u32: its queue
export const STATE = 0x80; // u8: JOB_FREE and the others
export const INDIRECT = 0x81; // u8: walking an indirect table
export const STATUS = 0x82; // u8: engine-private
export const BUSY = 0x83; // u8: its own event will come (delay or read under way)
export const ID = 0x84; // u16: by which the driver knows the buffer
export const HELD = 0x86; // u8: the frame is the oldest of those held back, and stays there until it is delivered
export const TABLE = 0x88; // u64: table being walked
export const TABLE_SIZE = 0x90; // u32: its entries
export const DESC = 0x94; // u32: entry to decode next
export const BLOCK = 0x98; // u32: first entry in the descriptor cache, NONE if empty
export const BLOCK_COUNT = 0x9c; // u32: entries there
export const BUDGET = 0xa0; // u32: descriptors that may still come
export const READABLE = 0xa4; // u32: readable segments
export const WRITABLE = 0xa8; // u32: writable segments, behind the readable ones
export const READ_BYTES = 0xac; // u32: of the readable segments
export const WRITE_BYTES = 0xb0; // u32: of the writable ones
export const LENGTH = 0xb4; // u32: bytes gathered, or frame length
export const RESULT = 0xb8; // u32: bytes of result
export const FLOOD = 0xbc; // u32: next function of a flood
export const BUFFERS = 0xc0; // u32: taken by a mergeable receive
export const POSITION = 0xc4; // u16: where its first buffer stood in the ring
export const DESCRIPTORS = 0xc6; // u16: of the ring that the buffer takes
export const STARTED = 0xc8; // u64: cycle: head taken
export const WALKED = 0xd0; // u64: descriptors known
export const GATHERED = 0xd8; // u64: data known
export const EXECUTING = 0xe0; // u64: execution begins (in order)
export const EXECUTED = 0xe8; // u64: execution is over
export const RETIRED = 0xf0; // u64: write-back issued
export const OPCODE = 0xf8; // u32: admin: opcode | group type << 16
export const MEMBER = 0xfc; // u32: admin: group member id
export const CACHE = 0x100; // u8[256]: descriptor cache, 16 entries
export const SEGMENTS = 0x200; // segment[SEGMENTS_MAX]
export const MERGE = 0x1200; // merged[MERGE_MAX]: the buffers of a mergeable receive
export const BUFFER = 0x1400; // u8[JOB_BUFFER_BYTES]: data read, frame with its header
export const OUT = 0x3900; // u8[JOB_OUT_BYTES]: result to write
export const QUEUE_TIMES = 0x4100; // u64[5]: the queue's five times, from Q_KICK_ISSUED on, when the head was taken
export const LIVES = 0x4130; // life[4]: admin: index, ring, descriptors, data; see DMA_LIFE
export const QUALIFIER = 0x4200; // u32: status | qualifier << 16
export const ENGINE_WAIT = 0x4204; // u32: admin: cycles until an engine took it

// A buffer of a mergeable receive
export const MERGED_BYTES = 8;
export const MERGED_ID = 0; // u16
export const MERGED_DESCRIPTORS = 2; // u16
export const MERGED_ROOM = 4; // u32: in this buffer and those before it
