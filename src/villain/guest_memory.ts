// SPDX-License-Identifier: Apache-2.0
// Memory of a bad driver, watched: beside the bytes that the device sees lies a copy of what the driver wrote last. A byte
// that differs was written by the device, and has to be in a place that was offered for writing.
import { alignUp, type DmaMemory } from '../guest/platform.ts';
import { NicError } from '../util/errors.ts';

export class GuestMemory implements DmaMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly size: number;
  private readonly base: number;
  private readonly copy: Uint8Array;
  /** 1: the device may write this byte. */
  private readonly offered: Uint8Array;
  private used = 0;

  /** The first `bytes` of `block`, zeroed. */
  constructor(block: DmaMemory, bytes: number) {
    this.u8 = block.u8.subarray(0, bytes);
    this.u16 = block.u16.subarray(0, bytes / 2);
    this.u32 = block.u32.subarray(0, bytes / 4);
    this.size = bytes;
    this.base = block.iova(0);
    this.copy = new Uint8Array(bytes);
    this.offered = new Uint8Array(bytes);
    this.u8.fill(0);
  }

  alloc(bytes: number, align: number): number {
    const offset = alignUp(this.used, align);
    if (offset + bytes > this.size) {
      throw new NicError('ENOMEM', `${bytes} bytes of ${this.size} asked for, ${this.size - this.used} left`);
    }
    this.used = offset + bytes;
    return offset;
  }

  iova(offset: number): number {
    return this.base + offset;
  }

  /** Writes bytes as the driver. */
  put(offset: number, bytes: ArrayLike<number>): void {
    this.u8.set(bytes, offset);
    this.copy.set(bytes, offset);
  }

  put16(offset: number, value: number): void {
    this.put(offset, [value & 0xff, (value >> 8) & 0xff]);
  }

  /** Little-endian, `bytes` of them; a value up to 2^64 - 1. */
  putWide(offset: number, bytes: number, value: number | bigint): void {
    const wide = BigInt(value);
    this.put(
      offset,
      Array.from({ length: bytes }, (_, i) => Number((wide >> BigInt(8 * i)) & 0xffn)),
    );
  }

  /** Bytes at a device address. */
  bytesAt(iova: number, length: number): Uint8Array {
    const at = iova - this.base;
    return this.u8.slice(at, at + length);
  }

  /** A block that holds `bytes`; returns its device address. */
  place(bytes: ArrayLike<number>, align = 1): number {
    const at = this.alloc(Math.max(1, bytes.length), align);
    this.put(at, bytes);
    return this.iova(at);
  }

  /** A block of `length` bytes that each hold `fill`; returns its device address. */
  space(length: number, fill = 0xee): number {
    return this.place(new Uint8Array(length).fill(fill), 4);
  }

  /** From now on the device may write there; what lies outside the memory is not ours to allow. */
  offer(iova: number, length: number): void {
    const from = Math.max(0, iova - this.base);
    const to = Math.min(this.size, iova - this.base + length);
    if (to > from) this.offered.fill(1, from, to);
  }

  /** Places that the device wrote although nobody had offered them, as text; null where there are none. */
  trespass(): string | null {
    if (Buffer.compare(this.u8, this.copy) === 0) return null;
    for (let at = 0; at < this.size; at++) {
      if (this.u8[at] === this.copy[at] || this.offered[at] === 1) continue;
      const now = `0x${this.u8[at]!.toString(16)}`;
      return `memory at 0x${(this.base + at).toString(16)} was never offered for writing, and holds ${now} now`;
    }
    return null;
  }
}
