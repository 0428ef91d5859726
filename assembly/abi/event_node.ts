// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// Events of one cycle, in the order of priority and arrival
export const WHEEL_SLOT_BYTES = 8;
export const WHEEL_HEAD = 0; // u32: event node
export const WHEEL_TAIL = 4; // u32

// An event
export const NODE_BYTES = 32;
export const TIME = 0; // u64: cycle
export const NEXT = 8; // u32: node of the slot, or free node
export const CODE = 12; // u16: EV_*
export const PRIORITY = 14; // u16: PRIO_*
export const A0 = 16; // u32: as the code says
export const A1 = 20; // u32
export const SEQUENCE = 24; // u64: order of far events of equal time and priority
