// SPDX-License-Identifier: Apache-2.0
// The client's memory as the card sees it: the ranges that DMA_MAP brought, each reached through its file, mapped or not,
// or, without a file, asked for by messages.
import type { ForeignAnswer, ForeignMemory } from '../device/foreign.ts';
import type { FileCalls } from '../native/libc.ts';
import { holdsPart, openFileRange, type FileRange } from '../peer/file_memory.ts';
import { VfioError } from '../util/errors.ts';

/** Ranges that a client may have at a time. */
export const MAX_DMA_MAPS = 65535;

/** A read that is made by messages, at least in part. */
export interface MessageRead {
  /** Asks for `count` bytes at `address`, which are those from `at` on of the read. */
  ask(address: number, count: number, at: number): void;
  /** Not all of it can be had. */
  fail(): void;
}

/** What a range asks for where no file came with it. */
export interface DmaMessages {
  canReach(): boolean;
  /** The read that the card makes now. It ends when all that was asked for has come. */
  beginRead(): MessageRead;
  write(address: number, length: number, source: Uint8Array, at: number): void;
}

export interface DmaMapRequest {
  readonly address: number;
  readonly size: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** -1: none. The range closes it. */
  readonly fd: number;
  readonly fileOffset: number;
  /** The client asks not to map the file. */
  readonly isFileIo: boolean;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** `offset` from the start of the range. Null: it is reached by messages alone. */
  readonly memory: FileRange | null;
}

/** The DMA ranges of one client. */
export class DmaMap implements ForeignMemory {
  private readonly libc: FileCalls;
  private readonly messages: DmaMessages;
  /** Sorted by address. */
  private readonly ranges: Range[] = [];
  private last: Range | null = null;

  constructor(libc: FileCalls, messages: DmaMessages) {
    this.libc = libc;
    this.messages = messages;
  }

  get size(): number {
    return this.ranges.length;
  }

  /** Throws VfioError EINVAL, EEXIST, ENOSPC, EACCES; the file descriptor is then still the caller's. */
  map(request: DmaMapRequest): void {
    const { address, size } = request;
    const end = address + size;
    if (size <= 0 || !Number.isSafeInteger(end) || address < 0) {
      throw new VfioError('EINVAL', `${size} bytes at 0x${address.toString(16)} are no range below 2^53`);
    }
    const at = this.firstBehind(address);
    if (at < this.ranges.length && this.ranges[at]!.start < end) {
      throw new VfioError('EEXIST', `${size} bytes at 0x${address.toString(16)} overlap a mapping; unmap it first`);
    }
    if (this.ranges.length >= MAX_DMA_MAPS) throw new VfioError('ENOSPC', `${MAX_DMA_MAPS} mappings exist; unmap some`);
    this.ranges.splice(at, 0, this.reach(request));
  }

  /**
   * Takes the ranges away that lie between two addresses, and says how many bytes that were. Throws VfioError EINVAL, and
   * takes none, where one lies there in part.
   */
  unmap(start: number, end: number): number {
    const { ranges } = this;
    const from = this.firstBehind(start);
    let to = from;
    while (to < ranges.length && ranges[to]!.start < end) to++;
    for (const range of ranges.slice(from, to)) {
      if (range.start >= start && range.end <= end) continue;
      const mapping = `0x${range.start.toString(16)}..0x${(range.end - 1).toString(16)}`;
      throw new VfioError('EINVAL', `the mapping ${mapping} would be cut; unmap all of it`);
    }
    const gone = ranges.splice(from, to - from);
    for (const range of gone) this.drop(range);
    return gone.reduce((bytes, range) => bytes + range.end - range.start, 0);
  }

  clear(): void {
    for (const range of this.ranges.splice(0)) this.drop(range);
  }

  read(offset: number, length: number, target: Uint8Array, at: number): ForeignAnswer {
    let late: MessageRead | null = null;
    for (let done = 0; done < length;) {
      const range = this.find(offset + done);
      const isThere = range !== null && range.isReadable && (range.memory !== null || this.messages.canReach());
      const count = isThere ? Math.min(length - done, range.end - offset - done) : 0;
      if (isThere && range.memory === null) {
        late ??= this.messages.beginRead();
        late.ask(offset + done, count, done);
      } else if (!isThere || !range.memory!.read(offset + done - range.start, count, target, at + done)) {
        if (late === null) return false;
        late.fail();
        break;
      }
      done += count;
    }
    return late === null ? true : 'later';
  }

  write(offset: number, length: number, source: Uint8Array, at: number): ForeignAnswer {
    let isLate = false;
    for (let done = 0; done < length;) {
      const range = this.find(offset + done);
      if (range === null || !range.isWritable) return false;
      const count = Math.min(length - done, range.end - offset - done);
      if (range.memory === null) {
        if (!this.messages.canReach()) return false;
        this.messages.write(offset + done, count, source, at + done);
        isLate = true;
      } else if (!range.memory.write(offset + done - range.start, count, source, at + done)) {
        return false;
      }
      done += count;
    }
    return isLate ? 'later' : true;
  }

  private find(address: number): Range | null {
    const { last } = this;
    if (last !== null && address >= last.start && address < last.end) return last;
    const range = this.ranges[this.firstBehind(address)];
    if (range === undefined || range.start > address) return null;
    this.last = range;
    return range;
  }

  /** Place of the first range that ends behind an address. */
  private firstBehind(address: number): number {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ranges[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private drop(range: Range): void {
    this.last = null;
    range.memory?.release();
  }

  private reach(request: DmaMapRequest): Range {
    const { address, size, fd, fileOffset, isReadable, isWritable } = request;
    const range = { start: address, end: address + size, isReadable, isWritable };
    if (fd < 0) return { ...range, memory: null };
    if (!holdsPart(this.libc, request)) {
      throw new VfioError('EINVAL', `the file does not hold ${size} bytes from ${fileOffset} on`);
    }
    return { ...range, memory: openFileRange(this.libc, request, request.isFileIo) };
  }
}
