// SPDX-License-Identifier: Apache-2.0
// What Linux puts back behind a reset of a function (pci_save_state, pci_restore_state): the header, the control registers
// of the PCI Express capability, SR-IOV. MSI-X is the business of who set it up.
import { CAP_EXP, EXT_CAP_SRIOV } from '../../assembly/abi/config_layout.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL2, PCI_EXP_LNKCTL, PCI_EXP_LNKCTL2 } from '../../assembly/abi/pci_express.ts';
import {
  PCI_BASE_ADDRESS_0,
  PCI_CACHE_LINE_SIZE,
  PCI_COMMAND,
  PCI_INTERRUPT_LINE,
  PCI_STD_NUM_BARS,
} from '../../assembly/abi/pci_header.ts';
import {
  PCI_SRIOV_BAR,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_NUM_BARS,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_SYS_PGSIZE,
} from '../../assembly/abi/pci_sriov.ts';
import type { Nic } from '../device/nic.ts';

type Register = readonly [at: number, bytes: number];

/** A VF has neither BARs nor an interrupt line of its own, and its link is the PF's. */
const VF_REGISTERS: readonly Register[] = [[PCI_COMMAND, 2]];
/** The command register last: memory decode finds its addresses. */
const PF_REGISTERS: readonly Register[] = [
  ...[PCI_EXP_DEVCTL, PCI_EXP_LNKCTL, PCI_EXP_DEVCTL2, PCI_EXP_LNKCTL2].map((at) => [CAP_EXP + at, 2] as const),
  [PCI_INTERRUPT_LINE, 1],
  ...Array.from({ length: PCI_STD_NUM_BARS }, (_, i) => [PCI_BASE_ADDRESS_0 + 4 * i, 4] as const),
  [PCI_CACHE_LINE_SIZE, 1],
  ...VF_REGISTERS,
];
/** VF Enable last: what comes before cannot change any more then. */
const SRIOV: readonly Register[] = [
  ...Array.from({ length: PCI_SRIOV_NUM_BARS }, (_, i) => [PCI_SRIOV_BAR + 4 * i, 4] as const),
  [PCI_SRIOV_SYS_PGSIZE, 4] as const,
  [PCI_SRIOV_NUM_VF, 2] as const,
  [PCI_SRIOV_CTRL, 2] as const,
].map(([at, bytes]) => [EXT_CAP_SRIOV + at, bytes] as const);

/** Values of registers, in the order in which they are put back. */
export type SavedState = readonly (readonly [at: number, bytes: number, value: number])[];

/** `withVfs`: VFs that the reset of a PF takes away are there again afterwards. */
export function saveState(nic: Nic, fn: number, withVfs: boolean): SavedState {
  const save = (registers: readonly Register[]): SavedState =>
    registers.map(([at, bytes]) => [at, bytes, nic.configRead(fn, at, bytes)]);
  if (fn > 0) return save(VF_REGISTERS);
  return [...save(PF_REGISTERS), ...(withVfs && hasVfs(nic) ? save(SRIOV) : [])];
}

/** What a function level reset leaves alone of a PF that nobody has used, ARI Capable Hierarchy among it. */
export function saveAtPowerOn(nic: Nic): SavedState {
  const control = EXT_CAP_SRIOV + PCI_SRIOV_CTRL;
  return [...saveState(nic, 0, false), [control, 2, nic.configRead(0, control, 2)]];
}

/** VF Enable of the PF is set. */
export function hasVfs(nic: Nic): boolean {
  return (nic.configRead(0, EXT_CAP_SRIOV + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE) !== 0;
}

/** Writes what differs, as Linux does. */
export function restoreState(nic: Nic, fn: number, state: SavedState): void {
  for (const [at, bytes, value] of state) {
    if (nic.configRead(fn, at, bytes) !== value) nic.configWrite(fn, at, bytes, value);
  }
}
