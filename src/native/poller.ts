// SPDX-License-Identifier: Apache-2.0
// Waits for file descriptors in epoll, on the thread that does the work: a request is answered without a change of
// thread, which costs more than the answer. Node's own loop gets a turn between waits, for timers, signals and output.
// After a message the poller looks again for a moment before it sleeps, as long as that has paid off lately.
import { setImmediate as nodeTurn } from 'node:timers/promises';

import { NicError } from '../util/errors.ts';
import type { Libc, NativeBytes } from './libc.ts';

export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0x80000;
/** struct epoll_event is packed on x86 alone. */
const DATA = process.arch === 'x64' || process.arch === 'ia32' ? 4 : 8;
const EVENT_BYTES = DATA + 8;
const EVENTS = 64;
/** Longest sleep: a signal may have been taken by another thread. */
const SLEEP_MS = 200;
/** Node gets a turn at least this often while requests keep coming. */
const TURN_MS = 5;
/** How long to look again before sleeping. */
const SPIN_MS = 0.06;

/** Called when the descriptor is ready; `events` are EPOLL bits. */
export type ReadyHandler = (events: number) => void;

/** What who waits for a descriptor needs of the poller. */
export type DescriptorSet = Pick<Poller, 'add' | 'modify' | 'remove' | 'soon'>;

/** A set of file descriptors that are waited for. */
export class Poller {
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly events: NativeBytes;
  private readonly change: NativeBytes;
  private readonly handlers = new Map<number, ReadyHandler>();
  /** Called when something is ready, before it is handled. */
  onWake: () => void = () => {};
  /** What becomes of an error in a handler, which is a bug: others go on where it returns. */
  onFault: (error: unknown) => void = (error) => {
    throw error;
  };
  private isRunning = false;
  private waiting: (() => void)[] = [];

  constructor(libc: Libc) {
    this.libc = libc;
    this.fd = libc.epoll_create1(EPOLL_CLOEXEC);
    this.events = libc.bytes(EVENTS * EVENT_BYTES);
    this.change = libc.bytes(EVENT_BYTES);
  }

  add(fd: number, handler: ReadyHandler, events = EPOLLIN): void {
    this.control(EPOLL_CTL_ADD, fd, events);
    this.handlers.set(fd, handler);
  }

  /** Waits for other events of a descriptor from now on. */
  modify(fd: number, events: number): void {
    this.control(EPOLL_CTL_MOD, fd, events);
  }

  /** Call it before the descriptor is closed. */
  remove(fd: number): void {
    this.control(EPOLL_CTL_DEL, fd, 0);
    this.handlers.delete(fd);
  }

  /** Calls `work` in the next poll, for what must not be done where it is noticed. */
  soon(work: () => void): void {
    this.waiting.push(work);
  }

  /** Handles what is ready, after waiting `timeoutMs` at most; the number of descriptors. */
  poll(timeoutMs: number): number {
    for (const work of this.waiting.splice(0)) this.call(work);
    const wait = this.waiting.length > 0 ? 0 : timeoutMs;
    const count = this.libc.epoll_wait(this.fd, this.events.address, EVENTS, wait);
    if (count > 0) this.call(this.onWake);
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_BYTES;
      // a handler before it may have removed the descriptor
      const handler = this.handlers.get(this.events.view.getInt32(at + DATA, true));
      const events = this.events.view.getUint32(at, true);
      if (handler !== undefined) this.call(handler, events);
    }
    return count;
  }

  /**
   * Polls until stop(). `work` is called between polls and says in how many milliseconds it wants to be called again at
   * the latest, 0 for at once.
   */
  async run(work: () => number = () => SLEEP_MS): Promise<void> {
    this.isRunning = true;
    let lastTurn = performance.now();
    let lastEvent = lastTurn;
    let gapMs = 1;
    while (this.isRunning) {
      const now = performance.now();
      const wanted = Math.min(work(), SLEEP_MS);
      const isSpinning = gapMs < SPIN_MS && now - lastEvent < SPIN_MS;
      if (now - lastTurn > TURN_MS || (!isSpinning && wanted > 0)) {
        await nodeTurn();
        lastTurn = performance.now();
      }
      if (this.poll(isSpinning ? 0 : wanted) > 0) {
        const time = performance.now();
        gapMs = (gapMs + (time - lastEvent)) / 2;
        lastEvent = time;
      }
    }
  }

  /** Ends run(), from a handler or a timer. */
  stop(): void {
    this.isRunning = false;
  }

  close(): void {
    this.libc.close(this.fd);
  }

  private call(handler: ReadyHandler, events = 0): void {
    try {
      handler(events);
    } catch (error) {
      this.onFault(error);
    }
  }

  private control(operation: number, fd: number, events: number): void {
    this.change.view.setUint32(0, events, true);
    this.change.view.setInt32(DATA, fd, true);
    if (this.libc.epoll_ctl(this.fd, operation, fd, this.change.u8) < 0) {
      throw new NicError('SOCKET', `descriptor ${fd} cannot be waited for (errno ${this.libc.errno()})`);
    }
  }
}
