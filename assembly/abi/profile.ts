// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// What a function is provisioned as: written by the host, in effect when the function comes into being
export const FEATURES = 0; // u32[2]: offered = what the device has AND this
export const MAC = 8; // u64: bytes of the address, bit 48 set; 0: the address of its number
export const MTU = 16; // u16
export const QUEUE_SIZE = 18; // u16: of every net queue
export const PAIRS = 20; // u8
export const VECTORS = 21; // u8
export const NOTIFY = 22; // u8: flags of its entry in LEGACY_NOTIFY_INFO
export const FLAGS = 23; // u8: PROFILE_LEGACY and the others
export const VLAN = 24; // u16
export const RATE = 28; // u32: Mbit/s
