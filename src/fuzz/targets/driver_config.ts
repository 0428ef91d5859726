// SPDX-License-Identifier: Apache-2.0
// Configuration space of a function under the control of an attacker: before any lie it is that of a virtio-net PF or VF
// with four virtio structures in BAR2, MSI-X in BAR4 and, for the PF, SR-IOV.
import { PCI_CAP_ID_EXP, PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR } from '../../../assembly/abi/pci_express.ts';
import {
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL,
  PCI_EXT_CAP_START,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_SUBSYSTEM_ID,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
} from '../../../assembly/abi/pci_header.ts';
import { PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS } from '../../../assembly/abi/pci_msix.ts';
import {
  PCI_EXT_CAP_ID_SRIOV,
  PCI_SRIOV_BAR,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_INITIAL_VF,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_SUP_PGSIZE,
  PCI_SRIOV_SYS_PGSIZE,
  PCI_SRIOV_TOTAL_VF,
  PCI_SRIOV_VF_OFFSET,
  PCI_SRIOV_VF_STRIDE,
} from '../../../assembly/abi/pci_sriov.ts';
import { VIRTIO_ID_NET } from '../../../assembly/abi/virtio_net.ts';
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
} from '../../../assembly/abi/virtio_pci_cap.ts';
import { COMMON_SIZE } from '../../../assembly/abi/virtio_pci_common.ts';

/** Who drives the function. */
export type FunctionKind = 'pf' | 'vf' | 'legacy';

/** Where the virtio structures lie in BAR2. */
export const REGISTER_BAR = 2;
export const REGISTER_BAR_BYTES = 0x2000;
export const COMMON_AT = 0;
export const ISR_AT = 0x80;
export const DEVICE_CONFIG_AT = 0x100;
export const NOTIFY_AT = 0x1000;
export const NOTIFY_MULTIPLIER = 4;

export const MSIX_VECTORS = 8;
export const TOTAL_VFS = 4;
const VF_BAR_BYTES = 0x4000;
const EXPRESS_AT = 0x40;
const MSIX_AT = 0x7c;
const FIRST_VIRTIO_CAP = 0x90;
const VIRTIO_CAP_BYTES = 0x14;

/** The 4096 bytes of a function. */
export function configurationOf(kind: FunctionKind): Uint8Array {
  const bytes = new Uint8Array(PCI_CFG_SPACE_EXP_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(PCI_VENDOR_ID, PCI_VENDOR_ID_VIRTIO, true);
  view.setUint16(
    PCI_DEVICE_ID,
    kind === 'legacy' ? PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL : PCI_DEVICE_ID_VIRTIO_NET,
    true,
  );
  view.setUint16(PCI_SUBSYSTEM_ID, VIRTIO_ID_NET, true);
  view.setUint16(PCI_STATUS, PCI_STATUS_CAP_LIST, true);
  const chain = [EXPRESS_AT, MSIX_AT];
  capability(view, EXPRESS_AT, PCI_CAP_ID_EXP);
  view.setUint32(EXPRESS_AT + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR, true);
  capability(view, MSIX_AT, PCI_CAP_ID_MSIX);
  view.setUint16(MSIX_AT + PCI_MSIX_FLAGS, MSIX_VECTORS - 1, true);
  const structures: readonly (readonly [number, number, number])[] = [
    [VIRTIO_PCI_CAP_COMMON_CFG, COMMON_AT, COMMON_SIZE],
    [VIRTIO_PCI_CAP_ISR_CFG, ISR_AT, 4],
    [VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_CONFIG_AT, 0x40],
    [VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_AT, REGISTER_BAR_BYTES - NOTIFY_AT],
  ];
  structures.forEach(([type, offset, length], i) => {
    const at = FIRST_VIRTIO_CAP + i * VIRTIO_CAP_BYTES;
    chain.push(at);
    capability(view, at, PCI_CAP_ID_VNDR);
    view.setUint8(at + VIRTIO_PCI_CAP_LEN, VIRTIO_PCI_CAP_NOTIFY_SIZE);
    view.setUint8(at + VIRTIO_PCI_CAP_CFG_TYPE, type);
    view.setUint8(at + VIRTIO_PCI_CAP_BAR, REGISTER_BAR);
    view.setUint32(at + VIRTIO_PCI_CAP_OFFSET, offset, true);
    view.setUint32(at + VIRTIO_PCI_CAP_LENGTH, length, true);
    const isNotify = type === VIRTIO_PCI_CAP_NOTIFY_CFG;
    if (isNotify) view.setUint32(at + VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER, NOTIFY_MULTIPLIER, true);
  });
  view.setUint8(PCI_CAPABILITY_LIST, chain[0]!);
  chain.forEach((at, i) => view.setUint8(at + 1, chain[i + 1] ?? 0));
  if (kind === 'pf') sriov(view);
  return bytes;
}

function capability(view: DataView, at: number, id: number): void {
  view.setUint8(at, id);
}

function sriov(view: DataView): void {
  const at = PCI_EXT_CAP_START;
  view.setUint32(at, PCI_EXT_CAP_ID_SRIOV | (1 << 16), true);
  view.setUint16(at + PCI_SRIOV_INITIAL_VF, TOTAL_VFS, true);
  view.setUint16(at + PCI_SRIOV_TOTAL_VF, TOTAL_VFS, true);
  view.setUint16(at + PCI_SRIOV_VF_OFFSET, 1, true);
  view.setUint16(at + PCI_SRIOV_VF_STRIDE, 1, true);
  view.setUint32(at + PCI_SRIOV_SUP_PGSIZE, 1, true);
  view.setUint32(at + PCI_SRIOV_BAR, PCI_BASE_ADDRESS_MEM_TYPE_64, true);
}

/** Writes what the driver may write, as the hardware would; the rest of configuration space stays as it is. */
export function writeConfiguration(bytes: Uint8Array, kind: FunctionKind, offset: number, value: number): void {
  const view = new DataView(bytes.buffer);
  if (offset === PCI_COMMAND) {
    view.setUint16(PCI_COMMAND, value & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), true);
  }
  if (kind !== 'pf' || offset < PCI_EXT_CAP_START) return;
  const register = offset - PCI_EXT_CAP_START;
  if (register === PCI_SRIOV_CTRL || register === PCI_SRIOV_NUM_VF) view.setUint16(offset, value & 0xffff, true);
  else if (register === PCI_SRIOV_SYS_PGSIZE) view.setUint32(offset, value, true);
  else if (register === PCI_SRIOV_BAR) {
    view.setUint32(offset, ((value & -VF_BAR_BYTES) | PCI_BASE_ADDRESS_MEM_TYPE_64) >>> 0, true);
  } else if (register === PCI_SRIOV_BAR + 4) view.setUint32(offset, value, true);
}
