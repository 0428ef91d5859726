// SPDX-License-Identifier: Apache-2.0
// What stands around a driver under attack: memory, time, interrupts, and the lies that the input has in store. Everything
// that the driver asks for is a step; who takes too many of them is in an endless loop.
import { decodeRecords, type FuzzRecord } from './records.ts';
import { Breach } from './breach.ts';
import type { DeviceQueue } from './driver_queue.ts';
import { GuardedMemory } from './driver_memory.ts';
import { Observer } from './observer.ts';
import type { AdminResult } from '../../guest/admin_client.ts';
import type { Clock } from '../../guest/platform.ts';

/**
 * Steps of one operation: more than any honest work takes, and than it takes to try every number of VFs of a device that
 * claims 65,535, with three accesses each.
 */
const STEPS_PER_OPERATION = 220_000;
/** Steps of one operation that count as new behaviour. */
const OBSERVED_STEPS = 5_000;
/** Interrupts that one record may ask for. */
const MOST_INTERRUPTS = 64;

/** A register that answers something else than the truth. */
export interface ReadLie {
  readonly where: number;
  readonly mode: number;
  readonly offset: number;
  readonly value: number;
  /** Honest answers first. */
  skip: number;
  reads: number;
}

/** A used element that is not what it should be. */
export interface UsedLie {
  readonly id: number;
  readonly length: number;
  readonly step: number;
  readonly value: number;
}

/** An answer to an administration command that is not what it should be. */
export interface AdminLie {
  readonly mode: number;
  readonly status: number;
  readonly value: number;
}

/** Shapes of steps, for the coverage map. */
export const STEP = {
  READ: 0x1000_0000,
  WRITE: 0x2000_0000,
  CALL: 0x3000_0000,
  WAIT: 0x4000_0000,
  IRQ: 0x5000_0000,
  RECEIVE: 0x6000_0000,
  RESULT: 0x7000_0000,
  ERROR: 0x8000_0000,
  USED: 0x9000_0000,
  ADMIN: 0xa000_0000,
} as const;

/** Bits of DriverWorld.behaviour. */
export const IMMEDIATE_INTERRUPTS = 1;
export const ENDLESS_NOISE = 2;
export const FLOOD = 4;
export const NO_INTERRUPTS = 8;

export class DriverWorld implements Clock {
  readonly observer = new Observer();
  readonly memory = new GuardedMemory();
  readonly queues: DeviceQueue[] = [];
  readonly readLies: ReadLie[] = [];
  readonly usedLies = new Map<number, UsedLie[]>();
  readonly adminLies: AdminLie[] = [];
  /** Queues that are not served, a bit each. */
  silent = 0;
  behaviour = 0;
  /** The program writes registers behind its driver's back: what they hold is not the driver's doing. */
  isProgramWriting = false;
  private events: (() => void)[] = [];
  private steps = 0;
  private time = 0;
  private isInInterrupt = 0;

  /** Starts an execution; the records of the input. */
  begin(input: Uint8Array): FuzzRecord[] {
    this.observer.begin();
    this.memory.reset();
    this.queues.length = 0;
    this.readLies.length = 0;
    this.usedLies.clear();
    this.adminLies.length = 0;
    this.silent = 0;
    this.behaviour = 0;
    this.isProgramWriting = false;
    this.events = [];
    this.time = 0;
    this.isInInterrupt = 0;
    this.operation();
    return decodeRecords(input);
  }

  /** A new operation has its own budget of steps. */
  operation(): void {
    this.steps = 0;
  }

  /** A step of the driver. Throws Breach when there were too many. */
  step(shape: number, detail: number): void {
    this.steps++;
    if (this.steps > STEPS_PER_OPERATION) throw new Breach('the driver is in an endless loop');
    if (this.steps <= OBSERVED_STEPS) this.observer.step(shape, detail);
  }

  /** Runs `handler` when the driver waits next; at once if the device is of that kind and no handler runs. */
  interrupt(handler: () => void): void {
    if ((this.behaviour & NO_INTERRUPTS) !== 0) return;
    if ((this.behaviour & IMMEDIATE_INTERRUPTS) !== 0 && this.isInInterrupt < 3) this.fire(handler);
    else if (this.events.length < MOST_INTERRUPTS) this.events.push(handler);
  }

  now(): number {
    return this.time;
  }

  waitForEvent(): boolean {
    this.step(STEP.WAIT, this.events.length);
    this.time += 100;
    const next = this.events.shift();
    if (next === undefined) return (this.behaviour & ENDLESS_NOISE) !== 0;
    this.fire(next);
    return true;
  }

  advance(cycles: number): void {
    this.step(STEP.WAIT, cycles);
    this.time += cycles;
  }

  /** What the driver says it received: `length` bytes of `bytes` from `offset`. */
  received(bytes: Uint8Array, offset: number, length: number): void {
    this.step(STEP.RECEIVE, length);
    if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
      throw new Breach(`a frame of ${length} bytes at ${offset} leaves its buffer of ${bytes.length}`);
    }
    if (bytes === this.memory.u8) this.receivedInPlace(offset, length);
    else this.receivedMerged(length);
  }

  /** What the program was answered to an administration command with room for `room` bytes of result. */
  adminAnswer(answer: AdminResult, room: number): void {
    this.step(STEP.ADMIN, answer.status);
    if (answer.resultLength <= room && answer.result.length >= answer.resultLength) return;
    throw new Breach(`an admin result of ${answer.resultLength} bytes in a buffer of ${room}`);
  }

  /** A frame in one buffer: the device must have returned that buffer, once, and it must be large enough. */
  private receivedInPlace(offset: number, length: number): void {
    for (const queue of this.queues) {
      for (const [head, chain] of queue.returned) {
        const isInside = chain.segments.some(
          ({ at, length: room, isWritable }) => isWritable && offset >= at && offset + length <= at + room,
        );
        if (!isInside) continue;
        queue.returned.delete(head);
        return;
      }
    }
    if (!this.queues.some((queue) => queue.isTainted)) {
      throw new Breach(`a frame of ${length} bytes at ${offset} is in no buffer that the device returned`);
    }
  }

  /** A frame over several buffers: not longer than all that the device returned. */
  private receivedMerged(length: number): void {
    let room = 0;
    for (const queue of this.queues) {
      if (queue.isTainted) return;
      for (const { segments } of queue.returned.values()) {
        for (const segment of segments) if (segment.isWritable) room += segment.length;
      }
    }
    if (length > room) throw new Breach(`a merged frame of ${length} bytes where ${room} were returned`);
  }

  private fire(handler: () => void): void {
    this.isInInterrupt++;
    try {
      handler();
    } finally {
      this.isInInterrupt--;
    }
  }
}
