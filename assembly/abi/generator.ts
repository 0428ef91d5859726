// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// Traffic generator
export const OPERATION = 0; // u32: GENERATE_*
export const BYTES = 4; // u32: of an operation, up to 4096
export const LEFT = 8; // u32: operations to start
export const DONE = 12; // u32
export const WARM = 16; // u32: operations that come before the measurement
export const UNTIL = 20; // u32: operations with which it ends; more may follow, to keep the card busy until then
export const WARM_AT = 24; // u64: cycle in which they were done
export const LAST_AT = 32; // u64: cycle in which operation GEN_UNTIL was done
export const IOVA = 40; // u64
export const WINDOW = 48; // u32: bytes from there on
export const RANDOM = 52; // u32: 1: random places, 0: one after the other
export const FUNCTION = 56; // u32: its block
export const NEXT = 60; // u32: next offset
export const SEED = 64; // u64: not 0
export const SAMPLES = 72; // u32: latencies recorded

// An operation of the traffic generator
export const CONTEXT_BYTES = 136;
export const DMA = 0; // dma_context
export const BEGUN = 120; // u64: cycle
export const STEP = 128; // u32: what comes next
