// SPDX-License-Identifier: Apache-2.0
// The driver's side of a packed virtqueue (virtio 1.4 §2.8): one ring of descriptors that both sides write, two event
// suppression structures. What the driver must remember (ids, buffers in flight) stays in private arrays, never in memory
// that the device can write; ids and lengths of used descriptors are checked before they are used. Of what is added since
// publish(), the first head is shown last: it hides everything behind it.
//
//   desc 16n   le64 addr | le32 len | le16 id | le16 flags      events 4 each   le16 off_wrap | le16 flags
//
// A place counts descriptors over two rounds of the ring: below `size` with wrap counter 1, the rest with 0.
import {
  PACKED_DESC_F_AVAIL,
  PACKED_DESC_F_USED,
  PACKED_DESC_SIZE,
  PACKED_EVENT_FLAGS_DESC_MASK,
  PACKED_EVENT_OFF_WRAP_OFF_MASK,
  PACKED_EVENT_OFF_WRAP_WRAP,
  PACKED_EVENT_SIZE,
  RING_EVENT_FLAGS_DESC,
  RING_EVENT_FLAGS_DISABLE,
  RING_EVENT_FLAGS_ENABLE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_MAX_SIZE,
} from '../../assembly/abi/virtio_ring.ts';
import { NicError } from '../util/errors.ts';
import { checkOptions, FLAG, needed, wholeFrom, type OptionChecks } from '../util/options.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { DriverRing } from './driver_ring.ts';
import type { DmaMemory } from './platform.ts';

const DESC_DWORDS = PACKED_DESC_SIZE / 4;
const DESC_WORDS = PACKED_DESC_SIZE / 2;
const TWO_TO_32 = 0x1_0000_0000;
const USED_BITS = PACKED_DESC_F_AVAIL | PACKED_DESC_F_USED;
const PAGE = 4096;
const CACHE_LINE = 64;
/** The end of the list of free ids. */
const NO_ID = 0xffff;

/** What a packed ring is made of. */
export interface PackedRingOptions {
  /** Virtqueue index, for messages. */
  readonly queue: number;
  /** Number of descriptors, up to 32768. */
  readonly size: number;
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  readonly hasEventIdx?: boolean;
  /** VIRTIO_F_INDIRECT_DESC was negotiated; by default, where `indirectEntries` is not 0. */
  readonly hasIndirect?: boolean;
  /** Entries of the indirect table that each id has of its own; 0, the default, for none. */
  readonly indirectEntries?: number;
  /** False leaves used lengths unchecked. */
  readonly checksUsedLength?: boolean;
}

const PACKED_RING_OPTIONS: OptionChecks<PackedRingOptions> = {
  queue: needed(wholeFrom(0, 0xffff)),
  size: needed(wholeFrom(1, VIRTQ_MAX_SIZE)),
  hasEventIdx: FLAG,
  hasIndirect: FLAG,
  indirectEntries: wholeFrom(0, VIRTQ_MAX_SIZE),
  checksUsedLength: FLAG,
};

/** One packed virtqueue as its driver holds it. */
export class PackedRing implements DriverRing {
  readonly queue: number;
  readonly size: number;
  readonly hasEventIdx: boolean;
  readonly indirectEntries: number;
  /** Of the descriptor ring, the driver's and the device's event suppression structure. */
  readonly descriptorIova: number;
  readonly driverIova: number;
  readonly deviceIova: number;
  usedLength = 0;

  private readonly memory: DmaMemory;
  private readonly u16: Uint16Array;
  private readonly u32: Uint32Array;
  private readonly hasIndirect: boolean;
  private readonly checksUsedLength: boolean;
  // Places of the parts as element positions in u16 and u32.
  private readonly desc16: number;
  private readonly desc32: number;
  private readonly driver16: number;
  private readonly device16: number;
  private readonly indirect32: number;
  private readonly indirectIova: number;

  /** The list of free ids; where ids are those of pairs, only even ones are in it. */
  private readonly next: Uint16Array;
  /** Descriptors of each buffer in flight by its id, 0 for everything else. */
  private readonly descriptors: Uint16Array;
  /** When it was added, counted like `added`. */
  private readonly addedAt: Uint32Array;
  /** Bytes that the buffer of an id takes, at most 2^32 - 1. */
  private readonly writableBytes: Uint32Array;
  /** Fixed buffers, one or two descriptors each. */
  private readonly fixedIova: Float64Array;
  private readonly fixedLength: Uint32Array;
  private readonly fixedFlags: Uint16Array;
  private freeId = 0;
  private free = 0;
  private buffers = 0;
  /** Buffers added and published so far, modulo 2^32. */
  private added = 0;
  private published = 0;
  /** Places of the next descriptor, of the next one that is not published, of the next used one. */
  private availPlace = 0;
  private publishedPlace = 0;
  private usedPlace = 0;
  /** The word of id and flags that publish() writes: of the first head since. */
  private heldWord = 0;
  private wantsInterrupts = true;
  /** What the device got wrong first; the ring stays broken until it is cleared. */
  private broken: DeviceFaultError | null = null;

  // The buffer under construction.
  private readonly stagedIova: Float64Array;
  private readonly stagedLength: Uint32Array;
  private staged = 0;
  private stagedReadable = 0;

  constructor(memory: DmaMemory, options: PackedRingOptions) {
    checkOptions('packed ring', options, PACKED_RING_OPTIONS, 'RING_SIZE');
    const { size, indirectEntries = 0, hasIndirect = indirectEntries > 0 } = options;
    this.memory = memory;
    this.u16 = memory.u16;
    this.u32 = memory.u32;
    this.queue = options.queue;
    this.size = size;
    this.hasEventIdx = options.hasEventIdx ?? false;
    this.hasIndirect = hasIndirect;
    this.indirectEntries = hasIndirect ? indirectEntries : 0;
    this.checksUsedLength = options.checksUsedLength ?? true;

    const desc = memory.alloc(PACKED_DESC_SIZE * size, PAGE);
    const driver = memory.alloc(PACKED_EVENT_SIZE, CACHE_LINE);
    const device = memory.alloc(PACKED_EVENT_SIZE, CACHE_LINE);
    this.descriptorIova = memory.iova(desc);
    this.driverIova = memory.iova(driver);
    this.deviceIova = memory.iova(device);
    this.desc16 = desc >>> 1;
    this.desc32 = desc >>> 2;
    this.driver16 = driver >>> 1;
    this.device16 = device >>> 1;
    const tables = size * this.indirectEntries * PACKED_DESC_SIZE;
    const indirect = tables > 0 ? memory.alloc(tables, PACKED_DESC_SIZE) : 0;
    this.indirect32 = indirect >>> 2;
    this.indirectIova = tables > 0 ? memory.iova(indirect) : 0;

    this.next = new Uint16Array(size);
    this.descriptors = new Uint16Array(size);
    this.addedAt = new Uint32Array(size);
    this.writableBytes = new Uint32Array(size);
    this.fixedIova = new Float64Array(2 * size);
    this.fixedLength = new Uint32Array(2 * size);
    this.fixedFlags = new Uint16Array(size);
    this.stagedIova = new Float64Array(size);
    this.stagedLength = new Uint32Array(size);
    this.clear();
  }

  get freeCount(): number {
    return this.free;
  }

  get inFlight(): number {
    return this.buffers;
  }

  get nextId(): number {
    return this.freeId === NO_ID ? 0 : this.freeId;
  }

  clear(): void {
    const { size } = this;
    this.u32.fill(0, this.desc32, this.desc32 + DESC_DWORDS * size);
    this.u16.fill(0, this.device16, this.device16 + 2);
    this.listIds(1);
    this.descriptors.fill(0);
    this.free = size;
    this.buffers = 0;
    this.added = 0;
    this.published = 0;
    this.availPlace = 0;
    this.publishedPlace = 0;
    this.usedPlace = 0;
    this.broken = null;
    this.staged = 0;
    this.stagedReadable = 0;
    this.wantsInterrupts = true;
    this.askForInterrupts();
  }

  fix(id: number, iova: number, length: number, writable: boolean): void {
    this.fixedIova[2 * id] = iova;
    this.fixedFlags[id] = writable ? VIRTQ_DESC_F_WRITE : 0;
    this.writableBytes[id] = writable ? length : 0;
  }

  addFixed(length: number): number {
    if (this.free === 0) return -1;
    const id = this.freeId;
    this.write(this.availPlace, this.fixedIova[2 * id]!, length, id, this.fixedFlags[id]!);
    this.expose(id, 1);
    return id;
  }

  fixPair(id: number, iova0: number, length0: number, iova1: number, length1: number, writable: boolean): void {
    if (id === 0) this.listIds(2);
    this.fix(id, iova0, length0 + length1, writable);
    this.fixedIova[2 * id + 1] = iova1;
    this.fixedLength[2 * id] = length0;
  }

  addFixedPair(length: number): number {
    if (this.free < 2) return -1;
    const id = this.freeId;
    const flags = this.fixedFlags[id]!;
    this.write(this.behind(1), this.fixedIova[2 * id + 1]!, length, id, flags);
    this.write(this.availPlace, this.fixedIova[2 * id]!, this.fixedLength[2 * id]!, id, flags | VIRTQ_DESC_F_NEXT);
    this.expose(id, 2);
    return id;
  }

  writeTableEntry(table: number, entry: number, iova: number, length: number, writable: boolean): void {
    this.describe((table >>> 2) + DESC_DWORDS * entry, iova, length, writable);
  }

  addTable(table: number, entries: number, writableBytes: number): number {
    if (!this.hasIndirect) return this.addEntries(table, entries);
    if (this.free === 0) return -1;
    const id = this.freeId;
    this.writableBytes[id] = writableBytes;
    this.write(this.availPlace, this.memory.iova(table), PACKED_DESC_SIZE * entries, id, VIRTQ_DESC_F_INDIRECT);
    this.expose(id, 1);
    return id;
  }

  /** The entries of a table become descriptors of the ring. */
  private addEntries(table: number, entries: number): number {
    const u32 = this.u32;
    for (let entry = 0; entry < entries; entry++) {
      const at = (table >>> 2) + DESC_DWORDS * entry;
      const iova = u32[at]! + u32[at + 1]! * TWO_TO_32;
      this.push(iova, u32[at + 2]!, (u32[at + 3]! & (VIRTQ_DESC_F_WRITE << 16)) !== 0);
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

  /** Through an indirect table of the id's where the buffer fits one. */
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
    const id = this.freeId;
    this.writableBytes[id] = Math.min(writableBytes, 0xffffffff);
    if (isIndirect) {
      const table = id * this.indirectEntries;
      for (let i = 0; i < count; i++) {
        const at = this.indirect32 + DESC_DWORDS * (table + i);
        this.describe(at, this.stagedIova[i]!, this.stagedLength[i]!, i >= readable);
      }
      const iova = this.indirectIova + PACKED_DESC_SIZE * table;
      this.write(this.availPlace, iova, PACKED_DESC_SIZE * count, id, VIRTQ_DESC_F_INDIRECT);
      this.expose(id, 1);
      return id;
    }
    // the head last: it makes the others available (§2.8.6)
    for (let i = count - 1; i >= 0; i--) {
      const flags = (i >= readable ? VIRTQ_DESC_F_WRITE : 0) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0);
      this.write(this.behind(i), this.stagedIova[i]!, this.stagedLength[i]!, id, flags);
    }
    this.expose(id, count);
    return id;
  }

  publish(): boolean {
    if (this.published === this.added) return false;
    const old = this.publishedPlace;
    this.u32[this.desc32 + DESC_DWORDS * this.slot(old) + 3] = this.heldWord;
    this.published = this.added;
    this.publishedPlace = this.availPlace;
    const flags = this.u16[this.device16 + 1]! & PACKED_EVENT_FLAGS_DESC_MASK;
    if (flags !== RING_EVENT_FLAGS_DESC || !this.hasEventIdx) return flags !== RING_EVENT_FLAGS_DISABLE;
    // §2.8.10: notify when the descriptor of the event is among those that became available; all of the ring may have
    const past = this.between(this.eventPlace(), this.availPlace);
    const shown = this.between(old, this.availPlace);
    return past > 0 && past <= shown;
  }

  wantsNotification(): boolean {
    const flags = this.u16[this.device16 + 1]! & PACKED_EVENT_FLAGS_DESC_MASK;
    if (flags !== RING_EVENT_FLAGS_DESC || !this.hasEventIdx) return flags !== RING_EVENT_FLAGS_DISABLE;
    return this.eventPlace() === this.publishedPlace;
  }

  hasUsed(): boolean {
    const bits = this.u16[this.desc16 + DESC_WORDS * this.slot(this.usedPlace) + 7]! & USED_BITS;
    return bits === (this.usedPlace < this.size ? USED_BITS : 0) && this.broken === null;
  }

  takeUsed(): number {
    if (this.broken !== null) throw this.broken;
    if (!this.hasUsed()) return -1;
    const at = this.desc32 + DESC_DWORDS * this.slot(this.usedPlace);
    const word = this.u32[at + 3]!;
    const id = word & 0xffff;
    // without WRITE nothing was written, and the length says nothing
    const length = (word & (VIRTQ_DESC_F_WRITE << 16)) === 0 ? 0 : this.u32[at + 2]!;
    const count = id < this.size ? this.descriptors[id]! : 0;
    if (count === 0 || this.isUnpublished(id)) this.fault('DEVICE_USED_ID', 'used id', id);
    if (length !== 0 && this.checksUsedLength && length > this.writableBytes[id]!) {
      this.fault('DEVICE_USED_LENGTH', `used id ${id} with length`, length);
    }

    this.next[id] = this.freeId;
    this.freeId = id;
    this.free += count;
    this.descriptors[id] = 0;
    this.buffers--;
    this.usedPlace = this.place(this.usedPlace, count);
    if (this.hasEventIdx && this.wantsInterrupts) this.u16[this.driver16] = this.offWrap(this.usedPlace);
    this.usedLength = length;
    return id;
  }

  enableInterrupts(): boolean {
    this.wantsInterrupts = true;
    this.askForInterrupts();
    return this.hasUsed();
  }

  disableInterrupts(): void {
    this.wantsInterrupts = false;
    this.u16[this.driver16 + 1] = RING_EVENT_FLAGS_DISABLE;
  }

  private askForInterrupts(): void {
    this.u16[this.driver16] = this.offWrap(this.usedPlace);
    this.u16[this.driver16 + 1] = this.hasEventIdx ? RING_EVENT_FLAGS_DESC : RING_EVENT_FLAGS_ENABLE;
  }

  /** Every id is free, or every second one. */
  private listIds(step: 1 | 2): void {
    for (let id = 0; id < this.size; id += step) this.next[id] = id + step < this.size ? id + step : NO_ID;
    this.freeId = 0;
  }

  /** An entry of an indirect table, where only WRITE counts (§2.8.7). */
  private describe(at: number, iova: number, length: number, writable: boolean): void {
    const u32 = this.u32;
    u32[at] = iova;
    u32[at + 1] = iova / TWO_TO_32;
    u32[at + 2] = length;
    u32[at + 3] = writable ? VIRTQ_DESC_F_WRITE << 16 : 0;
  }

  /** A descriptor becomes available, unless it is the one that hides the others until publish(). */
  private write(place: number, iova: number, length: number, id: number, flags: number): void {
    const u32 = this.u32;
    const at = this.desc32 + DESC_DWORDS * this.slot(place);
    const state = place < this.size ? PACKED_DESC_F_AVAIL : PACKED_DESC_F_USED;
    const word = (id | ((flags | state) << 16)) >>> 0;
    u32[at] = iova;
    u32[at + 1] = iova / TWO_TO_32;
    u32[at + 2] = length;
    if (place === this.publishedPlace) this.heldWord = word;
    else u32[at + 3] = word;
  }

  private expose(id: number, count: number): void {
    this.freeId = this.next[id]!;
    this.free -= count;
    this.buffers++;
    this.descriptors[id] = count;
    this.addedAt[id] = this.added;
    this.added = (this.added + 1) >>> 0;
    this.availPlace = this.place(this.availPlace, count);
  }

  private behind(count: number): number {
    return this.place(this.availPlace, count);
  }

  private place(place: number, count: number): number {
    const behind = place + count;
    return behind < 2 * this.size ? behind : behind - 2 * this.size;
  }

  private between(place: number, behind: number): number {
    return behind >= place ? behind - place : behind + 2 * this.size - place;
  }

  private slot(place: number): number {
    return place < this.size ? place : place - this.size;
  }

  private offWrap(place: number): number {
    return place < this.size ? place | PACKED_EVENT_OFF_WRAP_WRAP : place - this.size;
  }

  /** Of the device's event. */
  private eventPlace(): number {
    const word = this.u16[this.device16]!;
    const offset = word & PACKED_EVENT_OFF_WRAP_OFF_MASK;
    return (word & PACKED_EVENT_OFF_WRAP_WRAP) === 0 ? offset + this.size : offset;
  }

  /** The device was not told of the buffer in flight, and returns it all the same. */
  private isUnpublished(id: number): boolean {
    return (this.addedAt[id]! - this.published) >>> 0 < (this.added - this.published) >>> 0;
  }

  private fault(code: 'DEVICE_USED_ID' | 'DEVICE_USED_LENGTH', what: string, value: number): never {
    const state = `${this.buffers} buffers in flight, size ${this.size}`;
    this.broken = new DeviceFaultError(
      code,
      `queue ${this.queue}: ${what} 0x${value.toString(16)} cannot be (${state})`,
    );
    this.free = 0;
    throw this.broken;
  }
}
