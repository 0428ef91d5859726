// SPDX-License-Identifier: Apache-2.0
// The report of `virtfn bench admin` as one page that needs nothing else: no script, no font, no picture from anywhere.
import manifest from '../../../../package.json' with { type: 'json' };
import { byParameter } from '../../../measure/accounts.ts';
import type { AdminBenchReport, Ratio } from '../../../measure/admin_report.ts';
import { VARIANTS_IN_FLIGHT, VARIANTS_QUEUE_SIZE } from '../../../measure/variants.ts';
import type { RegisterRow } from '../../../measure/single.ts';
import type { Spread } from '../../../measure/summary.ts';
import { VF_SWEEP_IN_FLIGHT } from '../../../measure/sweeps.ts';
import { FRAMES_ON_THE_WAY } from '../../../measure/data_traffic.ts';
import { isAssumption, profileParameters, resolveProfile } from '../../../device/profile.ts';
import { PROFILES } from '../../../device/profiles.ts';
import * as boot from './boot.ts';
import * as charts from './charts.ts';
import type { Chart, LegendEntry } from './charts.ts';
import { STYLE } from './style.ts';
import { changeTexts, grouped } from '../../kit/output.ts';

const DASH_NOTE = 'The line goes through p50, the dashed one through p99.';

/** The page as HTML text; `command` is what a reader types for the same one. */
export function adminReportPage(report: AdminBenchReport, command: string): string {
  const title = 'Legacy registers through the admin queue';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>virtfn: ${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escape(title)}</h1>
<p>A legacy guest reads an I/O BAR0 that its VF does not have: the variant driver turns each access into an administration
command on the PF. This is what that costs, phase by phase, in the simulated time of the card.</p>
<p class="soft">${escape(profileText(report))}</p>
${facts(report)}
${[
  basisSection(report, command),
  commandSection(report),
  accountSection(report),
  variantSection(report),
  registerSection(report),
  notifySection(report),
  inFlightSection(report),
  vfSection(report),
  loadSection(report),
  bootSection(report),
].join('\n')}
</main>
</body>
</html>
`;
}

function profileText({ profile, seed, isQuick, schema }: AdminBenchReport): string {
  const changes = changeTexts(profile.set);
  return [
    `Timing profile ${profile.name}, ${1_000_000 / profile.clockPs} MHz`,
    ...(changes.length > 0 ? [`changed: ${changes.join(', ')}`] : []),
    `seed ${seed}${isQuick ? ', quick run' : ''}`,
    `schema ${schema}`,
  ].join(' · ');
}

function facts({ headline, inFlight }: AdminBenchReport): string {
  const ratio = (what: string, { ratio: value, adminNs, directNs }: Ratio, note: string): string =>
    fact(`${value.toFixed(1)} ×`, what, `${time(adminNs)} against ${time(directNs)}${note}`);
  const fastest = inFlight
    .flatMap(({ name, points }) => points.map((point) => ({ name, point })))
    .reduce((best, one) => (one.point.commandsPerSecond > best.point.commandsPerSecond ? one : best));
  return `<div class="facts">
${ratio('register read', headline.read, '')}
${ratio('register write', headline.write, ' until it takes effect')}
${ratio('notification', headline.notify, ' by member BAR')}
${ratio('bring-up', headline.boot, ' of a modern driver')}
${fact(
  `${(fastest.point.commandsPerSecond / 1e6).toFixed(2)} M/s`,
  'most commands a second',
  `${fastest.name}, ${fastest.point.inFlight} in flight`,
)}
</div>`;
}

function fact(value: string, what: string, note: string): string {
  return `<div class="fact"><b>${escape(value)}</b><span>${escape(what)}</span><small>${escape(note)}</small></div>`;
}

/** Whose numbers these are, and what is not in them. */
function basisSection({ profile: { name, set }, commands }: AdminBenchReport, command: string): string {
  const values = resolveProfile('timed', set, name).values;
  const parameters = profileParameters(name).map((parameter) => ({
    ...parameter,
    value: values.get(parameter.name)!,
    source: set[parameter.name] === undefined ? parameter.source : 'set for this run',
  }));
  const assumed = new Set(parameters.filter(isAssumption).map((parameter) => parameter.name));
  const read = commands.find((row) => row.name === 'LEGACY_COMMON_CFG_READ')!;
  const assumedCycles = byParameter(read.accounts)
    .filter(({ parameter }) => assumed.has(parameter))
    .reduce((sum, { cycles }) => sum + cycles, 0);
  const share = ((100 * assumedCycles) / read.cycles.p50).toFixed(0);
  const changes = Object.entries(set).map(([parameter, value]) => `${parameter} = ${value}`);
  const points = [
    `virtfn ${manifest.version} made this page: <code>${escape(command)}</code>`,
    `No hardware was measured. The profile <b>${escape(name)}</b> is ${escape(summaryOf(name))}`,
    ...(changes.length === 0 ? [] : [`Set for this run: ${escape(changes.join(', '))}.`]),
    `${assumed.size} of its ${parameters.length} parameters are assumptions: nothing that is published tells them. They account for
${share} % of the median ${read.name}: ${escape([...assumed].join(', '))}.`,
    `Drivers cost no simulated time (driver cost 0), no exit of a virtual machine is counted, and from an MSI-X message to its
handler pass ${values.get('host.interrupt_ns')!} ns (host.interrupt_ns).`,
  ];
  const rows = parameters.map(({ name: parameter, value, unit, source }) => [
    parameter,
    `${grouped(value)} ${unit === 'count' || unit === 'switch' ? '' : unit}`,
    source,
  ]);
  return section(
    'What the numbers rest on',
    'The same command gives the same numbers on every machine.',
    `<ul class="basis">${points.map((point) => `<li>${point}</li>`).join('\n')}</ul>`,
    details('Every parameter, and where its value comes from', table(['parameter', 'value', 'source'], rows)),
  );
}

function summaryOf(profile: string): string {
  const { summary } = PROFILES.find(({ name }) => name === profile)!;
  return `${summary[0]!.toLowerCase()}${summary.slice(1)}.`;
}

function commandSection(report: AdminBenchReport): string {
  const phases = [...report.commands, ...report.directRegisters].map((row) => row.phases);
  const rows = report.commands.map(({ name, count, ns, cycles, perAccess }) => [
    name,
    grouped(count),
    grouped(ns.p50),
    grouped(ns.p99),
    grouped(ns.max),
    grouped(cycles.p50),
    grouped(cycles.p99),
    grouped(cycles.max),
    `${perAccess.tlpsUp} / ${perAccess.tlpsDown}`,
    `${perAccess.bytesUp} / ${perAccess.bytesDown}`,
  ]);
  return section(
    'Administration commands, phase by phase',
    `The median command of each kind on an idle card, from the driver's doorbell to its interrupt; below, the direct
register accesses that a legacy driver would make if its device were real. Phases add up to the total exactly, in cycles.`,
    figure(charts.commandBars(report)),
    legend(charts.phaseLegend(phases)),
    details(
      'All numbers',
      table(
        [
          'command',
          'count',
          'p50 ns',
          'p99 ns',
          'max ns',
          'p50 cycles',
          'p99 cycles',
          'max cycles',
          'TLPs up / down',
          'bytes up / down',
        ],
        rows,
      ),
    ),
  );
}

function accountSection(report: AdminBenchReport): string {
  const rows = report.commands.flatMap(({ name, accounts, cycles }) =>
    byParameter(accounts).map(({ parameter, cycles: part }) => [
      name,
      parameter,
      grouped(part),
      `${((100 * part) / cycles.p50).toFixed(1)} %`,
    ]),
  );
  return section(
    'The same commands, parameter by parameter',
    `Every cycle of the median command is on the account of a parameter of the timing profile, of bytes on the wire, or of
waiting; the accounts add up to the total exactly.`,
    figure(charts.accountBars(report)),
    legend(charts.accountLegend(report)),
    details('All accounts', table(['command', 'parameter', 'cycles', 'share'], rows)),
  );
}

function variantSection(report: AdminBenchReport): string {
  const rows = report.variants.map(({ name, alone, together }) => [
    name,
    spread(alone.ns),
    spread(together.ns),
    grouped(together.commandsPerSecond),
    `${alone.perAccess.tlpsUp} / ${alone.perAccess.tlpsDown}`,
    `${alone.perAccess.bytesUp} / ${alone.perAccess.bytesDown}`,
  ]);
  const heads = ['variant', 'alone, ns: p50 / p99 / max', `${VARIANTS_IN_FLIGHT} in flight, ns`, 'commands/s'];
  return section(
    'Direct, indirect, and read ahead',
    `LEGACY_COMMON_CFG_READ of one byte with its descriptors in the ring or in an indirect table, and with ring entries read by
themselves or along with the available index. The admin queue has ${VARIANTS_QUEUE_SIZE} entries.`,
    figure(charts.variantBars(report)),
    legend(charts.phaseLegend(report.variants.map(({ alone }) => alone.phases))),
    scroll(table([...heads, 'TLPs up / down', 'bytes up / down'], rows)),
  );
}

function registerSection({ legacyRegisters, directRegisters }: AdminBenchReport): string {
  const key = ({ register, access, bytes }: RegisterRow): string => `${register} ${access} ${bytes}`;
  const direct = new Map(directRegisters.map((row) => [key(row), row]));
  const cells = (row: RegisterRow): string[] => {
    const other = direct.get(key(row));
    return [
      row.register,
      row.access,
      String(row.bytes),
      grouped(row.count),
      spread(row.ns),
      other === undefined ? '' : spread(other.ns),
      other === undefined ? '' : `${(row.ns.p50 / other.ns.p50).toFixed(2)} ×`,
      `${row.perAccess.tlpsUp} / ${row.perAccess.tlpsDown}`,
      `${row.perAccess.bytesUp} / ${row.perAccess.bytesDown}`,
    ];
  };
  const heads = ['register', 'access', 'bytes', 'count', 'legacy ns: p50 / p99 / max', 'direct ns: p50 / p99 / max'];
  const allHeads = [...heads, 'ratio', 'TLPs up / down', 'bytes up / down'];
  return section(
    'Legacy registers through BAR0',
    `Each register at its natural width, with MSI-X set up, beside the same register in the VF's own BAR. A direct write is
posted and counted until it takes effect; its driver does not wait for it.`,
    scroll(table(allHeads, legacyRegisters.filter(({ isNaturalWidth }) => isNaturalWidth).map(cells))),
    details(
      'Accesses to 1 and 2 bytes of wider registers',
      table(allHeads, legacyRegisters.filter(({ isNaturalWidth }) => !isNaturalWidth).map(cells)),
    ),
  );
}

function spread({ p50, p99, max }: Spread): string {
  return `${grouped(p50)} / ${grouped(p99)} / ${grouped(max)}`;
}

function notifySection(report: AdminBenchReport): string {
  const ns = (cycles: number): string => time((cycles * report.profile.clockPs) / 1000);
  const rows = report.notify.map(({ path, effect, driverWaits, cycles, perAccess }) => [
    charts.NOTIFY_NAMES[path],
    ns(effect.p50),
    ns(driverWaits.p50),
    ns(cycles.p50),
    `${perAccess.tlpsUp} / ${perAccess.tlpsDown}`,
    `${perAccess.bytesUp} / ${perAccess.bytesDown}`,
  ]);
  return section(
    'Two ways to notify',
    `A frame lies in the VF's transmit ring; the driver says so by an administration command that writes queue_notify, or by
the doorbell in the VF's own BAR, which LEGACY_NOTIFY_INFO names. Until the frame is out:`,
    figure(charts.notifyBars(report)),
    legend(charts.phaseLegend(report.notify.map(({ phases }) => phases))),
    scroll(
      table(
        ['p50', 'takes effect after', 'driver waits', 'frame is out after', 'TLPs up / down', 'bytes up / down'],
        rows,
      ),
    ),
  );
}

function inFlightSection(report: AdminBenchReport): string {
  const means = report.inFlight[0]!.points.map(({ phaseTotals }) => phaseTotals);
  return section(
    'Commands in flight',
    `So many guests read a legacy register at the same time, each again as soon as it has its answer. ${DASH_NOTE} A sending VF
has 1 to ${FRAMES_ON_THE_WAY} frames on their way, at random.`,
    `<div class="pair">${figure(charts.inFlightLatency(report))}${figure(charts.inFlightRate(report))}</div>`,
    legend(charts.seriesLegend(report.inFlight.map(({ name }) => name))),
    `<h3>Where the time goes: means, ${escape(report.inFlight[0]!.name)}</h3>`,
    figure(charts.inFlightPhases(report)),
    legend(charts.phaseLegend(means)),
  );
}

function vfSection(report: AdminBenchReport): string {
  return section(
    'VFs enabled',
    `The same commands with so many functions on the card; they name VF 1 alone, or all VFs in a random order. Left: one
command at a time. Right: ${VF_SWEEP_IN_FLIGHT} in flight. ${DASH_NOTE}`,
    `<div class="pair">${figure(charts.vfLatency(report))}${figure(charts.vfRate(report))}</div>`,
    legend(charts.seriesLegend(report.vfs.map(({ name }) => name))),
  );
}

function loadSection(report: AdminBenchReport): string {
  const rows = report.load.map(({ name, dataRate, commandsPerSecond }) => [
    name,
    dataRate === null ? '' : grouped(dataRate.framesPerSecond),
    dataRate === null ? '' : dataRate.gbitPerSecond.toFixed(2),
    commandsPerSecond === null ? '' : grouped(commandsPerSecond),
  ]);
  return section(
    'Under load',
    `One guest accesses its registers at random times while other VFs send frames or other guests keep the admin queue busy.
Notifications are measured until the notified frame is out, so a busy wire delays both paths.`,
    figure(charts.loadRanges(report)),
    legend(charts.probeLegend()),
    details('What the load reached', table(['load', 'frames/s', 'Gbit/s', 'commands/s'], rows)),
  );
}

function bootSection(report: AdminBenchReport): string {
  const [legacy, modern] = report.boots;
  const share = ((100 * legacy!.adminCycles) / legacy!.cycles).toFixed(0);
  return section(
    'Bring-up of a legacy driver',
    `From the first look at configuration space to DRIVER_OK: ${time(legacy!.ns)} and ${legacy!.accesses.length} accesses, of
which ${legacy!.adminCommands} are administration commands and take ${share} % of the time. The modern driver below it needs
${time(modern!.ns)} and ${modern!.accesses.length} accesses; most of its writes are posted and take none.`,
    figure(boot.bootLanes(report)),
    legend(boot.kindLegend()),
    '<h3>The legacy driver, access by access</h3>',
    figure(boot.bootWaterfall(report)),
  );
}

function section(title: string, text: string, ...parts: readonly string[]): string {
  return `<section>\n<h2>${escape(title)}</h2>\n<p class="soft">${escape(text)}</p>\n${parts.join('\n')}\n</section>`;
}

function figure({ id, svg }: Chart): string {
  return `<figure id="chart-${id}">${svg}</figure>`;
}

function legend(entries: readonly LegendEntry[]): string {
  const items = entries.map(({ label, color, symbol }) => `<li>${swatch(color, symbol)}${escape(label)}</li>`);
  return `<ul class="legend">${items.join('')}</ul>`;
}

/** The markers of the line charts, as Plot draws them, small enough for a line of text. */
const SYMBOLS: Readonly<Record<string, string>> = {
  circle: '<circle cx="7" cy="7" r="4.5"/>',
  square: '<rect x="3" y="3" width="8" height="8"/>',
  triangle: '<path d="M7 2 12 11H2Z"/>',
  diamond2: '<path d="M7 1.5 12.5 7 7 12.5 1.5 7Z"/>',
};

function swatch(color: string, symbol: LegendEntry['symbol']): string {
  const shape = typeof symbol === 'string' ? SYMBOLS[symbol] : undefined;
  return `<svg width="14" height="14" fill="${color}" aria-hidden="true">${shape ?? '<rect width="14" height="14" rx="2"/>'}</svg>`;
}

function details(summary: string, content: string): string {
  return `<details><summary>${escape(summary)}</summary>${scroll(content)}</details>`;
}

function scroll(content: string): string {
  return `<div class="scroll">${content}</div>`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = heads.map((text) => `<th>${escape(text)}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((text) => `<td>${escape(text)}</td>`).join('')}</tr>`).join('\n');
  return `<table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}

function time(ns: number): string {
  return ns < 10_000 ? `${grouped(ns)} ns` : `${(ns / 1000).toFixed(1)} us`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
