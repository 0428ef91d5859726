// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A chain or a frame in work
export const SEGMENTS_MAX = 256;
export const SEGMENTS_INLINE = 16; // more are in a list that is lent
export const MERGE_MAX = 64;
export const OUT_BYTES = 256;
export const STRIDE = 1856;
export const CONTEXT = 0; // dma_context
export const NEXT = 120; // u32: free list or FIFO of its queue
export const QUEUE = 124; // u32: its queue
export const STATE = 128; // u8: JOB_FREE and the others
export const INDIRECT = 129; // u8: walking an indirect table
export const STATUS = 130; // u8: engine-private
export const BUSY = 131; // u8: its own event will come (delay or read under way)
export const ID = 132; // u16: by which the driver knows the buffer
export const HELD = 134; // u8: the frame is the oldest of those held back, and stays there until it is delivered
export const TABLE = 136; // u64: table being walked
export const TABLE_SIZE = 144; // u32: its entries
export const DESC = 148; // u32: entry to decode next
export const BLOCK = 152; // u32: first entry in the descriptor cache, NONE if empty
export const BLOCK_COUNT = 156; // u32: entries there
export const BUDGET = 160; // u32: descriptors that may still come
export const READABLE = 164; // u32: readable segments
export const WRITABLE = 168; // u32: writable segments, behind the readable ones
export const READ_BYTES = 172; // u32: of the readable segments
export const WRITE_BYTES = 176; // u32: of the writable ones
export const LENGTH = 180; // u32: bytes gathered, or frame length
export const RESULT = 184; // u32: bytes of result
export const FLOOD = 188; // u32: next function of a flood
export const BUFFERS = 192; // u32: taken by a mergeable receive
export const POSITION = 196; // u16: where its first buffer stood in the ring
export const DESCRIPTORS = 198; // u16: of the ring that the buffer takes
export const STARTED = 200; // u64: cycle: head taken
export const WALKED = 208; // u64: descriptors known
export const GATHERED = 216; // u64: data known
export const EXECUTING = 224; // u64: execution begins (in order)
export const EXECUTED = 232; // u64: execution is over
export const RETIRED = 240; // u64: write-back issued
export const OPCODE = 248; // u32: admin: opcode | group type << 16
export const MEMBER = 252; // u32: admin: group member id
export const BUFFER = 256; // u32: data read, or frame with its header: address of a buffer that is lent, 0: none
export const LIST = 260; // u32: address of the segments: JOB_SEGMENTS, or a list that is lent
export const CACHE = 264; // u8[256]: descriptor cache, 16 entries
export const SEGMENTS = 520; // segment[SEGMENTS_INLINE]
export const MERGE = 776; // merged[MERGE_MAX]: the buffers of a mergeable receive
export const OUT = 1288; // u8[JOB_OUT_BYTES]: result to write
export const QUEUE_TIMES = 1544; // u64[5]: the queue's five times, from Q_KICK_ISSUED on, when the head was taken
export const LIVES = 1584; // life[4]: admin: index, ring, descriptors, data; see DMA_LIFE
export const QUALIFIER = 1792; // u32: status | qualifier << 16
export const ENGINE_WAIT = 1796; // u32: admin: cycles until an engine took it
export const PLACE = 1800; // u16: packed: of its first descriptor, where these are read once more

// A buffer of a mergeable receive
export const MERGED_BYTES = 8;
export const MERGED_ID = 0; // u16
export const MERGED_DESCRIPTORS = 2; // u16
export const MERGED_ROOM = 4; // u32: in this buffer and those before it
