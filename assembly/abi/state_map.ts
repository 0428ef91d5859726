// SPDX-License-Identifier: Apache-2.0
// Map of the arena: every byte of state that the core has, as chained offsets in linear memory. The host reads it for
// views, snapshots and the output ring; nothing else in the repository knows these addresses.
//
//   0x00000  data of the compiler          0x10000  ARENA_BASE: control, parameters, configuration, counters
//            config masks, event wheel, event nodes, output ring, posted writes, wire ring, trace ring, switch table, jobs
//            FUNCTIONS  one block of FN_STRIDE bytes each (PF is 0, VF n is n, functions on demand follow)
//            IOASES     one block of IOAS_STRIDE bytes each (address space of function n is n by default), and a pool
//            HELD       frames that wait for buffers, CFG_RECEIVE_HOLD_BYTES for each function, none by default
//            WINDOW     guest memory for in-process drivers (address and size in CONTROL)

export const ARENA_MAGIC = 0x76667476;
export const ARENA_VERSION = 4;

export const ARENA_BASE = 0x10000;

// ---- control block -------------------------------------------------------------------------------------------------
export const CONTROL = ARENA_BASE;
export const CTL_MAGIC = CONTROL;
export const CTL_VERSION = CONTROL + 4;
export const CTL_LAYOUT_HASH = CONTROL + 8;
export const CTL_MEMORY_BYTES = CONTROL + 12;
export const CTL_NOW = CONTROL + 16; // u64 cycles
export const CTL_EVENT_SEQ = CONTROL + 24; // u64, order of far events of equal time and priority
export const CTL_EVENT_FREE = CONTROL + 32; // first free event node
export const CTL_HEAP_COUNT = CONTROL + 40;
export const CTL_WHEEL_SUMMARY = CONTROL + 44; // bit n: word n of WHEEL_BITS is not zero
export const CTL_FUNCTIONS = CONTROL + 48; // number of functions, PF included
export const CTL_IOAS_BASE = CONTROL + 52;
export const CTL_WINDOW_BASE = CONTROL + 56;
export const CTL_WINDOW_BYTES = CONTROL + 60;
export const CTL_OUT_HEAD = CONTROL + 64; // free-running, written by the core
export const CTL_OUT_TAIL = CONTROL + 68; // free-running, written by the host
export const CTL_POSTED_HEAD = CONTROL + 72; // free-running bytes
export const CTL_POSTED_TAIL = CONTROL + 76;
export const CTL_WIRE_HEAD = CONTROL + 80; // free-running bytes
export const CTL_WIRE_TAIL = CONTROL + 84; // written by the host
export const CTL_READY_HEAD = CONTROL + 88; // functions with queues to visit
export const CTL_READY_TAIL = CONTROL + 92;
export const CTL_PICKING = CONTROL + 96; // 1: EV_PICK is on the wheel
export const CTL_RNG = CONTROL + 296; // u64: state of the generator of random latencies
export const CTL_WIRE_FREE = CONTROL + 104; // u64, cycles << 16
export const CTL_TAG_FREE = CONTROL + 112; // first free tag record
export const CTL_TAGS_USED = CONTROL + 116;
export const CTL_READ_HEAD = CONTROL + 120; // DMA contexts whose requests wait for a tag, room or credits
export const CTL_READ_TAIL = CONTROL + 124;
export const CTL_PARKED_HEAD = CONTROL + 128; // those whose function may not send (bus mastering off)
export const CTL_READ_WAKE = CONTROL + 136; // u64: EV_DMA_ISSUE for the list is on the wheel for this cycle, 0 if none is
export const CTL_JOB_FREE = CONTROL + 144; // first free job of the transmit, control and admin pool
export const CTL_RX_JOB_FREE = CONTROL + 148; // first free job of the receive pool
export const CTL_WAIT_HEAD = CONTROL + 152; // queues that wait for a free job
export const CTL_WAIT_TAIL = CONTROL + 156;
export const CTL_TRACE_HEAD = CONTROL + 160; // free-running admin trace records
export const CTL_INBOUND_HEAD = CONTROL + 164; // free-running host writes under way
export const CTL_INBOUND_TAIL = CONTROL + 168;
export const CTL_DECODED_OFFSET = CONTROL + 172; // offset in the BAR found by the last address decode
export const CTL_EVENTS_RUN = CONTROL + 176; // u64
export const CTL_NUM_VFS = CONTROL + 184; // VFs that exist now
export const CTL_SRIOV_USED_LO = CONTROL + 196; // LIST_USE of the SR-IOV group, opcodes 0..31
export const CTL_SELF_USED_LO = CONTROL + 200; // LIST_USE of the self group
export const CTL_WIRE_LINK_UP = CONTROL + 216;
export const CTL_MAC_DIRTY = CONTROL + 236; // the switch has to build its table again
export const CTL_PROMISC_PORTS = CONTROL + 256; // functions in PORT_PROMISC
export const CTL_VLAN_PORTS = CONTROL + 260; // functions with a VLAN of their own
export const CTL_POSTED_LAST = CONTROL + 264; // u64: when the newest posted DMA write takes effect
export const CTL_COMPLETER_FREE = CONTROL + 304; // u64: the card takes the next request of the host from then on
export const CTL_CPL_HEADERS = CONTROL + 312; // room for completions that is reserved
export const CTL_CPL_DATA = CONTROL + 316;
export const CTL_READ_FAULTS = CONTROL + 320; // completions still to be spoilt with CTL_READ_FAULT_KIND
export const CTL_READ_FAULT_KIND = CONTROL + 324; // READ_FAULT_*
export const READ_FAULT_UNSUPPORTED = 1; // Unsupported Request
export const READ_FAULT_POISONED = 2; // data with the EP bit
export const READ_FAULT_LOST = 3; // no completion at all
// what memory of someone else says of an access
export const MEMORY_FAULT = 0; // not mapped there
export const MEMORY_DONE = 1;
export const MEMORY_LATER = 2; // a read: its bytes follow; a write: it is taken, and in effect before a later read is back
/** In the outcome of a read of memory: part of it is not mapped. Below it, the pieces that follow. */
export const READ_FAILED = 0x80000000;
export const CTL_INJECT_COUNT = CONTROL + 272; // admin commands still to be answered with CTL_INJECT_STATUS
export const CTL_INJECT_OPCODE = CONTROL + 276; // which opcode, NONE for any
export const CTL_INJECT_STATUS = CONTROL + 280; // status | qualifier << 16
export const CTL_WINDOW_USED = CONTROL + 284; // bytes of the window that the host has given to drivers
export const CTL_WIRE_EMITTED = CONTROL + 288; // free-running bytes: frames up to here are in the output ring
export const CTL_WIRE_IN_BYTES = CONTROL + 240; // frame in WIRE_INPUT, 0 if none is under way
export const CTL_WIRE_IN_PROGRESS = CONTROL + 244; // of its way through the switch
export const CTL_WIRE_IN_FREE = CONTROL + 248; // u64, cycles << 16
export const CTL_IOMMU_POOL = CONTROL + 328; // the pool of the address spaces ...
export const CTL_IOMMU_POOL_FREE = CONTROL + 332; // ... its first free block ...
export const CTL_IOMMU_POOL_USED = CONTROL + 336; // ... and the bytes that are in use
// what the registers of the PF and the profile leave of the link together, see pcie/device_control.ts
export const CTL_CPL_TIMEOUT = CONTROL + 344; // u64 cycles, CPL_NEVER: reads are never given up
export const CTL_MPS = CONTROL + 352; // bytes in a write
export const CTL_MRRS = CONTROL + 356; // bytes that a read request asks for
export const CTL_CPL_BYTES = CONTROL + 360; // bytes in a completion
export const CTL_TAG_END = CONTROL + 364; // end of the tag records that may be taken
export const CTL_LATE_READS = CONTROL + 368; // pieces of memory that the host has not answered yet
/** A time-out that no clock reaches. */
export const CPL_NEVER_LOG2 = 62;
export const CTL_SPAN = CONTROL + 232; // bytes to the end of the range of the last translation
export const CTL_RANGE = CONTROL + 292; // range of the last translation if its bytes may not be touched directly, else 0

// ---- the two directions of the link, and the credits that each sender has ---------------------------------------------
export const LINK_UP = CONTROL + 0x180;
export const LINK_DOWN = CONTROL + 0x1c0;
export const LINK_FREE = 0; // u64: cycle in which the wire is free again ...
export const LINK_FRACTION = 8; // u64: ... and the part of it, in 1/P_BYTE_DEN
export const LINK_DEBT = 16; // u64: DLLPs and ordered sets that are due
export const LINK_TLPS = 24; // u64
export const LINK_BYTES = 32; // u64
// credit pools: what was taken and is not back yet lies in a ring of {cycle u64, units u32}
export const CREDITS = CONTROL + 0x200;
export const CREDIT_CLASS_BYTES = 32;
export const CREDIT_UP_P = CREDITS;
export const CREDIT_UP_NP = CREDITS + CREDIT_CLASS_BYTES;
export const CREDIT_UP_CPL = CREDITS + 2 * CREDIT_CLASS_BYTES;
export const CREDIT_DOWN_P = CREDITS + 3 * CREDIT_CLASS_BYTES;
export const CREDIT_DOWN_NP = CREDITS + 4 * CREDIT_CLASS_BYTES;
export const CREDIT_CLASSES = 5;
// free times of engines: u64[16] each
export const ENGINE_FREE = ARENA_BASE + 0x600;
export const ENGINES_MAX = 8;
export const ENGINE_ADMIN = 0;
export const ENGINE_TX = 1;
export const ENGINE_RX = 2;
export const ENGINE_CTRL = 3;
export const ENGINE_DMA_READ = 4;
export const ENGINE_DMA_WRITE = 5;

// the life of a read: u32 cycles, which add up to the time from its start to its end
export const LIFE_ENGINE_WAIT = 0;
export const LIFE_SETUP = 4; // with what the owner adds
export const LIFE_TAG_WAIT = 8; // for a tag, room for completions, credits
export const LIFE_UP_QUEUE = 12; // behind other TLPs
export const LIFE_UP_WIRE = 16;
export const LIFE_UP_LATENCY = 20;
export const LIFE_TRANSLATION = 24;
export const LIFE_HOST = 28;
export const LIFE_HOST_EXTRA = 32; // tails, and waiting for earlier writes
export const LIFE_DOWN_QUEUE = 36;
export const LIFE_DOWN_WIRE = 40;
export const LIFE_DOWN_LATENCY = 44;
export const LIFE_COPY = 48;
export const LIFE_BYTES = 52;

export const ADMIN_INDEX_LIFE = ARENA_BASE + 0xa00; // of the admin queue's last read of its index ...
export const ADMIN_RING_LIFE = ARENA_BASE + 0xa40; // ... and of its ring

// ---- the frame that the switch looks at, and as the port sees it that it goes to -------------------------------------------
export const PACKET = ARENA_BASE + 0xa80;
export const SHAPED = ARENA_BASE + 0xaa0;
export const PACKET_FRAME = 0; // u32 address
export const PACKET_LENGTH = 4; // u32
export const PACKET_TAG_BYTES = 8; // u32: of the tags behind the addresses
export const PACKET_TCI = 12; // u32: of the first tag if it is one of 802.1Q, else NONE
export const PACKET_FLOW = 16; // u32: hash of the flow, once somebody asked
export const PACKET_HAS_FLOW = 20; // u32

// ---- trace ring: outside of the arena, so that watching changes nothing -----------------------------------------------
export const TRACE_CONTROL = 0xffc0; // the last 64 bytes before the arena
export const TRACE_RING_MASK = TRACE_CONTROL; // what is recorded, TRACE_MASK_*
export const TRACE_RING_BASE = TRACE_CONTROL + 4; // address and size, behind the window; size 0: there is none
export const TRACE_RING_BYTES = TRACE_CONTROL + 8;
export const TRACE_RING_USED = TRACE_CONTROL + 12; // bytes written since the host took them
export const TRACE_RING_LOST = TRACE_CONTROL + 16; // records for which there was no room

// ---- parameters and configuration ----------------------------------------------------------------------------------
export const PARAM = ARENA_BASE + 0x400; // u32[128], indices in timing_param.ts
export const CONFIG = ARENA_BASE + 0x800; // u32[128], indices in nic_config.ts
export const COUNTER = ARENA_BASE + 0xc00; // u64[128], indices in counter.ts

// ---- configuration space masks, one set for the PF and one for all VFs ----------------------------------------------
export const CONFIG_SPACE_BYTES = 0x1000;
export const PF_WMASK = ARENA_BASE + 0x1000;
export const PF_W1CMASK = PF_WMASK + CONFIG_SPACE_BYTES;
export const VF_WMASK = PF_W1CMASK + CONFIG_SPACE_BYTES;
export const VF_W1CMASK = VF_WMASK + CONFIG_SPACE_BYTES;

// ---- event wheel: slot = {head, tail}; far events in a binary heap of node addresses ---------------------------------
export const WHEEL_SLOTS = 1024;
export const WHEEL = VF_W1CMASK + CONFIG_SPACE_BYTES;
export const WHEEL_BITS = WHEEL + WHEEL_SLOTS * 8; // u32[32]
export const EVENT_NODES = 32768;
export const EVENT_HEAP = WHEEL_BITS + 128;
export const EVENT_NODE = EVENT_HEAP + EVENT_NODES * 4;
export const EVENT_NODE_BYTES = 32;

// ---- output ring to the host ----------------------------------------------------------------------------------------
export const OUT_RING = EVENT_NODE + EVENT_NODES * EVENT_NODE_BYTES;
export const OUT_RECORDS = 8192;
export const OUT_RECORD_BYTES = 32; // time u64, kind u32, function u32, a u32, b u32, c u32, d u32
export const OUT_TIME = 0;
export const OUT_KIND = 8;
export const OUT_FUNCTION = 12;
export const OUT_A = 16;
export const OUT_B = 20;
export const OUT_C = 24;
export const OUT_D = 28;

// ---- host writes on their way to the device --------------------------------------------------------------------------
export const INBOUND = OUT_RING + OUT_RECORDS * OUT_RECORD_BYTES;
export const INBOUND_SLOTS = 1024;
export const INBOUND_SLOT_BYTES = 32; // issue u64, function u32, bar u32, offset u32, size u32, value u32

// ---- device writes on their way to host memory -----------------------------------------------------------------------
export const POSTED = INBOUND + INBOUND_SLOTS * INBOUND_SLOT_BYTES;
export const POSTED_BYTES = 0x40000;

// ---- reads of the card under way: a record a tag ---------------------------------------------------------------------
export const TAGS_MAX = 4096;
export const TAG_BYTES = 96;
export const TAG = POSTED + POSTED_BYTES;
export const TAG_CONTEXT = 0; // u32
export const TAG_GENERATION = 4;
export const TAG_IOVA = 8; // u64
export const TAG_LENGTH = 16;
export const TAG_TARGET = 20;
export const TAG_STATUS = 24; // READ_FAULT_* or 0
export const TAG_NEXT = 28; // free list
export const TAG_FN = 32; // function block
export const TAG_HEADERS = 36; // room for completions that is reserved
export const TAG_NUMBER = 40; // requests since creation, this one included
export const TAG_ENGINE_WAIT = 44; // its life in cycles, from here on; what it waited for stands between
export const TAG_SETUP = 48;
export const TAG_READY = 52; // low word of the cycle in which it was set up
export const TAG_SENT = 56; // likewise, put on the link
export const TAG_UP = 60; // until its last symbol was out
export const TAG_TRANSLATION = 64; // in the IO-TLB
export const TAG_HOST = 68; // in the host, translation included
export const TAG_DOWN = 72; // until the last symbol of its completions was out
export const TAG_FORGOTTEN = 76; // 1: given up, or a function level reset came over it
export const TAG_DEADLINE = 80; // u64: the cycle in which the request is given up
export const TAG_LATE = 88; // pieces of it that the host has not answered yet

// ---- IO-TLB of the host: sets of ways {page u64, used u64, ready u64} ---------------------------------------------------
export const IOTLB = TAG + TAGS_MAX * TAG_BYTES;
export const IOTLB_ENTRIES_MAX = 4096;
export const IOTLB_ENTRY_BYTES = 24;
export const WALKER_FREE = IOTLB + IOTLB_ENTRIES_MAX * IOTLB_ENTRY_BYTES; // u64[WALKERS_MAX]
export const WALKERS_MAX = 64;

// ---- credit rings ----------------------------------------------------------------------------------------------------
export const CREDIT_RING = WALKER_FREE + WALKERS_MAX * 8;
export const CREDIT_RING_ENTRIES = 4096; // more than a pool has units
export const CREDIT_RING_BYTES = CREDIT_RING_ENTRIES * 16;

// ---- traffic generator --------------------------------------------------------------------------------------------------
export const GENERATOR = CREDIT_RING + CREDIT_CLASSES * CREDIT_RING_BYTES;
export const GENERATOR_CONTEXTS = GENERATOR + 256;
export const GENERATOR_CONTEXTS_MAX = 4096;
export const GENERATOR_CONTEXT_BYTES = 128; // a DMA context and its own words
export const GENERATOR_BUFFER = GENERATOR_CONTEXTS + GENERATOR_CONTEXTS_MAX * GENERATOR_CONTEXT_BYTES;
export const GENERATOR_BUFFER_BYTES = 0x4000;
export const GENERATOR_SAMPLES = GENERATOR_BUFFER + GENERATOR_BUFFER_BYTES; // u32 cycles each
export const GENERATOR_SAMPLES_MAX = 65536;

// ---- frames that left on the wire, until the host has taken them ------------------------------------------------------
export const WIRE_RING = GENERATOR_SAMPLES + GENERATOR_SAMPLES_MAX * 4;
export const WIRE_RING_BYTES = 0x80000;
export const WIRE_INPUT = WIRE_RING + WIRE_RING_BYTES; // one frame, written by the host before wireReceive
export const FRAME_BYTES_MAX = 9216;

// ---- admin command trace: ADMIN_TRACE_BYTES a record ------------------------------------------------------------------
export const RETAGGED = WIRE_INPUT + 0x2400 + 0x400; // a frame that gets or loses its VLAN tag on its way through the switch
export const ADMIN_TRACE = RETAGGED + 0x2440;
export const ADMIN_TRACE_RECORDS = 1024;
export const ADMIN_TRACE_BYTES = 384;

// ---- MAC table of the switch: open addressing, key u64 (0 = empty), function bitmap is not kept: one owner per address ----
export const MAC_TABLE = ADMIN_TRACE + ADMIN_TRACE_RECORDS * ADMIN_TRACE_BYTES;
export const MAC_TABLE_SLOTS = 4096;
export const MAC_TABLE_SLOT_BYTES = 16; // mac u64 with bit 48 set, function u32, reserved u32
export const PORT_ACTIVE = MAC_TABLE + MAC_TABLE_SLOTS * MAC_TABLE_SLOT_BYTES; // bit n: function n takes frames
export const PORT_PROMISC = PORT_ACTIVE + 256; // bit n: function n is promiscuous

// ---- jobs: a chain or a frame in work ----------------------------------------------------------------------------------
export const JOBS = PORT_PROMISC + 256;
export const JOB_POOL = 128; // transmit, control and admin
export const RX_JOB_POOL = 128;
export const JOB_STRIDE = 0x4240; // 16,896 bytes used; odd in lines, so that jobs spread over the cache

// ---- functions -----------------------------------------------------------------------------------------------------------
export const FUNCTIONS = JOBS + (JOB_POOL + RX_JOB_POOL) * JOB_STRIDE;
export const FN_STRIDE = 0x3bc0; // odd in cache lines, so that functions spread over the cache

export const FN_CONFIG = 0; // configuration space image, CONFIG_SPACE_BYTES
export const FN_STATE = 0x1000; // hot scalars, see pci/function.ts
export const FN_COMMON = 0x1100; // image of virtio_pci_common_cfg, kept up to date by writes
export const FN_ISR = 0x1140;
export const FN_DEVICE_CFG = 0x1160; // image of virtio_net_config
export const FN_COUNTER = 0x1200; // u64[32], indices in counter.ts
export const FN_FILTER = 0x1300; // MAC filter: u64[32], unicast then multicast
export const FN_QUEUES = 0x1400; // queue blocks
export const QUEUE_STRIDE = 0x1f8;
export const QUEUES_MAX = 18; // 8 pairs, control, admin
export const FN_MSIX_TABLE = FN_QUEUES + QUEUES_MAX * QUEUE_STRIDE;
export const MSIX_VECTORS_MAX = 32;
export const FN_MSIX_PBA = FN_MSIX_TABLE + MSIX_VECTORS_MAX * 16; // u32 pending bits, then 4 zero bytes
export const FN_MSIX_SENT = FN_MSIX_PBA + 16; // u64 for each vector: address of the message that was sent last
export const FN_PROFILE = FN_MSIX_SENT + MSIX_VECTORS_MAX * 8; // what the function is provisioned as, PROFILE_*: 64 bytes
export const FN_FAULTS = FN_PROFILE + 64; // DMA faults that the host has not taken, oldest first
export const FAULTS_MAX = 8;
export const FAULT_BYTES = 24;
export const FAULT_IOVA = 0; // u64
export const FAULT_CYCLE = 8; // u64
export const FAULT_IS_WRITE = 16; // u32
export const FAULT_IOAS = 20; // u32, NONE if the function was bound to none

// ---- I/O address spaces -----------------------------------------------------------------------------------------------------
export const IOAS_STRIDE = 0x100;
export const IOAS_COUNT = 0; // ranges in use
export const IOAS_FLAGS = 4; // IOAS_ALLOCATED, IOAS_TRACKED
export const IOAS_AT = 8; // u32 address of the ranges: IOAS_RANGES, or a block of the pool
export const IOAS_CAPACITY = 12; // ranges for which there is room
export const IOAS_RANGES = 32; // the first few, sorted by iova
export const IOAS_RANGES_OWN = 7;
export const IOAS_ALLOCATED = 1;
export const IOAS_TRACKED = 2; // dirty pages are marked
export const IOAS_EXTRA = 64; // address spaces beyond one per function
export const RANGE_BYTES = 32;
export const RANGE_IOVA = 0; // u64
export const RANGE_LENGTH = 8; // u64
export const RANGE_OFFSET = 16; // u32: window offset, or handle of foreign memory
export const RANGE_PERMISSIONS = 20; // u32: IOMMU_*
export const RANGE_DIRTY = 24; // u32 address of a bitmap with one bit a page, with IOMMU_TRACKED
export const IOMMU_READ = 1;
export const IOMMU_WRITE = 2;
export const IOMMU_FOREIGN = 4; // the host has the bytes, under the handle in place of the window offset
export const IOMMU_TRACKED = 8; // writes mark their pages
export const IOMMU_PAGE_SHIFT = 12;
/** Longer lists of ranges, and dirty bitmaps, of all address spaces; behind the last of these. */
export const IOMMU_POOL_BYTES = 0x100000;

export const NONE = 0xffffffff;
