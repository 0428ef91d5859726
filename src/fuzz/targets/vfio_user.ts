// SPDX-License-Identifier: Apache-2.0
// Fuzz target `vfio-user`: the server of the protocol under hostile clients, with a real card behind it, in one process.
// A client gets every answer that it is owed and nothing else; what it leaves behind is nothing, and the next one finds
// the function as the first did.
import { isTrap } from '../../core/trap.ts';
import { enumerate } from '../../device/bus.ts';
import { createNic, type Nic } from '../../device/nic.ts';
import { Machine } from '../../machine/machine.ts';
import { VirtioVfioPci } from '../../variant/virtio_vfio_pci.ts';
import type { VfioDevice } from '../../vfio/vfio_device.ts';
import { VfioPci } from '../../vfio/vfio_pci.ts';
import { ClientSlot } from '../../vfio_user/client_slot.ts';
import type { FuzzTarget, Violation } from '../target.ts';
import { Breach } from './breach.ts';
import { Observer } from './observer.ts';
import { decodeRecords, mutateRecords, record, shrinkRecords, type FuzzRecord } from './records.ts';
import { HostileClient } from './vfio_user_client.ts';
import { FakeSystem, type ClientFile } from './fake_system.ts';
import {
  describeRecord,
  KIND,
  KINDS,
  messageOf,
  ramImage,
  RAM_BYTES,
  VFIO_USER_GRAMMAR,
  vfioUserSeeds,
} from './vfio_user_messages.ts';

const FUNCTIONS = ['VF', 'transitional VF', 'PF'] as const;
const FILE_KINDS = ['sealed', 'unsealed', 'eventfd', 'other'] as const;
const MOST_FILES = 20;
const WINDOW_BYTES = 4 << 20;
/** So many clients a function lets wait that have not said VERSION. */
const SILENT_MAX = 16;

/** One served function. */
interface Served {
  readonly nic: Nic;
  readonly slot: ClientSlot;
  /** Digest of what a new client finds. */
  fresh: string;
}

/** What the next message is to be like. */
interface NextMessage {
  patches: FuzzRecord[];
  files: ClientFile[];
  cut: FuzzRecord | null;
  /** Bytes that are kept to be sent together with it. */
  before: Uint8Array;
}

export class VfioUserTarget implements FuzzTarget {
  readonly name = 'vfio-user';
  private readonly observer = new Observer();
  private readonly system = new FakeSystem();
  private readonly ram = ramImage();
  private readonly image = ramImage();
  private served: readonly Served[] | null = null;
  private clients: HostileClient[] = [];
  private next: NextMessage = emptyNext();
  private nextId = 0;

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
      this.begin();
      this.connect(served);
      if ((first.arg & 1) !== 0) this.send(record(KIND.MESSAGE));
      for (const entry of records) this.act(served, entry);
      this.settle();
      this.checkLater(served);
      return null;
    } catch (error) {
      this.served = null; // what is left of the card is not to be trusted
      return violationOf(error);
    }
  }

  traceHash(): string {
    return this.observer.traceHash();
  }

  seeds(): Uint8Array[] {
    return vfioUserSeeds();
  }

  mutate(input: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
    return mutateRecords(input, other, random, VFIO_USER_GRAMMAR);
  }

  shrink(input: Uint8Array): Iterable<Uint8Array> {
    return shrinkRecords(input);
  }

  describe(input: Uint8Array): string[] {
    return decodeRecords(input).map((entry, i) =>
      i === 0
        ? `a client of the ${FUNCTIONS[entry.kind % FUNCTIONS.length]!}${(entry.arg & 1) === 0 ? '' : ', after VERSION'}`
        : describeRecord(entry),
    );
  }

  private begin(): void {
    this.observer.begin();
    this.system.reset();
    this.clients = [];
    this.next = emptyNext();
    this.nextId = 1;
    this.ram.set(this.image);
  }

  /** Cards and servers, with what a new client of each finds. */
  private build(): Served[] {
    const machine = new Machine({ mode: 'functional', totalVfs: 2, windowBytes: WINDOW_BYTES });
    const { nic, bus, pf } = machine;
    const alone = createNic({ mode: 'functional', totalVfs: 2, windowBytes: WINDOW_BYTES });
    const aloneBus = enumerate(alone);
    const served: Served[] = [
      this.serve(nic, () => new VfioPci(nic, 1, bus)),
      this.serve(nic, () => new VirtioVfioPci(new VfioPci(nic, 2, bus), pf.admin, 1)),
      this.serve(alone, () => new VfioPci(alone, 0, aloneBus)),
    ];
    for (const one of served) one.fresh = this.lookAt(one);
    return served;
  }

  private serve(nic: Nic, openDevice: () => VfioDevice): Served {
    const { system } = this;
    return { nic, slot: new ClientSlot({ libc: system, poller: system, nic, openDevice }), fresh: '' };
  }

  private get client(): HostileClient {
    return this.clients.at(-1)!;
  }

  private connect({ slot }: Served): void {
    const client = new HostileClient(this.system, this.observer, this.ram);
    if (this.clients.length >= SILENT_MAX) for (const one of this.clients) one.mayBeDropped ||= !one.isGreeted;
    this.clients.push(client);
    slot.take(client.socket);
    this.system.pump();
  }

  private act(served: Served, entry: FuzzRecord): void {
    const { arg, at, value } = entry;
    const { next, client } = this;
    switch (entry.kind % KINDS) {
      case KIND.MESSAGE:
      case KIND.MESSAGE_TOO:
        this.send(entry);
        return;
      case KIND.PATCH:
      case KIND.PATCH_TOO:
        next.patches.push(entry);
        return;
      case KIND.FILES:
        next.files = Array.from({ length: at % MOST_FILES }, () => client.file(FILE_KINDS[arg & 3]!, RAM_BYTES));
        return;
      case KIND.CUT:
        next.cut = entry;
        return;
      case KIND.CONNECT:
        this.connect(served);
        return;
      case KIND.HANG_UP:
        client.hangUp();
        this.system.pump();
        return;
      case KIND.ROOM:
        client.socket.room = (arg & 1) === 0 ? value & 0xffff : Infinity;
        client.mayBeDropped = true;
        this.system.pump();
        return;
      case KIND.DMA_ANSWER:
        for (let i = at & 3; i >= 0; i--) client.answers.push(arg);
        return;
      case KIND.MEMORY: {
        const bytes = Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
        const offset = Math.min(at, RAM_BYTES - bytes.length);
        this.ram.set(bytes, offset);
        this.system.poke(offset, bytes);
        return;
      }
      default:
        if ((arg & 1) === 0) served.nic.runToIdle();
        else served.nic.receiveFrame(new Uint8Array(Math.max(14, at % 1500)).fill(0xff));
        this.system.pump();
    }
  }

  /** Sends a message as it was asked for, and lets the server work. */
  private send(entry: FuzzRecord): void {
    const { client, next } = this;
    this.next = emptyNext();
    const message = messageOf(entry, this.nextId++ & 0xffff, next.patches);
    let bytes = Uint8Array.from([...next.before, ...message]);
    const { cut } = next;
    if (cut !== null && (cut.arg & 3) === 0) bytes = bytes.subarray(0, cut.at % (bytes.length + 1));
    else if (cut !== null && (cut.arg & 3) === 2) {
      bytes = Uint8Array.from([...bytes, ...new Uint8Array(cut.at & 0xff).fill(cut.value)]);
    }
    if (cut !== null && (cut.arg & 3) === 3) {
      this.next.before = bytes;
      this.next.files = next.files;
      return;
    }
    const piece = cut !== null && (cut.arg & 3) === 1 ? Math.max(1, cut.at & 0x3f) : bytes.length;
    for (let at = 0; at < bytes.length; at += piece) {
      client.send(bytes.subarray(at, at + piece), at === 0 ? next.files : []);
      this.system.pump();
    }
  }

  /** Everybody reads what came; nothing is owed to anybody. Then all hang up, and nothing is left. */
  private settle(): void {
    for (const { socket } of this.clients) socket.room = Infinity;
    this.system.pump();
    for (const client of this.clients) client.checkAtRest();
    for (const client of this.clients) client.hangUp();
    this.system.pump();
    const left = this.system.leftovers();
    if (left.length > 0) throw new Breach(`after all clients are gone there is ${left[0]!}`, 'O6');
  }

  /** A new client finds the function as the first did. */
  private checkLater(served: Served): void {
    if (served.slot.isConnected) throw new Breach('the place of a client that is gone is not free');
    const found = this.lookAt(served);
    if (found !== served.fresh) throw new Breach('a new client finds the function changed', 'O6');
  }

  /** What a client reads of a function that is new to it; the observer's trace goes on as if nobody had looked. */
  private lookAt(served: Served): string {
    const observer = new Observer();
    this.system.reset();
    const client = new HostileClient(this.system, observer, this.ram);
    served.slot.take(client.socket);
    const looks = [
      record(KIND.MESSAGE, 0),
      record(KIND.MESSAGE, 3),
      ...[0, 1, 2, 4, 7].map((region) => record(KIND.MESSAGE, 4, region)),
      record(KIND.MESSAGE, 8, 0x7000, 0x200),
      // without config_generation, which a reset moves on where the configuration was read
      record(KIND.MESSAGE, 8, 0x2000, 0x15),
      record(KIND.MESSAGE, 8, 0x2016, 0x22),
      record(KIND.MESSAGE, 8, 0x4000, 0x40),
    ];
    looks.forEach((look, i) => client.send(messageOf(look, i, [])));
    this.system.pump();
    client.checkAtRest();
    if (!client.isGreeted) throw new Breach('a new client is refused');
    client.hangUp();
    this.system.pump();
    const left = this.system.leftovers();
    if (left.length > 0) throw new Breach(`after a well-behaved client there is ${left[0]!}`);
    return observer.traceHash();
  }
}

function emptyNext(): NextMessage {
  return { patches: [], files: [], cut: null, before: new Uint8Array(0) };
}

function violationOf(error: unknown): Violation {
  if (error instanceof Breach) return { oracle: error.oracle, message: error.message };
  return { oracle: isTrap(error) ? 'O1' : 'O13', message: `the server throws ${String(error)}` };
}
