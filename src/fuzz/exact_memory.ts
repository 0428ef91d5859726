// SPDX-License-Identifier: Apache-2.0
// What guest memory should hold, byte for byte: the driver's own writes go here too, and whatever else differs must lie
// where a descriptor or a used ring let the card write. Only kept during thorough runs, it costs more than the run.
import { VIRTQ_DESC_F_WRITE } from '../../assembly/abi/virtio_ring.ts';
import type { FuzzCard } from './card.ts';
import {
  FUNCTIONS,
  QUEUE_SIZE,
  QUEUES,
  RING_BYTES,
  RING_INDIRECT,
  RING_INDIRECT_ENTRIES,
  RING_USED,
  SLICE_BYTES,
  SLICE_IOVA_HIGH,
} from './layout.ts';
import type { Violation } from './target.ts';

const USED_RING_BYTES = 6 + 8 * QUEUE_SIZE;

/** The slices as the driver knows them. */
export class ExactMemory {
  private readonly slices: Uint8Array;
  private readonly shadow = new Uint8Array(FUNCTIONS * SLICE_BYTES);
  /** 1: the card may have written the byte. */
  private readonly allowed = new Uint8Array(FUNCTIONS * SLICE_BYTES);
  /** Bit n: nothing is known of function n's rings, so all of its slice is allowed. */
  private unknown = 0;
  /** Bit n: nothing of function n's slice may be written, whatever its descriptors say. */
  private forbidden = 0;
  private found: Violation | null = null;
  private isOn = false;

  constructor(card: FuzzCard) {
    this.slices = card.u8.subarray(card.slices, card.slices + FUNCTIONS * SLICE_BYTES);
  }

  /** Begins a run, with what is there now and what the boot program allowed. */
  begin(): void {
    this.isOn = true;
    this.unknown = 0;
    this.forbidden = 0;
    this.found = null;
    this.shadow.set(this.slices);
    this.allowed.fill(0);
    for (let fn = 0; fn < FUNCTIONS; fn++) for (let q = 0; q < QUEUES; q++) this.allowRing(fn, q);
  }

  end(): void {
    this.isOn = false;
  }

  /** The driver wrote `bytes` at `offset` of a slice. */
  wrote(fn: number, offset: number, bytes: number): void {
    if (!this.isOn) return;
    const at = fn * SLICE_BYTES + offset;
    this.shadow.set(this.slices.subarray(at, at + bytes), at);
  }

  /** A descriptor was written: the card may write where it says so. */
  describe(fn: number, low: number, high: number, length: number, flags: number): void {
    if (!this.isOn || (flags & VIRTQ_DESC_F_WRITE) === 0 || high !== SLICE_IOVA_HIGH || low >= SLICE_BYTES) return;
    const at = fn * SLICE_BYTES + low;
    this.allowed.fill(1, at, Math.min(at + length, (fn + 1) * SLICE_BYTES));
  }

  /** A queue is set up: the card may write its used ring, and where the descriptors say that are there already. */
  allowRing(fn: number, q: number): void {
    if (!this.isOn) return;
    const ring = fn * SLICE_BYTES + q * RING_BYTES;
    this.allowed.fill(1, ring + RING_USED, ring + RING_USED + USED_RING_BYTES);
    this.allowTable(fn, ring, QUEUE_SIZE);
    this.allowTable(fn, ring + RING_INDIRECT, RING_INDIRECT_ENTRIES);
  }

  private allowTable(fn: number, table: number, entries: number): void {
    const words = new Uint32Array(this.slices.buffer, this.slices.byteOffset + table, entries * 4);
    for (let at = 0; at < words.length; at += 4) {
      this.describe(fn, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
    }
  }

  /** Where the function's rings and buffers are is not known any more. */
  loseTrack(fn: number): void {
    this.unknown |= 1 << fn;
  }

  /** The mapping was taken away, or allows reads alone, and nothing is under way. */
  forbid(fn: number): void {
    if (!this.isOn) return;
    this.found ??= this.checkFunction(fn);
    this.sync(fn);
    this.forbidden |= 1 << fn;
  }

  /** The mapping is back. */
  permit(fn: number): void {
    if (!this.isOn) return;
    this.found ??= this.checkFunction(fn);
    this.sync(fn);
    this.forbidden &= ~(1 << fn);
  }

  private sync(fn: number): void {
    const at = fn * SLICE_BYTES;
    this.shadow.set(this.slices.subarray(at, at + SLICE_BYTES), at);
  }

  /** The function was reset, and the driver has seen it: from here on nothing may be written. */
  freeze(fn: number): void {
    if (!this.isOn) return;
    const at = fn * SLICE_BYTES;
    this.found ??= this.checkFunction(fn);
    this.sync(fn);
    this.allowed.fill(0, at, at + SLICE_BYTES);
    this.unknown &= ~(1 << fn);
  }

  /** A queue was reset, and the driver has seen it. */
  freezeUsedRing(fn: number, q: number): void {
    if (!this.isOn) return;
    const at = fn * SLICE_BYTES + q * RING_BYTES + RING_USED;
    this.shadow.set(this.slices.subarray(at, at + USED_RING_BYTES), at);
    this.allowed.fill(0, at, at + USED_RING_BYTES);
  }

  /** The first byte found that the card had no right to write. */
  check(): Violation | null {
    for (let fn = 0; fn < FUNCTIONS; fn++) this.found ??= this.checkFunction(fn);
    return this.found;
  }

  private checkFunction(fn: number): Violation | null {
    const bit = 1 << fn;
    const isForbidden = (this.forbidden & bit) !== 0;
    if (!isForbidden && (this.unknown & bit) !== 0) return null;
    const end = (fn + 1) * SLICE_BYTES;
    for (let at = fn * SLICE_BYTES; at < end; at++) {
      if (this.slices[at] === this.shadow[at] || (!isForbidden && this.allowed[at] === 1)) continue;
      const where = `0x${(at - fn * SLICE_BYTES).toString(16)}`;
      const why = isForbidden ? 'while it was not mapped for writing' : 'where no buffer was offered';
      return { oracle: 'O4', message: `guest memory of function ${fn} changed at ${where}, ${why}` };
    }
    return null;
  }
}
