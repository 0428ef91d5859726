// SPDX-License-Identifier: Apache-2.0
// Messages of vfio-user 0.0 (docs/vfio-user.rst of libvfio-user): numbers and layouts, all little-endian. A message is a
// header of 16 bytes and a payload; offsets of payload fields count from the end of the header.

// ---- header ----------------------------------------------------------------------------------------------------------
export const HEADER_BYTES = 16;
export const HEADER_ID = 0; // u16
export const HEADER_COMMAND = 2; // u16
export const HEADER_SIZE = 4; // u32, header included
export const HEADER_FLAGS = 8; // u32
export const HEADER_ERROR = 12; // u32, errno

export const FLAG_TYPE_MASK = 0xf;
export const FLAG_TYPE_COMMAND = 0;
export const FLAG_TYPE_REPLY = 1;
export const FLAG_NO_REPLY = 0x10;
export const FLAG_ERROR = 0x20;

// ---- commands --------------------------------------------------------------------------------------------------------
export const VFIO_USER_VERSION = 1;
export const VFIO_USER_DMA_MAP = 2;
export const VFIO_USER_DMA_UNMAP = 3;
export const VFIO_USER_DEVICE_GET_INFO = 4;
export const VFIO_USER_DEVICE_GET_REGION_INFO = 5;
export const VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6;
export const VFIO_USER_DEVICE_GET_IRQ_INFO = 7;
export const VFIO_USER_DEVICE_SET_IRQS = 8;
export const VFIO_USER_REGION_READ = 9;
export const VFIO_USER_REGION_WRITE = 10;
export const VFIO_USER_DMA_READ = 11; // server to client
export const VFIO_USER_DMA_WRITE = 12; // server to client
export const VFIO_USER_DEVICE_RESET = 13;
export const VFIO_USER_REGION_WRITE_MULTI = 15;
export const VFIO_USER_DEVICE_FEATURE = 16;
export const VFIO_USER_MIG_DATA_READ = 17;
export const VFIO_USER_MIG_DATA_WRITE = 18;

// ---- VERSION: major u16, minor u16, JSON with its NUL -----------------------------------------------------------------
export const VERSION_MAJOR = 0;
export const VERSION_MINOR = 2;
export const VERSION_DATA = 4;
export const PROTOCOL_MAJOR = 0;
export const PROTOCOL_MINOR = 0;

// ---- DMA_MAP, DMA_UNMAP: argsz u32, flags u32 first --------------------------------------------------------------------
export const ARGSZ = 0;
export const FLAGS = 4;
export const DMA_MAP_OFFSET = 8; // u64, in the file
export const DMA_MAP_ADDRESS = 16; // u64
export const DMA_MAP_SIZE = 24; // u64
export const DMA_MAP_BYTES = 32;
export const DMA_MAP_FLAG_READ = 1;
export const DMA_MAP_FLAG_WRITE = 2;
export const DMA_MAP_FLAG_MMAP = 4;
export const DMA_MAP_FLAG_FILE_IO = 8; // the file is to be read and written, not mapped
export const DMA_UNMAP_ADDRESS = 8; // u64
export const DMA_UNMAP_SIZE = 16; // u64
export const DMA_UNMAP_BYTES = 24;
export const DMA_UNMAP_FLAG_ALL = 2;

// ---- DEVICE_GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS, GET_IRQ_INFO --------------------------------------------------
export const INFO_NUM_REGIONS = 8;
export const INFO_NUM_IRQS = 12;
export const INFO_BYTES = 16;
export const REGION_INFO_INDEX = 8;
export const REGION_INFO_SIZE = 16; // u64
export const REGION_INFO_BYTES = 32;
export const IO_FDS_INDEX = 8;
export const IO_FDS_BYTES = 16;
export const IRQ_INFO_INDEX = 8;
export const IRQ_INFO_COUNT = 12;
export const IRQ_INFO_BYTES = 16;

// ---- SET_IRQS ----------------------------------------------------------------------------------------------------------
export const SET_IRQS_INDEX = 8;
export const SET_IRQS_START = 12;
export const SET_IRQS_COUNT = 16;
export const SET_IRQS_DATA = 20;
export const IRQ_SET_DATA_NONE = 1;
export const IRQ_SET_DATA_BOOL = 2;
export const IRQ_SET_DATA_EVENTFD = 4;
export const IRQ_SET_DATA_MASK = 7;
export const IRQ_SET_ACTION_MASK = 8;
export const IRQ_SET_ACTION_UNMASK = 16;
export const IRQ_SET_ACTION_TRIGGER = 32;
export const IRQ_SET_ACTIONS = 0x38;

// ---- REGION_READ, REGION_WRITE -------------------------------------------------------------------------------------------
export const REGION_OFFSET = 0; // u64
export const REGION_INDEX = 8; // u32
export const REGION_COUNT = 12; // u32
export const REGION_DATA = 16;

// ---- REGION_WRITE_MULTI: count u64, then entries of offset u64, region u32, count u32, 8 bytes -----------------------------
export const MULTI_WRITES = 8;
export const MULTI_WRITE_BYTES = 24;
export const MULTI_DATA_MAX = 8;

// ---- DMA_READ, DMA_WRITE ----------------------------------------------------------------------------------------------------
export const DMA_ADDRESS = 0; // u64
export const DMA_COUNT = 8; // u64
export const DMA_DATA = 16;

/** Largest transfer of data in one message, by default and here. */
export const MAX_DATA_XFER_BYTES = 1 << 20;
/** Largest message: a transfer with its header and the longest structure before its data. */
export const MAX_MESSAGE_BYTES = HEADER_BYTES + REGION_DATA + MAX_DATA_XFER_BYTES;
