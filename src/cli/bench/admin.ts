// SPDX-License-Identifier: Apache-2.0
// `virtfn bench admin`: what a legacy register access costs when it is an administration command, in simulated time. The
// measuring is done by src/measure; here are the options, and where the report goes.
import { Command, Option } from 'commander';

import {
  ADMIN_SCHEMA,
  runAdminBench,
  type AdminBenchOptions,
  type AdminBenchReport,
} from '../../measure/admin_report.ts';
import { MOST_IN_FLIGHT } from '../../measure/closed_loop.ts';
import type { ProfileOverrides } from '../../device/profile.ts';
import { DEFAULT_PROFILE } from '../../device/profiles.ts';
import { adminBenchText } from './admin_text.ts';
import { jsonOption } from '../kit/json_option.ts';
import { numberList, packedOption, parameterList, setOption, wholeNumber } from '../kit/options.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { withSteps } from '../kit/output.ts';
import { changesOf, profileOption, type ProfileChoice } from '../kit/profile_file.ts';

const MOST_VFS = 1024;
const LARGEST_SEED = 0xffffffff;

interface BenchAdminArguments {
  readonly vfs?: readonly number[];
  readonly inFlight?: readonly number[];
  readonly seed: number;
  readonly profile: ProfileChoice;
  readonly set: ProfileOverrides;
  readonly packed: boolean;
  readonly quick?: boolean;
  readonly json?: string;
  readonly html?: string;
}

/** The command, below `virtfn bench`. */
export function benchAdminCommand(): Command {
  return new Command('admin')
    .description('latency of administration commands and legacy registers, phase by phase, in simulated time')
    .addOption(new Option('--vfs <list>', 'numbers of VFs to compare').argParser(numberList(MOST_VFS)))
    .addOption(new Option('--in-flight <list>', 'commands in flight to compare').argParser(numberList(MOST_IN_FLIGHT)))
    .option('--seed <n>', 'order of accesses, gaps, bursts', wholeNumber(0, LARGEST_SEED), 1)
    .addOption(profileOption(DEFAULT_PROFILE))
    .addOption(setOption())
    .addOption(packedOption())
    .option('--quick', 'fewer samples and points')
    .addOption(jsonOption(ADMIN_SCHEMA))
    .option('--html <file>', 'write the report as one page with charts')
    .addHelpText(
      'after',
      `
Measures each administration command, each legacy register through the BAR0 that the variant driver invents, the same
registers directly, and a notification by either path, with what each parameter of the profile accounts for; one register
read with direct and indirect descriptors, without and with ring entries read along with the index, and over packed rings; then latency over commands in flight, VFs and other load, and the
bring-up of a legacy driver. Equal seeds and profiles give equal numbers on every machine.

Lists are numbers with commas between: --vfs 1 to ${MOST_VFS}, --in-flight 1 to ${MOST_IN_FLIGHT}.
Parameters for --set:
${parameterList()}

Examples:
  virtfn bench admin --html admin.html --json=admin.json
  virtfn bench admin --quick --in-flight 1,8,64 --vfs 1,1024
  virtfn bench admin --profile asic-gen5x16-1ghz
  virtfn bench admin --set admin.legacy_read_ns=5000 --set admin.legacy_write_ns=5000   a slow admin processor`,
    )
    .action(async (options: BenchAdminArguments) => {
      const { profile, json, html } = options;
      const files = new CommandFiles({ '--profile': profile.file }, { '--json': json, '--html': html });
      const report = measure(options);
      if (html !== undefined) {
        const { adminReportPage } = await import('./html/report.ts');
        files.write('--html', [adminReportPage(report, commandLine(options))]);
      }
      const isStyled = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
      files.report(report, () => adminBenchText(report, isStyled));
    });
}

/** What makes the same report again. The files are left out: the page does not depend on where it is written. */
function commandLine({ vfs, inFlight, seed, profile, set, packed, quick }: BenchAdminArguments): string {
  return [
    `virtfn bench admin --profile ${shellWord(profile.file ?? profile.name)}`,
    ...Object.entries(set).map(([name, value]) => `--set ${name}=${value}`),
    ...(packed ? ['--packed'] : []),
    ...(vfs === undefined ? [] : [`--vfs ${vfs.join(',')}`]),
    ...(inFlight === undefined ? [] : [`--in-flight ${inFlight.join(',')}`]),
    `--seed ${seed}`,
    ...(quick ? ['--quick'] : []),
  ].join(' ');
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Runs the benchmark; on a terminal a bar shows how far it is, once it takes long. */
function measure({ vfs, inFlight, seed, profile, set, packed, quick }: BenchAdminArguments): AdminBenchReport {
  const options: AdminBenchOptions = {
    seed,
    profileName: profile.name,
    profile: changesOf(profile, set),
    packed,
    quick: quick ?? false,
    ...(vfs === undefined ? {} : { vfs }),
    ...(inFlight === undefined ? {} : { inFlight }),
  };
  return withSteps('bench admin', (onStep) => runAdminBench(options, onStep));
}
