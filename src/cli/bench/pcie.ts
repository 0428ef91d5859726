// SPDX-License-Identifier: Apache-2.0
// `virtfn bench pcie`: rates of the link, simulated, beside the closed formulas.
import { Command, Option } from 'commander';

import { PCIE_SCHEMA, runPcieBench, type PcieRow } from '../../measure/pcie.ts';
import type { GeneratorOperation } from '../../device/generator.ts';
import type { ProfileOverrides } from '../../device/profile.ts';
import { UsageError } from '../../util/errors.ts';
import { jsonOption } from '../kit/json_option.ts';
import { numberList, powerOfTwo, setOption, wholeNumber } from '../kit/options.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { changeTexts, withSteps } from '../kit/output.ts';
import { tableText } from '../kit/table.ts';
import { changesOf, profileOption, type ProfileChoice } from '../kit/profile_file.ts';

const OPERATIONS: readonly GeneratorOperation[] = ['read', 'write', 'readwrite', 'simplenic'];
const SIZES = [64, 128, 256, 512, 1024, 2048];
const LARGEST = 4096;

interface BenchPcieArguments {
  readonly gen?: number;
  readonly lanes?: number;
  readonly mps?: number;
  readonly mrrs?: number;
  readonly op?: GeneratorOperation;
  readonly bytes: readonly number[];
  readonly profile?: ProfileChoice;
  readonly set: ProfileOverrides;
  readonly json?: string;
  readonly svg?: string;
}

/** The command, below `virtfn bench`. */
export function benchPcieCommand(): Command {
  return new Command('pcie')
    .description('rates of reads and writes over the PCIe link, simulated, beside the closed formulas')
    .option('--gen <n>', 'generation, 1 to 6', wholeNumber(1, 6))
    .option('--lanes <n>', 'lanes: 1, 2, 4, 8, 16 or 32', powerOfTwo(1, 32))
    .option('--mps <n>', 'maximum payload size in bytes', powerOfTwo(128, LARGEST))
    .option('--mrrs <n>', 'maximum read request size in bytes', powerOfTwo(128, LARGEST))
    .addOption(new Option('--op <op>', 'one operation instead of all').choices(OPERATIONS))
    .addOption(new Option('--bytes <list>', 'sizes').argParser(numberList(LARGEST)).default(SIZES, SIZES.join(',')))
    .addOption(profileOption())
    .addOption(setOption())
    .addOption(jsonOption(PCIE_SCHEMA))
    .option('--svg <file>', 'draw the rates of reads and writes over the formulas')
    .addHelpText(
      'after',
      `
Without --profile the link alone is measured: tags, credits and room without end, no latencies, so that what is
simulated has to come out at the formula. With --profile its tags, credits and latencies count. Completions are cut at
the payload size that --mps gives. \`virtfn profiles\` lists profiles and parameters.

Examples:
  virtfn bench pcie --gen 5 --lanes 16 --mps 512 --op read --bytes 64,256,1024
  virtfn bench pcie --profile nfp6000-gen3x8 --op read --bytes 64     bound by 32 tags
  virtfn bench pcie --set link.ecrc=1 --json=rates.json`,
    )
    .action(async (options: BenchPcieArguments) => {
      const { op, bytes, profile, set, json, svg } = options;
      const files = new CommandFiles({ '--profile': profile?.file }, { '--json': json, '--svg': svg });
      const changes = changesOf(profile, { ...linkOf(options), ...set });
      const rows = withSteps('bench pcie', (onStep) =>
        runPcieBench(
          {
            operations: op === undefined ? OPERATIONS : [op],
            bytes,
            set: changes,
            profileName: profile?.name,
          },
          onStep,
        ),
      );
      if (svg !== undefined) {
        const { pcieRateChart } = await import('./pcie_charts.ts');
        files.write('--svg', [pcieRateChart(rows)]);
      }
      const name = profile?.name ?? null;
      files.report({ schema: PCIE_SCHEMA, profile: name, set: changes, rows }, () => {
        const parts = [name === null ? 'The link alone' : `Profile ${name}`, ...changeTexts(changes)];
        return `${parts.join(', ')}\n${rateText(rows)}`;
      });
    });
}

/** What the options of the link change. Throws UsageError where --set says something else of the same. */
function linkOf({ gen, lanes, mps, mrrs, set }: BenchPcieArguments): ProfileOverrides {
  const link = [
    ['--gen', 'link.generation', gen],
    ['--lanes', 'link.lanes', lanes],
    ['--mps', 'link.mps_bytes', mps],
    ['--mrrs', 'link.mrrs_bytes', mrrs],
  ] as const;
  const changes: Record<string, number> = {};
  for (const [option, name, value] of link) {
    if (value === undefined) continue;
    const other = set[name];
    if (other !== undefined && other !== value) {
      throw new UsageError(`${option} ${value}: --set ${name}=${other} says otherwise; give one of them`);
    }
    changes[name] = value;
  }
  return changes;
}

function rateText(rows: readonly PcieRow[]): string {
  const [first] = rows;
  const lines = rows.map(({ op, bytes, gbps, formulaGbps }) => ({
    op,
    bytes: String(bytes),
    'Gb/s': gbps.toFixed(3),
    formula: formulaGbps.toFixed(3),
    difference: `${(100 * (gbps / formulaGbps - 1)).toFixed(3)} %`,
  }));
  const { gen, lanes, mps, mrrs, rawGbps, tlpGbps } = first!;
  const head = `Gen${gen} x${lanes}, MPS ${mps}, MRRS ${mrrs}: ${rawGbps.toFixed(2)} Gb/s raw, ${tlpGbps.toFixed(2)} Gb/s for TLPs`;
  return `${head}\n${tableText(lines)}`;
}
