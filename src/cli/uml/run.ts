// SPDX-License-Identifier: Apache-2.0
// `virtfn uml run`: a script in a Linux whose drivers have the card. The running is done by src/linux; here are the options,
// what a person sees of it, and what it leaves.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { Command, Option } from 'commander';

import type { NicConfig } from '../../device/config.ts';
import type { Nic } from '../../device/nic.ts';
import { withFile } from '../../files/errors.ts';
import { writeFile } from '../../files/output_file.ts';
import type { BootEnd, TimeTravel } from '../../linux/boot.ts';
import { provideGuestPrograms } from '../../linux/guest_programs.ts';
import { cacheFolder } from '../../linux/places.ts';
import { runLinux } from '../../linux/run.ts';
import { UML_VFS_MAX } from '../../uml/uml_server.ts';
import { UsageError } from '../../util/errors.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { EndWith } from '../kit/errors.ts';
import { jsonOption } from '../kit/json_option.ts';
import { addOverride, modeOption, wholeNumber } from '../kit/options.ts';
import { columns, counted, jsonText, standardOutput, warn } from '../kit/output.ts';
import type { TraceFormatName } from '../kit/trace_files.ts';
import { resolveServeConfig, type Settings } from '../serve/config.ts';
import { adminTable, type AdminRow } from '../serve/report.ts';
import { interruptible } from './interrupt.ts';
import { KERNEL_VARIABLE, kernelOf } from './kernel_choice.ts';
import { RunRecords, TRACE_BYTES } from './records.ts';
import { patternsOf, RUN_EXIT, verdictOf, type Verdict } from './verdict.ts';

const SCHEMA = 'virtfn.uml.run/1';
const ADMIN_SCHEMA = 'virtfn.uml.admin/1';
const MS_PER_S = 1000;
/** Columns of a table in a file, however wide the terminal is. */
const FILE_WIDTH = 80;

/** Files below --output, by their formats. */
const TRACE_NAMES: Readonly<Record<TraceFormatName, string>> = {
  vcd: 'card.vcd',
  perfetto: 'card.perfetto-trace',
  pcapng: 'frames.pcapng',
  tlp: 'tlps.pcapng',
};

interface RunArguments {
  readonly kernel?: string;
  readonly debug?: true;
  readonly cache?: string;
  readonly vfs: number;
  readonly mode: 'functional' | 'timed';
  readonly pairs?: number;
  readonly mac?: string;
  readonly mtu?: number;
  readonly receiveHoldBytes?: number;
  readonly withoutFeature?: readonly number[];
  readonly set?: Readonly<Record<string, number>>;
  readonly memory: number;
  readonly timeTravel: TimeTravel;
  readonly guestNs?: number;
  readonly timeLimit: number;
  readonly wallLimit: number;
  readonly kernelWord?: readonly string[];
  readonly file?: readonly string[];
  readonly expect?: readonly string[];
  readonly failOn?: readonly string[];
  readonly output?: string;
  readonly json?: string;
}

/** The command, below `virtfn uml`. */
export function umlRunCommand(): Command {
  return new Command('run')
    .description("run a script in a Linux whose drivers have the card, and end with the script's exit code")
    .argument('<script>', 'what the shell of the guest runs')
    .argument('[words...]', 'what the script is given')
    .option('--kernel <file>', `a kernel of User Mode Linux (default: $${KERNEL_VARIABLE}, or that of uml kernel)`)
    .option('--debug', 'the kernel of uml kernel --debug')
    .option('--cache <folder>', 'where uml kernel has put it')
    .option('--vfs <n>', 'VFs of the card', wholeNumber(1, UML_VFS_MAX), 1)
    .addOption(modeOption())
    .option('--pairs <n>', 'queue pairs of each function', wholeNumber(1, 8))
    .option('--mac <address>', 'address of the PF; VF n has n added')
    .option('--mtu <bytes>', 'largest packet', wholeNumber(68, 9000))
    .option('--receive-hold-bytes <n>', 'of each function, for frames that find no buffer', wholeNumber(0, 1 << 20))
    .option('--without-feature <bit>', 'a feature that is not offered; may come again', addNumber)
    .option('--set <name=value>', 'change a parameter of the timing profile; may come again', addOverride)
    .option('--memory <mb>', 'memory of the guest', wholeNumber(64, 2048), 128)
    .addOption(
      new Option(
        '--time-travel <mode>',
        "the guest's time: inf-cpu passes only where it waits, ext is the card's as well, off follows the clock",
      )
        .choices(['inf-cpu', 'ext', 'off'])
        .default('inf-cpu'),
    )
    .option(
      '--guest-ns <ns>',
      "with ext: what the guest's own work takes, for each access (default: 0)",
      wholeNumber(0, 1e9),
    )
    .option('--time-limit <s>', "seconds of the guest's time for the script", wholeNumber(1, 1e9), 600)
    .option('--wall-limit <s>', 'seconds on the clock for the whole run', wholeNumber(1, 1e6), 300)
    .option('--kernel-word <word>', "add to the kernel's command line; may come again", addText)
    .option('--file <path>', 'a file that lies beside the script in the guest; may come again', addText)
    .option('--expect <regex>', 'has to be in a line of the console; may come again', addText)
    .option('--fail-on <regex>', 'may be in no line of the console; may come again', addText)
    .option('--output <folder>', 'leave the console, the traces and the administration commands')
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
The guest's console goes to standard output as it comes. The script runs in /root with busybox, sysfs and these functions:
  pf, vf N                  PCI address of the PF, of VF N
  enable_vfs N              write sriov_numvfs
  bind ADDRESS DRIVER       give a device to virtio_vfio_pci, vfio-pci, virtio-pci
  unbind ADDRESS, driver_of ADDRESS, netdev ADDRESS
and \`vfio ADDRESS COMMAND...\`, which opens a device by vfio: regions, registers, a legacy driver (vfio --help).

Exit code: the script's own. ${RUN_EXIT.failOn}: a pattern of --fail-on was there. ${RUN_EXIT.expect}: one of --expect was not. ${RUN_EXIT.limit}: a limit. ${RUN_EXIT.kernel}: the kernel
did not boot, or ended in the script. 1: there is no kernel. 2: wrong options. A failure of the script goes before patterns.

Examples:
  virtfn uml run test.sh --vfs 2
  virtfn uml run test.sh --debug --fail-on 'WARN|BUG|Call Trace' --output results --json=results/run.json`,
    )
    .action((script: string, words: readonly string[], options: RunArguments) => run(script, words, options));
}

async function run(path: string, words: readonly string[], options: RunArguments): Promise<void> {
  const { output, json, failOn = [], expect = [], timeLimit, wallLimit, timeTravel } = options;
  const placed = Object.entries(TRACE_NAMES).map(([format, name]) => [`--${format}`, output && join(output, name)]);
  const files = new CommandFiles({ '<script>': path }, { '--json': json, ...Object.fromEntries(placed) });
  const patterns = { expect: patternsOf('--expect', expect), failOn: patternsOf('--fail-on', failOn) };
  const script = read(path);
  const beside = new Map((options.file ?? []).map((file) => [basename(file), read(file)]));
  const card = cardOf(options);
  const kernel = kernelOf(options);
  const began = performance.now();
  let screen = '';
  let records!: RunRecords;
  let nic!: Nic;
  const end = await interruptible(async (signal) =>
    runLinux({
      kernel,
      card: { ...card, traceBytes: output === undefined ? 0 : TRACE_BYTES },
      root: {
        programs: await provideGuestPrograms(cacheFolder(options.cache), signal, warn),
        script,
        args: words,
        files: beside,
        limitSeconds: timeLimit,
      },
      kernelWords: options.kernelWord ?? [],
      memoryMb: options.memory,
      timeTravel,
      guestNs: options.guestNs ?? 0,
      wallLimitMs: wallLimit * MS_PER_S,
      signal,
      onConsole: (text) => {
        screen += text;
        if (!files.takesStandardOutput) standardOutput.write(text);
      },
      onCard: (made) => {
        nic = made;
        records = new RunRecords(made, output !== undefined);
      },
      onTick: () => records.take(),
      say: warn,
    }),
  );
  const seconds = Math.round((performance.now() - began) / 10) / 100;
  const verdict = verdictOf(end, screen, patterns.expect, patterns.failOn, { time: timeLimit, wall: wallLimit });
  const rows = records.adminRows();
  const traces = records.writeTraces(files);
  if (output !== undefined) leave(output, screen, records, rows, files);
  const report = {
    schema: SCHEMA,
    script: path,
    kernel,
    vfs: options.vfs,
    mode: options.mode,
    set: options.set ?? {},
    timeTravel,
    result: verdict.result,
    exitCode: verdict.exitCode,
    message: verdict.text,
    expected: verdict.expected,
    failedOn: verdict.failedOn,
    guestSeconds: end.kind === 'exit' ? end.seconds : null,
    seconds,
    functions: functionsOf(nic),
    adminCommands: rows,
    traces,
  };
  files.report(report, () => runText(end, verdict, rows, kernel, seconds));
  if (verdict.exitCode !== 0) throw new EndWith(verdict.exitCode, verdict.text);
}

/** The card as its options say. Throws UsageError. */
function cardOf(options: RunArguments): NicConfig {
  const { vfs, mode, pairs, mac, mtu, receiveHoldBytes, withoutFeature, set, timeTravel, guestNs } = options;
  if (guestNs !== undefined && timeTravel !== 'ext') {
    throw new UsageError(
      `--guest-ns: a guest with --time-travel ${timeTravel} has a time of its own; add --time-travel ext`,
    );
  }
  const settings: Settings = Object.fromEntries(
    Object.entries({
      vfs,
      mode,
      queuePairs: pairs,
      mac,
      mtu,
      receiveHoldBytes,
      withoutFeatures: withoutFeature,
      profile: set,
      timeTravel: timeTravel === 'ext' ? true : undefined,
      guestNs,
    }).filter(([, value]) => value !== undefined),
  );
  return resolveServeConfig({ ...settings, uml: true }, null, {}).card;
}

function read(path: string): Uint8Array {
  return withFile(path, () => readFileSync(path));
}

function leave(
  folder: string,
  screen: string,
  records: RunRecords,
  rows: readonly AdminRow[],
  files: CommandFiles,
): void {
  const put = (name: string, content: string): void => {
    const path = join(folder, name);
    writeFile(path, [content]);
    files.written.push(path);
  };
  put('console.log', screen);
  put('admin.json', `${jsonText({ schema: ADMIN_SCHEMA, opcodes: rows, commands: records.commands })}\n`);
  put('admin.txt', rows.length === 0 ? 'no administration commands\n' : `${adminTable(rows, FILE_WIDTH)}\n`);
}

/** What each function has seen. */
function functionsOf(nic: Nic): object[] {
  return Array.from({ length: nic.functions() }, (_, fn) => {
    const { rx_frames, tx_frames, interrupts, resets } = nic.functionCounters(fn);
    return { name: fn === 0 ? 'pf' : `vf${fn}`, received: rx_frames, sent: tx_frames, interrupts, resets };
  });
}

function runText(end: BootEnd, verdict: Verdict, rows: readonly AdminRow[], kernel: string, seconds: number): string {
  const { result, expected, failedOn } = verdict;
  const lines: [string, string][] = [
    ['result', result],
    ['time', `${end.kind === 'exit' ? `${end.seconds.toFixed(2)} s of the guest's, ` : ''}${seconds} s on the clock`],
    ['kernel', kernel],
  ];
  const found = expected.filter(({ line }) => line !== null).length;
  if (expected.length > 0) lines.push(['expected', `${found} of ${counted(expected.length, 'pattern')}`]);
  const bad = failedOn.filter(({ line }) => line !== null).length;
  if (failedOn.length > 0) lines.push(['fail on', `${bad} of ${counted(failedOn.length, 'pattern')}`]);
  return [columns(lines), ...(rows.length > 0 ? [adminTable(rows)] : [])].join('\n');
}

function addText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function addNumber(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, wholeNumber(0, 63)(text)];
}
