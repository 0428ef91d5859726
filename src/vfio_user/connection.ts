// SPDX-License-Identifier: Apache-2.0
// One vfio-user connection: the messages that the socket delivers, and those that are sent whole, keeping back what the
// peer does not take yet. Both ends of the protocol use it.
import type { FileCalls, NativeBytes } from '../native/libc.ts';
import { CLOSED } from '../native/unix_socket.ts';
import { MessageInput, type Framing, type MessageSocket } from '../peer/message_input.ts';
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

const FRAMING: Framing = {
  headerBytes: HEADER_BYTES,
  maxMessageBytes: MAX_MESSAGE_BYTES,
  messageBytes: (view, at) => view.getUint32(at + HEADER_SIZE, true),
};

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

export class Connection {
  /** The peer is gone, or was given up. */
  isClosed = false;
  private readonly libc: Pick<FileCalls, 'bytes' | 'close'>;
  private readonly socket: MessageSocket;
  private readonly input: MessageInput;
  private output: NativeBytes;
  private waitFrom = 0;
  private waitTo = 0;
  /** Descriptors of the message that waits at the front. */
  private waitFds: readonly number[] = [];

  constructor(libc: Pick<FileCalls, 'bytes' | 'close'>, socket: MessageSocket) {
    this.libc = libc;
    this.socket = socket;
    this.input = new MessageInput(libc, socket, FRAMING);
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
    const hasCome = this.input.receive();
    if (this.input.isClosed) this.isClosed = true;
    return hasCome;
  }

  /** Waits until receive() finds something, `timeoutMs` at most; false if it will not. */
  wait(timeoutMs: number): boolean {
    return this.socket.wait(timeoutMs);
  }

  /** The next message that is here as a whole; null if there is none. */
  next(): Message | null {
    const message = this.input.next();
    if (message === null) return null;
    const { header, payload, isPossible, fds, hasLostFds } = message;
    return {
      id: header.getUint16(HEADER_ID, true),
      command: header.getUint16(HEADER_COMMAND, true),
      flags: header.getUint32(HEADER_FLAGS, true),
      isPossible,
      error: header.getUint32(HEADER_ERROR, true),
      payload,
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
    this.input.close();
    this.socket.close();
  }

  private giveUp(): void {
    this.isClosed = true;
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
