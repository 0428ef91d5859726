// SPDX-License-Identifier: Apache-2.0
// What everything that lives on one host shares: the machine with the card, the nodes in /dev/vfio/devices, calls that
// sleep, and the card's functions on demand by number.
import type { Machine } from '../machine/machine.ts';
import type { Steps, Tasks } from './tasks.ts';
import type { VfioNodes } from './vfio_node.ts';

/** The host around one card. */
export interface Host {
  readonly machine: Machine;
  readonly nodes: VfioNodes;
  readonly tasks: Tasks;
  readonly functions: NumberPool;
  /** Simulated time in milliseconds. */
  nowMs(): number;
}

/** What goes with the PF's driver, besides the VFs. */
export interface PfChild {
  /** The driver is unbound: everything goes, and sleeps while it is in use. */
  unregister(): Steps;
  /** The driver is bound again. */
  register(): void;
  /** The PF was reset, which takes functions on demand away: they are made again. */
  restore(): void;
}

/** Numbers from `first` to `last`; the lowest free one is taken. */
export class NumberPool {
  private readonly first: number;
  private readonly last: number;
  private readonly taken = new Set<number>();

  constructor(first: number, last: number) {
    this.first = first;
    this.last = last;
  }

  get free(): number {
    return this.last - this.first + 1 - this.taken.size;
  }

  get inUse(): number {
    return this.taken.size;
  }

  /** Null where none is left. */
  take(): number | null {
    for (let number = this.first; number <= this.last; number++) {
      if (this.taken.has(number)) continue;
      this.taken.add(number);
      return number;
    }
    return null;
  }

  give(number: number): void {
    this.taken.delete(number);
  }
}
