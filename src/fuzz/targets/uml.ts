// SPDX-License-Identifier: Apache-2.0
// Fuzz target `uml`: the server for User Mode Linux under hostile kernels, with a real card behind it, in one process. Who
// says what cannot be is dropped, and nobody else; a kernel gets every answer that it is owed and nothing else; what it
// leaves behind is nothing, and the next one finds the function as the first did.
import { enumerate } from '../../device/bus.ts';
import { createNic, type Nic } from '../../device/nic.ts';
import { isTrap } from '../../core/trap.ts';
import { FunctionSlot } from '../../uml/function_slot.ts';
import { powerOn } from '../../uml/power_on.ts';
import { UML_ROUTING } from '../../uml/uml_server.ts';
import { saveAtPowerOn } from '../../vfio/saved_state.ts';
import type { FuzzTarget, Violation } from '../target.ts';
import { Breach } from './breach.ts';
import { ClientFile, FakeSystem } from './fake_system.ts';
import { Observer } from './observer.ts';
import { decodeRecords, mutateRecords, record, shrinkRecords, type FuzzRecord } from './records.ts';
import { memoryFile, UmlFuzzKernel } from './uml_kernel.ts';
import {
  commandOf,
  describeRecord,
  descriptorOf,
  filesOf,
  KIND,
  KINDS,
  messageOf,
  START,
  UML_GRAMMAR,
  umlSeeds,
  type Writes,
} from './uml_messages.ts';
import { ENTRIES, RAM_BYTES, RINGS } from './uml_model.ts';

const FUNCTIONS = ['PF', 'VF', 'VF that is not there'] as const;
const WINDOW_BYTES = 4 << 20;
const MOST_FILES = 20;
const SRIOV = 0x140;
const LOOKS = 256;

interface Served {
  readonly nic: Nic;
  readonly fn: number;
  readonly slot: FunctionSlot;
  /** What a new kernel reads of its configuration space. */
  fresh: string;
}

interface NextMessage {
  patches: FuzzRecord[];
  files: ClientFile[] | null;
  cut: FuzzRecord | null;
  /** Bytes and files that are kept to be sent together with it. */
  before: Uint8Array;
  beforeFiles: ClientFile[];
}

export class UmlTarget implements FuzzTarget {
  readonly name = 'uml';
  private readonly observer = new Observer();
  private readonly system = new FakeSystem();
  private served: readonly Served[] | null = null;
  private kernels: UmlFuzzKernel[] = [];
  private memory = memoryFile('unsealed');
  private next: NextMessage = emptyNext();
  private made = 0;
  private isLinkUp = true;

  collectNew(): number {
    return this.observer.collectNew();
  }

  /** There is nothing that run() leaves out. */
  check(input: Uint8Array): Violation | null {
    return this.run(input);
  }

  run(input: Uint8Array): Violation | null {
    const [first = record(0), ...records] = decodeRecords(input);
    try {
      this.served ??= this.build();
      const served = this.served[first.kind % FUNCTIONS.length]!;
      this.begin((first.arg & 2) === 0 ? 'unsealed' : 'sealed');
      this.connect(served);
      if ((first.arg & 1) !== 0) for (const entry of START) this.send(entry);
      for (const entry of records) this.act(served, entry);
      this.settle();
      this.checkLater(served);
      return null;
    } catch (error) {
      this.served = null; // what is left of the card is not to be trusted
      if (error instanceof Breach) return { oracle: error.oracle, message: error.message };
      return { oracle: isTrap(error) ? 'O1' : 'O13', message: `the server throws ${String(error)}` };
    }
  }

  traceHash(): string {
    return this.observer.traceHash();
  }

  seeds(): Uint8Array[] {
    return umlSeeds();
  }

  mutate(input: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
    return mutateRecords(input, other, random, UML_GRAMMAR);
  }

  shrink(input: Uint8Array): Iterable<Uint8Array> {
    return shrinkRecords(input);
  }

  describe(input: Uint8Array): string[] {
    return decodeRecords(input).map((entry, i) => {
      if (i > 0) return describeRecord(entry);
      const memory = (entry.arg & 2) === 0 ? '' : ', memory that can be mapped';
      return `a kernel at the ${FUNCTIONS[entry.kind % FUNCTIONS.length]!}${(entry.arg & 1) === 0 ? '' : ', set up'}${memory}`;
    });
  }

  private begin(kind: 'sealed' | 'unsealed'): void {
    this.observer.begin();
    this.system.reset();
    this.kernels = [];
    this.memory = memoryFile(kind);
    this.next = emptyNext();
    this.made = 0;
    this.isLinkUp = true;
  }

  private build(): Served[] {
    const config = { mode: 'functional', totalVfs: 1, windowBytes: WINDOW_BYTES, ...UML_ROUTING } as const;
    const alone = createNic(config);
    const enabled = createNic(config);
    enumerate(enabled);
    enabled.configWrite(0, SRIOV + 0x10, 2, 1); // NumVFs
    enabled.configWrite(0, SRIOV + 8, 2, 9); // VF Enable, VF MSE
    const served = [this.serve(alone, 0), this.serve(enabled, 1), this.serve(createNic(config), 1)];
    for (const one of served) one.fresh = this.lookAt(one);
    return served;
  }

  private serve(nic: Nic, fn: number): Served {
    const { system } = this;
    const atPowerOn = fn === 0 ? saveAtPowerOn(nic) : [];
    const reset = (): void => powerOn(nic, fn, atPowerOn);
    const openSocket = (fd: number): ReturnType<FakeSystem['channel']> => system.channel(fd);
    const slot = new FunctionSlot({ libc: system, poller: system, nic, fn, openSocket, reset }, (event) =>
      this.observer.text(1, event.kind === 'dropped' ? event.reason : event.kind),
    );
    nic.onMessage((message) => slot.present?.msi(message));
    nic.onIntx((level) => level !== 0 && slot.present?.intx());
    return { nic, fn, slot, fresh: '' };
  }

  private get kernel(): UmlFuzzKernel {
    return this.kernels.at(-1)!;
  }

  private connect({ slot }: Served): void {
    const kernel = new UmlFuzzKernel(this.system, this.observer, this.memory);
    // whoever said nothing makes room, whoever comes behind another one is let go
    for (const other of this.kernels) other.mayBeDropped ||= !other.hasSpoken;
    kernel.mayBeDropped = this.kernels.some(({ socket }) => !socket.isClosed);
    this.kernels.push(kernel);
    slot.take(kernel.socket);
    this.system.pump();
  }

  private act(served: Served, entry: FuzzRecord): void {
    const { arg, at, value } = entry;
    const { next, kernel } = this;
    switch (entry.kind % KINDS) {
      case KIND.MESSAGE:
        this.send(entry);
        return;
      case KIND.PATCH:
        next.patches.push(entry);
        return;
      case KIND.FILES:
        next.files = Array.from({ length: at % MOST_FILES }, () => this.file(arg & 3));
        return;
      case KIND.CUT:
        next.cut = entry;
        return;
      case KIND.CONNECT:
        this.connect(served);
        return;
      case KIND.HANG_UP:
        kernel.hangUp();
        break;
      case KIND.ROOM:
        this.setRoom(arg, value & 0xffff);
        break;
      case KIND.COMMAND:
      case KIND.COMMAND_TOO:
        this.command(entry);
        return;
      case KIND.MEMORY:
        this.write([[Math.min(at, RAM_BYTES - 4), Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)]]);
        return;
      case KIND.DESCRIPTOR:
        this.write(descriptorOf(entry));
        return;
      case KIND.SHRINK:
        if (this.memory.kind === 'sealed') return;
        this.memory.size = at;
        for (const one of this.kernels) one.loosen();
        return;
      default:
        this.work(served, arg % 3, at);
    }
    this.system.pump();
  }

  private file(kind: number): ClientFile {
    if (kind === 0) return this.kernel.channel();
    if (kind === 1) return this.memory;
    return new ClientFile(kind === 2 ? 'eventfd' : 'other', new Uint8Array(0), []);
  }

  private setRoom(arg: number, room: number): void {
    const amount = (arg & 1) === 0 ? room : Infinity;
    if ((arg & 2) !== 0) {
      this.kernel.setRoom(amount);
      return;
    }
    this.kernel.socket.room = amount;
    this.kernel.mayBeDropped = true;
  }

  private work({ nic }: Served, what: number, bytes: number): void {
    if (what === 0) nic.runToIdle();
    else if (what === 1) nic.receiveFrame(new Uint8Array(Math.max(14, bytes % 1500)).fill(0xff));
    else {
      this.isLinkUp = !this.isLinkUp;
      nic.setLink(this.isLinkUp);
    }
  }

  private write(writes: Writes): void {
    for (const [offset, bytes] of writes) this.system.share(this.memory, offset, bytes);
  }

  /** Makes a command available, and kicks the queue unless it is to wait. */
  private command(entry: FuzzRecord): void {
    const { writes, head } = commandOf(entry);
    const avail = RINGS[0]![1];
    const slot = avail + 4 + 2 * (this.made % ENTRIES);
    this.made = (this.made + 1) & 0xffff;
    this.write([...writes, [slot, Uint8Array.of(head, 0)], [avail + 2, Uint8Array.of(this.made, this.made >>> 8)]]);
    if ((entry.arg & 0x40) === 0) this.send(record(KIND.MESSAGE, 11));
  }

  /** Sends a message as it was asked for, and lets the server work. */
  private send(entry: FuzzRecord): void {
    const { kernel, next } = this;
    this.next = emptyNext();
    const { kind, count } = filesOf(entry);
    const usual = Array.from({ length: count }, () => (kind === 'memory' ? this.memory : kernel.channel()));
    const files = [...next.beforeFiles, ...(next.files ?? usual)];
    let bytes = Uint8Array.from([...next.before, ...messageOf(entry, next.patches)]);
    const { cut } = next;
    if (cut !== null && (cut.arg & 3) === 0) bytes = bytes.subarray(0, cut.at % (bytes.length + 1));
    else if (cut !== null && (cut.arg & 3) === 2) {
      bytes = Uint8Array.from([...bytes, ...new Uint8Array(cut.at & 0xff).fill(cut.value)]);
    }
    if (cut !== null && (cut.arg & 3) === 3) {
      this.next.before = bytes;
      this.next.beforeFiles = files;
      return;
    }
    const piece = cut !== null && (cut.arg & 3) === 1 ? Math.max(1, cut.at & 0x3f) : bytes.length;
    for (let at = 0; at < bytes.length; at += piece) {
      kernel.send(bytes.subarray(at, at + piece), at === 0 ? files : []);
      this.system.pump();
    }
    kernel.checkAtRest();
  }

  /** Everybody reads what came; nothing is owed to anybody. Then all are killed, and nothing is left. */
  private settle(): void {
    for (const kernel of this.kernels) {
      kernel.socket.room = Infinity;
      kernel.setRoom(Infinity);
    }
    this.system.pump();
    for (const kernel of this.kernels) kernel.checkAtRest();
    for (const kernel of this.kernels) kernel.hangUp();
    this.system.pump();
    const left = this.system.leftovers();
    if (left.length > 0) throw new Breach(`after all kernels are gone there is ${left[0]!}`, 'O6');
  }

  private checkLater(served: Served): void {
    if (!this.isLinkUp) served.nic.setLink(true);
    if (served.slot.present !== null) throw new Breach('the place of a kernel that is gone is not free');
    if (this.lookAt(served) !== served.fresh) throw new Breach('a new kernel finds the function changed', 'O6');
  }

  /** Configuration space as a kernel reads it that is new to the function. */
  private lookAt({ nic, fn }: Served): string {
    return Array.from({ length: LOOKS }, (_, i) => nic.configRead(fn, 4 * i, 4)).join();
  }
}

function emptyNext(): NextMessage {
  return { patches: [], files: null, cut: null, before: new Uint8Array(0), beforeFiles: [] };
}
