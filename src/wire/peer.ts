// SPDX-License-Identifier: Apache-2.0
// Another program as the other end of the wire, by the framing of QEMU's network back ends: `stream`, each frame behind
// its length in four bytes, most significant first; `dgram`, one frame in each datagram.
import { rmSync } from 'node:fs';

import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, type Libc, type NativeBytes } from '../native/libc.ts';
import { EPOLLIN, EPOLLOUT, type Poller } from '../native/poller.ts';
import { CLOSED, connectUnix, makeRoom, socketAddress, UnixListener, UnixSocket } from '../native/unix_socket.ts';
import { NicError } from '../util/errors.ts';
import type { WirePort } from './wire_port.ts';

const LENGTH_BYTES = 4;
const BUFFER_BYTES = 1 << 18;
/** A length beyond this is no frame: the stream is out of step. */
const FRAME_MAX = 1 << 16;

/** A stream socket: connects where somebody listens, listens otherwise. One peer at a time, and the next after it. */
export class StreamPort implements WirePort {
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly listener: UnixListener | null;
  private peer: UnixSocket | null;
  private readonly input: NativeBytes;
  private from = 0;
  private to = 0;
  private readonly output: NativeBytes;
  private waiting = 0;
  private wake: () => void = () => {};

  /** Throws NicError SOCKET where the path is taken by something else. */
  constructor(libc: Libc, poller: Poller, path: string) {
    this.libc = libc;
    this.poller = poller;
    this.input = libc.bytes(BUFFER_BYTES);
    this.output = libc.bytes(BUFFER_BYTES);
    this.peer = connectUnix(libc, path);
    this.listener = this.peer === null ? new UnixListener(libc, path) : null;
  }

  open(wake: () => void): void {
    this.wake = wake;
    if (this.peer !== null) this.watch(this.peer);
    if (this.listener !== null) this.poller.add(this.listener.fd, () => this.accept());
  }

  send(frame: Uint8Array): boolean {
    const bytes = LENGTH_BYTES + frame.length;
    if (this.peer === null || this.waiting + bytes > BUFFER_BYTES) return false;
    this.output.view.setUint32(this.waiting, frame.length, false);
    this.output.u8.set(frame, this.waiting + LENGTH_BYTES);
    this.waiting += bytes;
    this.flush();
    return true;
  }

  next(): Uint8Array | null {
    const frame = this.cut();
    if (frame !== null || this.peer === null) return frame;
    this.input.u8.copyWithin(0, this.from, this.to);
    this.to -= this.from;
    this.from = 0;
    const count = this.peer.receive(this.input, this.to, BUFFER_BYTES - this.to);
    for (const fd of this.peer.received.splice(0)) this.libc.close(fd);
    if (count === CLOSED) this.drop();
    if (count <= 0) return null;
    this.to += count;
    return this.cut();
  }

  close(): void {
    this.drop();
    if (this.listener === null) return;
    this.poller.remove(this.listener.fd);
    this.listener.close();
  }

  private accept(): void {
    const socket = this.listener!.accept();
    if (socket === null) return;
    if (this.peer !== null) {
      socket.close();
      return;
    }
    this.peer = socket;
    this.watch(socket);
  }

  private watch(socket: UnixSocket): void {
    this.poller.add(socket.fd, (events) => {
      if ((events & EPOLLOUT) !== 0) this.flush();
      this.wake();
    });
  }

  private cut(): Uint8Array | null {
    if (this.to - this.from < LENGTH_BYTES) return null;
    const length = this.input.view.getUint32(this.from, false);
    if (length > FRAME_MAX) {
      this.drop();
      return null;
    }
    const start = this.from + LENGTH_BYTES;
    if (this.to - start < length) return null;
    this.from = start + length;
    return this.input.u8.subarray(start, this.from);
  }

  private flush(): void {
    if (this.peer === null || this.waiting === 0) return;
    const count = this.peer.send(this.output, 0, this.waiting);
    if (count === CLOSED) {
      this.drop();
      return;
    }
    if (count > 0) {
      this.output.u8.copyWithin(0, count, this.waiting);
      this.waiting -= count;
    }
    this.poller.modify(this.peer.fd, this.waiting > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  private drop(): void {
    if (this.peer === null) return;
    this.poller.remove(this.peer.fd);
    this.peer.close();
    this.peer = null;
    this.from = 0;
    this.to = 0;
    this.waiting = 0;
  }
}

/** A datagram socket of ours, and the path of the peer's. */
export class DgramPort implements WirePort {
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly fd: number;
  private readonly local: string;
  private readonly remote: Uint8Array;
  private readonly input: NativeBytes;
  private isConnected = false;

  constructor(libc: Libc, poller: Poller, local: string, remote: string) {
    this.libc = libc;
    this.poller = poller;
    this.local = local;
    this.remote = socketAddress(remote);
    this.input = libc.bytes(FRAME_MAX);
    makeRoom(libc, local, SOCK_DGRAM);
    this.fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const address = socketAddress(local);
    if (libc.bind(this.fd, address, address.length) < 0) {
      libc.close(this.fd);
      throw new NicError(
        'WIRE',
        `dgram:${local}: no socket can be made there; check that the folder exists and is yours`,
      );
    }
  }

  open(wake: () => void): void {
    this.poller.add(this.fd, wake);
  }

  send(frame: Uint8Array): boolean {
    // the peer may come later, or come again
    if (!this.isConnected) this.isConnected = this.libc.connect(this.fd, this.remote, this.remote.length) === 0;
    if (this.isConnected && this.libc.write(this.fd, frame, frame.length) === frame.length) return true;
    this.isConnected = false;
    return false;
  }

  next(): Uint8Array | null {
    const count = this.libc.read(this.fd, this.input.address, FRAME_MAX);
    return count <= 0 ? null : this.input.u8.subarray(0, count);
  }

  close(): void {
    this.poller.remove(this.fd);
    this.libc.close(this.fd);
    rmSync(this.local, { force: true });
  }
}
