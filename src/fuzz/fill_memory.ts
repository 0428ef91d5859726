// SPDX-License-Identifier: Apache-2.0
// Guest memory that is different every time the card looks: bytes are made when they are read, from a seed that the
// program gives. A device that reads something twice and trusts both gets two answers.
import type { ForeignMemory } from '../device/foreign.ts';
import { MAPPED_BYTES, SLICE_IOVA, SLICE_IOVA_HIGH } from './layout.ts';

const DESCRIPTOR_BYTES = 16;

/** Answers reads with descriptors that are nearly good, and takes writes away. */
export class FillMemory implements ForeignMemory {
  private state = 1;
  private readonly willWrite: (at: number, bytes: number) => void;

  /** `willWrite`: told before `bytes` at `at` of the card's memory change. */
  constructor(willWrite: (at: number, bytes: number) => void) {
    this.willWrite = willWrite;
  }

  seed(value: number): void {
    this.state = value | 1;
  }

  read(offset: number, length: number, target: Uint8Array, at: number): boolean {
    this.willWrite(at, length);
    for (let i = 0; i < length; i++) target[at + i] = this.byteAt(offset + i);
    return true;
  }

  write(): boolean {
    return true;
  }

  private random(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return this.state >>> 0;
  }

  /** Address in the slice, short length, flags and next of a few bits: most of it makes sense as a descriptor. */
  private byteAt(offset: number): number {
    const random = this.random();
    switch (offset % DESCRIPTOR_BYTES) {
      case 0:
      case 8:
        return random & 0xff;
      case 1:
        return ((SLICE_IOVA + (random % MAPPED_BYTES)) >>> 8) & 0xff;
      case 4:
        return SLICE_IOVA_HIGH;
      case 12:
        return (random >>> 8) % 16 === 0 ? random & 0xff : random & 3;
      case 14:
        return random & 31;
      default:
        return random % 64 === 0 ? (random >>> 8) & 0xff : 0;
    }
  }
}
