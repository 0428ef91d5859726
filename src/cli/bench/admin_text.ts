// SPDX-License-Identifier: Apache-2.0
// The report of `virtfn bench admin` as tables for a terminal: what it comes to first, then command by command, register by
// register, and the sweeps. Times are simulated.
import type { AdminBenchReport, Ratio } from '../../measure/admin_report.ts';
import { byParameter } from '../../measure/accounts.ts';
import { VARIANTS_IN_FLIGHT, VARIANTS_QUEUE_SIZE } from '../../measure/variants.ts';
import { VF_SWEEP_IN_FLIGHT } from '../../measure/sweeps.ts';
import type { LoadedAccess } from '../../measure/load.ts';
import type { LoopResult } from '../../measure/closed_loop.ts';
import type { AccessKind, RegisterRow } from '../../measure/single.ts';
import { toNs, type Spread, type Summary } from '../../measure/summary.ts';
import { changeTexts, grouped } from '../kit/output.ts';
import { tableText, wrapped } from '../kit/table.ts';

type TextRow = Readonly<Record<string, string>>;

const BOLD = '\u001b[1m';
const PLAIN = '\u001b[0m';

/** The whole report; `isStyled` where escape sequences are understood. */
export function adminBenchText(report: AdminBenchReport, isStyled: boolean): string {
  const strong = (text: string): string => (isStyled ? `${BOLD}${text}${PLAIN}` : text);
  const section = (title: string, rows: readonly TextRow[], note = ''): string =>
    `\n${strong(title)}\n${tableText(rows)}${note === '' ? '' : `\n${wrapped(note)}`}`;
  const { clockPs } = report.profile;

  return [
    strong(wrapped(headlineText(report))),
    wrapped(profileText(report)),
    section('Through the admin queue against directly, p50', headlineRows(report)),
    section('Administration commands, one at a time', report.commands.map(commandRow)),
    section(
      `Phases of the median command, in cycles of ${clockPs / 1000} ns`,
      phaseRows(report),
      report.phases
        .filter(({ key }) => report.commands.some(({ phases }) => phases[key] !== undefined))
        .map(({ word, label }) => `${word}: ${label}`)
        .join('; '),
    ),
    section('Where the time of a legacy register read goes, p50', accountRows(report)),
    section(
      `LEGACY_COMMON_CFG_READ of 1 byte, alone and with ${VARIANTS_IN_FLIGHT} in flight`,
      variantRows(report),
      `In cycles: phases of the median command alone; admin queue of ${VARIANTS_QUEUE_SIZE} entries.`,
    ),
    section('Legacy registers through BAR0 against direct access, p50 in ns', registerRows(report), piecesText(report)),
    section('Notifying a VF of a frame, p50', notifyRows(report)),
    section('Commands in flight: p50 / p99 in us, commands/s', inFlightRows(report)),
    section(
      `VFs enabled: p50 / p99 in us of one command, commands/s with ${VF_SWEEP_IN_FLIGHT} in flight`,
      vfRows(report),
    ),
    section('Under load: p50 / p99 in us; a notification until its frame is out', loadRows(report)),
    section('Bring-up from the first access to DRIVER_OK', bootRows(report)),
  ].join('\n');
}

function headlineText({ headline: { read, write, notify } }: AdminBenchReport): string {
  return (
    `A legacy register read costs ${times(read)} a direct one, ${nanoseconds(read.adminNs)} against ` +
    `${nanoseconds(read.directNs)}; a write ${times(write)}, a notification by command ${times(notify)}.`
  );
}

function profileText({ profile, seed, isQuick }: AdminBenchReport): string {
  const parts = [
    `profile ${profile.name}`,
    `${1_000_000 / profile.clockPs} MHz`,
    ...changeTexts(profile.set),
    `seed ${seed}`,
    ...(isQuick ? ['quick'] : []),
  ];
  return `Simulated time: ${parts.join(', ')}`;
}

function headlineRows({ headline }: AdminBenchReport): TextRow[] {
  const row = (what: string, ratio: Ratio): TextRow => ({
    '': what,
    'admin queue': nanoseconds(ratio.adminNs),
    direct: nanoseconds(ratio.directNs),
    ratio: `${ratio.ratio.toFixed(2)} x`,
  });
  return [
    row('register read', headline.read),
    row('register write (direct: posted, until it takes effect)', headline.write),
    row('register write (direct: made sure by a read)', headline.writeReadBack),
    row('notification, until it takes effect (direct: member BAR)', headline.notify),
    row('notification, until the frame is out', headline.notifyToFrame),
    row('bring-up (direct: modern driver)', headline.boot),
  ];
}

function commandRow({ name, count, cycles, ns, perAccess, ...rest }: Summary & { readonly name: string }): TextRow {
  void rest;
  return {
    command: name,
    count: grouped(count),
    'p50 ns': grouped(ns.p50),
    'p99 ns': grouped(ns.p99),
    'max ns': grouped(ns.max),
    'p50 cycles': grouped(cycles.p50),
    'p99 cycles': grouped(cycles.p99),
    'max cycles': grouped(cycles.max),
    'TLPs up/down': `${perAccess.tlpsUp}/${perAccess.tlpsDown}`,
    'bytes up/down': `${perAccess.bytesUp}/${perAccess.bytesDown}`,
  };
}

function phaseRows({ commands, phases }: AdminBenchReport): TextRow[] {
  const columns = phases.filter(({ key }) => commands.some((command) => command.phases[key] !== undefined));
  return commands.map((command) => {
    const cells = columns.map(({ key, word }) => [word, grouped(command.phases[key] ?? 0)] as const);
    return { command: command.name, ...Object.fromEntries(cells), total: grouped(command.cycles.p50) };
  });
}

/** The median LEGACY_COMMON_CFG_READ by parameter, over all its phases. */
function accountRows({ commands, profile }: AdminBenchReport): TextRow[] {
  const { accounts, cycles } = commands.find(({ name }) => name === 'LEGACY_COMMON_CFG_READ')!;
  const row = (parameter: string, part: number): TextRow => ({
    parameter,
    cycles: grouped(part),
    ns: grouped(toNs(part, profile.clockPs)),
    share: `${((100 * part) / cycles.p50).toFixed(1)} %`,
  });
  return [...byParameter(accounts).map((one) => row(one.parameter, one.cycles)), row('total', cycles.p50)];
}

function variantRows({ variants, phases }: AdminBenchReport): TextRow[] {
  const columns = phases.filter(({ key }) => variants.some(({ alone }) => (alone.phases[key] ?? 0) > 0));
  return variants.map(({ name, alone, together }) => {
    const cells = columns.map(({ key, word }) => [word, grouped(alone.phases[key] ?? 0)] as const);
    return {
      variant: name,
      ...Object.fromEntries(cells),
      total: grouped(alone.cycles.p50),
      'alone, us': latency(alone),
      'in flight, us': latency(together),
      'commands/s': grouped(together.commandsPerSecond),
    };
  });
}

function registerRows({ legacyRegisters, directRegisters }: AdminBenchReport): TextRow[] {
  const whole = legacyRegisters.filter(({ isNaturalWidth, access }) => isNaturalWidth && access === 'read');
  const cells = ({ register }: RegisterRow, access: AccessKind): readonly [string, string, string] => {
    const find = (rows: readonly RegisterRow[]): number | undefined =>
      rows.find((row) => row.register === register && row.access === access && row.isNaturalWidth)?.ns.p50;
    const legacy = find(legacyRegisters);
    const direct = find(directRegisters);
    if (legacy === undefined) return ['', '', ''];
    if (direct === undefined) return [grouped(legacy), '', ''];
    return [grouped(legacy), grouped(direct), `${(legacy / direct).toFixed(2)} x`];
  };
  return whole.map((row) => {
    const [readLegacy, readDirect, readRatio] = cells(row, 'read');
    const [writeLegacy, writeDirect, writeRatio] = cells(row, 'write');
    return {
      register: row.register,
      bytes: String(row.bytes),
      'legacy read': readLegacy,
      'direct read': readDirect,
      'read ratio': readRatio,
      'legacy write': writeLegacy,
      'direct write': writeDirect,
      'write ratio': writeRatio,
    };
  });
}

/** One sentence on accesses narrower than their register. */
function piecesText({ legacyRegisters }: AdminBenchReport): string {
  const range = (access: AccessKind): string => {
    const pieces = legacyRegisters.filter((row) => !row.isNaturalWidth && row.access === access);
    const medians = pieces.map(({ ns }) => ns.p50);
    const low = Math.min(...medians);
    const high = Math.max(...medians);
    return low === high ? `${grouped(low)} ns` : `${grouped(low)} to ${grouped(high)} ns`;
  };
  return `Pieces of 1 and 2 bytes of these registers: read ${range('read')}, write ${range('write')}.`;
}

function notifyRows({ notify, profile }: AdminBenchReport): TextRow[] {
  const ns = ({ p50 }: Spread): string => nanoseconds((p50 * profile.clockPs) / 1000);
  return notify.map((row) => ({
    path: row.path === 'admin' ? 'admin command (queue_notify)' : "doorbell in the member's BAR",
    'takes effect after': ns(row.effect),
    'driver waits': ns(row.driverWaits),
    'frame is out after': ns(row.cycles),
    'TLPs up/down': `${row.perAccess.tlpsUp}/${row.perAccess.tlpsDown}`,
    'bytes up/down': `${row.perAccess.bytesUp}/${row.perAccess.bytesDown}`,
  }));
}

function inFlightRows({ inFlight }: AdminBenchReport): TextRow[] {
  const points = inFlight[0]?.points ?? [];
  return points.map((point, i) => {
    const cells = inFlight.flatMap(({ short, points: own }) => {
      const loop = own[i]!;
      return [
        [short, latency(loop)],
        [`${short}: /s`, grouped(loop.commandsPerSecond)],
      ] as const;
    });
    return { 'in flight': String(point.inFlight), ...Object.fromEntries(cells) };
  });
}

function vfRows({ vfs }: AdminBenchReport): TextRow[] {
  const points = vfs[0]?.points ?? [];
  return points.map((point, i) => {
    const cells = vfs.flatMap(({ short, points: own }) => {
      const { alone, together } = own[i]!;
      return [
        [short, latency(alone)],
        [`${short}: /s`, grouped(together.commandsPerSecond)],
      ] as const;
    });
    return { VFs: grouped(point.vfs), ...Object.fromEntries(cells) };
  });
}

function loadRows({ load }: AdminBenchReport): TextRow[] {
  return load.map(({ name, probes, dataRate, commandsPerSecond }) => ({
    load: name,
    'frames/s': dataRate === null ? '' : grouped(dataRate.framesPerSecond),
    'Gbit/s': dataRate === null ? '' : dataRate.gbitPerSecond.toFixed(2),
    'commands/s': commandsPerSecond === null ? '' : grouped(commandsPerSecond),
    'legacy read': latency(probes.legacyRead),
    'direct read': latency(probes.directRead),
    'notify, admin': latency(probes.notifyAdmin),
    'notify, member BAR': latency(probes.notifyMemberBar),
  }));
}

function bootRows({ boots }: AdminBenchReport): TextRow[] {
  return boots.map((boot) => ({
    driver: boot.driver,
    time: microseconds(boot.ns),
    accesses: grouped(boot.accesses.length),
    'admin commands': grouped(boot.adminCommands),
    'of the time': `${((100 * boot.adminCycles) / boot.cycles).toFixed(1)} %`,
  }));
}

function latency({ ns }: Pick<LoopResult | LoadedAccess | Summary, 'ns'>): string {
  return `${(ns.p50 / 1000).toFixed(2)} / ${(ns.p99 / 1000).toFixed(2)}`;
}

function nanoseconds(ns: number): string {
  return ns < 10_000 ? `${grouped(ns)} ns` : microseconds(ns);
}

function microseconds(ns: number): string {
  return `${(ns / 1000).toFixed(1)} us`;
}

function times({ ratio }: Ratio): string {
  return `${ratio.toFixed(1)} times`;
}
