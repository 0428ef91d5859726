// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A way of the IO-TLB
export const ENTRY_BYTES = 24;
export const PAGE = 0; // u64: address space << 52 | page number + 1, 0: empty
export const USED = 8; // u64: cycle of its last use
export const READY = 16; // u64: cycle in which the walk is over
