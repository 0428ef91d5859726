// SPDX-License-Identifier: Apache-2.0
// What vfio-pci lets its user see and change of configuration space: for every bit, is it shown from a copy in place of the
// hardware, and may it be written? PF and VFs have the same rules, as Linux keeps one table for each capability. Where no
// capability lies, and inside vendor specific ones, everything goes through to the hardware. docs/vfio_pci.md has the table.
import { CAP_EXP, CAP_MSIX, CAP_PM, EXT_CAP_ARI, EXT_CAP_SRIOV } from '../../assembly/abi/config_layout.ts';
import { PCI_ARI_SIZE } from '../../assembly/abi/pci_ari.ts';
import {
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL2,
  PCI_EXP_DEVCTL2_ARI,
  PCI_EXP_DEVCTL_BCR_FLR,
  PCI_EXP_DEVCTL_PAYLOAD_MASK,
  PCI_EXP_DEVCTL_PHANTOM,
  PCI_EXP_DEVCTL_READRQ_MASK,
  PCI_EXP_SLTCAP2,
} from '../../assembly/abi/pci_express.ts';
import {
  PCI_BASE_ADDRESS_0,
  PCI_BIST,
  PCI_CACHE_LINE_SIZE,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_DEVICE_ID,
  PCI_HEADER_SIZE,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_LATENCY_TIMER,
  PCI_ROM_ADDRESS,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_NUM_BARS,
  PCI_VENDOR_ID,
} from '../../assembly/abi/pci_header.ts';
import { PCI_MSIX_SIZE } from '../../assembly/abi/pci_msix.ts';
import {
  PCI_PM_CTRL,
  PCI_PM_CTRL_PME_ENABLE,
  PCI_PM_CTRL_PME_STATUS,
  PCI_PM_CTRL_STATE_MASK,
  PCI_PM_PMC,
  PCI_PM_PMC_PME_SUPPORT_MASK,
  PCI_PM_SIZE,
} from '../../assembly/abi/pci_pm.ts';
import { PCI_SRIOV_SIZE } from '../../assembly/abi/pci_sriov.ts';

const ALL = 0xffffffff;
const PME = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS;

/** Where capabilities lie: read-only, but for the fields below. Vendor specific ones are missing on purpose. */
const READ_ONLY: readonly (readonly [at: number, bytes: number])[] = [
  [0, PCI_HEADER_SIZE],
  [CAP_PM, PCI_PM_SIZE],
  [CAP_MSIX, PCI_MSIX_SIZE],
  [CAP_EXP, PCI_EXP_SLTCAP2], // an endpoint with a link ends before the second slot registers
  [EXT_CAP_ARI, PCI_ARI_SIZE],
  [EXT_CAP_SRIOV, PCI_SRIOV_SIZE],
];

const FIELDS: readonly (readonly [at: number, bytes: 1 | 2 | 4, virtual: number, writable: number])[] = [
  [PCI_VENDOR_ID, 2, ALL, 0],
  [PCI_DEVICE_ID, 2, ALL, 0],
  [PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE, ALL],
  [PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0],
  [PCI_CACHE_LINE_SIZE, 1, 0, ALL],
  [PCI_LATENCY_TIMER, 1, 0, ALL],
  [PCI_BIST, 1, 0, ALL],
  ...Array.from({ length: PCI_STD_NUM_BARS }, (_, i) => [PCI_BASE_ADDRESS_0 + 4 * i, 4, ALL, ALL] as const),
  [PCI_ROM_ADDRESS, 4, ALL, ALL],
  [PCI_CAPABILITY_LIST, 1, ALL, 0],
  [PCI_INTERRUPT_LINE, 1, ALL, ALL],
  [PCI_INTERRUPT_PIN, 1, ALL, 0],
  // nobody can take a power management event to the user; the state is changed by the core, on the user's behalf
  [CAP_PM + PCI_PM_PMC, 2, PCI_PM_PMC_PME_SUPPORT_MASK, 0],
  [CAP_PM + PCI_PM_CTRL, 4, PME, ALL & ~(PME | PCI_PM_CTRL_STATE_MASK)],
  [
    CAP_EXP + PCI_EXP_DEVCTL,
    2,
    PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_PAYLOAD_MASK | PCI_EXP_DEVCTL_READRQ_MASK,
    ALL & ~PCI_EXP_DEVCTL_PHANTOM,
  ],
  [CAP_EXP + PCI_EXP_DEVCTL2, 2, 0, ALL & ~PCI_EXP_DEVCTL2_ARI],
];

function bits(initial: number, pick: (virtual: number, writable: number) => number): DataView {
  const u8 = new Uint8Array(PCI_CFG_SPACE_EXP_SIZE).fill(initial);
  for (const [at, bytes] of READ_ONLY) u8.fill(0, at, at + bytes);
  for (const [at, bytes, virtual, writable] of FIELDS) {
    const mask = pick(virtual, writable);
    for (let i = 0; i < bytes; i++) u8[at + i] = mask >>> (8 * i);
  }
  return new DataView(u8.buffer);
}

/** Bits that are shown and kept in the copy. */
export const VIRTUAL: DataView = bits(0, (virtual) => virtual);
/** Bits that the user may write. */
export const WRITABLE: DataView = bits(0xff, (_virtual, writable) => writable);
