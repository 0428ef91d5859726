// SPDX-License-Identifier: Apache-2.0
// Vendor capabilities in configuration space that say where the virtio structures lie. virtio 1.4 §4.1.4 "Virtio Structure PCI Capabilities".
//
//   0x00 | cap_vndr | cap_next | cap_len | cfg_type | bar | id | padding |
//   0x08 | offset                                   | length            |
//   0x10 | notify_off_multiplier, or pci_cfg_data, or offset_hi and length_hi

import { RO, RW } from './register_row.ts';

export const PCI_CAP_ID_VNDR = 0x09;

// cfg_type values
export const VIRTIO_PCI_CAP_COMMON_CFG = 1;
export const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
export const VIRTIO_PCI_CAP_ISR_CFG = 3;
export const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
export const VIRTIO_PCI_CAP_PCI_CFG = 5;
export const VIRTIO_PCI_CAP_SHARED_MEMORY_CFG = 8;
export const VIRTIO_PCI_CAP_VENDOR_CFG = 9;

// struct virtio_pci_cap
export const VIRTIO_PCI_CAP_VNDR = 0; // u8, PCI_CAP_ID_VNDR
export const VIRTIO_PCI_CAP_NEXT = 1; // u8
export const VIRTIO_PCI_CAP_LEN = 2; // u8
export const VIRTIO_PCI_CAP_CFG_TYPE = 3; // u8
export const VIRTIO_PCI_CAP_BAR = 4; // u8
export const VIRTIO_PCI_CAP_ID = 5; // u8
export const VIRTIO_PCI_CAP_PADDING = 6; // u8[2]
export const VIRTIO_PCI_CAP_OFFSET = 8; // le32
export const VIRTIO_PCI_CAP_LENGTH = 12; // le32
export const VIRTIO_PCI_CAP_SIZE = 16;

// what follows it in the longer forms
export const VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER = 16; // le32, struct virtio_pci_notify_cap
export const VIRTIO_PCI_CAP_NOTIFY_SIZE = 20;
export const VIRTIO_PCI_CAP_PCI_CFG_DATA = 16; // u8[4], struct virtio_pci_cfg_cap
export const VIRTIO_PCI_CAP_PCI_CFG_SIZE = 20;
export const VIRTIO_PCI_CAP_OFFSET_HI = 16; // le32, struct virtio_pci_cap64
export const VIRTIO_PCI_CAP_LENGTH_HI = 20; // le32, struct virtio_pci_cap64
export const VIRTIO_PCI_CAP64_SIZE = 24;

// prettier-ignore
export const VIRTIO_CAP: StaticArray<u32> = [ // offset, width, access, reset, write mask
  VIRTIO_PCI_CAP_VNDR, 1, RO, PCI_CAP_ID_VNDR, 0,
  VIRTIO_PCI_CAP_NEXT, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_LEN, 1, RO, VIRTIO_PCI_CAP_SIZE, 0,
  VIRTIO_PCI_CAP_CFG_TYPE, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_BAR, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_ID, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_PADDING, 2, RO, 0, 0,
  VIRTIO_PCI_CAP_OFFSET, 4, RO, 0, 0,
  VIRTIO_PCI_CAP_LENGTH, 4, RO, 0, 0,
];

// prettier-ignore
export const VIRTIO_CAP64: StaticArray<u32> = [
  VIRTIO_PCI_CAP_VNDR, 1, RO, PCI_CAP_ID_VNDR, 0,
  VIRTIO_PCI_CAP_NEXT, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_LEN, 1, RO, VIRTIO_PCI_CAP64_SIZE, 0,
  VIRTIO_PCI_CAP_CFG_TYPE, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_BAR, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_ID, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_PADDING, 2, RO, 0, 0,
  VIRTIO_PCI_CAP_OFFSET, 4, RO, 0, 0,
  VIRTIO_PCI_CAP_LENGTH, 4, RO, 0, 0,
  VIRTIO_PCI_CAP_OFFSET_HI, 4, RO, 0, 0,
  VIRTIO_PCI_CAP_LENGTH_HI, 4, RO, 0, 0,
];

// prettier-ignore
export const VIRTIO_NOTIFY_CAP: StaticArray<u32> = [
  VIRTIO_PCI_CAP_VNDR, 1, RO, PCI_CAP_ID_VNDR, 0,
  VIRTIO_PCI_CAP_NEXT, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_LEN, 1, RO, VIRTIO_PCI_CAP_NOTIFY_SIZE, 0,
  VIRTIO_PCI_CAP_CFG_TYPE, 1, RO, VIRTIO_PCI_CAP_NOTIFY_CFG, 0,
  VIRTIO_PCI_CAP_BAR, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_ID, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_PADDING, 2, RO, 0, 0,
  VIRTIO_PCI_CAP_OFFSET, 4, RO, 0, 0,
  VIRTIO_PCI_CAP_LENGTH, 4, RO, 0, 0,
  VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER, 4, RO, 0, 0,
];

// The window for drivers that cannot map BARs: bar, offset and length are the driver's. §4.1.4.9
// prettier-ignore
export const VIRTIO_CFG_CAP: StaticArray<u32> = [
  VIRTIO_PCI_CAP_VNDR, 1, RO, PCI_CAP_ID_VNDR, 0,
  VIRTIO_PCI_CAP_NEXT, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_LEN, 1, RO, VIRTIO_PCI_CAP_PCI_CFG_SIZE, 0,
  VIRTIO_PCI_CAP_CFG_TYPE, 1, RO, VIRTIO_PCI_CAP_PCI_CFG, 0,
  VIRTIO_PCI_CAP_BAR, 1, RW, 0, 0xff,
  VIRTIO_PCI_CAP_ID, 1, RO, 0, 0,
  VIRTIO_PCI_CAP_PADDING, 2, RO, 0, 0,
  VIRTIO_PCI_CAP_OFFSET, 4, RW, 0, 0xffffffff,
  VIRTIO_PCI_CAP_LENGTH, 4, RW, 0, 0xffffffff,
  VIRTIO_PCI_CAP_PCI_CFG_DATA, 4, RW, 0, 0xffffffff,
];
