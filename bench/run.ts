// SPDX-License-Identifier: Apache-2.0
// Runs the scenarios with benchmark.js and prints a table: npm run bench -- [--only NAME,...] [--json FILE] [--smoke].
// Figures are the minimum and the median of the samples; ratios are to a calibration loop measured in the same run,
// before and after each scenario. A result that is wrong stops the run.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import Benchmark from 'benchmark';

import { registerDispatchBaseline } from './baseline/baseline.ts';
import { calibration, SCENARIOS, type Scenario } from './scenarios.ts';

const SCHEMA = 'virtfn.bench/1';

interface Measured {
  readonly minNs: number;
  readonly medianNs: number;
  readonly samples: number;
}

function measure(name: string, scenario: Scenario, isSmoke: boolean): Measured {
  let result = scenario.run();
  if (!scenario.check(result)) throw new Error(`${name}: result ${result} is wrong`);
  const bench = new Benchmark(name, {
    maxTime: isSmoke ? 0.05 : 1.5,
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

function main(): void {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, json: { type: 'string' }, smoke: { type: 'boolean', default: false } },
  });
  const names = values.only === undefined ? Object.keys(SCENARIOS) : values.only.split(',');
  const unknown = names.filter((name) => SCENARIOS[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`bench: no scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  const yardstick = calibration();
  let reference = measure('calibration', yardstick, values.smoke);
  const results = [];
  process.stdout.write(`${'scenario'.padEnd(28)}${'M/s'.padStart(10)}${'min ns'.padStart(10)}${'median'.padStart(10)}`);
  process.stdout.write(`${'ratio'.padStart(9)}  (ratio: minimum to one multiply-add of the calibration loop)\n`);
  for (const name of names) {
    const scenario = SCENARIOS[name]!();
    const measured = measure(name, scenario, values.smoke);
    const again = measure('calibration', yardstick, values.smoke);
    if (again.minNs < reference.minNs) reference = again;
    const ratio = measured.minNs / Math.min(reference.minNs, again.minNs);
    results.push({
      name,
      unit: scenario.unit,
      perSecond: Math.round(1e9 / measured.minNs),
      minNs: round(measured.minNs),
      medianNs: round(measured.medianNs),
      ratio: round(ratio),
      samples: measured.samples,
    });
    process.stdout.write(
      `${name.padEnd(28)}${(1e3 / measured.minNs).toFixed(2).padStart(10)}${measured.minNs.toFixed(2).padStart(10)}` +
        `${measured.medianNs.toFixed(2).padStart(10)}${ratio.toFixed(1).padStart(9)}\n`,
    );
  }
  const baseline = names.some((name) => name.startsWith('register')) ? registerDispatchBaseline() : null;
  if (baseline !== null) process.stdout.write(`${baseline.text}\n`);
  if (values.json !== undefined) {
    const report = {
      schema: SCHEMA,
      calibration: { unit: yardstick.unit, minNs: round(reference.minNs), medianNs: round(reference.medianNs) },
      baseline: baseline?.figures ?? null,
      results,
    };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(`wrote ${values.json}\n`);
  }
}

main();
