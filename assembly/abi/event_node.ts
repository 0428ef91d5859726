// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// Events of one cycle, in the order of priority and arrival
export const WHEEL_SLOT_BYTES = 8;
export const WHEEL_HEAD = 0; // u32: event node
export const WHEEL_TAIL = 4; // u32

// An event
export const EVENT_NODE_BYTES = 32;
export const EVENT_TIME = 0; // u64: cycle
export const EVENT_NEXT = 8; // u32: node of the slot, or free node
export const EVENT_CODE = 12; // u16: EV_*
export const EVENT_PRIORITY = 14; // u16: PRIO_*
export const EVENT_A0 = 16; // u32: as the code says
export const EVENT_A1 = 20; // u32
export const EVENT_SEQUENCE = 24; // u64: order of far events of equal time and priority
