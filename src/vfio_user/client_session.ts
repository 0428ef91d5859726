// SPDX-License-Identifier: Apache-2.0
// One client of one function, from VERSION to its end: commands in the order of their arrival, each with its reply or
// error. What makes no sense at all (an impossible size, a first message that is not VERSION) ends the session.
import type { Nic } from '../device/nic.ts';
import { Ioas } from '../iommufd/ioas.ts';
import type { FileCalls } from '../native/libc.ts';
import { EPOLLIN, EPOLLOUT, type DescriptorSet } from '../native/poller.ts';
import { ERRNO, NicError, VfioError } from '../util/errors.ts';
import { runAll } from '../util/run_all.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { DEVICE_COMMANDS, type CommandContext } from './commands.ts';
import type { MessageSocket } from '../peer/message_input.ts';
import { Connection, type Message } from './connection.ts';
import { DmaMap } from './dma_map.ts';
import { SocketDma } from './dma_messages.ts';
import { ClientIrqs } from './irqs.ts';
import {
  FLAG_NO_REPLY,
  FLAG_TYPE_COMMAND,
  FLAG_TYPE_MASK,
  FLAG_TYPE_REPLY,
  VERSION_DATA,
  VFIO_USER_DEVICE_SET_IRQS,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_WRITE,
  VFIO_USER_VERSION,
} from './protocol.ts';
import { fillVersion, negotiate } from './version.ts';

/** DMA addresses that the card can use; the client's own map says what lies there. */
const ADDRESS_SPACE_BYTES = Number.MAX_SAFE_INTEGER - 4095;

/** The reply to an access of the client's memory. */
function isDmaReply({ flags, command }: Message): boolean {
  const isReply = (flags & FLAG_TYPE_MASK) === FLAG_TYPE_REPLY;
  return isReply && (command === VFIO_USER_DMA_READ || command === VFIO_USER_DMA_WRITE);
}

export interface SessionOptions {
  readonly libc: FileCalls;
  readonly poller: DescriptorSet;
  readonly nic: Nic;
  readonly openDevice: () => VfioDevice;
}

export class ClientSession {
  messages = 0;
  private readonly options: SessionOptions;
  private readonly connection: Connection;
  private readonly onEnd: () => void;
  private context: CommandContext | null = null;
  private ioas: Ioas | null = null;
  private dma: SocketDma | null = null;
  private isServing = false;
  private hasEnded = false;
  private isWaitingToSend = false;

  constructor(options: SessionOptions, socket: MessageSocket, onEnd: () => void) {
    this.options = options;
    this.onEnd = onEnd;
    this.connection = new Connection(options.libc, socket);
    options.poller.add(this.connection.fd, () => this.serve());
  }

  /** Reads once, and does what has arrived; false if that is nothing. An error of ours ends the session, and no other. */
  serve(): boolean {
    if (this.hasEnded || this.isServing) return false;
    this.isServing = true;
    let hasCome = false;
    try {
      if (this.connection.hasBacklog) this.connection.flush();
      // who does not take replies gets no more of them
      if (!this.connection.hasBacklog) {
        hasCome = this.connection.receive();
        this.handleAll();
      }
    } catch (error) {
      this.abandon();
      throw error;
    } finally {
      this.isServing = false;
    }
    if (this.connection.isClosed) this.end();
    else this.waitForRoom(this.connection.hasBacklog);
    return hasCome;
  }

  /** Ends the session: nothing of the client stays, the function is reset. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { poller } = this.options;
    poller.remove(this.connection.fd);
    const { context } = this;
    runAll(
      () => context?.irqs.close(),
      () => context?.device.close(),
      () => this.dma?.giveUp(),
      () => context?.device.attach(null),
      () => this.ioas?.destroy(),
      () => context?.dma.clear(),
      () => this.connection.close(),
      () => this.onEnd(),
    );
  }

  /** Ends the session of a client that does not take or answer what is sent to it; called a few times a second. */
  tend(nowMs: number): void {
    if (this.connection.isClosed || this.dma?.isOverdue(nowMs) === true) this.end();
  }

  private abandon(): void {
    this.connection.isClosed = true;
    this.options.poller.soon(() => this.end());
  }

  private handleAll(): void {
    while (!this.connection.isClosed) {
      const message = this.connection.next();
      if (message === null) return;
      this.messages++;
      this.handle(message);
      if (this.connection.hasBacklog) return;
    }
  }

  private handle(message: Message): void {
    const { connection } = this;
    if (!message.isPossible) {
      this.refuse(message, ERRNO.EINVAL);
      connection.isClosed = true;
    } else if (this.context === null) {
      this.greet(message);
    } else if ((message.flags & FLAG_TYPE_MASK) !== FLAG_TYPE_COMMAND || message.hasLostFds) {
      if (!isDmaReply(message)) return this.refuse(message, ERRNO.EINVAL);
      this.closeAll(message.fds);
      this.dma?.take(message);
    } else {
      if (message.command !== VFIO_USER_DEVICE_SET_IRQS) this.context.irqs.settle();
      this.execute(message, this.context);
    }
  }

  private execute(message: Message, context: CommandContext): void {
    const command = DEVICE_COMMANDS.get(message.command);
    const needsReply = (message.flags & FLAG_NO_REPLY) === 0;
    let isAnswered = false;
    try {
      if (command === undefined) throw new VfioError('EINVAL', `command ${message.command} does not exist`);
      command(message, context, (bytes, fill) => {
        isAnswered = true;
        if (needsReply) this.connection.reply(message, bytes, fill);
      });
    } catch (error) {
      if (!(error instanceof VfioError)) throw error;
      if (needsReply && !isAnswered) this.connection.replyError(message, error.errno);
    } finally {
      this.closeAll(message.fds);
    }
  }

  /** VERSION, the first message. */
  private greet(message: Message): void {
    const { libc, poller, nic, openDevice } = this.options;
    try {
      if (message.command !== VFIO_USER_VERSION || (message.flags & FLAG_TYPE_MASK) !== FLAG_TYPE_COMMAND) {
        throw new VfioError('EINVAL', 'the first message has to be VERSION');
      }
      const agreed = negotiate(message.payload);
      const device = openDevice();
      device.open();
      const onSent = (): void => {
        if (!this.isServing) this.waitForRoom(this.connection.hasBacklog);
      };
      this.dma = new SocketDma(this.connection, agreed.maxDataXferBytes, () => nic.answerLater(), onSent);
      const dma = new DmaMap(libc, this.dma);
      this.ioas = new Ioas(nic);
      this.ioas.map(0, ADDRESS_SPACE_BYTES, { foreign: dma });
      device.attach(this.ioas);
      this.context = { device, dma, irqs: new ClientIrqs(libc, poller, device) };
      this.connection.reply(message, VERSION_DATA + agreed.reply.length, (payload) => fillVersion(payload, agreed));
    } catch (error) {
      if (!(error instanceof NicError)) throw error;
      this.connection.replyError(message, error instanceof VfioError ? error.errno : ERRNO.EINVAL);
      this.connection.isClosed = true;
    } finally {
      this.closeAll(message.fds);
    }
  }

  private refuse(message: Message, errno: number): void {
    const isUnwanted = (message.flags & (FLAG_TYPE_MASK | FLAG_NO_REPLY)) === (FLAG_TYPE_COMMAND | FLAG_NO_REPLY);
    if (!isUnwanted) this.connection.replyError(message, errno);
    this.closeAll(message.fds);
  }

  /** Closes descriptors of a message that nobody has taken. */
  private closeAll(fds: number[]): void {
    for (const fd of fds.splice(0)) this.options.libc.close(fd);
  }

  private waitForRoom(isWaiting: boolean): void {
    if (isWaiting === this.isWaitingToSend || this.hasEnded) return;
    this.isWaitingToSend = isWaiting;
    this.options.poller.modify(this.connection.fd, isWaiting ? EPOLLOUT : EPOLLIN);
  }
}
