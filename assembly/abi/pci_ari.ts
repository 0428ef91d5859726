// SPDX-License-Identifier: Apache-2.0
// Alternative routing-id interpretation extended capability, 8 bytes: 256 functions per bus instead of 8. PCI Express Base §7.8.8.

import { RO } from './register_row.ts';

export const PCI_EXT_CAP_ID_ARI = 0x0e;
export const PCI_EXT_CAP_VERSION_ARI = 1;

export const PCI_ARI_HEADER = 0; // le32
export const PCI_ARI_CAP = 4; // le16
export const PCI_ARI_CTRL = 6; // le16
export const PCI_ARI_SIZE = 8;

// Capability
export const PCI_ARI_CAP_MFVC = 1 << 0; // MFVC function groups
export const PCI_ARI_CAP_ACS = 1 << 1; // ACS function groups
export const PCI_ARI_CAP_NFN_SHIFT = 8;
export const PCI_ARI_CAP_NFN_MASK = 0xff00; // next function number

// Control
export const PCI_ARI_CTRL_MFVC = 1 << 0;
export const PCI_ARI_CTRL_ACS = 1 << 1;
export const PCI_ARI_CTRL_FG_SHIFT = 4;
export const PCI_ARI_CTRL_FG_MASK = 0x0070; // function group

// No function groups, so control has nothing to enable.
// prettier-ignore
export const PCI_ARI: StaticArray<u32> = [ // offset, width, access, reset, write mask
  PCI_ARI_HEADER, 4, RO, 0x0001000e, 0,
  PCI_ARI_CAP, 2, RO, 0, 0,
  PCI_ARI_CTRL, 2, RO, 0, 0,
];
