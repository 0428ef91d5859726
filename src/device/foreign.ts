// SPDX-License-Identifier: Apache-2.0
// Memory that belongs to someone else, a virtual machine monitor for instance: the core asks for it by handle, in the
// middle of its work, and gets an answer at once or later.
import { MEMORY_DONE, MEMORY_FAULT, MEMORY_LATER } from '../../assembly/abi/state_value.ts';
import type { CoreInstance, ForeignAccess, ReadTicket } from '../core/instance.ts';
import { NicError } from '../util/errors.ts';

/** False: nothing is mapped there. */
export type ForeignAnswer = boolean | 'later';

/**
 * Such memory. It is asked while the card works, and may call the card for two things only: a register read in functional
 * mode, and Nic.answerLater().
 */
export interface ForeignMemory {
  /**
   * Copies `length` bytes at `offset` of the mapping into `target`, from `at` on. 'later', if it has called
   * Nic.answerLater() for that: the card goes on with other things.
   */
  read(offset: number, length: number, target: Uint8Array, at: number): ForeignAnswer;
  /**
   * Copies `length` bytes of `source`, from `at` on, to `offset` of the mapping. 'later': they are taken, and in effect
   * before a later read of this memory is answered, which then has to answer reads later too.
   */
  write(offset: number, length: number, source: Uint8Array, at: number): ForeignAnswer;
}

/** A read of the card that is answered later. */
export interface LateRead {
  /** Bytes that were read, from byte `at` of the read on. Those that nobody waits for any more are disregarded. */
  put(at: number, bytes: Uint8Array): void;
  /** All of it is there, or, not good, cannot be had: the card goes on. To be called once, when the card is not at work. */
  end(isGood: boolean): void;
}

function outcome(answer: ForeignAnswer): number {
  if (answer === 'later') return MEMORY_LATER;
  return answer ? MEMORY_DONE : MEMORY_FAULT;
}

/** The foreign memories of a card by handle. */
export class ForeignTable implements ForeignAccess {
  readonly ticket: ReadTicket = { reader: 0, number: 0, iova: 0, target: 0 };
  /** The core waits for memory: outputs stay where they are, a handler must not find it half way. */
  isBusy = false;
  private readonly memories: (ForeignMemory | null)[] = [];
  /** States of the card so far; what is owed to another one is not wanted. */
  private states = 0;

  add(memory: ForeignMemory): number {
    const free = this.memories.indexOf(null);
    const handle = free < 0 ? this.memories.length : free;
    this.memories[handle] = memory;
    return handle;
  }

  remove(handle: number): void {
    if (handle < this.memories.length) this.memories[handle] = null;
  }

  read(handle: number, offset: number, length: number, target: Uint8Array, at: number): number {
    const memory = this.enter(handle);
    try {
      return memory === null ? MEMORY_FAULT : outcome(memory.read(offset, length, target, at));
    } finally {
      this.isBusy = false;
    }
  }

  write(handle: number, offset: number, length: number, source: Uint8Array, at: number): number {
    const memory = this.enter(handle);
    try {
      return memory === null ? MEMORY_FAULT : outcome(memory.write(offset, length, source, at));
    } finally {
      this.isBusy = false;
    }
  }

  /** The read under way; `onAnswer` is called when the card has gone on with it. */
  answerLater({ pins, u8 }: CoreInstance, onAnswer: () => void): LateRead {
    const { reader, number, iova, target } = this.ticket;
    const { states } = this;
    return {
      put: (at, bytes) => {
        if (states === this.states && pins.isMemoryWanted(reader, number)) u8.set(bytes, target + at);
      },
      end: (isGood) => {
        if (states !== this.states) return;
        pins.answerMemory(reader, number, iova, isGood);
        onAnswer();
      },
    };
  }

  /** The card is in another state now: answers find nobody. */
  forgetLate(): void {
    this.states++;
  }

  /** Waiting for requests makes time go on, which the card cannot in the middle of one. */
  checkAtRest(isFunctional: boolean): void {
    if (!this.isBusy || isFunctional) return;
    throw new NicError('REENTRY', 'foreign memory made the card wait for its requests; it may read registers only');
  }

  private enter(handle: number): ForeignMemory | null {
    if (this.isBusy) {
      throw new NicError('REENTRY', 'foreign memory made the card use memory; it may read registers and nothing else');
    }
    this.isBusy = true;
    return this.memories[handle] ?? null;
  }
}
