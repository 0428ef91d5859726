// SPDX-License-Identifier: Apache-2.0
// Another program as the other end of the wire, by the framing of QEMU's network back end `dgram`: a UNIX socket of ours,
// the path of the peer's, one frame in each datagram. Nobody is connected: each frame finds out who is there.
import { rmSync } from 'node:fs';

import { Attachment, type Say } from '../native/attachment.ts';
import { AF_UNIX, EAGAIN, EINTR, EMSGSIZE, ENOBUFS, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../native/libc.ts';
import type { Libc, NativeBytes } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { fileAt, makeRoom, socketAddress } from '../native/unix_socket.ts';
import { NicError } from '../util/errors.ts';
import type { WirePort } from './wire_port.ts';

const FRAME_ROOM = 1 << 16;
/** How often our path is looked at. */
const LOOK_MS = 1000;
/** The peer is there and does not take this one. */
const PASSING: ReadonlySet<number> = new Set([EAGAIN, EINTR, EMSGSIZE, ENOBUFS]);

export class DgramPort implements WirePort {
  readonly attachments: readonly Attachment[];
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly localPath: string;
  private readonly local: Attachment;
  private readonly remote: Attachment;
  private readonly address: Uint8Array;
  private readonly input: NativeBytes;
  private fd: number;
  private file = '';
  private lookAtMs = 0;
  private wake: () => void = () => {};

  /** Throws NicError WIRE, SOCKET. */
  constructor(libc: Libc, poller: Poller, local: string, remote: string, say: Say) {
    this.libc = libc;
    this.poller = poller;
    this.localPath = local;
    this.local = new Attachment(`dgram:${local}`, say);
    this.remote = new Attachment(`dgram:${remote}`, say);
    this.attachments = [this.local, this.remote];
    this.address = socketAddress(remote);
    this.input = libc.bytes(FRAME_ROOM);
    this.fd = this.bind();
  }

  open(wake: () => void): void {
    this.wake = wake;
    this.poller.add(this.fd, wake);
  }

  send(frame: Uint8Array): boolean {
    const { libc, address } = this;
    if (libc.sendto(this.fd, frame, frame.length, 0, address, address.length) === frame.length) {
      this.remote.restore('frames are received again');
      return true;
    }
    this.remote.dropped++;
    if (!PASSING.has(libc.errno())) this.remote.lose('nobody receives there; frames are lost until somebody does');
    return false;
  }

  next(): Uint8Array | null {
    const count = this.libc.read(this.fd, this.input.address, FRAME_ROOM);
    return count <= 0 ? null : this.input.u8.subarray(0, count);
  }

  tend(nowMs: number): void {
    if (nowMs < this.lookAtMs) return;
    if (fileAt(this.localPath) !== this.file) this.local.lose('the socket was taken away; nobody can send', nowMs);
    this.local.retry(nowMs, () => this.bindAgain(nowMs));
    if (this.local.state === 'up') this.lookAtMs = nowMs + LOOK_MS;
  }

  close(): void {
    this.poller.remove(this.fd);
    this.libc.close(this.fd);
    if (fileAt(this.localPath) === this.file) rmSync(this.localPath, { force: true });
  }

  private bindAgain(nowMs: number): void {
    try {
      const fd = this.bind();
      this.poller.remove(this.fd);
      this.libc.close(this.fd);
      this.fd = fd;
      this.poller.add(fd, this.wake);
      this.local.restore('the socket is there again', nowMs);
    } catch (error) {
      if (!(error instanceof NicError)) throw error;
      this.local.lose(error.message, nowMs);
    }
  }

  private bind(): number {
    const { libc, localPath } = this;
    makeRoom(libc, localPath, SOCK_DGRAM);
    const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const address = socketAddress(localPath);
    if (libc.bind(fd, address, address.length) < 0) {
      libc.close(fd);
      throw new NicError(
        'WIRE',
        `dgram:${localPath}: no socket can be made there; check that the folder exists and is yours`,
      );
    }
    this.file = fileAt(localPath);
    return fd;
  }
}
