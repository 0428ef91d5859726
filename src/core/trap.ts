// SPDX-License-Identifier: Apache-2.0
// A trap of the core is a bug of the model: an invariant that the debug build asserts, an access out of its memory. Whoever
// gets it gets what is needed to look into it: the state that it left, and what the trace ring had recorded.
import { ARENA_BASE } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import { NicError } from '../util/errors.ts';
import type { CoreInstance, Pins } from './pins.ts';

/** The core trapped. The card is in the middle of something: restore a snapshot of before, or make another one. */
export class CoreTrap extends NicError {
  /** State of the card as the trap left it, for Nic.restore() on an equal card. */
  readonly snapshot: Uint8Array;
  /** Records of the trace ring that nobody had taken, for traceRecords(); empty where nothing was traced. */
  readonly records: Uint8Array;

  constructor(cause: Error, { u8, u32 }: CoreInstance) {
    super(
      'TRAP',
      `the core trapped: ${cause.message}; a bug of virtfn, to be reported with the snapshot of this error`,
    );
    this.name = 'CoreTrap';
    this.cause = cause;
    this.snapshot = u8.slice(ARENA_BASE, u32[CTL.MEMORY_BYTES >> 2]);
    const records = u32[CTL.TRACE_RING_BASE >> 2]!;
    this.records = u8.slice(records, records + u32[CTL.TRACE_RING_USED >> 2]!);
  }
}

/** Did the core trap? Then its state is what the trap left. */
export function isTrap(error: unknown): error is Error {
  return error instanceof WebAssembly.RuntimeError || error instanceof CoreTrap;
}

/** What a caller of the card gets in place of an error of a pin. */
export function trapped(error: unknown, core: CoreInstance): unknown {
  return error instanceof WebAssembly.RuntimeError ? new CoreTrap(error, core) : error;
}

/** Pins that are called for every access: a call around each would be felt. Those that can trap are caught by their callers. */
const HOT: ReadonlySet<string> = new Set([
  'mmioRead',
  'mmioWrite',
  'configRead',
  'configWrite',
  'now',
  'nextEvent',
] satisfies (keyof Pins)[]);

/** The pins, with traps of all but the hot ones as CoreTrap. */
export function guarded(core: CoreInstance): Pins {
  const guard = ([name, pin]: [string, unknown]): [string, unknown] => {
    if (HOT.has(name) || typeof pin !== 'function') return [name, pin];
    // no pin has more parameters; what is left out is not looked at
    const call = (a: unknown, b: unknown, c: unknown, d: unknown, e: unknown, f: unknown, g: unknown): unknown => {
      try {
        return (pin as (...values: unknown[]) => unknown)(a, b, c, d, e, f, g);
      } catch (error) {
        throw trapped(error, core);
      }
    };
    return [name, call];
  };
  return Object.fromEntries(Object.entries(core.pins).map(guard)) as unknown as Pins;
}
