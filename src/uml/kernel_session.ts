// SPDX-License-Identifier: Apache-2.0
// One kernel at one function, from its connection to its end: messages in the order of their arrival, each with the reply
// that it asks for. A kernel that says what cannot be is dropped, with the reason.
import type { MsiMessage, Nic } from '../device/nic.ts';
import { Ioas } from '../iommufd/ioas.ts';
import type { FileCalls, NativeBytes } from '../native/libc.ts';
import type { DescriptorSet } from '../native/poller.ts';
import { MessageInput, type Framing, type MessageSocket, type RawMessage } from '../peer/message_input.ts';
import { runAll } from '../util/run_all.ts';
import { BackendChannel } from './backend_channel.ts';
import type { Calendar } from './calendar.ts';
import { decodeAccess, FunctionAccess } from './function_access.ts';
import { GuestMemory } from './guest_memory.ts';
import { MessageQueue } from './message_queue.ts';
import { ChannelFault, lie, PeerFault } from './peer_fault.ts';
import * as P from './protocol.ts';
import { SplitQueue, type Chain } from './split_queue.ts';
import { checkMessage, readRegions, readRings, type KernelMessage } from './vhost_messages.ts';

/** DMA addresses that the card can use; the kernel's memory table says what lies there. */
const ADDRESS_SPACE_BYTES = Number.MAX_SAFE_INTEGER - 4095;
const REPLY_BYTES = P.HEADER_BYTES + P.U64_BYTES;

const FRAMING: Framing = {
  headerBytes: P.HEADER_BYTES,
  maxMessageBytes: P.MAX_MESSAGE_BYTES,
  messageBytes: (view, at) => P.HEADER_BYTES + view.getUint32(at + P.HEADER_SIZE, true),
};

export interface KernelSessionOptions {
  readonly libc: FileCalls;
  readonly poller: DescriptorSet;
  readonly nic: Nic;
  readonly fn: number;
  /** A socket of a descriptor that the kernel sent. */
  readonly openSocket: (fd: number) => MessageSocket;
  /** Puts the function into the state that a new kernel is to find. */
  readonly reset: () => void;
  /** Where the kernel's clock is the card's; without it the card's is its own. */
  readonly calendar?: Calendar | null;
  /** Called behind each access, before its answer goes out. */
  readonly onAccess?: (() => void) | undefined;
}

export class KernelSession {
  /** Messages so far. */
  messages = 0;
  /** Accesses of configuration space and BARs so far. */
  accesses = 0;
  private readonly options: KernelSessionOptions;
  private readonly socket: MessageSocket;
  private readonly input: MessageInput;
  private readonly output: NativeBytes;
  /** `reason`: why the kernel was dropped; null where it went by itself. */
  private readonly onEnd: (reason: string | null) => void;
  private readonly memory: GuestMemory;
  private readonly ioas: Ioas;
  private readonly access: FunctionAccess;
  private readonly commands: SplitQueue;
  private readonly messageQueue: SplitQueue;
  private readonly interrupts: MessageQueue;
  private channel: BackendChannel | null = null;
  private isServing = false;
  private hasEnded = false;
  /** Set as soon as the session is over; it ends when nothing of it is at work. */
  private verdict: { reason: string | null; error?: unknown } | null = null;

  constructor(options: KernelSessionOptions, socket: MessageSocket, onEnd: (reason: string | null) => void) {
    const { libc, poller, nic, fn } = options;
    this.options = options;
    this.socket = socket;
    this.onEnd = onEnd;
    this.input = new MessageInput(libc, socket, FRAMING);
    this.output = libc.bytes(REPLY_BYTES);
    this.memory = new GuestMemory(libc);
    this.commands = new SplitQueue(P.COMMAND_QUEUE, this.memory);
    this.messageQueue = new SplitQueue(P.MESSAGE_QUEUE, this.memory);
    this.access = new FunctionAccess(nic, fn);
    this.interrupts = new MessageQueue(this.messageQueue, () => this.call(P.MESSAGE_QUEUE));
    this.ioas = new Ioas(nic);
    this.ioas.map(0, ADDRESS_SPACE_BYTES, { foreign: this.memory });
    nic.attachIoas(fn, this.ioas.id);
    options.reset();
    poller.add(socket.fd, () => this.serve());
  }

  /** Reads once, and does what has arrived; false if that is nothing. */
  serve(): boolean {
    if (this.hasEnded || this.isServing) return false;
    this.isServing = true;
    let hasCome = false;
    try {
      this.guard(() => {
        hasCome = this.input.receive();
        this.handleAll();
      });
    } finally {
      this.isServing = false;
    }
    if (this.input.isClosed) this.verdict ??= { reason: null };
    this.settle();
    return hasCome;
  }

  /** An MSI-X message of the function. It comes in the middle of the card's work. */
  msi({ address, data }: MsiMessage): void {
    this.guard(() => this.interrupts.msi(address, data));
  }

  /** The PF's INTx line goes up. */
  intx(): void {
    this.guard(() => this.interrupts.intx());
  }

  /** Ends the session: nothing of the kernel stays, the function is reset. */
  end(reason: string | null): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { poller, nic, fn, reset } = this.options;
    poller.remove(this.socket.fd);
    runAll(
      () => this.channel?.close(),
      () => reset(),
      () => nic.attachIoas(fn, null),
      () => this.ioas.destroy(),
      () => this.memory.clear(),
      () => this.input.close(),
      () => this.socket.close(),
      () => this.onEnd(reason),
    );
  }

  /** Does something that the kernel may have made impossible: the session is then over, as soon as it can be. */
  private guard(work: () => void): void {
    if (this.hasEnded || this.verdict !== null) return;
    try {
      work();
    } catch (error) {
      this.verdict = error instanceof PeerFault ? { reason: error.message } : { reason: 'an internal error', error };
      if (error instanceof ChannelFault && this.isDead()) this.verdict = { reason: null };
      this.options.poller.soon(() => this.settle());
    }
  }

  /** The kernel has closed its connection: it waits for a reply, so nothing lies before the end. */
  private isDead(): boolean {
    return !this.input.receive() && this.input.isClosed;
  }

  private settle(): void {
    const { verdict } = this;
    if (verdict === null || this.hasEnded || this.isServing) return;
    this.end(verdict.reason);
    if ('error' in verdict) throw verdict.error;
  }

  private handleAll(): void {
    while (this.verdict === null) {
      const message = this.input.next();
      if (message === null) return;
      this.messages++;
      this.take(message);
    }
  }

  private take(raw: RawMessage): void {
    try {
      this.handle(checkMessage(raw));
    } finally {
      for (const fd of raw.fds.splice(0)) this.options.libc.close(fd);
    }
  }

  private handle(message: KernelMessage): void {
    const { request, payload, fds } = message;
    switch (request) {
      case P.GET_FEATURES:
        return this.send(request, P.OFFERED_FEATURES);
      case P.GET_PROTOCOL_FEATURES:
        return this.send(request, P.OFFERED_PROTOCOL_FEATURES);
      case P.SET_FEATURES:
        this.checkFeatures(payload.getBigUint64(0, true));
        break;
      case P.SET_PROTOCOL_FEATURES:
        this.checkProtocolFeatures(payload.getBigUint64(0, true));
        break;
      case P.SET_BACKEND_REQ_FD:
        this.openChannel(fds.splice(0)[0]!);
        break;
      case P.SET_MEM_TABLE:
        this.memory.replace(readRegions(payload, fds));
        fds.length = 0; // the memory has them
        break;
      case P.SET_VRING_NUM:
        this.queueOf(payload).setSize(payload.getUint32(P.STATE_VALUE, true));
        break;
      case P.SET_VRING_BASE:
        this.queueOf(payload).setBase(payload.getUint32(P.STATE_VALUE, true));
        break;
      case P.SET_VRING_ADDR:
        this.queueOf(payload).setRings(readRings(payload));
        break;
      case P.SET_VRING_ENABLE:
        this.enable(payload);
        break;
      case P.VRING_KICK:
        this.kick(payload);
        break;
      default: // SET_OWNER
    }
    if (message.needsReply) this.send(request, 0n);
  }

  private queueOf(payload: DataView): SplitQueue {
    const index = payload.getUint32(P.STATE_INDEX, true);
    if (index === P.COMMAND_QUEUE) return this.commands;
    if (index === P.MESSAGE_QUEUE) return this.messageQueue;
    return lie(`queue ${index} does not exist; there are 0..${P.QUEUES - 1}`);
  }

  private enable(payload: DataView): void {
    const queue = this.queueOf(payload);
    queue.isEnabled = payload.getUint32(P.STATE_VALUE, true) !== 0;
    if (queue === this.messageQueue) this.interrupts.clear();
  }

  private kick(payload: DataView): void {
    const queue = this.queueOf(payload);
    if (!queue.isReady) lie('a queue is kicked that is not set up and enabled');
    if (queue === this.commands) this.serveCommands();
    else this.interrupts.flush();
  }

  /**
   * Makes the accesses that wait, one after the other: the one place where an access is made and its answer given. The
   * kernel waits for the reply to its kick, which comes behind them.
   */
  private serveCommands(): void {
    const { commands } = this;
    const { fn, calendar = null } = this.options;
    const count = commands.available(); // what is added meanwhile has a kick of its own
    for (let i = 0; i < count; i++) {
      const chain = commands.take();
      const access = decodeAccess(commands, chain);
      this.accesses++;
      if (calendar === null) {
        const answer = this.access.perform(access);
        this.options.onAccess?.();
        commands.put(chain, answer);
      } else calendar.access(fn, access, (read) => this.guard(() => this.putLater(chain, read)));
    }
    if (count > 0) this.tellOfCommands();
  }

  /** The answer to an access has come when nobody waited for it here. */
  private putLater(chain: Chain, read: Uint8Array): void {
    this.commands.put(chain, read);
    this.tellOfCommands();
  }

  private tellOfCommands(): void {
    if (this.commands.wantsCall()) this.call(P.COMMAND_QUEUE);
  }

  private call(queue: number): void {
    if (this.channel === null) lie('an interrupt has no backend channel to go to');
    this.channel.call(queue);
  }

  private checkFeatures(features: bigint): void {
    const others = features & ~P.OFFERED_FEATURES;
    if (others !== 0n) lie(`features 0x${others.toString(16)} are accepted and were not offered`);
    if ((features & P.F_VERSION_1) === 0n) lie('VIRTIO_F_VERSION_1 is not accepted');
  }

  private checkProtocolFeatures(features: bigint): void {
    const others = features & ~P.OFFERED_PROTOCOL_FEATURES;
    if (others !== 0n) lie(`protocol features 0x${others.toString(16)} are accepted and were not offered`);
    const needed = P.PROTOCOL_F_BACKEND_REQ | P.PROTOCOL_F_INBAND_NOTIFICATIONS;
    if ((features & needed) !== needed) lie('the kernel has no in-band notifications; Linux 5.7 has them');
  }

  private openChannel(fd: number): void {
    const { libc, poller, openSocket, calendar } = this.options;
    this.channel?.close();
    const onFault = (error: unknown): void =>
      this.guard(() => {
        throw error;
      });
    this.channel = new BackendChannel(libc, poller, openSocket(fd), onFault, calendar);
  }

  /** A kernel waits for its reply before it says more, so there is always room for one. */
  private send(request: number, value: bigint): void {
    const { view } = this.output;
    view.setUint32(P.HEADER_REQUEST, request, true);
    view.setUint32(P.HEADER_FLAGS, P.FLAG_VERSION | P.FLAG_REPLY, true);
    view.setUint32(P.HEADER_SIZE, P.U64_BYTES, true);
    view.setBigUint64(P.HEADER_BYTES, value, true);
    const count = this.socket.send(this.output, 0, REPLY_BYTES);
    if (count === 0) this.verdict ??= { reason: null };
    else if (count < REPLY_BYTES) lie('replies are not read');
  }
}
