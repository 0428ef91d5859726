// SPDX-License-Identifier: Apache-2.0
// The fuzzer's loop with a budget of executions, for tests: it stops at the first finding and says it in words.
import { Fuzzer, minimise } from '../../../src/fuzz/engine.ts';
import type { FuzzTarget } from '../../../src/fuzz/target.ts';

export interface LoopResult {
  /** The oracle and what it said, then the smallest input found, line by line; empty if nothing was found. */
  readonly finding: readonly string[];
  readonly executions: number;
  /** Points of the coverage map that were reached. */
  readonly points: number;
  readonly corpus: readonly Uint8Array[];
}

/** Runs the seeds, then mutations of what reached new points, `executions` in all or a batch more. */
export function fuzzLoop(target: FuzzTarget, seed: number, executions: number): LoopResult {
  const fuzzer = new Fuzzer(target, { seed });
  while (fuzzer.findings.length === 0 && fuzzer.executions < executions) fuzzer.step();
  const [found] = fuzzer.findings;
  const finding: string[] = [];
  if (found !== undefined) {
    const input = minimise(target, found.input, found.oracle, 500);
    finding.push(`${found.oracle}: ${found.message}`, ...target.describe(input));
  }
  return { finding, executions: fuzzer.executions, points: fuzzer.edges, corpus: fuzzer.corpus };
}
