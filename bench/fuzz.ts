// SPDX-License-Identifier: Apache-2.0
// Executions of the fuzzer: programs of 20 register accesses, each changed in one place before it runs. Unguided: change, run,
// put the card back. Guided: the engine's whole loop, with the oracles, what was reached, and the thorough checks at
// their usual rate.
import { FuzzCard } from '../src/fuzz/card.ts';
import { CardTarget } from '../src/fuzz/card_target.ts';
import { Fuzzer } from '../src/fuzz/engine.ts';
import { Executor } from '../src/fuzz/executor.ts';
import { Generator } from '../src/fuzz/generate.ts';
import { OP_WORDS } from '../src/fuzz/program.ts';
import { Random } from '../src/util/random.ts';
import type { Scenario } from './scenario.ts';

const ACCESSES = 20;
const PROGRAMS = 64;
const RUNS = 256;

/** Reads and writes of registers, as the target `regs` draws them. */
const REGISTER_ACCESSES = { configRead: 6, mmioRead: 10, mmioWrite: 24 };

/** Programs of 20 accesses, and a change of one of them in place. */
class Programs {
  readonly all: Uint32Array[];
  private readonly generator = new Generator(REGISTER_ACCESSES);
  private readonly random = new Random(1);

  constructor() {
    this.all = Array.from({ length: PROGRAMS }, () => {
      const words = new Uint32Array(OP_WORDS * (ACCESSES + 1));
      for (let op = 1; op <= ACCESSES; op++) this.generator.draw(words, op * OP_WORDS, this.next);
      return words;
    });
  }

  readonly next = (): number => this.random.next();

  change(words: Uint32Array): void {
    this.generator.draw(words, (1 + this.random.below(ACCESSES)) * OP_WORDS, this.next);
  }
}

export function fuzzUnguided(): Scenario {
  const executor = new Executor(new FuzzCard('functional'));
  executor.seal();
  const programs = new Programs();
  const run = (): number => {
    for (let i = 0; i < RUNS; i++) {
      const words = programs.all[i % PROGRAMS]!;
      programs.change(words);
      executor.execute(words);
      executor.reset();
    }
    return RUNS;
  };
  const before = executor.card.nic.digest();
  return {
    operations: RUNS,
    unit: 'execution',
    run,
    // the card is where it was, to the bit
    check: (result) => result === RUNS && executor.card.nic.digest() === before,
  };
}

/** Register programs as a target whose inputs keep their length. */
class RegisterTarget extends CardTarget {
  private readonly programs = new Programs();
  private readonly changed = new Uint32Array(OP_WORDS * (ACCESSES + 1));
  private readonly changedBytes = new Uint8Array(this.changed.buffer);

  override seeds(): Uint8Array[] {
    return this.programs.all.map((words) => new Uint8Array(words.slice().buffer));
  }

  override mutate(input: Uint8Array): Uint8Array {
    this.changedBytes.set(input);
    this.programs.change(this.changed);
    return this.changedBytes;
  }
}

export function fuzzGuided(): Scenario {
  const fuzzer = new Fuzzer(new RegisterTarget('regs'));
  const run = (): number => {
    const before = fuzzer.executions;
    fuzzer.step();
    return fuzzer.executions - before;
  };
  return {
    operations: run(),
    unit: 'execution',
    run,
    check: (result) => result === RUNS && fuzzer.findings.length === 0 && fuzzer.edges > 100,
  };
}
