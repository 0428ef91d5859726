// SPDX-License-Identifier: Apache-2.0
// The charts of the report page. Observable Plot draws them as static SVG into a document that exists only here (linkedom):
// the page needs no script. Every mark carries a <title>, which browsers show as a tooltip.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

import type { AdminBenchReport } from '../../../measure/admin_report.ts';
import { byParameter, type Account } from '../../../measure/accounts.ts';
import type { ProbeKind } from '../../../measure/load.ts';
import { PHASES, type Phases } from '../../../measure/phases.ts';
import { toNs, type Spread } from '../../../measure/summary.ts';
import { ACCOUNT_COLORS, OTHER_COLORS, phaseFill, phaseInk, seriesColor, type Colors } from './style.ts';
import { counted } from '../../kit/output.ts';

const { document } = parseHTML('<html></html>');
const WIDTH = 1060;
const HALF_WIDTH = 520;
/** Room below the ticks for the axis label. */
const MARGIN_BOTTOM = 44;
const FONT = { fontSize: '12px', overflow: 'visible', background: 'none' };
/** A segment narrower than this share of the axis has no label. */
const LABEL_SHARE = 0.045;
const MARKERS = ['circle', 'square', 'triangle', 'diamond2'] as const;
const DASHED = '5 3';
const LINE_WIDTHS = [5, 3.5, 2.5, 1.5];
const MARKER_RADII = [7.5, 6, 5, 4];

/** A chart as it stands in the page. */
export interface Chart {
  readonly id: string;
  readonly svg: string;
}

/** One line of a legend: a swatch or a line with its marker, and what it means. */
export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly symbol?: Plot.SymbolType;
}

export function draw(id: string, label: string, options: Plot.PlotOptions): Chart {
  const svg = Plot.plot({
    width: WIDTH,
    style: FONT,
    marginBottom: MARGIN_BOTTOM,
    ariaLabel: label,
    ...options,
    document: document as unknown as Document,
  });
  return { id, svg: svg.outerHTML };
}

export function cyclesText(cycles: number, clockPs: number): string {
  return `${number(cycles)} cycles, ${number(toNs(cycles, clockPs))} ns`;
}

export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

/** A part of a bar: what it is, how long, and its colours. */
interface Part extends Colors {
  readonly label: string;
  readonly cycles: number;
}

interface Segment extends Part {
  readonly bar: string;
  readonly begin: number;
  readonly end: number;
  readonly title: string;
}

/** Parts one behind the other. */
interface PartBar {
  readonly name: string;
  readonly parts: readonly Part[];
}

/** A bar of phases. */
interface Bar {
  readonly name: string;
  readonly phases: Phases;
}

function segmentsOf(bars: readonly PartBar[], clockPs: number): Segment[] {
  return bars.flatMap(({ name, parts }) => {
    let at = 0;
    return parts.flatMap((part) => {
      const begin = at;
      at += part.cycles;
      if (part.cycles === 0) return [];
      const title = `${name}\n${part.label}: ${cyclesText(part.cycles, clockPs)}`;
      return [{ ...part, bar: name, begin: toNs(begin, clockPs), end: toNs(at, clockPs), title }];
    });
  });
}

function phaseBars(id: string, label: string, bars: readonly Bar[], clockPs: number, marginLeft?: number): Chart {
  const inParts = bars.map(({ name, phases }) => ({
    name,
    parts: PHASES.map(({ key, label: what }) => ({
      label: what,
      cycles: phases[key] ?? 0,
      fill: phaseFill(key),
      ink: phaseInk(key),
    })),
  }));
  return partBars(id, label, inParts, clockPs, marginLeft);
}

/** Horizontal bars, each with its total behind it. */
function partBars(id: string, label: string, bars: readonly PartBar[], clockPs: number, marginLeft = 210): Chart {
  const segments = segmentsOf(bars, clockPs);
  const most = Math.max(...segments.map(({ end }) => end));
  const totals = bars.map(({ name }) => ({
    bar: name,
    end: Math.max(...segments.filter(({ bar }) => bar === name).map(({ end }) => end)),
  }));
  const wide = segments.filter(({ begin, end }) => end - begin > most * LABEL_SHARE);
  return draw(id, label, {
    marginLeft,
    marginRight: 90,
    marginTop: 8,
    height: 8 + MARGIN_BOTTOM + bars.length * 30,
    x: { label: 'simulated time (ns)', grid: true, domain: [0, most], ticks: 8 },
    y: { label: null, domain: bars.map(({ name }) => name), padding: 0.22, tickSize: 0 },
    marks: [
      Plot.barX(segments, {
        x1: 'begin',
        x2: 'end',
        y: 'bar',
        fill: ({ fill }: Segment) => fill,
        title: 'title',
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      Plot.text(wide, {
        x: ({ begin, end }: Segment) => (begin + end) / 2,
        y: 'bar',
        text: ({ begin, end }: Segment) => number(Math.round(end - begin)),
        fill: ({ ink }: Segment) => ink,
        fontSize: 11,
        pointerEvents: 'none',
      }),
      Plot.text(totals, {
        x: 'end',
        y: 'bar',
        text: ({ end }: { end: number }) => `${number(Math.round(end))} ns`,
        textAnchor: 'start',
        dx: 6,
        fontWeight: 600,
      }),
    ],
  });
}

/** Phases that occur in some of these bars, as a legend. */
export function phaseLegend(phases: readonly Phases[]): LegendEntry[] {
  return PHASES.filter(({ key }) => phases.some((one) => (one[key] ?? 0) > 0)).map(({ key, label }) => ({
    label,
    color: phaseFill(key),
  }));
}

/** Every administration command, and one direct access of each kind. */
export function commandBars({ commands, directRegisters, profile }: AdminBenchReport): Chart {
  const direct = directRegisters.filter(({ register }) => register === 'queue_select');
  const names = { read: 'direct read', write: 'direct write (posted)', write_read_back: 'direct write, read back' };
  const bars = [...commands, ...direct.map(({ access, phases }) => ({ name: names[access], phases }))];
  return phaseBars('phases', 'Phases of each administration command', bars, profile.clockPs);
}

/** Accounts that are drawn as one. */
interface AccountSeries extends Colors {
  readonly label: string;
  readonly accounts: readonly string[];
}

/** The largest accounts over all commands, as many as there are colours that one can tell apart; all others are one. */
function accountSeries({ commands }: Pick<AdminBenchReport, 'commands'>): AccountSeries[] {
  const order = byParameter({ driver: commands.flatMap(({ accounts }) => byParameter(accounts)) }).map(
    ({ parameter }) => parameter,
  );
  const named = order.slice(0, ACCOUNT_COLORS.length);
  const others = order.slice(named.length);
  return [
    ...named.map((label, i) => ({ label, accounts: [label], ...ACCOUNT_COLORS[i]! })),
    ...(others.length === 0
      ? []
      : [{ label: `other, ${counted(others.length, 'account')}`, accounts: others, ...OTHER_COLORS }]),
  ];
}

/** The same commands by parameter. */
export function accountBars(report: AdminBenchReport): Chart {
  const series = accountSeries(report);
  const bars = report.commands.map(({ name, accounts }) => {
    const cycles = new Map(byParameter(accounts).map((account: Account) => [account.parameter, account.cycles]));
    const parts = series.map(({ accounts: members, ...part }) => ({
      ...part,
      cycles: members.reduce((sum, member) => sum + (cycles.get(member) ?? 0), 0),
    }));
    return { name, parts };
  });
  return partBars('accounts', 'Parameters that each administration command pays for', bars, report.profile.clockPs);
}

export function accountLegend(report: Pick<AdminBenchReport, 'commands'>): LegendEntry[] {
  return accountSeries(report).map(({ label, fill }) => ({ label, color: fill }));
}

/** The same command in every variant, alone on an idle card. */
export function variantBars({ variants, profile }: AdminBenchReport): Chart {
  const bars = variants.map(({ name, alone }) => ({ name, phases: alone.phases }));
  return phaseBars('variants', 'Phases of one command in every variant', bars, profile.clockPs, 230);
}

export const NOTIFY_NAMES = { admin: 'administration command', member_bar: "doorbell in the member's BAR" } as const;

export function notifyBars({ notify, profile }: AdminBenchReport): Chart {
  const bars = notify.map(({ path, phases }) => ({ name: NOTIFY_NAMES[path], phases }));
  return phaseBars('notify', 'Phases of a notification until the frame is out', bars, profile.clockPs);
}

interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly series: number;
  readonly title: string;
}

interface LineChart {
  readonly id: string;
  readonly label: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly ticks: readonly number[];
  readonly solid: readonly LinePoint[];
  /** Drawn with dashes and without markers. */
  readonly dashed?: readonly LinePoint[];
}

/** Lines over a quantity that doubles. */
function lines({ id, label, xLabel, yLabel, ticks, solid, dashed = [] }: LineChart): Chart {
  const stroke = ({ series }: LinePoint): string => seriesColor(series);
  return draw(id, label, {
    width: HALF_WIDTH,
    height: 330,
    marginTop: 32,
    marginLeft: 52,
    x: { type: 'log', base: 2, label: xLabel, ticks: [...ticks], tickFormat: (x: number) => number(x) },
    y: { label: yLabel, grid: true, zero: true, nice: true },
    symbol: { type: 'ordinal', domain: [0, 1, 2, 3], range: [...MARKERS] },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.line(dashed, { x: 'x', y: 'y', z: 'series', stroke, strokeDasharray: DASHED, strokeWidth: 1.5 }),
      // lines may lie upon each other: the first is the widest, so each stays visible
      ...[...new Set(solid.map(({ series }) => series))].flatMap((series) => {
        const own = solid.filter((point) => point.series === series);
        return [
          Plot.line(own, { x: 'x', y: 'y', stroke: seriesColor(series), strokeWidth: LINE_WIDTHS[series]! }),
          Plot.dot(own, {
            x: 'x',
            y: 'y',
            symbol: 'series',
            fill: seriesColor(series),
            stroke: 'var(--card)',
            strokeWidth: 0.8,
            r: MARKER_RADII[series]!,
            title: 'title',
          }),
        ];
      }),
      Plot.dot(dashed, { x: 'x', y: 'y', fill: stroke, r: 2, title: 'title' }),
    ],
  });
}

/** Markers and colours of the series of a line chart. */
export function seriesLegend(names: readonly string[]): LegendEntry[] {
  return names.map((label, i) => ({ label, color: seriesColor(i), symbol: MARKERS[i % MARKERS.length]! }));
}

export const US = 1000;

export function inFlightLatency({ inFlight }: AdminBenchReport): Chart {
  const pick = (percentile: 'p50' | 'p99'): LinePoint[] =>
    inFlight.flatMap(({ name, points }, series) =>
      points.map(({ inFlight: x, ns }) => ({
        x,
        y: ns[percentile] / US,
        series,
        title: `${name}, ${x} in flight\np50 ${number(ns.p50)} ns, p99 ${number(ns.p99)} ns, max ${number(ns.max)} ns`,
      })),
    );
  return lines({
    id: 'in-flight-latency',
    label: 'Latency over commands in flight',
    xLabel: 'commands in flight',
    yLabel: 'latency (us): p50, dashed p99',
    ticks: inFlight[0]!.points.map((point) => point.inFlight),
    solid: pick('p50'),
    dashed: pick('p99'),
  });
}

export function inFlightRate({ inFlight }: AdminBenchReport): Chart {
  return lines({
    id: 'in-flight-rate',
    label: 'Commands a second over commands in flight',
    xLabel: 'commands in flight',
    yLabel: 'million commands a second',
    ticks: inFlight[0]!.points.map((point) => point.inFlight),
    solid: inFlight.flatMap(({ name, points }, series) =>
      points.map(({ inFlight: x, commandsPerSecond }) => ({
        x,
        y: commandsPerSecond / 1e6,
        series,
        title: `${name}, ${x} in flight\n${number(commandsPerSecond)} commands a second`,
      })),
    ),
  });
}

/** Where a command's time goes when others are in flight: means of the first series. */
export function inFlightPhases({ inFlight, profile }: AdminBenchReport): Chart {
  const bars = inFlight[0]!.points.map(({ inFlight: commands, count, phaseTotals }) => ({
    name: `${commands} in flight`,
    phases: Object.fromEntries(Object.entries(phaseTotals).map(([key, cycles]) => [key, cycles / count])),
  }));
  return phaseBars('in-flight-phases', 'Mean phases over commands in flight', bars, profile.clockPs, 90);
}

export function vfLatency({ vfs }: AdminBenchReport): Chart {
  const pick = (percentile: 'p50' | 'p99'): LinePoint[] =>
    vfs.flatMap(({ name, points }, series) =>
      points.map(({ vfs: x, alone: { ns } }) => ({
        x,
        y: ns[percentile] / US,
        series,
        title: `${name}, ${x} VFs\np50 ${number(ns.p50)} ns, p99 ${number(ns.p99)} ns, max ${number(ns.max)} ns`,
      })),
    );
  return lines({
    id: 'vfs-latency',
    label: 'Latency of one command over VFs enabled',
    xLabel: 'VFs enabled',
    yLabel: 'latency (us): p50, dashed p99',
    ticks: vfs[0]!.points.map((point) => point.vfs),
    solid: pick('p50'),
    dashed: pick('p99'),
  });
}

export function vfRate({ vfs }: AdminBenchReport): Chart {
  return lines({
    id: 'vfs-rate',
    label: 'Commands a second over VFs enabled',
    xLabel: 'VFs enabled',
    yLabel: 'million commands a second',
    ticks: vfs[0]!.points.map((point) => point.vfs),
    solid: vfs.flatMap(({ name, points }, series) =>
      points.map(({ vfs: x, together }) => ({
        x,
        y: together.commandsPerSecond / 1e6,
        series,
        title: `${name}, ${x} VFs\n${number(together.commandsPerSecond)} commands a second`,
      })),
    ),
  });
}

const PROBE_NAMES: Readonly<Record<ProbeKind, string>> = {
  legacyRead: 'legacy register read',
  directRead: 'direct register read',
  notifyAdmin: 'notification by admin command',
  notifyMemberBar: 'notification by member BAR',
};
const PROBES = Object.keys(PROBE_NAMES) as ProbeKind[];

/** From p50 (marker) to p99 (end of the line), by load. */
export function loadRanges({ load }: AdminBenchReport): Chart {
  const rows = load.flatMap(({ name, probes }) =>
    PROBES.map((probe, series) => {
      const ns: Spread = probes[probe].ns;
      const title = `${PROBE_NAMES[probe]}, ${name}\np50 ${number(ns.p50)} ns, p99 ${number(ns.p99)} ns, max ${number(ns.max)} ns`;
      return { load: name, series, p50: ns.p50 / US, p99: ns.p99 / US, title };
    }),
  );
  const stroke = ({ series }: { series: number }): string => seriesColor(series);
  return draw('load', 'Latency under load', {
    marginLeft: 270,
    marginRight: 30,
    marginTop: 8,
    height: 8 + MARGIN_BOTTOM + load.length * 62,
    x: { label: 'latency (us): marker p50, end of the line p99', grid: true, zero: true },
    y: { axis: null, domain: [0, 1, 2, 3], padding: 0.4, type: 'band' },
    fy: { label: null, domain: load.map(({ name }) => name), padding: 0.12, axis: 'left' },
    symbol: { type: 'ordinal', domain: [0, 1, 2, 3], range: [...MARKERS] },
    marks: [
      Plot.frame({ strokeOpacity: 0.12 }),
      Plot.ruleY(rows, { fy: 'load', y: 'series', x1: 'p50', x2: 'p99', stroke, strokeWidth: 2.5, title: 'title' }),
      Plot.tickX(rows, { fy: 'load', y: 'series', x: 'p99', stroke, strokeWidth: 2, title: 'title' }),
      Plot.dot(rows, { fy: 'load', y: 'series', x: 'p50', symbol: 'series', fill: stroke, r: 4.5, title: 'title' }),
    ],
  });
}

export function probeLegend(): LegendEntry[] {
  return seriesLegend(PROBES.map((probe) => PROBE_NAMES[probe]));
}
