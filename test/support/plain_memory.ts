// SPDX-License-Identifier: Apache-2.0
// Guest memory and time for driver tests without a device: an array, and a list of things that are still to happen.
import type { Clock, DmaMemory } from '../../src/guest/platform.ts';

/** Device addresses lie above 4 GiB and differ from offsets, so a driver that mixes them up is seen. */
const IOVA_BASE = 0x5_0000_0000;

export class PlainMemory implements DmaMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  readonly size: number;
  private next = 64;

  constructor(size = 1 << 20) {
    const buffer = new ArrayBuffer(size);
    this.size = size;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Bytes given out so far. */
  get used(): number {
    return this.next;
  }

  alloc(bytes: number, align: number): number {
    const at = Math.ceil(this.next / align) * align;
    if (at + bytes > this.size) throw new RangeError(`test memory of ${this.size} bytes is full`);
    this.next = at + bytes;
    return at;
  }

  iova(offset: number): number {
    return IOVA_BASE + offset;
  }

  /** Offset of a device address; throws where the device could not reach it. */
  offset(iova: number, length = 0): number {
    const at = iova - IOVA_BASE;
    if (!(at >= 0) || at + length > this.size) throw new RangeError(`iova 0x${iova.toString(16)} is not guest memory`);
    return at;
  }
}

/** Each wait makes the next thing happen; with nothing left, waiting is idle. */
export class ScriptedClock implements Clock {
  readonly pending: (() => void)[] = [];
  readonly advanced: number[] = [];
  waits = 0;

  now(): number {
    return this.waits;
  }

  waitForEvent(): boolean {
    this.waits++;
    const next = this.pending.shift();
    next?.();
    return next !== undefined;
  }

  advance(cycles: number): void {
    this.advanced.push(cycles);
  }
}
