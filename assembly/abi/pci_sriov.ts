// SPDX-License-Identifier: Apache-2.0
// SR-IOV extended capability of a PF, 64 bytes. PCI Express Base, chapter 9, §9.3.3.
//
//   0x00 | header                       |  0x04 | capabilities        |  0x08 | control | status   |
//   0x0c | initial VFs | total VFs      |  0x10 | num VFs | link | -  |  0x14 | offset  | stride   |
//   0x18 | -           | VF device id   |  0x1c | supported page sizes|  0x20 | system page size   |
//   0x24 | VF BAR0 ... VF BAR5 (0x38)   |  0x3c | migration state     |

import { RO, RW } from './register_row.ts';

export const PCI_EXT_CAP_ID_SRIOV = 0x10;
export const PCI_EXT_CAP_VERSION_SRIOV = 1;
export const PCI_EXT_CAP_ID_VF_REBAR = 0x24; // VF Resizable BAR

export const PCI_SRIOV_HEADER = 0x00; // le32
export const PCI_SRIOV_CAP = 0x04; // le32
export const PCI_SRIOV_CTRL = 0x08; // le16
export const PCI_SRIOV_STATUS = 0x0a; // le16
export const PCI_SRIOV_INITIAL_VF = 0x0c; // le16
export const PCI_SRIOV_TOTAL_VF = 0x0e; // le16
export const PCI_SRIOV_NUM_VF = 0x10; // le16
export const PCI_SRIOV_FUNC_LINK = 0x12; // u8
export const PCI_SRIOV_RESERVED_13 = 0x13; // u8
export const PCI_SRIOV_VF_OFFSET = 0x14; // le16
export const PCI_SRIOV_VF_STRIDE = 0x16; // le16
export const PCI_SRIOV_RESERVED_18 = 0x18; // le16
export const PCI_SRIOV_VF_DID = 0x1a; // le16
export const PCI_SRIOV_SUP_PGSIZE = 0x1c; // le32
export const PCI_SRIOV_SYS_PGSIZE = 0x20; // le32
export const PCI_SRIOV_BAR = 0x24; // le32, six of them
export const PCI_SRIOV_BAR_1 = 0x28;
export const PCI_SRIOV_BAR_2 = 0x2c;
export const PCI_SRIOV_BAR_3 = 0x30;
export const PCI_SRIOV_BAR_4 = 0x34;
export const PCI_SRIOV_BAR_5 = 0x38;
export const PCI_SRIOV_NUM_BARS = 6;
export const PCI_SRIOV_VFM = 0x3c; // le32
export const PCI_SRIOV_SIZE = 0x40;

// Capabilities
export const PCI_SRIOV_CAP_VFM = 1 << 0; // VF migration capable
export const PCI_SRIOV_CAP_ARI_PRESERVED = 1 << 1; // ARI capable hierarchy survives power state changes
export const PCI_SRIOV_CAP_VF_10BIT_TAG = 1 << 2;

// Control
export const PCI_SRIOV_CTRL_VFE = 1 << 0; // VF enable
export const PCI_SRIOV_CTRL_VFM = 1 << 1; // VF migration enable
export const PCI_SRIOV_CTRL_INTR = 1 << 2; // VF migration interrupt enable
export const PCI_SRIOV_CTRL_MSE = 1 << 3; // VF memory space enable
export const PCI_SRIOV_CTRL_ARI = 1 << 4; // ARI capable hierarchy
export const PCI_SRIOV_CTRL_VF_10BIT_TAG = 1 << 5;
export const PCI_SRIOV_CTRL_WRITABLE = 0x0019; // VFE, MSE, ARI

// Status
export const PCI_SRIOV_STATUS_VFM = 1 << 0; // VF migration status, never set here

/** Bit n is a page of 4096 << n bytes; 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB are mandatory. */
export const PCI_SRIOV_PGSIZE_REQUIRED = 0x553;
export const PCI_SRIOV_PGSIZE_4K = 1 << 0;

// prettier-ignore
export const PCI_SRIOV: StaticArray<u32> = [ // offset, width, access, reset, write mask
  PCI_SRIOV_HEADER, 4, RO, 0x00010010, 0,
  PCI_SRIOV_CAP, 4, RO, 0, 0,
  PCI_SRIOV_CTRL, 2, RW, 0, PCI_SRIOV_CTRL_WRITABLE,
  PCI_SRIOV_STATUS, 2, RO, 0, 0,
  PCI_SRIOV_INITIAL_VF, 2, RO, 0, 0,
  PCI_SRIOV_TOTAL_VF, 2, RO, 0, 0,
  PCI_SRIOV_NUM_VF, 2, RW, 0, 0xffff,
  PCI_SRIOV_FUNC_LINK, 1, RO, 0, 0,
  PCI_SRIOV_RESERVED_13, 1, RO, 0, 0,
  PCI_SRIOV_VF_OFFSET, 2, RO, 0, 0,
  PCI_SRIOV_VF_STRIDE, 2, RO, 0, 0,
  PCI_SRIOV_RESERVED_18, 2, RO, 0, 0,
  PCI_SRIOV_VF_DID, 2, RO, 0, 0,
  PCI_SRIOV_SUP_PGSIZE, 4, RO, PCI_SRIOV_PGSIZE_REQUIRED, 0,
  PCI_SRIOV_SYS_PGSIZE, 4, RW, PCI_SRIOV_PGSIZE_4K, PCI_SRIOV_PGSIZE_REQUIRED,
  PCI_SRIOV_BAR, 4, RW, 0, 0,
  PCI_SRIOV_BAR_1, 4, RW, 0, 0,
  PCI_SRIOV_BAR_2, 4, RW, 0, 0,
  PCI_SRIOV_BAR_3, 4, RW, 0, 0,
  PCI_SRIOV_BAR_4, 4, RW, 0, 0,
  PCI_SRIOV_BAR_5, 4, RW, 0, 0,
  PCI_SRIOV_VFM, 4, RO, 0, 0,
];
