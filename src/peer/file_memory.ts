// SPDX-License-Identifier: Apache-2.0
// Memory of another process in a file whose descriptor it sent. A file that cannot shrink (F_SEAL_SHRINK) is mapped. Any
// other file is read and written, since touching a mapping behind a new end of file would end this process.
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

/** A view on more than 4 GiB ends the process; windows make up a range. */
const WINDOW_BYTES = 2 ** 30;
/** Up to here a loop beats a call to copy. */
const SHORT_BYTES = 32;
/** Flags and index at the start of a ring. */
const INDEX_END = 4;

/** A part of a file. */
export interface FilePart {
  readonly fd: number;
  readonly fileOffset: number;
  readonly size: number;
  readonly isWritable: boolean;
}

/** Memory in a file: it answers at once. Offsets count from the start of the part. False: the file does not have it. */
export interface FileRange {
  read(offset: number, length: number, target: Uint8Array, at: number): boolean;
  write(offset: number, length: number, source: Uint8Array, at: number): boolean;
  release(): void;
}

/** The file has all of the part now. */
export function holdsPart(libc: FileCalls, { fd, fileOffset, size }: FilePart): boolean {
  return Number.isSafeInteger(fileOffset) && fileOffset + size <= libc.fileSize(fd);
}

/** Memory in a part of a file; the descriptor is the memory's from now on. `isFileIo`: it is not to be mapped. */
export function openFileRange(libc: FileCalls, part: FilePart, isFileIo: boolean): FileRange {
  const isMappable = !isFileIo && (libc.fcntl(part.fd, F_GET_SEALS, 0) & F_SEAL_SHRINK) !== 0;
  const mapped = isMappable ? MappedFile.map(libc, part) : null;
  if (mapped === null) return new FileMemory(libc, part.fd, part.fileOffset);
  libc.close(part.fd); // the mapping keeps the file
  return mapped;
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
  static map(libc: FileCalls, { size, isWritable, fd, fileOffset }: FilePart): MappedFile | null {
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
  release(): void {
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

  release(): void {
    this.libc.close(this.fd);
  }
}

function copy(source: Uint8Array, from: number, length: number, target: Uint8Array, to: number): void {
  if (length <= SHORT_BYTES) for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
  else target.set(source.subarray(from, from + length), to);
}
