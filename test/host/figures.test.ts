// SPDX-License-Identifier: Apache-2.0
// The figures of the documents: readable on a page of any colour, because each brings its own ground.
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';

import { dmaLatencyChart, pcieRateChart } from '../../src/cli/bench/pcie_charts.ts';
import { edgesChart } from '../../src/cli/fuzz/chart.ts';
import { readRepoFile, repoFiles } from '../support/repo.ts';

const DRAWN: Readonly<Record<string, () => string>> = {
  dmaLatencyChart: () =>
    dmaLatencyChart([{ op: 'read', bytes: 64, minNs: 540, medianNs: 561, p95Ns: 580, p999Ns: 600, maxNs: 620 }]),
  pcieRateChart: () => pcieRateChart([]),
  edgesChart: () => edgesChart([]),
};

const FIGURES: [name: string, svg: () => string][] = [
  ...repoFiles('docs', '.svg').map((file): [string, () => string] => [file, () => readRepoFile(file)]),
  ...Object.entries(DRAWN),
];

/** What is drawn first; definitions, styles and descriptions are not drawn. */
function firstDrawn(text: string): Element {
  const svg = parseHTML(`<!doctype html><body>${text}</body>`).document.querySelector('svg')!;
  return [...svg.children].find(({ tagName }) => !['title', 'desc', 'style', 'defs'].includes(tagName.toLowerCase()))!;
}

describe.each(FIGURES)('%s', (_, svg) => {
  it('has a ground below everything else', () => {
    const ground = firstDrawn(svg());

    expect(ground.tagName.toLowerCase()).toBe('rect');
    expect([ground.getAttribute('width'), ground.getAttribute('height')]).toEqual(['100%', '100%']);
  });

  // what follows the page (currentColor) or the reader's preference would otherwise be light on a white ground
  it('draws on it in colours that go with it', () => {
    const text = svg();
    const isWhite = firstDrawn(text).getAttribute('fill') === 'white';

    if (isWhite) {
      expect(text).toMatch(/^<svg [^>]*\bcolor="black"/);
      expect(text).not.toContain('prefers-color-scheme');
    } else {
      const grounds = [...text.matchAll(/\.ground \{ fill: (#[0-9a-f]{6}); \}/g)].map(([, fill]) => fill);
      expect(grounds).toEqual(['#ffffff', '#0d1117']);
      expect(text.indexOf('#ffffff')).toBeLessThan(text.indexOf('prefers-color-scheme: dark'));
      expect(text.indexOf('#0d1117')).toBeGreaterThan(text.indexOf('prefers-color-scheme: dark'));
    }
  });
});
