// SPDX-License-Identifier: Apache-2.0
// What words of the state say: kinds, states and flags that are no layout. Where a word lies is in the files that are made
// of the layout table.

export const ARENA_MAGIC = 0x76667476;
/** Counts up when a word of the state changes its meaning and the layout does not show it. */
export const ARENA_VERSION = 4;

export const NONE = 0xffffffff;

// ---- FN_KIND --------------------------------------------------------------------------------------------------------
export const KIND_PF = 0;
export const KIND_VF = 1;
export const KIND_ON_DEMAND = 2; // no routing id of its own: a requester id of the PF, and a PASID

// ---- FN_TX_RULES ----------------------------------------------------------------------------------------------------
export const TX_RULE_SOURCE = 1; // the source address has to be one of the function's
export const TX_RULE_UNTAGGED = 2; // no tag that names a VLAN: the switch puts it

// ---- FN_RX_MODE -----------------------------------------------------------------------------------------------------
export const RX_MODE_PROMISC = 1;
export const RX_MODE_ALLMULTI = 2;

// ---- PROFILE_FLAGS --------------------------------------------------------------------------------------------------
export const PROFILE_LEGACY = 1; // takes LEGACY_* commands
export const PROFILE_SPOOF_CHECK = 2;
export const PROFILE_TRUST = 4; // may set promiscuous mode and its address
export const PROFILE_MIGRATION = 8; // stored and told, nothing more

// ---- DMA_LISTED -----------------------------------------------------------------------------------------------------
export const DMA_WAITING = 1;
export const DMA_PARKED = 2;

// ---- Q_KIND ---------------------------------------------------------------------------------------------------------
export const QUEUE_RX = 0;
export const QUEUE_TX = 1;
export const QUEUE_CTRL = 2;
export const QUEUE_ADMIN = 3;
export const QUEUE_UNUSED = 4; // beyond what was negotiated

// ---- Q_FORMAT -------------------------------------------------------------------------------------------------------
export const RING_SPLIT = 0;
export const RING_PACKED = 1;

// ---- Q_FETCH --------------------------------------------------------------------------------------------------------
export const FETCH_IDLE = 0;
export const FETCH_IDX = 1;
export const FETCH_RING = 2;

// ---- Q_NOTIFY_STATE -------------------------------------------------------------------------------------------------
export const NOTIFY_IDLE = 0;
export const NOTIFY_READING = 1;
export const NOTIFY_AGAIN = 2; // more was used while the words were read

// ---- JOB_STATE ------------------------------------------------------------------------------------------------------
export const JOB_FREE = 0;
export const JOB_WALK = 1;
export const JOB_GATHER = 2;
export const JOB_READY = 3; // waits until it is the oldest of its queue
export const JOB_EXECUTE = 4;
export const JOB_RETIRE = 5;
export const JOB_RX_HEAD = 6; // receive: needs a buffer
export const JOB_RX_WALK = 7;
export const JOB_LEND = 8; // its chain is known, and waits for a buffer

// ---- JOB_FLOOD, CTL_WIRE_IN_PROGRESS: how far a frame is on its way through the switch; below these, the function to go on with
export const FORWARD_BEGIN = 0xffffffff;
export const FORWARD_DONE = 0xfffffffe;
export const FORWARD_DROPPED = 0xfffffffd; // as FORWARD_DONE, and the frame went nowhere: the sender's counter says so

// ---- PACKET_SOURCE --------------------------------------------------------------------------------------------------
export const PORT_WIRE = 0xfffe;

// ---- engines: which of the kinds at ENGINE_FREE ---------------------------------------------------------------------
export const ENGINE_ADMIN = 0;
export const ENGINE_TX = 1;
export const ENGINE_RX = 2;
export const ENGINE_CTRL = 3;
export const ENGINE_DMA_READ = 4;
export const ENGINE_DMA_WRITE = 5;

// ---- CTL_READ_FAULT_KIND, TAG_STATUS --------------------------------------------------------------------------------
export const READ_FAULT_UNSUPPORTED = 1; // Unsupported Request
export const READ_FAULT_POISONED = 2; // data with the EP bit
export const READ_FAULT_LOST = 3; // no completion at all

/** CTL_CPL_TIMEOUT as a power of two: a time-out that no clock reaches. */
export const CPL_NEVER_LOG2 = 62;

// ---- IOAS_FLAGS -----------------------------------------------------------------------------------------------------
export const IOAS_ALLOCATED = 1;
export const IOAS_TRACKED = 2; // dirty pages are marked

// ---- RANGE_PERMISSIONS ----------------------------------------------------------------------------------------------
export const IOMMU_READ = 1;
export const IOMMU_WRITE = 2;
export const IOMMU_FOREIGN = 4; // the host has the bytes, under the handle in place of the window offset
export const IOMMU_TRACKED = 8; // writes mark their pages
export const IOMMU_PAGE_SHIFT = 12;

// ---- what memory of someone else says of an access --------------------------------------------------------------------
export const MEMORY_FAULT = 0; // not mapped there
export const MEMORY_DONE = 1;
export const MEMORY_LATER = 2; // a read: its bytes follow; a write: it is taken, and in effect before a later read is back
/** In the outcome of a read of memory: part of it is not mapped. Below it, the pieces that follow. */
export const READ_FAILED = 0x80000000;

// ---- GEN_OPERATION --------------------------------------------------------------------------------------------------
export const GENERATE_READ = 0;
export const GENERATE_WRITE = 1;
export const GENERATE_READ_WRITE = 2; // both, independent of each other
export const GENERATE_WRITE_READ = 3; // a write, and behind it a read of the same place
export const GENERATE_SIMPLE_NIC = 4; // a frame sent and a frame received
