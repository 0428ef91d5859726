// SPDX-License-Identifier: Apache-2.0
// What User Mode Linux says to a PCI function outside of it: messages of vhost-user, as far as its virtio transport uses
// them (arch/um/drivers/virtio_uml.c; QEMU's docs/interop/vhost-user.rst), and the commands and messages of its PCI
// driver in two virtqueues (include/uapi/linux/virtio_pcidev.h). All of it is little-endian.

// ---- a message: | request u32 | flags u32 | size u32, of the payload | payload | -----------------------------------------
export const HEADER_BYTES = 12;
export const HEADER_REQUEST = 0;
export const HEADER_FLAGS = 4;
export const HEADER_SIZE = 8;

export const FLAG_VERSION_MASK = 3;
export const FLAG_VERSION = 1;
export const FLAG_REPLY = 4;
export const FLAG_NEED_REPLY = 8;

// ---- requests of the kernel ----------------------------------------------------------------------------------------------
export const GET_FEATURES = 1;
export const SET_FEATURES = 2;
export const SET_OWNER = 3;
export const SET_MEM_TABLE = 5;
export const SET_VRING_NUM = 8;
export const SET_VRING_ADDR = 9;
export const SET_VRING_BASE = 10;
export const GET_PROTOCOL_FEATURES = 15;
export const SET_PROTOCOL_FEATURES = 16;
export const SET_VRING_ENABLE = 18;
export const SET_BACKEND_REQ_FD = 21;
export const VRING_KICK = 35;

/** Request of the device, on the channel that SET_BACKEND_REQ_FD brought. Its payload is a vring state. */
export const BACKEND_VRING_CALL = 4;

// ---- features ------------------------------------------------------------------------------------------------------------
export const F_VERSION_1 = 1n << 32n;
export const F_PROTOCOL_FEATURES = 1n << 30n;
export const OFFERED_FEATURES: bigint = F_VERSION_1 | F_PROTOCOL_FEATURES;

export const PROTOCOL_F_REPLY_ACK = 1n << 3n;
export const PROTOCOL_F_BACKEND_REQ = 1n << 5n;
export const PROTOCOL_F_INBAND_NOTIFICATIONS = 1n << 14n;
export const OFFERED_PROTOCOL_FEATURES: bigint =
  PROTOCOL_F_REPLY_ACK | PROTOCOL_F_BACKEND_REQ | PROTOCOL_F_INBAND_NOTIFICATIONS;

// ---- payloads ------------------------------------------------------------------------------------------------------------
export const U64_BYTES = 8;

/** Vring state: | index u32 | value u32 |. */
export const STATE_BYTES = 8;
export const STATE_INDEX = 0;
export const STATE_VALUE = 4;

/** Vring address: | index u32 | flags u32 | descriptors u64 | used u64 | available u64 | log u64 |, user addresses. */
export const ADDR_BYTES = 40;
export const ADDR_FLAGS = 4;
export const ADDR_DESC = 8;
export const ADDR_USED = 16;
export const ADDR_AVAIL = 24;

/** Memory table: | regions u32 | padding u32 | region ... |. */
export const MEM_REGIONS = 8;
/** Region: | guest address u64 | size u64 | user address u64 | offset in the file u64 |. */
export const REGION_BYTES = 32;
export const REGION_SIZE = 8;
export const REGION_USER = 16;
export const REGION_OFFSET = 24;
export const MAX_REGIONS = 8;

export const MAX_MESSAGE_BYTES: number = HEADER_BYTES + MEM_REGIONS + MAX_REGIONS * REGION_BYTES;

// ---- virtqueues ----------------------------------------------------------------------------------------------------------
/** Commands of the kernel: configuration space and BARs. */
export const COMMAND_QUEUE = 0;
/** Messages of the device: interrupts. */
export const MESSAGE_QUEUE = 1;
export const QUEUES = 2;

// ---- commands and messages: | op u8 | bar u8 | reserved u16 | size u32 | address u64 | data | -------------------------------
export const COMMAND_BYTES = 16;
export const COMMAND_OP = 0;
export const COMMAND_BAR = 1;
export const COMMAND_SIZE = 4;
export const COMMAND_ADDRESS = 8;

export const OP_CFG_READ = 1;
export const OP_CFG_WRITE = 2;
export const OP_MMIO_READ = 3;
export const OP_MMIO_WRITE = 4;
/** One byte of data, which goes to `size` bytes. */
export const OP_MMIO_MEMSET = 5;
/** INTx; the address is 1 to 4, for INTA to INTD. */
export const OP_INT = 6;
/** A message signalled interrupt: address and data as they stand in the MSI-X table. */
export const OP_MSI = 7;

export const CFG_SPACE_BYTES = 4096;
export const BARS = 6;
/** No BAR of the card is larger. */
export const MAX_ACCESS_BYTES: number = 1 << 16;

// ---- the kernel's side ---------------------------------------------------------------------------------------------------
/** CONFIG_UML_PCI_OVER_VIRTIO_DEVICE_ID that the kernel is built with. */
export const VIRTIO_DEVICE_ID = 1234;
/** Functions of bus 0: function 0 of slots 0 to 7. */
export const SLOTS = 8;
/** From one slot to the next, in routing ids. */
export const SLOT_STRIDE = 8;
