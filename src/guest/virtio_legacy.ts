// SPDX-License-Identifier: Apache-2.0
// The legacy (virtio 0.9.5) PCI transport: every register is in the I/O BAR0, reached by read and write on region 0, and
// nothing else of the device is known (virtio 1.4 §4.1.4.10 and the notes on legacy interfaces). Access by access it is
// Linux 7.3's, a select before each access to a queue's registers included: test/host/linux_accesses.test.ts holds it
// against a recorded kernel. Interrupts are handed to the host in one call, and where a function gives none the queues
// are polled; Linux wants INTx then, which no VF has.
//
//    0 device features | 4 driver features | 8 queue address / 4096 | 12 queue size | 14 queue select | 16 notify
//   18 status | 19 ISR | 20 config vector, 22 queue vector: with MSI-X only | 20 or 24 device configuration
import { STATUS_ACKNOWLEDGE, STATUS_DRIVER, STATUS_DRIVER_OK } from '../../assembly/abi/device_status.ts';
import {
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL,
  PCI_REVISION_ID,
  PCI_SUBSYSTEM_ID,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
} from '../../assembly/abi/pci_header.ts';
import { VIRTIO_ID_NET } from '../../assembly/abi/virtio_net.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../../assembly/abi/virtio_pci_common.ts';
import {
  LEGACY_CONFIG_MSIX_VECTOR,
  LEGACY_DEVICE_FEATURES,
  LEGACY_DEVICE_STATUS,
  LEGACY_DRIVER_FEATURES,
  LEGACY_ISR_STATUS,
  LEGACY_PAGE_SHIFT,
  LEGACY_QUEUE_ADDRESS,
  LEGACY_QUEUE_MSIX_VECTOR,
  LEGACY_QUEUE_NOTIFY,
  LEGACY_QUEUE_SELECT,
  LEGACY_QUEUE_SIZE,
  LEGACY_SIZE_WITHOUT_MSIX,
  LEGACY_SIZE_WITH_MSIX,
} from '../../assembly/abi/virtio_pci_legacy.ts';
import { VfioError } from '../util/errors.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, type VfioDevice } from '../vfio/vfio_device.ts';
import type { DriverRing } from './driver_ring.ts';
import { enableBusMaster, enableDecoding } from './pci_probe.ts';
import type { DmaMemory } from './platform.ts';
import { RING_FEATURES, RingSet } from './ring_formats.ts';
import { CONFIG_VECTOR, assignVectors, vectorHandlers, vectorsNeeded } from './vector_policy.ts';
import type { UsedHandler, VectorPolicy, VectorUser } from './vector_policy.ts';

const BAR0 = 0;
const PAGE_BYTES = 1 << LEGACY_PAGE_SHIFT;
const MSIX_POLICIES: readonly VectorPolicy[] = ['each', 'shared'];

/** What a legacy driver wants of one virtqueue; its size is the device's. */
export interface LegacyQueuePlan extends VectorUser {
  readonly index: number;
  readonly indirectEntries?: number;
  /** Lengths on transmit and control queues mean nothing with a legacy device. */
  readonly checksUsedLength?: boolean;
}

/** A function behind an I/O BAR0, as its legacy class driver drives it. */
export class VirtioLegacy {
  readonly device: VfioDevice;
  readonly virtioType: number;
  offered = 0;
  /** Features agreed on, bits 0 to 31. */
  features = 0;
  /** Null while queues are polled. */
  vectorPolicy: VectorPolicy | null = null;
  /** Available buffer notifications sent so far. */
  notifications = 0;

  private readonly rings = new RingSet();
  /** Queues that are set up, in that order. */
  private readonly active: number[] = [];

  /** Throws ENODEV where the function is no transitional virtio device. */
  constructor(device: VfioDevice) {
    const config = VFIO_PCI_CONFIG_REGION_INDEX;
    const deviceId = device.read(config, PCI_DEVICE_ID, 2);
    const isLegacy =
      device.read(config, PCI_VENDOR_ID, 2) === PCI_VENDOR_ID_VIRTIO &&
      deviceId >= PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL &&
      deviceId < PCI_DEVICE_ID_VIRTIO_NET - VIRTIO_ID_NET;
    const revision = device.read(config, PCI_REVISION_ID, 1);
    if (!isLegacy || revision !== 0) {
      throw new VfioError(
        'ENODEV',
        `device id 0x${deviceId.toString(16)} revision ${revision} has no legacy interface`,
      );
    }
    this.device = device;
    this.virtioType = device.read(config, PCI_SUBSYSTEM_ID, 2);
    enableDecoding(device, true);
    enableBusMaster(device);
  }

  /** Writes 0 to the status; the read behind it waits until the write has arrived. */
  reset(): void {
    this.setStatus(0);
    this.status();
  }

  /** Device status; a read of the register. */
  status(): number {
    return this.device.read(BAR0, LEGACY_DEVICE_STATUS, 1);
  }

  /** Sets a bit of the device status and keeps the others. */
  addStatus(bit: number): void {
    this.setStatus(this.status() | bit);
  }

  /**
   * ACKNOWLEDGE and DRIVER, then takes those of `driverFeatures` that are offered. There is no FEATURES_OK. `validate` looks
   * at the device and returns what has to be left out; the features are then written once more.
   */
  negotiate(driverFeatures: readonly number[], validate: () => readonly number[] = () => []): void {
    this.addStatus(STATUS_ACKNOWLEDGE);
    this.addStatus(STATUS_DRIVER);
    this.offered = this.device.read(BAR0, LEGACY_DEVICE_FEATURES, 4);
    let known = 0;
    for (const bit of driverFeatures) known |= 1 << bit;
    this.features = (this.offered & known) >>> 0;
    this.device.write(BAR0, LEGACY_DRIVER_FEATURES, 4, this.features);
    const unwanted = validate();
    for (const bit of unwanted) this.features = (this.features & ~(1 << bit)) >>> 0;
    if (unwanted.length > 0) this.device.write(BAR0, LEGACY_DRIVER_FEATURES, 4, this.features);
  }

  /** Was the feature agreed on? */
  hasFeature(bit: number): boolean {
    return bit < 32 && ((this.features >>> bit) & 1) === 1;
  }

  /**
   * Sets up the queues, with MSI-X vectors where `wantsMsix` and the function has enough, polled otherwise. Moves the
   * device configuration from 20 to 24 with MSI-X.
   */
  setupQueues(
    memory: DmaMemory,
    plans: readonly LegacyQueuePlan[],
    onConfigChange: UsedHandler,
    wantsMsix: boolean,
  ): DriverRing[] {
    this.giveBack(); // of a driver that starts again without having stopped
    let failure: VfioError | null = null;
    for (const policy of [...(wantsMsix ? MSIX_POLICIES : []), null]) {
      try {
        return this.trySetup(memory, plans, onConfigChange, policy);
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

  /** Resets the device, takes its queues and interrupts back and acknowledges that it is there, as Linux leaves it. */
  shutdown(): void {
    this.reset();
    this.giveBack();
    this.status();
    this.addStatus(STATUS_ACKNOWLEDGE);
  }

  /** Available buffer notification. */
  notify(queue: number): void {
    this.notifications++;
    this.device.write(BAR0, LEGACY_QUEUE_NOTIFY, 2, queue);
  }

  /** ISR status; reading clears it. */
  readIsr(): number {
    return this.device.read(BAR0, LEGACY_ISR_STATUS, 1);
  }

  /** Reads the device configuration byte by byte, as legacy drivers do. */
  readConfigBytes(offset: number, data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) data[i] = this.device.read(BAR0, this.configBase() + offset + i, 1);
  }

  /** Two bytes of the device configuration, low byte first, a read for each. */
  readConfig16(offset: number): number {
    const low = this.device.read(BAR0, this.configBase() + offset, 1);
    return low | (this.device.read(BAR0, this.configBase() + offset + 1, 1) << 8);
  }

  /** Writes the device configuration byte by byte. */
  writeConfigBytes(offset: number, data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) this.device.write(BAR0, this.configBase() + offset + i, 1, data[i]!);
  }

  private configBase(): number {
    return this.vectorPolicy === null ? LEGACY_SIZE_WITHOUT_MSIX : LEGACY_SIZE_WITH_MSIX;
  }

  /** `policy` null: without interrupts. */
  private trySetup(
    memory: DmaMemory,
    plans: readonly LegacyQueuePlan[],
    onConfigChange: UsedHandler,
    policy: VectorPolicy | null,
  ): DriverRing[] {
    const assigned = assignVectors(policy ?? 'intx', plans);
    if (policy !== null) this.requestIrqs(policy, assigned, plans, onConfigChange);
    return plans.map((plan, i) => {
      const ring = this.setupQueue(memory, plan, assigned[i]!);
      this.active.push(plan.index);
      return ring;
    });
  }

  private requestIrqs(
    policy: VectorPolicy,
    assigned: readonly number[],
    plans: readonly LegacyQueuePlan[],
    onConfigChange: UsedHandler,
  ): void {
    const { device } = this;
    const [needed, available] = [vectorsNeeded(policy, plans), device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count];
    if (needed > available) throw new VfioError('ENOSPC', `${needed} MSI-X vectors of ${available}`);
    device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, 0, vectorHandlers(needed, assigned, plans, onConfigChange));
    this.vectorPolicy = policy;
    if (!this.writeVector(LEGACY_CONFIG_MSIX_VECTOR, CONFIG_VECTOR)) {
      throw new VfioError('EBUSY', 'the device refuses a vector for configuration changes');
    }
  }

  private setupQueue(memory: DmaMemory, plan: LegacyQueuePlan, vector: number): DriverRing {
    const { device } = this;
    const { index } = plan;
    this.selectQueue(index);
    const size = device.read(BAR0, LEGACY_QUEUE_SIZE, 2);
    if (size === 0) throw new VfioError('ENOENT', `queue ${index} does not exist`);
    this.selectQueue(index);
    if (device.read(BAR0, LEGACY_QUEUE_ADDRESS, 4) !== 0) {
      throw new VfioError('ENOENT', `queue ${index} has an address already`);
    }
    if ((size & (size - 1)) !== 0) throw new VfioError('EINVAL', `queue ${index} of size ${size}`);
    const ring = this.ring(memory, plan, size);
    const page = ring.descriptorIova / PAGE_BYTES;
    if (!Number.isInteger(page) || page > 0xffffffff) {
      throw new VfioError(
        'ERANGE',
        `queue ${index} at 0x${ring.descriptorIova.toString(16)} has no 32-bit page number`,
      );
    }
    this.writeQueueAddress(index, page);
    if (vector !== VIRTIO_MSI_NO_VECTOR && !this.writeQueueVector(index, vector)) {
      this.writeQueueAddress(index, 0);
      throw new VfioError('EBUSY', `the device refuses vector ${vector} for queue ${index}`);
    }
    return ring;
  }

  private ring(memory: DmaMemory, plan: LegacyQueuePlan, size: number): DriverRing {
    return this.rings.ring(memory, {
      queue: plan.index,
      size,
      layout: 'legacy',
      features: RING_FEATURES.filter((bit) => this.hasFeature(bit)),
      indirectEntries: plan.indirectEntries ?? 0,
      checksUsedLength: plan.checksUsedLength ?? true,
    });
  }

  /** Takes all queues and their vectors from the device and gives the interrupts back. */
  private giveBack(): void {
    const hasMsix = this.vectorPolicy !== null;
    for (const index of this.active.splice(0)) {
      if (hasMsix) {
        this.writeQueueVector(index, VIRTIO_MSI_NO_VECTOR);
        this.readIsr(); // waits until the write has arrived
      }
      this.writeQueueAddress(index, 0);
    }
    if (!hasMsix) return;
    this.writeVector(LEGACY_CONFIG_MSIX_VECTOR, VIRTIO_MSI_NO_VECTOR);
    this.device.disableIrqs(VFIO_PCI_MSIX_IRQ_INDEX);
    this.vectorPolicy = null;
  }

  private writeQueueAddress(index: number, page: number): void {
    this.selectQueue(index);
    this.device.write(BAR0, LEGACY_QUEUE_ADDRESS, 4, page);
  }

  private writeQueueVector(index: number, vector: number): boolean {
    this.selectQueue(index);
    return this.writeVector(LEGACY_QUEUE_MSIX_VECTOR, vector);
  }

  private selectQueue(index: number): void {
    this.device.write(BAR0, LEGACY_QUEUE_SELECT, 2, index);
  }

  private writeVector(register: number, vector: number): boolean {
    this.device.write(BAR0, register, 2, vector);
    return this.device.read(BAR0, register, 2) === vector;
  }

  private setStatus(status: number): void {
    this.device.write(BAR0, LEGACY_DEVICE_STATUS, 1, status);
  }
}
