// SPDX-License-Identifier: Apache-2.0
// A ring format of the tests' own, as plain as one can be: with it the drivers show that DriverRing is all they need of a
// ring. There are no suppression words and no indirect tables; every buffer is announced, every answer interrupts.
//
//   driver area (also given as descriptor area), on 16   0 u16 index | 16 + 16 i entry i: 0 u64 address, 8 u32 length, 12 u16 flags, 14 u16 id
//   device area, on 4                                    0 u16 index |  4 +  8 i element i: 0 u32 id, 4 u32 length written
//
// Both indices count on through 65536: entries made available, and buffers returned. Entry and element n are at place n modulo
// the size. A buffer is one entry or several in a row, NEXT (1) in all but the last, WRITE (2) in those that the device
// writes, the same id in each. The driver may use an entry again as soon as the device returned as many entries as there are
// before it: a device reads the entries of a buffer when it takes it, or returns buffers in their order.
import { DeviceFaultError } from '../../src/guest/device_fault.ts';
import type { DriverRing } from '../../src/guest/driver_ring.ts';
import type { DmaMemory } from '../../src/guest/platform.ts';
import type { RingRequest } from '../../src/guest/ring_formats.ts';
import { NicError } from '../../src/util/errors.ts';

const NEXT = 1;
const WRITE = 2;
const INDEX_BYTES = 16;
const ENTRY_BYTES = 16;
const ELEMENT_BYTES = 8;

interface Part {
  readonly iova: number;
  readonly length: number;
  readonly writable: boolean;
}

/** A buffer that the device has, or will have with publish(). */
interface Buffer {
  /** As many ids as it has entries; the first is its own. */
  readonly ids: readonly number[];
  readonly room: number;
}

/** A RingFactory. */
export function makePlainRing(memory: DmaMemory, request: RingRequest): DriverRing {
  return new PlainRing(memory, request);
}

export class PlainRing implements DriverRing {
  readonly queue: number;
  readonly size: number;
  readonly descriptorIova: number;
  readonly driverIova: number;
  readonly deviceIova: number;
  usedLength = 0;

  private readonly view: DataView;
  private readonly driverArea: number;
  private readonly deviceArea: number;
  private readonly checksUsedLength: boolean;
  private free: number[] = [];
  private buffers = new Map<number, Buffer>();
  private fixed = new Map<number, readonly Part[]>();
  private staged: Part[] = [];
  private entries = 0;
  private published = 0;
  private taken = 0;
  private broken: DeviceFaultError | null = null;

  constructor(memory: DmaMemory, { queue, size, checksUsedLength }: RingRequest) {
    this.queue = queue;
    this.size = size;
    this.checksUsedLength = checksUsedLength;
    this.view = new DataView(memory.u8.buffer, memory.u8.byteOffset, memory.u8.byteLength);
    this.driverArea = memory.alloc(INDEX_BYTES + ENTRY_BYTES * size, ENTRY_BYTES);
    this.deviceArea = memory.alloc(4 + ELEMENT_BYTES * size, 4);
    this.driverIova = memory.iova(this.driverArea);
    this.descriptorIova = this.driverIova;
    this.deviceIova = memory.iova(this.deviceArea);
    this.clear();
  }

  get freeCount(): number {
    return this.broken === null ? this.free.length : 0;
  }

  get inFlight(): number {
    return this.buffers.size;
  }

  get nextId(): number {
    return this.free[0] ?? 0;
  }

  clear(): void {
    this.free = Array.from({ length: this.size }, (_, id) => id);
    this.buffers = new Map();
    this.fixed = new Map();
    this.staged = [];
    this.entries = 0;
    this.published = 0;
    this.taken = 0;
    this.broken = null;
    this.view.setUint16(this.driverArea, 0, true);
    this.view.setUint16(this.deviceArea, 0, true);
  }

  fix(id: number, iova: number, length: number, writable: boolean): void {
    this.fixed.set(id, [{ iova, length, writable }]);
  }

  addFixed(length: number): number {
    const [part] = this.fixed.get(this.nextId)!;
    return this.add([{ ...part!, length }]);
  }

  fixPair(id: number, iova0: number, length0: number, iova1: number, length1: number, writable: boolean): void {
    this.fixed.set(id, [
      { iova: iova0, length: length0, writable },
      { iova: iova1, length: length1, writable },
    ]);
  }

  addFixedPair(length: number): number {
    if (this.freeCount < 2) return -1;
    const [first, second] = this.fixed.get(this.nextId)!;
    return this.add([first!, { ...second!, length }]);
  }

  push(iova: number, length: number, writable: boolean): void {
    const isWrong = this.staged.length === this.size || (!writable && this.staged.at(-1)?.writable === true);
    if (isWrong) throw new NicError('RING_CHAIN', `a part that cannot follow on queue ${this.queue}`);
    this.staged.push({ iova, length, writable });
  }

  commit(): number {
    const parts = this.staged;
    this.staged = [];
    if (parts.length === 0) throw new NicError('RING_CHAIN', `empty chain on queue ${this.queue}`);
    return this.add(parts);
  }

  /** Parts stand in the table as entries stand in the ring. */
  writeTableEntry(
    table: number,
    entry: number,
    iova: number,
    length: number,
    writable: boolean,
    isLast: boolean,
  ): void {
    this.writeEntry(table + ENTRY_BYTES * entry, { iova, length, writable }, isLast, 0);
  }

  addTable(table: number, entries: number): number {
    for (let at = table; at < table + ENTRY_BYTES * entries; at += ENTRY_BYTES) {
      const { view } = this;
      const writable = (view.getUint16(at + 12, true) & WRITE) !== 0;
      this.push(Number(view.getBigUint64(at, true)), view.getUint32(at + 8, true), writable);
    }
    return this.commit();
  }

  publish(): boolean {
    const isNew = this.published !== this.entries;
    this.published = this.entries;
    this.view.setUint16(this.driverArea, this.published, true);
    return isNew;
  }

  wantsNotification(): boolean {
    return true;
  }

  hasUsed(): boolean {
    return this.view.getUint16(this.deviceArea, true) !== this.taken;
  }

  takeUsed(): number {
    if (this.broken !== null) throw this.broken;
    if (!this.hasUsed()) return -1;
    const element = this.deviceArea + 4 + ELEMENT_BYTES * (this.taken % this.size);
    const id = this.view.getUint32(element, true);
    const length = this.view.getUint32(element + 4, true);
    const buffer = this.buffers.get(id);
    if (buffer === undefined) this.fault('DEVICE_USED_ID', id);
    if (this.checksUsedLength && length > buffer.room) this.fault('DEVICE_USED_LENGTH', length);
    this.buffers.delete(id);
    this.free.unshift(...buffer.ids);
    this.taken = (this.taken + 1) & 0xffff;
    this.usedLength = length;
    return id;
  }

  enableInterrupts(): boolean {
    return this.hasUsed();
  }

  disableInterrupts(): void {
    // The device cannot be asked.
  }

  private add(parts: readonly Part[]): number {
    if (this.freeCount < parts.length) return -1;
    const ids = this.free.splice(0, parts.length);
    const id = ids[0]!;
    parts.forEach((part, i) => {
      const at = this.driverArea + INDEX_BYTES + ENTRY_BYTES * (this.entries % this.size);
      this.writeEntry(at, part, i + 1 === parts.length, id);
      this.entries = (this.entries + 1) & 0xffff;
    });
    this.buffers.set(id, { ids, room: parts.reduce((sum, part) => sum + (part.writable ? part.length : 0), 0) });
    return id;
  }

  private writeEntry(at: number, { iova, length, writable }: Part, isLast: boolean, id: number): void {
    const { view } = this;
    view.setBigUint64(at, BigInt(iova), true);
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, (writable ? WRITE : 0) | (isLast ? 0 : NEXT), true);
    view.setUint16(at + 14, id, true);
  }

  private fault(code: 'DEVICE_USED_ID' | 'DEVICE_USED_LENGTH', value: number): never {
    this.broken = new DeviceFaultError(code, `queue ${this.queue}: ${value} in a used element cannot be`);
    throw this.broken;
  }
}
