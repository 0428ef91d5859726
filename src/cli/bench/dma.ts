// SPDX-License-Identifier: Apache-2.0
// `virtfn bench dma`: latency of DMA reads and of writes followed by reads, as pcie-bench measures them; with --rate, how
// many of them the card gets through.
import { Command, Option } from 'commander';

import { DMA_PROFILE, DMA_SCHEMA, runDmaBench, type DmaBenchOptions, type DmaRow } from '../../measure/dma.ts';
import type { ProfileOverrides } from '../../device/profile.ts';
import { jsonOption } from '../kit/json_option.ts';
import { numberList, powerOfTwo, setOption, wholeNumber } from '../kit/options.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { changeTexts, withSteps } from '../kit/output.ts';
import { tableText } from '../kit/table.ts';
import { changesOf, profileOption, type ProfileChoice } from '../kit/profile_file.ts';

const SIZES = [8, 64, 128, 256, 512, 1024, 1520, 2048];
const LARGEST = 4096;
const MOST_SAMPLES = 65_536;
const LARGEST_WINDOW = 2 ** 26;

interface BenchDmaArguments {
  readonly op: DmaBenchOptions['operation'];
  readonly bytes: readonly number[];
  readonly profile: ProfileChoice;
  readonly set: ProfileOverrides;
  readonly window: number;
  readonly random?: boolean;
  readonly samples: number;
  readonly rate?: boolean;
  readonly json?: string;
  readonly svg?: string;
}

/** The command, below `virtfn bench`. */
export function benchDmaCommand(): Command {
  return new Command('dma')
    .description('latency of DMA operations of the card, one at a time, or their rate, in simulated time')
    .addOption(new Option('--op <op>', 'what to measure').choices(['read', 'write', 'write-read']).default('read'))
    .addOption(new Option('--bytes <list>', 'sizes').argParser(numberList(LARGEST)).default(SIZES, SIZES.join(',')))
    .addOption(profileOption(DMA_PROFILE))
    .addOption(setOption())
    .option('--window <bytes>', 'host memory used, a power of two', powerOfTwo(4096, LARGEST_WINDOW), 8192)
    .option('--random', 'random places in the window')
    .option('--samples <n>', 'operations of each size', wholeNumber(1, MOST_SAMPLES), 20_000)
    .option('--rate', 'all at once instead of one at a time: how much gets through')
    .addOption(jsonOption(DMA_SCHEMA))
    .option('--svg <file>', 'draw the latencies over those that pcie-bench measured')
    .addHelpText(
      'after',
      `
The host is reached by its parameters: --set host.read_latency_ns=300, host.remote=1, host.cold=1, iommu.entries=64.

Examples:
  virtfn bench dma --json=dma.json
  virtfn bench dma --rate --bytes 64 --set link.tags=256                                64-byte reads without their tag limit
  virtfn bench dma --rate --bytes 64 --set iommu.entries=64 --window 67108864 --random  every read misses the IO-TLB
  virtfn bench dma --profile nfp6000-e3 --samples 65536                                 a host with long tails`,
    )
    .action(async (options: BenchDmaArguments) => {
      const { op, bytes, profile, set, window, random = false, samples, rate = false, json, svg } = options;
      const files = new CommandFiles({ '--profile': profile.file }, { '--json': json, '--svg': svg });
      const changes = changesOf(profile, set);
      const rows = withSteps('bench dma', (onStep) =>
        runDmaBench(
          {
            operation: op,
            bytes,
            set: changes,
            profileName: profile.name,
            windowBytes: window,
            isRandom: random,
            samples,
            isRate: rate,
          },
          onStep,
        ),
      );
      if (svg !== undefined) {
        const { dmaLatencyChart } = await import('./pcie_charts.ts');
        files.write('--svg', [dmaLatencyChart(rows)]);
      }
      files.report(
        { schema: DMA_SCHEMA, profile: profile.name, set: changes, rows },
        () =>
          `Profile ${[profile.name, ...changeTexts(changes)].join(', ')}, ${window} bytes of memory\n${dmaText(rows)}`,
      );
    });
}

function dmaText(rows: readonly DmaRow[]): string {
  const ns = (value: number): string => value.toFixed(1);
  return tableText(
    rows.map(({ op, bytes, minNs, medianNs, p95Ns, p999Ns, maxNs, gbps }) => ({
      op,
      bytes: String(bytes),
      'min ns': ns(minNs),
      median: ns(medianNs),
      p95: ns(p95Ns),
      'p99.9': ns(p999Ns),
      max: ns(maxNs),
      ...(gbps === undefined ? {} : { 'Gb/s': gbps.toFixed(2) }),
    })),
  );
}
