// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A device write on its way to host memory; its bytes follow, padded to 8
export const ENTRY_BYTES = 24;
export const EFFECT = 0; // u64: cycle in which it takes effect
export const FN = 8; // u32: function block, 0: gap at the end of the ring
export const LENGTH = 12; // u32
export const IOVA = 16; // u64
