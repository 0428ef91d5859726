// SPDX-License-Identifier: Apache-2.0
// Hot scalars of one function: offsets from the start of its block (FN_STATE and up). Driver-visible bytes live in the
// images (FN_CONFIG, FN_COMMON, FN_DEVICE_CFG); what is here is what the engines ask on every step.

export const FN_INDEX = 0x1000; // u32, 0 = PF, then VFs, then functions on demand
export const FN_ROUTING_ID = 0x1004; // u32
export const FN_PRESENT = 0x1008; // u8: is there (PF always, VF while VF Enable and below NumVFs, on demand: created)
export const FN_MEMORY = 0x1009; // u8: memory decode on (Memory Enable of the PF, VF MSE for VFs), power state D0
export const FN_BUS_MASTER = 0x100a; // u8
export const FN_LIVE = 0x100b; // u8: queues may be served (DRIVER_OK, or legacy use before it)
export const FN_LEGACY = 0x100c; // u8: driven through the legacy interface since the last reset
export const FN_MSIX_ENABLE = 0x100d; // u8
export const FN_MSIX_MASKALL = 0x100e; // u8
export const FN_RX_MODE = 0x100f; // u8, RX_MODE_* bits
export const FN_IOAS = 0x1010; // u32, NONE if detached
export const FN_QUEUE_COUNT = 0x1014; // u32: net queues and control queue (num_queues)
export const FN_PAIRS = 0x1018; // u32: receive/transmit pairs that exist
export const FN_ACTIVE_PAIRS = 0x101c; // u32: pairs in use (control command MQ)
export const FN_HEADER_BYTES = 0x1020; // u32: virtio_net_hdr of the negotiated features
export const FN_MAX_FRAME = 0x1024; // u32: mtu + 14; up to two VLAN tags come on top
export const FN_MAC = 0x1028; // u64: bytes of the address, bit 48 set
export const FN_FILTERS = 0x1030; // u32: unicast entries | multicast entries << 16
export const FN_VECTORS = 0x1038; // u32: MSI-X table size
export const FN_INTX_LEVEL = 0x103c; // u8: the line as last signalled
export const FN_CONFIG_READ = 0x103d; // u8: device config was read since the last change of config_generation
export const FN_EVENT_IDX = 0x103e; // u8: negotiated
export const FN_INDIRECT = 0x103f; // u8: negotiated
export const FN_OFFERED = 0x1040; // u32[4] device feature words
export const FN_DRIVER_FEATURES = 0x1050; // u32[4] driver feature words
export const FN_TX_RULES = 0x1060; // u8, TX_RULE_*: what a frame to be sent is checked for, 0: nothing
export const FN_MERGEABLE = 0x1061; // u8: MRG_RXBUF negotiated
export const FN_FILTERING = 0x1062; // u8: CTRL_RX negotiated, so groups have to be in the filter table
export const FN_LATE_MEMORY = 0x1063; // u8: its memory answers later, and takes writes that are in effect later
export const FN_ADMIN_QUEUE = 0x1064; // u32: index of the admin queue, NONE on VFs
export const FN_TLB_IOVA = 0x1068; // u64: range of the last translation, if it may be read and written
export const FN_TLB_BYTES = 0x1070; // u64: its length, 0 if there is none
export const FN_TLB_AT = 0x1078; // u32: its address in linear memory
export const FN_READY_HEAD = 0x107c; // u32: queues that wait for a visit
export const FN_READY_TAIL = 0x1080;
export const FN_NEXT_READY = 0x1084; // u32: next function with such queues
export const FN_KIND = 0x1088; // u8, KIND_*
export const FN_PROFILE_NEW = 0x1089; // u8: FN_PROFILE was written and is not in effect yet
export const FN_VLAN = 0x108a; // u16: VLAN of an access port, 0: none
export const FN_PASID = 0x108c; // u32: PASID of its DMA, NONE: requests without
export const FN_RATE = 0x1090; // u32: Mbit/s that it may send, 0: no limit
export const FN_RATE_TIME = 0x1098; // u64: cycle up to which it has sent what it may, and what of the cycle after ...
export const FN_RATE_REST = 0x10a0; // u64: ... is used up, in parts of FN_RATE * P_CLOCK_PS
export const FN_FAULT_COUNT = 0x10f0; // u32: records in FN_FAULTS
export const FN_FAULTS_LOST = 0x10f4; // u32: faults for which there was no room

export const KIND_PF = 0;
export const KIND_VF = 1;
export const KIND_ON_DEMAND = 2; // no routing id of its own: a requester id of the PF, and a PASID

export const TX_RULE_SOURCE = 1; // the source address has to be one of the function's
export const TX_RULE_UNTAGGED = 2; // no tag that names a VLAN: the switch puts it

// ---- profile: offsets from FN_PROFILE; written by the host, in effect when the function comes into being ---------------
export const PROFILE_FEATURES = 0; // u32[2]: offered = what the device has AND this
export const PROFILE_MAC = 8; // u64: bytes of the address, bit 48 set; 0: the address of its number
export const PROFILE_MTU = 16; // u16
export const PROFILE_QUEUE_SIZE = 18; // u16, of every net queue
export const PROFILE_PAIRS = 20; // u8
export const PROFILE_VECTORS = 21; // u8
export const PROFILE_NOTIFY = 22; // u8, flags of its entry in LEGACY_NOTIFY_INFO
export const PROFILE_FLAGS = 23; // u8, PROFILE_*
export const PROFILE_VLAN = 24; // u16
export const PROFILE_RATE = 28; // u32, Mbit/s
export const PROFILE_LEGACY = 1; // takes LEGACY_* commands
export const PROFILE_SPOOF_CHECK = 2;
export const PROFILE_TRUST = 4; // may set promiscuous mode and its address
export const PROFILE_MIGRATION = 8; // stored and told, nothing more

export const RX_MODE_PROMISC = 1;
export const RX_MODE_ALLMULTI = 2;

// ---- DMA context: the head of every queue and job, one outstanding read each --------------------------------------------
export const DMA_FN = 0; // u32 address of the function block
export const DMA_DONE_EVENT = 4; // u32 event code
export const DMA_SEGMENTS = 8; // u32 address of {iova u64, length u32, flags u32}[]
export const DMA_SEGMENT_COUNT = 12;
export const DMA_BYTES = 16; // bytes to read, never more than the room at DMA_TARGET
export const DMA_TARGET = 20; // u32 address
export const DMA_FAULT = 24; // u32: 1 after an address that is not mapped
export const DMA_GENERATION = 28; // u32: compared with the event's
export const DMA_SEGMENT = 32; // the context's own segment list, two entries
export const DMA_UP_TLPS = 64; // traffic caused so far by the owner, both directions
export const DMA_UP_BYTES = 68;
export const DMA_DOWN_TLPS = 72;
export const DMA_DOWN_BYTES = 76;
export const DMA_CURSOR = 80; // u32 address of the segment that is being requested
export const DMA_CURSOR_DONE = 84; // u32 bytes of it that have been requested
export const DMA_LEFT = 88; // u32 bytes of the read that are not yet requested
export const DMA_PENDING = 92; // u16 requests under way
export const DMA_LISTED = 94; // u8, DMA_WAITING or DMA_PARKED: on which list of contexts
export const DMA_NEXT = 96; // u32 next context of that list
export const DMA_READY = 100; // u32 low word of the cycle in which the read was set up
export const DMA_SETUP = 104; // u32 cycles of that
export const DMA_ENGINE_WAIT = 108; // u32 cycles before
export const DMA_LIFE = 112; // u32 where the life of the read is added up (LIFE_*), 0: nowhere
export const DMA_WAITING = 1;
export const DMA_PARKED = 2;
export const SEGMENT_BYTES = 16;
export const SEGMENT_LENGTH = 8;

// ---- queue block ------------------------------------------------------------------------------------------------------------
export const Q_CONTEXT = 0; // DMA context of the ring fetch
export const Q_NOTIFY_CONTEXT = 120; // DMA context of the suppression words
export const Q_DESC = 240; // u64
export const Q_DRIVER = 248; // u64
export const Q_DEVICE = 256; // u64
export const Q_SIZE = 264; // u16
export const Q_MAX_SIZE = 266; // u16
export const Q_VECTOR = 268; // u16
export const Q_ENABLED = 270; // u8
export const Q_BROKEN = 271; // u8: stopped by a driver's mistake until reset
export const Q_INDEX = 272; // u32
export const Q_KIND = 276; // u8, QUEUE_*
export const Q_KICKED = 277; // u8: doorbell not yet looked at
export const Q_FETCH = 278; // u8, FETCH_*: ring fetch under way
export const Q_SCHEDULED = 279; // u8: a visit is on the wheel
export const Q_AVAIL_IDX = 280; // u16: next available entry to take
export const Q_AVAIL_SEEN = 282; // u16: driver's index as last read
export const Q_USED_IDX = 284; // u16: next used entry to write
export const Q_EVENT_WRITTEN = 286; // u16: avail_event as last written
export const Q_HEADS_AT = 288; // u16: available index of the first prefetched head
export const Q_HEADS = 290; // u16: prefetched heads
export const Q_NOTIFY_STATE = 292; // u8, NOTIFY_*
export const Q_WAITING = 293; // u8: on the list of queues that wait for a job
export const Q_AVAIL_FLAGS = 294; // u16: driver's flags as last read
export const Q_USED_EVENT = 296; // u16: driver's used_event as last read
export const Q_SIGNALLED = 298; // u16: used index at the last interrupt decision
export const Q_EVENT_ARMED = 300; // u8: avail_event has been written since reset
export const Q_STALLED = 301; // u8: the oldest frame held back found no buffer; only a doorbell or a new frame helps
export const Q_JOBS = 304; // u32: jobs in work
export const Q_FIFO_HEAD = 308; // u32: oldest job
export const Q_FIFO_TAIL = 312;
export const Q_NEXT_WAITING = 316;
export const Q_HEAD_LIST = 320; // u16[16] prefetched heads
export const Q_HELD_AT = 352; // u32: where the oldest frame held back begins, see virtio/hold.ts
export const Q_HELD_BYTES = 356; // u32: bytes of them all
export const Q_KICK_ISSUED = 360; // u64: doorbell written by the host
export const Q_KICK_ARRIVED = 368; // u64
export const Q_IDX_READ = 376; // u64: index back
export const Q_RING_READ = 384; // u64: ring entries back
export const Q_VISITED = 392; // u64: fetch started
export const Q_NOTIFY_WORDS = 400; // u8[8]
export const Q_USED_STAGE = 408; // u8[8]: used element on its way out
export const Q_USED_SHOWN = 416; // u16: used index as last written to the driver
export const Q_NEXT_READY = 420; // u32: next queue of the function that waits for a visit
export const Q_SHOWN_BEFORE = 418; // u16: used index that the driver had when its words were asked for
export const Q_LINE_BYTES = 424; // u16: of the available ring as last read, flags and index first
export const Q_LINE = 432; // u8[72]: those, and used_event behind them
export const HEADS_PREFETCHED = 16;

export const QUEUE_RX = 0;
export const QUEUE_TX = 1;
export const QUEUE_CTRL = 2;
export const QUEUE_ADMIN = 3;
export const QUEUE_UNUSED = 4; // beyond what was negotiated

export const FETCH_IDLE = 0;
export const FETCH_IDX = 1;
export const FETCH_RING = 2;

export const NOTIFY_IDLE = 0;
export const NOTIFY_READING = 1;
export const NOTIFY_AGAIN = 2; // more was used while the words were read

// ---- job block -----------------------------------------------------------------------------------------------------------------
export const JOB_CONTEXT = 0;
export const JOB_NEXT = 120; // u32: free list or FIFO of its queue
export const JOB_QUEUE = 124;
export const JOB_STATE = 128; // u8, JOB_*
export const JOB_INDIRECT = 129; // u8: walking an indirect table
export const JOB_STATUS = 130; // u8: engine-private
export const JOB_BUSY = 131; // u8: its own event will come (delay or read under way)
export const JOB_HEAD = 132; // u16: head of the chain
export const JOB_HELD = 134; // u8: the frame is the oldest of those held back, and stays there until it is delivered
export const JOB_TABLE = 136; // u64: table being walked
export const JOB_TABLE_SIZE = 144; // u32: its entries
export const JOB_DESC = 148; // u32: entry to decode next
export const JOB_BLOCK = 152; // u32: first entry in the descriptor cache, NONE if empty
export const JOB_BLOCK_COUNT = 156;
export const JOB_BUDGET = 160; // u32: descriptors that may still come
export const JOB_READABLE = 164; // u32: readable segments
export const JOB_WRITABLE = 168; // u32: writable segments, behind the readable ones
export const JOB_READ_BYTES = 172; // u32
export const JOB_WRITE_BYTES = 176; // u32
export const JOB_LENGTH = 180; // u32: bytes gathered, or frame length
export const JOB_RESULT = 184; // u32: bytes of result
export const JOB_FLOOD = 188; // u32: next function of a flood
export const JOB_HEADS = 192; // u32: heads taken by a mergeable receive
export const JOB_FIRST_IDX = 196; // u16: available index before the first head
export const JOB_STARTED = 200; // u64 times: head taken
export const JOB_WALKED = 208; // descriptors known
export const JOB_GATHERED = 216; // data known
export const JOB_EXECUTING = 224; // execution begins (in order)
export const JOB_EXECUTED = 232;
export const JOB_RETIRED = 240; // write-back issued
export const JOB_OPCODE = 248; // u32, admin: opcode | group type << 16
export const JOB_MEMBER = 252; // u32
export const JOB_QUALIFIER = 16896; // u32: status | qualifier << 16
export const JOB_CACHE = 256; // descriptor cache, 16 entries
export const JOB_SEGMENTS = 512; // 256 segments of SEGMENT_BYTES
export const SEGMENTS_MAX = 256;
export const JOB_MERGE = 4608; // {head u16, reserved u16, bytes u32}[64]
export const MERGE_MAX = 64;
export const JOB_BUFFER = 5120; // data read, frame with its header
export const JOB_BUFFER_BYTES = 9472;
export const JOB_OUT = 14592; // result to write: 2 KiB
export const JOB_OUT_BYTES = 2048;

export const JOB_QUEUE_TIMES = 16640; // the queue's five times, from Q_KICK_ISSUED on, when the head was taken
export const QUEUE_TIMES_BYTES = 40;
export const JOB_LIVES = 16688; // 4 of LIFE_BYTES, admin: index, ring, descriptors, data; see DMA_LIFE
export const JOB_ENGINE_WAIT = 16900; // u32, admin: cycles until an engine took it

export const JOB_FREE = 0;
export const JOB_WALK = 1;
export const JOB_GATHER = 2;
export const JOB_READY = 3; // waits until it is the oldest of its queue
export const JOB_EXECUTE = 4;
export const JOB_RETIRE = 5;
export const JOB_RX_HEAD = 6; // receive: needs a buffer
export const JOB_RX_WALK = 7;
