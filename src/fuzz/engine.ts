// SPDX-License-Identifier: Apache-2.0
// The fuzzer's loop: change an input of the corpus, run it, keep what reached something new, report what broke a rule. Where
// an input is kept, and one time in so many besides, the thorough questions are asked. Everything follows from the seed.
import { checkOptions, checkWhole, FLAG, wholeFrom, type OptionChecks } from '../util/options.ts';
import { Random } from '../util/random.ts';
import type { FuzzTarget, Violation } from './target.ts';

/** Inputs that break the same rule in the same words, numbers aside, are one finding. */
export interface Finding extends Violation {
  readonly target: string;
  readonly input: Uint8Array;
}

/** Settings of a run. */
export interface FuzzOptions {
  /** Random numbers begin here. Default 1. */
  readonly seed?: number;
  /** One execution in so many is checked thoroughly, beside those that are kept. Default 1024. */
  readonly thoroughEvery?: number;
  /** Inputs beside the target's own seeds, from an earlier run for instance. */
  readonly corpus?: readonly Uint8Array[];
  /** Changes inputs blindly: nothing is kept but the seeds, coverage is not looked at. Default false. */
  readonly isBlind?: boolean;
}

const FUZZ_OPTIONS: OptionChecks<FuzzOptions> = {
  seed: wholeFrom(0, Number.MAX_SAFE_INTEGER),
  thoroughEvery: wholeFrom(1, Number.MAX_SAFE_INTEGER),
  corpus: {
    what: 'a list of Uint8Arrays',
    isGood: (inputs) => Array.isArray(inputs) && inputs.every((input) => input instanceof Uint8Array),
  },
  isBlind: FLAG,
};

/** How far a run is. */
export interface FuzzProgress {
  readonly executions: number;
  /** Points of the code reached, seeds included. */
  readonly edges: number;
  readonly corpus: number;
  readonly findings: number;
}

const BATCH = 256;
/** Findings that are kept; a broken card finds something in every second input. */
const FINDINGS_MAX = 100;

/** One target being fuzzed. */
export class Fuzzer {
  readonly target: FuzzTarget;
  readonly corpus: Uint8Array[] = [];
  readonly findings: Finding[] = [];
  executions = 0;
  edges = 0;
  private readonly random: Random;
  private readonly next: () => number;
  private readonly known = new Set<string>();
  private readonly thoroughEvery: number;
  private readonly isBlind: boolean;

  constructor(target: FuzzTarget, options: FuzzOptions = {}) {
    checkOptions('fuzzer', options, FUZZ_OPTIONS);
    this.target = target;
    this.random = new Random(options.seed ?? 1);
    this.next = () => this.random.next();
    this.thoroughEvery = options.thoroughEvery ?? 1024;
    this.isBlind = options.isBlind ?? false;
    const inputs = [...target.seeds(), ...(options.corpus ?? [])];
    for (const input of inputs) this.admit(input);
    if (this.corpus.length === 0) this.corpus.push(...inputs);
  }

  /** How far the run is now. */
  progress(): FuzzProgress {
    const { executions, edges } = this;
    return { executions, edges, corpus: this.corpus.length, findings: this.findings.length };
  }

  /** Runs a batch of changed inputs; how many. */
  step(): number {
    for (let i = 0; i < BATCH; i++) {
      const input = this.target.mutate(this.choose(), this.choose(), this.next);
      const violation = this.target.run(input);
      this.executions++;
      if (violation !== null) {
        this.report(input, violation);
        if (!this.isBlind) this.edges += this.target.collectNew();
        continue;
      }
      const fresh = this.isBlind ? 0 : this.target.collectNew();
      if (fresh > 0) {
        this.edges += fresh;
        this.corpus.push(input.slice());
      }
      if (fresh > 0 || (this.thoroughEvery > 0 && this.executions % this.thoroughEvery === 0))
        this.checkThoroughly(input);
    }
    return BATCH;
  }

  /** Runs until `seconds` of real time have passed, or `stop` says so; `onProgress` is called a few times a second. */
  run(
    seconds: number,
    onProgress: (progress: FuzzProgress) => void = () => {},
    stop: () => boolean = () => false,
  ): void {
    const end = performance.now() + seconds * 1000;
    let report = 0;
    while (performance.now() < end && !stop()) {
      this.step();
      if (performance.now() < report) continue;
      report = performance.now() + 250;
      onProgress(this.progress());
    }
    onProgress(this.progress());
  }

  /** An input of the corpus: one of the newest as often as any; of two, the shorter one, which leaves more open. */
  private choose(): Uint8Array {
    const { corpus, random } = this;
    const newest = Math.max(1, corpus.length >> 3);
    const draw = (): Uint8Array =>
      corpus[(random.next() & 1) === 0 ? corpus.length - 1 - random.below(newest) : random.below(corpus.length)]!;
    const [one, other] = [draw(), draw()];
    return one.length < other.length ? one : other;
  }

  private admit(input: Uint8Array): void {
    const violation = this.target.run(input);
    this.executions++;
    const fresh = this.target.collectNew();
    this.edges += fresh;
    if (violation !== null) this.report(input, violation);
    else {
      if (fresh > 0) this.corpus.push(input);
      this.checkThoroughly(input);
    }
  }

  private checkThoroughly(input: Uint8Array): void {
    const violation = this.target.check(input);
    this.target.collectNew(); // what the checks themselves reached
    if (violation !== null) this.report(input, violation);
  }

  private report(input: Uint8Array, violation: Violation): void {
    const key = `${violation.oracle} ${violation.message.replace(/0x[0-9a-f]+|\d+/g, '#')}`;
    if (this.known.has(key) || this.findings.length >= FINDINGS_MAX) return;
    this.known.add(key);
    this.findings.push({ ...violation, target: this.target.name, input: input.slice() });
  }
}

/** The smallest input found that breaks the same rule; at most `budget` executions. */
export function minimise(target: FuzzTarget, input: Uint8Array, oracle: string, budget = 5000): Uint8Array {
  checkWhole('OPTION', 'budget', budget, 0, Number.MAX_SAFE_INTEGER);
  let best = input;
  let left = budget;
  for (let isBetter = true; isBetter && left > 0;) {
    isBetter = false;
    for (const candidate of target.shrink(best)) {
      if (left-- <= 0) break;
      if (target.check(candidate)?.oracle !== oracle) continue;
      best = candidate;
      isBetter = true;
      break;
    }
  }
  return best;
}
