// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue (virtio 1.4 §2.7) in the kernel's memory, without indirect descriptors, event
// index and packed rings, none of which is offered. Whatever does not fit the rules ends the connection.
import type { GuestMemory } from './guest_memory.ts';
import { lie } from './peer_fault.ts';

const SIZE_MAX = 32768;
const DESC_BYTES = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const RING_HEADER = 4;
const USED_ELEMENT_BYTES = 8;
const AVAIL_F_NO_INTERRUPT = 1;
/** Alignments of descriptor table, available ring and used ring. */
const ALIGN = { desc: 16, avail: 2, used: 4 } as const;

/** Bytes of a buffer, by guest address. */
interface Part {
  readonly address: number;
  readonly length: number;
}

/** A buffer that the driver made available. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Part[];
  readonly writable: readonly Part[];
  readonly readableBytes: number;
  readonly writableBytes: number;
}

/** Where the rings lie, by user address. */
export interface RingAddresses {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

export class SplitQueue {
  isEnabled = false;
  private readonly name: string;
  private readonly memory: GuestMemory;
  private size = 0;
  private rings: RingAddresses | null = null;
  private nextAvail = 0;
  private nextUsed = 0;
  private readonly scratch = new Uint8Array(DESC_BYTES);
  private readonly view = new DataView(this.scratch.buffer);

  constructor(index: number, memory: GuestMemory) {
    this.name = `queue ${index}`;
    this.memory = memory;
  }

  get isReady(): boolean {
    return this.isEnabled && this.size > 0 && this.rings !== null;
  }

  setSize(size: number): void {
    if (size === 0 || size > SIZE_MAX || (size & (size - 1)) !== 0) {
      lie(`${this.name} has a size of ${size}; a power of 2 up to ${SIZE_MAX} is possible`);
    }
    this.size = size;
    this.rings = null;
  }

  setBase(index: number): void {
    if (index > 0xffff) lie(`${this.name} begins at index ${index}; indices end at 65535`);
    this.nextAvail = index;
    this.nextUsed = index;
  }

  setRings(rings: RingAddresses): void {
    if (this.size === 0) lie(`${this.name} has addresses before it has a size`);
    this.rings = rings;
    for (const ring of ['desc', 'avail', 'used'] as const) this.base(ring);
  }

  /** Buffers that wait: what the available index says now. */
  available(): number {
    this.fetch(this.base('avail') + 2, 2);
    const waiting = (this.view.getUint16(0, true) - this.nextAvail) & 0xffff;
    if (waiting > this.size) lie(`${this.name} has ${waiting} buffers available, of ${this.size}`);
    return waiting;
  }

  /** The next buffer; only where available() said so. */
  take(): Chain {
    this.fetch(this.base('avail') + RING_HEADER + 2 * (this.nextAvail & (this.size - 1)), 2);
    const head = this.view.getUint16(0, true);
    this.nextAvail = (this.nextAvail + 1) & 0xffff;
    return this.walk(head);
  }

  /** The bytes at the front of a buffer. */
  gather({ readable }: Chain, length: number): Uint8Array {
    const data = new Uint8Array(length);
    let done = 0;
    for (const part of readable) {
      const count = Math.min(part.length, length - done);
      if (count > 0 && this.memory.read(part.address, count, data, done) !== true) this.unreachable();
      done += count;
    }
    return data;
  }

  /** Gives a buffer back, with `data` in what of it is writable. */
  put({ head, writable }: Chain, data: Uint8Array): void {
    let done = 0;
    for (const part of writable) {
      const count = Math.min(part.length, data.length - done);
      if (count > 0) this.store(part.address, count, data, done);
      done += count;
    }
    const used = this.base('used');
    this.view.setUint32(0, head, true);
    this.view.setUint32(4, data.length, true);
    const element = used + RING_HEADER + USED_ELEMENT_BYTES * (this.nextUsed & (this.size - 1));
    this.store(element, USED_ELEMENT_BYTES, this.scratch, 0);
    this.nextUsed = (this.nextUsed + 1) & 0xffff;
    this.view.setUint16(0, this.nextUsed, true);
    this.store(used + 2, 2, this.scratch, 0);
  }

  /** The driver wants to be told of used buffers. */
  wantsCall(): boolean {
    this.fetch(this.base('avail'), 2);
    return (this.view.getUint16(0, true) & AVAIL_F_NO_INTERRUPT) === 0;
  }

  private walk(head: number): Chain {
    const readable: Part[] = [];
    const writable: Part[] = [];
    const table = this.base('desc');
    let [readableBytes, writableBytes] = [0, 0];
    for (let id = head, count = 1; ; count++) {
      if (id >= this.size) lie(`${this.name} has descriptor ${id}, of ${this.size}`);
      if (count > this.size) lie(`${this.name} has a chain of more than its ${this.size} descriptors`);
      this.fetch(table + DESC_BYTES * id, DESC_BYTES);
      const address = Number(this.view.getBigUint64(0, true));
      const length = this.view.getUint32(8, true);
      const flags = this.view.getUint16(12, true);
      if ((flags & ~(DESC_F_NEXT | DESC_F_WRITE)) !== 0) {
        lie(`${this.name} has a descriptor with flags ${flags}, of which ${DESC_F_NEXT | DESC_F_WRITE} were offered`);
      }
      if (!this.memory.has(address, length)) {
        lie(`${this.name} has a buffer of ${length} bytes at 0x${address.toString(16)}, outside of the memory`);
      }
      if ((flags & DESC_F_WRITE) !== 0) {
        writable.push({ address, length });
        writableBytes += length;
      } else {
        if (writable.length > 0) lie(`${this.name} has a chain with a readable descriptor behind a writable one`);
        readable.push({ address, length });
        readableBytes += length;
      }
      if ((flags & DESC_F_NEXT) === 0) return { head, readable, writable, readableBytes, writableBytes };
      id = this.view.getUint16(14, true);
    }
  }

  /** Guest address of a ring. The memory may be another than when it was set. */
  private base(ring: keyof RingAddresses): number {
    const bytes = {
      desc: DESC_BYTES * this.size,
      avail: RING_HEADER + 2 * this.size,
      used: RING_HEADER + USED_ELEMENT_BYTES * this.size,
    }[ring];
    const user = this.rings![ring];
    const guest = this.memory.guestOf(user, bytes);
    if (guest < 0 || guest % ALIGN[ring] !== 0) {
      lie(`${this.name} has its ${ring} ring at 0x${user.toString(16)}, outside of the memory or not aligned`);
    }
    return guest;
  }

  private fetch(address: number, length: number): void {
    if (this.memory.read(address, length, this.scratch, 0) !== true) this.unreachable();
  }

  private store(address: number, length: number, source: Uint8Array, at: number): void {
    if (this.memory.write(address, length, source, at) !== true) this.unreachable();
  }

  /** The file was cut behind the table. */
  private unreachable(): never {
    lie(`${this.name} lies in a part of the file that is gone`);
  }
}
