// SPDX-License-Identifier: Apache-2.0
// Where this card puts things: capabilities in configuration space, structures in BARs. Shapes are in pci_*.ts and
// virtio_pci_cap.ts; PF and VFs share one layout, except that only the PF has SR-IOV.

export const CAP_PM = 0x40;
export const CAP_MSIX = 0x48;
export const CAP_EXP = 0x54;
export const CAP_VIRTIO_COMMON = 0x90;
export const CAP_VIRTIO_NOTIFY = 0xa0;
export const CAP_VIRTIO_ISR = 0xb4;
export const CAP_VIRTIO_DEVICE = 0xc4;
export const CAP_VIRTIO_PCI_CFG = 0xd4;
export const EXT_CAP_ARI = 0x100;
export const EXT_CAP_SRIOV = 0x140;

export const VIRTIO_BAR = 2; // 64-bit memory
export const VIRTIO_BAR_BYTES = 0x4000;
export const COMMON_BAR_OFFSET = 0;
export const ISR_BAR_OFFSET = 0x1000;
export const DEVICE_BAR_OFFSET = 0x2000;
export const NOTIFY_BAR_OFFSET = 0x3000;
export const NOTIFY_BYTES = 0x1000;
export const NOTIFY_OFF_MULTIPLIER = 4;

/** In the PF's BAR only: the notification place of VF n, two bytes each, if the VF's profile says so. */
export const OWNER_NOTIFY_BAR_OFFSET = 0x1800;
export const OWNER_NOTIFY_BYTES = 0x800;

/** A group type of the card's own, none of virtio's: functions on demand, by their number among these, from 1. */
export const ADMIN_GROUP_ON_DEMAND = 0x8000;

export const MSIX_BAR = 4; // 64-bit memory
export const MSIX_BAR_BYTES = 0x1000;
export const MSIX_TABLE_OFFSET = 0;
export const MSIX_PBA_OFFSET = 0x800;

export const SUBSYSTEM_ID = 0x0041;

// What a write to configuration space sets off outside the PCI layer (bits of the result of writeConfig)
export const EFFECT_RESET = 1;
export const EFFECT_VF_ENABLE = 2; // VF Enable rose or fell
export const EFFECT_BUS_MASTER = 4; // may have changed
export const EFFECT_PCI_CFG_DATA = 8; // the window of the PCI_CFG capability was written
export const EFFECT_INTX = 16; // the line has to be computed again
