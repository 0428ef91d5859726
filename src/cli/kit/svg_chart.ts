// SPDX-License-Identifier: Apache-2.0
// Figures of the documents. Observable Plot draws static SVG into a document that exists only here (linkedom). Each is black
// on a white ground of its own: a figure is read on pages of any colour.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

const WIDTH = 720;
const HEIGHT = 420;
const NAMESPACE = 'http://www.w3.org/2000/svg';

/** A plot as the text of an SVG file. */
export function drawSvg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><body></body>');
  const figure = Plot.plot({ document, width: WIDTH, height: HEIGHT, marginLeft: 60, grid: true, ...options });
  const svg = figure.tagName.toLowerCase() === 'svg' ? figure : figure.querySelector('svg')!;
  svg.setAttribute('xmlns', NAMESPACE);
  svg.setAttribute('color', 'black');
  const ground = document.createElementNS(NAMESPACE, 'rect');
  ground.setAttribute('width', '100%');
  ground.setAttribute('height', '100%');
  ground.setAttribute('fill', 'white');
  svg.querySelector('style')!.after(ground);
  return `${svg.outerHTML}\n`;
}
