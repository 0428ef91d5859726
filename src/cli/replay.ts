// SPDX-License-Identifier: Apache-2.0
// `virtfn replay`: a capture through the card. The work is done by src/machine/replay.ts.
import { readFileSync } from 'node:fs';

import { Command, Option } from 'commander';

import type { NicMode } from '../device/profile.ts';
import { LEGACY_MAX_MTU, Replay, type DriverKind, type ReplayReport, type ReplayTarget } from '../machine/replay.ts';
import { NicError } from '../util/errors.ts';
import { withFile } from '../files/errors.ts';
import { openPcap, pcapPieces } from '../wire/pcap.ts';
import { CommandFiles } from './command_files.ts';
import { jsonFileOption, modeOption, wholeNumber } from './options.ts';
import { columns, counted, duration, grouped, print, withProgress } from './output.ts';

const SCHEMA = 'virtfn.replay/1';

interface ReplayArguments {
  readonly via: DriverKind;
  readonly out: string;
  readonly to: ReplayTarget;
  readonly mode: NicMode;
  readonly mtu: number;
  readonly json?: string;
}

/** The verb. */
export function replayCommand(): Command {
  return new Command('replay')
    .description('send a capture from one VF to another or out to the wire')
    .argument('<in.pcap>', 'capture of whole Ethernet frames, classic pcap format')
    .addOption(
      new Option('--via <driver>', 'the driver at both ends').choices(['legacy', 'modern']).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'capture to write: the frames as they were received')
    .addOption(new Option('--to <where>', "VF 2's driver, or the wire port").choices(['vf', 'wire']).default('vf'))
    .addOption(modeOption())
    .option('--mtu <n>', 'MTU of the card, 68 to 9000 (legacy: to 1500)', wholeNumber(68, 9000), 1500)
    .addOption(jsonFileOption(SCHEMA))
    .addHelpText(
      'after',
      `
Frames go out back to back in the order of the file, by the driver of VF 1. The receiver is promiscuous: the switch does
not learn, and a capture is addressed to machines that are not there. Each frame of OUT carries the stamp of the first
frame plus the simulated time since that one was sent; functional mode has no time, so all carry the first one's.
Frames shorter than 14 bytes, or longer than the MTU and their header of 14 bytes (4 more for each of up to two VLAN
tags), are left out and counted.

Exit code 0: every frame was received as it was sent, in order. 1: it was not. 2: wrong options or a bad file.

Examples:
  virtfn replay ping.pcap --via legacy --out received.pcap
  virtfn replay ping.pcap --via modern --to wire --mode functional --out wire.pcap --json -`,
    )
    .action((input: string, options: ReplayArguments) => {
      const { out, json, ...rest } = options;
      const files = new CommandFiles({ '<in.pcap>': input }, { '--out': out, '--json': json });
      const report = replayFile(input, files, rest);
      files.writeJson('--json', { schema: SCHEMA, file: input, out, ...report });
      if (!files.takesStandardOutput) print(replayText(input, options.out, report));
      if (!report.isComplete) throw new NicError('REPLAY', incompleteText(input, report));
    });
}

/** Replays a file into that of --out. */
export function replayFile(
  input: string,
  files: CommandFiles,
  options: Omit<ReplayArguments, 'out' | 'json'>,
): ReplayReport {
  const capture = openPcap(
    withFile(input, () => readFileSync(input)),
    input,
  );
  const replay = new Replay(capture, options);
  files.write('--out', pcapPieces(withProgress(replay.frames(), replay.inputFrames, `replay ${input}`)));
  return replay.report();
}

/** The report in words. */
export function replayText(input: string, out: string, report: ReplayReport): string {
  const { received, adminCommands, interrupts } = report;
  const where = report.to === 'vf' ? 'VF 1 to VF 2' : 'VF 1 to the wire';
  const drops = Object.entries(report.drops).map(([cause, frames]) => `${cause} ${grouped(frames)}`);
  const rate = report.framesPerSecond === null ? '' : `, ${grouped(report.framesPerSecond)} frames/s`;
  const traffic = ({ frames, bytes }: ReplayReport['sent']): string =>
    `${counted(frames, 'frame')}, ${counted(bytes, 'byte')}`;
  const rows: [string, string][] = [
    ['read', traffic(report.input)],
    ['sent', traffic(report.sent)],
    ['received', `${traffic(received)}; ${verdict(report)}`],
    ['dropped', drops.length === 0 ? 'none' : drops.join(', ')],
    [
      'simulated time',
      report.mode === 'functional' ? 'none passes in functional mode' : `${duration(report.simulatedNs)}${rate}`,
    ],
    ['interrupts', `sender ${grouped(interrupts.sender)}, receiver ${grouped(interrupts.receiver)}`],
    [
      'admin commands',
      `${grouped(adminCommands.bringUp)} to bring up, ${grouped(adminCommands.replay)} for the frames`,
    ],
    ['written', out],
  ];
  return `${input}: ${where} by the ${report.via} driver, ${report.mode}\n${columns(rows, '  ')}`;
}

function verdict({ isComplete, altered, reordered }: ReplayReport): string {
  if (isComplete) return 'all as sent, in order';
  const faults = [
    altered > 0 ? `${grouped(altered)} altered` : '',
    reordered > 0 ? `${grouped(reordered)} out of order` : '',
  ];
  return faults.filter((fault) => fault !== '').join(', ') || 'these as sent, in order';
}

function incompleteText(input: string, { drops, input: { frames }, received, mtu, via }: ReplayReport): string {
  const larger = via === 'legacy' && mtu === LEGACY_MAX_MTU ? 'use --via modern with a larger --mtu' : 'raise --mtu';
  const remedies = [
    drops['too_long'] === undefined ? '' : `${counted(drops['too_long'], 'frame')} too long for mtu ${mtu}, ${larger}`,
    drops['too_short'] === undefined ? '' : `${counted(drops['too_short'], 'frame')} shorter than an Ethernet header`,
  ].filter((remedy) => remedy !== '');
  const counts = `${grouped(received.frames)} of ${counted(frames, 'frame')} were received as sent`;
  return `${input}: ${counts}${remedies.length > 0 ? `: ${remedies.join('; ')}` : '; see the report'}`;
}
