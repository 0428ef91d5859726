// SPDX-License-Identifier: Apache-2.0
// Runs the scenarios with benchmark.js and prints a table: npm run bench -- [--only NAME,...] [--json FILE] [--smoke]
// [--against DIR]. With --against it measures in turn with the build of another checkout (made there by
// `node .ci/build.mjs core fuzz bench`) and prints both: what a change costs, on one machine.
// Figures are the minimum and the median of the samples; ratios are to a calibration loop measured in the same process,
// before and after the scenario. Each scenario has a process of its own, because V8 slows a call into WebAssembly down
// once its place in the code has seen a second instance. There are four rounds of that; the best of each scenario
// counts. A result that is wrong stops the run.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import Benchmark from 'benchmark';

import { registerDispatchBaseline } from './baseline/baseline.ts';
import type { Scenario } from './scenario.ts';
import { calibration, SCENARIOS } from './scenarios.ts';

const SCHEMA = 'virtfn.bench/1';
const ROUNDS = 4;

interface Measured {
  readonly minNs: number;
  readonly medianNs: number;
  readonly samples: number;
}

function measure(name: string, scenario: Scenario, isSmoke: boolean): Measured {
  let result = scenario.run();
  if (!scenario.check(result)) throw new Error(`${name}: result ${result} is wrong`);
  const bench = new Benchmark(name, {
    maxTime: isSmoke ? 0.05 : 0.6,
    minSamples: isSmoke ? 2 : 20,
    fn: () => {
      result = scenario.run();
    },
  });
  bench.run();
  const failure: unknown = bench.error;
  if (failure !== undefined) throw new Error(`${name}: ${String(failure)}`);
  if (!scenario.check(result)) throw new Error(`${name}: result ${result} is wrong`);
  const samples = bench.stats.sample.map((seconds) => (seconds * 1e9) / scenario.operations).sort((a, b) => a - b);
  return { minNs: samples[0]!, medianNs: samples[samples.length >> 1]!, samples: samples.length };
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}

interface Result {
  readonly name: string;
  readonly unit: string;
  readonly perSecond: number;
  readonly minNs: number;
  readonly medianNs: number;
  readonly ratio: number;
  readonly samples: number;
  readonly calibrationNs: { readonly min: number; readonly median: number };
}

/** One scenario between two calibrations, in this process. */
function runScenario(name: string, isSmoke: boolean): Result {
  const yardstick = calibration();
  const before = measure('calibration', yardstick, isSmoke);
  const scenario = SCENARIOS[name]!();
  const { minNs, medianNs, samples } = measure(name, scenario, isSmoke);
  const after = measure('calibration', yardstick, isSmoke);
  const reference = before.minNs < after.minNs ? before : after;
  return {
    name,
    unit: scenario.unit,
    perSecond: Math.round(1e9 / minNs),
    minNs: round(minNs),
    medianNs: round(medianNs),
    ratio: round(minNs / reference.minNs),
    samples,
    calibrationNs: { min: round(reference.minNs), median: round(reference.medianNs) },
  };
}

const PROGRAM = fileURLToPath(import.meta.url);

/** The same in a process of its own, by the program of this checkout or of another. */
function runApart(program: string, name: string, isSmoke: boolean): Result {
  const child = spawnSync(process.execPath, [program, '--scenario', name, ...(isSmoke ? ['--smoke'] : [])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.status !== 0) throw new Error(`${name}: the measuring process ended with ${child.status ?? child.signal}`);
  return JSON.parse(child.stdout) as Result;
}

function row(cells: readonly (string | number)[]): string {
  const [name, ...figures] = cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(2) : cell));
  return `${name!.padEnd(28)}${figures.map((figure) => figure.padStart(10)).join('')}\n`;
}

/** The best result of each scenario by each program. */
function bestOf(programs: readonly string[], names: readonly string[], isSmoke: boolean): Result[][] {
  const best = programs.map(() => new Map<string, Result>());
  // rounds in turn, so that a slow spell of the machine does not fall on one scenario or one program alone
  for (let turn = 0; turn < (isSmoke ? 1 : ROUNDS); turn++) {
    for (const name of names) {
      programs.forEach((program, i) => {
        const result = runApart(program, name, isSmoke);
        const known = best[i]!.get(name);
        if (known === undefined || result.minNs < known.minNs) best[i]!.set(name, result);
      });
    }
  }
  return best.map((results) => names.map((name) => results.get(name)!));
}

/** Prints the figures of another checkout beside those of this one. */
function compare(folder: string, names: readonly string[], isSmoke: boolean): void {
  const other = resolve(folder, 'build/bench/run.mjs');
  if (!existsSync(other)) {
    process.stderr.write(`bench: ${other} is not there; run "node .ci/build.mjs core fuzz bench" in ${folder}\n`);
    process.exitCode = 2;
    return;
  }
  process.stdout.write(row(['scenario', 'other ns', 'this ns', 'ratio']));
  const [before, after] = bestOf([other, PROGRAM], names, isSmoke) as [Result[], Result[]];
  names.forEach((name, i) => {
    process.stdout.write(row([name, before[i]!.minNs, after[i]!.minNs, after[i]!.minNs / before[i]!.minNs]));
  });
  process.stdout.write('ratio: this checkout to the other, minima of runs in turn\n');
}

function main(): void {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      json: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      scenario: { type: 'string' },
      against: { type: 'string' },
    },
  });
  if (values.scenario !== undefined) {
    process.stdout.write(JSON.stringify(runScenario(values.scenario, values.smoke)));
    return;
  }
  const names = values.only === undefined ? Object.keys(SCENARIOS) : values.only.split(',');
  const unknown = names.filter((name) => SCENARIOS[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`bench: no scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  if (values.against !== undefined) {
    if (values.json !== undefined) {
      process.stderr.write('bench: --json has no report for --against; leave one of them out\n');
      process.exitCode = 2;
      return;
    }
    compare(values.against, names, values.smoke);
    return;
  }
  process.stdout.write(row(['scenario', 'M/s', 'min ns', 'median', 'ratio']));
  const [measured] = bestOf([PROGRAM], names, values.smoke) as [Result[]];
  for (const { name, minNs, medianNs, ratio } of measured) {
    process.stdout.write(row([name, 1e3 / minNs, minNs, medianNs, ratio]));
  }
  process.stdout.write('ratio: minimum to one multiply-add of the calibration loop\n');
  const baseline = names.some((name) => name.startsWith('register')) ? registerDispatchBaseline() : null;
  if (baseline !== null) process.stdout.write(`${baseline.text}\n`);
  if (values.json !== undefined) {
    const reference = measured.reduce((a, b) => (a.calibrationNs.min < b.calibrationNs.min ? a : b)).calibrationNs;
    const report = {
      schema: SCHEMA,
      calibration: { unit: calibration().unit, minNs: reference.min, medianNs: reference.median },
      baseline: baseline?.figures ?? null,
      results: measured,
    };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(`wrote ${values.json}\n`);
  }
}

main();
