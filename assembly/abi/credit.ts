// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// Credits of a class that its sender has not back
export const CLASS_BYTES = 32;
export const HEAD = 0; // u32: free-running entries of the ring
export const TAIL = 4; // u32
export const DATA = 8; // u32: data units under way
export const BACK = 16; // u64: cycle: all that was taken off the ring is back by then
export const UPDATE = 24; // u64: cycle of an UpdateFC, a multiple of P_FC_INTERVAL

// Credits that were taken and are not back yet
export const ENTRY_BYTES = 16;
export const ENTRY_CYCLE = 0; // u64: in which they are back
export const ENTRY_UNITS = 8; // u32: of data

// Ring of a credit class
export const RING_BYTES = 0x10000;
export const RING_ENTRY = 0x0; // credit_entry[CREDIT_RING_ENTRIES]: sorted by cycle
