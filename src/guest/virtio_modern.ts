// SPDX-License-Identifier: Apache-2.0
// The modern PCI transport over a VfioDevice (virtio 1.4 §3.1 and §4.1), register access by register access as Linux 7.3
// does it: a select before each access to a queue's registers, MSI-X vectors with read back in Linux's order of preference,
// notification by a 16-bit write of the queue index. test/host/linux_accesses.test.ts holds it against a recorded kernel.
// Two things differ: interrupts are handed to the host in one call where Linux requests them one by one, and a reset is
// polled without pause, so many times and no more, where Linux sleeps a millisecond after each read, for ever.
import {
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
} from '../../assembly/abi/device_status.ts';
import {
  FEATURE_WORDS,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ADMIN_VQ,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from '../../assembly/abi/virtio_features.ts';
import {
  COMMON_ADMIN_QUEUE_INDEX,
  COMMON_ADMIN_QUEUE_NUM,
  COMMON_CONFIG_GENERATION,
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_DEVICE_STATUS,
  COMMON_DRIVER_FEATURE,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_NUM_QUEUES,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DEVICE,
  COMMON_QUEUE_DRIVER,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_NOTIFY_OFF,
  COMMON_QUEUE_RESET,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
  ISR_STATUS_CONFIG,
  ISR_STATUS_QUEUE,
  VIRTIO_MSI_NO_VECTOR,
} from '../../assembly/abi/virtio_pci_common.ts';
import { VfioError } from '../util/errors.ts';
import { checkOptions, HANDLER, type OptionChecks } from '../util/options.ts';
import {
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  type AccessSize,
  type IrqHandler,
  type VfioDevice,
} from '../vfio/vfio_device.ts';
import { PCI_EXT_CAP_ID_SRIOV } from '../../assembly/abi/pci_sriov.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { DriverRing } from './driver_ring.ts';
import {
  addFeature,
  FEATURE_BITS,
  featureSet,
  hasFeature,
  intersectFeatures,
  removeFeature,
  type FeatureSet,
} from './features.ts';
import {
  enableBusMaster,
  enableDecoding,
  findExtendedCapability,
  mapNotify,
  probeVirtioPci,
  type VirtioPciLayout,
} from './pci_probe.ts';
import { WAITS, type DmaMemory } from './platform.ts';
import { RING_FEATURES, RingSet, type RingFactory } from './ring_formats.ts';
import {
  CONFIG_VECTOR,
  MSIX_POLICIES,
  assignVectors,
  boundNesting,
  vectorHandlers,
  vectorsNeeded,
  type UsedHandler,
  type VectorPolicy,
  type VectorUser,
} from './vector_policy.ts';

/** Bits that the transport takes whenever they are offered; besides SR_IOV, where the function has that capability. */
const TRANSPORT_FEATURES: readonly number[] = [
  ...RING_FEATURES,
  VIRTIO_F_VERSION_1,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_RESET,
];

/** What a driver wants of one virtqueue. */
export interface QueuePlan extends VectorUser {
  readonly index: number;
  /** Use at most this many descriptors, a power of two; default is what the device offers. */
  readonly maxSize?: number;
  /** Longest chain put into an indirect table; 0, the default, for a queue that needs none. */
  readonly indirectEntries?: number;
}

/** What a driver wants of the admin queue; the device says where it is, at or beyond num_queues perhaps. */
export type AdminQueuePlan = Omit<QueuePlan, 'index' | 'isAdmin'>;

/** How a function is driven, whatever its class. */
export interface VirtioModernOptions {
  /** Status reads after which a reset counts as failed. */
  readonly resetPollLimit?: number;
  /** Feature bits to leave alone although the device offers them. */
  readonly refusedFeatures?: readonly number[];
  /** Makes the rings; by default in the format that was negotiated. */
  readonly makeRing?: RingFactory;
}

export const VIRTIO_MODERN_OPTIONS: OptionChecks<VirtioModernOptions> = {
  resetPollLimit: WAITS,
  refusedFeatures: FEATURE_BITS,
  makeRing: HANDLER,
};

/** A virtio function as its class driver drives it. */
export class VirtioModern {
  readonly device: VfioDevice;
  readonly layout: VirtioPciLayout;
  /** What the device offers and what was agreed on; valid after negotiate(). */
  offered: FeatureSet = featureSet();
  features: FeatureSet = featureSet();
  vectorPolicy: VectorPolicy | null = null;
  /** Available buffer notifications sent so far. */
  notifications = 0;

  private readonly commonBar: number;
  private readonly commonBase: number;
  private readonly notifyBar: number[] = [];
  private readonly notifyAt: number[] = [];
  private readonly rings: RingSet;
  /** Queues that are set up, in that order. */
  private readonly active: number[] = [];
  private readonly resetPollLimit: number;
  private readonly refused: FeatureSet;

  constructor(device: VfioDevice, options: VirtioModernOptions = {}) {
    checkOptions('modern transport', options, VIRTIO_MODERN_OPTIONS);
    this.device = device;
    enableDecoding(device);
    this.layout = probeVirtioPci(device);
    enableBusMaster(device);
    this.commonBar = this.layout.common.bar;
    this.commonBase = this.layout.common.offset;
    this.resetPollLimit = options.resetPollLimit ?? 1000;
    this.refused = featureSet(options.refusedFeatures);
    this.rings = new RingSet(options.makeRing);
  }

  /** Writes 0 to device_status and waits until it reads 0. */
  reset(): void {
    this.write(COMMON_DEVICE_STATUS, 1, 0);
    for (let reads = 0; reads < this.resetPollLimit; reads++) {
      if (this.status() === 0) return;
    }
    throw new DeviceFaultError('DEVICE_SILENT', `device_status does not reach 0 in ${this.resetPollLimit} reads`);
  }

  /** device_status; a read of the register. */
  status(): number {
    return this.read(COMMON_DEVICE_STATUS, 1);
  }

  /** Sets a bit of device_status and keeps the others, as the specification asks. */
  addStatus(bit: number): void {
    this.write(COMMON_DEVICE_STATUS, 1, this.status() | bit);
  }

  /**
   * ACKNOWLEDGE and DRIVER, features, FEATURES_OK. Takes `driverFeatures` and the transport's own where offered. `validate`
   * looks at the device before FEATURES_OK and returns what has to be left out; the features are then written once more.
   */
  negotiate(driverFeatures: readonly number[], validate: () => readonly number[] = () => []): void {
    this.addStatus(STATUS_ACKNOWLEDGE);
    this.addStatus(STATUS_DRIVER);
    for (let word = 0; word < FEATURE_WORDS; word++) {
      this.write(COMMON_DEVICE_FEATURE_SELECT, 4, word);
      this.offered[word] = this.read(COMMON_DEVICE_FEATURE, 4);
    }
    const known = featureSet([...driverFeatures, ...TRANSPORT_FEATURES]);
    this.features = intersectFeatures(known, this.offered).map((word, i) => word & ~this.refused[i]!);
    this.finalizeFeatures();
    const unwanted = validate();
    for (const bit of unwanted) removeFeature(this.features, bit);
    if (unwanted.length > 0) this.finalizeFeatures();
    this.addStatus(STATUS_FEATURES_OK);
    if ((this.status() & STATUS_FEATURES_OK) === 0) {
      throw new VfioError('ENODEV', 'the device does not accept the features it offered');
    }
  }

  /** Was the feature agreed on? */
  hasFeature(bit: number): boolean {
    return hasFeature(this.features, bit);
  }

  /** Where the function has VFs, they are part of it. */
  private finalizeFeatures(): void {
    const isOffered = hasFeature(this.offered, VIRTIO_F_SR_IOV) && !hasFeature(this.refused, VIRTIO_F_SR_IOV);
    if (isOffered && findExtendedCapability(this.device, PCI_EXT_CAP_ID_SRIOV) !== 0) {
      addFeature(this.features, VIRTIO_F_SR_IOV);
    }
    this.checkFeatures();
    for (let word = 0; word < FEATURE_WORDS; word++) {
      this.write(COMMON_DRIVER_FEATURE_SELECT, 4, word);
      this.write(COMMON_DRIVER_FEATURE, 4, this.features[word]!);
    }
  }

  /** Index of the first admin queue; throws EINVAL where the device has none after all. */
  private adminQueueIndex(): number {
    if (this.read(COMMON_ADMIN_QUEUE_NUM, 2) === 0) {
      throw new VfioError('EINVAL', 'VIRTIO_F_ADMIN_VQ is negotiated, but admin_queue_num is 0');
    }
    return this.read(COMMON_ADMIN_QUEUE_INDEX, 2);
  }

  /**
   * Sets up and enables the queues with the best interrupts that the function gives; rings come in the order of `plans`,
   * the admin queue's last. What goes wrong with one kind of interrupts is tried again with the next, as Linux does.
   */
  setupQueues(
    memory: DmaMemory,
    plans: readonly QueuePlan[],
    onConfigChange: UsedHandler,
    admin: AdminQueuePlan | null = null,
  ): DriverRing[] {
    this.giveBack(); // of a driver that starts again without having stopped
    const hasIntx = this.device.irqInfo(VFIO_PCI_INTX_IRQ_INDEX).count > 0;
    let failure: VfioError | null = null;
    for (const policy of [...MSIX_POLICIES, ...(hasIntx ? (['intx'] as const) : [])]) {
      try {
        return this.trySetup(memory, plans, onConfigChange, admin, policy);
      } catch (error) {
        if (!(error instanceof VfioError)) throw error;
        failure = error;
        this.giveBack();
      }
    }
    throw failure!;
  }

  /** The driver is ready: the device may use its queues. */
  driverOk(): void {
    this.addStatus(STATUS_DRIVER_OK);
  }

  /** Resets the device, gives its interrupts back and acknowledges that it is there, as Linux leaves it. */
  shutdown(): void {
    this.reset();
    this.giveBack();
    this.status();
    this.addStatus(STATUS_ACKNOWLEDGE);
  }

  /** Available buffer notification. */
  notify(queue: number): void {
    this.notifications++;
    this.device.write(this.notifyBar[queue]!, this.notifyAt[queue]!, 2, queue);
  }

  /** Reads one register of the device configuration structure. */
  readConfig(offset: number, size: AccessSize): number {
    const config = this.deviceConfig();
    return this.device.read(config.bar, config.offset + offset, size);
  }

  /** Writes one register of the device configuration structure. Throws VfioError ENODEV where there is none. */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    const config = this.deviceConfig();
    this.device.write(config.bar, config.offset + offset, size, value);
  }

  /** Reads bytes of the device configuration under one config_generation. */
  readConfigBytes(offset: number, data: Uint8Array): void {
    for (let tries = 0; tries < 16; tries++) {
      const generation = this.read(COMMON_CONFIG_GENERATION, 1);
      for (let i = 0; i < data.length; i++) data[i] = this.readConfig(offset + i, 1);
      if (this.read(COMMON_CONFIG_GENERATION, 1) === generation) return;
    }
    throw new DeviceFaultError('DEVICE_SILENT', 'config_generation never holds still');
  }

  private deviceConfig() {
    const config = this.layout.deviceConfig;
    if (config === null) throw new VfioError('ENODEV', 'the function has no device configuration structure');
    return config;
  }

  private checkFeatures(): void {
    const { length } = this.layout.common;
    if (!this.hasFeature(VIRTIO_F_VERSION_1)) {
      throw new VfioError('EINVAL', 'modern registers without VIRTIO_F_VERSION_1');
    }
    const needed = this.hasFeature(VIRTIO_F_ADMIN_VQ)
      ? COMMON_ADMIN_QUEUE_NUM + 2
      : this.hasFeature(VIRTIO_F_RING_RESET)
        ? COMMON_QUEUE_RESET + 2
        : 0;
    if (length < needed) {
      throw new VfioError('EINVAL', `common configuration of ${length} bytes, the features need ${needed}`);
    }
  }

  /** Null where the device refused a vector; everything is then as if nothing had been tried. */
  private trySetup(
    memory: DmaMemory,
    dataPlans: readonly QueuePlan[],
    onConfigChange: UsedHandler,
    admin: AdminQueuePlan | null,
    policy: VectorPolicy,
  ): DriverRing[] {
    const plans = [...dataPlans];
    if (admin !== null) plans.push({ ...admin, index: this.adminQueueIndex(), isAdmin: true });
    if (new Set(plans.map(({ index }) => index)).size < plans.length) {
      throw new VfioError('EINVAL', `queues ${plans.map(({ index }) => index).join(', ')}: one has two uses`);
    }
    const assigned = assignVectors(policy, plans);
    this.requestIrqs(policy, assigned, plans, onConfigChange);
    const rings: DriverRing[] = [];
    for (let i = 0; i < plans.length; i++) {
      rings.push(this.setupQueue(memory, plans[i]!, assigned[i]!));
      this.active.push(plans[i]!.index);
    }
    for (const { index } of plans) {
      this.selectQueue(index);
      this.write(COMMON_QUEUE_ENABLE, 2, 1);
    }
    return rings;
  }

  private requestIrqs(
    policy: VectorPolicy,
    assigned: readonly number[],
    plans: readonly QueuePlan[],
    onConfigChange: UsedHandler,
  ): void {
    const { device } = this;
    if (policy === 'intx') {
      device.setIrqs(VFIO_PCI_INTX_IRQ_INDEX, 0, boundNesting([this.intxHandler(plans, onConfigChange)]));
      this.vectorPolicy = policy;
      return;
    }
    const [needed, available] = [vectorsNeeded(policy, plans), device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count];
    if (needed > available) throw new VfioError('ENOSPC', `${needed} MSI-X vectors of ${available}`);
    device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, 0, vectorHandlers(needed, assigned, plans, onConfigChange));
    this.vectorPolicy = policy;
    if (!this.writeVector(COMMON_CONFIG_MSIX_VECTOR, CONFIG_VECTOR)) {
      throw new VfioError('EBUSY', 'the device refuses a vector for configuration changes');
    }
  }

  private setupQueue(memory: DmaMemory, plan: QueuePlan, vector: number): DriverRing {
    const { index } = plan;
    if (index >= this.read(COMMON_NUM_QUEUES, 2) && plan.isAdmin !== true) {
      throw new VfioError('EINVAL', `the device has no queue ${index}`);
    }
    this.selectQueue(index);
    const offered = this.read(COMMON_QUEUE_SIZE, 2);
    if (offered === 0) throw new VfioError('ENOENT', `queue ${index} does not exist`);
    this.selectQueue(index);
    if (this.read(COMMON_QUEUE_ENABLE, 2) !== 0) throw new VfioError('ENOENT', `queue ${index} is enabled already`);
    if ((offered & (offered - 1)) !== 0) throw new VfioError('EINVAL', `queue ${index} of size ${offered}`);
    const ring = this.ring(memory, plan, Math.min(offered, plan.maxSize ?? offered));
    this.selectQueue(index);
    this.write(COMMON_QUEUE_SIZE, 2, ring.size);
    this.selectQueue(index);
    this.writeAddress(COMMON_QUEUE_DESC, ring.descriptorIova);
    this.writeAddress(COMMON_QUEUE_DRIVER, ring.driverIova);
    this.writeAddress(COMMON_QUEUE_DEVICE, ring.deviceIova);
    if (vector !== VIRTIO_MSI_NO_VECTOR && !this.writeQueueVector(index, vector)) {
      throw new VfioError('EBUSY', `the device refuses vector ${vector} for queue ${index}`);
    }
    this.mapQueueNotify(index);
    return ring;
  }

  private mapQueueNotify(index: number): void {
    this.selectQueue(index);
    const offset = this.read(COMMON_QUEUE_NOTIFY_OFF, 2) * this.layout.notifyMultiplier;
    const notify = this.layout.notify ?? mapNotify(this.device, this.layout.notifyCapability);
    if (offset + 2 > notify.length) {
      throw new VfioError('EINVAL', `queue ${index} is notified at ${offset}, beyond the notify structure`);
    }
    this.notifyBar[index] = notify.bar;
    this.notifyAt[index] = notify.offset + offset;
  }

  private ring(memory: DmaMemory, plan: QueuePlan, size: number): DriverRing {
    return this.rings.ring(memory, {
      queue: plan.index,
      size,
      layout: 'modern',
      features: RING_FEATURES.filter((bit) => this.hasFeature(bit)),
      indirectEntries: plan.indirectEntries ?? 0,
      checksUsedLength: true,
    });
  }

  /** Takes all vectors from the device and gives the interrupts back. */
  private giveBack(): void {
    const { vectorPolicy } = this;
    const queues = this.active.splice(0);
    if (vectorPolicy === null) return;
    const isMsix = vectorPolicy !== 'intx';
    if (isMsix) {
      for (const index of queues) this.writeQueueVector(index, VIRTIO_MSI_NO_VECTOR);
      this.writeVector(COMMON_CONFIG_MSIX_VECTOR, VIRTIO_MSI_NO_VECTOR);
    }
    this.device.disableIrqs(isMsix ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_INTX_IRQ_INDEX);
    this.vectorPolicy = null;
  }

  private intxHandler(plans: readonly QueuePlan[], onConfigChange: UsedHandler): IrqHandler {
    const { bar, offset } = this.layout.isr;
    return (_vector, timeCycles) => {
      const isr = this.device.read(bar, offset, 1);
      if (isr === 0) return;
      if ((isr & ISR_STATUS_CONFIG) !== 0) onConfigChange(timeCycles);
      if ((isr & ISR_STATUS_QUEUE) !== 0) for (const plan of plans) plan.onUsed?.(timeCycles);
    };
  }

  private writeQueueVector(index: number, vector: number): boolean {
    this.selectQueue(index);
    return this.writeVector(COMMON_QUEUE_MSIX_VECTOR, vector);
  }

  private writeVector(register: number, vector: number): boolean {
    this.write(register, 2, vector);
    return this.read(register, 2) === vector;
  }

  private writeAddress(register: number, iova: number): void {
    this.write(register, 4, iova >>> 0);
    this.write(register + 4, 4, (iova / 0x1_0000_0000) >>> 0);
  }

  private selectQueue(index: number): void {
    this.write(COMMON_QUEUE_SELECT, 2, index);
  }

  private read(register: number, size: AccessSize): number {
    return this.device.read(this.commonBar, this.commonBase + register, size);
  }

  private write(register: number, size: AccessSize, value: number): void {
    this.device.write(this.commonBar, this.commonBase + register, size, value);
  }
}
