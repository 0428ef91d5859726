// SPDX-License-Identifier: Apache-2.0
// The driver's side of a split virtqueue (virtio 1.4 §2.7): descriptor free list, indirect tables, available and used
// ring, event index. What the driver must remember (free list, chains in flight) stays in private arrays, never in memory
// that the device can write; ids, lengths and the index read from the used ring are checked before they are used.
//
//   modern   three blocks, the first on a page    legacy   one block, 4096-aligned, given to the device as a page number
//   desc 16n | avail 6+2n | used 6+8n             desc 16n | avail 6+2n | pad to 4096 | used 6+8n
import { LEGACY_VRING_ALIGN } from '../../assembly/abi/virtio_pci_legacy.ts';
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_ALIGN,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_SIZE,
  VIRTQ_MAX_SIZE,
  VIRTQ_USED_F_NO_NOTIFY,
} from '../../assembly/abi/virtio_ring.ts';
import { NicError } from '../util/errors.ts';
import {
  checkOptions,
  FLAG,
  needed,
  oneOfNames,
  powerOfTwoFrom,
  wholeFrom,
  type OptionChecks,
} from '../util/options.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { DriverRing } from './driver_ring.ts';
import { alignUp, type DmaMemory } from './platform.ts';

const DESC_DWORDS = VIRTQ_DESC_SIZE / 4;
const TWO_TO_32 = 0x1_0000_0000;
/** Where Linux puts a ring: on a page of its own, so that no used element lies across two; its parts on lines of the cache. */
const PAGE = 4096;
const CACHE_LINE = 64;

/** What a split ring is made of. */
export interface SplitRingOptions {
  /** Virtqueue index, for messages. */
  readonly queue: number;
  /** Number of descriptors: a power of two up to 32768. */
  readonly size: number;
  readonly layout: 'modern' | 'legacy';
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  readonly hasEventIdx?: boolean;
  /** VIRTIO_F_INDIRECT_DESC was negotiated; by default, where `indirectEntries` is not 0. */
  readonly hasIndirect?: boolean;
  /** Entries of the indirect table that each head has of its own; 0, the default, for none. */
  readonly indirectEntries?: number;
  /** Legacy devices may write anything as the length of a transmitted packet: false leaves it unchecked. */
  readonly checksUsedLength?: boolean;
}

const SPLIT_RING_OPTIONS: OptionChecks<SplitRingOptions> = {
  queue: needed(wholeFrom(0, 0xffff)),
  size: needed(powerOfTwoFrom(1, VIRTQ_MAX_SIZE)),
  layout: needed(oneOfNames('modern', 'legacy')),
  hasEventIdx: FLAG,
  hasIndirect: FLAG,
  indirectEntries: wholeFrom(0, VIRTQ_MAX_SIZE),
  checksUsedLength: FLAG,
};

/** One split virtqueue as its driver holds it. An id is the head of the chain. */
export class SplitRing implements DriverRing {
  readonly queue: number;
  readonly size: number;
  readonly hasEventIdx: boolean;
  readonly indirectEntries: number;
  /** Of the descriptor table, the available ring and the used ring. */
  readonly descriptorIova: number;
  readonly driverIova: number;
  readonly deviceIova: number;
  usedLength = 0;

  private readonly memory: DmaMemory;
  private readonly u16: Uint16Array;
  private readonly u32: Uint32Array;
  private readonly mask: number;

  private readonly checksUsedLength: boolean;
  private readonly hasIndirect: boolean;
  // Places of the parts as element positions in u16 and u32.
  private readonly desc32: number;
  private readonly avail16: number;
  private readonly used16: number;
  private readonly used32: number;
  private readonly usedEvent16: number;
  private readonly availEvent16: number;
  private readonly indirect32: number;
  private readonly indirectIova: number;

  /** The free list, and the order of descriptors within a chain. */
  private readonly next: Uint16Array;
  /** Of each head of a chain in flight: its last descriptor << 16 | number of descriptors. 0 for everything else. */
  private readonly inFlightAt: Uint32Array;
  /** Of each head of a chain in flight: the available index at which it stands. */
  private readonly exposedAt: Uint16Array;
  /** Bytes that the chain of a head takes, at most 2^32 - 1. */
  private readonly writableBytes: Uint32Array;
  private freeHead = 0;
  private free = 0;
  private chains = 0;
  private availIdx = 0;
  private publishedIdx = 0;
  private lastUsedIdx = 0;
  private wantsInterrupts = true;
  /** What the device got wrong first; the ring stays broken until it is cleared. */
  private broken: DeviceFaultError | null = null;

  // The chain under construction.
  private readonly stagedIova: Float64Array;
  private readonly stagedLength: Uint32Array;
  private staged = 0;
  private stagedReadable = 0;

  constructor(memory: DmaMemory, options: SplitRingOptions) {
    checkOptions('split ring', options, SPLIT_RING_OPTIONS, 'RING_SIZE');
    const { size, layout, indirectEntries = 0, hasIndirect = indirectEntries > 0 } = options;
    this.memory = memory;
    this.u16 = memory.u16;
    this.u32 = memory.u32;
    this.queue = options.queue;
    this.size = size;
    this.mask = size - 1;
    this.hasEventIdx = options.hasEventIdx ?? false;
    this.checksUsedLength = options.checksUsedLength ?? true;
    this.hasIndirect = hasIndirect;
    this.indirectEntries = hasIndirect ? indirectEntries : 0;

    const availBytes = 6 + 2 * size;
    const usedBytes = 6 + 8 * size;
    let desc: number;
    let avail: number;
    let used: number;
    if (layout === 'legacy') {
      const usedStart = alignUp(VIRTQ_DESC_SIZE * size + availBytes, LEGACY_VRING_ALIGN);
      desc = memory.alloc(usedStart + usedBytes, LEGACY_VRING_ALIGN);
      avail = desc + VIRTQ_DESC_SIZE * size;
      used = desc + usedStart;
    } else {
      desc = memory.alloc(VIRTQ_DESC_SIZE * size, PAGE);
      avail = memory.alloc(availBytes, CACHE_LINE);
      used = memory.alloc(usedBytes, CACHE_LINE);
    }
    this.descriptorIova = memory.iova(desc);
    this.driverIova = memory.iova(avail);
    this.deviceIova = memory.iova(used);
    this.desc32 = desc >>> 2;
    this.avail16 = avail >>> 1;
    this.used16 = used >>> 1;
    this.used32 = used >>> 2;
    this.usedEvent16 = this.avail16 + 2 + size;
    this.availEvent16 = this.used16 + 2 + 4 * size;
    const indirect =
      this.indirectEntries > 0 ? memory.alloc(size * this.indirectEntries * VIRTQ_DESC_SIZE, VIRTQ_DESC_ALIGN) : 0;
    this.indirect32 = indirect >>> 2;
    this.indirectIova = this.indirectEntries > 0 ? memory.iova(indirect) : 0;

    this.next = new Uint16Array(size);
    this.inFlightAt = new Uint32Array(size);
    this.exposedAt = new Uint16Array(size);
    this.writableBytes = new Uint32Array(size);
    this.stagedIova = new Float64Array(size);
    this.stagedLength = new Uint32Array(size);
    this.clear();
  }

  get freeCount(): number {
    return this.free;
  }

  get inFlight(): number {
    return this.chains;
  }

  get nextId(): number {
    return this.freeHead;
  }

  clear(): void {
    const { u16, u32, size } = this;
    u32.fill(0, this.desc32, this.desc32 + DESC_DWORDS * size);
    u16.fill(0, this.avail16, this.usedEvent16 + 1);
    u16.fill(0, this.used16, this.availEvent16 + 1);
    for (let i = 0; i < size; i++) this.next[i] = i + 1;
    this.inFlightAt.fill(0);
    this.freeHead = 0;
    this.free = size;
    this.chains = 0;
    this.availIdx = 0;
    this.publishedIdx = 0;
    this.lastUsedIdx = 0;
    this.wantsInterrupts = true;
    this.broken = null;
    this.staged = 0;
    this.stagedReadable = 0;
  }

  fix(head: number, iova: number, length: number, writable: boolean): void {
    this.writeDescriptor(this.desc32 + DESC_DWORDS * head, iova, length, writable ? VIRTQ_DESC_F_WRITE : 0, 0);
    this.writableBytes[head] = writable ? length : 0;
  }

  addFixed(length: number): number {
    if (this.free === 0) return -1;
    const head = this.freeHead;
    this.u32[this.desc32 + DESC_DWORDS * head + 2] = length;
    this.expose(head, head, 1);
    return head;
  }

  /** The two are descriptors `head` and `head + 1`. */
  fixPair(head: number, iova0: number, length0: number, iova1: number, length1: number, writable: boolean): void {
    const flags = writable ? VIRTQ_DESC_F_WRITE : 0;
    const at = this.desc32 + DESC_DWORDS * head;
    this.writeDescriptor(at, iova0, length0, flags | VIRTQ_DESC_F_NEXT, head + 1);
    this.writeDescriptor(at + DESC_DWORDS, iova1, length1, flags, 0);
    this.writableBytes[head] = writable ? length0 + length1 : 0;
  }

  addFixedPair(length: number): number {
    if (this.free < 2) return -1;
    // Pairs are taken from the free list and put back whole, so they never come apart.
    const head = this.freeHead;
    this.u32[this.desc32 + DESC_DWORDS * (head + 1) + 2] = length;
    this.expose(head, head + 1, 2);
    return head;
  }

  writeTableEntry(
    table: number,
    entry: number,
    iova: number,
    length: number,
    writable: boolean,
    isLast: boolean,
  ): void {
    const flags = (writable ? VIRTQ_DESC_F_WRITE : 0) | (isLast ? 0 : VIRTQ_DESC_F_NEXT);
    this.writeDescriptor((table >>> 2) + DESC_DWORDS * entry, iova, length, flags, isLast ? 0 : entry + 1);
  }

  addTable(table: number, entries: number, writableBytes: number): number {
    if (!this.hasIndirect) return this.addEntries(table, entries);
    if (this.free === 0) return -1;
    const head = this.freeHead;
    const at = this.desc32 + DESC_DWORDS * head;
    this.writeDescriptor(at, this.memory.iova(table), VIRTQ_DESC_SIZE * entries, VIRTQ_DESC_F_INDIRECT, 0);
    this.writableBytes[head] = writableBytes;
    this.expose(head, head, 1);
    return head;
  }

  /** The entries of a table become descriptors of the ring. */
  private addEntries(table: number, entries: number): number {
    const u32 = this.u32;
    for (let entry = 0; entry < entries; entry++) {
      const at = (table >>> 2) + DESC_DWORDS * entry;
      const iova = u32[at]! + u32[at + 1]! * TWO_TO_32;
      this.push(iova, u32[at + 2]!, (u32[at + 3]! & VIRTQ_DESC_F_WRITE) !== 0);
    }
    return this.commit();
  }

  push(iova: number, length: number, writable: boolean): void {
    const at = this.staged;
    if (at === this.size)
      throw new NicError('RING_CHAIN', `chain of more than ${this.size} buffers on queue ${this.queue}`);
    if (!writable) {
      if (this.stagedReadable !== at) {
        throw new NicError('RING_CHAIN', `device-readable buffer behind a writable one on queue ${this.queue}`);
      }
      this.stagedReadable = at + 1;
    }
    this.stagedIova[at] = iova;
    this.stagedLength[at] = length;
    this.staged = at + 1;
  }

  /** Through an indirect table of the head's where the chain fits one. */
  commit(): number {
    const count = this.staged;
    const readable = this.stagedReadable;
    this.staged = 0;
    this.stagedReadable = 0;
    if (count === 0) throw new NicError('RING_CHAIN', `empty chain on queue ${this.queue}`);
    const isIndirect = count > 1 && count <= this.indirectEntries;
    if (this.free < (isIndirect ? 1 : count)) return -1;

    let writableBytes = 0;
    for (let i = readable; i < count; i++) writableBytes += this.stagedLength[i]!;
    const head = this.freeHead;
    this.writableBytes[head] = Math.min(writableBytes, 0xffffffff);
    if (isIndirect) {
      const table = head * this.indirectEntries;
      for (let i = 0; i < count; i++) {
        const more = i + 1 < count;
        const flags = (i >= readable ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0);
        const at = this.indirect32 + DESC_DWORDS * (table + i);
        this.writeDescriptor(at, this.stagedIova[i]!, this.stagedLength[i]!, flags, more ? i + 1 : 0);
      }
      const iova = this.indirectIova + VIRTQ_DESC_SIZE * table;
      const at = this.desc32 + DESC_DWORDS * head;
      this.writeDescriptor(at, iova, VIRTQ_DESC_SIZE * count, VIRTQ_DESC_F_INDIRECT, 0);
      this.expose(head, head, 1);
      return head;
    }
    let slot = head;
    let tail = head;
    for (let i = 0; i < count; i++) {
      const more = i + 1 < count;
      const flags = (i >= readable ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0);
      tail = slot;
      slot = this.next[slot]!;
      const at = this.desc32 + DESC_DWORDS * tail;
      this.writeDescriptor(at, this.stagedIova[i]!, this.stagedLength[i]!, flags, more ? slot : 0);
    }
    this.expose(head, tail, count);
    return head;
  }

  /** Moves the available index over everything added since. */
  publish(): boolean {
    const old = this.publishedIdx;
    const now = this.availIdx;
    if (old === now) return false;
    this.u16[this.avail16 + 1] = now;
    this.publishedIdx = now;
    if (!this.hasEventIdx) return (this.u16[this.used16]! & VIRTQ_USED_F_NO_NOTIFY) === 0;
    // §2.7.10: notify when the index moved over avail_event.
    return ((now - this.u16[this.availEvent16]! - 1) & 0xffff) < ((now - old) & 0xffff);
  }

  wantsNotification(): boolean {
    if (!this.hasEventIdx) return (this.u16[this.used16]! & VIRTQ_USED_F_NO_NOTIFY) === 0;
    return this.u16[this.availEvent16] === this.publishedIdx;
  }

  hasUsed(): boolean {
    return this.u16[this.used16 + 1] !== this.lastUsedIdx;
  }

  takeUsed(): number {
    if (this.broken !== null) throw this.broken;
    const u32 = this.u32;
    const last = this.lastUsedIdx;
    const published = this.publishedIdx;
    const idx = this.u16[this.used16 + 1]!;
    if (idx === last) return -1;
    if (((idx - last) & 0xffff) > ((published - last) & 0xffff)) this.fault('DEVICE_USED_INDEX', 'used index', idx);
    const element = this.used32 + 1 + 2 * (last & this.mask);
    const id = u32[element]!;
    const length = u32[element + 1]!;
    const chain = id < this.size ? this.inFlightAt[id]! : 0;
    if (chain === 0 || (published !== this.availIdx && this.isUnpublished(id))) {
      this.fault('DEVICE_USED_ID', 'used id', id);
    }
    if (length !== 0 && this.checksUsedLength && length > this.writableBytes[id]!) {
      this.fault('DEVICE_USED_LENGTH', `used id ${id} with length`, length);
    }

    this.next[chain >>> 16] = this.freeHead;
    this.freeHead = id;
    this.free += chain & 0xffff;
    this.inFlightAt[id] = 0;
    this.chains--;
    const now = (last + 1) & 0xffff;
    this.lastUsedIdx = now;
    if (this.hasEventIdx && this.wantsInterrupts) this.u16[this.usedEvent16] = now;
    this.usedLength = length;
    return id;
  }

  enableInterrupts(): boolean {
    this.wantsInterrupts = true;
    if (this.hasEventIdx) this.u16[this.usedEvent16] = this.lastUsedIdx;
    else this.u16[this.avail16] = 0;
    return this.hasUsed();
  }

  disableInterrupts(): void {
    this.wantsInterrupts = false;
    // With the event index the flags stay 0 and the event is put as far away as it goes.
    if (this.hasEventIdx) this.u16[this.usedEvent16] = this.lastUsedIdx - 1;
    else this.u16[this.avail16] = VIRTQ_AVAIL_F_NO_INTERRUPT;
  }

  private writeDescriptor(at: number, iova: number, length: number, flags: number, next: number): void {
    const u32 = this.u32;
    u32[at] = iova;
    u32[at + 1] = iova / TWO_TO_32;
    u32[at + 2] = length;
    u32[at + 3] = flags | (next << 16);
  }

  private expose(head: number, tail: number, count: number): void {
    this.freeHead = this.next[tail]!;
    this.free -= count;
    this.chains++;
    this.inFlightAt[head] = (tail << 16) | count;
    this.exposedAt[head] = this.availIdx;
    this.u16[this.avail16 + 2 + (this.availIdx & this.mask)] = head;
    this.availIdx = (this.availIdx + 1) & 0xffff;
  }

  /** The device was not told of the chain in flight, and returns it all the same. */
  private isUnpublished(head: number): boolean {
    const ahead = (this.exposedAt[head]! - this.publishedIdx) & 0xffff;
    return ahead < ((this.availIdx - this.publishedIdx) & 0xffff);
  }

  private fault(
    code: 'DEVICE_USED_INDEX' | 'DEVICE_USED_ID' | 'DEVICE_USED_LENGTH',
    what: string,
    value: number,
  ): never {
    const state = `${this.chains} chains in flight, ${this.lastUsedIdx} taken, size ${this.size}`;
    this.broken = new DeviceFaultError(
      code,
      `queue ${this.queue}: ${what} 0x${value.toString(16)} cannot be (${state})`,
    );
    this.free = 0;
    throw this.broken;
  }
}
