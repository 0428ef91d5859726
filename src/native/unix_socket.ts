// SPDX-License-Identifier: Apache-2.0
// UNIX sockets with file descriptors in their messages (SCM_RIGHTS), non-blocking. A listening socket appears at its path
// whole or not at all: it is bound beside it and renamed.
import { closeSync, lstatSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { NicError } from '../util/errors.ts';
import {
  AF_UNIX,
  EAGAIN,
  ECONNREFUSED,
  EINTR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  type Libc,
  type NativeBytes,
} from './libc.ts';
import { POLLIN, waitFor } from './wait.ts';

const PATH_MAX = 107; // sun_path less its NUL
const O_PATH = 0o10000000;
const BACKLOG = 8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_CTRUNC = 8;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const CMSG_HEADER = 16; // cmsg_len u64, cmsg_level i32, cmsg_type i32
/** Most file descriptors that a message may carry to us. */
export const MAX_MESSAGE_FDS = 16;
const CONTROL_BYTES = CMSG_HEADER + 4 * MAX_MESSAGE_FDS;
const MAX_SENT_FDS = 64;

// struct msghdr, and the iovec behind it
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_CONTROL = 32;
const MSG_CONTROLLEN = 40;
const MSG_FLAGS = 48;
const IOVEC = 56;
const CONTROL = 72;
const SCRATCH_BYTES = CONTROL + CMSG_HEADER + 4 * MAX_SENT_FDS;

/** What a call came to where it moved no bytes. */
export const WOULD_BLOCK = -1;
export const CLOSED = 0;

/** A connected socket. The file descriptor is the socket's until close(). */
export class UnixSocket {
  readonly fd: number;
  /** File descriptors that came with the last receive(); they belong to the caller. */
  received: number[] = [];
  /** The last receive() lost file descriptors: there were more than MAX_MESSAGE_FDS. */
  hasLostFds = false;
  private readonly libc: Libc;
  private readonly scratch: NativeBytes;

  constructor(libc: Libc, fd: number) {
    this.libc = libc;
    this.fd = fd;
    this.scratch = libc.bytes(SCRATCH_BYTES);
    const { view, address } = this.scratch;
    view.setBigUint64(MSG_IOV, address + BigInt(IOVEC), true);
    view.setBigUint64(MSG_IOVLEN, 1n, true);
    view.setBigUint64(MSG_CONTROL, address + BigInt(CONTROL), true);
  }

  /** Reads what is there, at most `length` bytes; the number of bytes, CLOSED, or WOULD_BLOCK. */
  receive(into: NativeBytes, at: number, length: number): number {
    const { view } = this.scratch;
    this.point(into, at, length);
    view.setBigUint64(MSG_CONTROLLEN, BigInt(CONTROL_BYTES), true);
    const bytes = this.libc.recvmsg(this.fd, this.scratch.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (bytes < 0) return this.isRetry() ? WOULD_BLOCK : CLOSED;
    this.received = [];
    this.hasLostFds = (view.getInt32(MSG_FLAGS, true) & MSG_CTRUNC) !== 0;
    const end = CONTROL + Number(view.getBigUint64(MSG_CONTROLLEN, true));
    for (let message = CONTROL; message + CMSG_HEADER <= end;) {
      const size = Number(view.getBigUint64(message, true));
      const isRights =
        view.getInt32(message + 8, true) === SOL_SOCKET && view.getInt32(message + 12, true) === SCM_RIGHTS;
      const count = isRights ? (size - CMSG_HEADER) >> 2 : 0;
      for (let i = 0; i < count; i++) this.received.push(view.getInt32(message + CMSG_HEADER + 4 * i, true));
      message += Math.max(CMSG_HEADER, Math.ceil(size / 8) * 8);
    }
    return bytes;
  }

  /** Sends what the socket takes, with copies of `fds`, 64 at most; the number of bytes, CLOSED, or WOULD_BLOCK. */
  send(from: NativeBytes, at: number, length: number, fds: readonly number[] = []): number {
    const { view } = this.scratch;
    this.point(from, at, length);
    const controlBytes = fds.length === 0 ? 0 : CMSG_HEADER + 4 * fds.length;
    view.setBigUint64(MSG_CONTROLLEN, BigInt(Math.ceil(controlBytes / 8) * 8), true);
    if (fds.length > 0) {
      view.setBigUint64(CONTROL, BigInt(controlBytes), true);
      view.setInt32(CONTROL + 8, SOL_SOCKET, true);
      view.setInt32(CONTROL + 12, SCM_RIGHTS, true);
      fds.forEach((fd, i) => view.setInt32(CONTROL + CMSG_HEADER + 4 * i, fd, true));
    }
    const count = this.libc.sendmsg(this.fd, this.scratch.address, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) return count;
    return this.isRetry() ? WOULD_BLOCK : CLOSED;
  }

  /** True as soon as the peer has sent something or is gone; false after `timeoutMs`. */
  wait(timeoutMs: number): boolean {
    return waitFor(this.libc, this.fd, POLLIN, timeoutMs);
  }

  close(): void {
    this.libc.close(this.fd);
  }

  private point(data: NativeBytes, at: number, length: number): void {
    this.scratch.view.setBigUint64(IOVEC, data.address + BigInt(at), true);
    this.scratch.view.setBigUint64(IOVEC + 8, BigInt(length), true);
  }

  private isRetry(): boolean {
    const reason = this.libc.errno();
    return reason === EAGAIN || reason === EINTR;
  }
}

/** A socket that waits for connections at a path. */
export class UnixListener {
  readonly fd: number;
  readonly path: string;
  private readonly libc: Libc;
  private readonly file: string;

  /** Throws NicError SOCKET where a server is listening at the path, or something else lies there. */
  constructor(libc: Libc, path: string) {
    this.libc = libc;
    this.path = path;
    makeRoom(libc, path);
    socketAddress(path); // clients have to reach it
    const hidden = join(dirname(path), `.virtfn.${process.pid}`);
    rmSync(hidden, { force: true });
    this.fd = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const isListening = isBound(libc, this.fd, hidden) && libc.listen(this.fd, BACKLOG) === 0;
    if (!isListening || !isRenamed(hidden, path)) {
      libc.close(this.fd);
      rmSync(hidden, { force: true });
      throw new NicError('SOCKET', `${path}: no socket can be made there; check that the folder exists and is yours`);
    }
    this.file = fileAt(path);
  }

  /** A connection that waits; null if none does, or it cannot be taken: errno() says why. */
  accept(): UnixSocket | null {
    const fd = this.libc.accept4(this.fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? null : new UnixSocket(this.libc, fd);
  }

  /** False: the socket was taken away from its path, or something else was put there. */
  isInPlace(): boolean {
    return fileAt(this.path) === this.file;
  }

  /** Takes the path away, where it is still ours, and stops listening. */
  close(): void {
    if (this.isInPlace()) rmSync(this.path, { force: true });
    this.libc.close(this.fd);
  }
}

/** Which file lies at a path; empty for none. Inode numbers are used again, times of birth are not. */
export function fileAt(path: string): string {
  try {
    const { dev, ino, birthtimeNs } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch {
    return '';
  }
}

/** Binds by way of an open folder: a name beside a path that just fits may be longer than it. */
function isBound(libc: Libc, fd: number, path: string): boolean {
  let folder: number;
  try {
    folder = openSync(dirname(path), O_PATH);
  } catch {
    return false;
  }
  try {
    const address = socketAddress(`/proc/self/fd/${folder}/${basename(path)}`);
    return libc.bind(fd, address, address.length) === 0;
  } finally {
    closeSync(folder);
  }
}

function isRenamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Connects to a path; null where nobody listens. */
export function connectUnix(libc: Libc, path: string, type = SOCK_STREAM): UnixSocket | null {
  const fd = libc.socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const address = socketAddress(path);
  if (libc.connect(fd, address, address.length) === 0) return new UnixSocket(libc, fd);
  libc.close(fd); // which leaves errno alone where it succeeds
  return null;
}

/** struct sockaddr_un of a path. Throws NicError SOCKET where it does not fit. */
export function socketAddress(path: string): Uint8Array {
  const name = Buffer.from(path);
  if (name.length > PATH_MAX) {
    throw new NicError('SOCKET', `${path}: ${name.length} bytes; the path of a socket has ${PATH_MAX} at most`);
  }
  const address = new Uint8Array(2 + name.length + 1);
  address[0] = AF_UNIX;
  address.set(name, 2);
  return address;
}

/** Removes the socket of a program that is gone; refuses everything else that lies at the path. */
export function makeRoom(libc: Libc, path: string, type = SOCK_STREAM): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new NicError('SOCKET', `${path}: a file that is no socket is in the way; remove it`);
  const probe = connectUnix(libc, path, type);
  probe?.close();
  if (probe !== null || libc.errno() !== ECONNREFUSED) {
    throw new NicError('SOCKET', `${path}: another program is listening there; stop it or choose another path`);
  }
  rmSync(path, { force: true });
}
