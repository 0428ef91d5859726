// SPDX-License-Identifier: Apache-2.0
// Group administration commands: opcodes, structures, status. virtio 1.4, "Device groups" and "Group administration commands".
//
//   device-readable  | opcode | group_type | reserved1 (12) | group_member_id (8) | command_specific_data ...
//   device-writable  | status | status_qualifier | reserved2 (4) | command_specific_result ...

import { RO, RW } from './register_row.ts';

// Opcodes
export const VIRTIO_ADMIN_CMD_LIST_QUERY = 0x0000;
export const VIRTIO_ADMIN_CMD_LIST_USE = 0x0001;
export const VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE = 0x0002;
export const VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ = 0x0003;
export const VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE = 0x0004;
export const VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ = 0x0005;
export const VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO = 0x0006;
export const VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY = 0x0007;
export const VIRTIO_ADMIN_CMD_DEVICE_CAP_GET = 0x0008;
export const VIRTIO_ADMIN_CMD_DRIVER_CAP_SET = 0x0009;
export const VIRTIO_ADMIN_CMD_RESOURCE_OBJ_CREATE = 0x000a;
// The opcode table of the specification swaps these two; the command descriptions give this order.
export const VIRTIO_ADMIN_CMD_RESOURCE_OBJ_MODIFY = 0x000b;
export const VIRTIO_ADMIN_CMD_RESOURCE_OBJ_QUERY = 0x000c;
export const VIRTIO_ADMIN_CMD_RESOURCE_OBJ_DESTROY = 0x000d;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_GET = 0x000e;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_GET = 0x000f;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_SET = 0x0010;
export const VIRTIO_ADMIN_CMD_DEV_MODE_SET = 0x0011;
export const VIRTIO_ADMIN_CMD_HIGHEST_ASSIGNED = 0x0011;
export const VIRTIO_ADMIN_CMD_RESERVED_FROM = 0x8000;

// Group types
export const VIRTIO_ADMIN_GROUP_TYPE_SELF = 0;
export const VIRTIO_ADMIN_GROUP_TYPE_SRIOV = 1;

// struct virtio_admin_cmd, device-readable part
export const ADMIN_CMD_OPCODE = 0; // le16
export const ADMIN_CMD_GROUP_TYPE = 2; // le16
export const ADMIN_CMD_RESERVED1 = 4; // u8[12]
export const ADMIN_CMD_RESERVED1_8 = 8;
export const ADMIN_CMD_RESERVED1_12 = 12;
export const ADMIN_CMD_GROUP_MEMBER_ID = 16; // le64
export const ADMIN_CMD_GROUP_MEMBER_ID_HI = 20;
export const ADMIN_CMD_COMMAND_SPECIFIC_DATA = 24;
export const ADMIN_CMD_HEADER_SIZE = 24;

// device-writable part
export const ADMIN_RESULT_STATUS = 0; // le16
export const ADMIN_RESULT_STATUS_QUALIFIER = 2; // le16
export const ADMIN_RESULT_RESERVED2 = 4; // u8[4]
export const ADMIN_RESULT_COMMAND_SPECIFIC_RESULT = 8;
export const ADMIN_RESULT_HEADER_SIZE = 8;

// Status: the numbers of the Linux errno values of the same name
export const VIRTIO_ADMIN_STATUS_OK = 0;
export const VIRTIO_ADMIN_STATUS_ENXIO = 6;
export const VIRTIO_ADMIN_STATUS_EAGAIN = 11;
export const VIRTIO_ADMIN_STATUS_ENOMEM = 12;
export const VIRTIO_ADMIN_STATUS_EBUSY = 16;
export const VIRTIO_ADMIN_STATUS_EEXIST = 17; // used by a rule but missing from the status table of 1.4
export const VIRTIO_ADMIN_STATUS_EINVAL = 22;
export const VIRTIO_ADMIN_STATUS_ENOSPC = 28;

export const VIRTIO_ADMIN_STATUS_Q_OK = 0x00;
export const VIRTIO_ADMIN_STATUS_Q_INVALID_COMMAND = 0x01;
export const VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE = 0x02;
export const VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD = 0x03;
export const VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP = 0x04;
export const VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER = 0x05;
export const VIRTIO_ADMIN_STATUS_Q_NORESOURCE = 0x06;
export const VIRTIO_ADMIN_STATUS_Q_TRYAGAIN = 0x07;

// LEGACY_*_CFG_WRITE and _READ data, relative to command_specific_data
export const ADMIN_LEGACY_WR_OFFSET = 0; // u8
export const ADMIN_LEGACY_WR_RESERVED = 1; // u8[7]
export const ADMIN_LEGACY_WR_REGISTERS = 8; // u8[], as long as the buffer
export const ADMIN_LEGACY_RD_OFFSET = 0; // u8

// LEGACY_NOTIFY_INFO result: up to four entries of 16 bytes, ended by flags END
export const ADMIN_NOTIFY_INFO_FLAGS = 0; // u8
export const ADMIN_NOTIFY_INFO_BAR = 1; // u8
export const ADMIN_NOTIFY_INFO_PADDING = 2; // u8[6]
export const ADMIN_NOTIFY_INFO_PADDING_4 = 4;
export const ADMIN_NOTIFY_INFO_OFFSET = 8; // le64
export const ADMIN_NOTIFY_INFO_OFFSET_HI = 12;
export const ADMIN_NOTIFY_INFO_ENTRY_SIZE = 16;
export const ADMIN_NOTIFY_INFO_MAX_ENTRIES = 4;
export const ADMIN_NOTIFY_INFO_RESULT_SIZE = 64;
export const VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_END = 0;
export const VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_DEV = 1;
export const VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM = 2;

// Capabilities: DEVICE_CAP_GET and DRIVER_CAP_SET data, and the ids
export const ADMIN_CAP_ID = 0; // le16
export const ADMIN_CAP_RESERVED = 2; // u8[6]
export const ADMIN_CAP_DATA = 8; // DRIVER_CAP_SET only
export const VIRTIO_DEV_PARTS_CAP = 0x0000;
export const VIRTIO_NET_FF_RESOURCE_CAP = 0x0800;
export const VIRTIO_NET_FF_SELECTOR_CAP = 0x0801;
export const VIRTIO_NET_FF_ACTION_CAP = 0x0802;
export const VIRTIO_NET_IPSEC_RESOURCE_CAP = 0x0803;
export const VIRTIO_NET_IPSEC_SA_CAP = 0x0804;

// Data of VIRTIO_DEV_PARTS_CAP
export const DEV_PARTS_CAP_GET_LIMIT = 0; // u8 get_parts_resource_objects_limit
export const DEV_PARTS_CAP_SET_LIMIT = 1; // u8 set_parts_resource_objects_limit
export const DEV_PARTS_CAP_SIZE = 2;

// Resource objects: header of every RESOURCE_OBJ_ and DEV_PARTS_ command, then flags, then object data
export const RESOURCE_OBJ_HDR_TYPE = 0; // le16
export const RESOURCE_OBJ_HDR_RESERVED = 2; // u8[2]
export const RESOURCE_OBJ_HDR_ID = 4; // le32
export const RESOURCE_OBJ_HDR_SIZE = 8;
export const RESOURCE_OBJ_FLAGS = 8; // le64 in CREATE, MODIFY and QUERY
export const RESOURCE_OBJ_DATA = 16; // CREATE and MODIFY
export const VIRTIO_RESOURCE_OBJ_DEV_PARTS = 0x000;
export const VIRTIO_NET_RESOURCE_OBJ_FF_GROUP = 0x0200;
export const VIRTIO_NET_RESOURCE_OBJ_FF_CLASSIFIER = 0x0201;
export const VIRTIO_NET_RESOURCE_OBJ_FF_RULE = 0x0202;
export const VIRTIO_NET_RESOURCE_OBJ_IPSEC_OUTB_SA = 0x0203;
export const VIRTIO_NET_RESOURCE_OBJ_IPSEC_INB_SA = 0x0204;
export const RESOURCE_OBJ_DEV_PARTS_TYPE = 0; // u8, in the object data
export const RESOURCE_OBJ_DEV_PARTS_SIZE = 8;
export const VIRTIO_RESOURCE_OBJ_DEV_PARTS_TYPE_GET = 0;
export const VIRTIO_RESOURCE_OBJ_DEV_PARTS_TYPE_SET = 1;

// DEV_PARTS_METADATA_GET, DEV_PARTS_GET, DEV_PARTS_SET, DEV_MODE_SET
export const DEV_PARTS_METADATA_TYPE = 8; // u8, after the object header
export const VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_TYPE_SIZE = 0;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_TYPE_COUNT = 1;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_TYPE_LIST = 2;
export const DEV_PARTS_METADATA_RESULT_VALUE = 0; // le32 size or count
export const DEV_PARTS_METADATA_RESULT_RESERVED = 4; // le32
export const DEV_PARTS_METADATA_RESULT_HEADERS = 8;
export const DEV_PARTS_GET_TYPE = 8; // u8, after the object header
export const DEV_PARTS_GET_HEADERS = 16;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_GET_TYPE_SELECTED = 0;
export const VIRTIO_ADMIN_CMD_DEV_PARTS_GET_TYPE_ALL = 1;
export const DEV_PARTS_SET_PARTS = 8;
export const DEV_MODE_SET_FLAGS = 0; // u8
export const DEV_MODE_F_STOPPED = 1 << 0;

// Device parts: header of 16 bytes, then the value
export const DEV_PART_HDR_PART_TYPE = 0; // le16
export const DEV_PART_HDR_FLAGS = 2; // u8
export const DEV_PART_HDR_RESERVED = 3; // u8
export const DEV_PART_HDR_SELECTOR = 4; // 8 bytes: le32 register offset, or le16 queue index, or u8 class and u8 command
export const DEV_PART_HDR_SELECTOR_HI = 8;
export const DEV_PART_HDR_LENGTH = 12; // le32
export const DEV_PART_HDR_SIZE = 16;
export const DEV_PART_HDR_FLAGS_OPTIONAL = 1 << 0;
export const VIRTIO_DEV_PART_DEV_FEATURES = 0x100;
export const VIRTIO_DEV_PART_DRV_FEATURES = 0x101;
export const VIRTIO_DEV_PART_PCI_COMMON_CFG = 0x102;
export const VIRTIO_DEV_PART_DEVICE_STATUS = 0x103;
export const VIRTIO_DEV_PART_VQ_CFG = 0x104;
export const VIRTIO_DEV_PART_VQ_NOTIFY_CFG = 0x105;
export const VIRTIO_NET_DEV_PART_CVQ_CFG_PART = 0x200;

// Value of VIRTIO_DEV_PART_VQ_CFG and _VQ_NOTIFY_CFG
export const DEV_PART_VQ_CFG_QUEUE_SIZE = 0; // le16
export const DEV_PART_VQ_CFG_VECTOR = 2; // le16
export const DEV_PART_VQ_CFG_ENABLED = 4; // le16
export const DEV_PART_VQ_CFG_RESERVED = 6; // le16
export const DEV_PART_VQ_CFG_QUEUE_DESC = 8; // le64
export const DEV_PART_VQ_CFG_QUEUE_DRIVER = 16; // le64
export const DEV_PART_VQ_CFG_QUEUE_DEVICE = 24; // le64
export const DEV_PART_VQ_CFG_SIZE = 32;
export const DEV_PART_VQ_NOTIFY_CFG_QUEUE_NOTIFY_OFF = 0; // le16
export const DEV_PART_VQ_NOTIFY_CFG_QUEUE_NOTIF_CONFIG_DATA = 2; // le16
export const DEV_PART_VQ_NOTIFY_CFG_RESERVED = 4; // u8[4]
export const DEV_PART_VQ_NOTIFY_CFG_SIZE = 8;

// The rows describe memory, so access is the driver's: RW where it writes, RO where the device does.
// prettier-ignore
export const ADMIN_CMD: StaticArray<u32> = [ // offset, width, access, reset, write mask
  ADMIN_CMD_OPCODE, 2, RW, 0, 0xffff,
  ADMIN_CMD_GROUP_TYPE, 2, RW, 0, 0xffff,
  ADMIN_CMD_RESERVED1, 4, RW, 0, 0,
  ADMIN_CMD_RESERVED1_8, 4, RW, 0, 0,
  ADMIN_CMD_RESERVED1_12, 4, RW, 0, 0,
  ADMIN_CMD_GROUP_MEMBER_ID, 4, RW, 0, 0xffffffff,
  ADMIN_CMD_GROUP_MEMBER_ID_HI, 4, RW, 0, 0xffffffff,
];

// prettier-ignore
export const ADMIN_RESULT: StaticArray<u32> = [
  ADMIN_RESULT_STATUS, 2, RO, 0, 0,
  ADMIN_RESULT_STATUS_QUALIFIER, 2, RO, 0, 0,
  ADMIN_RESULT_RESERVED2, 4, RO, 0, 0,
];

// prettier-ignore
export const ADMIN_NOTIFY_INFO: StaticArray<u32> = [
  ADMIN_NOTIFY_INFO_FLAGS, 1, RO, 0, 0,
  ADMIN_NOTIFY_INFO_BAR, 1, RO, 0, 0,
  ADMIN_NOTIFY_INFO_PADDING, 2, RO, 0, 0,
  ADMIN_NOTIFY_INFO_PADDING_4, 4, RO, 0, 0,
  ADMIN_NOTIFY_INFO_OFFSET, 4, RO, 0, 0,
  ADMIN_NOTIFY_INFO_OFFSET_HI, 4, RO, 0, 0,
];

// prettier-ignore
export const DEV_PART_HDR: StaticArray<u32> = [
  DEV_PART_HDR_PART_TYPE, 2, RW, 0, 0xffff,
  DEV_PART_HDR_FLAGS, 1, RW, 0, DEV_PART_HDR_FLAGS_OPTIONAL,
  DEV_PART_HDR_RESERVED, 1, RO, 0, 0,
  DEV_PART_HDR_SELECTOR, 4, RW, 0, 0xffffffff,
  DEV_PART_HDR_SELECTOR_HI, 4, RW, 0, 0xffffffff,
  DEV_PART_HDR_LENGTH, 4, RW, 0, 0xffffffff,
];
