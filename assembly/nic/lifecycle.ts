// SPDX-License-Identifier: Apache-2.0
// Function level reset, and VFs that come and go with VF Enable (PCIe 6.0 §6.6.2, §9.2.1.2).
import { CTL_NUM_VFS, FN_CONFIG } from '../abi/state_map.ts';
import { FN_MSIX_ENABLE, FN_MSIX_MASKALL, FN_PRESENT } from '../abi/function_state.ts';
import { EXT_CAP_SRIOV } from '../abi/config_layout.ts';
import { PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE, PCI_SRIOV_NUM_VF } from '../abi/pci_sriov.ts';
import { functionAt, functionCount } from '../mem/arena.ts';
import { resetConfigImage } from '../pci/config_image.ts';
import { updateDecode } from '../pci/config_space.ts';
import { resetMsix } from '../pci/msix.ts';
import { resetDevice } from '../virtio/device_status.ts';

/** FLR of one function. The PF's takes its VFs away, because VF Enable goes back to 0. */
export function resetFunction(f: usize): void {
  resetDevice(f);
  resetMsix(f);
  resetConfigImage(f);
  store<u8>(f, 0, FN_MSIX_ENABLE);
  store<u8>(f, 0, FN_MSIX_MASKALL);
  updateDecode(f);
  if (f == functionAt(0)) applyVfEnable();
}

/** Brings the VFs into line with VF Enable, NumVFs and MSE of the PF. */
export function applyVfEnable(): void {
  const cap = functionAt(0) + FN_CONFIG + EXT_CAP_SRIOV;
  const isEnabled = (load<u16>(cap, PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE) != 0;
  const wanted = isEnabled ? <u32>load<u16>(cap, PCI_SRIOV_NUM_VF) : 0;
  store<u32>(CTL_NUM_VFS, wanted);
  const functions = functionCount();
  for (let fn: u32 = 1; fn < functions; fn++) {
    const f = functionAt(fn);
    const isPresent = load<u8>(f, FN_PRESENT) != 0;
    if (fn <= wanted && !isPresent) {
      store<u8>(f, 1, FN_PRESENT);
    } else if (fn > wanted && isPresent) {
      resetFunction(f);
      store<u8>(f, 0, FN_PRESENT);
    }
    updateDecode(f);
  }
}
