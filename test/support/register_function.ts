// SPDX-License-Identifier: Apache-2.0
// A virtio function reduced to registers: configuration space with its capabilities, the common structure in BAR2 and what
// a driver did with it, access by access. It moves no data; tests play the queues with RingDevice. Numbers are those of
// virtio 1.4 §4.1 and the PCI specifications, written out.
import type {
  AccessSize,
  AddressSpace,
  IrqHandler,
  VfioDevice,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioRegionInfo,
} from '../../src/vfio/vfio_device.ts';
import type { PlainMemory } from './plain_memory.ts';
import { RingDevice } from './ring_device.ts';

export interface QueueRegisters {
  size: number;
  vector: number;
  enable: number;
  /** The three 64-bit addresses: descriptors, available, used. */
  readonly address: number[];
}

const COMMON = 0x0000;
const ISR = 0x1000;
const DEVICE_CONFIG = 0x2000;
const NOTIFY = 0x3000;
const SELECTED: Readonly<Record<number, keyof Omit<QueueRegisters, 'address'>>> = {
  24: 'size',
  26: 'vector',
  28: 'enable',
};

export class RegisterFunction implements VfioDevice {
  readonly requesterId = 0x0100;
  readonly config = new Uint8Array(4096);
  readonly view = new DataView(this.config.buffer);
  readonly deviceConfig = new Uint8Array(64);
  readonly sizes = [0, 0, 0x4000, 0, 0x1000, 0, 0, 4096, 0];
  readonly log: string[] = [];
  readonly queues: QueueRegisters[] = [];
  readonly notified: number[] = [];
  /** Four words of device features. */
  readonly offered = [0, 1, 0, 0];
  readonly accepted = [0, 0, 0, 0];
  /** How many MSI-X vectors there are, and how many of them the device lets a queue or the configuration have. */
  vectors = 4;
  usableVectors = 4;
  intxCount = 0;
  isr = 0;
  status = 0;
  numQueues = 3;
  adminIndex = 0;
  adminNum = 0;
  /** Reads of device_status after a reset that still show the old value; Infinity for a device that never resets. */
  resetReads = 0;
  refusesFeatures = false;
  onNotify: (queue: number) => void = () => undefined;
  readonly handlers: (readonly (IrqHandler | null)[])[] = [];

  private configVector = 0xffff;
  private queueSelect = 0;
  private deviceFeatureSelect = 0;
  private driverFeatureSelect = 0;
  private readsUntilReset = 0;

  constructor(queueCount = 3, queueSize = 16) {
    for (let i = 0; i < queueCount; i++) {
      this.queues.push({ size: queueSize, vector: 0xffff, enable: 0, address: [0, 0, 0] });
    }
    this.view.setUint32(0x00, 0x1041_1af4, true);
    this.view.setUint16(0x06, 0x0010, true);
    this.view.setUint8(0x34, 0x40);
    this.putCapability(0x40, 0x50, 1, 2, COMMON, 64);
    this.putCapability(0x50, 0x64, 2, 2, NOTIFY, 0x1000, 20);
    this.view.setUint32(0x60, 4, true); // notify_off_multiplier
    this.putCapability(0x64, 0x74, 3, 2, ISR, 1);
    this.putCapability(0x74, 0x84, 4, 2, DEVICE_CONFIG, 64);
    this.view.setUint16(0x84, 0x9011, true); // MSI-X, next 0x90
    this.view.setUint16(0x86, 3, true); // four vectors
    this.view.setUint16(0x90, 0x0010, true); // PCI Express
  }

  /** A virtio capability at `at`. */
  putCapability(at: number, next: number, kind: number, bar: number, offset: number, length: number, size = 16): void {
    this.config.set([0x09, next, size, kind, bar, 0, 0, 0], at);
    this.view.setUint32(at + 8, offset, true);
    this.view.setUint32(at + 12, length, true);
  }

  /** The device's side of a queue, after the driver set it up. */
  ring(memory: PlainMemory, index: number): RingDevice {
    const { size, address } = this.queues[index]!;
    return new RingDevice(memory, {
      size,
      descriptorIova: address[0]!,
      driverIova: address[1]!,
      deviceIova: address[2]!,
    });
  }

  /** Raises the MSI-X vector of a queue, as the driver assigned it. */
  interrupt(queue: number): void {
    const { vector } = this.queues[queue]!;
    this.handlers[2]?.[vector]?.(vector, 0);
  }

  /** Log lines between the first that contains `from` and the first after it that contains `to`, both included. */
  logBetween(from: string, to: string): string[] {
    const start = this.log.findIndex((line) => line.includes(from));
    const rest = this.log.slice(start);
    return rest.slice(0, rest.findIndex((line) => line.includes(to)) + 1);
  }

  info(): VfioDeviceInfo {
    return { flags: 3, numRegions: 9, numIrqs: 5 };
  }

  regionInfo(index: number): VfioRegionInfo {
    return { index, flags: 3, size: this.sizes[index] ?? 0 };
  }

  irqInfo(index: number): VfioIrqInfo {
    return { index, flags: 1, count: index === 0 ? this.intxCount : index === 2 ? this.vectors : 0 };
  }

  read(region: number, offset: number, size: AccessSize): number {
    const value = this.registerValue(region, offset, size);
    if (region !== 7) this.log.push(`r ${place(offset)} ${size} = ${hex(value)}`);
    return value;
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    this.log.push(`w ${region === 7 ? `config ${hex(offset)}` : place(offset)} ${size} ${hex(value)}`);
    if (region === 7) this.writeConfig(offset, size, value);
    else if (offset >= NOTIFY) this.doorbell(value);
    else if (offset < ISR) this.writeCommon(offset, value);
  }

  /** Overridden where configuration space does something. */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.config[offset + i] = value >>> (8 * i);
  }

  readBytes(): number {
    throw new Error('drivers read registers');
  }

  writeBytes(): number {
    throw new Error('drivers write registers');
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.log.push(`setIrqs ${index} ${start} ${handlers.length}`);
    this.handlers[index] = handlers;
  }

  disableIrqs(index: number): void {
    this.log.push(`disableIrqs ${index}`);
    this.handlers[index] = [];
  }

  attach(_ioas: AddressSpace | null): void {}
  reset(): void {}
  open(): void {}
  close(): void {}

  private registerValue(region: number, offset: number, size: AccessSize): number {
    if (region === 7) return little(this.config, offset, size);
    if (offset === ISR) {
      const { isr } = this;
      this.isr = 0;
      return isr;
    }
    if (offset >= DEVICE_CONFIG && offset < NOTIFY) return little(this.deviceConfig, offset - DEVICE_CONFIG, size);
    const queue = this.queues[this.queueSelect];
    const field = SELECTED[offset];
    if (field !== undefined) return queue?.[field] ?? 0;
    switch (offset) {
      case 4:
        return this.offered[this.deviceFeatureSelect] ?? 0;
      case 16:
        return this.configVector;
      case 18:
        return this.numQueues;
      case 20:
        return this.readStatus();
      case 30:
        return this.queueSelect;
      case 60:
        return this.adminIndex;
      case 62:
        return this.adminNum;
      default:
        return 0;
    }
  }

  private readStatus(): number {
    if (this.readsUntilReset > 0 && --this.readsUntilReset === 0) this.status = 0;
    return this.status;
  }

  private writeCommon(offset: number, value: number): void {
    const queue = this.queues[this.queueSelect];
    const field = SELECTED[offset];
    if (offset >= 32 && offset < 56) this.writeAddress((offset - 32) >>> 3, (offset & 4) !== 0, value);
    else if (field === 'vector' && queue !== undefined) queue.vector = this.granted(value);
    else if (field !== undefined && queue !== undefined) queue[field] = value;
    else if (offset === 0) this.deviceFeatureSelect = value;
    else if (offset === 8) this.driverFeatureSelect = value;
    else if (offset === 12) this.accepted[this.driverFeatureSelect] = value;
    else if (offset === 16) this.configVector = this.granted(value);
    else if (offset === 20) this.writeStatus(value);
    else if (offset === 22) this.queueSelect = value;
  }

  private granted(vector: number): number {
    return vector < this.usableVectors ? vector : 0xffff;
  }

  private writeAddress(part: number, isHigh: boolean, value: number): void {
    const address = this.queues[this.queueSelect]?.address;
    if (address === undefined) return;
    const old = address[part]!;
    const low = old % 2 ** 32;
    address[part] = isHigh ? value * 2 ** 32 + low : old - low + value;
  }

  private writeStatus(value: number): void {
    if (value === 0) {
      for (const queue of this.queues) Object.assign(queue, { enable: 0, vector: 0xffff });
      this.readsUntilReset = this.resetReads;
      if (this.resetReads === 0) this.status = 0;
    } else {
      this.status = this.refusesFeatures ? value & ~8 : value;
    }
  }

  private doorbell(queue: number): void {
    this.notified.push(queue);
    this.onNotify(queue);
  }
}

function little(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

function place(offset: number): string {
  if (offset >= NOTIFY) return `notify+${hex(offset - NOTIFY)}`;
  if (offset >= DEVICE_CONFIG) return `device+${offset - DEVICE_CONFIG}`;
  return offset === ISR ? 'isr' : `common+${offset}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
