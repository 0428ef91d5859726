// SPDX-License-Identifier: Apache-2.0
// The channel on which the device tells the kernel of used buffers. Nobody waits for the kernel to read: a queue is told
// of once, however often it is used meanwhile, and what the channel does not take is sent when it does.
import type { FileCalls, NativeBytes } from '../native/libc.ts';
import { EPOLLOUT, type DescriptorSet } from '../native/poller.ts';
import { CLOSED, WOULD_BLOCK } from '../native/unix_socket.ts';
import type { MessageSocket } from '../peer/message_input.ts';
import { ChannelFault, lie } from './peer_fault.ts';
import * as P from './protocol.ts';

const CALL_BYTES = P.HEADER_BYTES + P.STATE_BYTES;
const REPLY_BYTES = P.HEADER_BYTES + P.U64_BYTES;

/** Who says when the kernel is told, where that is not at once. */
export interface CallClock {
  /** The channel has something to tell; deliver() tells it. */
  enlist(channel: BackendChannel): void;
  forget(channel: BackendChannel): void;
}

export class BackendChannel {
  private readonly poller: DescriptorSet;
  private readonly socket: MessageSocket;
  private readonly message: NativeBytes;
  private readonly reply: NativeBytes;
  private readonly onFault: (error: unknown) => void;
  private readonly waiting = new Set<number>();
  private readonly clock: CallClock | null;
  private isWaitingForRoom = false;

  /** `onFault` gets what goes wrong when nobody calls. */
  constructor(
    libc: Pick<FileCalls, 'bytes'>,
    poller: DescriptorSet,
    socket: MessageSocket,
    onFault: (error: unknown) => void,
    clock: CallClock | null = null,
  ) {
    this.clock = clock;
    this.poller = poller;
    this.socket = socket;
    this.onFault = onFault;
    this.message = libc.bytes(CALL_BYTES);
    this.reply = libc.bytes(REPLY_BYTES);
    const { view } = this.message;
    view.setUint32(P.HEADER_REQUEST, P.BACKEND_VRING_CALL, true);
    view.setUint32(P.HEADER_FLAGS, P.FLAG_VERSION | (clock === null ? 0 : P.FLAG_NEED_REPLY), true);
    view.setUint32(P.HEADER_SIZE, P.STATE_BYTES, true);
  }

  /** Tells the kernel of used buffers in a queue. Throws PeerFault where it has closed the channel. */
  call(queue: number): void {
    this.waiting.add(queue);
    if (this.clock !== null) this.clock.enlist(this);
    else if (!this.isWaitingForRoom) this.send();
  }

  /**
   * Tells the kernel, and has its answer when this returns; `wait` waits until a descriptor can be read. Throws PeerFault
   * where the answer is none.
   */
  deliver(wait: (fd: number) => void): void {
    for (const queue of this.waiting) {
      this.waiting.delete(queue);
      this.message.view.setUint32(P.HEADER_BYTES + P.STATE_INDEX, queue, true);
      if (this.socket.send(this.message, 0, CALL_BYTES) !== CALL_BYTES) lie('the backend channel takes no messages');
      wait(this.socket.fd);
      const { reply } = this;
      const count = this.socket.receive(reply, 0, REPLY_BYTES);
      const isReply =
        count === REPLY_BYTES &&
        reply.view.getUint32(P.HEADER_REQUEST, true) === P.BACKEND_VRING_CALL &&
        (reply.view.getUint32(P.HEADER_FLAGS, true) & P.FLAG_REPLY) !== 0;
      if (!isReply) lie('what comes on the backend channel is no reply');
    }
  }

  close(): void {
    if (this.isWaitingForRoom) this.poller.remove(this.socket.fd);
    this.isWaitingForRoom = false;
    this.clock?.forget(this);
    this.socket.close();
  }

  private send(): void {
    for (const queue of this.waiting) {
      this.message.view.setUint32(P.HEADER_BYTES + P.STATE_INDEX, queue, true);
      const count = this.socket.send(this.message, 0, CALL_BYTES);
      if (count === WOULD_BLOCK) {
        this.waitForRoom(true);
        return;
      }
      if (count === CLOSED) throw new ChannelFault('the backend channel is closed, or no socket');
      if (count < CALL_BYTES) lie('the backend channel takes parts of messages');
      this.waiting.delete(queue);
    }
    this.waitForRoom(false);
  }

  private waitForRoom(isWaiting: boolean): void {
    if (isWaiting === this.isWaitingForRoom) return;
    this.isWaitingForRoom = isWaiting;
    if (isWaiting) this.poller.add(this.socket.fd, () => this.retry(), EPOLLOUT);
    else this.poller.remove(this.socket.fd);
  }

  private retry(): void {
    try {
      this.send();
    } catch (error) {
      this.onFault(error);
    }
  }
}
