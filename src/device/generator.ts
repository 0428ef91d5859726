// SPDX-License-Identifier: Apache-2.0
// The traffic generator on a card's port (assembly/pcie/generator.ts) as one call: what to do, how often, how many at a
// time; then the simulated time it took. It runs as the PF, in an address space of its own, with nothing else going on.
import {
  GENERATOR,
  GENERATOR_CONTEXTS_MAX,
  GENERATOR_SAMPLES,
  GENERATOR_SAMPLES_MAX,
} from '../../assembly/abi/state_map.ts';
import * as GEN from '../../assembly/abi/generator.ts';
import {
  GENERATE_READ,
  GENERATE_READ_WRITE,
  GENERATE_SIMPLE_NIC,
  GENERATE_WRITE,
  GENERATE_WRITE_READ,
  IOMMU_READ,
  IOMMU_WRITE,
} from '../../assembly/abi/state_value.ts';
import { PCI_COMMAND, PCI_COMMAND_MASTER } from '../../assembly/abi/pci_header.ts';
import { NicError } from '../util/errors.ts';
import { ANYTHING, checkOptions, FLAG, type OptionChecks } from '../util/options.ts';
import type { Nic } from './nic.ts';

/** What the generator can do. `simplenic`: a frame sent and a frame received, with all that belongs to them. */
export type GeneratorOperation = 'read' | 'write' | 'readwrite' | 'write-read' | 'simplenic';

const OPERATIONS: Readonly<Record<GeneratorOperation, number>> = {
  read: GENERATE_READ,
  write: GENERATE_WRITE,
  readwrite: GENERATE_READ_WRITE,
  'write-read': GENERATE_WRITE_READ,
  simplenic: GENERATE_SIMPLE_NIC,
};

/** A run of the generator. */
export interface GeneratorRun {
  readonly operation: GeneratorOperation;
  /** Bytes of an operation, 1..4096. */
  readonly bytes: number;
  /** Operations to measure; rounded up to a multiple of those under way. */
  readonly operations: number;
  /** Operations before them. Default 0. */
  readonly warmup?: number;
  /**
   * Operations under way at a time, 1..4096; fewer if they are writes and what is under way would not fit the card's
   * buffer. Default 1.
   */
  readonly outstanding?: number;
  /** Bytes of host memory that are used, a power of two from 4 KiB to 64 MiB. Default 8 KiB, as pcie-bench. */
  readonly windowBytes?: number;
  /** Random places of the window instead of one after the other. Default false. */
  readonly isRandom?: boolean;
}

/** Numbers are looked at with what depends on them. */
const RUN: OptionChecks<GeneratorRun> = {
  operation: ANYTHING,
  bytes: ANYTHING,
  operations: ANYTHING,
  warmup: ANYTHING,
  outstanding: ANYTHING,
  windowBytes: ANYTHING,
  isRandom: FLAG,
};

/** What a run took. */
export interface GeneratorResult {
  /** Operations measured. */
  readonly operations: number;
  /** Simulated time from the last operation of the warm-up to the last that was measured. */
  readonly cycles: number;
  /** Latency of each operation measured, in cycles; at most the first 65,536 of the run are kept. */
  readonly latencyCycles: Uint32Array;
}

/** Where the generator's memory lies: above 4 GiB, so that requests have 64-bit addresses. */
const IOVA = 0x1_0000_0000;
const SMALLEST_WINDOW = 4096;
const LARGEST_WINDOW = 2 ** 26;
/** Physical memory behind the window; a larger window sees it several times. */
const MEMORY_BYTES = 2 ** 21;
/** Bytes of writes that may be under way; less than the 256 KiB that the card holds, since entries leave gaps. */
const WRITE_BUFFER = 200_000;

function check(isGood: boolean, name: string, value: number, remedy: string): void {
  if (!isGood) throw new NicError('GENERATOR', `${name} = ${value}: ${remedy}`);
}

/** Runs the generator on a card that does nothing else. Throws NicError GENERATOR for values out of range. */
export function generateTraffic(nic: Nic, run: GeneratorRun): GeneratorResult {
  checkOptions('generator', run, RUN);
  const { operation, bytes, outstanding = 1, windowBytes = 8192, isRandom = false } = run;
  const { operations: wanted, warmup: before = 0 } = run;
  check(nic.config.mode === 'timed', 'operations', wanted, 'traffic takes time; the card has to be in timed mode');
  if (!Object.hasOwn(OPERATIONS, operation)) {
    const operations = Object.keys(OPERATIONS).join(', ');
    throw new NicError('GENERATOR', `operation = ${String(operation)}: there are ${operations}`);
  }
  check(Number.isInteger(before) && before >= 0, 'warmup', before, 'a whole number from 0 is needed');
  check(Number.isInteger(bytes) && bytes >= 1 && bytes <= 4096, 'bytes', bytes, '1 to 4096 are possible');
  check(Number.isInteger(wanted) && wanted >= 1, 'operations', wanted, 'at least one is needed');
  const isCount = Number.isInteger(outstanding) && outstanding >= 1 && outstanding <= GENERATOR_CONTEXTS_MAX;
  check(isCount, 'outstanding', outstanding, `1 to ${GENERATOR_CONTEXTS_MAX} are possible`);
  const isWindow =
    Number.isInteger(Math.log2(windowBytes)) && windowBytes >= SMALLEST_WINDOW && windowBytes <= LARGEST_WINDOW;
  check(isWindow, 'windowBytes', windowBytes, `a power of two from ${SMALLEST_WINDOW} to ${LARGEST_WINDOW} is needed`);

  const ioas = nic.allocateIoas();
  mapWindow(nic, ioas, windowBytes);
  nic.attachIoas(0, ioas);
  nic.configWrite(0, PCI_COMMAND, 2, nic.configRead(0, PCI_COMMAND, 2) | PCI_COMMAND_MASTER);
  const { u32, view, pins } = nic.core;
  const word = (field: number, value: number): void => view.setUint32(GENERATOR + field, value, true);
  const cycle = (field: number): number => Number(view.getBigUint64(GENERATOR + field, true));
  for (let field = 0; field < GEN.SAMPLES + 4; field += 4) word(field, 0);
  word(GEN.OPERATION, OPERATIONS[operation]);
  word(GEN.BYTES, bytes);
  const contexts = operation === 'read' ? outstanding : Math.min(outstanding, Math.floor(WRITE_BUFFER / (bytes + 64)));
  // operations begin and end in waves of as many as are under way: only whole waves are measured
  const waves = (count: number): number => Math.ceil(count / contexts) * contexts;
  const warmup = waves(before);
  const operations = waves(wanted);
  // the card stays as busy as it is until the last of them is done
  const all = warmup + operations + contexts - 1;
  word(GEN.LEFT, all);
  word(GEN.WARM, warmup);
  word(GEN.UNTIL, warmup + operations);
  view.setBigUint64(GENERATOR + GEN.WARM_AT, BigInt(nic.now()), true);
  view.setBigUint64(GENERATOR + GEN.IOVA, BigInt(IOVA), true);
  word(GEN.WINDOW, windowBytes);
  word(GEN.RANDOM, isRandom ? 1 : 0);
  word(GEN.NEXT, 0);
  word(GEN.SEED, 0x2545f491);
  pins.generate(0, Math.min(contexts, all));
  nic.runToIdle();
  const done = u32[(GENERATOR + GEN.DONE) >> 2]!;
  if (done !== all) throw new NicError('GENERATOR', `${done} of ${all} operations came to an end`);
  const cycles = cycle(GEN.LAST_AT) - cycle(GEN.WARM_AT);
  const kept = Math.min(u32[(GENERATOR + GEN.SAMPLES) >> 2]!, GENERATOR_SAMPLES_MAX);
  const first = GENERATOR_SAMPLES >> 2;
  const latencyCycles = u32.slice(first + Math.min(warmup, kept), first + Math.min(warmup + operations, kept));
  nic.attachIoas(0, null);
  nic.freeIoas(ioas);
  return { operations, cycles, latencyCycles };
}

/** Maps the window, piece by piece, onto the guest memory that the card was given. */
function mapWindow(nic: Nic, ioas: number, windowBytes: number): void {
  const memory = Math.min(windowBytes, MEMORY_BYTES, nic.config.windowBytes);
  for (let at = 0; at < windowBytes; at += memory) {
    const isMapped = nic.mapIoas(ioas, IOVA + at, memory, 0, IOMMU_READ | IOMMU_WRITE);
    check(isMapped, 'windowBytes', windowBytes, 'raise windowBytes of the card');
  }
}
