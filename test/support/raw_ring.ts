// SPDX-License-Identifier: Apache-2.0
// A split virtqueue built by hand, virtio 1.4 §2.7, tables "Descriptor", "Available Ring" and "Used Ring". It checks
// nothing, so that broken rings can be built as well as good ones: describe(), offer() and publish() write what they are
// told; add() and takeUsed() go through the ring as a driver does. Numbers are those of the specification.
//
//   descriptor  le64 addr @0 | le32 len @8 | le16 flags @12 | le16 next @14          16 * n, aligned 16
//   available   le16 flags @0 | le16 idx @2 | le16 ring[n] @4 | le16 used_event        6 + 2 * n, aligned 2
//   used        le16 flags @0 | le16 idx @2 | { le32 id, le32 len }[n] @4 | le16 avail_event   6 + 8 * n, aligned 4
import type { DmaBuffer } from '../../src/iommufd/dma_buffer.ts';

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;
/** Bit 0 of the available ring's flags. */
export const NO_INTERRUPT = 1;

/** One descriptor, in the queue's table or in an indirect one. */
export interface Descriptor {
  /** Device address; below 2^53. */
  readonly addr: number;
  readonly len: number;
  readonly flags?: number;
  readonly next?: number;
}

/** A piece of a chain for add(). */
export interface RawBuffer {
  readonly iova: number;
  readonly length: number;
  readonly isWritable?: boolean;
}

/** A used element as takeUsed() returns it. */
export interface UsedEntry {
  readonly id: number;
  readonly length: number;
}

/** Offsets of the three parts in the driver's memory. */
export interface RingPlaces {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

/** Puts descriptors into memory, the first at `at`. */
export function writeDescriptors(memory: DmaBuffer, at: number, descriptors: readonly Descriptor[]): void {
  descriptors.forEach(({ addr, len, flags = 0, next = 0 }, i) => {
    const word = (at + 16 * i) >> 2;
    memory.u32[word] = addr >>> 0;
    memory.u32[word + 1] = Math.floor(addr / 0x1_0000_0000);
    memory.u32[word + 2] = len;
    memory.u32[word + 3] = flags | (next << 16);
  });
}

/** Links neighbours: each descriptor but the last gets NEXT and the index of the one behind it. */
export function chained(descriptors: readonly Descriptor[], first = 0): Descriptor[] {
  return descriptors.map((descriptor, i) =>
    i === descriptors.length - 1
      ? descriptor
      : { ...descriptor, flags: (descriptor.flags ?? 0) | NEXT, next: first + i + 1 },
  );
}

/** The rings of one queue in the driver's memory. */
export class RawRing {
  readonly places: RingPlaces;
  readonly size: number;
  readonly memory: DmaBuffer;
  /** What the next published available index counts from. */
  availIdx = 0;
  private nextDescriptor = 0;
  private seenIdx = 0;

  /** `legacy`: one block with the used ring at the next multiple of 4096; or where the three parts are to lie. */
  constructor(memory: DmaBuffer, size: number, layout: 'modern' | 'legacy' | RingPlaces = 'modern') {
    this.memory = memory;
    this.size = size;
    if (layout === 'legacy') {
      const toUsed = Math.ceil((16 * size + 6 + 2 * size) / 4096) * 4096;
      const desc = memory.alloc(toUsed + 6 + 8 * size, 4096);
      this.places = { desc, avail: desc + 16 * size, used: desc + toUsed };
    } else if (layout === 'modern') {
      this.places = {
        desc: memory.alloc(16 * size, 16),
        avail: memory.alloc(6 + 2 * size, 2),
        used: memory.alloc(6 + 8 * size, 4),
      };
    } else {
      this.places = layout;
    }
  }

  /** Device addresses of the three parts. */
  get iovas(): RingPlaces {
    const { desc, avail, used } = this.places;
    return { desc: this.memory.iova(desc), avail: this.memory.iova(avail), used: this.memory.iova(used) };
  }

  /** Zeroes all three parts. */
  clear(): void {
    const { desc, avail, used } = this.places;
    this.memory.u8.fill(0, desc, desc + 16 * this.size);
    this.memory.u8.fill(0, avail, avail + 6 + 2 * this.size);
    this.memory.u8.fill(0, used, used + 6 + 8 * this.size);
    this.availIdx = 0;
    this.nextDescriptor = 0;
    this.seenIdx = 0;
  }

  /** Describes a chain in the next descriptors and makes it available; returns its head. */
  add(buffers: readonly RawBuffer[]): number {
    const head = this.nextDescriptor;
    buffers.forEach(({ iova, length, isWritable }, i) => {
      const index = (head + i) % this.size;
      const flags = (i + 1 < buffers.length ? NEXT : 0) | (isWritable === true ? WRITE : 0);
      this.describe(index, { addr: iova, len: length, flags, next: (index + 1) % this.size });
    });
    this.nextDescriptor = (head + buffers.length) % this.size;
    this.offer(head);
    return head;
  }

  /** Elements that came since the last call, oldest first. */
  takeUsed(): UsedEntry[] {
    const entries: UsedEntry[] = [];
    for (; this.seenIdx !== this.usedIdx; this.seenIdx = (this.seenIdx + 1) & 0xffff) {
      const { id, len } = this.used(this.seenIdx);
      entries.push({ id, length: len });
    }
    return entries;
  }

  describe(index: number, descriptor: Descriptor): void {
    writeDescriptors(this.memory, this.places.desc + 16 * index, [descriptor]);
  }

  /** A chain of neighbouring descriptors from `first` on; returns its head. */
  chain(descriptors: readonly Descriptor[], first = 0): number {
    writeDescriptors(this.memory, this.places.desc + 16 * first, chained(descriptors, first));
    return first;
  }

  /** Writes heads into the available ring and moves its index. */
  offer(...heads: number[]): void {
    for (const head of heads) {
      this.memory.u16[(this.places.avail + 4 + 2 * (this.availIdx % this.size)) >> 1] = head;
      this.availIdx = (this.availIdx + 1) & 0xffff;
    }
    this.publish(this.availIdx);
  }

  /** Writes the available index as it is given. */
  publish(idx: number): void {
    this.memory.u16[(this.places.avail + 2) >> 1] = idx;
  }

  set availFlags(flags: number) {
    this.memory.u16[this.places.avail >> 1] = flags;
  }

  set usedEvent(idx: number) {
    this.memory.u16[(this.places.avail + 4 + 2 * this.size) >> 1] = idx;
  }

  get usedFlags(): number {
    return this.memory.u16[this.places.used >> 1]!;
  }

  get usedIdx(): number {
    return this.memory.u16[(this.places.used + 2) >> 1]!;
  }

  get availEvent(): number {
    return this.memory.u16[(this.places.used + 4 + 8 * this.size) >> 1]!;
  }

  /** Used element number `idx`, counted from the start without end. */
  used(idx: number): { id: number; len: number } {
    const word = (this.places.used + 4 + 8 * (idx % this.size)) >> 2;
    return { id: this.memory.u32[word]!, len: this.memory.u32[word + 1]! };
  }

  /** Every used element from number `from` to the used index. */
  usedSince(from: number): { id: number; len: number }[] {
    const count = (this.usedIdx - from) & 0xffff;
    return Array.from({ length: count }, (_, i) => this.used((from + i) & 0xffff));
  }
}
