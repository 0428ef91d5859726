// SPDX-License-Identifier: Apache-2.0
// Access to configuration space: plain loads, masked stores, then side effects selected by overlap with the register
// (edges are computed from old and new before anything acts). What concerns layers above is returned as EFFECT_* bits.
import { CONFIG_SPACE_BYTES, PF_W1CMASK, PF_WMASK, VF_W1CMASK, VF_WMASK } from '../abi/state_map.ts';
import * as FN from '../abi/function.ts';
import { KIND_ON_DEMAND, KIND_PF } from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import {
  CAP_EXP,
  CAP_MSIX,
  CAP_PM,
  CAP_VIRTIO_PCI_CFG,
  EFFECT_BUS_MASTER,
  EFFECT_INTX,
  EFFECT_PCI_CFG_DATA,
  EFFECT_RESET,
  EFFECT_VF_ENABLE,
  EXT_CAP_SRIOV,
  MSIX_BAR,
  VIRTIO_BAR,
} from '../abi/config_layout.ts';
import {
  PCI_BASE_ADDRESS_MEM_FLAGS_MASK,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
} from '../abi/pci_header.ts';
import { PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, PCI_PM_D0, PCI_PM_D1, PCI_PM_D2, PCI_PM_D3HOT } from '../abi/pci_pm.ts';
import { PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, PCI_MSIX_FLAGS_MASKALL } from '../abi/pci_msix.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL2, PCI_EXP_DEVCTL_BCR_FLR, PCI_EXP_DEVSTA_TRPND } from '../abi/pci_express.ts';
import {
  PCI_SRIOV_BAR,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_CTRL_VF_10BIT_TAG,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_SYS_PGSIZE,
} from '../abi/pci_sriov.ts';
import { VIRTIO_PCI_CAP_PCI_CFG_DATA } from '../abi/virtio_pci_cap.ts';
import { config, functionAt, loadSized } from '../mem/arena.ts';
import { applyDeviceControl } from '../pcie/device_control.ts';
import { hasPendingReads } from '../pcie/tags.ts';
import { sizeVfBars } from './config_image.ts';
import { flushPending } from './msix.ts';

/** True if an access is 1, 2 or 4 bytes, naturally aligned, inside configuration space. */
export function isConfigAccess(offset: u32, size: u32): bool {
  return (size == 1 || size == 2 || size == 4) && (offset & (size - 1)) == 0 && offset < <u32>CONFIG_SPACE_BYTES;
}

export function readConfig(f: usize, offset: u32, size: u32): u32 {
  const value = loadSized(f + FN.CONFIG + offset, size);
  // the doubleword of Device Control and Device Status: Transactions Pending is not stored
  if ((offset & ~3) != <u32>(CAP_EXP + PCI_EXP_DEVCTL) || !hasPendingReads(f)) return value;
  const status: u32 = PCI_EXP_DEVSTA_TRPND << 16;
  return value | ((status >> ((offset & 3) << 3)) & (0xffffffff >> (32 - (size << 3))));
}

function overlaps(offset: u32, size: u32, register: u32, width: u32): bool {
  return offset < register + width && register < offset + size;
}

/** Masked write of 1, 2 or 4 aligned bytes; returns EFFECT_* bits. */
export function writeConfig(f: usize, offset: u32, size: u32, value: u32): u32 {
  const isPf = load<u32>(f, FN.INDEX) == 0;
  const c = f + FN.CONFIG;
  const oldCommand = load<u16>(c, PCI_COMMAND);
  const oldPower = load<u16>(c, CAP_PM + PCI_PM_CTRL);
  const oldNumVfs = load<u16>(c + EXT_CAP_SRIOV, PCI_SRIOV_NUM_VF);
  const oldControl = load<u16>(c + EXT_CAP_SRIOV, PCI_SRIOV_CTRL);
  const oldPageSize = load<u32>(c + EXT_CAP_SRIOV, PCI_SRIOV_SYS_PGSIZE);
  const wmask: usize = isPf ? PF_WMASK : VF_WMASK;
  const w1cmask: usize = isPf ? PF_W1CMASK : VF_W1CMASK;
  for (let i: u32 = 0; i < size; i++) {
    const at = offset + i;
    const byte = <u8>(value >> (i << 3));
    const mask = load<u8>(wmask + at);
    const old = load<u8>(c + at);
    store<u8>(c + at, (old & ~mask & ~(byte & load<u8>(w1cmask + at))) | (byte & mask));
  }

  let effects: u32 = 0;
  if (overlaps(offset, size, PCI_COMMAND, 2)) {
    const command = load<u16>(c, PCI_COMMAND);
    if (((command ^ oldCommand) & PCI_COMMAND_MASTER) != 0) effects |= EFFECT_BUS_MASTER;
    updateDecode(f);
    effects |= EFFECT_INTX;
  }
  if (overlaps(offset, size, CAP_PM + PCI_PM_CTRL, 2)) {
    // there is no D1 and no D2: a write of an unsupported state is discarded (PCI PM 1.2 §3.2.4)
    const state = load<u16>(c, CAP_PM + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK;
    if (state == PCI_PM_D1 || state == PCI_PM_D2) store<u16>(c, oldPower, CAP_PM + PCI_PM_CTRL);
    // with No_Soft_Reset clear the function comes back as from a reset of its own (PCIe 6.0 §5.3.1.4, §7.5.2.2)
    if (state == PCI_PM_D0 && (oldPower & PCI_PM_CTRL_STATE_MASK) == PCI_PM_D3HOT) effects |= EFFECT_RESET;
    updateDecode(f);
    effects |= EFFECT_BUS_MASTER;
  }
  if (overlaps(offset, size, CAP_MSIX + PCI_MSIX_FLAGS, 2)) {
    const flags = load<u16>(c, CAP_MSIX + PCI_MSIX_FLAGS);
    store<u8>(f, (flags & PCI_MSIX_FLAGS_ENABLE) != 0 ? 1 : 0, FN.MSIX_ENABLE);
    store<u8>(f, (flags & PCI_MSIX_FLAGS_MASKALL) != 0 ? 1 : 0, FN.MSIX_MASKALL);
    flushPending(f);
    effects |= EFFECT_INTX;
  }
  if (offset <= <u32>(CAP_EXP + PCI_EXP_DEVCTL + 1) && overlaps(offset, size, CAP_EXP + PCI_EXP_DEVCTL + 1, 1)) {
    const high = value >> ((CAP_EXP + PCI_EXP_DEVCTL + 1 - offset) << 3);
    if ((high & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) != 0) effects |= EFFECT_RESET;
  }
  if (overlaps(offset, size, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_PCI_CFG_DATA, 4)) effects |= EFFECT_PCI_CFG_DATA;
  if (isPf && overlaps(offset, size, CAP_EXP + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL2 + 2 - PCI_EXP_DEVCTL))
    applyDeviceControl();
  if (isPf && offset >= <u32>EXT_CAP_SRIOV)
    effects |= writeSriov(c + EXT_CAP_SRIOV, oldControl, oldNumVfs, oldPageSize);
  return effects;
}

/** The rules of the SR-IOV capability: what may not change while VF Enable is set keeps its value (PCIe 6.0 §9.3.3). */
function writeSriov(cap: usize, oldControl: u16, oldNumVfs: u16, oldPageSize: u32): u32 {
  const isEnabled = (oldControl & PCI_SRIOV_CTRL_VFE) != 0;
  const numVfs = load<u16>(cap, PCI_SRIOV_NUM_VF);
  if (isEnabled || numVfs > config(CFG.TOTAL_VFS)) store<u16>(cap, oldNumVfs, PCI_SRIOV_NUM_VF);
  const pageSize = load<u32>(cap, PCI_SRIOV_SYS_PGSIZE);
  if (pageSize != oldPageSize) {
    if (isEnabled || popcnt(pageSize) != 1) store<u32>(cap, oldPageSize, PCI_SRIOV_SYS_PGSIZE);
    else {
      sizeVfBars(pageSize);
      trimVfBar(cap, VIRTIO_BAR);
      trimVfBar(cap, MSIX_BAR);
    }
  }
  const control = load<u16>(cap, PCI_SRIOV_CTRL);
  if (((control ^ oldControl) & (PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_VF_10BIT_TAG)) != 0) applyDeviceControl();
  return ((control ^ oldControl) & (PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE)) != 0 ? EFFECT_VF_ENABLE : 0;
}

/** Address bits below the share of a VF read as zero, also those that were set while the page was smaller. */
function trimVfBar(cap: usize, bar: u32): void {
  const register = cap + PCI_SRIOV_BAR + (bar << 2);
  const mask = load<u32>(PF_WMASK + EXT_CAP_SRIOV + PCI_SRIOV_BAR + (bar << 2));
  store<u32>(register, load<u32>(register) & (mask | PCI_BASE_ADDRESS_MEM_FLAGS_MASK));
}

/**
 * Memory decode (Memory Enable of the PF, MSE of the PF for a VF; on demand: always) and bus mastering as the engines see
 * them; both are off outside D0.
 */
export function updateDecode(f: usize): void {
  const isD0 = (load<u16>(f, FN.CONFIG + CAP_PM + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK) == 0;
  let isOn: bool;
  const kind = load<u8>(f, FN.KIND);
  if (kind == KIND_PF) {
    isOn = (load<u16>(f, FN.CONFIG + PCI_COMMAND) & PCI_COMMAND_MEMORY) != 0;
  } else if (kind == KIND_ON_DEMAND) {
    isOn = load<u8>(f, FN.PRESENT) != 0;
  } else {
    const control = load<u16>(functionAt(0), FN.CONFIG + EXT_CAP_SRIOV + PCI_SRIOV_CTRL);
    const isEnabled = (control & PCI_SRIOV_CTRL_VFE) != 0 && (control & PCI_SRIOV_CTRL_MSE) != 0;
    isOn = isEnabled && load<u8>(f, FN.PRESENT) != 0; // a VF beyond NumVFs has no memory space
  }
  const isMaster = (load<u16>(f, FN.CONFIG + PCI_COMMAND) & PCI_COMMAND_MASTER) != 0;
  store<u8>(f, isOn && isD0 ? 1 : 0, FN.MEMORY);
  store<u8>(f, isMaster && isD0 ? 1 : 0, FN.BUS_MASTER);
}
