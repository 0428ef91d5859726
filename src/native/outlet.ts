// SPDX-License-Identifier: Apache-2.0
// Writing without ever waiting: what a file descriptor does not take is kept, up to a bound, and written later. Pieces go
// out whole and in order, or not at all.
import { EAGAIN, EINTR, type Libc } from './libc.ts';
import { POLLOUT, waitFor } from './wait.ts';

/** As much as a pipe, a terminal or a socket takes at once when it says that it takes something (PIPE_BUF). */
const CHUNK_BYTES = 4096;

export class Outlet {
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly maxBytes: number;
  private readonly isBlocking: boolean;
  private pieces: Uint8Array[] = [];
  /** Bytes of the first piece that are out. */
  private done = 0;
  private waiting = 0;

  /** `isBlocking`: a write to the descriptor may wait, so it is asked first. */
  constructor(libc: Libc, fd: number, maxBytes: number, isBlocking = false) {
    this.libc = libc;
    this.fd = fd;
    this.maxBytes = maxBytes;
    this.isBlocking = isBlocking;
  }

  get isEmpty(): boolean {
    return this.pieces.length === 0;
  }

  /** Keeps a piece, which is the outlet's from now on; false where there is no room for it. An empty outlet takes any. */
  put(piece: Uint8Array): boolean {
    if (!this.isEmpty && this.waiting + piece.length > this.maxBytes) return false;
    this.pieces.push(piece);
    this.waiting += piece.length;
    return true;
  }

  /** Writes what is taken: 0 when all is out, EAGAIN when the rest has to wait, another errno when it failed. */
  flush(): number {
    const { libc, fd } = this;
    while (!this.isEmpty) {
      if (this.isBlocking && !waitFor(libc, fd, POLLOUT, 0)) return EAGAIN;
      const piece = this.pieces[0]!;
      const end = this.isBlocking ? Math.min(piece.length, this.done + CHUNK_BYTES) : piece.length;
      const count = libc.write(fd, piece.subarray(this.done, end), end - this.done);
      if (count <= 0) {
        const reason = count < 0 ? libc.errno() : EAGAIN;
        if (reason === EINTR) continue;
        return reason;
      }
      this.done += count;
      this.waiting -= count;
      if (this.done < piece.length) continue;
      this.pieces.shift();
      this.done = 0;
    }
    return 0;
  }
}
