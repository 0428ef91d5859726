// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A chain or a frame in work
export const SEGMENTS_MAX = 256;
export const MERGE_MAX = 64;
export const JOB_BUFFER_BYTES = 0x2500;
export const JOB_OUT_BYTES = 2048;
export const JOB_STRIDE = 0x4240;
export const JOB_CONTEXT = 0x0; // dma_context
export const JOB_NEXT = 0x78; // u32: free list or FIFO of its queue
export const JOB_QUEUE = 0x7c; // u32: its queue
export const JOB_STATE = 0x80; // u8: JOB_FREE and the others
export const JOB_INDIRECT = 0x81; // u8: walking an indirect table
export const JOB_STATUS = 0x82; // u8: engine-private
export const JOB_BUSY = 0x83; // u8: its own event will come (delay or read under way)
export const JOB_HEAD = 0x84; // u16: head of the chain
export const JOB_HELD = 0x86; // u8: the frame is the oldest of those held back, and stays there until it is delivered
export const JOB_TABLE = 0x88; // u64: table being walked
export const JOB_TABLE_SIZE = 0x90; // u32: its entries
export const JOB_DESC = 0x94; // u32: entry to decode next
export const JOB_BLOCK = 0x98; // u32: first entry in the descriptor cache, NONE if empty
export const JOB_BLOCK_COUNT = 0x9c; // u32: entries there
export const JOB_BUDGET = 0xa0; // u32: descriptors that may still come
export const JOB_READABLE = 0xa4; // u32: readable segments
export const JOB_WRITABLE = 0xa8; // u32: writable segments, behind the readable ones
export const JOB_READ_BYTES = 0xac; // u32: of the readable segments
export const JOB_WRITE_BYTES = 0xb0; // u32: of the writable ones
export const JOB_LENGTH = 0xb4; // u32: bytes gathered, or frame length
export const JOB_RESULT = 0xb8; // u32: bytes of result
export const JOB_FLOOD = 0xbc; // u32: next function of a flood
export const JOB_HEADS = 0xc0; // u32: heads taken by a mergeable receive
export const JOB_FIRST_IDX = 0xc4; // u16: available index before the first head
export const JOB_STARTED = 0xc8; // u64: cycle: head taken
export const JOB_WALKED = 0xd0; // u64: descriptors known
export const JOB_GATHERED = 0xd8; // u64: data known
export const JOB_EXECUTING = 0xe0; // u64: execution begins (in order)
export const JOB_EXECUTED = 0xe8; // u64: execution is over
export const JOB_RETIRED = 0xf0; // u64: write-back issued
export const JOB_OPCODE = 0xf8; // u32: admin: opcode | group type << 16
export const JOB_MEMBER = 0xfc; // u32: admin: group member id
export const JOB_CACHE = 0x100; // u8[256]: descriptor cache, 16 entries
export const JOB_SEGMENTS = 0x200; // segment[SEGMENTS_MAX]
export const JOB_MERGE = 0x1200; // merged[MERGE_MAX]: the buffers of a mergeable receive
export const JOB_BUFFER = 0x1400; // u8[JOB_BUFFER_BYTES]: data read, frame with its header
export const JOB_OUT = 0x3900; // u8[JOB_OUT_BYTES]: result to write
export const JOB_QUEUE_TIMES = 0x4100; // u64[5]: the queue's five times, from Q_KICK_ISSUED on, when the head was taken
export const JOB_LIVES = 0x4130; // life[4]: admin: index, ring, descriptors, data; see DMA_LIFE
export const JOB_QUALIFIER = 0x4200; // u32: status | qualifier << 16
export const JOB_ENGINE_WAIT = 0x4204; // u32: admin: cycles until an engine took it

// A buffer of a mergeable receive
export const MERGED_BYTES = 8;
export const MERGED_HEAD = 0; // u16
export const MERGED_ROOM = 4; // u32: in this buffer and those before it
