// SPDX-License-Identifier: Apache-2.0
// The client's memory as the card sees it: the ranges that DMA_MAP brought, each reached in one of three ways. A file
// that cannot shrink (F_SEAL_SHRINK) is mapped. Any other file is read and written, since touching a mapping behind a
// new end of file would end this process. A range without a file is asked for by messages.
import type { ForeignAnswer, ForeignMemory } from '../device/foreign.ts';
import {
  F_GET_SEALS,
  F_SEAL_SHRINK,
  MAP_FAILED,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  type Address,
  type FileCalls,
} from '../native/libc.ts';
import { VfioError } from '../util/errors.ts';

/** A view on more than 4 GiB ends the process; windows make up a range. */
const WINDOW_BYTES = 2 ** 30;
/** Up to here a loop beats a call to copy. */
const SHORT_BYTES = 32;
/** Flags and index at the start of a ring. */
const INDEX_END = 4;
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
  release(): void;
}

/** Memory in a file: it answers at once. */
interface FileRange {
  read(offset: number, length: number, target: Uint8Array, at: number): boolean;
  write(offset: number, length: number, source: Uint8Array, at: number): boolean;
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
    range.release();
  }

  private reach(request: DmaMapRequest): Range {
    const { address, size, fd, isReadable, isWritable } = request;
    const range = { start: address, end: address + size, isReadable, isWritable };
    if (fd < 0) return { ...range, memory: null, release: () => {} };
    this.checkFile(request);
    const isMappable = !request.isFileIo && (this.libc.fcntl(fd, F_GET_SEALS, 0) & F_SEAL_SHRINK) !== 0;
    const mapped = isMappable ? MappedFile.map(this.libc, request) : null;
    if (mapped !== null) {
      this.libc.close(fd); // the mapping keeps the file
      return { ...range, memory: mapped, release: () => mapped.unmap() };
    }
    const memory = new FileMemory(this.libc, fd, request.fileOffset);
    return { ...range, memory, release: () => this.libc.close(fd) };
  }

  private checkFile({ fd, fileOffset, size }: DmaMapRequest): void {
    if (!Number.isSafeInteger(fileOffset) || fileOffset + size > this.libc.fileSize(fd)) {
      throw new VfioError('EINVAL', `the file does not hold ${size} bytes from ${fileOffset} on`);
    }
  }
}

/** A part of a mapping. */
interface Window {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
}

/**
 * Memory in a mapping, as windows of equal size. The driver works in it at the same time: an index, which comes alone or
 * behind the flags of its ring, is read as one, and before ring entries that come along with it. It is written behind
 * all that it tells of; and since the card looks at the other side's index next, which x86 would let pass a plain store,
 * Atomics.store puts a barrier between them.
 */
class MappedFile implements FileRange {
  private readonly libc: FileCalls;
  private readonly address: Address;
  private readonly bytes: number;
  private windows: Window[] = [];

  private constructor(libc: FileCalls, address: Address, bytes: number) {
    this.libc = libc;
    this.address = address;
    this.bytes = bytes;
    for (let at = 0; at < bytes; at += WINDOW_BYTES) {
      const u8 = libc.view(address + BigInt(at), Math.min(WINDOW_BYTES, bytes - at));
      this.windows.push({ u8, u16: new Uint16Array(u8.buffer, 0, u8.length >> 1) });
    }
  }

  /** Null where the kernel does not map it: an offset inside a page, no right to. */
  static map(libc: FileCalls, { size, isWritable, fd, fileOffset }: DmaMapRequest): MappedFile | null {
    const protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ;
    const address = libc.mmap(null, size, protection, MAP_SHARED, fd, fileOffset);
    return address === MAP_FAILED ? null : new MappedFile(libc, address, size);
  }

  read(offset: number, length: number, target: Uint8Array, at: number): boolean {
    while (length > 0) {
      const { u8, u16 } = this.windows[Math.floor(offset / WINDOW_BYTES)]!;
      const from = offset % WINDOW_BYTES;
      const count = Math.min(length, u8.length - from);
      let done = 0;
      for (const first = (from & 1) === 0 ? Math.min(count, INDEX_END) : 0; done + 2 <= first; done += 2) {
        const value = u16[(from + done) >> 1]!;
        target[at + done] = value;
        target[at + done + 1] = value >> 8;
      }
      copy(u8, from + done, count - done, target, at + done);
      offset += count;
      at += count;
      length -= count;
    }
    return true;
  }

  write(offset: number, length: number, source: Uint8Array, at: number): boolean {
    while (length > 0) {
      const { u8, u16 } = this.windows[Math.floor(offset / WINDOW_BYTES)]!;
      const to = offset % WINDOW_BYTES;
      const count = Math.min(length, u8.length - to);
      if (count === 2 && (to & 1) === 0) Atomics.store(u16, to >> 1, source[at]! | (source[at + 1]! << 8));
      else copy(source, at, count, u8, to);
      offset += count;
      at += count;
      length -= count;
    }
    return true;
  }

  /** No view outlives the mapping: looking at one would end the process. */
  unmap(): void {
    this.windows = [];
    this.libc.munmap(this.address, this.bytes);
  }
}

/** Memory in a file that may change its size at any time. */
class FileMemory implements FileRange {
  private readonly libc: FileCalls;
  private readonly fd: number;
  private readonly base: number;

  constructor(libc: FileCalls, fd: number, base: number) {
    this.libc = libc;
    this.fd = fd;
    this.base = base;
  }

  read(offset: number, length: number, target: Uint8Array, at: number): boolean {
    return this.libc.pread(this.fd, target.subarray(at, at + length), length, this.base + offset) === length;
  }

  write(offset: number, length: number, source: Uint8Array, at: number): boolean {
    return this.libc.pwrite(this.fd, source.subarray(at, at + length), length, this.base + offset) === length;
  }
}

function copy(source: Uint8Array, from: number, length: number, target: Uint8Array, to: number): void {
  if (length <= SHORT_BYTES) for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
  else target.set(source.subarray(from, from + length), to);
}
