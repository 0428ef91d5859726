// SPDX-License-Identifier: Apache-2.0
// What a guest driver has besides its device: memory that the device can reach, and time.
import { wholeFrom } from '../util/options.ts';

/** Memory that a driver shares with the device. Offsets are bytes into the views; `iova` is what the device is told. */
export interface DmaMemory {
  readonly u8: Uint8Array;
  /** Little-endian host assumed, as WebAssembly is: u16[offset >> 1]. */
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** Size in bytes; allocations beyond it throw ENOMEM. */
  readonly size: number;
  /** Zeroed block; returns its offset into the views. `align` is a power of two. */
  alloc(bytes: number, align: number): number;
  /** Device address of an offset; below 2^53. */
  iova(offset: number): number;
}

/** Simulated time, as a driver that waits sees it. */
export interface Clock {
  /** Current time in core cycles. */
  now(): number;
  /**
   * Let the device work until the next output (an interrupt, a frame) or until nothing is left to do.
   * Handlers of interrupts that arrived have run when it returns. False: idle, waiting longer changes nothing.
   */
  waitForEvent(): boolean;
  /** Let `cycles` pass. */
  advance(cycles: number): void;
}

/**
 * How often a driver waits for one answer before it gives the device up: far more events than come between a command and
 * its answer, and an end where a device keeps busy and never answers.
 */
export const ANSWER_WAITS = 1_000_000;

/** An option that says otherwise. */
export const WAITS = wholeFrom(1, 2 ** 32);

/** The next multiple of `alignment`, a power of two. */
export function alignUp(value: number, alignment: number): number {
  return (value + alignment - 1) & -alignment;
}
