// SPDX-License-Identifier: Apache-2.0
// One instance of the compiled core with its memory: the only place that instantiates, and the only one that knows the
// arena's addresses through views. Memory has a fixed size, so the views stay valid for the life of the instance.
import { CARD_BYTES_MAX, FUZZ_MEMORY_BYTES } from '../../assembly/abi/fuzz_memory.ts';
import { ARENA_BASE, CONFIG, PARAM } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as CFG from '../../assembly/abi/nic_config.ts';
import { NicError } from '../util/errors.ts';
import type { CoreModule } from './load.ts';
import type { CoreInstance, InstrumentedPins, Pins } from './pins.ts';
import { guarded } from './trap.ts';

export type { CoreInstance, InstrumentedPins, Pins } from './pins.ts';

const PAGE_BYTES = 65536;
/** Enough for a core to say how much it needs. */
const PROBE_BYTES = 16 * PAGE_BYTES;

/** Who wanted what, in the core's words; by them it is answered later. */
export interface ReadTicket {
  reader: number;
  number: number;
  iova: number;
  /** Place in linear memory. */
  target: number;
}

/** Memory outside the core's own, as the core asks for it; `at` is a place in linear memory. MEMORY_* of the state map. */
export interface ForeignAccess {
  /** Of the read that it is asked for; the next one has the same object. */
  readonly ticket: ReadTicket;
  read(handle: number, offset: number, length: number, target: Uint8Array, at: number): number;
  write(handle: number, offset: number, length: number, source: Uint8Array, at: number): number;
}

/** Words to put in place before the card is built. */
export interface CoreSetup {
  /** PF, VFs and functions on demand. */
  readonly functions: number;
  readonly windowBytes: number;
  /** Bytes of the trace ring behind the arena. Default 0: nothing can be traced. */
  readonly traceBytes?: number;
  /** CONFIG words by index. */
  readonly config: ReadonlyMap<number, number>;
  /** PARAM words by index. */
  readonly params: ReadonlyMap<number, number>;
  readonly foreign: ForeignAccess;
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory, foreign: ForeignAccess): Pins {
  const u8 = new Uint8Array(memory.buffer);
  // assembly/host/foreign.ts declares these
  const functions = {
    foreignRead: (
      handle: number,
      offset: number,
      length: number,
      target: number,
      reader: number,
      number: number,
      iova: number,
    ) => {
      const { ticket } = foreign;
      ticket.reader = reader;
      ticket.number = number;
      ticket.iova = iova;
      ticket.target = target >>> 0;
      return foreign.read(handle >>> 0, offset, length >>> 0, u8, target >>> 0);
    },
    foreignWrite: (handle: number, offset: number, length: number, source: number) =>
      foreign.write(handle >>> 0, offset, length >>> 0, u8, source >>> 0),
  };
  return new WebAssembly.Instance(module, { env: { memory }, foreign: functions }).exports as unknown as Pins;
}

/** Is it a core that tells what it reached and changed? */
export function isInstrumented(pins: Pins): pins is InstrumentedPins {
  return 'keep' in pins;
}

function newMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch {
    throw new NicError(
      'MEMORY',
      `${bytes} bytes of memory for the card cannot be had; ask for fewer VFs or smaller windowBytes`,
    );
  }
}

/** Builds a card in a new instance. Throws NicError MEMORY when the memory cannot be had. */
export function createInstance(module: CoreModule, setup: CoreSetup): CoreInstance {
  // an instrumented core keeps its books in fixed places behind the card
  const isWatched = WebAssembly.Module.exports(module).some(({ name }) => name === 'keep');
  const probe = instantiate(module, newMemory(isWatched ? FUZZ_MEMORY_BYTES : PROBE_BYTES), setup.foreign);
  const stateBytes =
    probe.memoryNeeded(setup.functions, setup.windowBytes, setup.config.get(CFG.RECEIVE_HOLD_BYTES) ?? 0) >>> 0;
  const traceBytes = setup.traceBytes ?? 0;
  const bytes = stateBytes + traceBytes;
  if (isWatched && bytes > CARD_BYTES_MAX) {
    throw new NicError('MEMORY', `a card of ${bytes} bytes; an instrumented core has room for ${CARD_BYTES_MAX}`);
  }
  const memory = newMemory(isWatched ? FUZZ_MEMORY_BYTES : bytes);
  const core = instantiate(module, memory, setup.foreign);
  const u32 = new Uint32Array(memory.buffer);
  for (const [index, value] of setup.config) u32[CONFIG / 4 + index] = value;
  for (const [index, value] of setup.params) u32[PARAM / 4 + index] = value;
  u32[CTL.TRACE_RING_BASE / 4] = stateBytes;
  u32[CTL.TRACE_RING_BYTES / 4] = traceBytes;
  if (!core.create()) throw new NicError('MEMORY', `the core refuses ${bytes} bytes of memory as too small`);
  const instance = {
    pins: core,
    u8: new Uint8Array(memory.buffer),
    u16: new Uint16Array(memory.buffer),
    u32,
    f64: new Float64Array(memory.buffer),
    view: new DataView(memory.buffer),
    windowBase: core.windowBase() >>> 0,
    windowBytes: core.windowBytes() >>> 0,
  };
  return isWatched ? instance : { ...instance, pins: guarded(instance) };
}

/**
 * Copy of the whole state, the guest window included; the trace ring is no part of it. Throws NicError SNAPSHOT while reads
 * of foreign memory are not answered: nobody could answer them in the copy.
 */
export function takeSnapshot(core: CoreInstance): Uint8Array {
  const late = core.u32[CTL.LATE_READS / 4]!;
  if (late > 0) throw new NicError('SNAPSHOT', `${late} reads of foreign memory are not answered; end them first`);
  return core.u8.slice(ARENA_BASE, core.u32[CTL.MEMORY_BYTES / 4]);
}

/** Puts a snapshot back. Throws NicError SNAPSHOT if it is of another build or configuration, or not whole. */
export function putSnapshot(core: CoreInstance, snapshot: Uint8Array): void {
  const header = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
  const word = (address: number): number => header.getUint32(address - ARENA_BASE, true);
  const isOther = (address: number): boolean => word(address) !== core.u32[address / 4];
  const refuse = (why: string): never => {
    throw new NicError('SNAPSHOT', why);
  };
  const length = snapshot.byteLength;
  if (length < CTL.BYTES || isOther(CTL.MAGIC)) {
    refuse(`${length} bytes are no snapshot of a card; give what snapshot() returned`);
  }
  if (isOther(CTL.VERSION) || isOther(CTL.LAYOUT_HASH)) {
    refuse(
      'the snapshot is of another build of the core, whose state is laid out otherwise; restore it with that build',
    );
  }
  if (isOther(CTL.CONFIG_HASH)) {
    refuse('the snapshot is of a card of another configuration; restore it into an equal card');
  }
  const whole = core.u32[CTL.MEMORY_BYTES / 4]! - ARENA_BASE;
  if (length !== whole) refuse(`the snapshot has ${length} bytes of ${whole}; give all of it`);
  core.u8.set(snapshot, ARENA_BASE);
}
