// SPDX-License-Identifier: Apache-2.0
// What vfio-pci shows its user of configuration space and lets him write, as read in Linux (drivers/vfio/pci/
// vfio_pci_config.c: the permission bits of each capability, and the capability lengths of include/uapi/linux/pci_regs.h).
// Addresses are those of this card. Typed by hand: nothing comes from assembly/abi or src/vfio.

export interface ViewRow {
  readonly name: string;
  readonly at: number;
  readonly bytes: 1 | 2 | 4;
  /** Bits that vfio-pci keeps a copy of and shows in place of the hardware's. */
  readonly virtual: number;
  /** Bits that the user may write: virtual ones in the copy, the others in the hardware. */
  readonly writable: number;
  /** First value for the user of the PF, and of a VF; null: the hardware's. */
  readonly pf: number | null;
  readonly vf: number | null;
}

type Row = readonly [
  name: string,
  at: number,
  bytes: 1 | 2 | 4,
  virtual: number,
  writable: number,
  pf?: number | null,
  vf?: number | null,
];

const ALL = 0xffffffff;
const PM = 0x40;
const MSIX = 0x48;
const EXP = 0x54;
const ARI = 0x100;
const SRIOV = 0x140;

/** Command, BARs, power state and Device Control do more than their bits say: they have tests of their own. */
const ROWS: readonly Row[] = [
  // "Virtualized for SR-IOV functions, which just have FFFF": a VF shows the ids of its PF, device 0x1041 of virtio
  ['Vendor ID', 0x00, 2, 0xffff, 0, 0x1af4, 0x1af4],
  ['Device ID', 0x02, 2, 0xffff, 0, 0x1041, 0x1041],
  ['Status', 0x06, 2, 0x0010, 0, 0x0010, 0x0010],
  ['Revision ID', 0x08, 1, 0, 0, 1, 1],
  ['Programming Interface', 0x09, 1, 0, 0, 0, 0],
  ['Class', 0x0a, 2, 0, 0, 0x0200, 0x0200],
  ['Cache Line Size', 0x0c, 1, 0, 0xff, 0, 0],
  ['Latency Timer', 0x0d, 1, 0, 0xff, 0, 0],
  ['Header Type', 0x0e, 1, 0, 0],
  ['BIST', 0x0f, 1, 0, 0xff, 0, 0],
  ['CardBus CIS', 0x28, 4, 0, 0, 0, 0],
  ['Subsystem Vendor ID', 0x2c, 2, 0, 0, 0x1af4, 0x1af4],
  ['Subsystem ID', 0x2e, 2, 0, 0],
  ['Capabilities Pointer', 0x34, 1, 0xff, 0, PM, PM],
  ['reserved', 0x35, 1, 0, 0, 0, 0],
  ['reserved', 0x36, 2, 0, 0, 0, 0],
  ['reserved', 0x38, 4, 0, 0, 0, 0],
  ['Interrupt Line', 0x3c, 1, 0xff, 0xff, 0, 0],
  ['Interrupt Pin', 0x3d, 1, 0xff, 0, 1, 0],
  ['Min_Gnt', 0x3e, 1, 0, 0, 0, 0],
  ['Max_Lat', 0x3f, 1, 0, 0, 0, 0],

  ['PM id', PM, 1, 0, 0, 1, 1],
  ['PM next', PM + 1, 1, 0xff, 0, MSIX, MSIX],
  ['PM Capabilities', PM + 2, 2, 0xf800, 0],
  ['PM Bridge Extensions', PM + 6, 1, 0, 0xff, 0, 0],
  ['PM Data', PM + 7, 1, 0, 0xff, 0, 0],

  // no permission bits of its own: what has none is read from the hardware and written nowhere
  ['MSI-X id', MSIX, 1, 0, 0, 0x11, 0x11],
  ['MSI-X next', MSIX + 1, 1, 0, 0, EXP, EXP],
  ['MSI-X Message Control', MSIX + 2, 2, 0, 0],
  ['MSI-X Table', MSIX + 4, 4, 0, 0],
  ['MSI-X PBA', MSIX + 8, 4, 0, 0],

  ['Express id', EXP, 1, 0, 0, 0x10, 0x10],
  ['Express next', EXP + 1, 1, 0xff, 0],
  ['Express Capabilities', EXP + 2, 2, 0, 0],
  ['Device Capabilities', EXP + 4, 4, 0, 0],
  ['Device Status', EXP + 0x0a, 2, 0, 0],
  ['Link Capabilities', EXP + 0x0c, 4, 0, 0],
  ['Link Control', EXP + 0x10, 2, 0, 0],
  ['Link Status', EXP + 0x12, 2, 0, 0],
  ['Slot Capabilities', EXP + 0x14, 4, 0, 0],
  ['Slot Control', EXP + 0x18, 2, 0, 0],
  ['Slot Status', EXP + 0x1a, 2, 0, 0],
  ['Root Control', EXP + 0x1c, 2, 0, 0],
  ['Root Capabilities', EXP + 0x1e, 2, 0, 0],
  ['Root Status', EXP + 0x20, 4, 0, 0],
  ['Device Capabilities 2', EXP + 0x24, 4, 0, 0],
  ['Device Control 2', EXP + 0x28, 2, 0, 0xffdf], // not ARI Forwarding Enable
  ['Device Status 2', EXP + 0x2a, 2, 0, 0],
  ['Link Capabilities 2', EXP + 0x2c, 4, 0, 0],
  ['Link Control 2', EXP + 0x30, 2, 0, 0],
  ['Link Status 2', EXP + 0x32, 2, 0, 0],

  ['ARI header', ARI, 4, 0, 0],
  ['ARI Capability', ARI + 4, 2, 0, 0],
  ['ARI Control', ARI + 6, 2, 0, 0],
  // shown, and not to be written; it is QEMU that hides it from its guest
  ...Array.from({ length: 16 }, (_, i): Row => [`SR-IOV + 0x${(4 * i).toString(16)}`, SRIOV + 4 * i, 4, 0, 0]),
];

export const VIEW_ROWS: readonly ViewRow[] = ROWS.map(([name, at, bytes, virtual, writable, pf = null, vf = null]) => ({
  name,
  at,
  bytes,
  virtual,
  writable,
  pf,
  vf,
}));

/** The rows with tests of their own. */
export const SPECIAL: readonly (readonly [name: string, at: number, bytes: number])[] = [
  ['Command', 0x04, 2],
  ['BARs', 0x10, 24],
  ['Expansion ROM', 0x30, 4],
  ['Power Management Control/Status', PM + 4, 2],
  ['Device Control', EXP + 8, 2],
];

/** Capabilities by id and length: an endpoint's Express capability ends with Link Status 2, 52 bytes. */
export const CAPABILITIES: readonly (readonly [id: number, at: number, bytes: number])[] = [
  [0x01, PM, 8],
  [0x11, MSIX, 12],
  [0x10, EXP, 52],
];
export const EXTENDED: readonly (readonly [id: number, at: number, bytes: number])[] = [
  [0x0e, ARI, 8],
  [0x10, SRIOV, 64],
];

/** BAR registers: PF and VF first, then after all ones and after zero were written. BARs 2 (16 KiB) and 4 (4 KiB) are 64-bit. */
export const BAR_ROWS: readonly (readonly [register: number, pf: number, vf: number, ones: number, zero: number])[] = [
  [0, 0, 0, 0, 0],
  [1, 0, 0, 0, 0],
  [2, 0x0000_0004, 4, 0xffff_c004, 4], // the host's window begins at 0x80_0000_0000
  [3, 0x80, 0, ALL, 0],
  [4, 0x0000_4004, 4, 0xffff_f004, 4],
  [5, 0x80, 0, ALL, 0],
];
