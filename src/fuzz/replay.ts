// SPDX-License-Identifier: Apache-2.0
// One program, slowly: each operation in words, below it the register accesses that it made, what came out of the card, and
// what the card recorded for the viewers of `virtfn trace`.
import type { CreateOptions } from '../device/nic.ts';
import type { TracedCard } from '../trace/records.ts';
import { tracedCard } from '../trace/traced_card.ts';
import type { AccessObserver } from './card.ts';
import { bootExecutor, violationOf, type CardTargetName } from './card_target.ts';
import { describeOperation, registerName } from './describe.ts';
import { QUEUE_ADMIN } from './layout.ts';
import { checkRun } from './oracles.ts';
import { decodeProgram, OP_BYTES } from './program.ts';
import type { Violation } from './target.ts';

/** Room for the records of one program. */
const TRACE_BYTES = 8 << 20;

/** What a replay saw. */
export interface ReplayedProgram {
  readonly lines: readonly string[];
  /** What the quick oracles say; the thorough ones run more than the program. */
  readonly violation: Violation | null;
  /** For the functions of src/trace. */
  readonly card: TracedCard;
  readonly records: Uint8Array;
}

/** Runs a program once and tells what happened; `mask` says what is recorded (TRACE_MASK_*). */
export function replayProgram(
  target: CardTargetName,
  input: Uint8Array,
  mask = 0,
  options: CreateOptions = {},
): ReplayedProgram {
  const { isTimed, operations } = decodeProgram(input);
  const executor = bootExecutor(target, isTimed ? 'timed' : 'functional', options, TRACE_BYTES);
  const { card } = executor;
  const lines = [`mode ${card.mode}`];
  executor.reset();
  card.nic.startTrace(mask);
  card.observer = new AccessWriter((line) => lines.push(`    ${line}`));
  const words = new Uint32Array((operations.length + 1) * (OP_BYTES / 4));
  new Uint8Array(words.buffer).set(input.subarray(0, words.byteLength));
  let violation: Violation | null = null;
  try {
    operations.forEach((operation, index) => {
      lines.push(`${String(index + 1).padStart(3)} ${describeOperation(operation)}`);
      executor.executeOne(words, index + 1);
    });
    executor.settle();
    violation = executor.driver.violation ?? checkRun(executor);
  } catch (error) {
    violation = violationOf(executor, error);
  }
  card.observer = null;
  const records = card.nic.takeTrace();
  card.nic.stopTrace();
  return { lines, violation, card: tracedCard(card.nic, QUEUE_ADMIN), records };
}

/** Accesses and messages as lines. */
class AccessWriter implements AccessObserver {
  private readonly print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.print = print;
  }

  read(fn: number, bar: number, offset: number, size: number, value: number): void {
    this.print(`${who(fn)} ${registerName(bar, offset)}${width(size)} -> ${hex(value)}`);
  }

  write(fn: number, bar: number, offset: number, size: number, value: number): void {
    this.print(`${who(fn)} ${registerName(bar, offset)}${width(size)} = ${hex(value)}`);
  }

  configRead(fn: number, offset: number, size: number, value: number): void {
    this.print(`${who(fn)} config ${hex(offset)}${width(size)} -> ${hex(value)}`);
  }

  configWrite(fn: number, offset: number, size: number, value: number): void {
    this.print(`${who(fn)} config ${hex(offset)}${width(size)} = ${hex(value)}`);
  }

  message(fn: number, vector: number): void {
    this.print(`${who(fn)} message of vector ${vector}`);
  }

  functionReset(): void {}
  cannotFollow(): void {}
  addressMayChange(): void {}
  commandsUnknown(): void {}
  answered(): void {}
  settled(): void {}
}

function who(fn: number): string {
  return fn === 0 ? 'PF ' : `VF${fn}`;
}

function width(size: number): string {
  return `/${8 * size}`;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
