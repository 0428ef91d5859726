// SPDX-License-Identifier: Apache-2.0
// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.

// A function
export const QUEUES_MAX = 18; // 8 pairs, control, admin
export const MSIX_VECTORS_MAX = 32;
export const FAULTS_MAX = 8;
export const STRIDE = 0x4a40;
export const CONFIG = 0x0; // u8[CONFIG_SPACE_BYTES]: configuration space image
export const STATE = 0x1000; // function_state: hot scalars
export const COMMON = 0x1100; // u8[64]: image of virtio_pci_common_cfg, kept up to date by writes
export const ISR = 0x1140; // u8: ISR status
export const DEVICE_CFG = 0x1160; // u8[28]: image of virtio_net_config
export const COUNTER = 0x1200; // u64[32]: indices in counter.ts
export const FILTER = 0x1300; // u64[32]: MAC filter: unicast, then multicast
export const QUEUES = 0x1400; // queue[QUEUES_MAX]
export const MSIX_TABLE = 0x4610; // u32[4 * MSIX_VECTORS_MAX]: MSI-X table
export const MSIX_PBA = 0x4810; // u64[2]: pending bits, the rest zero
export const MSIX_SENT = 0x4820; // u64[MSIX_VECTORS_MAX]: address of the message that was sent last
export const PROFILE = 0x4920; // profile: what the function is provisioned as
export const FAULTS = 0x4960; // dma_fault[FAULTS_MAX]: DMA faults that the host has not taken, oldest first

// Hot scalars of a function
export const INDEX = 0x1000; // u32: 0 = PF, then VFs, then functions on demand
export const ROUTING_ID = 0x1004; // u32: requester id; that of the PF for functions on demand
export const PRESENT = 0x1008; // u8: is there (PF always, VF while VF Enable and below NumVFs, on demand: created)
export const MEMORY = 0x1009; // u8: memory decode on (Memory Enable of the PF, VF MSE for VFs), power state D0
export const BUS_MASTER = 0x100a; // u8: may send requests (Bus Master Enable)
export const LIVE = 0x100b; // u8: queues may be served (DRIVER_OK, or legacy use before it)
export const LEGACY = 0x100c; // u8: driven through the legacy interface since the last reset
export const MSIX_ENABLE = 0x100d; // u8: MSI-X Enable
export const MSIX_MASKALL = 0x100e; // u8: Function Mask
export const RX_MODE = 0x100f; // u8: RX_MODE_* bits
export const IOAS = 0x1010; // u32: NONE if detached
export const QUEUE_COUNT = 0x1014; // u32: net queues and control queue (num_queues)
export const PAIRS = 0x1018; // u32: receive/transmit pairs that exist
export const ACTIVE_PAIRS = 0x101c; // u32: pairs in use (control command MQ)
export const HEADER_BYTES = 0x1020; // u32: virtio_net_hdr of the negotiated features
export const MAX_FRAME = 0x1024; // u32: mtu + 14; up to two VLAN tags come on top
export const MAC = 0x1028; // u64: bytes of the address, bit 48 set
export const FILTERS = 0x1030; // u32: unicast entries | multicast entries << 16
export const VECTORS = 0x1038; // u32: MSI-X table size
export const INTX_LEVEL = 0x103c; // u8: the line as last signalled
export const CONFIG_READ = 0x103d; // u8: device config was read since the last change of config_generation
export const EVENT_IDX = 0x103e; // u8: negotiated
export const INDIRECT = 0x103f; // u8: negotiated
export const OFFERED = 0x1040; // u32[4]: device feature words
export const DRIVER_FEATURES = 0x1050; // u32[4]: driver feature words
export const TX_RULES = 0x1060; // u8: TX_RULE_*: what a frame to be sent is checked for, 0: nothing
export const MERGEABLE = 0x1061; // u8: MRG_RXBUF negotiated
export const FILTERING = 0x1062; // u8: CTRL_RX negotiated, so groups have to be in the filter table
export const LATE_MEMORY = 0x1063; // u8: its memory answers later, and takes writes that are in effect later
export const ADMIN_QUEUE = 0x1064; // u32: index of the admin queue, NONE on VFs
export const TLB_IOVA = 0x1068; // u64: range of the last translation, if it may be read and written
export const TLB_BYTES = 0x1070; // u64: its length, 0 if there is none
export const TLB_AT = 0x1078; // u32: its address in linear memory
export const READY_HEAD = 0x107c; // u32: queues that wait for a visit
export const READY_TAIL = 0x1080; // u32
export const NEXT_READY = 0x1084; // u32: next function with such queues
export const KIND = 0x1088; // u8: KIND_*
export const PROFILE_NEW = 0x1089; // u8: FN_PROFILE was written and is not in effect yet
export const VLAN = 0x108a; // u16: VLAN of an access port, 0: none
export const PASID = 0x108c; // u32: PASID of its DMA, NONE: requests without
export const RATE = 0x1090; // u32: Mbit/s that it may send, 0: no limit
export const RATE_TIME = 0x1098; // u64: cycle up to which it has sent what it may, and what of the cycle after ...
export const RATE_REST = 0x10a0; // u64: ... is used up, in parts of FN_RATE * P_CLOCK_PS
export const FAULT_COUNT = 0x10f0; // u32: records in FN_FAULTS
export const FAULTS_LOST = 0x10f4; // u32: faults for which there was no room

// A DMA fault
export const FAULT_BYTES = 24;
export const FAULT_IOVA = 0; // u64
export const FAULT_CYCLE = 8; // u64
export const FAULT_IS_WRITE = 16; // u32
export const FAULT_IOAS = 20; // u32: NONE if the function was bound to none
