// SPDX-License-Identifier: Apache-2.0
// One function of a card, driven register by register. virtio 1.4 §3.1.1 and §4.1.4.3 for the modern registers.
//
//   BAR2   0x0000 common configuration | 0x1000 ISR | 0x2000 device configuration | 0x3000 notifications, 4 bytes a queue
//   BAR4   0x000 MSI-X table: le64 address, le32 data, le32 control an entry
import { DEFAULT_IOVA_BASE, DmaBuffer } from '../../src/iommufd/dma_buffer.ts';
import { Ioas } from '../../src/iommufd/ioas.ts';
import type { RawBench } from './raw_bench.ts';
import { RawRing } from './raw_ring.ts';
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, F, FEATURES_OK, NEEDS_RESET, R } from './registers.ts';

export const VIRTIO_BAR = 2;
const MSIX_BAR = 4;
const DEVICE_CONFIG = 0x2000;
export const NOTIFY = 0x3000;
const PCI_COMMAND = 0x04;
const MEMORY_AND_BUS_MASTER = 0x6;
const MSIX_CONTROL = 0x4a;
const MSIX_ENABLE = 0x8000;
const DEVICE_CONTROL = 0x5c; // of the PCI Express capability at 0x54
const INITIATE_FLR = 0x8000;

/** Where a test puts MSI-X messages: an address below 4 GiB, the vector number as data. */
const MSI_ADDRESS = 0xfee00000;

export interface QueueOptions {
  /** Default: what the device offers. */
  readonly size?: number;
  /** MSI-X vector, default queue index + 1; null for none. */
  readonly vector?: number | null;
  /** A ring that exists already. */
  readonly ring?: RawRing;
}

export interface StartOptions {
  /** Beside VERSION_1 and ACCESS_PLATFORM. */
  readonly features?: readonly number[];
  /** Queues to enable; default 0 and 1. */
  readonly queues?: Readonly<Record<number, QueueOptions>>;
}

/** One function under test. */
export class RawFunction {
  readonly card: RawBench;
  readonly fn: number;
  readonly memory: DmaBuffer;
  readonly ioas: Ioas;
  readonly rings = new Map<number, RawRing>();

  constructor(card: RawBench, fn: number, memoryBytes = 512 << 10) {
    this.card = card;
    this.fn = fn;
    this.ioas = new Ioas(card.nic);
    this.memory = new DmaBuffer(card.nic, this.ioas, memoryBytes);
    card.nic.attachIoas(fn, this.ioas.id);
    card.nic.configWrite(fn, PCI_COMMAND, 2, MEMORY_AND_BUS_MASTER);
    this.enableMsix();
  }

  /** Every vector unmasked, its number as data. */
  enableMsix(): void {
    const vectors = (this.card.nic.configRead(this.fn, MSIX_CONTROL, 2) & 0x7ff) + 1;
    for (let vector = 0; vector < vectors; vector++) {
      [MSI_ADDRESS, 0, vector, 0].forEach((word, i) =>
        this.card.nic.write(this.fn, MSIX_BAR, 16 * vector + 4 * i, 4, word),
      );
    }
    this.card.nic.configWrite(this.fn, MSIX_CONTROL, 2, MSIX_ENABLE);
  }

  // ---- registers ----------------------------------------------------------------------------------------------------

  read(register: number, size = 2): number {
    return this.card.nic.read(this.fn, VIRTIO_BAR, register, size);
  }

  write(register: number, value: number, size = 2): void {
    this.card.nic.write(this.fn, VIRTIO_BAR, register, size, value);
  }

  /** Field of the selected queue. */
  queue(index: number, register: number, size = 2): number {
    this.write(R.QUEUE_SELECT, index);
    return this.read(register, size);
  }

  setQueue(index: number, register: number, value: number, size = 2): void {
    this.write(R.QUEUE_SELECT, index);
    this.write(register, value, size);
  }

  /** A 64-bit address register of a queue. */
  setQueueAddress(index: number, register: number, iova: number): void {
    this.write(R.QUEUE_SELECT, index);
    this.write(register, iova >>> 0, 4);
    this.write(register + 4, Math.floor(iova / 0x1_0000_0000), 4);
  }

  get status(): number {
    return this.read(R.DEVICE_STATUS, 1);
  }

  set status(value: number) {
    this.write(R.DEVICE_STATUS, value, 1);
  }

  get needsReset(): boolean {
    return (this.status & NEEDS_RESET) !== 0;
  }

  deviceConfig(offset: number, size: number): number {
    return this.card.nic.read(this.fn, VIRTIO_BAR, DEVICE_CONFIG + offset, size);
  }

  hasOffered(bit: number): boolean {
    this.write(R.DEVICE_FEATURE_SELECT, bit >> 5, 4);
    return ((this.read(R.DEVICE_FEATURE, 4) >>> (bit & 31)) & 1) === 1;
  }

  get mac(): Uint8Array {
    return Uint8Array.from({ length: 6 }, (_, i) => this.deviceConfig(i, 1));
  }

  get counters(): Readonly<Record<string, number>> {
    return this.card.nic.functionCounters(this.fn);
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  reset(): void {
    this.status = 0;
    for (let reads = 0; this.status !== 0; reads++) if (reads > 100) throw new Error('the reset never ends');
    this.rings.clear();
  }

  functionLevelReset(): void {
    this.card.nic.configWrite(this.fn, DEVICE_CONTROL, 2, INITIATE_FLR);
    this.card.settle();
    this.rings.clear();
  }

  /** ACKNOWLEDGE, DRIVER, features, FEATURES_OK; true where the device agrees. */
  negotiate(bits: readonly number[]): boolean {
    this.status = ACKNOWLEDGE;
    this.status = ACKNOWLEDGE | DRIVER;
    for (let word = 0; word < 4; word++) {
      const value = bits.filter((bit) => bit >> 5 === word).reduce((sum, bit) => sum + 2 ** (bit & 31), 0);
      this.write(R.DRIVER_FEATURE_SELECT, word, 4);
      this.write(R.DRIVER_FEATURE, value, 4);
    }
    this.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    return (this.status & FEATURES_OK) !== 0;
  }

  /** Places a ring, tells the device and enables the queue. */
  addQueue(index: number, options: QueueOptions = {}): RawRing {
    const size = options.ring?.size ?? options.size ?? this.queue(index, R.QUEUE_SIZE);
    const ring = options.ring ?? new RawRing(this.memory, size);
    const vector = options.vector === undefined ? index + 1 : options.vector;
    this.setQueue(index, R.QUEUE_SIZE, size);
    this.setQueueAddress(index, R.QUEUE_DESC, ring.iovas.desc);
    this.setQueueAddress(index, R.QUEUE_DRIVER, ring.iovas.avail);
    this.setQueueAddress(index, R.QUEUE_DEVICE, ring.iovas.used);
    this.setQueue(index, R.QUEUE_MSIX_VECTOR, vector ?? 0xffff);
    this.setQueue(index, R.QUEUE_ENABLE, 1);
    this.rings.set(index, ring);
    return ring;
  }

  /** From reset to DRIVER_OK. */
  start(options: StartOptions = {}): void {
    this.reset();
    const { features = [], queues = { 0: {}, 1: {} } } = options;
    if (!this.negotiate([F.VERSION_1, F.ACCESS_PLATFORM, ...features])) throw new Error('FEATURES_OK was refused');
    this.write(R.CONFIG_MSIX_VECTOR, 0);
    for (const [index, queue] of Object.entries(queues)) this.addQueue(Number(index), queue);
    this.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    this.card.settle();
  }

  ring(index: number): RawRing {
    return this.rings.get(index)!;
  }

  /** Available buffer notification, without waiting for what comes of it. */
  notify(index: number): void {
    this.card.nic.write(this.fn, VIRTIO_BAR, NOTIFY + 4 * index, 2, index);
  }

  /** Available buffer notification, and all that comes of it. */
  kick(index: number): void {
    this.notify(index);
    this.card.settle();
  }

  // ---- memory -------------------------------------------------------------------------------------------------------

  /** A block of driver memory holding `bytes`; returns its device address. */
  place(bytes: Uint8Array, align = 1): number {
    const at = this.memory.alloc(Math.max(1, bytes.length), align);
    this.memory.u8.set(bytes, at);
    return this.memory.iova(at);
  }

  /** A block of `length` bytes, each holding `fill`; returns its device address. */
  space(length: number, fill = 0xee): number {
    return this.place(new Uint8Array(length).fill(fill), 4);
  }

  /** Maps the pages of a block again with what the device may do there; the block begins at a page. */
  protect(iova: number, bytes: number, options: { read?: boolean; write?: boolean }): void {
    const base = this.memory.iova(0);
    const window = base - DEFAULT_IOVA_BASE;
    const from = iova - base;
    const to = from + Math.ceil(bytes / 4096) * 4096;
    this.ioas.unmap(base, this.memory.size);
    if (from > 0) this.ioas.map(base, from, window);
    this.ioas.map(iova, to - from, window + from, options);
    if (to < this.memory.size) this.ioas.map(base + to, this.memory.size - to, window + to);
  }

  /** Bytes at a device address. */
  bytesAt(iova: number, length: number): Uint8Array {
    const at = iova - this.memory.iova(0);
    return this.memory.u8.slice(at, at + length);
  }
}
