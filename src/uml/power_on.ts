// SPDX-License-Identifier: Apache-2.0
// A function as after power-on, for the next kernel.
import { CAP_EXP, CAP_PM } from '../../assembly/abi/config_layout.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR } from '../../assembly/abi/pci_express.ts';
import { PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK } from '../../assembly/abi/pci_pm.ts';
import type { Nic } from '../device/nic.ts';
import { restoreState, type SavedState } from '../vfio/saved_state.ts';

/**
 * Resets a function; a VF that is not there has nothing to reset. `atPowerOn` is what a function level reset leaves alone,
 * as it was before anybody enumerated the function.
 */
export function powerOn(nic: Nic, fn: number, atPowerOn: SavedState): void {
  if (!nic.isPresent(fn)) return;
  const power = nic.configRead(fn, CAP_PM + PCI_PM_CTRL, 2);
  if ((power & PCI_PM_CTRL_STATE_MASK) !== 0) {
    nic.configWrite(fn, CAP_PM + PCI_PM_CTRL, 2, power & ~PCI_PM_CTRL_STATE_MASK);
  }
  const control = nic.configRead(fn, CAP_EXP + PCI_EXP_DEVCTL, 2);
  nic.configWrite(fn, CAP_EXP + PCI_EXP_DEVCTL, 2, control | PCI_EXP_DEVCTL_BCR_FLR);
  restoreState(nic, fn, atPowerOn);
}
