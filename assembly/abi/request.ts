// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A request of a driver that is to be answered: a read, or a configuration access
export const BYTES = 48;
export const ISSUED = 0; // u64: cycle
export const ADDRESS = 8; // u64: on the bus; of configuration space, the offset
export const FUNCTION = 16; // u32
export const BAR = 20; // u32: or TRACE_SPACE_CONFIG
export const OFFSET = 24; // u32
export const SIZE = 28; // u32: of the access, then of what the completion carries
export const VALUE = 32; // u32: written, or read
export const IS_WRITE = 36; // u8
export const NEXT = 40; // u32: free list
