// SPDX-License-Identifier: Apache-2.0
// How the report page looks: colours of phases and series, for light and dark, and the style sheet. Charts name colours as
// CSS variables, so one drawing serves both schemes. Series differ by marker and dash as well, never by colour alone.
import type { PhaseKey } from '../../../measure/phases.ts';

/** Fill of a phase, and the ink that is readable on it. Reads over the link are greens, the link itself is blue. */
const PHASE_COLORS: Readonly<Record<PhaseKey, readonly [fill: string, ink: string]>> = {
  doorbell: ['#3f83c8', '#ffffff'],
  schedule: ['#2a63ad', '#ffffff'],
  index: ['#bfe5d2', '#10241b'],
  ring: ['#8bd0af', '#10241b'],
  queued: ['#8f9baa', '#10151c'],
  descriptors: ['#4fb58c', '#0a1a13'],
  data: ['#1f7f5c', '#ffffff'],
  order: ['#c3cad3', '#10151c'],
  execute: ['#ef8a2c', '#1f1000'],
  writeback: ['#f5d061', '#241c00'],
  notify: ['#8763b8', '#ffffff'],
  link: ['#6ba6df', '#071a2c'],
  access: ['#a3521d', '#ffffff'],
  transmit: ['#c58fb4', '#24101e'],
  driver: ['#d6456f', '#ffffff'],
};

/** Lines and dots: at least 4.5 to 1 against the page, in either scheme. */
const SERIES_LIGHT = ['#1f63ad', '#b34a00', '#11754e', '#8a3fa0'];
const SERIES_DARK = ['#6fb1ff', '#ff9d57', '#4fd39b', '#d59bea'];

/** Colours of the kinds of access in a bring-up. */
const KIND_COLORS = { config: '#8f9baa', read: '#3f83c8', write: '#ef8a2c', interrupts: '#8763b8' } as const;

/** Fill, and the ink that is readable on it. */
export interface Colors {
  readonly fill: string;
  readonly ink: string;
}

const DARK_INK = '#1a1408';
const LIGHT_INK = '#ffffff';

/** Accounts have no names that are known before: their colours follow their rank. */
export const ACCOUNT_COLORS: readonly Colors[] = [
  { fill: '#2a63ad', ink: LIGHT_INK },
  { fill: '#ef8a2c', ink: DARK_INK },
  { fill: '#1f7f5c', ink: LIGHT_INK },
  { fill: '#f5d061', ink: DARK_INK },
  { fill: '#8763b8', ink: LIGHT_INK },
  { fill: '#8bd0af', ink: DARK_INK },
  { fill: '#d6456f', ink: LIGHT_INK },
  { fill: '#6ba6df', ink: DARK_INK },
  { fill: '#8a4b1f', ink: LIGHT_INK },
  { fill: '#e8b3d4', ink: DARK_INK },
  { fill: '#7a8f1e', ink: DARK_INK },
  { fill: '#5d6b79', ink: LIGHT_INK },
  { fill: '#b5e05a', ink: DARK_INK },
  { fill: '#e9c39b', ink: DARK_INK },
  { fill: '#7d0f2b', ink: LIGHT_INK },
];

/** Of all accounts that come after these. */
export const OTHER_COLORS: Colors = { fill: '#c3cad3', ink: DARK_INK };

export function phaseFill(key: PhaseKey): string {
  return `var(--phase-${key})`;
}

export function phaseInk(key: PhaseKey): string {
  return PHASE_COLORS[key][1];
}

/** Colour of a series by its number. */
export function seriesColor(index: number): string {
  return `var(--series-${index % SERIES_LIGHT.length})`;
}

export function kindColor(kind: keyof typeof KIND_COLORS): string {
  return KIND_COLORS[kind];
}

function variables(prefix: string, colors: readonly (readonly [string | number, string])[]): string {
  return colors.map(([name, color]) => `--${prefix}-${name}: ${color};`).join(' ');
}

const PHASE_VARIABLES = variables(
  'phase',
  Object.entries(PHASE_COLORS).map(([key, [fill]]) => [key, fill] as const),
);

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #17202b; --soft: #55606e; --line: #dde2e8; --accent: #1f63ad;
  ${PHASE_VARIABLES}
  ${variables('series', [...SERIES_LIGHT.entries()])}
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #10151b; --card: #19212a; --ink: #e6ebf1; --soft: #9fabb9; --line: #303b47; --accent: #6fb1ff;
    ${variables('series', [...SERIES_DARK.entries()])}
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 16px 0 4px; font-weight: 600; }
p { margin: 0 0 10px; max-width: 100ch; }
.soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 22px; margin-top: 20px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 14px; margin-top: 20px; }
.fact { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; }
.fact b { display: block; font-size: 28px; line-height: 1.2; color: var(--accent); font-variant-numeric: tabular-nums; }
.fact span { display: block; font-weight: 600; }
.fact small { color: var(--soft); font-size: 13px; }
figure { margin: 10px 0 0; overflow-x: auto; }
figure svg { display: block; max-width: 100%; height: auto; }
section > figure svg { min-width: 760px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 8px 24px; }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; padding: 0; font-size: 13px; }
ul.legend li { display: flex; align-items: center; gap: 6px; }
ul.legend svg { flex: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin-top: 8px; }
th, td { padding: 4px 12px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--accent); }
@media (max-width: 520px) { .pair { grid-template-columns: 1fr; } main { padding: 20px 12px 40px; } section { padding: 16px 14px; } }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
ul.basis { margin: 8px 0 0; padding-left: 20px; max-width: 100ch; }
ul.basis li { margin-bottom: 6px; }
@media print {
  @page { margin: 12mm; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { background: none; font-size: 9pt; line-height: 1.4; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 16pt; }
  h2 { font-size: 12pt; }
  h1, h2, h3, h2 + p { break-after: avoid; }
  p, ul.basis { max-width: none; }
  section { border-width: 1px 0 0; border-radius: 0; padding: 8px 0 0; margin-top: 12px; }
  .facts { grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 8px; margin-top: 8px; }
  .fact { padding: 6px 8px; break-inside: avoid; }
  .fact b { font-size: 14pt; }
  .fact small, ul.legend, ul.basis { font-size: 8pt; }
  figure { overflow: visible; }
  p, figure, .pair, .scroll, ul.legend, tr { break-inside: avoid; }
  details .scroll { break-inside: auto; }
  ul.legend { break-before: avoid; gap: 2px 14px; margin-top: 4px; }
  ul.basis { margin-top: 4px; }
  ul.basis li { margin-bottom: 2px; }
  section > figure svg { min-width: 0; }
  figure svg { width: 100%; max-height: 240mm; }
  .pair { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 12px; }
  code { font-size: 8pt; }
  .scroll { overflow: visible; }
  table { width: 100%; font-size: 7pt; }
  th, td { white-space: normal; padding: 2px 6px 2px 0; }
  details:not([open]) { display: none; }
}
`;
