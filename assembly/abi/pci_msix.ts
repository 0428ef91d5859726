// SPDX-License-Identifier: Apache-2.0
// MSI-X capability (12 bytes in configuration space), table entries and pending bits (in a BAR). PCI Local Bus 3.0 §6.8.2, PCI Express Base §7.7.2.
//
//   cap    | id | next | message control |  table offset and BIR |  PBA offset and BIR |
//   entry  | lower address | upper address | data | vector control |

import { RO, RW } from './register_row.ts';

export const PCI_CAP_ID_MSIX = 0x11;

export const PCI_MSIX_CAP_ID = 0; // u8
export const PCI_MSIX_NEXT = 1; // u8
export const PCI_MSIX_FLAGS = 2; // le16, message control
export const PCI_MSIX_TABLE = 4; // le32
export const PCI_MSIX_PBA = 8; // le32
export const PCI_MSIX_SIZE = 12;

// Message control
export const PCI_MSIX_FLAGS_QSIZE_SHIFT = 0;
export const PCI_MSIX_FLAGS_QSIZE_MASK = 0x07ff; // table size - 1
export const PCI_MSIX_FLAGS_MASKALL = 1 << 14;
export const PCI_MSIX_FLAGS_ENABLE = 1 << 15;
export const PCI_MSIX_FLAGS_WRITABLE = 0xc000;

// Table and PBA locators
export const PCI_MSIX_TABLE_BIR_SHIFT = 0;
export const PCI_MSIX_TABLE_BIR_MASK = 0x00000007;
export const PCI_MSIX_TABLE_OFFSET_MASK = 0xfffffff8; // masked in place it is the byte offset
export const PCI_MSIX_PBA_BIR_SHIFT = 0;
export const PCI_MSIX_PBA_BIR_MASK = 0x00000007;
export const PCI_MSIX_PBA_OFFSET_MASK = 0xfffffff8;
export const PCI_MSIX_MAX_VECTORS = 2048;

// Table entry
export const PCI_MSIX_ENTRY_LOWER_ADDR = 0; // le32
export const PCI_MSIX_ENTRY_UPPER_ADDR = 4; // le32
export const PCI_MSIX_ENTRY_DATA = 8; // le32
export const PCI_MSIX_ENTRY_VECTOR_CTRL = 12; // le32
export const PCI_MSIX_ENTRY_SIZE = 16;
export const PCI_MSIX_ENTRY_CTRL_MASKBIT = 1 << 0;

// prettier-ignore
export const PCI_MSIX_CAP: StaticArray<u32> = [ // offset, width, access, reset, write mask
  PCI_MSIX_CAP_ID, 1, RO, PCI_CAP_ID_MSIX, 0,
  PCI_MSIX_NEXT, 1, RO, 0, 0,
  PCI_MSIX_FLAGS, 2, RW, 0, PCI_MSIX_FLAGS_WRITABLE,
  PCI_MSIX_TABLE, 4, RO, 0, 0,
  PCI_MSIX_PBA, 4, RO, 0, 0,
];

// prettier-ignore
export const PCI_MSIX_ENTRY: StaticArray<u32> = [
  PCI_MSIX_ENTRY_LOWER_ADDR, 4, RW, 0, 0xfffffffc,
  PCI_MSIX_ENTRY_UPPER_ADDR, 4, RW, 0, 0xffffffff,
  PCI_MSIX_ENTRY_DATA, 4, RW, 0, 0xffffffff,
  PCI_MSIX_ENTRY_VECTOR_CTRL, 4, RW, PCI_MSIX_ENTRY_CTRL_MASKBIT, PCI_MSIX_ENTRY_CTRL_MASKBIT,
];
