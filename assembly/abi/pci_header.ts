// SPDX-License-Identifier: Apache-2.0
// Type 0 configuration space header of a PF, and what is left of it in a VF. PCI Local Bus 3.0 §6.1, PCI Express Base §7.5.1,
// and for VFs the SR-IOV chapter (§9.3.4): vendor and device id read all ones, BARs zero, and of command only bus mastering exists.
//
//   0x00 | device id | vendor id |  0x04 | status | command |  0x08 | class | sub | prog | revision |
//   0x10 | BAR0 ... BAR5 (0x24)  |  0x2c | subsystem id | subsystem vendor id |  0x34 | capability list |

import { RO, RW, W1C } from './register_row.ts';

export const PCI_VENDOR_ID = 0x00; // le16
export const PCI_DEVICE_ID = 0x02; // le16
export const PCI_COMMAND = 0x04; // le16
export const PCI_STATUS = 0x06; // le16
export const PCI_REVISION_ID = 0x08; // u8
export const PCI_CLASS_PROG = 0x09; // u8
export const PCI_CLASS_DEVICE = 0x0a; // le16: sub-class, base class
export const PCI_CACHE_LINE_SIZE = 0x0c; // u8
export const PCI_LATENCY_TIMER = 0x0d; // u8
export const PCI_HEADER_TYPE = 0x0e; // u8
export const PCI_BIST = 0x0f; // u8
export const PCI_BASE_ADDRESS_0 = 0x10; // le32
export const PCI_BASE_ADDRESS_1 = 0x14; // le32
export const PCI_BASE_ADDRESS_2 = 0x18; // le32
export const PCI_BASE_ADDRESS_3 = 0x1c; // le32
export const PCI_BASE_ADDRESS_4 = 0x20; // le32
export const PCI_BASE_ADDRESS_5 = 0x24; // le32
export const PCI_CARDBUS_CIS = 0x28; // le32
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c; // le16
export const PCI_SUBSYSTEM_ID = 0x2e; // le16
export const PCI_ROM_ADDRESS = 0x30; // le32
export const PCI_CAPABILITY_LIST = 0x34; // u8
export const PCI_RESERVED_35 = 0x35; // u8
export const PCI_RESERVED_36 = 0x36; // le16
export const PCI_RESERVED_38 = 0x38; // le32
export const PCI_INTERRUPT_LINE = 0x3c; // u8
export const PCI_INTERRUPT_PIN = 0x3d; // u8
export const PCI_MIN_GNT = 0x3e; // u8
export const PCI_MAX_LAT = 0x3f; // u8
export const PCI_HEADER_SIZE = 0x40;

// The three spaces of a function's configuration registers.
export const PCI_CFG_SPACE_SIZE = 256;
export const PCI_CFG_SPACE_EXP_SIZE = 4096;
export const PCI_STD_NUM_BARS = 6;

// Command
export const PCI_COMMAND_IO = 1 << 0;
export const PCI_COMMAND_MEMORY = 1 << 1;
export const PCI_COMMAND_MASTER = 1 << 2;
export const PCI_COMMAND_SPECIAL = 1 << 3;
export const PCI_COMMAND_INVALIDATE = 1 << 4;
export const PCI_COMMAND_VGA_PALETTE = 1 << 5;
export const PCI_COMMAND_PARITY = 1 << 6;
export const PCI_COMMAND_WAIT = 1 << 7;
export const PCI_COMMAND_SERR = 1 << 8;
export const PCI_COMMAND_FAST_BACK = 1 << 9;
export const PCI_COMMAND_INTX_DISABLE = 1 << 10;

// Status
export const PCI_STATUS_IMM_READY = 1 << 0;
export const PCI_STATUS_INTERRUPT = 1 << 3;
export const PCI_STATUS_CAP_LIST = 1 << 4;
export const PCI_STATUS_66MHZ = 1 << 5;
export const PCI_STATUS_FAST_BACK = 1 << 7;
export const PCI_STATUS_PARITY = 1 << 8; // master data parity error
export const PCI_STATUS_DEVSEL_SHIFT = 9;
export const PCI_STATUS_DEVSEL_MASK = 0x600;
export const PCI_STATUS_SIG_TARGET_ABORT = 1 << 11;
export const PCI_STATUS_REC_TARGET_ABORT = 1 << 12;
export const PCI_STATUS_REC_MASTER_ABORT = 1 << 13;
export const PCI_STATUS_SIG_SYSTEM_ERROR = 1 << 14;
export const PCI_STATUS_DETECTED_PARITY = 1 << 15;

// Header type
export const PCI_HEADER_TYPE_LAYOUT_SHIFT = 0;
export const PCI_HEADER_TYPE_LAYOUT_MASK = 0x7f; // 0 for an endpoint
export const PCI_HEADER_TYPE_MFD = 1 << 7; // multi-function device

// Base address registers
export const PCI_BASE_ADDRESS_SPACE_IO = 1 << 0;
export const PCI_BASE_ADDRESS_MEM_TYPE_64 = 1 << 2;
export const PCI_BASE_ADDRESS_MEM_PREFETCH = 1 << 3;
export const PCI_BASE_ADDRESS_MEM_FLAGS_MASK = 0xf;
export const PCI_BASE_ADDRESS_IO_FLAGS_MASK = 0x3;

// Capability list entries in the first 256 bytes: id, then next.
export const PCI_CAP_LIST_ID = 0; // u8
export const PCI_CAP_LIST_NEXT = 1; // u8

// Extended capability header: one le32 of id, version and next.
export const PCI_EXT_CAP_START = 0x100;
export const PCI_EXT_CAP_HEADER_ID_SHIFT = 0;
export const PCI_EXT_CAP_HEADER_ID_MASK = 0xffff;
export const PCI_EXT_CAP_HEADER_VERSION_SHIFT = 16;
export const PCI_EXT_CAP_HEADER_VERSION_MASK = 0xf0000;
export const PCI_EXT_CAP_HEADER_NEXT_SHIFT = 20;
export const PCI_EXT_CAP_HEADER_NEXT_MASK = 0xfff00000;

// Identity of the card. virtio 1.4 §4.1.2: 0x1040 + device id 1, revision 1 or higher.
export const PCI_VENDOR_ID_VIRTIO = 0x1af4;
export const PCI_DEVICE_ID_VIRTIO_NET = 0x1041;
export const PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL = 0x1000;
export const PCI_REVISION_VIRTIO = 0x01;
export const PCI_CLASS_NETWORK_ETHERNET = 0x0200;
export const PCI_VF_ID_ALL_ONES = 0xffff;

// Command bits a driver can set on an endpoint: IO, MEMORY, MASTER, PARITY, SERR, INTX_DISABLE.
export const PCI_COMMAND_WRITABLE = 0x547;
// Status bits a one clears: the five error bits and the master data parity error.
export const PCI_STATUS_WRITE_ONE_CLEARS = 0xf900;

// prettier-ignore
export const PCI_HEADER: StaticArray<u32> = [ // offset, width, access, reset, write mask
  PCI_VENDOR_ID, 2, RO, PCI_VENDOR_ID_VIRTIO, 0,
  PCI_DEVICE_ID, 2, RO, PCI_DEVICE_ID_VIRTIO_NET, 0,
  PCI_COMMAND, 2, RW, 0, PCI_COMMAND_WRITABLE,
  PCI_STATUS, 2, W1C, PCI_STATUS_CAP_LIST, PCI_STATUS_WRITE_ONE_CLEARS,
  PCI_REVISION_ID, 1, RO, PCI_REVISION_VIRTIO, 0,
  PCI_CLASS_PROG, 1, RO, 0, 0,
  PCI_CLASS_DEVICE, 2, RO, PCI_CLASS_NETWORK_ETHERNET, 0,
  PCI_CACHE_LINE_SIZE, 1, RW, 0, 0xff,
  PCI_LATENCY_TIMER, 1, RO, 0, 0,
  PCI_HEADER_TYPE, 1, RO, 0, 0,
  PCI_BIST, 1, RO, 0, 0,
  PCI_BASE_ADDRESS_0, 4, RW, 0, 0,
  PCI_BASE_ADDRESS_1, 4, RW, 0, 0,
  PCI_BASE_ADDRESS_2, 4, RW, 0, 0,
  PCI_BASE_ADDRESS_3, 4, RW, 0, 0,
  PCI_BASE_ADDRESS_4, 4, RW, 0, 0,
  PCI_BASE_ADDRESS_5, 4, RW, 0, 0,
  PCI_CARDBUS_CIS, 4, RO, 0, 0,
  PCI_SUBSYSTEM_VENDOR_ID, 2, RO, 0, 0,
  PCI_SUBSYSTEM_ID, 2, RO, 0, 0,
  PCI_ROM_ADDRESS, 4, RO, 0, 0,
  PCI_CAPABILITY_LIST, 1, RO, 0, 0,
  PCI_RESERVED_35, 1, RO, 0, 0,
  PCI_RESERVED_36, 2, RO, 0, 0,
  PCI_RESERVED_38, 4, RO, 0, 0,
  PCI_INTERRUPT_LINE, 1, RW, 0, 0xff,
  PCI_INTERRUPT_PIN, 1, RO, 0, 0,
  PCI_MIN_GNT, 1, RO, 0, 0,
  PCI_MAX_LAT, 1, RO, 0, 0,
];

// prettier-ignore
export const PCI_VF_HEADER: StaticArray<u32> = [
  PCI_VENDOR_ID, 2, RO, PCI_VF_ID_ALL_ONES, 0,
  PCI_DEVICE_ID, 2, RO, PCI_VF_ID_ALL_ONES, 0,
  PCI_COMMAND, 2, RW, 0, PCI_COMMAND_MASTER,
  PCI_STATUS, 2, W1C, PCI_STATUS_CAP_LIST, PCI_STATUS_WRITE_ONE_CLEARS,
  PCI_REVISION_ID, 1, RO, PCI_REVISION_VIRTIO, 0,
  PCI_CLASS_PROG, 1, RO, 0, 0,
  PCI_CLASS_DEVICE, 2, RO, PCI_CLASS_NETWORK_ETHERNET, 0,
  PCI_CACHE_LINE_SIZE, 1, RO, 0, 0,
  PCI_LATENCY_TIMER, 1, RO, 0, 0,
  PCI_HEADER_TYPE, 1, RO, 0, 0,
  PCI_BIST, 1, RO, 0, 0,
  PCI_BASE_ADDRESS_0, 4, RO, 0, 0,
  PCI_BASE_ADDRESS_1, 4, RO, 0, 0,
  PCI_BASE_ADDRESS_2, 4, RO, 0, 0,
  PCI_BASE_ADDRESS_3, 4, RO, 0, 0,
  PCI_BASE_ADDRESS_4, 4, RO, 0, 0,
  PCI_BASE_ADDRESS_5, 4, RO, 0, 0,
  PCI_CARDBUS_CIS, 4, RO, 0, 0,
  PCI_SUBSYSTEM_VENDOR_ID, 2, RO, 0, 0,
  PCI_SUBSYSTEM_ID, 2, RO, 0, 0,
  PCI_ROM_ADDRESS, 4, RO, 0, 0,
  PCI_CAPABILITY_LIST, 1, RO, 0, 0,
  PCI_RESERVED_35, 1, RO, 0, 0,
  PCI_RESERVED_36, 2, RO, 0, 0,
  PCI_RESERVED_38, 4, RO, 0, 0,
  PCI_INTERRUPT_LINE, 1, RO, 0, 0,
  PCI_INTERRUPT_PIN, 1, RO, 0, 0,
  PCI_MIN_GNT, 1, RO, 0, 0,
  PCI_MAX_LAT, 1, RO, 0, 0,
];
