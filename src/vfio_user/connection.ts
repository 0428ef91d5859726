// SPDX-License-Identifier: Apache-2.0
// One vfio-user connection: cuts what the socket delivers into messages, with the file descriptors that belong to each,
// and sends messages whole, keeping back what the peer does not take yet. Both ends of the protocol use it.
import type { FileCalls, NativeBytes } from '../native/libc.ts';
import { CLOSED, type UnixSocket } from '../native/unix_socket.ts';
import {
  FLAG_ERROR,
  FLAG_TYPE_REPLY,
  HEADER_BYTES,
  HEADER_COMMAND,
  HEADER_ERROR,
  HEADER_FLAGS,
  HEADER_ID,
  HEADER_SIZE,
  MAX_MESSAGE_BYTES,
} from './protocol.ts';

const FIRST_BYTES = 1 << 16;
/** A peer that leaves more than this unread is given up. */
const BACKLOG_MAX = 4 * MAX_MESSAGE_BYTES;

/** The end of a stream that carries file descriptors, as a connection uses it. */
export type MessageSocket = Pick<UnixSocket, 'fd' | 'received' | 'hasLostFds' | 'receive' | 'send' | 'wait' | 'close'>;

/** A message. `payload` is valid until the next receive(). */
export interface Message {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  /** False: its size cannot be. It is the last message, the rest of the stream has no meaning. */
  readonly isPossible: boolean;
  readonly error: number;
  readonly payload: DataView;
  /** Who gets the message has to close them. */
  readonly fds: number[];
  /** More file descriptors were sent than a message may carry. */
  readonly hasLostFds: boolean;
}

/** File descriptors that came with the bytes before `end`, a position in the stream. */
interface Ancillary {
  readonly end: number;
  readonly fds: number[];
  readonly hasLost: boolean;
}

export class Connection {
  /** The peer is gone, or was given up. */
  isClosed = false;
  private readonly libc: Pick<FileCalls, 'bytes' | 'close'>;
  private readonly socket: MessageSocket;
  private input: NativeBytes;
  private from = 0;
  private to = 0;
  /** A message of an impossible size came. */
  private isMeaningless = false;
  /** Position in the stream of input byte 0. */
  private base = 0;
  private ancillaries: Ancillary[] = [];
  private output: NativeBytes;
  private waitFrom = 0;
  private waitTo = 0;
  /** Descriptors of the message that waits at the front. */
  private waitFds: readonly number[] = [];

  constructor(libc: Pick<FileCalls, 'bytes' | 'close'>, socket: MessageSocket) {
    this.libc = libc;
    this.socket = socket;
    this.input = libc.bytes(FIRST_BYTES);
    this.output = libc.bytes(FIRST_BYTES);
  }

  get fd(): number {
    return this.socket.fd;
  }

  /** Bytes that the peer has not taken yet. */
  get hasBacklog(): boolean {
    return this.waitFrom < this.waitTo;
  }

  /** Takes in what the socket has; false if that is nothing, or the peer is gone. */
  receive(): boolean {
    if (this.isClosed) return false;
    this.makeRoom();
    const count = this.socket.receive(this.input, this.to, this.input.u8.length - this.to);
    if (count === CLOSED) this.isClosed = true;
    if (count <= 0) return false;
    this.to += count;
    const { received, hasLostFds } = this.socket;
    if (received.length > 0 || hasLostFds) {
      // the kernel ends a read behind bytes that came with descriptors: they belong to the last of the messages read
      this.ancillaries.push({ end: this.base + this.to, fds: received, hasLost: hasLostFds });
    }
    return true;
  }

  /** Waits until receive() finds something, `timeoutMs` at most; false if it will not. */
  wait(timeoutMs: number): boolean {
    return this.socket.wait(timeoutMs);
  }

  /** The next message that is here as a whole; null if there is none. */
  next(): Message | null {
    const available = this.to - this.from;
    if (available < HEADER_BYTES || this.isMeaningless) return null;
    const { view, u8 } = this.input;
    const size = view.getUint32(this.from + HEADER_SIZE, true);
    const isPossible = size >= HEADER_BYTES && size <= MAX_MESSAGE_BYTES;
    if (isPossible && available < size) return null;
    this.isMeaningless = !isPossible;
    const at = this.from;
    const end = at + (isPossible ? size : HEADER_BYTES);
    this.from = end;
    const fds: number[] = [];
    let hasLostFds = false;
    while (this.ancillaries.length > 0 && this.ancillaries[0]!.end <= this.base + end) {
      const { fds: more, hasLost } = this.ancillaries.shift()!;
      fds.push(...more);
      hasLostFds ||= hasLost;
    }
    return {
      id: view.getUint16(at + HEADER_ID, true),
      command: view.getUint16(at + HEADER_COMMAND, true),
      flags: view.getUint32(at + HEADER_FLAGS, true),
      isPossible,
      error: view.getUint32(at + HEADER_ERROR, true),
      payload: new DataView(u8.buffer, at + HEADER_BYTES, end - at - HEADER_BYTES),
      fds,
      hasLostFds,
    };
  }

  /** Sends a message with a payload of `bytes`, which `fill` writes. */
  send(
    header: { id: number; command: number; flags: number; error?: number },
    bytes = 0,
    fill: (payload: DataView) => void = () => {},
    fds: readonly number[] = [],
  ): void {
    if (this.isClosed) return;
    const size = HEADER_BYTES + bytes;
    if (this.hasBacklog && fds.length > 0) this.giveUp(); // nobody sends descriptors to a peer that does not read
    this.reserve(size);
    const at = this.waitTo;
    const { view, u8 } = this.output;
    view.setUint16(at + HEADER_ID, header.id, true);
    view.setUint16(at + HEADER_COMMAND, header.command, true);
    view.setUint32(at + HEADER_SIZE, size, true);
    view.setUint32(at + HEADER_FLAGS, header.flags, true);
    view.setUint32(at + HEADER_ERROR, header.error ?? 0, true);
    if (bytes > 0) {
      u8.fill(0, at + HEADER_BYTES, at + size);
      fill(new DataView(u8.buffer, at + HEADER_BYTES, bytes));
    }
    this.waitTo += size;
    this.waitFds = fds.length > 0 ? fds : this.waitFds;
    if (this.waitTo - this.waitFrom > BACKLOG_MAX) this.giveUp();
    this.flush();
  }

  /** The reply to a command. */
  reply(to: Message, bytes = 0, fill?: (payload: DataView) => void): void {
    this.send({ id: to.id, command: to.command, flags: FLAG_TYPE_REPLY }, bytes, fill);
  }

  /** The reply to a command that failed: a header alone. */
  replyError(to: Message, error: number): void {
    this.send({ id: to.id, command: to.command, flags: FLAG_TYPE_REPLY | FLAG_ERROR, error });
  }

  /** Sends what was kept back, as far as the peer takes it. */
  flush(): void {
    while (!this.isClosed && this.waitFrom < this.waitTo) {
      const count = this.socket.send(this.output, this.waitFrom, this.waitTo - this.waitFrom, this.waitFds);
      if (count === CLOSED) this.isClosed = true;
      if (count <= 0) return;
      this.waitFds = [];
      this.waitFrom += count;
    }
    this.waitFrom = 0;
    this.waitTo = 0;
  }

  /** Closes the socket and every file descriptor that nobody has taken. */
  close(): void {
    this.isClosed = true;
    for (const { fds } of this.ancillaries) for (const fd of fds) this.libc.close(fd);
    this.ancillaries = [];
    this.socket.close();
  }

  private giveUp(): void {
    this.isClosed = true;
  }

  /** Moves what is left to the front, and grows for a message that is larger than the buffer. */
  private makeRoom(): void {
    if (this.from === this.to) {
      this.base += this.to;
      this.from = 0;
      this.to = 0;
      return;
    }
    const left = this.to - this.from;
    const size = left < HEADER_BYTES ? 0 : this.input.view.getUint32(this.from + HEADER_SIZE, true);
    if (this.from + Math.max(size, FIRST_BYTES / 2) <= this.input.u8.length) return;
    const old = this.input.u8.subarray(this.from, this.to);
    if (size > this.input.u8.length) this.input = this.libc.bytes(size);
    this.input.u8.set(old, 0);
    this.base += this.from;
    this.from = 0;
    this.to = left;
  }

  private reserve(bytes: number): void {
    if (this.waitTo + bytes <= this.output.u8.length) return;
    const old = this.output.u8.subarray(this.waitFrom, this.waitTo);
    if (old.length + bytes > this.output.u8.length) this.output = this.libc.bytes(2 * (old.length + bytes));
    this.output.u8.set(old, 0);
    this.waitFrom = 0;
    this.waitTo = old.length;
  }
}
