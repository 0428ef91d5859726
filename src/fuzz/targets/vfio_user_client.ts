// SPDX-License-Identifier: Apache-2.0
// A client of the vfio-user server, as hostile as the input wants it, that knows what it is owed: it reads its own stream
// of bytes as the protocol says, and every reply has to be one of those that are due. Numbers are the protocol's, typed again.
import { Breach } from './breach.ts';
import type { Observer } from './observer.ts';
import { ClientFile, FakeSocket, type FakeSystem, type Grant } from './fake_system.ts';

const HEADER = 16;
const MOST_BYTES = HEADER + 16 + (1 << 20);
const REPLY = 1;
const TYPE = 0xf;
const NO_REPLY = 0x10;
const ERROR = 0x20;
const [VERSION, DMA_MAP, DMA_UNMAP, READ, DMA_READ, DMA_WRITE] = [1, 2, 3, 9, 11, 12];
/** Bytes of a whole reply that succeeded, by command. */
/** Sizes of the BARs; what lies behind their end is refused. */
/** BAR 0 of a transitional function: common registers of 20 bytes, two vectors of 2, network configuration up to max_virtqueue_pairs (10). */
const BAR_BYTES: Readonly<Record<number, number>> = { 0: 20 + 4 + 10, 2: 0x4000, 4: 0x1000 };
const REPLY_BYTES: Readonly<Record<number, number>> = {
  2: 16,
  3: 40,
  4: 32,
  5: 48,
  6: 32,
  7: 32,
  8: 16,
  10: 32,
  13: 16,
  15: 24,
};
const STEP_REPLY = 0x1000_0000;
const STEP_SENT = 0x2000_0000;
const STEP_ASKED = 0x3000_0000;

/** Shape of an answer to DMA_READ or DMA_WRITE. */
export const DMA_ANSWERS = [
  'right',
  'error',
  'another id first',
  'short',
  'long',
  'none',
  'hang up',
  'read first',
].concat(['reset first', 'posted write first', 'impossible size', 'map first']);

/** A message that was sent as a whole. */
interface Due {
  readonly id: number;
  readonly command: number;
  /** Not every message that is no command needs an answer. */
  readonly isOptional: boolean;
  readonly replyBytes: number;
  readonly payload: Uint8Array;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
}

export class HostileClient {
  readonly socket: FakeSocket;
  /** Who let the connection end: there is a reason, or there must not be one. */
  mayBeDropped = false;
  /** How the next requests of the server are answered. */
  readonly answers: number[] = [];
  isGreeted = false;
  private readonly observer: Observer;
  private readonly ram: Uint8Array;
  private readonly due: Due[] = [];
  private readonly grants: Grant[] = [];
  private readonly ranges: Range[] = [];
  private sent: number[] = [];
  private isStreamDead = false;
  private isFirst = true;
  private incoming = new Uint8Array(0);

  constructor(system: FakeSystem, observer: Observer, ram: Uint8Array) {
    this.observer = observer;
    this.ram = ram;
    this.socket = new FakeSocket(system);
    this.socket.onBytes = (bytes) => this.receive(bytes);
  }

  /** A file that this client may give to the server. */
  file(kind: 'sealed' | 'unsealed' | 'eventfd' | 'other', bytes: number): ClientFile {
    return new ClientFile(kind, this.ram.slice(0, bytes), this.grants);
  }

  send(bytes: Uint8Array, files: readonly ClientFile[] = []): void {
    if (this.socket.isHungUp || this.socket.isClosed) return;
    for (const byte of bytes) this.sent.push(byte);
    this.readOwnStream();
    this.socket.push(bytes, files);
  }

  hangUp(): void {
    this.socket.isHungUp = true;
    this.mayBeDropped = true;
  }

  /** At rest, with room for every reply: nothing may be owed, and a connection that was dropped must have a reason. */
  checkAtRest(): void {
    if (this.socket.isHungUp) return;
    if (this.socket.isClosed) {
      if (!this.mayBeDropped) throw new Breach('the server drops a client for no reason');
      return;
    }
    const owed = this.due.find(({ isOptional }) => !isOptional);
    if (owed !== undefined) throw new Breach(`command ${owed.command} is never answered`);
    if (this.incoming.length > 0) throw new Breach('the server sends half a message');
  }

  private readOwnStream(): void {
    while (!this.isStreamDead && this.sent.length >= HEADER) {
      const header = new DataView(Uint8Array.from(this.sent.slice(0, HEADER)).buffer);
      const size = header.getUint32(4, true);
      const isPossible = size >= HEADER && size <= MOST_BYTES;
      if (isPossible && this.sent.length < size) return;
      const payload = Uint8Array.from(isPossible ? this.sent.slice(HEADER, size) : []);
      this.sent = this.sent.slice(isPossible ? size : HEADER);
      const flags = header.getUint32(8, true);
      const command = header.getUint16(2, true);
      this.observer.step(STEP_SENT + command * 16 + (flags & 0xf), payload.length);
      const isCommand = (flags & TYPE) === 0;
      const isOptional = !isPossible || !isCommand || (this.isFirst && (flags & NO_REPLY) !== 0);
      if (!isPossible) {
        this.isStreamDead = true;
        this.mayBeDropped = true;
      }
      this.isFirst = false;
      if (isCommand && command === DMA_MAP && payload.length >= 32) this.grantMap(payload, (flags & NO_REPLY) !== 0);
      if (isOptional || (flags & NO_REPLY) === 0) {
        const replyBytes = this.replyBytes(command, payload);
        this.due.push({ id: header.getUint16(0, true), command, isOptional, replyBytes, payload });
      }
    }
  }

  private replyBytes(command: number, payload: Uint8Array): number {
    if (command !== READ) return REPLY_BYTES[command] ?? -1;
    if (payload.length < 16) return -1;
    const view = new DataView(payload.buffer);
    const left = (BAR_BYTES[view.getUint32(8, true)] ?? Infinity) - wide(view, 0);
    return HEADER + 16 + Math.min(view.getUint32(12, true), left); // short where a BAR ends, as pread(2) has it
  }

  private grantMap(payload: Uint8Array, isPosted: boolean): void {
    const view = new DataView(payload.buffer);
    const isWritable = (view.getUint32(4, true) & 2) !== 0;
    this.grants.push({ offset: wide(view, 8), size: wide(view, 24), isWritable });
    if (isPosted) this.ranges.push(rangeOf(view));
  }

  private receive(bytes: Uint8Array): void {
    this.incoming = join(this.incoming, bytes);
    while (this.incoming.length >= HEADER) {
      const view = new DataView(this.incoming.buffer, this.incoming.byteOffset);
      const size = view.getUint32(4, true);
      if (size < HEADER || size > MOST_BYTES) throw new Breach(`the server sends a message of ${size} bytes`);
      if (this.incoming.length < size) return;
      const message = this.incoming.slice(0, size);
      this.incoming = this.incoming.slice(size);
      this.take(new DataView(message.buffer), message);
    }
  }

  private take(view: DataView, message: Uint8Array): void {
    const [id, command, flags, errno] = [
      view.getUint16(0, true),
      view.getUint16(2, true),
      view.getUint32(8, true),
      view.getUint32(12, true),
    ];
    if (flags === 0 && (command === DMA_READ || command === DMA_WRITE)) {
      this.asked(id, command, view, message);
      return;
    }
    this.observer.step(STEP_REPLY + command * 0x100 + errno, checksum(message));
    if (flags !== REPLY && flags !== (REPLY | ERROR)) throw new Breach(`a reply with flags 0x${flags.toString(16)}`);
    while (this.due[0]?.isOptional === true && !(this.due[0].id === id && this.due[0].command === command))
      this.due.shift();
    const due = this.due.shift();
    if (due === undefined || due.id !== id || due.command !== command) {
      throw new Breach(`a reply to command ${command} with id ${id}, which is not due`);
    }
    if (flags === REPLY) this.succeeded(due, errno, message.length);
    else this.failed(errno, message.length);
  }

  private succeeded(due: Due, errno: number, bytes: number): void {
    if (errno !== 0) throw new Breach(`a reply without the error flag has error ${errno}`);
    if (due.replyBytes >= 0 && due.replyBytes !== bytes) {
      throw new Breach(`the reply to command ${due.command} has ${bytes} bytes instead of ${due.replyBytes}`);
    }
    const view = new DataView(due.payload.buffer);
    if (due.command === VERSION) this.isGreeted = true;
    else if (due.command === DMA_MAP) this.ranges.push(rangeOf(view));
    else if (due.command === DMA_UNMAP) this.forget(view);
  }

  private failed(errno: number, bytes: number): void {
    if (errno === 0 || errno > 133) throw new Breach(`an error reply with error ${errno}`);
    if (bytes !== HEADER) throw new Breach(`an error reply of ${bytes} bytes`);
    if (!this.isGreeted) this.mayBeDropped = true;
  }

  private forget(view: DataView): void {
    if (view.getUint32(4, true) === 2) this.ranges.length = 0;
    const start = wide(view, 8);
    const end = start + wide(view, 16);
    const left = this.ranges.filter((range) => range.start < start || range.end > end);
    this.ranges.splice(0, Infinity, ...left);
  }

  /** The server asks for memory of this client: it has to be memory that it was given. */
  private asked(id: number, command: number, view: DataView, message: Uint8Array): void {
    const [address, count] = [wide(view, HEADER), wide(view, HEADER + 8)];
    const isRead = command === DMA_READ;
    const isGiven = this.ranges.some(
      (range) =>
        address >= range.start && address + count <= range.end && (isRead ? range.isReadable : range.isWritable),
    );
    if (!isGiven)
      throw new Breach(`the server asks for ${count} bytes at 0x${address.toString(16)}, which it was not given`, 'O4');
    // an answer in the middle of a message is none
    if (this.sent.length > 0) this.mayBeDropped = true;
    const answer = (this.answers.shift() ?? 0) % DMA_ANSWERS.length;
    this.observer.step(STEP_ASKED + command * 16 + answer, address);
    const bytes = HEADER + 16 + (isRead ? count : 0);
    const reply = new Uint8Array(bytes);
    const out = new DataView(reply.buffer);
    out.setUint16(0, id, true);
    out.setUint16(2, command, true);
    out.setUint32(4, bytes, true);
    out.setUint32(8, REPLY, true);
    reply.set(message.subarray(HEADER, HEADER + 16), HEADER);
    for (let i = 0; i < count; i++) {
      if (isRead) reply[HEADER + 16 + i] = this.ram[(address + i) & 0xffff]!;
      else this.ram[(address + i) & 0xffff] = message[HEADER + 16 + i]!;
    }
    this.answer(answer, out, reply);
  }

  private answer(kind: number, view: DataView, reply: Uint8Array): void {
    const info = Uint8Array.from([0x77, 0x77, 4, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, ...new Uint8Array(15)]);
    const first = (command: number, flags: number, ...payload: number[]): Uint8Array =>
      Uint8Array.from([
        0x66,
        0x66,
        command,
        0,
        HEADER + payload.length,
        0,
        0,
        0,
        flags,
        ...new Uint8Array(7),
        ...payload,
      ]);
    switch (DMA_ANSWERS[kind]) {
      case 'error':
        view.setUint32(8, REPLY | ERROR, true);
        view.setUint32(12, 14, true);
        view.setUint32(4, HEADER, true);
        this.send(reply.subarray(0, HEADER));
        return;
      case 'another id first': {
        const other = reply.slice();
        other[0]! ^= 0x55;
        this.send(other);
        break;
      }
      case 'short':
        view.setUint32(4, HEADER + 8, true);
        this.send(reply.subarray(0, HEADER + 8));
        return;
      case 'long':
        view.setUint32(4, reply.length + 8, true);
        this.send(join(reply, new Uint8Array(8)));
        return;
      case 'none':
        this.mayBeDropped = true;
        return;
      case 'hang up':
        this.hangUp();
        return;
      case 'read first':
        this.send(info);
        break;
      case 'reset first':
        this.send(first(13, 0));
        break;
      case 'posted write first':
        this.send(first(10, NO_REPLY, 4, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0));
        break;
      case 'impossible size':
        view.setUint32(4, 3, true);
        break;
      case 'map first':
        this.send(first(DMA_UNMAP, 0, 24, 0, 0, 0, 2, ...new Uint8Array(19)));
        break;
      default:
        break;
    }
    this.send(reply);
  }
}

function rangeOf(view: DataView): Range {
  const flags = view.getUint32(4, true);
  const start = wide(view, 16);
  return { start, end: start + wide(view, 24), isReadable: (flags & 1) !== 0, isWritable: (flags & 2) !== 0 };
}

function wide(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}
