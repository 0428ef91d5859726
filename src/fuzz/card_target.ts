// SPDX-License-Identifier: Apache-2.0
// The card as a target: programs run on two cards, one in each mode, from a state that depends on what is to be fuzzed.
// Every run is asked the quick questions (oracles.ts); runs that reached something new, and some others, the thorough ones.
import { POINTS_MAX, SEEN } from '../../assembly/abi/fuzz_memory.ts';
import { isTrap } from '../core/trap.ts';
import type { CreateOptions } from '../device/nic.ts';
import { NicError } from '../util/errors.ts';
import type { NicMode } from '../device/profile.ts';
import { FuzzCard } from './card.ts';
import { describeProgram } from './describe.ts';
import { Executor } from './executor.ts';
import { changeField, Generator, type OpWeights, type Random } from './generate.ts';
import { checkRun } from './oracles.ts';
import { encodeProgram, OP_BYTES, OP_WORDS, OPS_MAX, PROGRAM_TIMED } from './program.ts';
import { recordedSeeds } from './record.ts';
import { BOOT_PARTS, seedsOf } from './seeds.ts';
import type { FuzzTarget, Violation } from './target.ts';
import { ThoroughCheck } from './thorough.ts';

/** What the card is fuzzed by. */
export type CardTargetName = 'regs' | 'rings' | 'admin' | 'legacy';

/** Names of the targets whose inputs are programs for the card. */
export const CARD_TARGETS: readonly CardTargetName[] = ['regs', 'rings', 'admin', 'legacy'];

const WEIGHTS: Readonly<Record<CardTargetName, OpWeights>> = {
  regs: {
    configRead: 6,
    configWrite: 10,
    mmioRead: 10,
    mmioWrite: 24,
    bringUp: 4,
    queueSetup: 5,
    driverOk: 3,
    kick: 3,
    flr: 2,
    vfEnable: 2,
    queueReset: 2,
    region: 4,
    transmit: 2,
    receive: 1,
    advance: 1,
    control: 1,
    attach: 1,
  },
  rings: {
    descriptor: 14,
    indirect: 8,
    available: 12,
    kick: 10,
    memory: 6,
    receive: 6,
    transmit: 10,
    frame: 5,
    control: 6,
    queueReset: 2,
    queueSetup: 3,
    bringUp: 2,
    driverOk: 2,
    advance: 3,
    readFault: 1,
    fill: 1,
    attach: 1,
    mmioWrite: 3,
    configWrite: 2,
    flr: 1,
    vfEnable: 1,
  },
  admin: {
    admin: 30,
    legacy: 6,
    kick: 3,
    descriptor: 4,
    available: 3,
    memory: 3,
    mmioWrite: 3,
    configWrite: 2,
    flr: 1,
    vfEnable: 3,
    bringUp: 1,
    queueSetup: 1,
    driverOk: 1,
    advance: 2,
    readFault: 1,
    queueReset: 1,
    transmit: 2,
    receive: 1,
  },
  legacy: {
    legacy: 40,
    admin: 4,
    kick: 4,
    transmit: 4,
    receive: 2,
    mmioRead: 3,
    mmioWrite: 3,
    bringUp: 2,
    queueSetup: 2,
    driverOk: 2,
    flr: 1,
    vfEnable: 1,
    advance: 2,
    memory: 3,
    descriptor: 3,
    available: 3,
    frame: 2,
  },
};

/** Operations of a program that is drawn anew, at most. */
const FRESH_MAX = 24;

/** A card in the state that the target's programs begin with. */
export function bootExecutor(name: CardTargetName, mode: NicMode, options: CreateOptions, traceBytes = 0): Executor {
  const executor = new Executor(new FuzzCard(mode, options, traceBytes));
  if (name !== 'regs') for (const part of BOOT_PARTS) executor.boot(new Uint32Array(encodeProgram(part).buffer));
  executor.seal();
  return executor;
}

/** Programs against the registers, the rings, the administration or the legacy commands of the card. */
export class CardTarget implements FuzzTarget {
  readonly name: CardTargetName;
  private readonly executors: readonly [Executor, Executor];
  private readonly thorough: readonly [ThoroughCheck, ThoroughCheck];
  private readonly generator: Generator;
  private readonly staging = new Uint32Array((OPS_MAX + 1) * OP_WORDS);
  private readonly stagingBytes = new Uint8Array(this.staging.buffer);
  private last: Executor;
  private lastHash = 0;
  private readonly scratch = new Uint32Array((OPS_MAX + 2) * OP_WORDS);
  private readonly scratchBytes = new Uint8Array(this.scratch.buffer);

  constructor(name: CardTargetName, options: CreateOptions = {}) {
    this.name = name;
    this.generator = new Generator(WEIGHTS[name]);
    const make = (mode: NicMode): Executor => bootExecutor(name, mode, options);
    try {
      this.executors = [make('functional'), make('timed')];
      this.thorough = [new ThoroughCheck(this.executors[0]), new ThoroughCheck(this.executors[1])];
    } catch (error) {
      if (isTrap(error)) throw new NicError('FUZZ', `O1: trap before any program: ${error.message}`);
      throw error;
    }
    this.last = this.executors[0];
    this.forgetCoverage();
  }

  /** What booting and the first checks reached does not count. */
  private forgetCoverage(): void {
    for (const { card } of this.executors) {
      card.pins.collect();
      card.pins.forgetSeen();
    }
  }

  run(input: Uint8Array): Violation | null {
    const count = this.load(input);
    const executor = this.executors[this.staging[0]! & PROGRAM_TIMED]!;
    this.last = executor;
    let violation: Violation | null;
    try {
      executor.execute(this.staging, count);
      violation = executor.driver.violation ?? checkRun(executor);
    } catch (error) {
      violation = violationOf(executor, error);
    }
    this.lastHash = executor.traceHash();
    executor.reset();
    return violation;
  }

  check(input: Uint8Array): Violation | null {
    const found = this.run(input);
    if (found !== null) return found;
    const count = this.load(input);
    try {
      return this.thorough[this.staging[0]! & PROGRAM_TIMED]!.check(this.staging, count);
    } catch (error) {
      const violation = violationOf(this.last, error);
      this.last.reset();
      return violation;
    }
  }

  /** Puts an input into the staging area; how many words it has. */
  private load(input: Uint8Array): number {
    const bytes = Math.min(input.length, this.stagingBytes.length);
    this.staging[0] = 0;
    this.stagingBytes.set(bytes === input.length ? input : input.subarray(0, bytes));
    return bytes >> 2;
  }

  collectNew(): number {
    return this.last.card.pins.collect();
  }

  /** Numbers of the points that runs have reached (build/nic.fuzz.json says where they are). */
  reachedPoints(): number[] {
    const points = new Set<number>();
    for (const { card } of this.executors) {
      for (let point = 0; point < POINTS_MAX; point++) if (card.u8[SEEN + point] === 0) points.add(point);
    }
    return [...points];
  }

  traceHash(): string {
    return this.lastHash.toString(16).padStart(8, '0');
  }

  seeds(): Uint8Array[] {
    const { modern, pf } = recordedSeeds();
    return [...seedsOf(this.name), this.name === 'regs' || this.name === 'rings' ? modern : pf];
  }

  mutate(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
    const { scratch, generator } = this;
    if ((random() & 7) === 0) {
      // a program of its own: what long inputs have made certain is open again
      const fresh = 1 + (random() % FRESH_MAX);
      scratch[0] = random() & PROGRAM_TIMED;
      generator.drawSequence(scratch, OP_WORDS, fresh, random);
      return this.scratchBytes.subarray(0, (fresh + 1) * OP_BYTES);
    }
    let count = Math.min(OPS_MAX, Math.floor(input.length / OP_BYTES) - 1);
    this.scratchBytes.set(input.subarray(0, (count + 1) * OP_BYTES));
    for (let edits = 1 + (random() & 3); edits > 0; edits--) {
      const at = (1 + (random() % Math.max(1, count))) * OP_WORDS;
      switch (random() & 7) {
        case 0: // take some out
          count = this.cut(count, at, random);
          break;
        case 1: // one more of what is there
          if (count > 0) count = this.makeRoom(count, at, 1);
          break;
        case 2: // the rest of another
          count = this.splice(count, other, random);
          break;
        case 3:
        case 4:
          if (count > 0) changeField(scratch, at, random);
          break;
        case 5: // new ones at the end, where the state is richest
          count = this.append(count, 1 + (random() & 7), random);
          break;
        case 6: {
          // new ones in between
          const more = Math.min(1 + (random() & 3), OPS_MAX - count);
          count = this.makeRoom(count, at, more);
          generator.drawSequence(scratch, at, more, random);
          break;
        }
        default:
          if ((random() & 15) === 0) scratch[0]! ^= PROGRAM_TIMED;
          else if (count > 0) generator.draw(scratch, at, random);
      }
    }
    return this.scratchBytes.subarray(0, (count + 1) * OP_BYTES);
  }

  private cut(count: number, at: number, random: Random): number {
    const from = at / OP_WORDS;
    const taken = Math.min(1 + (random() & 3), count - 1, count - from + 1);
    if (taken < 1) return count;
    this.scratch.copyWithin(at, at + taken * OP_WORDS, (count + 1) * OP_WORDS);
    return count - taken;
  }

  /** Moves what begins at `at` on by `more` operations, as far as there is room; the new number of operations. */
  private makeRoom(count: number, at: number, more: number): number {
    if (count + more > OPS_MAX) return count;
    this.scratch.copyWithin(at + more * OP_WORDS, at, (count + 1) * OP_WORDS);
    return count + more;
  }

  private append(count: number, more: number, random: Random): number {
    const room = Math.min(more, OPS_MAX - count);
    this.generator.drawSequence(this.scratch, (count + 1) * OP_WORDS, room, random);
    return count + room;
  }

  private splice(count: number, other: Uint8Array, random: Random): number {
    const available = Math.floor(other.length / OP_BYTES) - 1;
    if (available < 1 || count >= OPS_MAX) return count;
    const from = 1 + (random() % available);
    const taken = Math.min(1 + (random() % (available - from + 1)), OPS_MAX - count);
    this.scratchBytes.set(other.subarray(from * OP_BYTES, (from + taken) * OP_BYTES), (count + 1) * OP_BYTES);
    return count + taken;
  }

  *shrink(input: Uint8Array): Iterable<Uint8Array> {
    const count = Math.floor(input.length / OP_BYTES) - 1;
    for (let length = count >> 1; length >= 1; length >>= 1) {
      for (let from = 1; from + length - 1 <= count; from += length) {
        const shorter = new Uint8Array(input.length - length * OP_BYTES);
        shorter.set(input.subarray(0, from * OP_BYTES));
        shorter.set(input.subarray((from + length) * OP_BYTES), from * OP_BYTES);
        yield shorter;
      }
    }
    for (let at = OP_BYTES + 1; at < input.length; at++) {
      if (input[at] === 0 || at % OP_BYTES === 0) continue; // what an operation is stays
      const plainer = input.slice();
      plainer[at] = 0;
      yield plainer;
    }
  }

  describe(input: Uint8Array): string[] {
    return describeProgram(input);
  }
}

/** A trap is a bug of the card (O1), work without end is one of its kind (O2); an untyped error breaks a promise too. */
export function violationOf(executor: Executor, error: unknown): Violation {
  if (isTrap(error)) {
    if (executor.card.isOutOfFuel)
      return { oracle: 'O2', message: 'work without end: a loop took more turns than any good one' };
    return { oracle: 'O1', message: `trap: ${error.message}` };
  }
  if (error instanceof Error) return { oracle: 'O1', message: `untyped error: ${error.name}: ${error.message}` };
  throw error;
}
