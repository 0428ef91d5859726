// SPDX-License-Identifier: Apache-2.0
// The driver's side of the queues in the slices of layout.ts: descriptors, chains, what is made available. Every write is
// announced to the card, so that a reset takes it back.
import {
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_SIZE,
  VIRTQ_AVAIL_IDX,
  VIRTQ_AVAIL_RING,
  VIRTQ_USED_IDX,
} from '../../assembly/abi/virtio_ring.ts';
import type { Books } from './books.ts';
import type { FuzzCard } from './card.ts';
import type { ExactMemory } from './exact_memory.ts';
import {
  BUFFERS,
  BUFFERS_BYTES,
  QUEUE_SIZE,
  QUEUES,
  RING_AVAILABLE,
  RING_BYTES,
  RING_USED,
  SLICE_IOVA_HIGH,
  SLOT_BYTES,
  SLOTS,
} from './layout.ts';

/** Chains of two descriptors that the table holds, less the one being made. */
const UNUSED_MAX = QUEUE_SIZE / 2 - 1;

/** Rings and buffers of all functions. */
export class GuestRings {
  private readonly card: FuzzCard;
  private readonly books: Books;
  private readonly exact: ExactMemory;

  constructor(card: FuzzCard, books: Books, exact: ExactMemory) {
    this.card = card;
    this.books = books;
    this.exact = exact;
  }

  /** Offset in the slice of the slot that the next chain of a queue uses. */
  slot(fn: number, q: number): number {
    return BUFFERS + q * BUFFERS_BYTES + (this.books.pushed[fn * QUEUES + q]! % SLOTS) * SLOT_BYTES;
  }

  /** Four bytes of a slice, at a multiple of four. */
  write32(fn: number, offset: number, value: number): void {
    const at = this.card.at(fn, offset);
    this.card.pins.willWrite(at, 4);
    this.card.u32[at >> 2] = value;
    this.exact.wrote(fn, offset, 4);
  }

  write8(fn: number, offset: number, value: number): void {
    const at = this.card.at(fn, offset);
    this.card.pins.willWrite(at, 1);
    this.card.u8[at] = value;
    this.exact.wrote(fn, offset, 1);
  }

  fill(fn: number, offset: number, bytes: number, value: number): void {
    const at = this.card.at(fn, offset);
    this.card.pins.willWrite(at, bytes);
    this.card.u8.fill(value, at, at + bytes);
    this.exact.wrote(fn, offset, bytes);
  }

  /** A descriptor of a table at `table` in the slice. */
  descriptor(
    fn: number,
    table: number,
    index: number,
    low: number,
    high: number,
    length: number,
    flagsNext: number,
  ): void {
    const at = this.card.at(fn, table + index * VIRTQ_DESC_SIZE);
    this.card.pins.willWrite(at, VIRTQ_DESC_SIZE);
    const word = at >> 2;
    const { u32 } = this.card;
    u32[word] = low;
    u32[word + 1] = high;
    u32[word + 2] = length;
    u32[word + 3] = flagsNext;
    this.exact.wrote(fn, table + index * VIRTQ_DESC_SIZE, VIRTQ_DESC_SIZE);
    this.exact.describe(fn, low, high, length, flagsNext);
  }

  /** A chain of one readable and one writable buffer (either may be empty) in the slice, made available. */
  chain(fn: number, q: number, readAt: number, readBytes: number, writeAt: number, writeBytes: number): void {
    const queue = fn * QUEUES + q;
    const table = q * RING_BYTES;
    const head = this.books.next[queue]!;
    const second = (head + 1) % QUEUE_SIZE;
    const isTwo = readBytes > 0 && writeBytes > 0;
    const used = this.card.u16[this.card.at(fn, table + RING_USED + VIRTQ_USED_IDX) >> 1]!;
    // descriptors of a chain that the card still has are written again
    if (this.books.pushed[queue]! - used > UNUSED_MAX) this.books.roomKnown[queue] = 0;
    if (readBytes > 0) {
      const flags = isTwo ? VIRTQ_DESC_F_NEXT + (second << 16) : 0;
      this.descriptor(fn, table, head, readAt, SLICE_IOVA_HIGH, readBytes, flags);
    }
    if (writeBytes > 0) {
      this.descriptor(fn, table, isTwo ? second : head, writeAt, SLICE_IOVA_HIGH, writeBytes, VIRTQ_DESC_F_WRITE);
    }
    this.books.next[queue] = (head + (isTwo ? 2 : 1)) % QUEUE_SIZE;
    this.makeAvailable(fn, q, head, writeBytes);
  }

  /** Puts a head into the available ring; `room`: its writable bytes. */
  makeAvailable(fn: number, q: number, head: number, room: number): void {
    const { books, card } = this;
    const queue = fn * QUEUES + q;
    const index = books.available[queue]!;
    const available = q * RING_BYTES + RING_AVAILABLE;
    const at = card.at(fn, available + VIRTQ_AVAIL_RING + 2 * (index % QUEUE_SIZE));
    const indexAt = card.at(fn, available + VIRTQ_AVAIL_IDX);
    card.pins.willWrite(at, 2);
    card.pins.willWrite(indexAt, 2);
    card.u16[at >> 1] = head;
    card.u16[indexAt >> 1] = index + 1;
    this.exact.wrote(fn, available, RING_USED - RING_AVAILABLE);
    books.available[queue] = index + 1;
    books.pushed[queue]!++;
    if (head < QUEUE_SIZE) {
      const entry = queue * QUEUE_SIZE + head;
      books.heads[entry]!++;
      if (room > books.room[entry]! || books.heads[entry] === 1) books.room[entry] = room;
    }
  }
}
