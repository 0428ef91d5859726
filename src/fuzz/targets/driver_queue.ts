// SPDX-License-Identifier: Apache-2.0
// The device's side of a split ring, and what it knows for certain about the driver: which chains it was given and has not
// returned. A driver that gives a buffer away a second time, or one outside its memory, is seen here (virtio 1.4 §2.7).
import {
  VIRTQ_AVAIL_IDX,
  VIRTQ_AVAIL_RING,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_SIZE,
  VIRTQ_USED_ELEM_SIZE,
  VIRTQ_USED_IDX,
  VIRTQ_USED_RING,
} from '../../../assembly/abi/virtio_ring.ts';
import { Breach } from './breach.ts';
import type { GuardedMemory } from './driver_memory.ts';

/** A buffer of a chain, as an offset into memory. */
export interface Segment {
  readonly at: number;
  readonly length: number;
  readonly isWritable: boolean;
}

export interface Chain {
  readonly head: number;
  readonly segments: readonly Segment[];
}

/** Offsets of the three parts of a ring. */
export interface RingPlace {
  readonly size: number;
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
}

/** One virtqueue as the device has it. */
export class DeviceQueue {
  readonly index: number;
  readonly place: RingPlace;
  /** Chains that the device was given and has not returned, and those that it has and was not given again. */
  readonly held = new Map<number, Chain>();
  readonly returned = new Map<number, Chain>();
  /** Heads to work on, oldest first. */
  readonly work: number[] = [];
  /** The device wrote where only the driver may: what it reads there says nothing about the driver any more. */
  isTainted = false;
  /** Ids that were returned before they were given: the driver may look at them when they have become right. */
  private readonly early = new Set<number>();
  private readonly memory: GuardedMemory;
  private readonly others: readonly DeviceQueue[];
  private lastAvail = 0;
  private usedIdx = 0;

  /** `others`: all queues of the driver, this one included, to find buffers that are given away twice. */
  constructor(memory: GuardedMemory, index: number, place: RingPlace, others: readonly DeviceQueue[]) {
    this.memory = memory;
    this.index = index;
    this.place = place;
    this.others = others;
  }

  /** Takes what the driver made available. */
  take(): void {
    const { view } = this.memory;
    const { size, avail, used } = this.place;
    const idx = view.getUint16(avail + VIRTQ_AVAIL_IDX, true);
    const count = (idx - this.lastAvail) & 0xffff;
    if (count > size) {
      this.breach(`publishes ${count} chains at once, more than its ${size} descriptors`);
      return;
    }
    for (; this.lastAvail !== idx; this.lastAvail = (this.lastAvail + 1) & 0xffff) {
      const head = view.getUint16(avail + VIRTQ_AVAIL_RING + 2 * (this.lastAvail & (size - 1)), true);
      if (head >= size) this.breach(`makes descriptor ${head} of ${size} available`);
      else if (this.held.has(head)) this.breach(`makes descriptor ${head} available while the device has it`);
      else this.accept({ head, segments: this.walk(head) });
    }
    // the device wants to hear of the next chain; without the event index nobody looks there
    view.setUint16(used + VIRTQ_USED_RING + VIRTQ_USED_ELEM_SIZE * size, idx, true);
  }

  /** The device was reset: it holds nothing; what it returned before, the driver may still look at. */
  forget(): void {
    this.held.clear();
    this.work.length = 0;
  }

  /** Writes bytes over the writable buffers of a chain, as far as they reach. */
  fill(chain: Chain, bytes: ArrayLike<number>): void {
    let done = 0;
    for (const { at, length, isWritable } of chain.segments) {
      if (!isWritable) continue;
      for (let i = 0; i < length && done < bytes.length; i++) this.memory.u8[at + i] = bytes[done++]!;
    }
  }

  /** Bytes of all readable buffers of a chain. */
  read(chain: Chain): number[] {
    return chain.segments
      .filter((segment) => !segment.isWritable)
      .flatMap(({ at, length }) => [...this.memory.u8.subarray(at, at + length)]);
  }

  /** Returns a chain, or what the device says is one, and moves the used index by `step`. */
  complete(id: number, length: number, step = 1): void {
    const { view } = this.memory;
    const { size, used } = this.place;
    const element = used + VIRTQ_USED_RING + VIRTQ_USED_ELEM_SIZE * (this.usedIdx & (size - 1));
    view.setUint32(element, id, true);
    view.setUint32(element + 4, length, true);
    // elements that it did not write may name chains that it never knew it returned
    if (step > 1) this.isTainted = true;
    else if (step === 1) this.giveBack(id);
    this.usedIdx = (this.usedIdx + step) & 0xffff;
    view.setUint16(used + VIRTQ_USED_IDX, this.usedIdx, true);
  }

  private giveBack(head: number): void {
    const chain = this.held.get(head);
    if (chain === undefined) {
      this.early.add(head);
      return;
    }
    this.held.delete(head);
    this.returned.set(head, chain);
    const place = this.work.indexOf(head);
    if (place >= 0) this.work.splice(place, 1);
  }

  private accept(chain: Chain): void {
    if (this.early.has(chain.head)) this.isTainted = true;
    if (!this.isTainted) this.checkOverlap(chain);
    this.returned.delete(chain.head);
    this.held.set(chain.head, chain);
    this.work.push(chain.head);
  }

  private checkOverlap(chain: Chain): void {
    for (const queue of this.others) {
      if (queue.isTainted) continue;
      for (const held of queue.held.values()) {
        for (const a of held.segments) {
          for (const b of chain.segments) {
            if (a.at < b.at + b.length && b.at < a.at + a.length) {
              this.breach(`gives the bytes at ${b.at} away while they are in a chain of queue ${queue.index}`);
            }
          }
        }
      }
    }
  }

  private walk(head: number): Segment[] {
    const { view } = this.memory;
    const { desc, size } = this.place;
    const at = desc + VIRTQ_DESC_SIZE * head;
    if ((view.getUint16(at + 12, true) & VIRTQ_DESC_F_INDIRECT) === 0) return this.walkTable(desc, head, size);
    const bytes = view.getUint32(at + 8, true);
    const table = this.memory.find(this.address(at), bytes);
    if (table >= 0 && bytes > 0 && bytes % VIRTQ_DESC_SIZE === 0) {
      return this.walkTable(table, 0, bytes / VIRTQ_DESC_SIZE);
    }
    this.breach(`has an indirect table of ${bytes} bytes that is not in its memory`);
    return [];
  }

  private walkTable(table: number, first: number, count: number): Segment[] {
    const { view } = this.memory;
    const segments: Segment[] = [];
    for (let index = first, flags = VIRTQ_DESC_F_NEXT; (flags & VIRTQ_DESC_F_NEXT) !== 0;) {
      if (index >= count || segments.length >= count) {
        this.breach(`has a chain that leaves its table of ${count}`);
        break;
      }
      const entry = table + VIRTQ_DESC_SIZE * index;
      flags = view.getUint16(entry + 12, true);
      index = view.getUint16(entry + 14, true);
      const length = view.getUint32(entry + 8, true);
      const at = this.memory.find(this.address(entry), length);
      if (at >= 0) segments.push({ at, length, isWritable: (flags & VIRTQ_DESC_F_WRITE) !== 0 });
      else this.breach(`has a buffer of ${length} bytes that is not in its memory`);
    }
    return segments;
  }

  private address(at: number): number {
    return this.memory.view.getUint32(at, true) + this.memory.view.getUint32(at + 4, true) * 2 ** 32;
  }

  private breach(what: string): void {
    if (!this.isTainted) throw new Breach(`queue ${this.index} ${what}`);
  }
}
