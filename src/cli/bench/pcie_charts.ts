// SPDX-License-Identifier: Apache-2.0
// The figures of docs/bench_pcie.md: DMA read latency as measured and as simulated, and rates over their closed formulas.
import * as Plot from '@observablehq/plot';

import type { DmaRow } from '../../measure/dma.ts';
import type { PcieRow } from '../../measure/pcie.ts';
import { drawSvg } from '../kit/svg_chart.ts';

/** Median latency of DMA reads in ns: pcie-bench, NFP-6000 in a Broadwell server, warm cache, window of 8 KiB. */
const MEASURED: readonly { readonly bytes: number; readonly ns: number }[] = [
  { bytes: 8, ns: 546 },
  { bytes: 64, ns: 546 },
  { bytes: 128, ns: 573 },
  { bytes: 256, ns: 626 },
  { bytes: 512, ns: 706 },
  { bytes: 1024, ns: 853 },
  { bytes: 1520, ns: 986 },
  { bytes: 2048, ns: 1133 },
];

/** Simulated medians over the measured ones. */
export function dmaLatencyChart(rows: readonly DmaRow[]): string {
  const simulated = rows.map(({ bytes, medianNs }) => ({ bytes, ns: medianNs }));
  return drawSvg({
    x: { label: 'bytes read' },
    y: { label: 'median latency, ns', domain: [0, 1250] },
    marks: [
      Plot.line(MEASURED, { x: 'bytes', y: 'ns', stroke: '#999', strokeWidth: 6, strokeOpacity: 0.5 }),
      Plot.line(simulated, { x: 'bytes', y: 'ns', stroke: '#0b6e99' }),
      Plot.dot(simulated, { x: 'bytes', y: 'ns', fill: '#0b6e99' }),
      Plot.text([{ bytes: 1024, ns: 700, text: 'grey: measured (pcie-bench), blue: simulated' }], {
        x: 'bytes',
        y: 'ns',
        text: 'text',
      }),
    ],
  });
}

/** Rates of each operation: points are simulated, lines are the formulas. */
export function pcieRateChart(rows: readonly PcieRow[]): string {
  return drawSvg({
    x: { label: 'bytes of an operation', type: 'log', base: 2, insetLeft: 70 },
    y: { label: 'Gb/s', domain: [0, Math.ceil(Math.max(...rows.map(({ rawGbps }) => rawGbps)))] },
    color: { legend: false },
    marks: [
      Plot.line(rows, { x: 'bytes', y: 'formulaGbps', stroke: 'op', strokeOpacity: 0.5, strokeWidth: 3 }),
      Plot.dot(rows, { x: 'bytes', y: 'gbps', fill: 'op' }),
      Plot.text(rows, Plot.selectFirst({ x: 'bytes', y: 'gbps', z: 'op', text: 'op', dx: -8, textAnchor: 'end' })),
    ],
  });
}
