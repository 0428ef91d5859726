// SPDX-License-Identifier: Apache-2.0
// Another program as the other end of the wire, by the framing of QEMU's network back end `stream`: each frame behind its
// length in four bytes, most significant first. Connects where somebody listens, listens otherwise; a peer that goes is
// connected to again, or waited for. One peer at a time.
import { Attachment, type Say } from '../native/attachment.ts';
import type { Libc, NativeBytes } from '../native/libc.ts';
import { EPOLLIN, EPOLLOUT, type Poller } from '../native/poller.ts';
import { ServedPath } from '../native/served_path.ts';
import { CLOSED, connectUnix, type UnixSocket } from '../native/unix_socket.ts';
import type { WirePort } from './wire_port.ts';

const LENGTH_BYTES = 4;
const BUFFER_BYTES = 1 << 18;
/** A length beyond this is no frame: the stream is out of step. */
const FRAME_MAX = 1 << 16;

export class StreamPort implements WirePort {
  readonly attachments: readonly Attachment[];
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly path: string;
  private readonly remote: Attachment;
  /** Null where we connect. */
  private readonly served: ServedPath | null;
  private peer: UnixSocket | null;
  private readonly input: NativeBytes;
  private from = 0;
  private to = 0;
  private readonly output: NativeBytes;
  private waiting = 0;
  private watched = 0;
  private wake: () => void = () => {};

  /** Throws NicError SOCKET where the path is taken by something else. */
  constructor(libc: Libc, poller: Poller, path: string, say: Say) {
    this.libc = libc;
    this.poller = poller;
    this.path = path;
    this.input = libc.bytes(BUFFER_BYTES);
    this.output = libc.bytes(BUFFER_BYTES);
    this.remote = new Attachment(`peer:${path}`, say);
    this.peer = connectUnix(libc, path);
    this.served =
      this.peer === null ? new ServedPath({ libc, poller, path, say }, (socket) => this.take(socket)) : null;
    if (this.served !== null) this.remote.await('nobody has connected yet');
    this.attachments = this.served === null ? [this.remote] : [this.remote, this.served.attachment];
  }

  open(wake: () => void): void {
    this.wake = wake;
    if (this.peer !== null) this.watch(this.peer);
  }

  send(frame: Uint8Array): boolean {
    const bytes = LENGTH_BYTES + frame.length;
    if (this.peer === null || this.waiting + bytes > BUFFER_BYTES) {
      this.remote.dropped++;
      return false;
    }
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
    if (count === CLOSED) this.lose('the peer is gone');
    if (count <= 0) return null;
    this.to += count;
    return this.cut();
  }

  tend(nowMs: number): void {
    this.served?.tend(nowMs);
    if (this.served === null) this.remote.retry(nowMs, () => this.connectAgain());
  }

  close(): void {
    this.drop();
    this.served?.close();
  }

  /** Somebody has connected to us. */
  private take(socket: UnixSocket): void {
    if (this.peer !== null) this.wake(); // it may be gone without our having read so
    if (this.peer !== null) {
      socket.close();
      return;
    }
    this.begin(socket);
  }

  private connectAgain(): void {
    const socket = connectUnix(this.libc, this.path);
    if (socket !== null) this.begin(socket);
  }

  private begin(socket: UnixSocket): void {
    this.peer = socket;
    this.watch(socket);
    this.remote.restore('connected');
  }

  private watch(socket: UnixSocket): void {
    this.watched = EPOLLIN;
    this.poller.add(socket.fd, (events) => {
      if ((events & EPOLLOUT) !== 0) this.flush();
      this.wake();
    });
  }

  private cut(): Uint8Array | null {
    if (this.to - this.from < LENGTH_BYTES) return null;
    const length = this.input.view.getUint32(this.from, false);
    if (length > FRAME_MAX) {
      this.lose(`the peer sent ${length} as the length of a frame, ${FRAME_MAX} is the most; disconnected`);
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
      this.lose('the peer is gone');
      return;
    }
    if (count > 0) {
      this.output.u8.copyWithin(0, count, this.waiting);
      this.waiting -= count;
    }
    const events = this.waiting > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (events !== this.watched) this.poller.modify(this.peer.fd, events);
    this.watched = events;
  }

  private lose(why: string): void {
    this.drop();
    const then = this.served === null ? 'connected to again as soon as somebody listens' : 'the next one is waited for';
    this.remote.lose(`${why}; ${then}`);
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
