// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// One direction of the link
export const FREE = 0; // u64: cycle in which the wire is free again ...
export const FRACTION = 8; // u64: ... and the part of it, in 1/P_BYTE_DEN
export const DEBT = 16; // u64: DLLPs and ordered sets that are due
export const TLPS = 24; // u64
export const BYTES = 32; // u64
