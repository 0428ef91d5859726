// SPDX-License-Identifier: Apache-2.0
// How the page of `virtfn bench admin` looks: whatever is drawn side by side can be told apart, and paper has room for it.
import { describe, expect, it } from 'vitest';

import type { AdminBenchReport } from '../../src/measure/admin_report.ts';
import { PHASES } from '../../src/measure/phases.ts';
import { accountLegend } from '../../src/cli/bench/html/charts.ts';
import { phaseFill, STYLE } from '../../src/cli/bench/html/style.ts';

/** CIE L*a*b* of an sRGB colour, white D65. */
function lab(color: string): [number, number, number] {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** The smallest distance between two of these colours; 2.3 is just noticeable. */
function leastDistance(colors: readonly string[]): number {
  const points = colors.map(lab);
  return Math.min(
    ...points.flatMap((one, i) =>
      points.slice(i + 1).map((other) => Math.hypot(...one.map((part, k) => part - other[k]!))),
    ),
  );
}

function withAccounts(count: number): Pick<AdminBenchReport, 'commands'> {
  const accounts = Array.from({ length: count }, (_, i) => ({ parameter: `p${i + 1}`, cycles: 1000 - i }));
  return { commands: [{ accounts: { execute: accounts } }] } as unknown as Pick<AdminBenchReport, 'commands'>;
}

describe('accounts of a command', () => {
  it('have a colour each while there are no more than 15', () => {
    const legend = accountLegend(withAccounts(15));

    expect(legend.map(({ label }) => label)).toEqual(Array.from({ length: 15 }, (_, i) => `p${i + 1}`));
  });

  it.each([
    [16, 'other, 1 account'],
    [20, 'other, 5 accounts'],
    [40, 'other, 25 accounts'],
  ])('are the 15 largest and the others where there are %i', (count, other) => {
    const legend = accountLegend(withAccounts(count));

    expect(legend).toHaveLength(16);
    expect(legend.at(-1)!.label).toBe(other);
    expect(leastDistance(legend.map(({ color }) => color))).toBeGreaterThan(20);
  });
});

describe('phases', () => {
  it('have a colour each', () => {
    const colors = PHASES.map(({ key }) => {
      const [, variable] = /^var\((.*)\)$/.exec(phaseFill(key))!;
      return new RegExp(`${variable}: (#[0-9a-f]{6});`).exec(STYLE)![1]!;
    });

    expect(leastDistance(colors)).toBeGreaterThan(12);
  });
});

describe('on paper', () => {
  const print = STYLE.slice(STYLE.indexOf('@media print'));

  it('charts are as wide as the page, no higher, and in one piece', () => {
    expect(print).toContain('@page { margin: 12mm; }');
    expect(print).toMatch(/figure svg \{ width: 100%; max-height: 240mm; \}/);
    expect(print).toMatch(/section > figure svg \{ min-width: 0; \}/);
    expect(print).toMatch(/[ ,]figure, [^{}]*\{ break-inside: avoid; \}/);
  });

  it('sections are not kept whole: they are longer than a page', () => {
    expect(print).not.toMatch(/section[^{}>]*\{[^{}]*break-inside/);
  });

  it('the page is light', () => {
    expect(STYLE).toContain('@media screen and (prefers-color-scheme: dark)');
    expect(STYLE.match(/prefers-color-scheme/g)).toHaveLength(1);
  });
});
