// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A record of the output ring
export const OUT_RECORD_BYTES = 32;
export const OUT_TIME = 0; // u64
export const OUT_KIND = 8; // u32: OUT_MSI and the others, with a PASID above OUT_PASID_SHIFT
export const OUT_FUNCTION = 12; // u32
export const OUT_A = 16; // u32: as the kind says
export const OUT_B = 20; // u32
export const OUT_C = 24; // u32
export const OUT_D = 28; // u32

// A frame that left on the wire; its bytes follow, padded to 8
export const WIRE_ENTRY_BYTES = 8;
export const WIRE_END = 0; // u32: the host moves CTL_WIRE_TAIL here
export const WIRE_LENGTH = 4; // u32

// The life of an administration command
export const ADMIN_TRACE_COMMAND_BYTES = 40; // header and 16 bytes of data
export const ADMIN_TRACE_BYTES = 384;
export const ADMIN_TRACE_OPCODE = 0; // u16
export const ADMIN_TRACE_GROUP = 2; // u16
export const ADMIN_TRACE_MEMBER = 4; // u32
export const ADMIN_TRACE_STATUS = 8; // u16
export const ADMIN_TRACE_QUALIFIER = 10; // u16
export const ADMIN_TRACE_CHAIN = 12; // u32: head of its chain
export const ADMIN_TRACE_KICK_ISSUED = 16; // u64: doorbell written by the host
export const ADMIN_TRACE_KICK_ARRIVED = 24; // u64
export const ADMIN_TRACE_VISITED = 32; // u64: read of the index started
export const ADMIN_TRACE_IDX_READ = 40; // u64: index back
export const ADMIN_TRACE_RING_READ = 48; // u64: ring entries back
export const ADMIN_TRACE_STARTED = 56; // u64: head taken
export const ADMIN_TRACE_WALKED = 64; // u64: descriptors known
export const ADMIN_TRACE_GATHERED = 72; // u64: data known
export const ADMIN_TRACE_EXECUTING = 80; // u64
export const ADMIN_TRACE_EXECUTED = 88; // u64
export const ADMIN_TRACE_RETIRED = 96; // u64: write-back issued
export const ADMIN_TRACE_NOTIFIED = 104; // u64: message arrived at the host, 0 if none was sent
export const ADMIN_TRACE_UP_TLPS = 112; // u16
export const ADMIN_TRACE_DOWN_TLPS = 114; // u16
export const ADMIN_TRACE_UP_BYTES = 116; // u32
export const ADMIN_TRACE_DOWN_BYTES = 120; // u32
export const ADMIN_TRACE_JOBS = 124; // u32: commands of the queue in work
export const ADMIN_TRACE_LIVES = 128; // life[4]: of its reads: index, ring, descriptors, data
export const ADMIN_TRACE_ENGINE_WAIT = 336; // u32: cycles until an engine took it
export const ADMIN_TRACE_LENGTH = 340; // u32: bytes of the command
export const ADMIN_TRACE_COMMAND = 344; // u8[ADMIN_TRACE_COMMAND_BYTES]: the first of them

// A record of the trace ring; trace_kind.ts says what its words are for each kind
export const TRACE_TIME = 0; // u64
export const TRACE_KIND = 8; // u16: TRACE_TLP and the others
export const TRACE_FUNCTION = 10; // u16: number of the function, or TRACE_NOBODY
export const TRACE_BYTES = 12; // u16: whole record
export const TRACE_SUB = 14; // u16
export const TRACE_A = 16; // u32
export const TRACE_B = 20; // u32
export const TRACE_C = 24; // u64
export const TRACE_D = 32; // u32
export const TRACE_E = 36; // u32
export const TRACE_PAYLOAD = 40; // u8[]: bytes of a record without payload
