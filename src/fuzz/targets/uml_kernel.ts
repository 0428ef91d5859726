// SPDX-License-Identifier: Apache-2.0
// A User Mode Linux kernel, as hostile as the input wants it, that knows what it is owed: it reads its own stream of bytes,
// asks the model of what may be said, and every reply and every used buffer has to be one of those that are due.
import { Breach } from './breach.ts';
import { ClientFile, FakeSocket, type FakeSystem } from './fake_system.ts';
import type { Observer } from './observer.ts';
import { RAM_BYTES, RINGS, UmlModel, type Used } from './uml_model.ts';

const HEADER = 12;
const REPLY_BYTES = 20;
const STEP_SENT = 0x1000_0000;
const STEP_REPLY = 0x2000_0000;
const STEP_CALL = 0x3000_0000;

interface Due {
  readonly request: number;
  readonly value: bigint;
  readonly isOptional: boolean;
}

export class UmlFuzzKernel {
  readonly socket: FakeSocket;
  readonly memory: ClientFile;
  /** There is a reason to drop it beside what it says. */
  mayBeDropped = false;
  /** It said what cannot be. */
  private isLiar = false;
  private readonly system: FakeSystem;
  private readonly observer: Observer;
  private readonly model: UmlModel;
  private readonly channels: ClientFile[] = [];
  /** Files by the position in the stream from which on they belong to a message. */
  private readonly files: { readonly end: number; readonly list: readonly ClientFile[] }[] = [];
  private sent = new Uint8Array(0);
  private position = 0;
  private due: Due[] = [];
  private incoming = new Uint8Array(0);
  private usedSeen = 0;

  constructor(system: FakeSystem, observer: Observer, memory: ClientFile) {
    this.system = system;
    this.observer = observer;
    this.memory = memory;
    this.model = new UmlModel((offset, length) => system.look(memory, offset, length));
    this.socket = new FakeSocket(system);
    this.socket.onBytes = (bytes) => this.receive(bytes);
  }

  get hasSpoken(): boolean {
    return this.position > 0;
  }

  channel(): ClientFile {
    const file = new ClientFile('channel', new Uint8Array(0), []);
    this.channels.push(file);
    return file;
  }

  /** How many messages the channels take from now on. */
  setRoom(messages: number): void {
    for (const channel of this.channels) channel.room = messages;
  }

  send(bytes: Uint8Array, files: readonly ClientFile[] = []): void {
    if (this.socket.isHungUp || this.socket.isClosed || bytes.length === 0) return;
    this.files.push({ end: this.position + this.sent.length + bytes.length, list: files });
    this.sent = Uint8Array.from([...this.sent, ...bytes]);
    this.readOwnStream();
    this.socket.push(bytes, files);
  }

  hangUp(): void {
    this.socket.isHungUp = true;
  }

  /** The model cannot tell any more what is right. */
  loosen(): void {
    this.model.isLoose = true;
  }

  /** Nothing is under way: a kernel that lied is gone, another one has all that it is owed. */
  checkAtRest(): void {
    for (const { sent } of this.channels) for (const message of sent.splice(0)) this.called(message);
    if (this.socket.isHungUp) return;
    const mayGo = this.isLiar || this.mayBeDropped || this.model.isLoose;
    if (this.socket.isClosed) {
      if (!mayGo) throw new Breach('the server drops a kernel for no reason');
      return;
    }
    if (this.isLiar && !this.model.isLoose) throw new Breach('the server goes on with a kernel that lied');
    if (this.due.some(({ isOptional }) => !isOptional))
      throw new Breach(`request ${this.due[0]!.request} is never answered`);
    if (this.incoming.length > 0) throw new Breach('the server sends half a message');
    this.checkUsed();
  }

  private checkUsed(): void {
    if (this.model.isLoose || this.isLiar) return;
    const ring = RINGS[0]![2];
    const index = new DataView(this.system.look(this.memory, ring + 2, 2).buffer).getUint16(0, true);
    const { used } = this.model;
    if (used.length > this.usedSeen && index !== (used.length & 0xffff)) {
      throw new Breach(`${used.length} buffers were available, and ${index} are used`, 'O2');
    }
    for (; this.usedSeen < used.length; this.usedSeen++) this.checkElement(used[this.usedSeen]!, ring);
  }

  private checkElement(expected: Used, ring: number): void {
    if (this.model.used.length - this.usedSeen > 8) return; // written over since
    const view = new DataView(this.system.look(this.memory, ring + 4 + 8 * (this.usedSeen % 8), 8).buffer);
    const [id, bytes] = [view.getUint32(0, true), view.getUint32(4, true)];
    if (id !== expected.id || bytes !== expected.bytes) {
      throw new Breach(`buffer ${expected.id} with ${expected.bytes} bytes is used as ${id} with ${bytes}`, 'O3');
    }
  }

  private readOwnStream(): void {
    while (this.sent.length >= HEADER && !this.isLiar) {
      const header = new DataView(this.sent.slice(0, HEADER).buffer);
      const [request, flags, size] = [0, 4, 8].map((at) => header.getUint32(at, true)) as [number, number, number];
      const isPossible = UmlModel.isPossible(size);
      if (isPossible && this.sent.length < HEADER + size) return;
      const end = HEADER + (isPossible ? size : 0);
      const payload = this.sent.slice(HEADER, end);
      this.sent = this.sent.slice(end);
      this.position += end;
      this.judge(request, flags, payload, isPossible, this.filesUpTo(this.position));
    }
  }

  private judge(
    request: number,
    flags: number,
    payload: Uint8Array,
    isPossible: boolean,
    files: readonly ClientFile[][],
  ): void {
    const list = files.flat();
    const hasLost = files.some((some) => some.length > 16);
    const known = list.map(({ kind, size }) => ({ kind, bytes: kind === 'sealed' || kind === 'unsealed' ? size : -1 }));
    const verdict = isPossible ? this.model.judge(request, flags, payload, known, hasLost) : 'lie';
    this.observer.step(STEP_SENT + (request & 0xff) * 16 + ['right', 'lie', 'either'].indexOf(verdict), payload.length);
    if (verdict === 'lie') this.isLiar = true;
    else if (request === 5) this.grant();
    const value = verdict === 'lie' ? null : this.model.reply(request, flags);
    if (value !== null) this.due.push({ request, value, isOptional: verdict === 'either' });
  }

  private grant(): void {
    const grants = this.memory.grants as { offset: number; size: number; isWritable: boolean }[];
    for (const grant of this.model.grants()) grants.push({ ...grant, isWritable: true });
  }

  private filesUpTo(position: number): ClientFile[][] {
    const lists: ClientFile[][] = [];
    while (this.files.length > 0 && this.files[0]!.end <= position) lists.push([...this.files.shift()!.list]);
    return lists;
  }

  private receive(bytes: Uint8Array): void {
    this.incoming = Uint8Array.from([...this.incoming, ...bytes]);
    while (this.incoming.length >= REPLY_BYTES) {
      const view = new DataView(this.incoming.slice(0, REPLY_BYTES).buffer);
      this.incoming = this.incoming.slice(REPLY_BYTES);
      const [request, flags, size] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [number, number, number];
      const value = view.getBigUint64(HEADER, true);
      this.observer.step(STEP_REPLY + request, Number(value & 0xffn));
      if (flags !== 5 || size !== 8) throw new Breach(`a reply with flags ${flags} and ${size} bytes`);
      while (this.due[0]?.isOptional === true && this.due[0].request !== request) this.due.shift();
      const due = this.due.shift();
      if (due === undefined || due.request !== request)
        throw new Breach(`a reply to request ${request}, which is not due`);
      if (due.value !== value) throw new Breach(`the reply to request ${request} is ${value} instead of ${due.value}`);
    }
  }

  private called(message: Uint8Array): void {
    const words = [0, 4, 8, 12, 16].map((at) => new DataView(message.buffer).getUint32(at, true));
    this.observer.step(STEP_CALL, words[3]!);
    const [index = 2] = words.slice(3);
    if (String(words) !== String([4, 1, 8, index, 0]) || index > 1) throw new Breach(`the channel says ${words}`);
  }
}

/** A memory file of a kernel, shared by all that come in a run. */
export function memoryFile(kind: 'sealed' | 'unsealed'): ClientFile {
  return new ClientFile(kind, new Uint8Array(RAM_BYTES), []);
}
