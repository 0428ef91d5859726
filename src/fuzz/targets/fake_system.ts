// SPDX-License-Identifier: Apache-2.0
// The system below a server under attack: file descriptors, mappings, readiness and sockets, all in this process
// and all counted. A descriptor that is used after it was closed, a mapping behind the file that a client gave, or
// anything that is left over at the end is the server's mistake.
import { F_GET_SEALS, F_SEAL_SHRINK, PROT_WRITE, type FileCalls, type NativeBytes } from '../../native/libc.ts';
import { EPOLLIN, EPOLLOUT, type DescriptorSet, type ReadyHandler } from '../../native/poller.ts';
import { CLOSED, MAX_MESSAGE_FDS, WOULD_BLOCK } from '../../native/unix_socket.ts';
import type { MessageSocket } from '../../peer/message_input.ts';
import { Breach } from './breach.ts';

/** What a descriptor of a client leads to. */
export type FileKind = 'sealed' | 'unsealed' | 'eventfd' | 'channel' | 'other';

/** A part of a file that the client gave to the server. */
export interface Grant {
  readonly offset: number;
  readonly size: number;
  readonly isWritable: boolean;
}

/** A file of a client, whatever number it has. */
export class ClientFile {
  readonly kind: FileKind;
  readonly bytes: Uint8Array;
  /** What the server may touch of it. */
  readonly grants: readonly Grant[];
  signals = 0;
  /** Bytes that a file has, less than `bytes` where it was cut. */
  size: number;
  /** Messages that a channel takes before nobody reads it any more. */
  room = Infinity;
  /** What was sent into a channel. */
  readonly sent: Uint8Array[] = [];

  constructor(kind: FileKind, bytes: Uint8Array, grants: readonly Grant[]) {
    this.kind = kind;
    this.bytes = bytes;
    this.size = bytes.length;
    this.grants = grants;
  }
}

interface Mapping {
  readonly file: ClientFile;
  readonly offset: number;
  readonly isWritable: boolean;
  readonly view: Uint8Array;
  readonly before: Uint8Array;
}

/** Calls that a run may make before it counts as an endless loop. */
const MOST_CALLS = 50_000;
const MAPPING_STRIDE = 1n << 40n;

export class FakeSystem implements FileCalls, DescriptorSet {
  private readonly files = new Map<number, ClientFile | FakeSocket>();
  private readonly mappings = new Map<bigint, Mapping>();
  private readonly handlers = new Map<number, { handler: ReadyHandler; events: number }>();
  private waiting: (() => void)[] = [];
  private nextFd = 3;
  private nextMapping = 1n;
  private calls = 0;

  /** A number for a file, as the kernel gives one with a message. */
  give(file: ClientFile | FakeSocket): number {
    const fd = this.nextFd++;
    this.files.set(fd, file);
    return fd;
  }

  /** Everything that is open or waited for; empty when the server has let go of all. */
  leftovers(): string[] {
    return [
      ...[...this.files.keys()].map((fd) => `descriptor ${fd}`),
      ...[...this.mappings.keys()].map((address) => `mapping ${address / MAPPING_STRIDE}`),
      ...[...this.handlers.keys()].map((fd) => `waiting for ${fd}`),
    ];
  }

  /** The client writes into memory that it shares. */
  poke(offset: number, bytes: Uint8Array): void {
    for (const { view, before, offset: base } of this.mappings.values()) {
      if (offset < base || offset - base + bytes.length > view.length) continue;
      view.set(bytes, offset - base);
      before.set(bytes, offset - base);
    }
  }

  /** What a file holds, as the server has written it so far. */
  look(file: ClientFile, offset: number, length: number): Uint8Array {
    for (const { file: mapped, offset: base, view } of this.mappings.values()) {
      const from = offset - base;
      if (mapped === file && from >= 0 && from + length <= view.length) return view.slice(from, from + length);
    }
    return file.bytes.slice(offset, offset + length);
  }

  /** The client writes into a file of its own, mapped or not. */
  share(file: ClientFile, offset: number, bytes: Uint8Array): void {
    file.bytes.set(bytes, offset);
    this.poke(offset, bytes);
  }

  /** A descriptor that the client sent, as a socket of which the server writes to the other end. */
  channel(fd: number): MessageSocket {
    const file = this.file(fd);
    return {
      fd,
      received: [],
      hasLostFds: false,
      receive: () => CLOSED,
      wait: () => false,
      close: () => void this.close(fd),
      send: (from, at, length) => {
        this.count();
        if (file.kind !== 'channel') return CLOSED; // ENOTSOCK
        if (file.room === 0) return WOULD_BLOCK;
        file.room--;
        file.sent.push(from.u8.slice(at, at + length));
        return length;
      },
    };
  }

  /** A new run. */
  reset(): void {
    this.files.clear();
    this.mappings.clear();
    this.handlers.clear();
    this.waiting = [];
    this.nextFd = 3;
    this.nextMapping = 1n;
    this.calls = 0;
  }

  /** Lets the server work until nothing is ready. */
  pump(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = this.waiting.length > 0;
      for (const work of this.waiting.splice(0)) work();
      for (const [fd, { handler, events }] of this.handlers) {
        const file = this.files.get(fd);
        const ready =
          file instanceof FakeSocket ? file.ready(events) : file === undefined ? 0 : readyFile(file, events);
        if (ready === 0) continue;
        isBusy = true;
        this.count();
        handler(ready);
      }
    }
  }

  add(fd: number, handler: ReadyHandler, events = EPOLLIN): void {
    this.find(fd);
    if (this.handlers.has(fd)) throw new Breach(`descriptor ${fd} is waited for twice`);
    this.handlers.set(fd, { handler, events });
  }

  modify(fd: number, events: number): void {
    const entry = this.handlers.get(fd);
    if (entry === undefined) throw new Breach(`descriptor ${fd} is not waited for`);
    entry.events = events;
  }

  remove(fd: number): void {
    this.find(fd);
    if (!this.handlers.delete(fd)) throw new Breach(`descriptor ${fd} is not waited for`);
  }

  soon(work: () => void): void {
    this.waiting.push(work);
  }

  bytes(length: number): NativeBytes {
    const u8 = new Uint8Array(new ArrayBuffer(length));
    return { u8, view: new DataView(u8.buffer), address: 0n };
  }

  close(fd: number): number {
    this.find(fd);
    if (this.handlers.has(fd)) throw new Breach(`descriptor ${fd} is closed while it is waited for`);
    this.files.delete(fd);
    return 0;
  }

  fcntl(fd: number, command: number): number {
    return command === F_GET_SEALS && this.file(fd).kind === 'sealed' ? F_SEAL_SHRINK : 0;
  }

  fileSize(fd: number): number {
    const file = this.file(fd);
    return file.kind === 'sealed' || file.kind === 'unsealed' ? file.size : -1;
  }

  isEventfd(fd: number): boolean {
    return this.file(fd).kind === 'eventfd';
  }

  mmap(_address: null, length: number, protection: number, _flags: number, fd: number, offset: number): bigint {
    const file = this.file(fd);
    const isWritable = (protection & PROT_WRITE) !== 0;
    if (offset % 4096 !== 0 || length === 0) return 0xffff_ffff_ffff_ffffn;
    this.checkGrant(file, offset, length, isWritable);
    for (const other of this.mappings.values()) {
      if (other.file === file && other.isWritable) file.bytes.set(other.view, other.offset);
    }
    const view = Uint8Array.from(file.bytes.subarray(offset, offset + length));
    const address = this.nextMapping * MAPPING_STRIDE;
    this.nextMapping++;
    this.mappings.set(address, { file, offset, isWritable, view, before: view.slice() });
    return address;
  }

  munmap(address: bigint, length: number): number {
    const mapping = this.mappings.get(address);
    if (mapping === undefined || mapping.view.length !== length) throw new Breach('what is unmapped is no mapping');
    const { view, before, file, offset, isWritable } = mapping;
    if (isWritable) file.bytes.set(view, offset);
    else if (view.some((byte, i) => byte !== before[i]))
      throw new Breach('a mapping that is read-only was written', 'O4');
    structuredClone(view.buffer, { transfer: [view.buffer] }); // who looks at it from now on sees nothing
    this.mappings.delete(address);
    return 0;
  }

  view(address: bigint, length: number): Uint8Array {
    const mapping = this.mappings.get(address);
    if (mapping === undefined || mapping.view.length !== length) throw new Breach('a view on what is no mapping');
    return mapping.view;
  }

  read(fd: number): number {
    this.file(fd).signals = 0;
    return 8;
  }

  write(fd: number, _data: unknown, length: number): number {
    const file = this.file(fd);
    if (file.kind !== 'eventfd') throw new Breach(`descriptor ${fd} is signalled and is no eventfd`);
    file.signals++;
    return length;
  }

  pread(fd: number, data: Uint8Array, length: number, offset: number): number {
    const file = this.file(fd);
    this.checkGrant(file, offset, length, false);
    const count = Math.max(0, Math.min(length, file.size - offset));
    data.set(file.bytes.subarray(offset, offset + count));
    return count;
  }

  pwrite(fd: number, data: Uint8Array, length: number, offset: number): number {
    const file = this.file(fd);
    this.checkGrant(file, offset, length, true);
    file.bytes.set(data.subarray(0, length), offset);
    return length;
  }

  /** One more call; throws Breach where there were too many. */
  count(): void {
    this.calls++;
    if (this.calls > MOST_CALLS) throw new Breach('the server is in an endless loop', 'O2');
  }

  private find(fd: number): ClientFile | FakeSocket {
    this.count();
    const file = this.files.get(fd);
    if (file === undefined) throw new Breach(`descriptor ${fd} is used and is not open`);
    return file;
  }

  private file(fd: number): ClientFile {
    const file = this.find(fd);
    if (file instanceof FakeSocket) throw new Breach(`descriptor ${fd} is a socket`);
    return file;
  }

  private checkGrant(file: ClientFile, offset: number, length: number, isWritten: boolean): void {
    const isGranted = file.grants.some(
      (grant) =>
        offset >= grant.offset && offset + length <= grant.offset + grant.size && (!isWritten || grant.isWritable),
    );
    if (!isGranted) throw new Breach(`${length} bytes at ${offset} of a file were not given to the server`, 'O4');
  }
}

/** Which of the events have happened to a file. */
function readyFile({ signals, room }: ClientFile, events: number): number {
  return events & ((signals > 0 ? EPOLLIN : 0) | (room > 0 ? EPOLLOUT : 0));
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly files: readonly ClientFile[];
}

/** The server's end of a connection. */
export class FakeSocket implements MessageSocket {
  readonly fd: number;
  received: number[] = [];
  hasLostFds = false;
  /** The client hung up. */
  isHungUp = false;
  /** The server let go. */
  isClosed = false;
  /** Bytes that the client takes before it stops reading. */
  room = Infinity;
  /** Called with what the server sends. */
  onBytes: (bytes: Uint8Array) => void = () => {};
  private readonly system: FakeSystem;
  private readonly chunks: Chunk[] = [];

  constructor(system: FakeSystem) {
    this.system = system;
    this.fd = system.give(this);
  }

  /** The client sends. */
  push(bytes: Uint8Array, files: readonly ClientFile[] = []): void {
    if (bytes.length > 0) this.chunks.push({ bytes, files });
  }

  /** Which of the events have happened. */
  ready(events: number): number {
    const hasInput = this.chunks.length > 0 || this.isHungUp;
    return events & ((hasInput ? EPOLLIN : 0) | (this.room > 0 || this.isHungUp ? EPOLLOUT : 0));
  }

  receive(into: NativeBytes, at: number, length: number): number {
    this.system.count();
    const chunk = this.chunks.shift();
    if (chunk === undefined) return this.isHungUp ? CLOSED : WOULD_BLOCK;
    const count = Math.min(length, chunk.bytes.length);
    into.u8.set(chunk.bytes.subarray(0, count), at);
    if (count < chunk.bytes.length) this.chunks.unshift({ bytes: chunk.bytes.subarray(count), files: [] });
    this.received = chunk.files.slice(0, MAX_MESSAGE_FDS).map((file) => this.system.give(file));
    this.hasLostFds = chunk.files.length > MAX_MESSAGE_FDS;
    return count;
  }

  send(from: NativeBytes, at: number, length: number): number {
    this.system.count();
    if (this.isHungUp) return CLOSED;
    const count = Math.min(length, this.room);
    if (count === 0) return WOULD_BLOCK;
    this.room -= count;
    this.onBytes(from.u8.slice(at, at + count));
    return count;
  }

  wait(): boolean {
    return this.chunks.length > 0 || this.isHungUp;
  }

  close(): void {
    this.isClosed = true;
    this.system.close(this.fd);
  }
}
