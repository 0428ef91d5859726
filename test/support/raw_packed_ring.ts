// SPDX-License-Identifier: Apache-2.0
// A packed virtqueue built by hand, virtio 1.4 §2.8, tables "Packed Virtqueues" and "Event Suppression Structure Format".
// It checks nothing: put() writes a descriptor as it is told, offer() makes a buffer available as §2.8.20 has it, takeUsed()
// follows the device by §2.8.4. Numbers are those of the specification.
//
//   descriptor   le64 addr @0 | le32 len @8 | le16 id @12 | le16 flags @14      16 * n, aligned 16
//   event        le16 offset (bits 0..14), wrap (bit 15) @0 | le16 flags @2     4, aligned 4; one of the driver, one of the device
import type { DmaBuffer } from '../../src/iommufd/dma_buffer.ts';
import type { RawBuffer } from './raw_ring.ts';

export const PACKED = {
  NEXT: 1,
  WRITE: 2,
  INDIRECT: 4,
  AVAIL: 0x80,
  USED: 0x8000,
} as const;

/** Flags of an event suppression structure. */
export const EVENT = { ENABLE: 0, DISABLE: 1, DESC: 2, RESERVED: 3 } as const;

export interface PackedDescriptor {
  readonly addr: number;
  readonly len: number;
  readonly id?: number;
  /** All sixteen bits, AVAIL and USED included. */
  readonly flags?: number;
}

/** A used descriptor as takeUsed() returns it. */
export interface PackedUsed {
  readonly slot: number;
  readonly id: number;
  readonly len: number;
  readonly flags: number;
}

/** Offset and wrap counter. */
export interface Where {
  readonly slot: number;
  readonly wrap: 0 | 1;
}

export class RawPackedRing {
  readonly memory: DmaBuffer;
  readonly size: number;
  readonly places: { readonly desc: number; readonly driver: number; readonly device: number };
  /** Where the next buffer goes, and where its return is looked for. */
  avail: Where = { slot: 0, wrap: 1 };
  used: Where = { slot: 0, wrap: 1 };
  private readonly lengths = new Map<number, number>();

  constructor(memory: DmaBuffer, size: number) {
    this.memory = memory;
    this.size = size;
    this.places = { desc: memory.alloc(16 * size, 64), driver: memory.alloc(4, 4), device: memory.alloc(4, 4) };
  }

  get iovas(): { readonly desc: number; readonly driver: number; readonly device: number } {
    const { desc, driver, device } = this.places;
    return { desc: this.memory.iova(desc), driver: this.memory.iova(driver), device: this.memory.iova(device) };
  }

  /** Zeroes all three parts and begins anew. */
  clear(): void {
    const { desc, driver, device } = this.places;
    this.memory.u8.fill(0, desc, desc + 16 * this.size);
    this.memory.u8.fill(0, driver, driver + 4);
    this.memory.u8.fill(0, device, device + 4);
    this.avail = { slot: 0, wrap: 1 };
    this.used = { slot: 0, wrap: 1 };
    this.lengths.clear();
  }

  /** `count` places further. */
  behind({ slot, wrap }: Where, count: number): Where {
    if (slot + count < this.size) return { slot: slot + count, wrap };
    return { slot: slot + count - this.size, wrap: wrap === 1 ? 0 : 1 };
  }

  /** AVAIL and USED of a descriptor that is made available with this wrap counter. */
  availableBits(wrap: 0 | 1): number {
    return wrap === 1 ? PACKED.AVAIL : PACKED.USED;
  }

  /** Writes a descriptor, whatever is in it. */
  put(slot: number, { addr, len, id = 0, flags = 0 }: PackedDescriptor): void {
    this.write(this.places.desc + 16 * slot, { addr, len, id, flags });
  }

  /** What stands in a slot. */
  at(slot: number): Required<PackedDescriptor> {
    const word = (this.places.desc + 16 * slot) >> 2;
    const { u32 } = this.memory;
    const last = u32[word + 3]!;
    return {
      addr: u32[word]! + u32[word + 1]! * 0x1_0000_0000,
      len: u32[word + 2]!,
      id: last & 0xffff,
      flags: last >>> 16,
    };
  }

  /** A list of descriptors, the first one written last; `extra` goes into the flags of the first. */
  offer(id: number, buffers: readonly RawBuffer[], extra = 0): void {
    const first = this.avail;
    const places = buffers.map((_, i) => this.behind(first, i));
    for (let i = buffers.length - 1; i >= 0; i--) {
      const { iova, length, isWritable } = buffers[i]!;
      const place = places[i]!;
      const isLast = i + 1 === buffers.length;
      const flags =
        this.availableBits(place.wrap) |
        (isLast ? 0 : PACKED.NEXT) |
        (isWritable === true ? PACKED.WRITE : 0) |
        (i === 0 ? extra : 0);
      // the id counts in the last one alone (§2.8.6): the others get another
      this.put(place.slot, { addr: iova, len: length, id: isLast ? id : 0xdead, flags });
    }
    this.lengths.set(id, buffers.length);
    this.avail = this.behind(first, buffers.length);
  }

  /** One descriptor that names a table of `entries`, whose ids and other flags are as given. */
  offerTable(id: number, entries: readonly PackedDescriptor[], extra = 0): void {
    const at = this.memory.alloc(16 * entries.length, 16);
    entries.forEach((entry, i) => this.write(at + 16 * i, entry));
    this.offer(id, [{ iova: this.memory.iova(at), length: 16 * entries.length }], PACKED.INDIRECT | extra);
  }

  /** Used descriptors that came since the last call, oldest first; each one is followed by as many as its buffer had. */
  takeUsed(): PackedUsed[] {
    const taken: PackedUsed[] = [];
    for (;;) {
      const { slot, wrap } = this.used;
      const { id, len, flags } = this.at(slot);
      const both = PACKED.AVAIL | PACKED.USED;
      if ((flags & both) !== (wrap === 1 ? both : 0) || !this.lengths.has(id)) return taken;
      taken.push({ slot, id, len, flags });
      this.used = this.behind(this.used, this.lengths.get(id)!);
      this.lengths.delete(id);
    }
  }

  /** The driver's event suppression structure. */
  setDriverEvent(flags: number, { slot, wrap }: Where = { slot: 0, wrap: 0 }): void {
    this.memory.u16[this.places.driver >> 1] = slot | (wrap << 15);
    this.memory.u16[(this.places.driver >> 1) + 1] = flags;
  }

  /** The device's. */
  get deviceEvent(): { readonly flags: number } & Where {
    const word = this.memory.u16[this.places.device >> 1]!;
    const flags = this.memory.u16[(this.places.device >> 1) + 1]!;
    return { flags, slot: word & 0x7fff, wrap: word >> 15 === 1 ? 1 : 0 };
  }

  private write(at: number, { addr, len, id = 0, flags = 0 }: PackedDescriptor): void {
    const word = at >> 2;
    const { u32 } = this.memory;
    u32[word] = addr >>> 0;
    u32[word + 1] = Math.floor(addr / 0x1_0000_0000);
    u32[word + 2] = len;
    u32[word + 3] = (id | (flags << 16)) >>> 0;
  }
}
