// SPDX-License-Identifier: Apache-2.0
// The clock of a kernel with time-travel=ext: the other end of src/uml/calendar.ts. Messages are typed from
// include/uapi/linux/um_timetravel.h of Linux: | op u32 | sequence u32 | time u64 |; what the kernel does with them from
// arch/um/kernel/time.c and arch/um/drivers/virtio_uml.c.
import { join } from 'node:path';

import type { Libc } from '../../../../src/native/libc.ts';
import { connectUnix, type UnixSocket } from '../../../../src/native/unix_socket.ts';
import { POLLIN, waitFor } from '../../../../src/native/wait.ts';
import { PATIENCE_MS } from '../../../support/patience.ts';
import { fields, UmlKernel, VERSION } from './uml_kernel.ts';

export const TIME = {
  ACK: 0,
  START: 1,
  REQUEST: 2,
  WAIT: 3,
  GET: 4,
  UPDATE: 5,
  RUN: 6,
  GET_TOD: 8,
} as const;

const MESSAGE = 16;
const CALL = 20;
const REPLY = 4;
const NEED_REPLY = 8;

interface Heard {
  readonly op: number;
  readonly sequence: number;
  readonly time: number;
}

export class KernelClock {
  timeNs = 0;
  /** Interrupts, each with the time at which the calendar has it come. */
  readonly calls: { readonly queue: number; readonly atNs: number }[] = [];
  /** The calendar has let the kernel go. */
  isGone = false;
  /** The next acknowledgement gets a sequence number that is none. */
  liesOnce = false;
  private readonly libc: Libc;
  private readonly socket: UnixSocket;
  private readonly kernels: UmlKernel[] = [];
  private sequence = 0;

  constructor(libc: Libc, folder: string) {
    this.libc = libc;
    this.socket = connectUnix(libc, join(folder, 'time.sock'))!;
  }

  /** A function as this kernel finds it. */
  kernel(folder: string, name: string): UmlKernel {
    const kernel = new UmlKernel(this.libc, folder, name, () => {}, { listen: (fd) => this.listen(fd) });
    this.kernels.push(kernel);
    return kernel.start();
  }

  /** Says something, and has the acknowledgement's time when it returns. */
  say(op: number, time = 0): number {
    const sequence = ++this.sequence;
    this.send(op, sequence, time);
    for (;;) {
      const heard = this.hear();
      if (heard === null) return -1;
      if (heard.op !== TIME.ACK) this.obey(heard);
      else if (heard.sequence === sequence) return heard.time;
      else throw new Error(`acknowledged: ${heard.sequence}, said: ${sequence}`);
    }
  }

  /** Sleeps until a time, or an interrupt: the time at which the calendar lets the kernel go on. */
  sleepUntil(ns: number): number {
    this.say(TIME.REQUEST, ns);
    this.say(TIME.WAIT);
    while (!this.isGone) {
      if (!waitFor(this.libc, this.fds(), POLLIN, PATIENCE_MS)) throw new Error('the calendar says nothing');
      this.takeCalls();
      if (!this.isReadable(this.socket.fd)) continue;
      const heard = this.hear();
      if (heard === null) break;
      this.obey(heard);
      if (heard.op === TIME.RUN) return this.timeNs;
    }
    return -1;
  }

  close(): void {
    this.socket.close();
  }

  /** Until a descriptor can be read. */
  private listen(fd: number): void {
    for (;;) {
      if (!waitFor(this.libc, [fd, ...this.fds()], POLLIN, PATIENCE_MS)) throw new Error('no reply comes');
      this.takeCalls();
      if (this.isReadable(fd)) return; // as Linux does it: the reply first
      if (this.isReadable(this.socket.fd)) {
        const heard = this.hear();
        if (heard !== null) this.obey(heard);
      }
    }
  }

  private fds(): number[] {
    return [...(this.isGone ? [] : [this.socket.fd]), ...this.kernels.map(({ channel }) => channel.fd)];
  }

  private isReadable(fd: number): boolean {
    return waitFor(this.libc, fd, POLLIN, 0);
  }

  private obey({ op, sequence, time }: Heard): void {
    if (op !== TIME.RUN) throw new Error(`the calendar says ${op}`);
    if (time < this.timeNs) throw new Error(`time goes backwards, ${this.timeNs} -> ${time}`);
    this.timeNs = time;
    this.send(TIME.ACK, sequence + (this.liesOnce ? 7 : 0), 0);
    this.liesOnce = false;
  }

  /** As the kernel's signal handler: each call asks for the time, and for the kernel to run at once. */
  private takeCalls(): void {
    for (const { channel } of this.kernels) {
      while (this.isReadable(channel.fd)) {
        const into = this.libc.bytes(CALL);
        if (channel.receive(into, 0, CALL) !== CALL) throw new Error('a call is cut');
        const words = [0, 4, 8, 12, 16].map((at) => into.view.getUint32(at, true));
        const queue = words[3]!;
        if (String(words) !== String([4, VERSION | NEED_REPLY, 8, queue, 0])) throw new Error(`a call says ${words}`);
        this.timeNs = this.say(TIME.GET);
        this.calls.push({ queue, atNs: this.timeNs });
        this.say(TIME.REQUEST, this.timeNs);
        const reply = this.libc.bytes(CALL);
        reply.u8.set(fields([4, 4], [4, VERSION | REPLY], [4, 8], [8, 0]));
        channel.send(reply, 0, CALL);
      }
    }
  }

  private send(op: number, sequence: number, time: number): void {
    const out = this.libc.bytes(MESSAGE);
    out.u8.set(fields([4, op], [4, sequence], [8, time]));
    this.socket.send(out, 0, MESSAGE);
  }

  private hear(): Heard | null {
    if (!waitFor(this.libc, this.socket.fd, POLLIN, PATIENCE_MS)) throw new Error('the calendar says nothing');
    const into = this.libc.bytes(MESSAGE);
    if (this.socket.receive(into, 0, MESSAGE) !== MESSAGE) {
      this.isGone = true;
      return null;
    }
    const { view } = into;
    return {
      op: view.getUint32(0, true),
      sequence: view.getUint32(4, true),
      time: Number(view.getBigUint64(8, true)),
    };
  }
}
