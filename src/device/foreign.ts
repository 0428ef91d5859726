// SPDX-License-Identifier: Apache-2.0
// Memory that belongs to someone else, a virtual machine monitor for instance: the core asks for it by handle, in the
// middle of its work.
import { NicError } from '../util/errors.ts';

/**
 * Such memory. It is asked while the card works, and may call the card for one thing only: a register read in functional
 * mode. False: nothing is mapped there.
 */
export interface ForeignMemory {
  /** Copies `length` bytes at `offset` of the mapping into `target`, from `at` on. */
  read(offset: number, length: number, target: Uint8Array, at: number): boolean;
  /** Copies `length` bytes of `source`, from `at` on, to `offset` of the mapping. */
  write(offset: number, length: number, source: Uint8Array, at: number): boolean;
}

/** The foreign memories of a card by handle. */
export class ForeignTable {
  /** The core waits for memory: outputs stay where they are, a handler must not find it half way. */
  isBusy = false;
  private readonly memories: (ForeignMemory | null)[] = [];

  add(memory: ForeignMemory): number {
    const free = this.memories.indexOf(null);
    const handle = free < 0 ? this.memories.length : free;
    this.memories[handle] = memory;
    return handle;
  }

  remove(handle: number): void {
    if (handle < this.memories.length) this.memories[handle] = null;
  }

  read(handle: number, offset: number, length: number, target: Uint8Array, at: number): boolean {
    const memory = this.enter(handle);
    try {
      return memory !== null && memory.read(offset, length, target, at);
    } finally {
      this.isBusy = false;
    }
  }

  write(handle: number, offset: number, length: number, source: Uint8Array, at: number): boolean {
    const memory = this.enter(handle);
    try {
      return memory !== null && memory.write(offset, length, source, at);
    } finally {
      this.isBusy = false;
    }
  }

  private enter(handle: number): ForeignMemory | null {
    if (this.isBusy) {
      throw new NicError('REENTRY', 'foreign memory made the card use memory; it may read registers and nothing else');
    }
    this.isBusy = true;
    return this.memories[handle] ?? null;
  }
}
