// SPDX-License-Identifier: Apache-2.0
// One clock for a kernel and the card: the calendar of User Mode Linux' time-travel=ext. The kernel's work takes no time
// but what it waits for. While it waits, the card's events run, up to the time for which the kernel has asked; an
// interrupt wakes it in the cycle in which it arrives. While an access is under way the kernel stands still, and its
// clock is put to the time of the completion, as that of a processor is that waits for a register.
//
// The kernel waits for an answer to all that it says, and answers all that it is told, so that there is an order in which
// everything happens, the same in every run.
import { resolve } from 'node:path';

import type { Nic } from '../device/nic.ts';
import type { Say } from '../native/attachment.ts';
import type { Libc, NativeBytes } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { ServedPath } from '../native/served_path.ts';
import { CLOSED, WOULD_BLOCK, type UnixSocket } from '../native/unix_socket.ts';
import { POLLIN, waitFor } from '../native/wait.ts';
import type { BackendChannel } from './backend_channel.ts';
import type { Access } from './function_access.ts';
import { lie, PeerFault } from './peer_fault.ts';
import { RegisterRun } from './register_run.ts';
import * as T from './time_protocol.ts';

/** How long a kernel may take to answer, on the clock on the wall, before it counts as gone. */
const ANSWER_MS = 10_000;
/** The last time that a kernel can ask for, and means never by. */
const TIME_MAX = 2 ** 53;
const NEVER = Infinity;
/** Time of day at the kernel's start: 2026-01-01 00:00:00 UTC, whenever that really is. */
const TIME_OF_DAY_NS = 1_767_225_600_000_000_000n;

export interface CalendarOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly nic: Nic;
  readonly path: string;
  readonly say: Say;
  /** What the kernel's own instructions take, ns for each access that it makes: what runs between two of them. 0 by default. */
  readonly guestNs?: number;
}

/** An access that the kernel waits for. */
interface Pending {
  readonly run: RegisterRun;
  readonly finish: (read: Uint8Array) => void;
  /** When it was complete; NEVER: it is under way. */
  doneNs: number;
}

export class Calendar {
  private readonly options: CalendarOptions;
  private readonly served: ServedPath;
  private readonly message: NativeBytes;
  private readonly nsPerCycle: number;
  private readonly runs = new Map<number, RegisterRun>();
  private readonly completions: { readonly tag: number; readonly value: number }[] = [];
  private readonly channels = new Set<BackendChannel>();
  private kernel: UnixSocket | null = null;
  private pending: Pending[] = [];
  private startCycles = 0;
  private sequence = 0;
  private timeNs = 0;
  private requestNs = NEVER;
  private isWaiting = false;

  /** Throws NicError SOCKET where the path is taken. */
  constructor(options: CalendarOptions) {
    const { libc, poller, nic, path, say } = options;
    this.options = options;
    this.message = libc.bytes(T.MESSAGE_BYTES);
    this.nsPerCycle = nic.profile.clockPs / 1000;
    this.served = new ServedPath({ libc, poller, path, say }, (socket) => this.take(socket));
    nic.onCompletion((tag, value) => this.completions.push({ tag, value }));
  }

  /** What the kernel needs on its command line. */
  get argument(): string {
    return `time-travel=ext:${resolve(this.options.path)}`;
  }

  /** Looks after the socket; called a few times a second. */
  tend(nowMs: number): void {
    this.served.tend(nowMs);
  }

  /** Something may have come to the card from outside: a kernel that waits gets its share of it. */
  poke(): void {
    this.work(() => this.grant());
  }

  /** Lets the kernel go and takes the path away. */
  close(): void {
    this.options.nic.onCompletion(null);
    this.drop(null);
    this.served.close();
  }

  // ---- for the sessions of the functions ------------------------------------------------------------------------------------

  /**
   * Makes an access for the kernel, which waits for us to go on. `finish` is called with what was read when its time has
   * come: mostly now, and the kernel's clock shows that; or while it polls. Throws PeerFault where no kernel is here.
   */
  access(fn: number, access: Access, finish: (read: Uint8Array) => void): void {
    const { nic, guestNs = 0 } = this.options;
    if (this.kernel === null) lie(`the kernel has a time of its own; give it ${this.argument}`);
    this.work(() => {
      const start = Math.min(this.timeNs + guestNs, this.requestNs);
      this.advanceTo(start);
      const one: Pending = { run: new RegisterRun(nic, fn, access, this.runs), finish, doneNs: NEVER };
      one.run.begin();
      while (!one.run.isDone && this.step(this.requestNs));
      if (one.run.isDone) one.doneNs = Math.max(start, this.cardNs());
      if (one.doneNs <= this.requestNs) {
        this.show(one.doneNs);
        one.finish(one.run.read);
      } else {
        this.pending.push(one);
      }
    });
  }

  /** A channel has something to say to the kernel, which handles that when it waits, and not before. */
  enlist(channel: BackendChannel): void {
    this.channels.add(channel);
  }

  /** A channel is closed. */
  forget(channel: BackendChannel): void {
    this.channels.delete(channel);
  }

  // ---- the card's time --------------------------------------------------------------------------------------------------------

  /** The card's time on the kernel's clock, ns: when what it has done is there to be seen. */
  private cardNs(): number {
    return Math.ceil((this.options.nic.now() - this.startCycles) * this.nsPerCycle);
  }

  /** The last cycle that is over at a time on the kernel's clock. */
  private cycleAt(ns: number): number {
    return this.startCycles + Math.floor(ns / this.nsPerCycle);
  }

  /** Runs the card until something comes out of it, to `untilNs` at most; false: it has come so far, or has nothing to do. */
  private step(untilNs: number): boolean {
    const { nic } = this.options;
    const until = untilNs === NEVER ? nic.nextEventTime() : this.cycleAt(untilNs);
    const hasTime = until !== NEVER && nic.now() < until;
    if (hasTime) nic.advance(until, true);
    for (const { tag, value } of this.completions.splice(0)) {
      const run = this.runs.get(tag)!;
      this.runs.delete(tag);
      run.complete(value);
    }
    for (const one of this.pending) if (one.run.isDone) one.doneNs = Math.min(one.doneNs, this.cardNs());
    return hasTime;
  }

  private advanceTo(ns: number): void {
    while (this.step(ns));
  }

  // ---- the kernel's time ------------------------------------------------------------------------------------------------------

  /** The kernel waits: the card's events run up to the time that it asked for, or until it has an interrupt. */
  private grant(): void {
    while (this.isWaiting) {
      this.finishDone();
      this.tell();
      if (this.requestNs <= this.timeNs) return this.go();
      const until = Math.min(this.requestNs, this.firstDone());
      const hasMore = this.step(until);
      this.timeNs = Math.max(this.timeNs, Math.min(until, this.cardNs()));
      if (hasMore) continue;
      if (until === NEVER) return; // nothing will happen but from outside
      this.timeNs = Math.max(this.timeNs, until);
    }
  }

  private firstDone(): number {
    return Math.min(NEVER, ...this.pending.map(({ doneNs }) => doneNs));
  }

  /** What the kernel polls for is there. */
  private finishDone(): void {
    const done = this.pending.filter(({ doneNs }) => doneNs <= this.timeNs);
    if (done.length === 0) return;
    this.pending = this.pending.filter(({ doneNs }) => doneNs > this.timeNs);
    for (const one of done) one.finish(one.run.read);
  }

  /** The kernel goes on, at the present. */
  private go(): void {
    this.isWaiting = false;
    this.requestNs = NEVER; // it says anew what it waits for
    this.command(T.RUN, this.timeNs);
  }

  /** Puts the clock of a kernel that waits for an access to a later time. */
  private show(ns: number): void {
    if (ns <= this.timeNs) return;
    this.timeNs = ns;
    this.command(T.RUN, ns);
  }

  /** Tells the kernel of its interrupts: it has asked to run at once when this returns. */
  private tell(): void {
    for (const channel of this.channels) {
      this.channels.delete(channel);
      channel.deliver((fd) => this.waitFor(fd));
    }
  }

  // ---- messages -----------------------------------------------------------------------------------------------------------------

  private take(socket: UnixSocket): void {
    if (this.kernel !== null) {
      socket.close();
      this.options.say('another kernel came to the calendar; it has one');
      return;
    }
    this.kernel = socket;
    this.startCycles = this.options.nic.now();
    this.timeNs = 0;
    this.requestNs = NEVER;
    this.isWaiting = false;
    this.options.poller.add(socket.fd, () => this.work(() => this.hear()));
  }

  /** All that has arrived, then the card's turn if it is. */
  private hear(): void {
    while (this.kernel !== null && this.isReadable(this.kernel.fd)) this.handle(this.receive());
    this.grant();
  }

  private receive(): { readonly op: number; readonly sequence: number; readonly timeNs: number } {
    const { view } = this.message;
    const count = this.kernel?.receive(this.message, 0, T.MESSAGE_BYTES) ?? CLOSED;
    if (count === CLOSED) throw new KernelGone();
    if (count !== T.MESSAGE_BYTES) lie(`a message of ${count} bytes to the calendar; it has ${T.MESSAGE_BYTES}`);
    const time = Number(view.getBigUint64(T.TIME, true));
    return {
      op: view.getUint32(T.OP, true),
      sequence: view.getUint32(T.SEQUENCE, true),
      timeNs: time < TIME_MAX ? time : NEVER,
    };
  }

  private handle({ op, sequence, timeNs }: ReturnType<Calendar['receive']>): void {
    switch (op) {
      case T.START:
      case T.BROADCAST:
        return this.send(T.ACK, sequence, 0n);
      case T.REQUEST:
        this.requestNs = Math.max(timeNs, this.timeNs);
        return this.send(T.ACK, sequence, 0n);
      case T.WAIT:
        this.isWaiting = true;
        return this.send(T.ACK, sequence, 0n);
      case T.GET:
        return this.send(T.ACK, sequence, BigInt(this.timeNs));
      case T.UPDATE:
        if (timeNs !== this.timeNs) lie(`the kernel has its time at ${timeNs} ns, the calendar at ${this.timeNs}`);
        return this.send(T.ACK, sequence, 0n);
      case T.GET_TOD:
        return this.send(T.ACK, sequence, TIME_OF_DAY_NS + BigInt(this.timeNs));
      default:
        return lie(`operation ${op} is none of a calendar's`);
    }
  }

  /** Says something to the kernel, and hears it until it has acknowledged that. */
  private command(op: number, timeNs: number): void {
    const sequence = ++this.sequence >>> 0;
    this.send(op, sequence, BigInt(timeNs));
    for (;;) {
      this.waitFor(this.kernel!.fd);
      const message = this.receive();
      if (message.op !== T.ACK) this.handle(message);
      else if (message.sequence === sequence) return;
      else lie(`the acknowledgement of message ${message.sequence} comes for message ${sequence}`);
    }
  }

  private send(op: number, sequence: number, time: bigint): void {
    const { view } = this.message;
    view.setUint32(T.OP, op, true);
    view.setUint32(T.SEQUENCE, sequence, true);
    view.setBigUint64(T.TIME, time, true);
    const count = this.kernel?.send(this.message, 0, T.MESSAGE_BYTES) ?? CLOSED;
    if (count === CLOSED) throw new KernelGone();
    if (count === WOULD_BLOCK || count < T.MESSAGE_BYTES) lie('the kernel does not read what the calendar says');
  }

  /** Until a descriptor can be read; what the kernel asks meanwhile is answered. Throws PeerFault after ANSWER_MS. */
  private waitFor(fd: number): void {
    for (;;) {
      const { kernel } = this;
      if (kernel === null) throw new KernelGone();
      if (!waitFor(this.options.libc, [fd, kernel.fd], POLLIN, ANSWER_MS)) {
        lie(`the kernel has not answered for ${ANSWER_MS / 1000} s`);
      }
      if (this.isReadable(fd)) return;
      this.handle(this.receive());
    }
  }

  private isReadable(fd: number): boolean {
    return waitFor(this.options.libc, fd, POLLIN, 0);
  }

  /** Does something during which the kernel may go, or say what cannot be; it is then dropped. */
  private work(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (error instanceof KernelGone) this.drop(null);
      else if (error instanceof PeerFault) this.drop(error.message);
      else throw error;
    }
  }

  private drop(reason: string | null): void {
    const { kernel } = this;
    this.kernel = null;
    this.isWaiting = false;
    this.pending = [];
    this.channels.clear();
    if (kernel === null) return;
    this.options.poller.remove(kernel.fd);
    kernel.close();
    if (reason !== null) this.options.say(`the calendar drops the kernel: ${reason}`);
  }
}

/** The kernel has closed its end: no fault, and nothing to go on with. */
class KernelGone extends Error {}
