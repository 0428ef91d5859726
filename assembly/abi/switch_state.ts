// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A frame in the hands of the switch
export const PACKET_FRAME = 0; // u32: address
export const PACKET_LENGTH = 4; // u32
export const PACKET_SOURCE = 8; // u32: function that sent it, or PORT_WIRE
export const PACKET_VLAN = 12; // u32: that it travels in, 0 if in none; set by the switch
export const PACKET_TAG_BYTES = 16; // u32: of the tags behind the addresses
export const PACKET_TCI = 20; // u32: of the first tag if it is one of 802.1Q, else NONE
export const PACKET_FLOW = 24; // u32: hash of the flow, once somebody asked
export const PACKET_HAS_FLOW = 28; // u32

// A slot of the switch's table
export const MAC_TABLE_SLOT_BYTES = 16;
export const MAC_SLOT_KEY = 0; // u64: address, bit 48 set; 0: empty
export const MAC_SLOT_FUNCTION = 8; // u32
