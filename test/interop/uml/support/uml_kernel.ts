// SPDX-License-Identifier: Apache-2.0
// The other end of src/uml: says what a User Mode Linux kernel says, or whatever a test wants said. Numbers and layouts
// are typed from the protocols' texts (vhost-user.rst of QEMU, virtio_pcidev.h of Linux), not taken from the server.
import { join } from 'node:path';

import {
  F_ADD_SEALS,
  F_SEAL_SHRINK,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
  type Libc,
} from '../../../../src/native/libc.ts';
import { connectUnix, UnixListener, type UnixSocket } from '../../../../src/native/unix_socket.ts';

export const REQUEST = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  SET_MEM_TABLE: 5,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  SET_VRING_ENABLE: 18,
  SET_SLAVE_REQ_FD: 21,
  VRING_KICK: 35,
} as const;

export const OP = { CFG_READ: 1, CFG_WRITE: 2, MMIO_READ: 3, MMIO_WRITE: 4, MMIO_MEMSET: 5, INT: 6, MSI: 7 } as const;

export const VERSION = 1;
const REPLY = 4;
export const NEED_REPLY = 8;
const HEADER = 12;
const FEATURES = (1n << 32n) | (1n << 30n);
const PROTOCOL_FEATURES = 0x4028n;

/** Guest addresses below are the kernel's own text, which is not in the file. */
export const RAM = 0x20_0000;
export const RAM_BYTES = 0x4_0000;
const ENTRIES = 256;
/** Of each queue, from the start of the memory on: descriptors, available ring, used ring. */
const RINGS = [0, 0x4000];
const [AVAIL, USED] = [0x1000, 0x2000];
/** A command and its data. */
const COMMAND_AT = 0x8000;
/** Buffers for messages of the device. */
const MESSAGES_AT = 0x1_0000;
const MESSAGE_STRIDE = 32;
const MESSAGE_BUFFERS = 10;
const MESSAGE_BYTES = 20;
/** Memory for drivers. */
export const DRIVER = RAM + 0x2_0000;

/** Little-endian fields one after the other: [bytes, value]. */
export function fields(...list: readonly (readonly [number, number | bigint])[]): Uint8Array {
  const data = new Uint8Array(list.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of list) {
    for (let i = 0; i < bytes; i++) data[at + i] = Number((BigInt(value) >> BigInt(8 * i)) & 0xffn);
    at += bytes;
  }
  return data;
}

export const state = (index: number, value: number): Uint8Array => fields([4, index], [4, value]);

/** A region of the memory table: guest address, size, user address, offset in the file. */
export type Region = readonly [guest: number | bigint, size: number | bigint, user: number | bigint, offset: number];

export const table = (...regions: readonly Region[]): Uint8Array =>
  fields([4, regions.length], [4, 0], ...regions.flatMap((region) => region.map((value) => [8, value] as const)));

/** One descriptor: guest address, bytes, flags (1: next, 2: written by the device, 4: indirect), next. */
export type Descriptor = readonly [address: number | bigint, bytes: number, flags: number, next: number];

export interface KernelOptions {
  /** User addresses are guest addresses and so much. */
  readonly userOffset?: number;
  readonly isSealed?: boolean;
  /** The server is another process: how long to wait for an answer that is due. */
  readonly waitMs?: number;
  /** Waits instead until a socket of the kernel can be read, and hears meanwhile what else the server says. */
  readonly listen?: (fd: number) => void;
}

export class UmlKernel {
  readonly libc: Libc;
  /** Of the whole file, by guest address. */
  readonly ram: Uint8Array;
  readonly view: DataView;
  readonly memoryFd: number;
  isGone = false;
  private isDead = false;
  private readonly socket: UnixSocket;
  /** The kernel's end of the backend channel. */
  readonly channel: UnixSocket;
  private readonly channelEnd: UnixSocket;
  private readonly pump: () => void;
  private readonly userOffset: number;
  private readonly waitMs: number;
  private readonly listen: ((fd: number) => void) | undefined;
  private readonly mapping: bigint;
  private readonly taken = [0, 0];
  private readonly made = [0, 0];

  constructor(libc: Libc, folder: string, name: string, pump: () => void, options: KernelOptions = {}) {
    this.libc = libc;
    this.pump = pump;
    this.userOffset = options.userOffset ?? 0;
    this.waitMs = options.waitMs ?? 0;
    this.listen = options.listen;
    this.memoryFd = libc.memfd_create('uml', MFD_CLOEXEC | MFD_ALLOW_SEALING);
    libc.ftruncate(this.memoryFd, RAM + RAM_BYTES);
    if (options.isSealed === true) libc.fcntl(this.memoryFd, F_ADD_SEALS, F_SEAL_SHRINK);
    this.mapping = libc.mmap(null, RAM + RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, this.memoryFd, 0);
    this.ram = libc.view(this.mapping, RAM + RAM_BYTES);
    this.view = new DataView(this.ram.buffer, this.ram.byteOffset, this.ram.length);
    this.socket = connectUnix(libc, join(folder, `${name}.sock`))!;
    [this.channel, this.channelEnd] = socketPair(libc, join(folder, 'channel'));
    this.pump();
  }

  // ---- messages ---------------------------------------------------------------------------------------------------------

  /** Sends a message; the payload of the reply, null where none comes. */
  send(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
    flags = VERSION,
  ): DataView | null {
    const isQuestion = request === REQUEST.GET_FEATURES || request === REQUEST.GET_PROTOCOL_FEATURES;
    const bytes = Uint8Array.from([...fields([4, request], [4, flags], [4, payload.length]), ...payload]);
    return this.sendBytes(bytes, fds, isQuestion || (flags & NEED_REPLY) !== 0);
  }

  /** Sends bytes; the payload of a reply to them, null where none comes. */
  sendBytes(bytes: Uint8Array, fds: readonly number[] = [], isAnswered = false): DataView | null {
    const out = this.libc.bytes(Math.max(1, bytes.length));
    out.u8.set(bytes);
    if (bytes.length > 0) this.socket.send(out, 0, bytes.length, fds);
    this.pump();
    if (isAnswered && this.listen !== undefined) this.listen(this.socket.fd);
    else if (isAnswered && this.waitMs > 0) this.socket.wait(this.waitMs);
    return this.receive(bytes.length < 4 ? -1 : new DataView(bytes.buffer).getUint32(0, true));
  }

  /** Sends a message that has to be acknowledged with 0; false where the server drops the kernel. */
  order(request: number, payload: Uint8Array = new Uint8Array(0), fds: readonly number[] = []): boolean {
    const reply = this.send(request, payload, fds, VERSION | NEED_REPLY);
    if (reply !== null && reply.getBigUint64(0, true) !== 0n) throw new Error(`request ${request} has an error`);
    return reply !== null;
  }

  /** Sends bytes, and reads nothing. */
  shout(bytes: Uint8Array): void {
    const out = this.libc.bytes(bytes.length);
    out.u8.set(bytes);
    this.socket.send(out, 0, bytes.length);
    this.pump();
  }

  private receive(request: number): DataView | null {
    const into = this.libc.bytes(HEADER + 8);
    const count = this.socket.receive(into, 0, into.u8.length);
    if (count === 0) this.isGone = true;
    if (count <= 0) return null;
    const header = [0, 4, 8].map((at) => into.view.getUint32(at, true));
    if (count !== HEADER + 8 || String(header) !== String([request, VERSION | REPLY, 8])) {
      throw new Error(`a reply of ${count} bytes that begins with ${header}`);
    }
    return new DataView(into.u8.buffer, HEADER, 8);
  }

  // ---- what a kernel does when it finds the device ------------------------------------------------------------------------

  /** All of it. */
  start(): this {
    this.greet();
    this.setMemory();
    for (const queue of [0, 1]) this.setQueue(queue);
    for (const queue of [0, 1]) this.order(REQUEST.SET_VRING_ENABLE, state(queue, 1));
    for (let i = 0; i < MESSAGE_BUFFERS; i++) this.addMessageBuffer(i);
    this.kick(1);
    return this;
  }

  greet(): void {
    this.send(REQUEST.SET_OWNER);
    this.send(REQUEST.GET_FEATURES);
    this.send(REQUEST.GET_PROTOCOL_FEATURES);
    this.order(REQUEST.SET_PROTOCOL_FEATURES, fields([8, PROTOCOL_FEATURES]));
    this.order(REQUEST.SET_SLAVE_REQ_FD, new Uint8Array(0), [this.channelEnd.fd]);
    this.order(REQUEST.SET_FEATURES, fields([8, FEATURES]));
  }

  setMemory(region: Region = [RAM, RAM_BYTES, RAM + this.userOffset, RAM]): boolean {
    return this.order(REQUEST.SET_MEM_TABLE, table(region), [this.memoryFd]);
  }

  setQueue(queue: number, entries = ENTRIES): boolean {
    this.taken[queue] = 0;
    this.made[queue] = 0;
    this.view.setUint16(this.usedAt(queue) + 2, 0, true);
    return (
      this.order(REQUEST.SET_VRING_NUM, state(queue, entries)) &&
      this.order(REQUEST.SET_VRING_BASE, state(queue, 0)) &&
      this.order(REQUEST.SET_VRING_ADDR, this.addresses(queue))
    );
  }

  addresses(queue: number, change: { desc?: number; used?: number; avail?: number; flags?: number } = {}): Uint8Array {
    const at = RAM + RINGS[queue]! + this.userOffset;
    const { desc = at, avail = at + AVAIL, used = at + USED, flags = 0 } = change;
    return fields([4, queue], [4, flags], [8, desc], [8, used], [8, avail], [8, 0xffff_ffff_ffff_ffffn]);
  }

  kick(queue: number): boolean {
    return this.order(REQUEST.VRING_KICK, state(queue, 0));
  }

  // ---- rings --------------------------------------------------------------------------------------------------------------

  setDescriptor(queue: number, id: number, [address, bytes, flags, next]: Descriptor): void {
    this.ram.set(fields([8, address], [4, bytes], [2, flags], [2, next]), RAM + RINGS[queue]! + 16 * id);
  }

  /** Makes a chain available. */
  offer(queue: number, head: number): void {
    const avail = RAM + RINGS[queue]! + AVAIL;
    this.view.setUint16(avail + 4 + 2 * (this.made[queue]! & (ENTRIES - 1)), head, true);
    this.made[queue] = (this.made[queue]! + 1) & 0xffff;
    this.setAvailable(queue, this.made[queue]!);
  }

  setAvailable(queue: number, index: number): void {
    this.view.setUint16(RAM + RINGS[queue]! + AVAIL + 2, index, true);
  }

  /** Used buffers that were not taken yet: descriptor and bytes written. */
  takeUsed(queue: number): { id: number; bytes: number }[] {
    const found: { id: number; bytes: number }[] = [];
    const used = this.usedAt(queue);
    while (this.taken[queue] !== this.view.getUint16(used + 2, true)) {
      const element = used + 4 + 8 * (this.taken[queue]! & (ENTRIES - 1));
      found.push({ id: this.view.getUint32(element, true), bytes: this.view.getUint32(element + 4, true) });
      this.taken[queue] = (this.taken[queue]! + 1) & 0xffff;
    }
    return found;
  }

  private usedAt(queue: number): number {
    return RAM + RINGS[queue]! + USED;
  }

  // ---- commands -----------------------------------------------------------------------------------------------------------

  /** Sends a command in one readable and, for an answer, one writable buffer; the answer. */
  command(op: number, bar: number, size: number, address: number | bigint, data?: Uint8Array): Uint8Array {
    this.sendCommand(op, bar, size, address, data);
    const answer = this.takeAnswer(data === undefined ? size : 0);
    if (answer === null) throw new Error('the command is not used');
    return answer;
  }

  /** The first half of it; the server has replied to the kick. */
  sendCommand(op: number, bar: number, size: number, address: number | bigint, data?: Uint8Array): void {
    const isRead = data === undefined;
    const head = fields([1, op], [1, bar], [2, 0], [4, size], [8, address]);
    const bytes = Uint8Array.from([...head, ...(data ?? [])]);
    const answerAt = RAM + COMMAND_AT + 0x1000;
    this.ram.set(bytes, RAM + COMMAND_AT);
    this.ram.fill(0x5a, answerAt, answerAt + size + 4);
    this.setDescriptor(0, 0, [RAM + COMMAND_AT, bytes.length, isRead ? 1 : 0, isRead ? 1 : 0]);
    if (isRead) this.setDescriptor(0, 1, [answerAt, size, 2, 0]);
    this.offer(0, 0);
    if (!this.kick(0)) throw new Error('the server drops the kernel');
  }

  /** The answer to the command that was sent last, of so many bytes; null: it is not there yet. */
  takeAnswer(bytes: number): Uint8Array | null {
    const answerAt = RAM + COMMAND_AT + 0x1000;
    const used = this.takeUsed(0);
    if (used.length === 0) return null;
    if (String(used.map(({ id, bytes: count }) => [id, count])) !== String([[0, bytes]])) {
      throw new Error(`used: ${JSON.stringify(used)}`);
    }
    return this.ram.slice(answerAt, answerAt + bytes);
  }

  configRead(offset: number, size: number): number {
    return number(this.command(OP.CFG_READ, 0, size, offset));
  }

  /** As Linux does: eight bytes of data, whatever the size. */
  configWrite(offset: number, size: number, value: number): void {
    this.command(OP.CFG_WRITE, 0, size, offset, fields([8, value]));
  }

  read(bar: number, offset: number, size: number): number {
    return number(this.command(OP.MMIO_READ, bar, size, offset));
  }

  write(bar: number, offset: number, size: number, value: number): void {
    this.command(OP.MMIO_WRITE, bar, size, offset, fields([size, value]));
  }

  // ---- messages of the device -----------------------------------------------------------------------------------------------

  addMessageBuffer(id: number, bytes = MESSAGE_BYTES): void {
    this.setDescriptor(1, id, [RAM + MESSAGES_AT + id * MESSAGE_STRIDE, bytes, 2, 0]);
    this.offer(1, id);
  }

  /** Messages that came, and how often the channel has told of a queue: buffers are not given back. */
  takeMessages(): number[][] {
    this.pump();
    return this.takeUsed(1).map(({ id, bytes }) => {
      const at = RAM + MESSAGES_AT + id * MESSAGE_STRIDE;
      return Array.from(this.ram.subarray(at, at + bytes));
    });
  }

  /** Queues that the backend channel tells of, each as often as it does. */
  takeCalls(): number[] {
    const into = this.libc.bytes(1 << 16);
    const calls: number[] = [];
    for (let count; (count = this.channel.receive(into, 0, into.u8.length)) > 0;) {
      for (let at = 0; at < count; at += 20) {
        const words = [0, 4, 8, 12, 16].map((word) => into.view.getUint32(at + word, true));
        // VHOST_USER_BACKEND_VRING_CALL, version 1, 8 bytes: index, 0
        if (String(words) !== String([4, 1, 8, words[3], 0])) throw new Error(`the channel says ${words}`);
        calls.push(words[3]!);
      }
    }
    return calls;
  }

  /** Nobody reads the channel any more. */
  closeChannel(): void {
    this.channel.close();
    this.channelEnd.close();
  }

  /** The kernel dies. */
  kill(): void {
    if (!this.isDead) this.socket.close();
    this.isDead = true;
    this.pump();
  }

  /** Gives everything of this end back; the channel, unless it is closed. */
  release(isChannelOpen = true): void {
    this.kill();
    if (isChannelOpen) this.closeChannel();
    this.libc.close(this.memoryFd);
  }
}

/** The value of up to 4 bytes. */
export function number(bytes: Uint8Array): number {
  return bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
}

function socketPair(libc: Libc, path: string): [UnixSocket, UnixSocket] {
  const listener = new UnixListener(libc, path);
  const one = connectUnix(libc, path)!;
  const other = listener.accept()!;
  listener.close();
  return [one, other];
}
