// SPDX-License-Identifier: Apache-2.0
// `virtfn trace`: a short run with every signal of the card, as files for viewers. The runs are in
// src/machine/scenario.ts, the formats in src/trace.
import { readFileSync } from 'node:fs';

import { Argument, Command } from 'commander';

import * as TRACE from '../../../assembly/abi/trace_kind.ts';
import type { ProfileOverrides } from '../../device/profile.ts';
import { DEFAULT_PROFILE } from '../../device/profiles.ts';
import { runScenario, SCENARIOS, type RecordedRun, type ScenarioName } from '../../machine/scenario.ts';
import { TRACE_KINDS, traceRecords } from '../../trace/index.ts';
import { UsageError } from '../../util/errors.ts';
import { openCapture } from '../../wire/capture.ts';
import { bundledCapture } from '../kit/capture.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { packedOption, parameterList, setOption, wholeNumber } from '../kit/options.ts';
import { changeTexts, columns, duration, grouped, withProgress } from '../kit/output.ts';
import { changesOf, profileOption, type ProfileChoice } from '../kit/profile_file.ts';
import { TRACE_FORMATS, writeTrace, type TraceFormat, type TraceFormatName } from '../kit/trace_files.ts';

const SCHEMA = 'virtfn.trace/1';
const FEWEST_VFS_FOR_TRAFFIC = 2;
/** Frames are what the other scenarios have none of. */
const TRAFFIC_HAS_SOME = '; virtfn trace traffic has some';

/** What is recorded where no file is asked for. */
const SUMMARY_MASK = TRACE.MASK_STATE | TRACE.MASK_TLP | TRACE.MASK_FRAMES;

type TraceArguments = { readonly [format in TraceFormatName]?: string } & {
  readonly vfs: number;
  readonly profile: ProfileChoice;
  readonly set: ProfileOverrides;
  readonly packed: boolean;
  readonly json?: string;
};

/** The verb. */
export function traceCommand(): Command {
  const command = new Command('trace')
    .description('run a scenario and write down every signal of the card')
    .addArgument(new Argument('<scenario>', 'what to run').choices(Object.keys(SCENARIOS)));
  for (const { name, about } of TRACE_FORMATS) command.option(`--${name} <file>`, about);
  return command
    .option('--vfs <n>', 'VFs of the card; 2 or more for traffic', wholeNumber(1, 1024), FEWEST_VFS_FOR_TRAFFIC)
    .addOption(profileOption(DEFAULT_PROFILE))
    .addOption(setOption())
    .addOption(packedOption())
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Scenarios:
${columns(Object.entries(SCENARIOS), '  ')}

The card is brought up first and recorded from then on. Without a file to write only the records are counted. Formats,
signals and how to open each file: docs/trace.md. A file that nothing in the run was for is named at the end.

Parameters for --set:
${parameterList()}

Exit code 0: done. 1: the scenario failed. 2: wrong options.

Examples:
  virtfn trace admin --vcd admin.vcd --perfetto admin.perfetto-trace
  virtfn trace traffic --pcapng frames.pcapng --tlp tlps.pcapng
  virtfn trace admin --profile firmware --vcd firmware.vcd
  virtfn trace legacy --set host.read_latency_ns=1000 --perfetto slow.perfetto-trace --json`,
    )
    .action((scenario: ScenarioName, options: TraceArguments) => {
      const wanted = TRACE_FORMATS.filter(({ name }) => options[name] !== undefined);
      const capture = scenario === 'traffic' ? bundledCapture() : undefined;
      const files = new CommandFiles(
        { '--profile': options.profile.file, 'the bundled capture': capture },
        {
          ...Object.fromEntries(TRACE_FORMATS.map(({ name }) => [`--${name}`, options[name]])),
          '--json': options.json,
        },
      );
      const set = changesOf(options.profile, options.set);
      const run = record(scenario, options, wanted);
      const counts = countRecords(run);
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      const written = wanted.map((format) => {
        const records = withProgress(traceRecords(run.chunks), total, `trace ${scenario} ${format.name}`);
        return writeTrace(files, format, run.card, records, TRAFFIC_HAS_SOME);
      });
      files.report(
        {
          schema: SCHEMA,
          scenario,
          vfs: options.vfs,
          profile: options.profile.name,
          set,
          simulatedNs: run.simulatedNs,
          records: counts,
          files: written,
        },
        () => traceText(scenario, run, counts, [options.profile.name, ...changeTexts(set)]),
      );
    });
}

function record(
  scenario: ScenarioName,
  { vfs, profile, set, packed }: TraceArguments,
  wanted: readonly TraceFormat[],
): RecordedRun {
  if (scenario === 'traffic' && vfs < FEWEST_VFS_FOR_TRAFFIC) {
    throw new UsageError(`--vfs ${vfs}: traffic goes from VF 1 to VF 2; give ${FEWEST_VFS_FOR_TRAFFIC} or more`);
  }
  const mask = wanted.length === 0 ? SUMMARY_MASK : wanted.reduce((bits, format) => bits | format.mask, 0);
  return runScenario(scenario, {
    vfs,
    timing: { profileName: profile.name, profile: changesOf(profile, set), packed },
    mask,
    capture: () => {
      const file = bundledCapture();
      return openCapture(readFileSync(file), file);
    },
  });
}

/** Records by the name of their kind, in the order of the kinds; those that did not occur are left out. */
function countRecords({ chunks }: RecordedRun): Readonly<Record<string, number>> {
  const counts = new Map<number, number>();
  for (const { kind } of traceRecords(chunks)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].sort(([one], [other]) => one - other);
  return Object.fromEntries(kinds.map(([kind, count]) => [TRACE_KINDS.get(kind) ?? `kind_${kind}`, count]));
}

function traceText(
  scenario: ScenarioName,
  { simulatedNs }: RecordedRun,
  counts: Readonly<Record<string, number>>,
  profile: readonly string[],
): string {
  const rows: [string, string][] = [
    ['profile', profile.join(', ')],
    ['simulated time', duration(simulatedNs)],
    ...Object.entries(counts).map(([kind, count]): [string, string] => [kind, grouped(count)]),
  ];
  return `${scenario}: ${SCENARIOS[scenario]}\n${columns(rows, '  ')}`;
}
