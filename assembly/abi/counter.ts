// SPDX-License-Identifier: Apache-2.0
// Counters. C_*: the whole card (COUNTER); FC_*: each function (FN_COUNTER). All u64. Their lower-case names, without
// the prefix, are the names in reports.

export const C_UNSUPPORTED_REQUEST = 0; // access that no register answers
export const C_DMA_READS = 1;
export const C_DMA_READ_BYTES = 2;
export const C_DMA_WRITES = 3;
export const C_DMA_WRITE_BYTES = 4;
export const C_DMA_FAULTS = 5; // address not mapped for the requester
export const C_MSI_WRITES = 6;
export const C_ADMIN_COMMANDS = 7;
export const C_ADMIN_ERRORS = 8; // status other than OK
export const C_WIRE_TX_FRAMES = 9;
export const C_WIRE_TX_BYTES = 10;
export const C_WIRE_RX_FRAMES = 11;
export const C_WIRE_RX_BYTES = 12;
export const C_WIRE_RX_NO_MATCH = 13; // frame from the wire for nobody here
export const C_WIRE_RX_BAD_LENGTH = 14;
export const C_FLOOD_FRAMES = 15;
export const C_DMA_READ_REQUESTS = 16; // memory read TLPs
export const C_COMPLETION_UNSUPPORTED = 17; // completions other than Successful Completion
export const C_COMPLETION_POISONED = 18;
export const C_COMPLETION_TIMEOUTS = 19;
export const C_COMPLETIONS_DROPPED = 20; // for a read whose owner had been reset
export const C_IOTLB_HITS = 21;
export const C_IOTLB_MISSES = 22;

export const FC_TX_FRAMES = 0;
export const FC_TX_BYTES = 1;
export const FC_RX_FRAMES = 2;
export const FC_RX_BYTES = 3;
export const FC_TX_DROP_SHORT = 4; // no whole header and Ethernet header
export const FC_TX_DROP_OVERSIZE = 5; // above mtu and Ethernet header
export const FC_TX_DROP_BAD_HEADER = 6; // gso or tunnel bits that were never negotiated
export const FC_TX_DROP_HAIRPIN = 7; // addressed to the sender itself
export const FC_RX_DROP_NO_BUFFER = 8;
export const FC_RX_DROP_TOO_SMALL = 9; // buffer smaller than header and frame
export const FC_RX_DROP_DISABLED = 10; // queue not enabled, driver not ready
export const FC_RX_DROP_FILTER = 11;
export const FC_RX_DROP_OVERSIZE = 12;
export const FC_INTERRUPTS = 13;
export const FC_INTERRUPTS_SUPPRESSED = 14;
export const FC_DOORBELLS = 15;
export const FC_DOORBELLS_IGNORED = 16; // queue not enabled or out of range, driver not ready
export const FC_CHAINS = 17;
export const FC_BAD_DMA = 18; // from here on: causes of DEVICE_NEEDS_RESET
export const FC_BAD_AVAIL_IDX = 19; // jumped by more than the queue size
export const FC_BAD_HEAD = 20; // head beyond the queue
export const FC_BAD_NEXT = 21; // next beyond the table
export const FC_BAD_LOOP = 22; // chain longer than the queue size
export const FC_BAD_ORDER = 23; // device-readable after device-writable
export const FC_BAD_INDIRECT = 24; // not negotiated, nested, with NEXT, odd length
export const FC_BAD_LENGTH = 25; // lengths sum up beyond 2^32
export const FC_BAD_CHAIN = 26; // chain of the wrong direction for its queue
export const FC_RESETS = 27;
export const FC_IGNORED_WRITES = 28; // register writes without effect
