// SPDX-License-Identifier: Apache-2.0
// Memory of a driver under attack: blocks with guard bytes between them that nobody may write, neither the driver nor the
// device, so a write beside a block is found after the execution.
import { VfioError } from '../../util/errors.ts';
import type { DmaMemory } from '../../guest/platform.ts';

const MEMORY_BYTES = 1 << 18;
const GUARD_BYTES = 64;
const GUARD = 0xa5;
/** Device addresses lie above 4 GiB and are not offsets: a driver that mixes them up is seen. */
export const IOVA_BASE = 0x1_0000_0000;

/** Guarded memory with an allocator that is reset for each execution. */
export class GuardedMemory implements DmaMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  readonly size = MEMORY_BYTES;
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private next = GUARD_BYTES;

  constructor() {
    const buffer = new ArrayBuffer(MEMORY_BYTES);
    this.u8 = new Uint8Array(buffer).fill(GUARD);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.view = new DataView(buffer);
  }

  reset(): void {
    this.u8.fill(GUARD, 0, Math.min(this.next + GUARD_BYTES, MEMORY_BYTES));
    this.starts.length = 0;
    this.ends.length = 0;
    this.next = GUARD_BYTES;
  }

  alloc(bytes: number, align: number): number {
    const at = Math.ceil(this.next / align) * align;
    const end = at + bytes;
    if (!(end + GUARD_BYTES <= MEMORY_BYTES)) {
      throw new VfioError('ENOMEM', `${bytes} bytes of driver memory asked for, ${MEMORY_BYTES - this.next} left`);
    }
    this.u8.fill(0, at, end);
    this.starts.push(at);
    this.ends.push(end);
    this.next = end + GUARD_BYTES;
    return at;
  }

  iova(offset: number): number {
    return IOVA_BASE + offset;
  }

  /** Offset of `bytes` at a device address; -1 where they are not inside one block. */
  find(iova: number, bytes: number): number {
    const at = iova - IOVA_BASE;
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return low < this.starts.length && at >= this.starts[low]! && at + bytes <= this.ends[low]! ? at : -1;
  }

  /** Position of a guard byte that was overwritten; -1 where all are whole. */
  brokenGuard(): number {
    let at = 0;
    for (let block = 0; block <= this.starts.length; block++) {
      const end = this.starts[block] ?? Math.min(this.next, MEMORY_BYTES);
      for (; at < end; at++) if (this.u8[at] !== GUARD) return at;
      at = this.ends[block] ?? at;
    }
    return -1;
  }
}
