// SPDX-License-Identifier: Apache-2.0
// Configuration space as hardware shows it after reset: one image of 4 KiB a function, and write masks shared by all
// VFs (PCIe 6.0 §7.5, §9.3; virtio 1.4 §4.1.4). A VF answers FFFF as vendor and device id; filling these in is the
// host's business (src/vfio).
import { CONFIG_SPACE_BYTES, PF_W1CMASK, PF_WMASK, VF_W1CMASK, VF_WMASK } from '../abi/state_map.ts';
import * as FN from '../abi/function.ts';
import * as CFG from '../abi/nic_config.ts';
import {
  CAP_EXP,
  CAP_MSIX,
  CAP_PM,
  CAP_VIRTIO_COMMON,
  CAP_VIRTIO_DEVICE,
  CAP_VIRTIO_ISR,
  CAP_VIRTIO_NOTIFY,
  CAP_VIRTIO_PCI_CFG,
  COMMON_BAR_OFFSET,
  DEVICE_BAR_OFFSET,
  EXT_CAP_ARI,
  EXT_CAP_SRIOV,
  ISR_BAR_OFFSET,
  MSIX_BAR,
  MSIX_BAR_BYTES,
  MSIX_PBA_OFFSET,
  MSIX_TABLE_OFFSET,
  NOTIFY_BAR_OFFSET,
  NOTIFY_BYTES,
  NOTIFY_OFF_MULTIPLIER,
  SUBSYSTEM_ID,
  VIRTIO_BAR,
  VIRTIO_BAR_BYTES,
} from '../abi/config_layout.ts';
import {
  PCI_BASE_ADDRESS_2,
  PCI_BASE_ADDRESS_4,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_CACHE_LINE_SIZE,
  PCI_CAPABILITY_LIST,
  PCI_CLASS_DEVICE,
  PCI_CLASS_NETWORK_ETHERNET,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_WRITABLE,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_REVISION_ID,
  PCI_REVISION_VIRTIO,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STATUS_WRITE_ONE_CLEARS,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
  PCI_VF_ID_ALL_ONES,
} from '../abi/pci_header.ts';
import { PCI_CAP_ID_PM, PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, PCI_PM_PMC, PCI_PM_VERSION_1_2 } from '../abi/pci_pm.ts';
import {
  PCI_CAP_ID_MSIX,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_WRITABLE,
  PCI_MSIX_PBA,
  PCI_MSIX_TABLE,
} from '../abi/pci_msix.ts';
import {
  PCI_CAP_ID_EXP,
  PCI_EXP_DEVCAP,
  PCI_EXP_DEVCAP2,
  PCI_EXP_DEVCAP2_10BIT_TAG_COMP,
  PCI_EXP_DEVCAP2_10BIT_TAG_REQ,
  PCI_EXP_DEVCAP_EXT_TAG,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL2,
  PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN,
  PCI_EXP_DEVCTL_EXT_TAG,
  PCI_EXP_DEVCTL_PAYLOAD_MASK,
  PCI_EXP_DEVSTA,
  PCI_EXP_DEVSTA_WRITE_ONE_CLEARS,
  PCI_EXP_ENDPOINT_DEVCAP,
  PCI_EXP_ENDPOINT_DEVCAP2,
  PCI_EXP_ENDPOINT_DEVCTL,
  PCI_EXP_ENDPOINT_DEVCTL2_WRITABLE,
  PCI_EXP_ENDPOINT_DEVCTL_WRITABLE,
  PCI_EXP_ENDPOINT_FLAGS,
  PCI_EXP_ENDPOINT_LNKCTL_WRITABLE,
  PCI_EXP_FLAGS,
  PCI_EXP_LNKCAP,
  PCI_EXP_LNKCAP2,
  PCI_EXP_LNKCAP2_SPEEDS_SHIFT,
  PCI_EXP_LNKCAP_AOC,
  PCI_EXP_LNKCAP_MLW_SHIFT,
  PCI_EXP_LNKCTL,
  PCI_EXP_LNKCTL2,
  PCI_EXP_LNKCTL2_TLS_MASK,
  PCI_EXP_LNKSTA,
  PCI_EXP_SPEED_16GT,
  PCI_EXP_SPEED_8GT,
  PCI_EXP_TAGS_5BIT,
  PCI_EXP_TAGS_8BIT,
} from '../abi/pci_express.ts';
import { PCI_EXT_CAP_ID_ARI, PCI_EXT_CAP_VERSION_ARI } from '../abi/pci_ari.ts';
import {
  PCI_EXT_CAP_ID_SRIOV,
  PCI_EXT_CAP_VERSION_SRIOV,
  PCI_SRIOV_BAR,
  PCI_SRIOV_CAP,
  PCI_SRIOV_CAP_ARI_PRESERVED,
  PCI_SRIOV_CAP_VF_10BIT_TAG,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_ARI,
  PCI_SRIOV_CTRL_VF_10BIT_TAG,
  PCI_SRIOV_CTRL_WRITABLE,
  PCI_SRIOV_FUNC_LINK,
  PCI_SRIOV_INITIAL_VF,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_PGSIZE_4K,
  PCI_SRIOV_PGSIZE_REQUIRED,
  PCI_SRIOV_SUP_PGSIZE,
  PCI_SRIOV_SYS_PGSIZE,
  PCI_SRIOV_TOTAL_VF,
  PCI_SRIOV_VF_DID,
  PCI_SRIOV_VF_OFFSET,
  PCI_SRIOV_VF_STRIDE,
} from '../abi/pci_sriov.ts';
import {
  PCI_CAP_ID_VNDR,
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_CFG_TYPE,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_LEN,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER,
  VIRTIO_PCI_CAP_NOTIFY_SIZE,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_CAP_PCI_CFG_DATA,
  VIRTIO_PCI_CAP_PCI_CFG_SIZE,
  VIRTIO_PCI_CAP_SIZE,
} from '../abi/virtio_pci_cap.ts';
import { COMMON_SIZE, ISR_SIZE } from '../abi/virtio_pci_common.ts';
import { VIRTIO_NET_CFG_SIZE } from '../abi/virtio_net.ts';
import * as P from '../abi/timing_param.ts';
import { config, param } from '../mem/arena.ts';
import { applyDeviceControl } from '../pcie/device_control.ts';

/** Writes the image of one function as after power-on. */
export function writeConfigImage(f: usize): void {
  const isPf = load<u32>(f, FN.INDEX) == 0;
  const c = f + FN.CONFIG;
  memory.fill(c, 0, CONFIG_SPACE_BYTES);
  store<u16>(c, isPf ? <u16>PCI_VENDOR_ID_VIRTIO : <u16>PCI_VF_ID_ALL_ONES, PCI_VENDOR_ID);
  store<u16>(c, isPf ? <u16>PCI_DEVICE_ID_VIRTIO_NET : <u16>PCI_VF_ID_ALL_ONES, PCI_DEVICE_ID);
  store<u16>(c, PCI_STATUS_CAP_LIST, PCI_STATUS);
  store<u8>(c, PCI_REVISION_VIRTIO, PCI_REVISION_ID);
  store<u16>(c, PCI_CLASS_NETWORK_ETHERNET, PCI_CLASS_DEVICE);
  store<u16>(c, PCI_VENDOR_ID_VIRTIO, PCI_SUBSYSTEM_VENDOR_ID);
  store<u16>(c, SUBSYSTEM_ID, PCI_SUBSYSTEM_ID);
  store<u8>(c, CAP_PM, PCI_CAPABILITY_LIST);
  if (isPf) {
    store<u32>(c, PCI_BASE_ADDRESS_MEM_TYPE_64, PCI_BASE_ADDRESS_2);
    store<u32>(c, PCI_BASE_ADDRESS_MEM_TYPE_64, PCI_BASE_ADDRESS_4);
    store<u8>(c, 1, PCI_INTERRUPT_PIN);
  }
  powerManagement(c + CAP_PM);
  msix(c + CAP_MSIX, load<u32>(f, FN.VECTORS));
  express(c + CAP_EXP, isPf);
  virtioCap(c + CAP_VIRTIO_COMMON, CAP_VIRTIO_NOTIFY, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_BAR_OFFSET, COMMON_SIZE);
  virtioCap(c + CAP_VIRTIO_NOTIFY, CAP_VIRTIO_ISR, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_BAR_OFFSET, NOTIFY_BYTES);
  store<u8>(c, VIRTIO_PCI_CAP_NOTIFY_SIZE, CAP_VIRTIO_NOTIFY + VIRTIO_PCI_CAP_LEN);
  store<u32>(c, NOTIFY_OFF_MULTIPLIER, CAP_VIRTIO_NOTIFY + VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER);
  virtioCap(c + CAP_VIRTIO_ISR, CAP_VIRTIO_DEVICE, VIRTIO_PCI_CAP_ISR_CFG, ISR_BAR_OFFSET, ISR_SIZE);
  virtioCap(
    c + CAP_VIRTIO_DEVICE,
    CAP_VIRTIO_PCI_CFG,
    VIRTIO_PCI_CAP_DEVICE_CFG,
    DEVICE_BAR_OFFSET,
    VIRTIO_NET_CFG_SIZE,
  );
  virtioCap(c + CAP_VIRTIO_PCI_CFG, 0, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
  store<u8>(c, VIRTIO_PCI_CAP_PCI_CFG_SIZE, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_LEN);
  store<u8>(c, 0, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_BAR);
  extendedHeader(c + EXT_CAP_ARI, PCI_EXT_CAP_ID_ARI, PCI_EXT_CAP_VERSION_ARI, isPf ? EXT_CAP_SRIOV : 0);
  if (!isPf) return;
  sriov(c + EXT_CAP_SRIOV);
  applyDeviceControl();
}

/**
 * A function level reset of configuration space: as after power-on, but for what belongs to the link or the hierarchy,
 * which only the PF has (PCIe 6.0 §6.6.2): Max_Payload_Size, all of Link Control that can be written, the target speed
 * of Link Control 2, which is sticky, and ARI Capable Hierarchy.
 */
export function resetConfigImage(f: usize): void {
  const c = f + FN.CONFIG;
  const payload = load<u16>(c, CAP_EXP + PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_PAYLOAD_MASK;
  const link = load<u16>(c, CAP_EXP + PCI_EXP_LNKCTL);
  const link2 = load<u16>(c, CAP_EXP + PCI_EXP_LNKCTL2);
  const hierarchy = load<u16>(c, EXT_CAP_SRIOV + PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_ARI;
  writeConfigImage(f);
  if (load<u32>(f, FN.INDEX) != 0) return;
  store<u16>(c, load<u16>(c, CAP_EXP + PCI_EXP_DEVCTL) | payload, CAP_EXP + PCI_EXP_DEVCTL);
  store<u16>(c, link, CAP_EXP + PCI_EXP_LNKCTL);
  store<u16>(c, link2, CAP_EXP + PCI_EXP_LNKCTL2);
  store<u16>(c, hierarchy, EXT_CAP_SRIOV + PCI_SRIOV_CTRL);
  applyDeviceControl();
}

function powerManagement(cap: usize): void {
  store<u8>(cap, PCI_CAP_ID_PM);
  store<u8>(cap, CAP_MSIX, 1);
  store<u16>(cap, PCI_PM_VERSION_1_2, PCI_PM_PMC);
}

function msix(cap: usize, vectors: u32): void {
  store<u8>(cap, PCI_CAP_ID_MSIX);
  store<u8>(cap, CAP_EXP, 1);
  showVectors(cap, vectors);
  store<u32>(cap, MSIX_TABLE_OFFSET | MSIX_BAR, PCI_MSIX_TABLE);
  store<u32>(cap, MSIX_PBA_OFFSET | MSIX_BAR, PCI_MSIX_PBA);
}

/** Table size in the MSI-X capability; MSI-X is off. */
export function showVectors(cap: usize, vectors: u32): void {
  store<u16>(cap, <u16>(vectors - 1), PCI_MSIX_FLAGS);
}

/** Control and status of the link and the payload size of a VF are the PF's; its own registers read 0 (PCIe 6.0 §9.3.5). */
function express(cap: usize, isPf: bool): void {
  const speed = linkSpeed();
  const link = speed | (param(P.LINK_LANES) << PCI_EXP_LNKCAP_MLW_SHIFT);
  const payload = ctz(param(P.MPS)) - 7; // 128 << n bytes
  let devcap: u32 = PCI_EXP_ENDPOINT_DEVCAP | payload;
  if (param(P.TAGS) > <u32>PCI_EXP_TAGS_5BIT) devcap |= PCI_EXP_DEVCAP_EXT_TAG;
  let devcap2: u32 = PCI_EXP_ENDPOINT_DEVCAP2;
  // who runs at 16 GT/s completes requests with 10-bit tags; VFs have their requester's bit in the SR-IOV capability
  if (speed >= <u32>PCI_EXP_SPEED_16GT || hasWideTags()) devcap2 |= PCI_EXP_DEVCAP2_10BIT_TAG_COMP;
  if (isPf && hasWideTags()) devcap2 |= PCI_EXP_DEVCAP2_10BIT_TAG_REQ;
  store<u8>(cap, PCI_CAP_ID_EXP);
  store<u8>(cap, CAP_VIRTIO_COMMON, 1);
  store<u16>(cap, PCI_EXP_ENDPOINT_FLAGS, PCI_EXP_FLAGS);
  store<u32>(cap, devcap, PCI_EXP_DEVCAP);
  store<u16>(cap, isPf ? PCI_EXP_ENDPOINT_DEVCTL : 0, PCI_EXP_DEVCTL);
  store<u32>(cap, link | PCI_EXP_LNKCAP_AOC, PCI_EXP_LNKCAP);
  store<u16>(cap, isPf ? <u16>link : 0, PCI_EXP_LNKSTA);
  store<u32>(cap, devcap2, PCI_EXP_DEVCAP2);
  store<u32>(cap, ((1 << speed) - 1) << PCI_EXP_LNKCAP2_SPEEDS_SHIFT, PCI_EXP_LNKCAP2); // this and all below
  store<u16>(cap, isPf ? <u16>speed : 0, PCI_EXP_LNKCTL2);
}

/** Speed code of the link; a wire that is no PCIe shows itself as that of the default profile, 8 GT/s. */
function linkSpeed(): u32 {
  const generation = param(P.LINK_GENERATION);
  return generation == 0 ? PCI_EXP_SPEED_8GT : generation;
}

/** Has the card more requests under way than 8-bit tags tell apart? */
function hasWideTags(): bool {
  return param(P.TAGS) > <u32>PCI_EXP_TAGS_8BIT;
}

function virtioCap(cap: usize, next: u32, cfgType: u32, offset: u32, length: u32): void {
  store<u8>(cap, PCI_CAP_ID_VNDR);
  store<u8>(cap, <u8>next, 1);
  store<u8>(cap, VIRTIO_PCI_CAP_SIZE, VIRTIO_PCI_CAP_LEN);
  store<u8>(cap, <u8>cfgType, VIRTIO_PCI_CAP_CFG_TYPE);
  store<u8>(cap, VIRTIO_BAR, VIRTIO_PCI_CAP_BAR);
  store<u32>(cap, offset, VIRTIO_PCI_CAP_OFFSET);
  store<u32>(cap, length, VIRTIO_PCI_CAP_LENGTH);
}

function extendedHeader(cap: usize, id: u32, version: u32, next: u32): void {
  store<u32>(cap, id | (version << 16) | (next << 20));
}

function sriov(cap: usize): void {
  extendedHeader(cap, PCI_EXT_CAP_ID_SRIOV, PCI_EXT_CAP_VERSION_SRIOV, 0);
  const total = <u16>config(CFG.TOTAL_VFS);
  store<u32>(cap, PCI_SRIOV_CAP_ARI_PRESERVED | (hasWideTags() ? PCI_SRIOV_CAP_VF_10BIT_TAG : 0), PCI_SRIOV_CAP);
  store<u16>(cap, total, PCI_SRIOV_INITIAL_VF);
  store<u16>(cap, total, PCI_SRIOV_TOTAL_VF);
  store<u8>(cap, <u8>config(CFG.PF_ROUTING_ID), PCI_SRIOV_FUNC_LINK); // depends on itself alone
  store<u16>(cap, <u16>config(CFG.FIRST_VF_OFFSET), PCI_SRIOV_VF_OFFSET);
  store<u16>(cap, <u16>config(CFG.VF_STRIDE), PCI_SRIOV_VF_STRIDE);
  store<u16>(cap, PCI_DEVICE_ID_VIRTIO_NET, PCI_SRIOV_VF_DID);
  store<u32>(cap, PCI_SRIOV_PGSIZE_REQUIRED, PCI_SRIOV_SUP_PGSIZE);
  store<u32>(cap, PCI_SRIOV_PGSIZE_4K, PCI_SRIOV_SYS_PGSIZE);
  // VF BAR0 stays zero: legacy access goes through the owner (ADM-LEG-17)
  store<u32>(cap, PCI_BASE_ADDRESS_MEM_TYPE_64, PCI_SRIOV_BAR + (VIRTIO_BAR << 2));
  store<u32>(cap, PCI_BASE_ADDRESS_MEM_TYPE_64, PCI_SRIOV_BAR + (MSIX_BAR << 2));
  sizeVfBars(PCI_SRIOV_PGSIZE_4K);
}

/** Sets the size masks of the VF BARs: each VF's share is a multiple of the system page (PCIe 6.0 §9.3.3.15). */
export function sizeVfBars(systemPageSize: u32): void {
  const page = systemPageSize << 12;
  const mask: usize = PF_WMASK + EXT_CAP_SRIOV + PCI_SRIOV_BAR;
  store<u32>(mask, ~(max(page, VIRTIO_BAR_BYTES) - 1), VIRTIO_BAR << 2);
  store<u32>(mask, 0xffffffff, (VIRTIO_BAR << 2) + 4);
  store<u32>(mask, ~(max(page, MSIX_BAR_BYTES) - 1), MSIX_BAR << 2);
  store<u32>(mask, 0xffffffff, (MSIX_BAR << 2) + 4);
}

/** Fills the write masks; called once at creation. */
export function initConfigMasks(): void {
  memory.fill(PF_WMASK, 0, CONFIG_SPACE_BYTES * 4);
  store<u16>(PF_WMASK, PCI_COMMAND_WRITABLE, PCI_COMMAND);
  store<u16>(VF_WMASK, PCI_COMMAND_MASTER, PCI_COMMAND);
  store<u8>(PF_WMASK, 0xff, PCI_CACHE_LINE_SIZE);
  store<u8>(PF_WMASK, 0xff, PCI_INTERRUPT_LINE);
  store<u32>(PF_WMASK, ~(VIRTIO_BAR_BYTES - 1), PCI_BASE_ADDRESS_2);
  store<u32>(PF_WMASK, 0xffffffff, PCI_BASE_ADDRESS_2 + 4);
  store<u32>(PF_WMASK, ~(MSIX_BAR_BYTES - 1), PCI_BASE_ADDRESS_4);
  store<u32>(PF_WMASK, 0xffffffff, PCI_BASE_ADDRESS_4 + 4);
  maskBoth(PF_WMASK, PF_W1CMASK);
  maskBoth(VF_WMASK, VF_W1CMASK);
  // link and payload settings of VFs are those of the PF (PCIe 6.0 §9.3.5.4)
  const extTag = param(P.TAGS) > <u32>PCI_EXP_TAGS_5BIT ? 0 : PCI_EXP_DEVCTL_EXT_TAG;
  store<u16>(PF_WMASK, PCI_EXP_ENDPOINT_DEVCTL_WRITABLE & ~extTag, CAP_EXP + PCI_EXP_DEVCTL);
  store<u16>(PF_WMASK, PCI_EXP_ENDPOINT_LNKCTL_WRITABLE, CAP_EXP + PCI_EXP_LNKCTL);
  const wideTag = hasWideTags() ? PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN : 0;
  store<u16>(PF_WMASK, <u16>(PCI_EXP_ENDPOINT_DEVCTL2_WRITABLE | wideTag), CAP_EXP + PCI_EXP_DEVCTL2);
  store<u16>(PF_WMASK, PCI_EXP_LNKCTL2_TLS_MASK, CAP_EXP + PCI_EXP_LNKCTL2);
  const sriovMask: usize = PF_WMASK + EXT_CAP_SRIOV;
  const vfWideTag = hasWideTags() ? PCI_SRIOV_CTRL_VF_10BIT_TAG : 0;
  store<u16>(sriovMask, <u16>(PCI_SRIOV_CTRL_WRITABLE | vfWideTag), PCI_SRIOV_CTRL);
  store<u16>(sriovMask, 0xffff, PCI_SRIOV_NUM_VF);
  store<u32>(sriovMask, PCI_SRIOV_PGSIZE_REQUIRED, PCI_SRIOV_SYS_PGSIZE);
  sizeVfBars(PCI_SRIOV_PGSIZE_4K);
}

function maskBoth(wmask: usize, w1cmask: usize): void {
  store<u16>(w1cmask, PCI_STATUS_WRITE_ONE_CLEARS, PCI_STATUS);
  store<u16>(wmask, PCI_PM_CTRL_STATE_MASK, CAP_PM + PCI_PM_CTRL);
  store<u16>(wmask, PCI_MSIX_FLAGS_WRITABLE, CAP_MSIX + PCI_MSIX_FLAGS);
  store<u16>(w1cmask, PCI_EXP_DEVSTA_WRITE_ONE_CLEARS, CAP_EXP + PCI_EXP_DEVSTA);
  store<u8>(wmask, 0xff, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_BAR);
  store<u32>(wmask, 0xffffffff, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_OFFSET);
  store<u32>(wmask, 0xffffffff, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_LENGTH);
  store<u32>(wmask, 0xffffffff, CAP_VIRTIO_PCI_CFG + VIRTIO_PCI_CAP_PCI_CFG_DATA);
}
