// SPDX-License-Identifier: Apache-2.0
// What a driver reads from config space (region 7) before it touches a virtio function, access by access as Linux 7.3: the
// virtio structures of virtio 1.4 §4.1.4, each found by a walk along the list, then mapped. The first usable capability of
// a kind counts; reserved kinds and BARs are passed over. Two things differ: the ids are read here, where Linux's PCI core
// keeps them since it found the function, and a structure has to end within its BAR.
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
const PAGE_BYTES = 4096;

/** A virtio structure: where in which BAR it lies. */
export interface VirtioStructure {
  readonly bar: number;
  readonly offset: number;
  readonly length: number;
  /** Position of its capability in config space. */
  readonly capability: number;
}

/** Result of probeVirtioPci(). */
export interface VirtioPciLayout {
  readonly vendorId: number;
  readonly deviceId: number;
  /** virtio device type, 1 for a network card. */
  readonly virtioType: number;
  readonly common: VirtioStructure;
  readonly isr: VirtioStructure;
  /** Position of the notify capability, and the structure; null where it is longer than a page: mapNotify() then. */
  readonly notifyCapability: number;
  readonly notify: VirtioStructure | null;
  readonly notifyMultiplier: number;
  readonly deviceConfig: VirtioStructure | null;
}

/** Position of the first capability `id`, or of the next one behind `after`; 0 for none. */
export function findCapability(device: VfioDevice, id: number, after = 0): number {
  if (after === 0 && (device.read(CONFIG, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) === 0) return 0;
  let at = device.read(CONFIG, after === 0 ? PCI_CAPABILITY_LIST : after + PCI_CAP_LIST_NEXT, 1);
  for (let hops = 0; hops < MAX_CAPABILITIES && at >= PCI_HEADER_SIZE; hops++) {
    at &= ~3;
    const entry = device.read(CONFIG, at, 2);
    const found = entry & 0xff;
    if (found === id) return at;
    if (found === 0xff) return 0;
    at = entry >>> 8;
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

/** Turns on memory decoding, as Linux does before it looks at the function; I/O decoding too where `io` says so. */
export function enableDecoding(device: VfioDevice, io = false): void {
  addToCommand(device, PCI_COMMAND_MEMORY | (io ? PCI_COMMAND_IO : 0));
}

/** Turns on bus mastering, as Linux does once the structures are found. */
export function enableBusMaster(device: VfioDevice): void {
  addToCommand(device, PCI_COMMAND_MASTER);
}

function addToCommand(device: VfioDevice, bits: number): void {
  const command = device.read(CONFIG, PCI_COMMAND, 2);
  if ((command & bits) !== bits) device.write(CONFIG, PCI_COMMAND, 2, command | bits);
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

  const commonAt = findStructure(device, VIRTIO_PCI_CAP_COMMON_CFG);
  if (commonAt === 0) throw new VfioError('ENODEV', 'no virtio common configuration structure: a legacy device');
  const isrAt = findStructure(device, VIRTIO_PCI_CAP_ISR_CFG);
  const notifyCapability = findStructure(device, VIRTIO_PCI_CAP_NOTIFY_CFG);
  if (isrAt === 0 || notifyCapability === 0) {
    throw new VfioError('EINVAL', `virtio ${isrAt === 0 ? 'ISR' : 'notify'} structure missing`);
  }
  const deviceAt = findStructure(device, VIRTIO_PCI_CAP_DEVICE_CFG);

  const common = mapStructure(device, 'common configuration', commonAt, COMMON_QUEUE_NOTIF_CONFIG_DATA, 4);
  const isr = mapStructure(device, 'ISR', isrAt, 1, 1);
  const notifyMultiplier = device.read(CONFIG, notifyCapability + VIRTIO_PCI_CAP_NOTIFY_OFF_MULTIPLIER, 4);
  const notifyLength = device.read(CONFIG, notifyCapability + VIRTIO_PCI_CAP_LENGTH, 4);
  const notifyOffset = device.read(CONFIG, notifyCapability + VIRTIO_PCI_CAP_OFFSET, 4);
  const isShort = notifyLength + (notifyOffset % PAGE_BYTES) <= PAGE_BYTES;
  const notify = isShort ? mapNotify(device, notifyCapability) : null;
  const deviceConfig = deviceAt === 0 ? null : mapStructure(device, 'device configuration', deviceAt, 1, 4);
  return {
    vendorId,
    deviceId,
    virtioType,
    common,
    isr,
    notifyCapability,
    notify,
    notifyMultiplier,
    deviceConfig,
  };
}

/** The notify structure, read again for each queue where it is too long to be mapped once. */
export function mapNotify(device: VfioDevice, capability: number): VirtioStructure {
  return mapStructure(device, 'notify', capability, 2, 2);
}

/** Position of the first capability of a kind with a BAR that exists; 0 for none, also in a list that runs in a circle. */
function findStructure(device: VfioDevice, kind: number): number {
  const seen = new Set<number>();
  let at = findCapability(device, PCI_CAP_ID_VNDR);
  while (at !== 0 && !seen.has(at)) {
    seen.add(at);
    const found = device.read(CONFIG, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);
    const bar = device.read(CONFIG, at + VIRTIO_PCI_CAP_BAR, 1);
    if (found === kind && bar <= VFIO_PCI_BAR5_REGION_INDEX && device.regionInfo(bar).size > 0) return at;
    at = findCapability(device, PCI_CAP_ID_VNDR, at);
  }
  return 0;
}

function mapStructure(
  device: VfioDevice,
  what: string,
  capability: number,
  minLength: number,
  alignment: number,
): VirtioStructure {
  const bar = device.read(CONFIG, capability + VIRTIO_PCI_CAP_BAR, 1);
  const offset = device.read(CONFIG, capability + VIRTIO_PCI_CAP_OFFSET, 4);
  const length = device.read(CONFIG, capability + VIRTIO_PCI_CAP_LENGTH, 4);
  const size = bar <= VFIO_PCI_BAR5_REGION_INDEX ? device.regionInfo(bar).size : 0;
  if (length < minLength || offset % alignment !== 0 || offset + length > size) {
    throw new VfioError(
      'EINVAL',
      `virtio ${what} structure: offset ${hex(offset)}, length ${hex(length)} in BAR${bar} of ${hex(size)} bytes`,
    );
  }
  return { bar, offset, length, capability };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
