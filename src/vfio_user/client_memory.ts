// SPDX-License-Identifier: Apache-2.0
// Memory of a vfio-user client for its drivers: shared with the server by a file descriptor, or kept to itself, so that
// the server has to ask for it.
import {
  F_ADD_SEALS,
  F_SEAL_SHRINK,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
  type Libc,
} from '../native/libc.ts';
import { VfioError } from '../util/errors.ts';

/** How the server gets at the memory: it may map it, it may only read and write it, it has to ask. */
export type Sharing = 'sealed' | 'unsealed' | 'none';

/** A block of memory with an allocator that never frees. The shape of the drivers' DmaMemory. */
export class ClientMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly size: number;
  /** -1: not shared. */
  readonly fd: number;
  private readonly libc: Libc;
  private readonly base: number;
  private used = 0;

  constructor(libc: Libc, bytes: number, base: number, sharing: Sharing = 'sealed') {
    this.libc = libc;
    this.size = bytes;
    this.base = base;
    if (sharing === 'none') {
      this.fd = -1;
      this.u8 = new Uint8Array(bytes);
    } else {
      this.fd = libc.memfd_create('virtfn-client', MFD_CLOEXEC | MFD_ALLOW_SEALING);
      libc.ftruncate(this.fd, bytes);
      if (sharing === 'sealed') libc.fcntl(this.fd, F_ADD_SEALS, F_SEAL_SHRINK);
      this.u8 = libc.view(libc.mmap(null, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, this.fd, 0), bytes);
    }
    this.u16 = new Uint16Array(this.u8.buffer, this.u8.byteOffset, bytes >> 1);
    this.u32 = new Uint32Array(this.u8.buffer, this.u8.byteOffset, bytes >> 2);
  }

  alloc(bytes: number, align: number): number {
    const offset = Math.ceil(this.used / align) * align;
    if (offset + bytes > this.size) {
      throw new VfioError('ENOMEM', `${bytes} bytes of driver memory asked for, ${this.size - this.used} left`);
    }
    this.used = offset + bytes;
    return offset;
  }

  iova(offset: number): number {
    return this.base + offset;
  }

  /** Gives the descriptor back. The bytes stay: views on them may be about. */
  close(): void {
    if (this.fd >= 0) this.libc.close(this.fd);
  }
}
