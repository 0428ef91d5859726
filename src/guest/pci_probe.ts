// SPDX-License-Identifier: Apache-2.0
// What a driver reads from config space (region 7) before it touches a virtio function: identity, the virtio structures
// of virtio 1.4 §4.1.4 with the checks of Linux's modern probe, and where MSI-X, PCI Express and SR-IOV sit.
// The first usable capability of a kind counts; reserved kinds and BARs are passed over.
import { PCI_CAP_ID_EXP } from '../../assembly/abi/pci_express.ts';
import {
  PCI_CAPABILITY_LIST,
  PCI_CAP_LIST_NEXT,
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL,
  PCI_EXT_CAP_START,
  PCI_HEADER_SIZE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_SUBSYSTEM_ID,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
} from '../../assembly/abi/pci_header.ts';
import { PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_QSIZE_MASK } from '../../assembly/abi/pci_msix.ts';
import { PCI_EXT_CAP_ID_SRIOV } from '../../assembly/abi/pci_sriov.ts';
import { VIRTIO_ID_NET } from '../../assembly/abi/virtio_net.ts';
import {
  PCI_CAP_ID_VNDR,
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_CFG_TYPE,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER,
  VIRTIO_PCI_CAP_OFFSET,
} from '../../assembly/abi/virtio_pci_cap.ts';
import { COMMON_QUEUE_NOTIF_CONFIG_DATA } from '../../assembly/abi/virtio_pci_common.ts';
import { VfioError } from '../util/errors.ts';
import { VFIO_PCI_BAR5_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, type VfioDevice } from '../vfio/vfio_device.ts';

const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
/** Modern device ids are 0x1040 + virtio device type; Linux takes 0x1000..0x107f. */
const MODERN_DEVICE_ID_BASE = PCI_DEVICE_ID_VIRTIO_NET - VIRTIO_ID_NET;
const LAST_DEVICE_ID = MODERN_DEVICE_ID_BASE + 0x3f;
/** Capabilities that fit config space, so a list that loops ends: (256 - 64) / 4 and (4096 - 256) / 8. */
const MAX_CAPABILITIES = 48;
const MAX_EXTENDED_CAPABILITIES = 480;

/** A virtio structure: where in which BAR it lies. */
export interface VirtioStructure {
  readonly bar: number;
  readonly offset: number;
  readonly length: number;
  /** Position of its capability in config space. */
  readonly capability: number;
}

export interface MsixCapability {
  readonly capability: number;
  readonly vectors: number;
}

/** Result of probeVirtioPci(). */
export interface VirtioPciLayout {
  readonly vendorId: number;
  readonly deviceId: number;
  /** virtio device type, 1 for a network card. */
  readonly virtioType: number;
  readonly common: VirtioStructure;
  readonly notify: VirtioStructure;
  readonly notifyMultiplier: number;
  readonly isr: VirtioStructure;
  readonly deviceConfig: VirtioStructure | null;
  readonly msix: MsixCapability | null;
  /** Positions in config space; 0 where the function has no such capability. */
  readonly express: number;
  readonly sriov: number;
}

/** Position of the first capability `id`, or of the next one behind `after`; 0 for none. */
export function findCapability(device: VfioDevice, id: number, after = 0): number {
  if ((device.read(CONFIG, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) === 0) return 0;
  let at = device.read(CONFIG, after === 0 ? PCI_CAPABILITY_LIST : after + PCI_CAP_LIST_NEXT, 1) & ~3;
  for (let hops = 0; hops < MAX_CAPABILITIES && at >= PCI_HEADER_SIZE; hops++) {
    const found = device.read(CONFIG, at, 1);
    if (found === id) return at;
    if (found === 0xff) return 0;
    at = device.read(CONFIG, at + PCI_CAP_LIST_NEXT, 1) & ~3;
  }
  return 0;
}

/** Position of the first extended capability `id`; 0 for none. */
export function findExtendedCapability(device: VfioDevice, id: number): number {
  let at = PCI_EXT_CAP_START;
  for (let hops = 0; hops < MAX_EXTENDED_CAPABILITIES && at >= PCI_EXT_CAP_START; hops++) {
    const header = device.read(CONFIG, at, 4);
    if (header === 0 || header === 0xffffffff) return 0;
    if ((header & 0xffff) === id) return at;
    at = (header >>> 20) & 0xffc;
  }
  return 0;
}

/** Turns on memory decoding and bus mastering, as Linux does before it maps the BARs; I/O decoding too where `io` says so. */
export function enableFunction(device: VfioDevice, io = false): void {
  const command = device.read(CONFIG, PCI_COMMAND, 2);
  const wanted = command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | (io ? PCI_COMMAND_IO : 0);
  if (wanted !== command) device.write(CONFIG, PCI_COMMAND, 2, wanted);
}

/** Finds everything a modern driver needs; throws ENODEV where the function is none of its, EINVAL where it is broken. */
export function probeVirtioPci(device: VfioDevice): VirtioPciLayout {
  const vendorId = device.read(CONFIG, PCI_VENDOR_ID, 2);
  const deviceId = device.read(CONFIG, PCI_DEVICE_ID, 2);
  if (
    vendorId !== PCI_VENDOR_ID_VIRTIO ||
    deviceId < PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL ||
    deviceId > LAST_DEVICE_ID
  ) {
    throw new VfioError('ENODEV', `function ${hex(vendorId)}:${hex(deviceId)} is no virtio device`);
  }
  const virtioType =
    deviceId < MODERN_DEVICE_ID_BASE ? device.read(CONFIG, PCI_SUBSYSTEM_ID, 2) : deviceId - MODERN_DEVICE_ID_BASE;

  const common = findStructure(device, VIRTIO_PCI_CAP_COMMON_CFG);
  if (common === null) throw new VfioError('ENODEV', 'no virtio common configuration structure: a legacy device');
  const notify = findStructure(device, VIRTIO_PCI_CAP_NOTIFY_CFG);
  const isr = findStructure(device, VIRTIO_PCI_CAP_ISR_CFG);
  if (notify === null || isr === null) {
    throw new VfioError('EINVAL', `virtio ${notify === null ? 'notify' : 'ISR'} structure missing`);
  }
  const deviceConfig = findStructure(device, VIRTIO_PCI_CAP_DEVICE_CFG);
  checkStructure(device, 'common configuration', common, COMMON_QUEUE_NOTIF_CONFIG_DATA, 4);
  checkStructure(device, 'notify', notify, 2, 2);
  checkStructure(device, 'ISR', isr, 1, 1);
  if (deviceConfig !== null) checkStructure(device, 'device configuration', deviceConfig, 0, 4);

  const msix = findCapability(device, PCI_CAP_ID_MSIX);
  const express = findCapability(device, PCI_CAP_ID_EXP);
  return {
    vendorId,
    deviceId,
    virtioType,
    common,
    notify,
    notifyMultiplier: device.read(CONFIG, notify.capability + VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER, 4),
    isr,
    deviceConfig,
    msix:
      msix === 0
        ? null
        : {
            capability: msix,
            vectors: (device.read(CONFIG, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE_MASK) + 1,
          },
    express,
    sriov: express === 0 ? 0 : findExtendedCapability(device, PCI_EXT_CAP_ID_SRIOV),
  };
}

function findStructure(device: VfioDevice, kind: number): VirtioStructure | null {
  let at = 0;
  for (let hops = 0; hops < MAX_CAPABILITIES; hops++) {
    at = findCapability(device, PCI_CAP_ID_VNDR, at);
    if (at === 0) return null;
    if (device.read(CONFIG, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) !== kind) continue;
    const bar = device.read(CONFIG, at + VIRTIO_PCI_CAP_BAR, 1);
    if (bar > VFIO_PCI_BAR5_REGION_INDEX || device.regionInfo(bar).size === 0) continue;
    const offset = device.read(CONFIG, at + VIRTIO_PCI_CAP_OFFSET, 4);
    const length = device.read(CONFIG, at + VIRTIO_PCI_CAP_LENGTH, 4);
    return { bar, offset, length, capability: at };
  }
  return null;
}

function checkStructure(
  device: VfioDevice,
  what: string,
  structure: VirtioStructure,
  minLength: number,
  alignment: number,
): void {
  const { bar, offset, length } = structure;
  const size = device.regionInfo(bar).size;
  if (length < minLength || offset % alignment !== 0 || offset + length > size) {
    throw new VfioError(
      'EINVAL',
      `virtio ${what} structure: offset ${hex(offset)}, length ${hex(length)} in BAR${bar} of ${hex(size)} bytes`,
    );
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
