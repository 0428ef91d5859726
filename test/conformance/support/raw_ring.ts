// SPDX-License-Identifier: Apache-2.0
// A split virtqueue written byte by byte (virtio 1.4 §2.7): any chain can be made available, good or bad.
//
//   descriptor  | addr 8 | len 4 | flags 2 | next 2 |      available  | flags 2 | idx 2 | ring 2 * n | used_event 2 |
//   used        | flags 2 | idx 2 | {id 4, len 4} * n | avail_event 2 |
import type { DmaBuffer } from '../../../src/iommufd/dma_buffer.ts';

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

/** One descriptor of a chain. */
export interface RawBuffer {
  readonly iova: number;
  readonly length: number;
  readonly isWritable?: boolean;
}

/** An entry of the used ring. */
export interface UsedEntry {
  readonly id: number;
  readonly length: number;
}

/** A queue's rings in guest memory. */
export class RawRing {
  readonly size: number;
  readonly memory: DmaBuffer;
  readonly descAt: number;
  readonly availAt: number;
  readonly usedAt: number;
  private readonly view: DataView;
  private nextDescriptor = 0;
  private availIdx = 0;
  private seenIdx = 0;

  /** `legacy`: one block with the used ring at the next multiple of 4096. */
  constructor(memory: DmaBuffer, size: number, layout: 'modern' | 'legacy' = 'modern') {
    this.memory = memory;
    this.size = size;
    this.view = new DataView(memory.u8.buffer, memory.u8.byteOffset, memory.size);
    const toUsed = Math.ceil((16 * size + 6 + 2 * size) / 4096) * 4096;
    if (layout === 'legacy') {
      this.descAt = memory.alloc(toUsed + 6 + 8 * size, 4096);
      this.availAt = this.descAt + 16 * size;
      this.usedAt = this.descAt + toUsed;
    } else {
      this.descAt = memory.alloc(16 * size, 16);
      this.availAt = memory.alloc(6 + 2 * size, 2);
      this.usedAt = memory.alloc(6 + 8 * size, 4);
    }
  }

  /** Writes one descriptor as given. */
  describe(index: number, iova: number, length: number, flags: number, next = 0): void {
    const at = this.descAt + 16 * index;
    this.view.setBigUint64(at, BigInt(iova), true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, flags, true);
    this.view.setUint16(at + 14, next, true);
  }

  /** Makes the chain at `head` available. */
  publish(head: number): void {
    this.view.setUint16(this.availAt + 4 + 2 * (this.availIdx % this.size), head, true);
    this.availIdx = (this.availIdx + 1) & 0xffff;
    this.view.setUint16(this.availAt + 2, this.availIdx, true);
  }

  /** Describes a chain in the next descriptors and makes it available; returns its head. */
  add(buffers: readonly RawBuffer[]): number {
    const head = this.nextDescriptor;
    buffers.forEach(({ iova, length, isWritable }, i) => {
      const index = (head + i) % this.size;
      const flags = (i + 1 < buffers.length ? NEXT : 0) | (isWritable === true ? WRITE : 0);
      this.describe(index, iova, length, flags, (index + 1) % this.size);
    });
    this.nextDescriptor = (head + buffers.length) % this.size;
    this.publish(head);
    return head;
  }

  /** The driver's flags: 1 asks for no interrupts. */
  set availFlags(flags: number) {
    this.view.setUint16(this.availAt, flags, true);
  }

  get usedIdx(): number {
    return this.view.getUint16(this.usedAt + 2, true);
  }

  /** Entries that came since the last call, oldest first. */
  takeUsed(): UsedEntry[] {
    const entries: UsedEntry[] = [];
    while (this.seenIdx !== this.usedIdx) {
      const at = this.usedAt + 4 + 8 * (this.seenIdx % this.size);
      entries.push({ id: this.view.getUint32(at, true), length: this.view.getUint32(at + 4, true) });
      this.seenIdx = (this.seenIdx + 1) & 0xffff;
    }
    return entries;
  }

  /** Back to the state of fresh rings. */
  clear(): void {
    this.memory.u8.fill(0, this.descAt, this.descAt + 16 * this.size);
    this.memory.u8.fill(0, this.availAt, this.availAt + 6 + 2 * this.size);
    this.memory.u8.fill(0, this.usedAt, this.usedAt + 6 + 8 * this.size);
    this.nextDescriptor = 0;
    this.availIdx = 0;
    this.seenIdx = 0;
  }
}
