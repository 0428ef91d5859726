// SPDX-License-Identifier: Apache-2.0
// A run over one or several targets: each gets its share of the time, what it reached over time is kept for a figure, and
// what it found is made as small as it goes.
import { CardTarget } from './card_target.ts';
import { createFuzzTarget } from './index.ts';
import { Fuzzer, minimise, type Finding, type FuzzProgress } from './engine.ts';

/** How far a target was when. */
export interface FuzzSample {
  readonly seconds: number;
  readonly executions: number;
  readonly edges: number;
}

/** What became of one target. */
export interface FuzzedTarget extends FuzzProgress {
  readonly target: string;
  readonly seconds: number;
  readonly findings: number;
  readonly series: readonly FuzzSample[];
}

/** Settings of fuzzTarget(). */
export interface SessionOptions {
  /** Real time; Infinity where it is left out. */
  readonly seconds?: number;
  /** The run ends with the batch in which so many inputs were run; Infinity where it is left out. */
  readonly executions?: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** Called a few times a second. */
  readonly onProgress?: (progress: FuzzProgress, seconds: number) => void;
  readonly stop?: () => boolean;
}

/** What a run leaves: its figures, the inputs worth keeping, what broke. */
export interface SessionResult {
  readonly report: FuzzedTarget;
  readonly corpus: readonly Uint8Array[];
  readonly findings: readonly Finding[];
  /** Points of the core that the target reached; none where it runs no instrumented core. */
  readonly points: readonly number[];
}

/** Samples lie evenly on a logarithmic scale. */
const SAMPLE_FACTOR = 1.12;

/** Fuzzes one target for some seconds of real time, or for a number of executions. */
export function fuzzTarget(name: string, options: SessionOptions): SessionResult {
  const target = createFuzzTarget(name);
  try {
    const began = performance.now();
    const elapsed = (): number => (performance.now() - began) / 1000;
    const fuzzer = new Fuzzer(target, { seed: options.seed, corpus: options.corpus });
    const series: FuzzSample[] = [];
    const sample = ({ executions, edges }: FuzzProgress): void => {
      const seconds = elapsed();
      if (series.length === 0 || seconds >= series.at(-1)!.seconds * SAMPLE_FACTOR) {
        series.push({ seconds: Math.round(seconds * 1000) / 1000, executions, edges });
      }
    };
    fuzzer.run(
      Math.max(0, (options.seconds ?? Infinity) - elapsed()),
      (progress) => {
        sample(progress);
        options.onProgress?.(progress, elapsed());
      },
      () => fuzzer.executions >= (options.executions ?? Infinity) || options.stop?.() === true,
    );
    const findings = fuzzer.findings.map((finding) => ({
      ...finding,
      input: minimise(target, finding.input, finding.oracle),
    }));
    const report = { target: name, seconds: Math.round(elapsed() * 10) / 10, ...fuzzer.progress(), series };
    const points = target instanceof CardTarget ? target.reachedPoints() : [];
    return { report, corpus: fuzzer.corpus, findings, points };
  } finally {
    target.release?.();
  }
}
