// SPDX-License-Identifier: Apache-2.0
// Power management capability, 8 bytes. PCI Bus Power Management Interface 1.2 §3.2, PCI Express Base §7.5.2.
// No PME is generated, so PME_En and PME_Status are hardwired to zero and only the power state is writable. No_Soft_Reset
// is clear: the way from D3hot to D0 resets the function, and a driver sets it up again, as it has to where a virtual
// machine monitor resets the function in its sleep.

import { RO, RW } from './register_row.ts';

export const PCI_CAP_ID_PM = 0x01;

export const PCI_PM_CAP_ID = 0; // u8
export const PCI_PM_NEXT = 1; // u8
export const PCI_PM_PMC = 2; // le16
export const PCI_PM_CTRL = 4; // le16, "PMCSR"
export const PCI_PM_PPB_EXTENSIONS = 6; // u8, bridges only
export const PCI_PM_DATA_REGISTER = 7; // u8
export const PCI_PM_SIZE = 8;

// PMC
export const PCI_PM_PMC_VERSION_SHIFT = 0;
export const PCI_PM_PMC_VERSION_MASK = 0x0007;
export const PCI_PM_PMC_PME_CLOCK = 1 << 3;
export const PCI_PM_PMC_IMM_READY = 1 << 4; // immediate readiness on return to D0
export const PCI_PM_PMC_DSI = 1 << 5; // device specific initialization
export const PCI_PM_PMC_AUX_CURRENT_SHIFT = 6;
export const PCI_PM_PMC_AUX_CURRENT_MASK = 0x01c0;
export const PCI_PM_PMC_D1 = 1 << 9;
export const PCI_PM_PMC_D2 = 1 << 10;
export const PCI_PM_PMC_PME_SUPPORT_SHIFT = 11;
export const PCI_PM_PMC_PME_SUPPORT_MASK = 0xf800;

// PMCSR
export const PCI_PM_CTRL_STATE_SHIFT = 0;
export const PCI_PM_CTRL_STATE_MASK = 0x0003;
export const PCI_PM_CTRL_NO_SOFT_RESET = 1 << 3;
export const PCI_PM_CTRL_PME_ENABLE = 1 << 8;
export const PCI_PM_CTRL_DATA_SEL_SHIFT = 9;
export const PCI_PM_CTRL_DATA_SEL_MASK = 0x1e00;
export const PCI_PM_CTRL_DATA_SCALE_SHIFT = 13;
export const PCI_PM_CTRL_DATA_SCALE_MASK = 0x6000;
export const PCI_PM_CTRL_PME_STATUS = 1 << 15;

// Power states
export const PCI_PM_D0 = 0;
export const PCI_PM_D1 = 1;
export const PCI_PM_D2 = 2;
export const PCI_PM_D3HOT = 3;

/** Version 3 of the interface, no D1 or D2, no PME. */
export const PCI_PM_VERSION_1_2 = 3;

// prettier-ignore
export const PCI_PM_CAP: StaticArray<u32> = [ // offset, width, access, reset, write mask
  PCI_PM_CAP_ID, 1, RO, PCI_CAP_ID_PM, 0,
  PCI_PM_NEXT, 1, RO, 0, 0,
  PCI_PM_PMC, 2, RO, PCI_PM_VERSION_1_2, 0,
  PCI_PM_CTRL, 2, RW, 0, PCI_PM_CTRL_STATE_MASK,
  PCI_PM_PPB_EXTENSIONS, 1, RO, 0, 0,
  PCI_PM_DATA_REGISTER, 1, RO, 0, 0,
];
