// SPDX-License-Identifier: Apache-2.0
// What a socket delivers, cut into messages, with the file descriptors that belong to each. A message is a header that
// says how long it is, and a payload; how the header says so is the protocol's business.
import type { FileCalls, NativeBytes } from '../native/libc.ts';
import { CLOSED, type UnixSocket } from '../native/unix_socket.ts';

const FIRST_BYTES = 1 << 16;

/** The end of a stream that carries file descriptors, as a server uses it. */
export type MessageSocket = Pick<UnixSocket, 'fd' | 'received' | 'hasLostFds' | 'receive' | 'send' | 'wait' | 'close'>;

/** Where messages end. */
export interface Framing {
  readonly headerBytes: number;
  readonly maxMessageBytes: number;
  /** Bytes of the message whose header is at `at`. */
  messageBytes(view: DataView, at: number): number;
}

/** A message as it came; its bytes are valid until the next receive(). */
export interface RawMessage {
  readonly header: DataView;
  readonly payload: DataView;
  /** False: its size cannot be. It is the last message, the rest of the stream has no meaning. */
  readonly isPossible: boolean;
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

export class MessageInput {
  /** The peer is gone. */
  isClosed = false;
  private readonly libc: Pick<FileCalls, 'bytes' | 'close'>;
  private readonly socket: MessageSocket;
  private readonly framing: Framing;
  private input: NativeBytes;
  private from = 0;
  private to = 0;
  /** A message of an impossible size came. */
  private isMeaningless = false;
  /** Position in the stream of input byte 0. */
  private base = 0;
  private ancillaries: Ancillary[] = [];

  constructor(libc: Pick<FileCalls, 'bytes' | 'close'>, socket: MessageSocket, framing: Framing) {
    this.libc = libc;
    this.socket = socket;
    this.framing = framing;
    this.input = libc.bytes(FIRST_BYTES);
  }

  /** Takes in what the socket has; false if that is nothing, or the peer is gone. */
  receive(): boolean {
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

  /** The next message that is here as a whole; null if there is none. */
  next(): RawMessage | null {
    const { headerBytes, maxMessageBytes } = this.framing;
    const available = this.to - this.from;
    if (available < headerBytes || this.isMeaningless) return null;
    const { view, u8 } = this.input;
    const size = this.framing.messageBytes(view, this.from);
    const isPossible = size >= headerBytes && size <= maxMessageBytes;
    if (isPossible && available < size) return null;
    this.isMeaningless = !isPossible;
    const at = this.from;
    const end = at + (isPossible ? size : headerBytes);
    this.from = end;
    const fds: number[] = [];
    let hasLostFds = false;
    while (this.ancillaries.length > 0 && this.ancillaries[0]!.end <= this.base + end) {
      const { fds: more, hasLost } = this.ancillaries.shift()!;
      fds.push(...more);
      hasLostFds ||= hasLost;
    }
    return {
      header: new DataView(u8.buffer, at, headerBytes),
      payload: new DataView(u8.buffer, at + headerBytes, end - at - headerBytes),
      isPossible,
      fds,
      hasLostFds,
    };
  }

  /** Closes every file descriptor that nobody has taken. */
  close(): void {
    this.isClosed = true;
    for (const { fds } of this.ancillaries) for (const fd of fds) this.libc.close(fd);
    this.ancillaries = [];
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
    const size = left < this.framing.headerBytes ? 0 : this.framing.messageBytes(this.input.view, this.from);
    if (this.from + Math.max(size, FIRST_BYTES / 2) <= this.input.u8.length) return;
    const old = this.input.u8.subarray(this.from, this.to);
    if (size > this.input.u8.length) this.input = this.libc.bytes(size);
    this.input.u8.set(old, 0);
    this.base += this.from;
    this.from = 0;
    this.to = left;
  }
}
