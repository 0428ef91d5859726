// SPDX-License-Identifier: Apache-2.0
// struct virtio_pci_common_cfg, the ISR byte and the doorbell formats. virtio 1.4 §4.1.4.3, §4.1.4.5, §4.1.5.2.
//
//   0x00 | device_feature_select              | device_feature                     |
//   0x08 | driver_feature_select              | driver_feature                     |
//   0x10 | config_msix_vector | num_queues    | status | generation | queue_select  |
//   0x18 | queue_size | queue_msix_vector     | queue_enable | queue_notify_off     |
//   0x20 | queue_desc                         | 0x28 queue_driver | 0x30 queue_device
//   0x38 | queue_notif_config_data | queue_reset | admin_queue_index | admin_queue_num

import { RC, RO, RW } from './register_row.ts';
import { STATUS_DEFINED_BITS } from './device_status.ts';

export const COMMON_DEVICE_FEATURE_SELECT = 0x00; // le32
export const COMMON_DEVICE_FEATURE = 0x04; // le32
export const COMMON_DRIVER_FEATURE_SELECT = 0x08; // le32
export const COMMON_DRIVER_FEATURE = 0x0c; // le32
export const COMMON_CONFIG_MSIX_VECTOR = 0x10; // le16
export const COMMON_NUM_QUEUES = 0x12; // le16
export const COMMON_DEVICE_STATUS = 0x14; // u8
export const COMMON_CONFIG_GENERATION = 0x15; // u8
export const COMMON_QUEUE_SELECT = 0x16; // le16
export const COMMON_QUEUE_SIZE = 0x18; // le16, of the selected queue, as all queue_ fields
export const COMMON_QUEUE_MSIX_VECTOR = 0x1a; // le16
export const COMMON_QUEUE_ENABLE = 0x1c; // le16
export const COMMON_QUEUE_NOTIFY_OFF = 0x1e; // le16
export const COMMON_QUEUE_DESC = 0x20; // le64
export const COMMON_QUEUE_DESC_HI = 0x24;
export const COMMON_QUEUE_DRIVER = 0x28; // le64
export const COMMON_QUEUE_DRIVER_HI = 0x2c;
export const COMMON_QUEUE_DEVICE = 0x30; // le64
export const COMMON_QUEUE_DEVICE_HI = 0x34;
export const COMMON_QUEUE_NOTIF_CONFIG_DATA = 0x38; // le16, with VIRTIO_F_NOTIF_CONFIG_DATA
export const COMMON_QUEUE_RESET = 0x3a; // le16, with VIRTIO_F_RING_RESET
export const COMMON_ADMIN_QUEUE_INDEX = 0x3c; // le16, with VIRTIO_F_ADMIN_VQ
export const COMMON_ADMIN_QUEUE_NUM = 0x3e; // le16, with VIRTIO_F_ADMIN_VQ
export const COMMON_SIZE = 0x40;

/** No vector mapped: reset value of both vector registers, and their answer when a mapping fails. §4.1.5.1.2 */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

// prettier-ignore
export const COMMON_CFG: StaticArray<u32> = [ // offset, width, access, reset, write mask
  COMMON_DEVICE_FEATURE_SELECT, 4, RW, 0, 0xffffffff,
  COMMON_DEVICE_FEATURE, 4, RO, 0, 0,
  COMMON_DRIVER_FEATURE_SELECT, 4, RW, 0, 0xffffffff,
  COMMON_DRIVER_FEATURE, 4, RW, 0, 0xffffffff,
  COMMON_CONFIG_MSIX_VECTOR, 2, RW, VIRTIO_MSI_NO_VECTOR, 0xffff,
  COMMON_NUM_QUEUES, 2, RO, 0, 0,
  COMMON_DEVICE_STATUS, 1, RW, 0, STATUS_DEFINED_BITS,
  COMMON_CONFIG_GENERATION, 1, RO, 0, 0,
  COMMON_QUEUE_SELECT, 2, RW, 0, 0xffff,
  COMMON_QUEUE_SIZE, 2, RW, 0, 0xffff,
  COMMON_QUEUE_MSIX_VECTOR, 2, RW, VIRTIO_MSI_NO_VECTOR, 0xffff,
  COMMON_QUEUE_ENABLE, 2, RW, 0, 1,
  COMMON_QUEUE_NOTIFY_OFF, 2, RO, 0, 0,
  COMMON_QUEUE_DESC, 4, RW, 0, 0xffffffff,
  COMMON_QUEUE_DESC_HI, 4, RW, 0, 0xffffffff,
  COMMON_QUEUE_DRIVER, 4, RW, 0, 0xffffffff,
  COMMON_QUEUE_DRIVER_HI, 4, RW, 0, 0xffffffff,
  COMMON_QUEUE_DEVICE, 4, RW, 0, 0xffffffff,
  COMMON_QUEUE_DEVICE_HI, 4, RW, 0, 0xffffffff,
  COMMON_QUEUE_NOTIF_CONFIG_DATA, 2, RO, 0, 0,
  COMMON_QUEUE_RESET, 2, RW, 0, 1,
  COMMON_ADMIN_QUEUE_INDEX, 2, RO, 0, 0,
  COMMON_ADMIN_QUEUE_NUM, 2, RO, 0, 0,
];

// ISR status, one byte, cleared by reading. §4.1.4.5
export const ISR_STATUS = 0;
export const ISR_STATUS_QUEUE = 1 << 0;
export const ISR_STATUS_CONFIG = 1 << 1;
export const ISR_SIZE = 1;

// prettier-ignore
export const ISR_CFG: StaticArray<u32> = [
  ISR_STATUS, 1, RC, 0, 0,
];

// Doorbell value. §4.1.5.2: le16 queue index, or with VIRTIO_F_NOTIFICATION_DATA a le32 of three parts.
export const NOTIFY_VQ_INDEX_MASK = 0xffff;
export const NOTIFY_NEXT_OFF_SHIFT = 16;
export const NOTIFY_NEXT_OFF_MASK = 0x7fff0000;
export const NOTIFY_NEXT_WRAP = 0x80000000;
