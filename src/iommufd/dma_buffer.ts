// SPDX-License-Identifier: Apache-2.0
// Memory that a driver shares with its device: a part of the guest window, mapped in an address space.
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { needed, powerOfTwoFrom, wholeFrom } from '../util/options.ts';
import { checkArguments } from './memory_source.ts';

/** Default device address of the first byte of the window: above 4 GiB, so that 64-bit addresses are the common case. */
export const DEFAULT_IOVA_BASE = 0x1_0000_0000;

const ALLOC = {
  bytes: needed(wholeFrom(0, Number.MAX_SAFE_INTEGER)),
  align: needed(powerOfTwoFrom(1, 2 ** 30)),
};

/** Where the block is mapped: an address space of the card, or an IOAS of an iommufd. */
export interface WindowMapping {
  /** Maps `length` bytes of the guest window from `offset` on to `iova`, to be read and written. */
  map(iova: number, length: number, offset: number): void;
}

/** A block of guest memory with an allocator that never frees. */
export class DmaBuffer {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly size: number;
  private readonly base: number;
  private used = 0;

  /** Takes `bytes` of the window and maps them. */
  constructor(nic: Nic, mapping: WindowMapping, bytes: number) {
    const offset = nic.takeWindow(bytes);
    this.size = Math.ceil(bytes / 4096) * 4096;
    const { buffer } = nic.core.u8;
    const at = nic.core.windowBase + offset;
    this.u8 = new Uint8Array(buffer, at, this.size);
    this.u16 = new Uint16Array(buffer, at, this.size / 2);
    this.u32 = new Uint32Array(buffer, at, this.size / 4);
    this.base = DEFAULT_IOVA_BASE + offset;
    mapping.map(this.base, this.size, offset);
  }

  /** Zeroed block; returns its offset. Throws ENOMEM, and EINVAL for what is no number of bytes or no power of two. */
  alloc(bytes: number, align: number): number {
    checkArguments('alloc', { bytes, align }, ALLOC);
    const offset = Math.ceil(this.used / align) * align;
    if (offset + bytes > this.size) {
      throw new VfioError('ENOMEM', `${bytes} bytes of driver memory asked for, ${this.size - this.used} left`);
    }
    this.used = offset + bytes;
    this.u8.fill(0, offset, offset + bytes);
    return offset;
  }

  /** Address by which the device reaches byte `offset` of the block. */
  iova(offset: number): number {
    return this.base + offset;
  }
}
