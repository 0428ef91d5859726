// SPDX-License-Identifier: Apache-2.0
// The traffic generator: its operations, and its words at GENERATOR (pcie/generator.ts).

export const GENERATE_READ = 0;
export const GENERATE_WRITE = 1;
export const GENERATE_READ_WRITE = 2; // both, independent of each other
export const GENERATE_WRITE_READ = 3; // a write, and behind it a read of the same place
export const GENERATE_SIMPLE_NIC = 4; // a frame sent and a frame received

export const GEN_OPERATION = 0; // u32
export const GEN_BYTES = 4; // of an operation, up to 4096
export const GEN_LEFT = 8; // operations to start
export const GEN_DONE = 12;
export const GEN_WARM = 16; // operations that come before the measurement
export const GEN_WARM_AT = 24; // u64 cycle in which they were done
export const GEN_LAST_AT = 32; // u64 cycle in which operation GEN_UNTIL was done
export const GEN_IOVA = 40; // u64
export const GEN_UNTIL = 20; // operations with which it ends; more may follow, to keep the card busy until then
export const GEN_WINDOW = 48; // bytes from there on
export const GEN_RANDOM = 52; // 1: random places, 0: one after the other
export const GEN_FUNCTION = 56; // its block
export const GEN_NEXT = 60; // next offset
export const GEN_SEED = 64; // u64, not 0
export const GEN_SAMPLES = 72; // u32: latencies recorded
