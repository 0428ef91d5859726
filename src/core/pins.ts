// SPDX-License-Identifier: Apache-2.0
// The compiled core as the host sees it: its functions, and views of its memory.
import type * as pins from '../../build/nic.d.ts';

/** The functions that the core exports. */
export type Pins = typeof pins.__AdaptedExports;

/** What an instrumented core exports beside that (assembly/fuzz/index.ts). */
export interface InstrumentedPins extends Pins {
  /** Takes the present state as the one that reset() goes back to. */
  keep(): void;
  /** Puts the card back; answers how many pages had changed. */
  reset(): number;
  /** To be called before the host writes `bytes` of the card's memory at `at`. */
  willWrite(at: number, bytes: number): void;
  /** Points of the code reached for the first time since forgetSeen(). */
  collect(): number;
  forgetSeen(): void;
}

/** A core in its memory. */
export interface CoreInstance {
  readonly pins: Pins;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  /** Little-endian reader for 64-bit values. */
  readonly view: DataView;
  /** Address and size of the guest window. */
  readonly windowBase: number;
  readonly windowBytes: number;
}
