// SPDX-License-Identifier: Apache-2.0
// The figure of docs/fuzzing.md: points of the code that each target has reached over time.
import * as Plot from '@observablehq/plot';

import { isCardTarget } from '../fuzz/index.ts';
import type { FuzzedTarget } from '../fuzz/session.ts';
import { drawSvg } from './svg_chart.ts';

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
  return drawSvg({
    marginRight: 70,
    x: { label: 'seconds', type: 'log' },
    y: { label: 'points reached', domain: [0, Math.max(1, ...rows.map(({ edges }) => edges))] },
    marks: [
      Plot.line(rows, { x: 'seconds', y: 'edges', stroke: 'target', z: 'run', curve: 'step-after' }),
      Plot.text(
        rows,
        Plot.selectLast({ x: 'seconds', y: 'edges', z: 'target', text: 'target', dx: 6, textAnchor: 'start' }),
      ),
    ],
  });
}
