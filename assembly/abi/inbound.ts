// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A host write on its way to the device
export const SLOT_BYTES = 32;
export const ISSUED = 0; // u64: cycle
export const FUNCTION = 8; // u32
export const BAR = 12; // u32
export const OFFSET = 16; // u32
export const SIZE = 20; // u32
export const VALUE = 24; // u32
