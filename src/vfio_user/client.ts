// SPDX-License-Identifier: Apache-2.0
// The other end of the protocol: a function that somebody serves over vfio-user, as a VfioDevice. Calls are synchronous:
// each sends its command and waits for the reply, answering the server's DMA meanwhile, or when the user says so.
import { EFD_CLOEXEC, EFD_NONBLOCK, type Libc } from '../native/libc.ts';
import { connectUnix } from '../native/unix_socket.ts';
import { ERRNO, NicError, VfioError, type ErrnoName } from '../util/errors.ts';
import type {
  AccessSize,
  AddressSpace,
  IrqHandler,
  VfioDevice,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioRegionInfo,
} from '../vfio/vfio_device.ts';
import type { ClientMemory } from './client_memory.ts';
import { Connection, type Message } from './connection.ts';
import * as P from './protocol.ts';

const REPLY_TIMEOUT_MS = 5000;
const CAPABILITIES = {
  max_msg_fds: 16,
  max_data_xfer_size: P.MAX_DATA_XFER_BYTES,
  pgsizes: 4096,
  max_dma_maps: 65535,
  write_multiple: true,
};

export interface ClientOptions {
  /** Called while a reply is waited for, by who runs the server on the same thread. */
  readonly pump?: () => void;
  /**
   * Called with each access of the server to memory of ours, which is made and answered when `answer` is called. Without it
   * that is at once.
   */
  readonly onDma?: (answer: () => void, isWrite: boolean) => void;
}

/** A vector with its eventfd. */
interface Vector {
  readonly fd: number;
  readonly handler: IrqHandler;
}

export class VfioUserClient implements VfioDevice {
  readonly requesterId = 0;
  private readonly libc: Libc;
  private readonly connection: Connection;
  private readonly pump: (() => void) | null;
  private readonly onDma: ((answer: () => void, isWrite: boolean) => void) | null;
  private readonly vectors = new Map<number, (Vector | null)[]>();
  private readonly memories: ClientMemory[] = [];
  private readonly count = new Uint8Array(8);
  private nextId = 1;

  /** Connects and agrees on the version. Throws NicError SOCKET where nobody listens. */
  constructor(libc: Libc, path: string, options: ClientOptions = {}) {
    const socket = connectUnix(libc, path);
    if (socket === null) throw new NicError('SOCKET', `${path}: nobody is listening there`);
    this.libc = libc;
    this.pump = options.pump ?? null;
    this.onDma = options.onDma ?? null;
    this.connection = new Connection(libc, socket);
    const json = new TextEncoder().encode(`${JSON.stringify({ capabilities: CAPABILITIES })}\0`);
    this.request(P.VFIO_USER_VERSION, P.VERSION_DATA + json.length, (payload) => {
      payload.setUint16(P.VERSION_MAJOR, P.PROTOCOL_MAJOR, true);
      payload.setUint16(P.VERSION_MINOR, P.PROTOCOL_MINOR, true);
      bytesOf(payload, P.VERSION_DATA).set(json);
    });
  }

  info(): VfioDeviceInfo {
    const reply = this.request(P.VFIO_USER_DEVICE_GET_INFO, P.INFO_BYTES, (payload) =>
      payload.setUint32(P.ARGSZ, P.INFO_BYTES, true),
    );
    return {
      flags: reply.getUint32(P.FLAGS, true),
      numRegions: reply.getUint32(P.INFO_NUM_REGIONS, true),
      numIrqs: reply.getUint32(P.INFO_NUM_IRQS, true),
    };
  }

  regionInfo(index: number): VfioRegionInfo {
    const reply = this.request(P.VFIO_USER_DEVICE_GET_REGION_INFO, P.REGION_INFO_BYTES, (payload) => {
      payload.setUint32(P.ARGSZ, P.REGION_INFO_BYTES, true);
      payload.setUint32(P.REGION_INFO_INDEX, index, true);
    });
    return {
      index,
      flags: reply.getUint32(P.FLAGS, true),
      size: Number(reply.getBigUint64(P.REGION_INFO_SIZE, true)),
    };
  }

  irqInfo(index: number): VfioIrqInfo {
    const reply = this.request(P.VFIO_USER_DEVICE_GET_IRQ_INFO, P.IRQ_INFO_BYTES, (payload) => {
      payload.setUint32(P.ARGSZ, P.IRQ_INFO_BYTES, true);
      payload.setUint32(P.IRQ_INFO_INDEX, index, true);
    });
    return { index, flags: reply.getUint32(P.FLAGS, true), count: reply.getUint32(P.IRQ_INFO_COUNT, true) };
  }

  read(region: number, offset: number, size: AccessSize): number {
    const data = new Uint8Array(4);
    this.readBytes(region, offset, data.subarray(0, size));
    return (data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24)) >>> 0;
  }

  /** Memory and I/O writes need no reply: they take effect before whatever is asked next. */
  write(region: number, offset: number, size: AccessSize, value: number): void {
    this.send(P.VFIO_USER_REGION_WRITE, P.FLAG_NO_REPLY, P.REGION_DATA + size, (payload) => {
      fillAccess(payload, region, offset, size);
      for (let i = 0; i < size; i++) payload.setUint8(P.REGION_DATA + i, value >>> (8 * i));
    });
    this.pump?.();
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    const reply = this.request(P.VFIO_USER_REGION_READ, P.REGION_DATA, (payload) =>
      fillAccess(payload, region, offset, data.length),
    );
    const count = Math.min(data.length, reply.getUint32(P.REGION_COUNT, true));
    data.set(bytesOf(reply, P.REGION_DATA).subarray(0, count));
    return count;
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    const reply = this.request(P.VFIO_USER_REGION_WRITE, P.REGION_DATA + data.length, (payload) => {
      fillAccess(payload, region, offset, data.length);
      bytesOf(payload, P.REGION_DATA).set(data);
    });
    return reply.getUint32(P.REGION_COUNT, true);
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    const known = this.vectors.get(index) ?? [];
    handlers.forEach((handler, i) => {
      const old = known[start + i];
      if (old) this.libc.close(old.fd);
      known[start + i] = handler === null ? null : { fd: this.libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), handler };
    });
    this.vectors.set(index, known);
    const { max_msg_fds: most } = CAPABILITIES;
    // a message is for vectors with an eventfd, or for vectors without
    for (let at = start; at < start + handlers.length;) {
      const isNone = !known[at];
      let end = at;
      while (end < start + handlers.length && !known[end] === isNone && end - at < most) end++;
      const fds = isNone ? [] : known.slice(at, end).map((vector) => vector!.fd);
      this.requestIrqs(index, P.IRQ_SET_DATA_EVENTFD | P.IRQ_SET_ACTION_TRIGGER, at, end - at, fds);
      at = end;
    }
  }

  disableIrqs(index: number): void {
    this.requestIrqs(index, P.IRQ_SET_DATA_NONE | P.IRQ_SET_ACTION_TRIGGER, 0, 0, []);
    for (const vector of this.vectors.get(index) ?? []) if (vector) this.libc.close(vector.fd);
    this.vectors.delete(index);
  }

  /** SET_IRQS without descriptors: masks, unmasks or triggers. */
  actOnIrqs(index: number, action: number, start: number, count: number): void {
    this.requestIrqs(index, P.IRQ_SET_DATA_NONE | action, start, count, []);
  }

  attach(_ioas: AddressSpace | null): never {
    throw new VfioError('EOPNOTSUPP', 'a client gives memory with map()');
  }

  reset(): void {
    this.request(P.VFIO_USER_DEVICE_RESET);
  }

  open(): void {}

  close(): void {
    for (const vectors of this.vectors.values()) {
      for (const vector of vectors) if (vector) this.libc.close(vector.fd);
    }
    this.vectors.clear();
    this.connection.close();
  }

  /** Lets the server reach memory of ours. */
  map(memory: ClientMemory): void {
    const { size } = memory;
    const fds = memory.fd < 0 ? [] : [memory.fd];
    const fill = (payload: DataView): void => {
      payload.setUint32(P.ARGSZ, P.DMA_MAP_BYTES, true);
      payload.setUint32(P.FLAGS, P.DMA_MAP_FLAG_READ | P.DMA_MAP_FLAG_WRITE, true);
      payload.setBigUint64(P.DMA_MAP_ADDRESS, BigInt(memory.iova(0)), true);
      payload.setBigUint64(P.DMA_MAP_SIZE, BigInt(size), true);
    };
    this.request(P.VFIO_USER_DMA_MAP, P.DMA_MAP_BYTES, fill, fds);
    this.memories.push(memory);
  }

  unmap(memory: ClientMemory): void {
    this.request(P.VFIO_USER_DMA_UNMAP, P.DMA_UNMAP_BYTES, (payload) => {
      payload.setUint32(P.ARGSZ, P.DMA_UNMAP_BYTES, true);
      payload.setBigUint64(P.DMA_UNMAP_ADDRESS, BigInt(memory.iova(0)), true);
      payload.setBigUint64(P.DMA_UNMAP_SIZE, BigInt(memory.size), true);
    });
    this.memories.splice(this.memories.indexOf(memory), 1);
  }

  /** Calls the handlers of interrupts that have come; true if there were any. */
  takeIrqs(): boolean {
    let hasCome = false;
    for (const vectors of this.vectors.values()) {
      vectors.forEach((vector, index) => {
        if (!vector || this.libc.read(vector.fd, this.count, 8) !== 8) return;
        hasCome = true;
        vector.handler(index, 0);
      });
    }
    return hasCome;
  }

  private requestIrqs(index: number, flags: number, start: number, count: number, fds: readonly number[]): void {
    const fill = (payload: DataView): void => {
      payload.setUint32(P.ARGSZ, P.SET_IRQS_DATA, true);
      payload.setUint32(P.FLAGS, flags, true);
      payload.setUint32(P.SET_IRQS_INDEX, index, true);
      payload.setUint32(P.SET_IRQS_START, start, true);
      payload.setUint32(P.SET_IRQS_COUNT, count, true);
    };
    this.request(P.VFIO_USER_DEVICE_SET_IRQS, P.SET_IRQS_DATA, fill, fds);
  }

  private send(
    command: number,
    flags: number,
    bytes: number,
    fill?: (payload: DataView) => void,
    fds?: readonly number[],
  ): number {
    const id = this.nextId;
    this.nextId = (id + 1) & 0xffff;
    this.connection.send({ id, command, flags: P.FLAG_TYPE_COMMAND | flags }, bytes, fill, fds);
    return id;
  }

  /** Payload of the reply, valid until the next call. Throws VfioError where the server refuses. */
  private request(command: number, bytes = 0, fill?: (payload: DataView) => void, fds?: readonly number[]): DataView {
    const id = this.send(command, 0, bytes, fill, fds);
    const { connection } = this;
    const deadline = performance.now() + REPLY_TIMEOUT_MS;
    while (!connection.isClosed && performance.now() < deadline) {
      for (let message = connection.next(); message !== null; message = connection.next()) {
        if ((message.flags & P.FLAG_TYPE_MASK) === P.FLAG_TYPE_COMMAND) this.takeDma(message);
        else if (message.id === id) return this.payloadOf(message);
      }
      connection.flush();
      this.pump?.();
      if (this.pump !== null || connection.wait(deadline - performance.now())) {
        connection.receive();
      }
    }
    throw new NicError(
      'SOCKET',
      connection.isClosed ? 'the server closed the connection' : 'the server does not answer',
    );
  }

  private payloadOf(message: Message): DataView {
    if ((message.flags & P.FLAG_ERROR) === 0) return message.payload;
    const name = (Object.keys(ERRNO) as ErrnoName[]).find((one) => ERRNO[one] === message.error) ?? 'EIO';
    throw new VfioError(name, `the server refuses command ${message.command}`, message.error);
  }

  private takeDma(message: Message): void {
    if (this.onDma === null) {
      this.serveDma(message);
      return;
    }
    const { buffer, byteOffset, byteLength } = message.payload; // valid until the next message
    const payload = new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
    this.onDma(() => this.serveDma({ ...message, payload }), message.command === P.VFIO_USER_DMA_WRITE);
  }

  private serveDma(message: Message): void {
    const address = Number(message.payload.getBigUint64(P.DMA_ADDRESS, true));
    const count = Number(message.payload.getBigUint64(P.DMA_COUNT, true));
    const memory = this.memories.find((one) => address >= one.iova(0) && address + count <= one.iova(0) + one.size);
    if (memory === undefined) {
      this.connection.replyError(message, ERRNO.EFAULT);
      return;
    }
    const bytes = memory.u8.subarray(address - memory.iova(0), address - memory.iova(0) + count);
    const isRead = message.command === P.VFIO_USER_DMA_READ;
    if (!isRead) bytes.set(bytesOf(message.payload, P.DMA_DATA));
    this.connection.reply(message, isRead ? P.DMA_DATA + count : P.DMA_DATA, (payload) => {
      payload.setBigUint64(P.DMA_ADDRESS, BigInt(address), true);
      payload.setBigUint64(P.DMA_COUNT, BigInt(count), true);
      if (isRead) bytesOf(payload, P.DMA_DATA).set(bytes);
    });
  }
}

function bytesOf(payload: DataView, offset: number): Uint8Array {
  return new Uint8Array(payload.buffer, payload.byteOffset + offset, payload.byteLength - offset);
}

function fillAccess(payload: DataView, region: number, offset: number, count: number): void {
  payload.setBigUint64(P.REGION_OFFSET, BigInt(offset), true);
  payload.setUint32(P.REGION_INDEX, region, true);
  payload.setUint32(P.REGION_COUNT, count, true);
}
