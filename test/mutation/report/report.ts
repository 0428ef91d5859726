// SPDX-License-Identifier: Apache-2.0
// What a run has shown, as data and as text: counts, and each survivor with its line.
import type { Mutant } from '../mutants.ts';
import type { Equivalent, KilledKind } from '../plan.ts';
import { STATUSES, type Result, type Status } from '../results.ts';

export type Counts = Readonly<Record<Status, number>>;

/** A mutant that no judging test has noticed. */
export interface Open {
  readonly id: string;
  readonly kind: string;
  readonly line: number;
  readonly function: string;
  readonly source: string;
  readonly text: string;
  readonly replacement: string;
  readonly status: Status;
  readonly tests: number;
  readonly isCut: boolean;
}

export interface FileReport {
  readonly file: string;
  readonly counts: Counts;
  readonly open: readonly Open[];
}

export interface Report {
  readonly schema: 'virtfn.mutation.1';
  readonly seed: number;
  /** Mutants of the core, chosen ones, and those that the time was enough for. */
  readonly all: number;
  readonly chosen: number;
  readonly judged: number;
  readonly minutes: number;
  readonly counts: Counts;
  /** Killed by tests, of those that could be: digests of behaviour do not count. */
  readonly killedPercent: number;
  readonly kinds: Readonly<Record<string, Counts>>;
  readonly files: readonly FileReport[];
  readonly equivalents: readonly Equivalent[];
  /** Mutants of kinds that must stay killed, and are not. */
  readonly revived: readonly {
    readonly kind: string;
    readonly id: string;
    readonly mutant: string;
    readonly status: Status;
  }[];
}

export interface Material {
  readonly seed: number;
  readonly mutants: readonly Mutant[];
  readonly all: number;
  readonly results: ReadonlyMap<string, Result>;
  readonly equivalents: readonly Equivalent[];
  readonly killedKinds: readonly KilledKind[];
  readonly minutes: number;
  readonly sourceLine: (file: string, line: number) => string;
}

const OPEN: readonly Status[] = ['survived', 'unreached', 'digest'];

export function reportOf(material: Material): Report {
  const { seed, mutants, all, results, equivalents, killedKinds, minutes, sourceLine } = material;
  const judged = mutants.filter(({ id }) => results.has(id));
  const count = (some: readonly Mutant[]): Counts => countsOf(some.map(({ id }) => results.get(id)!.status));
  const counts = count(judged);
  const possible = judged.length - counts.equivalent;
  const byFile = groupBy(judged, ({ file }) => file);
  const files = [...byFile]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, some]) => ({
      file,
      counts: count(some),
      open: some
        .filter(({ id }) => OPEN.includes(results.get(id)!.status))
        .sort((a, b) => a.number - b.number)
        .map(({ id, kind, line, function: name, text, replacement }) => {
          const { status, tests, isCut = false } = results.get(id)!;
          return {
            id,
            kind,
            line,
            function: name,
            source: sourceLine(file, line),
            text,
            replacement,
            status,
            tests,
            isCut,
          };
        }),
    }));
  const revived = killedKinds.flatMap(({ kind, mutants: ids }) =>
    Object.entries(ids).flatMap(([id, mutant]) => {
      const status = results.get(id)?.status;
      return status === undefined || !OPEN.includes(status) ? [] : [{ kind, id, mutant, status }];
    }),
  );
  return {
    schema: 'virtfn.mutation.1',
    seed,
    all,
    chosen: mutants.length,
    judged: judged.length,
    minutes: Math.round(minutes * 10) / 10,
    counts,
    killedPercent: possible === 0 ? 100 : Math.round((1000 * (counts.killed + counts.timeout)) / possible) / 10,
    kinds: Object.fromEntries([...groupBy(judged, ({ kind }) => kind)].map(([kind, some]) => [kind, count(some)])),
    files,
    equivalents: equivalents.filter(({ id }) => results.has(id)),
    revived,
  };
}

function countsOf(statuses: readonly Status[]): Counts {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  for (const status of statuses) counts[status] += 1;
  return counts;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** How a mutant's fate is said. */
export const WORDS: Readonly<Record<Status, string>> = {
  killed: 'killed by a test',
  timeout: 'without end, noticed',
  digest: 'seen by digests of behaviour alone',
  survived: 'survived',
  unreached: 'reached by no test',
  equivalent: 'equivalent',
};

/** Of a statement that holds others, the beginning tells which one it is. */
const TEXT_MAX = 160;

export function changeText({ text, replacement }: { text: string; replacement: string }): string {
  const short = (one: string): string => (one.length <= TEXT_MAX ? one : `${one.slice(0, TEXT_MAX)} ...`);
  return `${short(text)} -> ${replacement === '' ? '(left out)' : short(replacement)}`;
}

export function reportText(report: Report): string {
  const lines: string[] = [];
  for (const { file, open } of report.files) {
    if (open.length === 0) continue;
    lines.push(file);
    for (const one of open) {
      const how = `${WORDS[one.status]}${one.status === 'survived' ? ` ${one.tests} tests` : ''}${one.isCut ? ', more would see it' : ''}`;
      lines.push(`  ${one.line}: ${one.source}`, `    ${one.id} ${one.kind}: ${changeText(one)}; ${how}`);
    }
  }
  if (lines.length > 0) lines.push('');
  const { counts, judged, chosen, all, seed, minutes, killedPercent } = report;
  lines.push(`seed ${seed}: ${judged} mutants of ${chosen} chosen and ${all} in all, in ${minutes} minutes`);
  for (const status of STATUSES)
    if (counts[status] > 0) lines.push(`  ${String(counts[status]).padStart(6)} ${WORDS[status]}`);
  lines.push(`killed: ${killedPercent} % of those that are not equivalent`);
  for (const { kind, id, mutant, status } of report.revived) {
    lines.push(`must stay killed (${kind}): ${id} ${mutant}: ${WORDS[status]}`);
  }
  return lines.join('\n');
}
