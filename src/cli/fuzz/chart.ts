// SPDX-License-Identifier: Apache-2.0
// The figure of docs/fuzzing.md: points of the code that each target has reached over time.
import * as Plot from '@observablehq/plot';

import { isCardTarget } from '../../fuzz/index.ts';
import type { FuzzedTarget } from '../../fuzz/session.ts';
import { drawSvg } from '../kit/svg_chart.ts';

/** Distance of labels, as a share of the height. */
const LABEL_GAP = 0.04;

/**
 * One line for each target, and for each worker that ran it. Points of the core are code; those of the other targets are
 * steps that followed one another, many more, and are drawn only by themselves.
 */
export function edgesChart(targets: readonly FuzzedTarget[]): string {
  const ofCore = targets.filter(({ target }) => isCardTarget(target));
  const rows = (ofCore.length > 0 ? ofCore : targets).flatMap(({ target, series }, index) =>
    series
      .filter(({ seconds }) => seconds > 0)
      .map(({ seconds, edges }) => ({ target, run: `${target} ${index}`, seconds, edges })),
  );
  const most = Math.max(1, ...rows.map(({ edges }) => edges));
  return drawSvg({
    marginRight: 70,
    x: { label: 'seconds', type: 'log' },
    y: { label: 'points reached', domain: [0, most] },
    marks: [
      Plot.line(rows, { x: 'seconds', y: 'edges', stroke: 'target', z: 'run', curve: 'step-after' }),
      Plot.text(labels(rows, most), { x: 'seconds', y: 'edges', text: 'target', dx: 6, textAnchor: 'start' }),
    ],
  });
}

interface Row {
  readonly target: string;
  readonly seconds: number;
  readonly edges: number;
}

/** The last point of each target, moved down where it would lie on another one's. */
function labels(rows: readonly Row[], most: number): Row[] {
  const last = [...new Map(rows.map((row) => [row.target, row])).values()].sort(
    (one, other) => other.edges - one.edges,
  );
  let above = Infinity;
  return last.map((row) => {
    above = Math.min(row.edges, above - LABEL_GAP * most);
    return { ...row, edges: above };
  });
}
