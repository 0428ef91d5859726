// SPDX-License-Identifier: Apache-2.0
// Creation-time configuration: indices into CONFIG, an array of u32 that the host fills before create().

export const CFG_TOTAL_VFS = 0; // 1..1024
export const CFG_FIRST_VF_OFFSET = 1; // routing id distance from the PF to VF 1
export const CFG_VF_STRIDE = 2;
export const CFG_PF_ROUTING_ID = 3; // bus << 8 | device << 3 | function
export const CFG_QUEUE_SIZE = 4; // power of two, 2..256, of every net queue
export const CFG_ADMIN_QUEUE_SIZE = 5;
export const CFG_PF_PAIRS = 6; // 1..8
export const CFG_VF_PAIRS = 7;
export const CFG_PF_VECTORS = 8; // MSI-X table size, 2..32
export const CFG_VF_VECTORS = 9;
export const CFG_MTU = 10;
export const CFG_MAC_LO = 11; // first four bytes of the PF's address, little-endian
export const CFG_MAC_HI = 12; // last two; VF n adds n to the last three bytes
export const CFG_FEATURES_MASK_0 = 13; // offered = what the device has AND this, word 0
export const CFG_FEATURES_MASK_1 = 14;
export const CFG_LEGACY = 15; // 1: legacy access commands are offered
export const CFG_WIRE_MODE = 16; // 0 frames on the wire are counted and dropped, 1 they go to the host
export const CFG_WINDOW_BYTES = 17;
export const CFG_SRIOV_LIST_LENIENT = 18; // 1: LIST_* of the SR-IOV group work while VF Enable is clear (AMB-01)
export const CFG_TRACE_ADMIN = 19; // 1: one trace record for each admin command
export const CFG_IDENTITY_DMA = 20; // 1: new address spaces map the whole window at iova 0
export const CFG_VF_VECTOR_POOL = 22; // MSI-X vectors that all VFs have together
export const CFG_ON_DEMAND_FUNCTIONS = 21; // functions behind the VFs that the host brings into being one by one
export const CFG_RECEIVE_HOLD_BYTES = 23; // of each function, for frames that find no buffer; 0: they are dropped
