// SPDX-License-Identifier: Apache-2.0
// `virtfn villain`: the named cases of bad drivers against the card, directly and over vfio-user.
import { Command, Option } from 'commander';

import type { NicMode } from '../../device/profile.ts';
import { casesMatching, CORPUS, GROUPS } from '../../villain/cases/corpus.ts';
import { directPath, socketPath, type PathDriver } from '../../villain/path.ts';
import { runCases } from '../../villain/runner.ts';
import type { Case, CaseResult } from '../../villain/case.ts';
import { VERDICTS, type PathName, type Verdict } from '../../villain/verdict.ts';
import { NicError, UsageError } from '../../util/errors.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { modeOption } from '../kit/options.ts';
import { columns, counted, withSteps } from '../kit/output.ts';

const SCHEMA = 'virtfn.villain/1';
const VERDICT_WIDTH = Math.max(...VERDICTS.map((verdict) => verdict.length));
/** Cases that the last line names. */
const NAMES_MAX = 4;
const BAD: ReadonlySet<Verdict> = new Set<Verdict>(['FAIL', 'WEDGED']);

interface VillainArguments {
  readonly filter?: string;
  readonly path: PathName | 'all';
  readonly mode: NicMode;
  readonly list?: true;
  readonly json?: string;
}

/** The verb. */
export function villainCommand(): Command {
  return new Command('villain')
    .description('named cases of bad drivers, directly and over vfio-user')
    .option('--filter <patterns>', 'cases whose ids begin so: D, D09, D09-nested; * is anything, commas separate')
    .addOption(
      new Option('--path <path>', 'how the functions are reached')
        .choices(['direct', 'vfio-user', 'all'])
        .default('all'),
    )
    .addOption(modeOption())
    .option('--list', 'name the cases and where their allowed outcomes come from, and run none')
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Each case has a card of its own: a setup, one bad act, and what is allowed to come of it. After the act nothing may have
been written that was not offered for writing, the function beside it has to work as before, nothing may come late after
a reset, and good requests have to be served again.

  PASS    an allowed outcome, the function works      WEDGED  no good request is served any more
  REJECT  refused cleanly, works after a reset        FAIL    anything else
  SKIP    nothing to try here, the reason is named

Exit code 0: all cases PASS, REJECT or SKIP. 1: one FAIL or WEDGED. 2: wrong options.

Examples:
  virtfn villain
  virtfn villain --filter D09,A12 --path direct
  virtfn villain --list
  virtfn villain --mode functional --json`,
    )
    .action(async ({ filter, path, mode, list, json }: VillainArguments) => {
      const cases = filter === undefined ? CORPUS : chosen(filter);
      const files = new CommandFiles({}, { '--json': json });
      if (list) {
        files.report({ schema: SCHEMA, cases: cases.map(caseJson) }, () => listText(cases));
        return;
      }
      const drivers = await pathsOf(path);
      const results = withSteps('villain', (onStep) => runCases(cases, drivers, { mode }, onStep));
      const counts = countsOf(results);
      files.report({ schema: SCHEMA, mode, paths: drivers.map(({ name }) => name), counts, results }, () =>
        reportText(results, drivers, counts),
      );
      const bad = results.filter(({ verdict }) => BAD.has(verdict));
      if (bad.length === 0) return;
      const names = bad.slice(0, NAMES_MAX).map(({ id, path: by }) => `${id} ${by}`);
      const more = bad.length > NAMES_MAX ? [`${bad.length - NAMES_MAX} more`] : [];
      const what = `${counted(bad.length, 'verdict')} FAIL or WEDGED`;
      throw new NicError('VILLAIN', `${what}: ${[...names, ...more].join(', ')}; the report has the reasons`);
    });
}

/** Cases that the patterns name, each of them at least one. Throws UsageError that names the patterns without any. */
function chosen(filter: string): readonly Case[] {
  const cases = casesMatching(filter);
  const parts = filter.split(',').filter((part) => part.trim() !== '');
  const unmatched = parts.filter((part) => casesMatching(part).length === 0);
  if (cases.length > 0 && unmatched.length === 0) return cases;
  const groups = GROUPS.map(({ letter, title }) => `${letter} ${title.toLowerCase()}`).join(', ');
  throw new UsageError(
    `--filter ${unmatched.join(',') || filter}: no case has such an id; the groups are ${groups}; see villain --list`,
  );
}

async function pathsOf(path: VillainArguments['path']): Promise<readonly PathDriver[]> {
  if (path === 'direct') return [directPath];
  const socket = await socketPath();
  return path === 'vfio-user' ? [socket] : [directPath, socket];
}

function countsOf(results: readonly CaseResult[]): Readonly<Record<Verdict, number>> {
  const count = (verdict: Verdict): number => results.filter((one) => one.verdict === verdict).length;
  return Object.fromEntries(VERDICTS.map((verdict) => [verdict, count(verdict)])) as Record<Verdict, number>;
}

/** What a case is, without its code. */
function caseJson({ id, act, clause, allowed, setup, isTimed = false, directOnly }: Case): object {
  return { id, act, clause, allowed, setup, isTimed, directOnly: directOnly ?? null };
}

function listText(cases: readonly Case[]): string {
  const lines = cases.map(({ id, act, clause, allowed }): [string, string] => [
    id,
    `${act}\n${' '.repeat(indentOf(cases))}${allowed.join(', ') || 'not written yet'} (${clause})`,
  ]);
  return `${columns(lines)}\n\n${counted(cases.length, 'case')}`;
}

function indentOf(cases: readonly Case[]): number {
  return Math.max(...cases.map(({ id }) => id.length)) + 2;
}

function reportText(
  results: readonly CaseResult[],
  drivers: readonly PathDriver[],
  counts: Readonly<Record<Verdict, number>>,
): string {
  const widths = drivers.map(({ name }) => Math.max(name.length, VERDICT_WIDTH));
  const cells = (texts: readonly string[]): string => texts.map((text, i) => text.padEnd(widths[i]!)).join('  ');
  const rows: [string, string][] = [['case', cells(drivers.map(({ name }) => name))]];
  for (let i = 0; i < results.length; i += drivers.length) {
    const of = results.slice(i, i + drivers.length);
    rows.push([of[0]!.id, `${cells(of.map(({ verdict }) => verdict))}  ${of[0]!.act}`]);
  }
  const summary = VERDICTS.map((verdict) => `${counts[verdict]} ${verdict}`).join(', ');
  return [columns(rows), reasons(results), `${counted(results.length, 'verdict')}: ${summary}`]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Why cases failed or were skipped; cases with the same reason stand together. */
function reasons(results: readonly CaseResult[]): string {
  const ids = new Map<string, Set<string>>();
  for (const { id, path, verdict, detail } of results) {
    if (!BAD.has(verdict) && verdict !== 'SKIP') continue;
    // a failure may be of one path alone, a reason to skip is mostly one of the case
    const reason = `${verdict.padEnd(VERDICT_WIDTH)}  ${BAD.has(verdict) ? `${path}: ` : ''}${detail}`;
    ids.set(reason, (ids.get(reason) ?? new Set()).add(id));
  }
  const indent = ' '.repeat(VERDICT_WIDTH + 2);
  return [...ids].map(([reason, names]) => `${reason}\n${indent}${[...names].join(' ')}`).join('\n');
}
