// SPDX-License-Identifier: Apache-2.0
// An access in the card's own time: the requests of its registers, each when the one before is complete. A write to a BAR
// is posted, and complete when it is sent.
import type { Nic } from '../device/nic.ts';
import { keepValue, valueAt, widthAt, type Access } from './function_access.ts';

export class RegisterRun {
  /** What was read, empty for a write; all of it when isDone. */
  readonly read: Uint8Array;
  private readonly nic: Nic;
  private readonly fn: number;
  private readonly access: Access;
  /** Who waits for a completion, by its tag. */
  private readonly waiting: Map<number, RegisterRun>;
  private done = 0;

  constructor(nic: Nic, fn: number, access: Access, waiting: Map<number, RegisterRun>) {
    this.nic = nic;
    this.fn = fn;
    this.access = access;
    this.waiting = waiting;
    this.read = new Uint8Array(access.data === null ? access.size : 0);
  }

  get isDone(): boolean {
    return this.done === this.access.size;
  }

  /** Sends requests, up to the first that has to be completed before it goes on. */
  begin(): void {
    const { nic, fn, access } = this;
    const { isConfig, bar, offset, data } = access;
    while (!this.isDone) {
      const at = offset + this.done;
      const width = widthAt(access, this.done);
      if (data !== null && !isConfig) {
        nic.write(fn, bar, at, width, valueAt(data, this.done, width));
        this.done += width;
        continue;
      }
      const tag =
        data !== null
          ? nic.requestConfigWrite(fn, at, width, valueAt(data, this.done, width))
          : isConfig
            ? nic.requestConfigRead(fn, at, width)
            : nic.requestRead(fn, bar, at, width);
      if (tag === null) throw new Error('a kernel has one access of a function under way, and there are tags for more');
      this.waiting.set(tag, this);
      return;
    }
  }

  /** The request that was sent last is complete. */
  complete(value: number): void {
    const { access } = this;
    const width = widthAt(access, this.done);
    if (access.data === null) keepValue(this.read, this.done, width, value);
    this.done += width;
    this.begin();
  }
}
