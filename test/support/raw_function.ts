// SPDX-License-Identifier: Apache-2.0
// One function of a card, driven register by register. virtio 1.4 §3.1.1 and §4.1.4.3 for the modern registers.
//
// BAR 4 has the MSI-X table: le64 address, le32 data, le32 control an entry; pending bits from 0x800 on.
import { DEFAULT_IOVA_BASE, DmaBuffer } from '../../src/iommufd/dma_buffer.ts';
import { Ioas } from '../../src/iommufd/ioas.ts';
import type { AccessSize } from '../../src/vfio/vfio_device.ts';
import type { RawBench } from './raw_bench.ts';
import { RawRing } from './raw_ring.ts';
import type { RegisterPath } from './register_path.ts';
import {
  ACKNOWLEDGE,
  DEVICE_CONFIG,
  DRIVER,
  DRIVER_OK,
  F,
  FEATURES_OK,
  NEEDS_RESET,
  NOTIFY,
  R,
  RX,
  TX,
  VIRTIO_BAR,
} from './registers.ts';

const MSIX_BAR = 4;
const PENDING_BITS = 0x800;
const PCI_COMMAND = 0x04;
const MEMORY_AND_BUS_MASTER = 0x6;
const MSIX_CONTROL = 0x4a;
const MSIX_ENABLE = 0x8000;
const NO_VECTOR = 0xffff;
const DEVICE_CONTROL = 0x5c; // of the PCI Express capability at 0x54
const INITIATE_FLR = 0x8000;

/** Where MSI-X messages go. */
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
  /** Queues to enable; default RX and TX. */
  readonly queues?: Readonly<Record<number, QueueOptions>>;
  /** MSI-X vector, default 0; null for none. */
  readonly configVector?: number | null;
}

/** One function under test, with memory in an address space of its own and bus mastering on. */
export class RawFunction {
  readonly card: RawBench;
  readonly fn: number;
  /** Its registers, those of PCI included. */
  readonly path: RegisterPath;
  readonly memory: DmaBuffer;
  readonly ioas: Ioas;
  readonly rings = new Map<number, RawRing>();

  constructor(card: RawBench, fn: number, memoryBytes = 64 << 10) {
    this.card = card;
    this.fn = fn;
    this.path = card.direct(fn);
    this.ioas = new Ioas(card.nic);
    this.memory = new DmaBuffer(card.nic, this.ioas, memoryBytes);
    card.nic.attachIoas(fn, this.ioas.id);
    this.enableBusMaster();
  }

  /** Bus Master Enable; the PF keeps Memory Space Enable, which VFs do not have. */
  enableBusMaster(): void {
    this.path.configWrite(PCI_COMMAND, 2, MEMORY_AND_BUS_MASTER);
  }

  // ---- MSI-X --------------------------------------------------------------------------------------------------------

  /** Unmasks the first vectors, all unless told otherwise, and sets MSI-X Enable. Data of a message: `data` + vector. */
  enableMsix(vectors = (this.path.configRead(MSIX_CONTROL, 2) & 0x7ff) + 1, data = 0): this {
    for (let vector = 0; vector < vectors; vector++) {
      [MSI_ADDRESS, 0, data + vector, 0].forEach((word, i) => this.path.write(MSIX_BAR, 16 * vector + 4 * i, 4, word));
    }
    this.path.configWrite(MSIX_CONTROL, 2, MSIX_ENABLE);
    return this;
  }

  maskVector(vector: number, isMasked: boolean): void {
    this.path.write(MSIX_BAR, 16 * vector + 12, 4, isMasked ? 1 : 0);
    this.card.settle();
  }

  /** Pending bits of vectors 0 to 31. */
  pending(): number {
    return this.path.read(MSIX_BAR, PENDING_BITS, 4);
  }

  // ---- registers ----------------------------------------------------------------------------------------------------

  read(register: number, size: AccessSize = 2): number {
    return this.path.read(VIRTIO_BAR, register, size);
  }

  write(register: number, value: number, size: AccessSize = 2): void {
    this.path.write(VIRTIO_BAR, register, size, value);
  }

  /** Field of the selected queue. */
  queue(index: number, register: number, size: AccessSize = 2): number {
    this.write(R.QUEUE_SELECT, index);
    return this.read(register, size);
  }

  setQueue(index: number, register: number, value: number, size: AccessSize = 2): void {
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

  deviceConfig(offset: number, size: AccessSize): number {
    return this.path.read(VIRTIO_BAR, DEVICE_CONFIG + offset, size);
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
    this.path.configWrite(DEVICE_CONTROL, 2, INITIATE_FLR);
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
    this.setQueue(index, R.QUEUE_MSIX_VECTOR, vector ?? NO_VECTOR);
    this.setQueue(index, R.QUEUE_ENABLE, 1);
    this.rings.set(index, ring);
    return ring;
  }

  /** From reset to DRIVER_OK. */
  start(options: StartOptions = {}): this {
    this.prepare(options);
    this.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    this.card.settle();
    return this;
  }

  /** The same without DRIVER_OK. */
  prepare({ features = [], queues = { [RX]: {}, [TX]: {} }, configVector = 0 }: StartOptions = {}): this {
    this.reset();
    if (!this.negotiate([F.VERSION_1, F.ACCESS_PLATFORM, ...features])) throw new Error('FEATURES_OK was refused');
    this.write(R.CONFIG_MSIX_VECTOR, configVector ?? NO_VECTOR);
    for (const [index, queue] of Object.entries(queues)) this.addQueue(Number(index), queue);
    return this;
  }

  ring(index: number): RawRing {
    return this.rings.get(index)!;
  }

  /** Available buffer notification, without waiting for what comes of it. */
  notify(index: number): void {
    this.path.write(VIRTIO_BAR, NOTIFY + 4 * index, 2, index);
  }

  /** Available buffer notification, and all that comes of it. */
  kick(index: number): void {
    this.notify(index);
    this.card.settle();
  }

  // ---- frames -------------------------------------------------------------------------------------------------------

  /** Makes a frame available to be sent: 12 bytes of header, then 60 bytes addressed to nobody here. */
  addFrame(): number {
    const at = this.memory.alloc(72, 8);
    this.memory.u8.set([0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00], at + 12);
    return this.ring(TX).add([{ iova: this.memory.iova(at), length: 72 }]);
  }

  /** One frame on its way, and the card idle again. */
  transmit(): number {
    const head = this.addFrame();
    this.kick(TX);
    return head;
  }

  /** A mistake that the device cannot recover from: a head beyond the transmit queue. */
  breakQueue(): void {
    const ring = this.ring(TX);
    ring.offer(ring.size);
    this.kick(TX);
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
