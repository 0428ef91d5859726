// SPDX-License-Identifier: Apache-2.0
// Reset of a function, by FLR or on its way from D3hot to D0, VFs that come and go with VF Enable (PCIe 6.0 §6.6.2, §5.3.1.4,
// §9.2.1.2), functions that come on demand.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { NONE } from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import { EXT_CAP_SRIOV } from '../abi/config_layout.ts';
import { PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE, PCI_SRIOV_NUM_VF } from '../abi/pci_sriov.ts';
import { config, functionAt, functionCount } from '../mem/arena.ts';
import { resetConfigImage } from '../pci/config_image.ts';
import { updateDecode } from '../pci/config_space.ts';
import { resetMsix } from '../pci/msix.ts';
import { bindFunction } from '../host/address_space.ts';
import { forgetReads } from '../pcie/requests.ts';
import { resetDevice } from '../virtio/device_status.ts';
import { applyProfile } from './profile.ts';
import { applyDeviceEffects } from './device_effects.ts';

/** Reset of one function. The PF's takes all others away: VF Enable goes back to 0, and nobody manages those on demand. */
export function resetFunction(f: usize): void {
  applyDeviceEffects(f, resetDevice(f));
  forgetReads(f);
  resetMsix(f);
  resetConfigImage(f);
  store<u8>(f, 0, FN.MSIX_ENABLE);
  store<u8>(f, 0, FN.MSIX_MASKALL);
  updateDecode(f);
  if (f != functionAt(0)) return;
  applyVfEnable();
  const functions = functionCount();
  for (let fn = config(CFG.TOTAL_VFS) + 1; fn < functions; fn++) {
    const other = functionAt(fn);
    if (load<u8>(other, FN.PRESENT) == 0) continue;
    leave(other);
    store<u32>(other, NONE, FN.PASID);
  }
}

/** Brings the VFs into line with VF Enable, NumVFs and MSE of the PF. */
export function applyVfEnable(): void {
  const cap = functionAt(0) + FN.CONFIG + EXT_CAP_SRIOV;
  const isEnabled = (load<u16>(cap, PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE) != 0;
  const wanted = isEnabled ? <u32>load<u16>(cap, PCI_SRIOV_NUM_VF) : 0;
  store<u32>(CTL.NUM_VFS, wanted);
  const totalVfs = config(CFG.TOTAL_VFS);
  for (let fn: u32 = 1; fn <= totalVfs; fn++) {
    const f = functionAt(fn);
    const isPresent = load<u8>(f, FN.PRESENT) != 0;
    if (fn <= wanted && !isPresent) appear(f);
    else if (fn > wanted && isPresent) leave(f);
    else updateDecode(f);
  }
}

/** The function is there from now on, as its profile says. */
function appear(f: usize): void {
  if (load<u8>(f, FN.PROFILE_NEW) != 0) applyProfile(f);
  store<u8>(f, 1, FN.PRESENT);
  updateDecode(f);
}

/** The function stops and is gone; what it has put on the link may still be under way. */
export function leave(f: usize): void {
  resetFunction(f);
  store<u8>(f, 0, FN.PRESENT);
  updateDecode(f);
}

/** Brings a function on demand into being; its DMA carries `pasid`, unless that is NONE. */
export function createOnDemand(f: usize, pasid: u32): void {
  store<u32>(f, pasid, FN.PASID);
  appear(f);
}

/** Nothing of the function is under way any more: what it was given goes back. */
export function forgetOnDemand(f: usize): void {
  store<u32>(f, NONE, FN.PASID);
  const fn = load<u32>(f, FN.INDEX);
  bindFunction(fn, config(CFG.IDENTITY_DMA) != 0 ? fn : NONE);
}
