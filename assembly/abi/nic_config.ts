// SPDX-License-Identifier: Apache-2.0
// Creation-time configuration: indices into CONFIG, an array of u32 that the host fills before create().

export const TOTAL_VFS = 0; // 1..1024
export const FIRST_VF_OFFSET = 1; // routing id distance from the PF to VF 1
export const VF_STRIDE = 2;
export const PF_ROUTING_ID = 3; // bus << 8 | device << 3 | function
export const QUEUE_SIZE = 4; // power of two, 2..256, of every net queue
export const ADMIN_QUEUE_SIZE = 5;
export const PF_PAIRS = 6; // 1..8
export const VF_PAIRS = 7;
export const PF_VECTORS = 8; // MSI-X table size, 2..32
export const VF_VECTORS = 9;
export const MTU = 10;
export const MAC_LO = 11; // first four bytes of the PF's address, little-endian
export const MAC_HI = 12; // last two; VF n adds n to the last three bytes
export const FEATURES_MASK_0 = 13; // offered = what the device has AND this, word 0
export const FEATURES_MASK_1 = 14;
export const LEGACY = 15; // 1: legacy access commands are offered
export const WIRE_MODE = 16; // 0 frames on the wire are counted and dropped, 1 they go to the host
export const WINDOW_BYTES = 17;
export const SRIOV_LIST_LENIENT = 18; // 1: LIST_* of the SR-IOV group work while VF Enable is clear (AMB-01)
export const TRACE_ADMIN = 19; // 1: one trace record for each admin command
export const IDENTITY_DMA = 20; // 1: new address spaces map the whole window at iova 0
export const VF_VECTOR_POOL = 22; // MSI-X vectors that all VFs have together
export const ON_DEMAND_FUNCTIONS = 21; // functions behind the VFs that the host brings into being one by one
export const RECEIVE_HOLD_BYTES = 23; // of each function, for frames that find no buffer; 0: they are dropped
export const PACKED = 25; // 1: VIRTIO_F_RING_PACKED is offered
export const MEMORY_OUTSIDE = 24; // 1: requests of the card are outputs, and whoever takes them answers
