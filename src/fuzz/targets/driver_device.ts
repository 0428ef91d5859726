// SPDX-License-Identifier: Apache-2.0
// A function in the hands of an attacker, as a VfioDevice. It is honest by itself, so that a driver comes far with it;
// what it lies about is in the world's store of lies. Modern registers in BAR2, legacy ones in BAR0.
import {
  FEATURE_WORDS,
  VIRTIO_F_ADMIN_VQ,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from '../../../assembly/abi/virtio_features.ts';
import * as N from '../../../assembly/abi/virtio_net.ts';
import * as C from '../../../assembly/abi/virtio_pci_common.ts';
import * as L from '../../../assembly/abi/virtio_pci_legacy.ts';
import { VfioError } from '../../util/errors.ts';
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_NUM_IRQS,
  type AccessSize,
  type IrqHandler,
  type VfioDevice,
  type VfioDeviceInfo,
  type VfioIrqInfo,
  type VfioRegionInfo,
} from '../../vfio/vfio_device.ts';
import {
  COMMON_AT,
  configurationOf,
  DEVICE_CONFIG_AT,
  ISR_AT,
  MSIX_VECTORS,
  NOTIFY_AT,
  REGISTER_BAR,
  REGISTER_BAR_BYTES,
  writeConfiguration,
  type FunctionKind,
} from './driver_config.ts';
import { IOVA_BASE } from './driver_memory.ts';
import { Breach } from './breach.ts';
import { DeviceQueue } from './driver_queue.ts';
import { STEP, type DriverWorld } from './driver_world.ts';
import { serveQueue } from './driver_service.ts';

const LEGACY_BYTES = 32;
export const QUEUE_SIZE = 8;
export const QUEUE_PAIRS = 2;
/** Two pairs, control, admin. */
export const QUEUES = 2 * QUEUE_PAIRS + 2;
export const ADMIN_QUEUE = QUEUES - 1;
const MTU = 200;
const NET_CONFIG = [0x02, 0, 0, 0, 0, 1, N.VIRTIO_NET_S_LINK_UP, 0, QUEUE_PAIRS, 0, MTU, 0];

interface QueueRegisters {
  size: number;
  vector: number;
  isEnabled: boolean;
  /** desc, driver, device: low and high words; or the page number of a legacy ring, in the first. */
  readonly address: Uint32Array;
  ring: DeviceQueue | null;
}

const ANSWERS: readonly ((honest: number, value: number, reads: number) => number)[] = [
  (_honest, value) => value,
  (honest, value) => honest ^ value,
  (honest, value) => honest | value,
  (honest, value) => honest & ~value,
  (honest, value, reads) => honest + Math.imul(value, reads),
  (honest, value, reads) => ((reads & 1) === 0 ? value : honest),
  () => 0xffffffff,
  (_honest, value, reads) => value + reads,
];

/** Part of configuration space that the list of capabilities lies in. */
const CAPABILITIES = 0x34;
const CAPABILITIES_END = 0x100;

export class HostileFunction implements VfioDevice {
  readonly requesterId: number;
  readonly kind: FunctionKind;
  readonly world: DriverWorld;
  readonly config: Uint8Array;
  readonly netConfig = new Uint8Array(0x40);
  readonly regions = new Float64Array(VFIO_PCI_NUM_REGIONS);
  readonly irqCounts = [1, 0, MSIX_VECTORS, 1, 1];
  /** The VF that the PF's legacy commands reach. */
  member: HostileFunction | null = null;
  readonly offered = new Uint32Array(FEATURE_WORDS);
  readonly accepted = new Uint32Array(FEATURE_WORDS);
  isr = 0;
  /** Accesses from now until one is refused by the host; 0: none is. */
  failsIn = 0;
  private readonly number: number;
  private readonly queues: QueueRegisters[];
  private readonly handlers: (readonly (IrqHandler | null)[])[] = [];
  private status = 0;
  private deviceWord = 0;
  private driverWord = 0;
  private selected = 0;
  private configVector = C.VIRTIO_MSI_NO_VECTOR;

  constructor(world: DriverWorld, kind: FunctionKind, number: number) {
    this.world = world;
    this.kind = kind;
    this.number = number;
    this.requesterId = 0x100 + number;
    this.config = configurationOf(kind);
    this.netConfig.set(NET_CONFIG);
    this.regions[REGISTER_BAR] = REGISTER_BAR_BYTES;
    this.regions[4] = 0x1000;
    this.regions[VFIO_PCI_CONFIG_REGION_INDEX] = 4096;
    if (kind === 'legacy') this.regions[0] = LEGACY_BYTES;
    this.queues = Array.from({ length: QUEUES }, () => ({
      size: QUEUE_SIZE,
      vector: C.VIRTIO_MSI_NO_VECTOR,
      isEnabled: false,
      address: new Uint32Array(6),
      ring: null,
    }));
    const bits = [
      N.VIRTIO_NET_F_MTU,
      N.VIRTIO_NET_F_MAC,
      N.VIRTIO_NET_F_MRG_RXBUF,
      N.VIRTIO_NET_F_STATUS,
      N.VIRTIO_NET_F_CTRL_VQ,
      N.VIRTIO_NET_F_CTRL_RX,
      N.VIRTIO_NET_F_MQ,
      N.VIRTIO_NET_F_CTRL_MAC_ADDR,
      VIRTIO_F_INDIRECT_DESC,
      VIRTIO_F_EVENT_IDX,
      VIRTIO_F_VERSION_1,
      VIRTIO_F_RING_RESET,
      ...(kind === 'pf' ? [VIRTIO_F_ADMIN_VQ, VIRTIO_F_SR_IOV] : []),
    ];
    for (const bit of bits) this.offered[bit >> 5]! |= 1 << (bit & 31);
  }

  info(): VfioDeviceInfo {
    return { flags: 3, numRegions: VFIO_PCI_NUM_REGIONS, numIrqs: VFIO_PCI_NUM_IRQS };
  }

  regionInfo(index: number): VfioRegionInfo {
    this.world.step(STEP.CALL, index);
    const size = this.regions[index];
    if (size === undefined) throw new VfioError('EINVAL', `region ${index} does not exist`);
    return { index, flags: size === 0 ? 0 : 3, size };
  }

  irqInfo(index: number): VfioIrqInfo {
    this.world.step(STEP.CALL + 1, index);
    const count = this.irqCounts[index];
    if (count === undefined) throw new VfioError('EINVAL', `interrupt index ${index} does not exist`);
    return { index, flags: 1, count };
  }

  read(region: number, offset: number, size: AccessSize): number {
    this.check(region, offset, size);
    const value = this.lie(region, offset, size, this.honest(region, offset, size));
    this.world.step(STEP.READ + this.place(region, offset), value);
    return value;
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    this.check(region, offset, size);
    this.world.step(STEP.WRITE + this.place(region, offset), value);
    if (region === VFIO_PCI_CONFIG_REGION_INDEX) writeConfiguration(this.config, this.kind, offset, value);
    else if (region === 0) this.writeLegacy(offset, size, value);
    else if (region === REGISTER_BAR && offset >= NOTIFY_AT) this.notify(value & 0xffff);
    else if (region === REGISTER_BAR && offset < C.COMMON_SIZE) this.writeCommon(offset - COMMON_AT, value);
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    for (let i = 0; i < data.length; i++) data[i] = this.read(region, offset + i, 1);
    return data.length;
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    for (let i = 0; i < data.length; i++) this.write(region, offset + i, 1, data[i]!);
    return data.length;
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.world.step(STEP.CALL + 2 + index * 16, handlers.length);
    if (start + handlers.length > (this.irqCounts[index] ?? 0)) {
      throw new VfioError('EINVAL', `${handlers.length} vectors from ${start} on of index ${index}`);
    }
    this.handlers[index] = handlers;
  }

  disableIrqs(index: number): void {
    this.world.step(STEP.CALL + 3 + index * 16, 0);
    this.handlers[index] = [];
  }

  attach(): void {}

  reset(): void {
    this.world.step(STEP.CALL + 4, 0);
    this.writeStatus(0);
  }

  open(): void {
    this.reset();
  }

  close(): void {
    this.handlers.length = 0;
    this.reset();
  }

  /** Raises an interrupt of an index and vector, whether anything asked for it or not. */
  raise(index: number, vector: number): void {
    this.world.interrupt(() => {
      this.world.step(STEP.IRQ + index, vector);
      this.handlers[index]?.[vector]?.(vector, this.world.now());
    });
  }

  /** Tells the driver of used buffers of a queue. */
  raiseQueue(index: number): void {
    const vector = this.queues[index]?.vector ?? C.VIRTIO_MSI_NO_VECTOR;
    this.isr |= C.ISR_STATUS_QUEUE;
    if ((this.handlers[VFIO_PCI_MSIX_IRQ_INDEX]?.length ?? 0) > 0) this.raise(VFIO_PCI_MSIX_IRQ_INDEX, vector);
    else this.raise(VFIO_PCI_INTX_IRQ_INDEX, 0);
  }

  raiseConfig(): void {
    this.isr |= C.ISR_STATUS_CONFIG;
    if ((this.handlers[VFIO_PCI_MSIX_IRQ_INDEX]?.length ?? 0) > 0) {
      this.raise(VFIO_PCI_MSIX_IRQ_INDEX, this.configVector);
    } else this.raise(VFIO_PCI_INTX_IRQ_INDEX, 0);
  }

  /** Index of the administration queue; -1: the function has none. */
  get adminQueue(): number {
    return this.kind === 'pf' ? ADMIN_QUEUE : -1;
  }

  /** The ring of a queue that the driver has set up. */
  ring(index: number): DeviceQueue | null {
    return this.queues[index]?.ring ?? null;
  }

  /** A ring that was set up without registers. */
  useRing(index: number, ring: DeviceQueue): void {
    this.queues[index]!.ring = ring;
  }

  hasAccepted(bit: number): boolean {
    return ((this.accepted[bit >> 5]! >>> (bit & 31)) & 1) === 1;
  }

  /** Available buffer notification. */
  notify(index: number): void {
    const ring = this.ring(index);
    if (ring !== null) serveQueue(this, index, ring);
  }

  readLegacy(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.legacyByte(offset + i);
    return value;
  }

  writeLegacy(offset: number, size: number, value: number): void {
    const queue = this.queues[this.selected];
    if (offset === L.LEGACY_DRIVER_FEATURES) this.accepted[0] = value;
    else if (offset === L.LEGACY_QUEUE_SELECT) this.selected = value & 0xffff;
    else if (offset === L.LEGACY_QUEUE_NOTIFY) this.notify(value & 0xffff);
    else if (offset === L.LEGACY_DEVICE_STATUS) this.writeStatus(value & 0xff);
    else if (offset === L.LEGACY_CONFIG_MSIX_VECTOR && this.isMsixOn) this.configVector = value & 0xffff;
    else if (queue === undefined) return;
    else if (offset === L.LEGACY_QUEUE_MSIX_VECTOR && this.isMsixOn) queue.vector = value & 0xffff;
    else if (offset === L.LEGACY_QUEUE_ADDRESS) {
      queue.address[0] = value;
      const desc = value * L.LEGACY_VRING_ALIGN - IOVA_BASE;
      const avail = desc + 16 * queue.size;
      const used = Math.ceil((avail + 6 + 2 * queue.size) / L.LEGACY_VRING_ALIGN) * L.LEGACY_VRING_ALIGN;
      if (value === 0) this.dropRing(queue);
      else this.makeRing(this.selected, queue, queue.size, desc, avail, used);
    } else if (size === 1 && offset >= this.legacyConfigAt) this.netConfig[offset - this.legacyConfigAt] = value;
  }

  private get isMsixOn(): boolean {
    return (this.handlers[VFIO_PCI_MSIX_IRQ_INDEX]?.length ?? 0) > 0;
  }

  private get legacyConfigAt(): number {
    return this.isMsixOn ? L.LEGACY_SIZE_WITH_MSIX : L.LEGACY_SIZE_WITHOUT_MSIX;
  }

  private legacyByte(offset: number): number {
    const queue = this.queues[this.selected];
    const field = (start: number, value: number): number => (value >>> (8 * (offset - start))) & 0xff;
    if (offset < L.LEGACY_DRIVER_FEATURES) return field(0, this.offered[0]!);
    if (offset < L.LEGACY_QUEUE_ADDRESS) return field(L.LEGACY_DRIVER_FEATURES, this.accepted[0]!);
    if (offset < L.LEGACY_QUEUE_SIZE) return field(L.LEGACY_QUEUE_ADDRESS, queue?.address[0] ?? 0);
    if (offset < L.LEGACY_QUEUE_SELECT) return field(L.LEGACY_QUEUE_SIZE, queue?.size ?? 0);
    if (offset < L.LEGACY_QUEUE_NOTIFY) return field(L.LEGACY_QUEUE_SELECT, this.selected);
    if (offset < L.LEGACY_DEVICE_STATUS) return 0;
    if (offset === L.LEGACY_DEVICE_STATUS) return this.status;
    if (offset === L.LEGACY_ISR_STATUS) return this.takeIsr();
    if (offset >= this.legacyConfigAt) return this.netConfig[offset - this.legacyConfigAt] ?? 0;
    if (offset < L.LEGACY_QUEUE_MSIX_VECTOR) return field(L.LEGACY_CONFIG_MSIX_VECTOR, this.configVector);
    return field(L.LEGACY_QUEUE_MSIX_VECTOR, queue?.vector ?? C.VIRTIO_MSI_NO_VECTOR);
  }

  private takeIsr(): number {
    const { isr } = this;
    this.isr = 0;
    return isr;
  }

  private check(region: number, offset: number, size: number): void {
    if (this.failsIn > 0 && --this.failsIn === 0) throw new VfioError('EIO', 'the host refuses the access');
    const bytes = this.regions[region] ?? 0;
    if (!(offset >= 0 && offset + size <= bytes) || offset % size !== 0) {
      throw new VfioError('EINVAL', `access of ${size} bytes at ${offset}: region ${region} has ${bytes} bytes`);
    }
  }

  private place(region: number, offset: number): number {
    return (this.number << 20) + region * 0x1000 + (offset & 0xfff) + (this.selected & 7) * 0x100_0000;
  }

  private honest(region: number, offset: number, size: AccessSize): number {
    if (region === VFIO_PCI_CONFIG_REGION_INDEX) return littleEndian(this.config, offset, size);
    if (region === 0) return this.readLegacy(offset, size);
    if (region !== REGISTER_BAR) return 0;
    if (offset === ISR_AT) return this.takeIsr();
    if (offset >= DEVICE_CONFIG_AT && offset + size <= DEVICE_CONFIG_AT + this.netConfig.length) {
      return littleEndian(this.netConfig, offset - DEVICE_CONFIG_AT, size);
    }
    return offset < C.COMMON_SIZE ? this.readCommon(offset - COMMON_AT) : 0;
  }

  /** The answer that the driver gets: the truth, or what the first lie about the register makes of it. */
  private lie(region: number, offset: number, size: AccessSize, honest: number): number {
    let value = honest;
    for (const lie of this.world.readLies) {
      const [where, base] = this.target(lie.where);
      const at = base + lie.offset;
      const isMeant = where === region && (lie.mode === 7 ? offset >= base : at >= offset && at < offset + size);
      if (!isMeant) continue;
      if (lie.skip > 0) {
        lie.skip--;
        continue;
      }
      const shift = lie.mode === 7 ? 0 : 8 * (at - offset);
      value = ANSWERS[lie.mode]!(value >>> shift, lie.value, lie.reads++) << shift;
    }
    return size === 4 ? value >>> 0 : value & ((1 << (8 * size)) - 1);
  }

  /** Region and first byte of what a lie is about. */
  private target(where: number): readonly [number, number] {
    switch (where & 7) {
      case 0:
      case 1:
        return [REGISTER_BAR, COMMON_AT];
      case 2:
        return [REGISTER_BAR, DEVICE_CONFIG_AT];
      case 3:
        return [REGISTER_BAR, ISR_AT];
      case 4:
        return [0, 0];
      default:
        return [VFIO_PCI_CONFIG_REGION_INDEX, 0];
    }
  }

  private readCommon(register: number): number {
    const queue = this.queues[this.selected];
    switch (register) {
      case C.COMMON_DEVICE_FEATURE:
        return this.offered[this.deviceWord] ?? 0;
      case C.COMMON_DRIVER_FEATURE:
        return this.accepted[this.driverWord] ?? 0;
      case C.COMMON_CONFIG_MSIX_VECTOR:
        return this.configVector;
      case C.COMMON_NUM_QUEUES:
        return QUEUES - 1;
      case C.COMMON_DEVICE_STATUS:
        return this.status;
      case C.COMMON_QUEUE_SELECT:
        return this.selected;
      case C.COMMON_QUEUE_SIZE:
        return queue?.size ?? 0;
      case C.COMMON_QUEUE_MSIX_VECTOR:
        return queue?.vector ?? C.VIRTIO_MSI_NO_VECTOR;
      case C.COMMON_QUEUE_ENABLE:
        return queue?.isEnabled === true ? 1 : 0;
      case C.COMMON_QUEUE_NOTIFY_OFF:
        return this.selected;
      case C.COMMON_ADMIN_QUEUE_INDEX:
        return ADMIN_QUEUE;
      case C.COMMON_ADMIN_QUEUE_NUM:
        return this.kind === 'pf' ? 1 : 0;
      default:
        return 0;
    }
  }

  private writeCommon(register: number, value: number): void {
    const queue = this.queues[this.selected];
    if (register === C.COMMON_DEVICE_FEATURE_SELECT) this.deviceWord = value;
    else if (register === C.COMMON_DRIVER_FEATURE_SELECT) this.driverWord = value;
    else if (register === C.COMMON_DRIVER_FEATURE) this.accepted[this.driverWord] = value;
    else if (register === C.COMMON_CONFIG_MSIX_VECTOR) this.configVector = value;
    else if (register === C.COMMON_DEVICE_STATUS) this.writeStatus(value);
    else if (register === C.COMMON_QUEUE_SELECT) this.selected = value;
    else if (queue === undefined) return;
    else if (register === C.COMMON_QUEUE_SIZE) queue.size = value;
    else if (register === C.COMMON_QUEUE_MSIX_VECTOR) queue.vector = value;
    else if (register >= C.COMMON_QUEUE_DESC && register < C.COMMON_QUEUE_NOTIF_CONFIG_DATA) {
      queue.address[(register - C.COMMON_QUEUE_DESC) >> 2] = value;
    } else if (register === C.COMMON_QUEUE_ENABLE && value === 1) {
      queue.isEnabled = true;
      const [desc = 0, avail = 0, used = 0] = [0, 2, 4].map(
        (i) => queue.address[i]! + queue.address[i + 1]! * 2 ** 32 - IOVA_BASE,
      );
      this.makeRing(this.selected, queue, queue.size, desc, avail, used);
    }
  }

  /** Do the capabilities say something else than where the structures are? What a driver then writes means nothing here. */
  private hasMoved(): boolean {
    const honest = configurationOf(this.kind);
    return honest.some((byte, at) => at >= CAPABILITIES && at < CAPABILITIES_END && byte !== this.config[at]);
  }

  /** The driver gave a ring away: its three parts have to be memory of the driver. */
  private makeRing(
    index: number,
    queue: QueueRegisters,
    size: number,
    desc: number,
    avail: number,
    used: number,
  ): void {
    const { memory, queues } = this.world;
    const isInside = (at: number, bytes: number): boolean => memory.find(at + IOVA_BASE, bytes) >= 0;
    // virtio 1.4 §2.7.2, §2.8.10: of a packed ring the other two parts are event suppression structures
    const isPacked = this.hasAccepted(VIRTIO_F_RING_PACKED);
    const [availBytes, usedBytes] = isPacked ? [4, 4] : [6 + 2 * size, 6 + 8 * size];
    const isWhole = isInside(desc, 16 * size) && isInside(avail, availBytes) && isInside(used, usedBytes);
    if (!isWhole && (this.world.isProgramWriting || this.hasMoved())) return;
    if (!isWhole) throw new Breach(`queue ${index} with ${size} descriptors is not in the driver's memory`);
    this.dropRing(queue);
    if (isPacked) return; // offered by a lie: this device has no packed rings, and never uses a buffer
    // what the last ring in this place returned is gone with it
    const last = queues.findIndex((other) => other.place.desc === desc);
    if (last >= 0) queues.splice(last, 1);
    queue.ring = new DeviceQueue(memory, index, { size, desc, avail, used }, queues);
    queue.ring.isTainted = this.world.isProgramWriting;
    queues.push(queue.ring);
  }

  private dropRing(queue: QueueRegisters): void {
    queue.ring?.forget();
    queue.ring = null;
  }

  private writeStatus(value: number): void {
    this.status = value;
    if (value !== 0) return;
    this.configVector = C.VIRTIO_MSI_NO_VECTOR;
    for (const queue of this.queues) {
      this.dropRing(queue);
      queue.isEnabled = false;
      queue.vector = C.VIRTIO_MSI_NO_VECTOR;
      queue.size = QUEUE_SIZE;
      queue.address.fill(0);
    }
  }
}

function littleEndian(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}
