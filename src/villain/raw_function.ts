// SPDX-License-Identifier: Apache-2.0
// One function of the card, driven register by register, for good and for bad (virtio 1.4 §3.1.1, §4.1.4.3).
import { MSIX_BAR, NOTIFY_BAR_OFFSET, NOTIFY_OFF_MULTIPLIER, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import {
  STATUS_ACKNOWLEDGE,
  STATUS_DEVICE_NEEDS_RESET,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
} from '../../assembly/abi/device_status.ts';
import { PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY } from '../../assembly/abi/pci_header.ts';
import { FEATURE_WORDS, VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_VERSION_1 } from '../../assembly/abi/virtio_features.ts';
import {
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_DEVICE_STATUS,
  COMMON_DRIVER_FEATURE,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DEVICE,
  COMMON_QUEUE_DRIVER,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
} from '../../assembly/abi/virtio_pci_common.ts';
import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_SIZE } from '../../assembly/abi/virtio_ring.ts';
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  type AccessSize,
  type VfioDevice,
} from '../vfio/vfio_device.ts';
import type { GuestMemory } from './guest_memory.ts';
import type { Endpoint } from './path.ts';
import { chained, RawRing, WRITE, writeDescriptors, type Descriptor } from './raw_ring.ts';
import type { Rig } from './rig.ts';
import { Misbehaviour, Wedged, type Outcome } from './verdict.ts';

export const RX = 0;
export const TX = 1;
export const CONFIG: number = VFIO_PCI_CONFIG_REGION_INDEX;
export const CONFIG_VECTOR = 0;
const TWO_TO_32 = 0x1_0000_0000;
const RESET_READS = 100;
const RUNNING = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;

/** One function and the memory of its driver. */
export class RawFunction {
  readonly fn: number;
  readonly device: VfioDevice;
  readonly endpoint: Endpoint;
  readonly memory: GuestMemory;
  readonly rings = new Map<number, RawRing>();
  /** What start() accepts and enables. */
  readonly features: readonly number[];
  readonly queues: readonly number[];
  readonly vectors: number;
  private readonly rig: Rig;

  constructor(rig: Rig, fn: number, endpoint: Endpoint, features: readonly number[] = [], queues = [RX, TX]) {
    this.rig = rig;
    this.fn = fn;
    this.endpoint = endpoint;
    this.device = endpoint.device;
    this.memory = endpoint.memory;
    this.features = [VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM, ...features];
    this.queues = queues;
    this.vectors = this.device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count;
    this.switchOn();
  }

  /** Memory decode, bus mastering and MSI-X on: what a host does before a driver probes. */
  switchOn(): void {
    this.device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    const nobody = (): void => {};
    this.device.setIrqs(
      VFIO_PCI_MSIX_IRQ_INDEX,
      0,
      Array.from({ length: this.vectors }, () => nobody),
    );
  }

  // ---- registers ----------------------------------------------------------------------------------------------------

  /** Register of the virtio BAR. */
  read(register: number, size: AccessSize = 2): number {
    return this.device.read(VIRTIO_BAR, register, size);
  }

  write(register: number, value: number, size: AccessSize = 2): void {
    this.device.write(VIRTIO_BAR, register, size, value);
  }

  /** Field of a queue. */
  queue(index: number, register: number, size: AccessSize = 2): number {
    this.write(COMMON_QUEUE_SELECT, index);
    return this.read(register, size);
  }

  setQueue(index: number, register: number, value: number, size: AccessSize = 2): void {
    this.write(COMMON_QUEUE_SELECT, index);
    this.write(register, value, size);
  }

  setQueueAddress(index: number, register: number, iova: number): void {
    this.setQueue(index, register, iova >>> 0, 4);
    this.write(register + 4, Math.floor(iova / TWO_TO_32), 4);
  }

  /** Register of the BAR with MSI-X table and pending bits. */
  readMsix(offset: number): number {
    return this.device.read(MSIX_BAR, offset, 4);
  }

  writeMsix(offset: number, value: number): void {
    this.device.write(MSIX_BAR, offset, 4, value);
  }

  get status(): number {
    return this.read(COMMON_DEVICE_STATUS, 1);
  }

  set status(value: number) {
    this.write(COMMON_DEVICE_STATUS, value, 1);
  }

  get needsReset(): boolean {
    return (this.status & STATUS_DEVICE_NEEDS_RESET) !== 0;
  }

  get isRunning(): boolean {
    return this.status === RUNNING;
  }

  hasOffered(bit: number): boolean {
    this.write(COMMON_DEVICE_FEATURE_SELECT, bit >> 5, 4);
    return ((this.read(COMMON_DEVICE_FEATURE, 4) >>> (bit & 31)) & 1) === 1;
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  /** Throws Wedged where the reset never ends. */
  reset(): void {
    this.status = 0;
    for (let reads = 0; this.status !== 0; reads++) {
      if (reads > RESET_READS) throw new Wedged(`status is 0x${this.status.toString(16)} long after 0 was written`);
    }
    this.rings.clear();
  }

  /** Up to FEATURES_OK; throws Wedged where the device does not agree to what it has agreed to before. */
  negotiate(features: readonly number[] = this.features): void {
    this.status = STATUS_ACKNOWLEDGE;
    this.status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    for (let word = 0; word < FEATURE_WORDS; word++) {
      const bits = features.filter((bit) => bit >> 5 === word);
      this.write(COMMON_DRIVER_FEATURE_SELECT, word, 4);
      this.write(
        COMMON_DRIVER_FEATURE,
        bits.reduce((sum, bit) => sum + 2 ** (bit & 31), 0),
        4,
      );
    }
    this.status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    if ((this.status & STATUS_FEATURES_OK) === 0) throw new Wedged(`features ${features.join()} are refused`);
  }

  /** Tells the device of a ring, of a new one if none is given, and enables the queue. */
  addQueue(index: number, ring = new RawRing(this.memory, this.queue(index, COMMON_QUEUE_SIZE))): RawRing {
    this.setQueue(index, COMMON_QUEUE_SIZE, ring.size);
    this.setQueueAddress(index, COMMON_QUEUE_DESC, ring.iovas.desc);
    this.setQueueAddress(index, COMMON_QUEUE_DRIVER, ring.iovas.avail);
    this.setQueueAddress(index, COMMON_QUEUE_DEVICE, ring.iovas.used);
    this.setQueue(index, COMMON_QUEUE_MSIX_VECTOR, Math.min(index + 1, this.vectors - 1));
    this.setQueue(index, COMMON_QUEUE_ENABLE, 1);
    this.rings.set(index, ring);
    return ring;
  }

  /** Reset and negotiation, no queue yet. */
  prepare(): void {
    this.reset();
    this.negotiate();
    this.write(COMMON_CONFIG_MSIX_VECTOR, CONFIG_VECTOR);
  }

  setDriverOk(): void {
    this.status = RUNNING;
    this.rig.settle();
  }

  /** From whatever state to DRIVER_OK. */
  start(): void {
    this.prepare();
    for (const queue of this.queues) this.addQueue(queue);
    this.setDriverOk();
  }

  ring(index: number): RawRing {
    return this.rings.get(index)!;
  }

  /** Available buffer notification, without waiting for what comes of it. */
  notify(index: number): void {
    this.write(NOTIFY_BAR_OFFSET + NOTIFY_OFF_MULTIPLIER * index, index);
  }

  /** Available buffer notification, and all that comes of it. */
  kick(index: number): void {
    this.notify(index);
    this.rig.settle();
  }

  // ---- chains -------------------------------------------------------------------------------------------------------

  /** Device-readable descriptors, one for each part. */
  readable(...parts: readonly Uint8Array[]): Descriptor[] {
    return parts.map((part) => ({ addr: this.memory.place(part), len: part.length }));
  }

  /** Device-writable descriptors of these lengths. */
  writable(...lengths: readonly number[]): Descriptor[] {
    return lengths.map((len) => ({ addr: this.memory.space(len), len, flags: WRITE }));
  }

  /** A descriptor of an indirect table that holds `entries`, linked in order unless they bring their own links. */
  indirect(entries: readonly Descriptor[], isLinked = false): Descriptor {
    const at = this.memory.alloc(VIRTQ_DESC_SIZE * entries.length, VIRTQ_DESC_SIZE);
    writeDescriptors(this.memory, at, isLinked ? entries : chained(entries));
    return { addr: this.memory.iova(at), len: VIRTQ_DESC_SIZE * entries.length, flags: VIRTQ_DESC_F_INDIRECT };
  }

  /** Makes a chain available from descriptor `first` on, and rings. */
  submit(queue: number, descriptors: readonly Descriptor[], first = 0): void {
    const ring = this.ring(queue);
    ring.offer(ring.chain(descriptors, first));
    this.kick(queue);
  }

  /**
   * What became of the chains of a queue that the driver made available: used, all `count` of them, or DEVICE_NEEDS_RESET.
   * Throws Misbehaviour for what is neither: a driver would wait for ever.
   */
  outcomeOf(queue: number, count = 1): Outcome {
    if (this.needsReset) return 'needs-reset';
    const ring = this.ring(queue);
    if (ring.usedIdx === count) return 'served';
    throw new Misbehaviour(`queue ${queue}: ${ring.usedIdx} of ${count} chains came back, and the status says nothing`);
  }
}
