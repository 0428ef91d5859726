// SPDX-License-Identifier: Apache-2.0
// A split virtqueue by hand (virtio 1.4 §2.7). It checks nothing of what the bad driver puts into it, and everything of
// what the device puts into its used ring.
import {
  VIRTQ_AVAIL_IDX,
  VIRTQ_AVAIL_RING,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_FLAGS,
  VIRTQ_DESC_LEN,
  VIRTQ_DESC_NEXT,
  VIRTQ_DESC_SIZE,
  VIRTQ_EVENT_SIZE,
  VIRTQ_USED_ELEM_SIZE,
  VIRTQ_USED_IDX,
  VIRTQ_USED_RING,
} from '../../assembly/abi/virtio_ring.ts';
import { LEGACY_VRING_ALIGN } from '../../assembly/abi/virtio_pci_legacy.ts';
import { alignUp } from '../guest/platform.ts';
import type { GuestMemory } from './guest_memory.ts';
import { Misbehaviour } from './verdict.ts';

export const NEXT: number = VIRTQ_DESC_F_NEXT;
export const WRITE: number = VIRTQ_DESC_F_WRITE;

/** One descriptor, in the queue's table or in an indirect one. */
export interface Descriptor {
  readonly addr: number;
  readonly len: number;
  readonly flags?: number;
  readonly next?: number;
}

/** Offsets of the three parts in the driver's memory. */
export interface RingPlaces {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

export interface UsedElement {
  readonly id: number;
  readonly len: number;
}

/** Puts descriptors into memory, the first at `at`, and offers the writable ones. */
export function writeDescriptors(memory: GuestMemory, at: number, descriptors: readonly Descriptor[]): void {
  descriptors.forEach(({ addr, len, flags = 0, next = 0 }, i) => {
    const place = at + i * VIRTQ_DESC_SIZE;
    memory.putWide(place, 8, addr);
    memory.putWide(place + VIRTQ_DESC_LEN, 4, len);
    memory.put16(place + VIRTQ_DESC_FLAGS, flags);
    memory.put16(place + VIRTQ_DESC_NEXT, next);
    if ((flags & WRITE) !== 0) memory.offer(addr, len);
  });
}

/** Links neighbours: each descriptor but the last gets NEXT and the index of the one behind it. */
export function chained(descriptors: readonly Descriptor[], first = 0): Descriptor[] {
  return descriptors.map((one, i) =>
    i === descriptors.length - 1 ? one : { ...one, flags: (one.flags ?? 0) | NEXT, next: first + i + 1 },
  );
}

/** The three parts of a ring, in blocks of their own or in the one block of the legacy layout. */
function placeRing(memory: GuestMemory, size: number, isLegacy: boolean): RingPlaces {
  const availBytes = VIRTQ_AVAIL_RING + 2 * size + VIRTQ_EVENT_SIZE;
  const usedBytes = usedRingBytes(size);
  if (!isLegacy) {
    return {
      desc: memory.alloc(VIRTQ_DESC_SIZE * size, VIRTQ_DESC_SIZE),
      avail: memory.alloc(availBytes, 4),
      used: memory.alloc(usedBytes, 4),
    };
  }
  const toUsed = alignUp(VIRTQ_DESC_SIZE * size + availBytes, LEGACY_VRING_ALIGN);
  const desc = memory.alloc(toUsed + usedBytes, LEGACY_VRING_ALIGN);
  return { desc, avail: desc + VIRTQ_DESC_SIZE * size, used: desc + toUsed };
}

function usedRingBytes(size: number): number {
  return VIRTQ_USED_RING + VIRTQ_USED_ELEM_SIZE * size + VIRTQ_EVENT_SIZE;
}

/** The rings of one queue. */
export class RawRing {
  readonly memory: GuestMemory;
  readonly size: number;
  readonly places: RingPlaces;
  /** What the next published available index counts from. */
  availIdx = 0;
  /** Used elements that takeUsed() has handed out. */
  private taken = 0;
  /** How often each head was offered and not used yet, and the bytes that its chain takes. */
  private readonly outstanding = new Map<number, number>();
  private readonly writable = new Map<number, number>();

  constructor(memory: GuestMemory, size: number, places?: RingPlaces, isLegacy = false) {
    this.memory = memory;
    this.size = size;
    this.places = places ?? placeRing(memory, size, isLegacy);
    memory.offer(memory.iova(this.places.used), usedRingBytes(size));
  }

  /** Device addresses of the three parts. */
  get iovas(): RingPlaces {
    const { desc, avail, used } = this.places;
    return { desc: this.memory.iova(desc), avail: this.memory.iova(avail), used: this.memory.iova(used) };
  }

  describe(index: number, descriptor: Descriptor): void {
    writeDescriptors(this.memory, this.places.desc + VIRTQ_DESC_SIZE * index, [descriptor]);
  }

  /** A chain of neighbouring descriptors from `first` on; returns its head. */
  chain(descriptors: readonly Descriptor[], first = 0): number {
    writeDescriptors(this.memory, this.places.desc + VIRTQ_DESC_SIZE * first, chained(descriptors, first));
    const writable = descriptors.filter(({ flags = 0 }) => (flags & WRITE) !== 0);
    this.writable.set(
      first,
      writable.reduce((sum, { len }) => sum + len, 0),
    );
    return first;
  }

  /** Writes heads into the available ring and moves its index. */
  offer(...heads: readonly number[]): void {
    for (const head of heads) {
      this.memory.put16(this.places.avail + VIRTQ_AVAIL_RING + 2 * (this.availIdx % this.size), head);
      this.availIdx = (this.availIdx + 1) & 0xffff;
      this.outstanding.set(head, (this.outstanding.get(head) ?? 0) + 1);
    }
    this.publish(this.availIdx);
  }

  /** Writes the available index as it is given. */
  publish(idx: number): void {
    this.memory.put16(this.places.avail + VIRTQ_AVAIL_IDX, idx);
  }

  get usedIdx(): number {
    return this.memory.u16[(this.places.used + VIRTQ_USED_IDX) >> 1]!;
  }

  /** Elements that came since the last call, oldest first. Throws Misbehaviour where fault() finds something. */
  takeUsed(): UsedElement[] {
    const fault = this.fault();
    if (fault !== null) throw new Misbehaviour(fault);
    const count = (this.usedIdx - this.taken) & 0xffff;
    const elements = Array.from({ length: count }, (_, i) => this.used((this.taken + i) & 0xffff));
    this.taken = this.usedIdx;
    for (const { id } of elements) this.outstanding.set(id, (this.outstanding.get(id) ?? 0) - 1);
    return elements;
  }

  /** Nothing is left with the device, as far as takeUsed() has looked. */
  get isEmpty(): boolean {
    return [...this.outstanding.values()].every((times) => times <= 0);
  }

  /** What is wrong with the elements that were not taken yet; null: nothing. */
  fault(): string | null {
    const count = (this.usedIdx - this.taken) & 0xffff;
    if (count > this.size) return `the used index went ahead by ${count} in a ring of ${this.size}`;
    const left = new Map(this.outstanding);
    for (let i = 0; i < count; i++) {
      const { id, len } = this.used((this.taken + i) & 0xffff);
      const times = left.get(id) ?? 0;
      if (times <= 0) return `head ${id} was used more often than it was made available`;
      left.set(id, times - 1);
      const most = this.writable.get(id);
      if (most !== undefined && len > most) return `head ${id}: used length ${len}, and its chain takes ${most} bytes`;
    }
    return null;
  }

  private used(idx: number): UsedElement {
    const word = (this.places.used + VIRTQ_USED_RING + VIRTQ_USED_ELEM_SIZE * (idx % this.size)) >> 2;
    return { id: this.memory.u32[word]!, len: this.memory.u32[word + 1]! };
  }
}
