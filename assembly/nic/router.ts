// SPDX-License-Identifier: Apache-2.0
// Requests that reach the card: which register of which function, and what the access does. Functions, BARs and offsets
// come decoded from the host's region API, or are found here from an address or a routing id.
import {
  CAP_EXP,
  CAP_VIRTIO_PCI_CFG,
  DEVICE_BAR_OFFSET,
  EFFECT_BUS_MASTER,
  EFFECT_INTX,
  EFFECT_PCI_CFG_DATA,
  EFFECT_RESET,
  EFFECT_VF_ENABLE,
  EXT_CAP_SRIOV,
  ISR_BAR_OFFSET,
  MSIX_BAR,
  MSIX_BAR_BYTES,
  NOTIFY_BAR_OFFSET,
  OWNER_NOTIFY_BAR_OFFSET,
  OWNER_NOTIFY_BYTES,
  VIRTIO_BAR,
  VIRTIO_BAR_BYTES,
} from '../abi/config_layout.ts';
import * as CTL from '../abi/control.ts';
import { C_UNSUPPORTED_REQUEST, FC_IGNORED_WRITES } from '../abi/counter.ts';
import * as FN from '../abi/function.ts';
import * as CFG from '../abi/nic_config.ts';
import { PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_CED, PCI_EXP_DEVSTA_NFED, PCI_EXP_DEVSTA_URD } from '../abi/pci_express.ts';
import { PCI_BASE_ADDRESS_0 } from '../abi/pci_header.ts';
import { PCI_SRIOV_BAR, PCI_SRIOV_SYS_PGSIZE } from '../abi/pci_sriov.ts';
import * as INBOUND from '../abi/inbound.ts';
import * as PROFILE from '../abi/profile.ts';
import { INBOUND_RING } from '../abi/state_map.ts';
import { NONE } from '../abi/state_value.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_DEV } from '../abi/virtio_admin.ts';
import { VIRTIO_NET_CFG_SIZE } from '../abi/virtio_net.ts';
import {
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_CAP_PCI_CFG_DATA,
} from '../abi/virtio_pci_cap.ts';
import { COMMON_SIZE } from '../abi/virtio_pci_common.ts';
import { config, count, countFn, functionAt, loadSized } from '../mem/arena.ts';
import { isTracing } from '../sim/trace.ts';
import { traceRegister } from '../virtio/state_trace.ts';
import { isConfigAccess, readConfig, writeConfig } from '../pci/config_space.ts';
import { flushPending, readMsixBar, writeMsixBar } from '../pci/msix.ts';
import { resumeReads } from '../pcie/requests.ts';
import { writeCommon } from '../virtio/common_cfg.ts';
import { updateIntx } from '../virtio/interrupt.ts';
import { kick, visitQueues } from '../virtio/notify.ts';
import { applyVfEnable, resetFunction } from './lifecycle.ts';
import { applyDeviceEffects } from './device_effects.ts';

/** What a read gets that nobody answers. */
const ALL_ONES: u32 = 0xffffffff;

/**
 * Completes a request as Unsupported Request: counted, and noted in the function's Device Status (PCIe 6.0 §7.5.3.5). The
 * completion tells the requester of a non-posted request, so the error is an advisory one, correctable (§6.2.3.2.4.1);
 * of a posted request nobody else knows.
 */
function refuse(f: usize, isPosted: bool): void {
  count(C_UNSUPPORTED_REQUEST);
  const status = f + FN.CONFIG + CAP_EXP + PCI_EXP_DEVSTA;
  const bits = <u16>(PCI_EXP_DEVSTA_URD | (isPosted ? PCI_EXP_DEVSTA_NFED : PCI_EXP_DEVSTA_CED));
  if (load<u8>(f, FN.PRESENT) != 0) store<u16>(status, load<u16>(status) | bits);
}

function unsupported(f: usize, size: u32): u32 {
  refuse(f, false);
  return size == 4 ? ALL_ONES : (1 << (size << 3)) - 1;
}

/** Memory read of 1, 2 or 4 naturally aligned bytes in a BAR; all ones if the function does not decode memory. */
export function readMemoryRegister(f: usize, bar: u32, offset: u32, size: u32): u32 {
  if (load<u8>(f, FN.MEMORY) == 0) return unsupported(f, size);
  if (bar == VIRTIO_BAR) {
    if (offset < <u32>COMMON_SIZE) return loadSized(f + FN.COMMON + offset, size);
    if (offset == ISR_BAR_OFFSET) {
      const isr = load<u8>(f, FN.ISR);
      store<u8>(f, 0, FN.ISR);
      updateIntx(f);
      return isr;
    }
    const inDevice = offset - DEVICE_BAR_OFFSET;
    if (inDevice < <u32>VIRTIO_NET_CFG_SIZE) {
      store<u8>(f, 1, FN.CONFIG_READ);
      return loadSized(f + FN.DEVICE_CFG + inDevice, size);
    }
    return offset < <u32>VIRTIO_BAR_BYTES ? 0 : unsupported(f, size);
  }
  if (bar == MSIX_BAR && offset < <u32>MSIX_BAR_BYTES) return readMsixBar(f, offset, size);
  return unsupported(f, size);
}

/** Memory write of 1, 2 or 4 naturally aligned bytes in a BAR; `issued` is when the host sent it. */
export function writeMemoryRegister(f: usize, bar: u32, offset: u32, size: u32, value: u32, issued: u64): void {
  if (load<u8>(f, FN.MEMORY) == 0) {
    refuse(f, true);
    return;
  }
  if (bar == VIRTIO_BAR) {
    if (offset < <u32>COMMON_SIZE) applyDeviceEffects(f, writeCommon(f, offset, size, value));
    else if (offset >= <u32>NOTIFY_BAR_OFFSET && offset < <u32>VIRTIO_BAR_BYTES && size >= 2)
      kick(f, value & 0xffff, issued);
    else if (!kickMember(f, offset, size, value, issued)) countFn(f, FC_IGNORED_WRITES);
  } else if (bar == MSIX_BAR && offset < <u32>MSIX_BAR_BYTES) {
    writeMsixBar(f, offset, size, value);
  } else {
    refuse(f, true);
  }
}

/** A doorbell of a VF in the owner's BAR, where LEGACY_NOTIFY_INFO sent its driver; false if there is none. */
function kickMember(f: usize, offset: u32, size: u32, value: u32, issued: u64): bool {
  const place = offset - OWNER_NOTIFY_BAR_OFFSET;
  if (load<u32>(f, FN.INDEX) != 0 || place >= <u32>OWNER_NOTIFY_BYTES || size != 2) return false;
  const member = (place >> 1) + 1;
  if (member > load<u32>(CTL.NUM_VFS)) return false;
  const vf = functionAt(member);
  if (load<u8>(vf, FN.PROFILE + PROFILE.NOTIFY) != VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_DEV) return false;
  kick(vf, value, issued);
  return true;
}

/** A posted host write reaches its register. */
export function arriveWrite(slot: u32): void {
  const at: usize = INBOUND_RING + slot * INBOUND.SLOT_BYTES;
  store<u32>(CTL.INBOUND_TAIL, load<u32>(CTL.INBOUND_TAIL) + 1);
  const f = functionAt(load<u32>(at, INBOUND.FUNCTION));
  const bar = load<u32>(at, INBOUND.BAR);
  const offset = load<u32>(at, INBOUND.OFFSET);
  const size = load<u32>(at, INBOUND.SIZE);
  const value = load<u32>(at, INBOUND.VALUE);
  if (isTracing(TRACE.MASK_STATE)) traceRegister(f, bar, offset, size, value, true);
  writeMemoryRegister(f, bar, offset, size, value, load<u64>(at, INBOUND.ISSUED));
}

/** Configuration read; all ones if no such function is there. */
export function readConfigRegister(f: usize, offset: u32, size: u32): u32 {
  if (load<u8>(f, FN.PRESENT) == 0 || !isConfigAccess(offset, size)) return unsupported(f, size);
  if (offset - (CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_PCI_CFG_DATA) < 4) readThroughWindow(f);
  return readConfig(f, offset, size);
}

export function writeConfigRegister(f: usize, offset: u32, size: u32, value: u32, issued: u64): void {
  if (load<u8>(f, FN.PRESENT) == 0 || !isConfigAccess(offset, size)) {
    refuse(f, false);
    return;
  }
  const effects = writeConfig(f, offset, size, value);
  if (effects == 0) return;
  if ((effects & EFFECT_RESET) != 0) {
    resetFunction(f);
    return;
  }
  if ((effects & EFFECT_VF_ENABLE) != 0) applyVfEnable();
  if ((effects & EFFECT_BUS_MASTER) != 0) {
    flushPending(f);
    resumeReads(f);
    visitQueues(f);
  }
  if ((effects & EFFECT_INTX) != 0) updateIntx(f);
  if ((effects & EFFECT_PCI_CFG_DATA) != 0) writeThroughWindow(f, issued);
}

// ---- the PCI_CFG capability: access to a BAR through configuration space (virtio 1.4 §4.1.4.9) ----------------------

/** Is the window set to 1, 2 or 4 aligned bytes of a BAR? */
function isWindowValid(cap: usize): bool {
  const length = load<u32>(cap, VIRTIO_PCI_CAP_LENGTH);
  const offset = load<u32>(cap, VIRTIO_PCI_CAP_OFFSET);
  return (length == 1 || length == 2 || length == 4) && (offset & (length - 1)) == 0;
}

function readThroughWindow(f: usize): void {
  const cap = f + FN.CONFIG + CAP_VIRTIO_PCI_CFG;
  if (!isWindowValid(cap)) return;
  const length = load<u32>(cap, VIRTIO_PCI_CAP_LENGTH);
  const value = readMemoryRegister(f, load<u8>(cap, VIRTIO_PCI_CAP_BAR), load<u32>(cap, VIRTIO_PCI_CAP_OFFSET), length);
  store<u32>(cap, value, VIRTIO_PCI_CAP_PCI_CFG_DATA);
}

function writeThroughWindow(f: usize, issued: u64): void {
  const cap = f + FN.CONFIG + CAP_VIRTIO_PCI_CFG;
  if (!isWindowValid(cap)) return;
  const length = load<u32>(cap, VIRTIO_PCI_CAP_LENGTH);
  const data = loadSized(cap + VIRTIO_PCI_CAP_PCI_CFG_DATA, length);
  const bar = load<u8>(cap, VIRTIO_PCI_CAP_BAR);
  writeMemoryRegister(f, bar, load<u32>(cap, VIRTIO_PCI_CAP_OFFSET), length, data, issued);
}

// ---- routing ------------------------------------------------------------------------------------------------------------

/** Function with this routing id that answers on the bus, NONE if there is none. */
export function functionByRoutingId(routingId: u32): u32 {
  const pf = functionAt(0);
  if (routingId == load<u32>(pf, FN.ROUTING_ID)) return 0;
  const totalVfs = config(CFG.TOTAL_VFS);
  for (let fn: u32 = 1; fn <= totalVfs; fn++) {
    const f = functionAt(fn);
    if (load<u32>(f, FN.ROUTING_ID) == routingId) return load<u8>(f, FN.PRESENT) != 0 ? fn : NONE;
  }
  return NONE;
}

/**
 * Finds the function and BAR that claim a memory address. Returns function << 3 | bar, or NONE; the offset in the BAR is
 * left in CTL.DECODED_OFFSET.
 */
export function decodeAddress(address: u64): u32 {
  const pf = functionAt(0);
  for (let bar: u32 = 0; bar < 6; bar += 2) {
    const bytes = barBytes(bar);
    if (bytes == 0) continue;
    const base = load<u64>(pf + FN.CONFIG + PCI_BASE_ADDRESS_0 + (bar << 2)) & ~(<u64>15);
    if (load<u8>(pf, FN.MEMORY) != 0 && address - base < bytes) {
      store<u32>(CTL.DECODED_OFFSET, <u32>(address - base));
      return bar;
    }
    // VF BAR k of VF n lies at start + (n - 1) * share
    const sriov = pf + FN.CONFIG + EXT_CAP_SRIOV;
    const share = vfShare(bar);
    const start = load<u64>(sriov + PCI_SRIOV_BAR + (bar << 2)) & ~(<u64>15);
    const index = (address - start) / share;
    if (address < start || index >= config(CFG.TOTAL_VFS)) continue;
    const f = functionAt(<u32>index + 1);
    const offset = (address - start) % share;
    if (load<u8>(f, FN.PRESENT) == 0 || load<u8>(f, FN.MEMORY) == 0 || offset >= bytes) continue;
    store<u32>(CTL.DECODED_OFFSET, <u32>offset);
    return (load<u32>(f, FN.INDEX) << 3) | bar;
  }
  return NONE;
}

/** Bus address of a BAR of the function, as it is programmed; functions on demand lie behind the last VF, for the trace. */
export function barAddress(f: usize, bar: u32): u64 {
  const fn = load<u32>(f, FN.INDEX);
  if (fn == 0) return load<u64>(f + FN.CONFIG + PCI_BASE_ADDRESS_0 + (bar << 2)) & ~(<u64>15);
  const sriov = functionAt(0) + FN.CONFIG + EXT_CAP_SRIOV;
  return (load<u64>(sriov + PCI_SRIOV_BAR + (bar << 2)) & ~(<u64>15)) + <u64>(fn - 1) * vfShare(bar);
}

/** Bytes of a VF BAR that each VF has. */
function vfShare(bar: u32): u64 {
  const pages = <u64>load<u32>(functionAt(0) + FN.CONFIG + EXT_CAP_SRIOV, PCI_SRIOV_SYS_PGSIZE);
  return max<u64>(barBytes(bar), pages << 12);
}

function barBytes(bar: u32): u64 {
  return bar == VIRTIO_BAR ? VIRTIO_BAR_BYTES : bar == MSIX_BAR ? MSIX_BAR_BYTES : 0;
}
