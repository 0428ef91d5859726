// SPDX-License-Identifier: Apache-2.0
// Legacy register layout: I/O BAR0 of a transitional device, and the offset space of the legacy administration commands.
// virtio 1.4 §4.1.4.10 "Legacy Interfaces: A Note on PCI Device Layout". Little-endian when reached through administration commands.
//
//   0x00 | device_features           | driver_features            |
//   0x08 | queue_address             | queue_size | queue_select  |
//   0x10 | queue_notify | status|isr | config vector | queue vector   (0x14..0x17 exist only while MSI-X is enabled)

import { RC, RO, RW } from './register_row.ts';
import { STATUS_DEFINED_BITS } from './device_status.ts';
import { VIRTIO_MSI_NO_VECTOR } from './virtio_pci_common.ts';

export const LEGACY_DEVICE_FEATURES = 0; // le32
export const LEGACY_DRIVER_FEATURES = 4; // le32
export const LEGACY_QUEUE_ADDRESS = 8; // le32, ring address / 4096
export const LEGACY_QUEUE_SIZE = 12; // le16, fixed by the device
export const LEGACY_QUEUE_SELECT = 14; // le16
export const LEGACY_QUEUE_NOTIFY = 16; // le16
export const LEGACY_DEVICE_STATUS = 18; // u8
export const LEGACY_ISR_STATUS = 19; // u8
export const LEGACY_CONFIG_MSIX_VECTOR = 20; // le16, only while MSI-X is enabled
export const LEGACY_QUEUE_MSIX_VECTOR = 22; // le16, only while MSI-X is enabled

/** Where the device-specific configuration begins while MSI-X is disabled, and while it is enabled. */
export const LEGACY_SIZE_WITHOUT_MSIX = 20;
export const LEGACY_SIZE_WITH_MSIX = 24;

/** queue_address counts pages of this size; the used ring starts at a multiple of it as well. §2.7.2 */
export const LEGACY_PAGE_SHIFT = 12;
export const LEGACY_VRING_ALIGN = 4096;

// prettier-ignore
export const LEGACY_CFG: StaticArray<u32> = [ // offset, width, access, reset, write mask
  LEGACY_DEVICE_FEATURES, 4, RO, 0, 0,
  LEGACY_DRIVER_FEATURES, 4, RW, 0, 0xffffffff,
  LEGACY_QUEUE_ADDRESS, 4, RW, 0, 0xffffffff,
  LEGACY_QUEUE_SIZE, 2, RO, 0, 0,
  LEGACY_QUEUE_SELECT, 2, RW, 0, 0xffff,
  LEGACY_QUEUE_NOTIFY, 2, RW, 0, 0xffff,
  LEGACY_DEVICE_STATUS, 1, RW, 0, STATUS_DEFINED_BITS,
  LEGACY_ISR_STATUS, 1, RC, 0, 0,
  LEGACY_CONFIG_MSIX_VECTOR, 2, RW, VIRTIO_MSI_NO_VECTOR, 0xffff,
  LEGACY_QUEUE_MSIX_VECTOR, 2, RW, VIRTIO_MSI_NO_VECTOR, 0xffff,
];
