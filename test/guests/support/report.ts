// SPDX-License-Identifier: Apache-2.0
// Measurements of a run: scenarios record them as they go, and the end of the run makes one report of them.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { Table } from 'console-table-printer';

import { repoPath } from '../../support/repo.ts';
import { kernelRelease, type KernelName } from './tree.ts';

const RECORDS = repoPath('build/reports/guests.jsonl'); // test files run in processes of their own
const REPORT = repoPath('out/guests_report.json');

/** What scenarios measure. */
export const METRICS = {
  bootMs: 'until the guest takes commands, ms',
  pingMinMs: 'ping round trip, least, ms',
  pingAvgMs: 'ping round trip, average, ms',
  pingMaxMs: 'ping round trip, greatest, ms',
  downloadMBps: 'HTTP host to guest, MB/s',
  uploadMBps: 'HTTP guest to host, MB/s',
  resetUs: 'one device reset with bring-up, us',
  bindMs: 'unbind and bind, ms',
  taggedToUntagged: 'iperf3 in a VLAN, share of the rate outside',
  idleCpuPercent: 'CPU of the idle server, %',
} as const;
export type Metric = keyof typeof METRICS;

interface MetricRecord {
  readonly kernel: KernelName;
  readonly scenario: string;
  readonly metric: Metric;
  readonly value: number;
}

/** Forgets the records of earlier runs. */
export function startReport(): void {
  mkdirSync(dirname(RECORDS), { recursive: true });
  rmSync(RECORDS, { force: true });
}

/** Keeps measurements for the report. */
export function record(kernel: KernelName, scenario: string, values: Partial<Record<Metric, number>>): void {
  const lines = Object.entries(values).map(([metric, value]) =>
    JSON.stringify({ kernel, scenario, metric, value: Number(value.toPrecision(4)) }),
  );
  appendFileSync(RECORDS, `${lines.join('\n')}\n`);
}

/** Writes the report and prints it, one row for each measurement, one column for each kernel. */
export function finishReport(device: string): void {
  if (!existsSync(RECORDS)) return;
  const records = readFileSync(RECORDS, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as MetricRecord);
  const kernels = [...new Set(records.map(({ kernel }) => kernel))];
  mkdirSync(dirname(REPORT), { recursive: true });
  const releases = Object.fromEntries(kernels.map((kernel) => [kernel, kernelRelease(kernel)]));
  writeFileSync(REPORT, `${JSON.stringify({ device, accelerator: 'tcg', kernels: releases, records }, null, 2)}\n`);

  const table = new Table({ title: `Linux guests under TCG, device: ${device}`, shouldDisableColors: true });
  const rows = new Map<string, Record<string, string | number>>();
  for (const { kernel, scenario, metric, value } of records) {
    const key = `${scenario} ${metric}`;
    rows.set(key, { ...(rows.get(key) ?? { scenario, measured: METRICS[metric] }), [releases[kernel]!]: value });
  }
  table.addRows([...rows.values()]);
  console.log(`\n${table.render()}\n\nas JSON: out/guests_report.json`);
}
