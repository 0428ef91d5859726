// SPDX-License-Identifier: Apache-2.0
// Sends whatever a test wants sent. Numbers and layouts are typed from the protocol's text, not taken from the server.
import { EFD_CLOEXEC, EFD_NONBLOCK, MFD_ALLOW_SEALING, MFD_CLOEXEC, type Libc } from '../../../../src/native/libc.ts';
import { POLLIN, waitFor } from '../../../../src/native/wait.ts';
import { connectUnix, type UnixSocket } from '../../../../src/native/unix_socket.ts';
import { PATIENCE_MS } from '../../../support/patience.ts';

/** Commands by the names of the protocol's table. */
export const COMMAND = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
  DEVICE_FEATURE: 16,
} as const;

export const EFAULT = 14;
export const EBUSY = 16;
export const EINVAL = 22;
export const EEXIST = 17;
export const ENOTTY = 25;
export const NO_REPLY = 0x10;

const REPLY = 1;
const ERROR = 0x20;
const HEADER_BYTES = 16;

export interface Reply {
  readonly id: number;
  readonly command: number;
  /** 0: done. */
  readonly error: number;
  readonly payload: DataView;
}

/** Memory that has no file descriptor. */
export interface RawMemory {
  /** DMA address of its first byte. */
  readonly base: number;
  readonly bytes: Uint8Array;
}

/** DMA_READ or DMA_WRITE, as the server sent it. */
export interface Asked {
  readonly command: number;
  readonly address: number;
  readonly count: number;
}

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

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A header: id u16, command u16, size u32, flags u32, error u32. */
export function header(id: number, command: number, size: number, flags = 0): Uint8Array {
  return fields([2, id], [2, command], [4, size], [4, flags], [4, 0]);
}

export function versionPayload(json: string | null, major = 0, minor = 0): Uint8Array {
  const text = json === null ? new Uint8Array(0) : Uint8Array.from([...Buffer.from(json), 0]);
  return joined(fields([2, major], [2, minor]), text);
}

export class RawClient {
  readonly libc: Libc;
  private readonly socket: UnixSocket;
  private readonly pump: (fd: number) => void;
  /** What DMA_READ and DMA_WRITE reach; null: the server must not ask. */
  memory: RawMemory | null = null;
  readonly asked: Asked[] = [];
  private input: number[] = [];
  private isOpen = true;
  private nextId = 0x100;

  /** `pump` lets the server work: here, or elsewhere until something comes. */
  constructor(libc: Libc, path: string, pump: (fd: number) => void) {
    const socket = connectUnix(libc, path);
    if (socket === null) throw new Error(`nobody listens at ${path}`);
    this.libc = libc;
    this.socket = socket;
    this.pump = pump;
    pump(socket.fd);
  }

  /** Sends bytes as they are; what the server does not take is lost. */
  sendBytes(bytes: Uint8Array, fds: readonly number[] = []): void {
    const data = this.libc.bytes(bytes.length);
    data.u8.set(bytes);
    this.socket.send(data, 0, bytes.length, fds);
  }

  send(command: number, payload: Uint8Array = new Uint8Array(0), flags = 0, fds: readonly number[] = []): number {
    const id = this.nextId++;
    this.sendBytes(joined(header(id, command, HEADER_BYTES + payload.length, flags), payload), fds);
    return id;
  }

  /** Sends a command and returns its reply. */
  request(command: number, payload?: Uint8Array, fds?: readonly number[]): Reply {
    const id = this.send(command, payload, 0, fds);
    const deadline = performance.now() + PATIENCE_MS;
    let reply = this.receive();
    while (reply === null && this.isOpen && performance.now() < deadline) reply = this.receive();
    if (reply === null) throw new Error(`no reply to command ${command}`);
    if (reply.id !== id || reply.command !== command) throw new Error(`a reply to ${reply.id}, not to ${id}`);
    return reply;
  }

  greet(json = '{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576}}'): Reply {
    return this.request(COMMAND.VERSION, versionPayload(json));
  }

  /** The next reply of the server; null if there is none. What it asks of the client's memory is answered. */
  receive(): Reply | null {
    this.pump(this.socket.fd);
    this.readAll();
    for (let view = this.nextMessage(); view !== null; view = this.nextMessage()) {
      const flags = view.getUint32(8, true);
      const command = view.getUint16(2, true);
      const payload = new DataView(view.buffer, HEADER_BYTES);
      if ((flags & 0xf) === REPLY) {
        const error = (flags & ERROR) === 0 ? 0 : view.getUint32(12, true);
        return { id: view.getUint16(0, true), command, error, payload };
      }
      this.answerDma(view.getUint16(0, true), command, payload);
    }
    return null;
  }

  /** Waits until the server has sent something that has not been read. */
  hasInput(timeoutMs: number): boolean {
    return this.input.length > 0 || waitFor(this.libc, this.socket.fd, POLLIN, timeoutMs);
  }

  /** The server has closed the connection. */
  isDropped(): boolean {
    this.pump(this.socket.fd);
    this.readAll();
    return !this.isOpen;
  }

  eventfd(): number {
    return this.libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  }

  /** Signals that an eventfd has counted since it was last asked. */
  signals(fd: number): number {
    const count = new Uint8Array(8);
    return this.libc.read(fd, count, 8) === 8 ? Number(new DataView(count.buffer).getBigUint64(0, true)) : 0;
  }

  memfd(bytes: number): number {
    const fd = this.libc.memfd_create('test', MFD_CLOEXEC | MFD_ALLOW_SEALING);
    this.libc.ftruncate(fd, bytes);
    return fd;
  }

  close(): void {
    this.socket.close();
    this.isOpen = false;
  }

  private nextMessage(): DataView | null {
    if (this.input.length < HEADER_BYTES) return null;
    const size = this.input[4]! + this.input[5]! * 0x100 + this.input[6]! * 0x10000;
    if (this.input.length < size) return null;
    return new DataView(Uint8Array.from(this.input.splice(0, size)).buffer);
  }

  /** address u64, count u64, and behind them the data: in DMA_WRITE, and in the reply to DMA_READ. */
  private answerDma(id: number, command: number, payload: DataView): void {
    const isRead = command === COMMAND.DMA_READ;
    if (this.memory === null || !(isRead || command === COMMAND.DMA_WRITE)) {
      throw new Error(`the server sent command ${command}`);
    }
    const address = Number(payload.getBigUint64(0, true));
    const count = Number(payload.getBigUint64(8, true));
    this.asked.push({ command, address, count });
    const { base, bytes } = this.memory;
    const place = bytes.subarray(Math.max(0, address - base), Math.max(0, address - base + count));
    if (address < base || place.length < count) {
      this.sendBytes(fields([2, id], [2, command], [4, HEADER_BYTES], [4, REPLY | ERROR], [4, EFAULT]));
      return;
    }
    if (!isRead) place.set(new Uint8Array(payload.buffer, payload.byteOffset + 16, count));
    const reply = joined(fields([8, address], [8, count]), isRead ? place : new Uint8Array(0));
    this.sendBytes(joined(header(id, command, HEADER_BYTES + reply.length, REPLY), reply));
  }

  private readAll(): void {
    if (!this.isOpen) return;
    const data = this.libc.bytes(1 << 16);
    for (;;) {
      const count = this.socket.receive(data, 0, data.u8.length);
      if (count === 0) this.isOpen = false;
      if (count <= 0) return;
      this.input.push(...data.u8.subarray(0, count));
    }
  }
}
