// SPDX-License-Identifier: Apache-2.0
// The smallest loop that fuzzes a target: keeps inputs that reach something new, stops at the first violation.
import type { FuzzTarget, Violation } from '../../../src/fuzz/target.ts';

export interface Finding {
  readonly input: Uint8Array;
  readonly violation: Violation;
  readonly lines: readonly string[];
}

export interface LoopResult {
  readonly finding: Finding | null;
  readonly executions: number;
  /** Points of the coverage map that were reached. */
  readonly points: number;
  readonly corpus: readonly Uint8Array[];
}

/** Unsigned 32-bit numbers that the seed determines (xorshift). */
export function randomFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Runs the seeds, then mutations of what reached new points, `executions` in all. */
export function fuzzLoop(target: FuzzTarget, seed: number, executions: number): LoopResult {
  const random = randomFrom(seed);
  const corpus: Uint8Array[] = [];
  const seen = new Uint8Array(target.coverage.length);
  let points = 0;
  let runs = 0;
  let finding: Finding | null = null;
  const execute = (input: Uint8Array): Finding | null => {
    target.clearCoverage();
    const violation = target.run(input);
    runs++;
    if (violation !== null) return { input, violation, lines: target.describe(input) };
    let isNew = false;
    const { coverage } = target;
    for (let i = 0; i < coverage.length; i++) {
      if (coverage[i] === 0 || seen[i] !== 0) continue;
      seen[i] = 1;
      points++;
      isNew = true;
    }
    if (isNew) corpus.push(input);
    return null;
  };
  for (const input of target.seeds()) finding ??= execute(input);
  for (let left = executions - runs; finding === null && left > 0; left--) {
    const input = corpus[random() % corpus.length]!;
    const other = corpus[random() % corpus.length]!;
    finding = execute(target.mutate(input, other, random));
  }
  return { finding, executions: runs, points, corpus };
}

/** Removes records while the same violation stays: what a person wants to read. */
export function shorten(target: FuzzTarget, finding: Finding, recordBytes: number): Finding {
  let { input } = finding;
  for (let at = recordBytes; at < input.length;) {
    const shorter = Uint8Array.from([...input.subarray(0, at), ...input.subarray(at + recordBytes)]);
    if (target.run(shorter)?.message.slice(0, 20) === finding.violation.message.slice(0, 20)) input = shorter;
    else at += recordBytes;
  }
  return { input, violation: target.run(input) ?? finding.violation, lines: target.describe(input) };
}
