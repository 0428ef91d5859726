// SPDX-License-Identifier: Apache-2.0
// The charts of the report page about bring-up: both drivers on one scale, and the legacy one access by access.
import * as Plot from '@observablehq/plot';

import type { AdminBenchReport } from '../../../measure/admin_report.ts';
import type { Boot, BootAccessKind } from '../../../measure/boot.ts';
import { toNs } from '../../../measure/summary.ts';
import { cyclesText, draw, number, US, type Chart, type LegendEntry } from './charts.ts';
import { kindColor } from './style.ts';

const KIND_NAMES: Readonly<Record<BootAccessKind, string>> = {
  config: 'configuration space',
  read: 'register read',
  write: 'register write',
  interrupts: 'MSI-X set-up',
};
const KINDS = Object.keys(KIND_NAMES) as BootAccessKind[];

export function kindLegend(): LegendEntry[] {
  return KINDS.map((kind) => ({ label: KIND_NAMES[kind], color: kindColor(kind) }));
}

interface BootMark {
  readonly driver: string;
  readonly kind: string;
  readonly color: string;
  readonly begin: number;
  readonly end: number;
  readonly name: string;
  readonly row: number;
  readonly title: string;
}

function bootMarks({ driver, accesses }: Boot, clockPs: number): BootMark[] {
  return accesses.map((access, row) => {
    const begin = toNs(access.begin, clockPs) / US;
    const what = `${access.kind === 'read' || access.kind === 'write' ? `${access.kind} ` : ''}${access.name}`;
    const how = access.isAdminCommand ? ', administration command' : '';
    const title = `${row + 1}. ${what}, ${access.bytes} B${how}\nat ${number(begin)} us, ${cyclesText(access.cycles, clockPs)}`;
    const end = begin + toNs(access.cycles, clockPs) / US;
    const kind = KIND_NAMES[access.kind];
    return { driver: `${driver} driver`, kind, color: kindColor(access.kind), begin, end, name: what, row, title };
  });
}

/** Both bring-ups on one scale, a lane for each kind of access. */
export function bootLanes({ boots, profile }: AdminBenchReport): Chart {
  const marks = boots.flatMap((boot) => bootMarks(boot, profile.clockPs));
  return draw('boot', 'Bring-up of a legacy and a modern driver', {
    marginLeft: 140,
    marginRight: 100,
    marginTop: 8,
    height: 300,
    x: { label: 'simulated time since the first access (us)', grid: true },
    y: { label: null, domain: KINDS.map((kind) => KIND_NAMES[kind]), padding: 0.2, tickSize: 0 },
    fy: { label: null, padding: 0.12 },
    marks: [
      Plot.frame({ strokeOpacity: 0.12 }),
      Plot.barX(marks, {
        fy: 'driver',
        y: 'kind',
        x1: 'begin',
        x2: 'end',
        fill: 'color',
        title: 'title',
        insetRight: 0.6,
      }),
      Plot.tickX(marks, { fy: 'driver', y: 'kind', x: 'begin', stroke: 'color', strokeWidth: 1.5, title: 'title' }),
    ],
  });
}

/** The legacy bring-up access by access. */
export function bootWaterfall({ boots, profile }: AdminBenchReport): Chart {
  const legacy = boots.find(({ driver }) => driver === 'legacy')!;
  const marks = bootMarks(legacy, profile.clockPs);
  return draw('boot-legacy', 'Accesses of the legacy bring-up', {
    marginLeft: 220,
    marginRight: 70,
    height: 60 + marks.length * 15,
    x: { label: 'simulated time since the first access (us)', grid: true, axis: 'both' },
    y: {
      label: null,
      domain: marks.map(({ row }) => row),
      tickFormat: (row: number) => marks[row]!.name,
      tickSize: 0,
      padding: 0.15,
      type: 'band',
    },
    marks: [
      Plot.barX(marks, { y: 'row', x1: 'begin', x2: 'end', fill: 'color', title: 'title' }),
      Plot.tickX(marks, { y: 'row', x: 'begin', stroke: 'color', strokeWidth: 1.5, title: 'title' }),
      Plot.text(marks, {
        y: 'row',
        x: 'end',
        text: ({ begin, end }: BootMark) => `${number(end - begin)} us`,
        textAnchor: 'start',
        dx: 5,
        fontSize: 10,
      }),
    ],
  });
}
