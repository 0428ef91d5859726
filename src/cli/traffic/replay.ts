// SPDX-License-Identifier: Apache-2.0
// `virtfn replay`: a capture through the card. The work is done by src/machine/replay.ts.
import { Command, Option } from 'commander';

import type { NicMode } from '../../device/profile.ts';
import { Replay, type DriverKind, type ReplayReport, type ReplayTarget } from '../../machine/replay.ts';
import { NicError } from '../../util/errors.ts';
import { openCaptureInput } from '../../wire/capture_input.ts';
import { linkTypeName, linkTypeRemedy } from '../../wire/link_type.ts';
import { pcapPieces } from '../../wire/pcap.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { modeOption, packedOption, wholeNumber } from '../kit/options.ts';
import { columns, counted, duration, grouped, withProgress } from '../kit/output.ts';

const SCHEMA = 'virtfn.replay/1';
const MAX_MTU = 9000;

interface ReplayArguments {
  readonly via: DriverKind;
  readonly out: string;
  readonly to: ReplayTarget;
  readonly mode: NicMode;
  readonly mtu: number;
  readonly packed: boolean;
  readonly json?: string;
}

/** The verb. */
export function replayCommand(): Command {
  return new Command('replay')
    .description('send a capture from one VF to another or out to the wire')
    .argument('<in.pcap>', 'capture of Ethernet frames, pcap or pcapng; - reads standard input')
    .addOption(
      new Option('--via <driver>', 'the driver at both ends').choices(['legacy', 'modern']).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'pcap file to write: the frames as they were received; - is standard output')
    .addOption(new Option('--to <where>', "VF 2's driver, or the wire port").choices(['vf', 'wire']).default('vf'))
    .addOption(modeOption())
    .addOption(packedOption())
    .option('--mtu <n>', 'MTU of the card, 68 to 9000 (legacy: to 1500)', wholeNumber(68, MAX_MTU), 1500)
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Frames go out back to back in the order of the file, by the driver of VF 1. The receiver is promiscuous: the switch does
not learn, and a capture is addressed to machines that are not there. Each frame of OUT carries the stamp of the first
frame plus the simulated time since that one was sent; functional mode has no time, so all carry the first one's.
Frames shorter than 14 bytes, or longer than the MTU and their header of 14 bytes (4 more for each of up to two VLAN
tags), are left out and counted; so are packets of a pcapng file whose interface is not Ethernet. A capture that is damaged,
or cut off at its end, is replayed up to there. Standard input and FIFOs are read to their end first.

Exit code 0: every frame was received as it was sent, in order. 1: it was not. 2: wrong options or a bad file.

Examples:
  virtfn replay ping.pcap --via legacy --out received.pcap
  virtfn replay ping.pcap --via modern --to wire --mode functional --out wire.pcap --json
  tcpdump -c 100 -i eth0 -w - | virtfn replay - --via legacy --out - | tcpdump -r -`,
    )
    .action((input: string, options: ReplayArguments) => {
      const { out, json, ...rest } = options;
      const files = new CommandFiles({ '<in.pcap>': input }, { '--out': out, '--json': json });
      const report = replayFile(input, files, rest);
      files.report({ schema: SCHEMA, file: input, out, ...report }, () => replayText(input, report));
      if (!report.isComplete) throw new NicError('REPLAY', incompleteText(input, report));
    });
}

/** Replays a file into that of --out. */
export function replayFile(
  input: string,
  files: CommandFiles,
  options: Omit<ReplayArguments, 'out' | 'json'>,
): ReplayReport {
  const capture = openCaptureInput(input);
  try {
    const replay = new Replay(capture, options);
    const frames = withProgress(replay.frames(), replay.inputFrames, `replay ${capture.name}`);
    files.write('--out', pcapPieces(frames, capture.name));
    return replay.report();
  } finally {
    capture.close();
  }
}

/** The report in words. */
function replayText(input: string, report: ReplayReport): string {
  const { received, adminCommands, interrupts } = report;
  const where = report.to === 'vf' ? 'VF 1 to VF 2' : 'VF 1 to the wire';
  const drops = Object.entries(report.drops).map(([cause, frames]) => `${cause} ${grouped(frames)}`);
  const rate = report.framesPerSecond === null ? '' : `, ${grouped(report.framesPerSecond)} frames/s`;
  const traffic = ({ frames, bytes }: ReplayReport['sent']): string =>
    `${counted(frames, 'frame')}, ${counted(bytes, 'byte')}`;
  const rows: [string, string][] = [
    ['read', traffic(report.input)],
    ...report.notEthernet.map(({ linkType, frames }): [string, string] => [
      'left out',
      `${counted(frames, 'packet')} of link type ${linkTypeName(linkType)}; ${linkTypeRemedy(linkType)}`,
    ]),
    ['sent', `${traffic(report.sent)}${report.cutFrames === 0 ? '' : cutText(report.cutFrames)}`],
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
  ];
  return `${input}: ${where} by the ${report.via} driver, ${report.mode}\n${columns(rows, '  ')}`;
}

function cutText(frames: number): string {
  return `; ${counted(frames, 'frame')} only as far as captured: record whole ones with tcpdump -s 0`;
}

function verdict({ isComplete, altered, reordered }: ReplayReport): string {
  if (isComplete) return 'all as sent, in order';
  const faults = [
    altered > 0 ? `${grouped(altered)} altered` : '',
    reordered > 0 ? `${grouped(reordered)} out of order` : '',
  ];
  return faults.filter((fault) => fault !== '').join(', ') || 'these as sent, in order';
}

function incompleteText(input: string, report: ReplayReport): string {
  const { drops, input: read, received, damage } = report;
  const counts = `${grouped(received.frames)} of ${counted(read.frames, 'frame')} were received as sent`;
  const remedies = [
    tooLongText(report),
    drops['too_short'] === undefined ? '' : `${counted(drops['too_short'], 'frame')} shorter than an Ethernet header`,
  ].filter((remedy) => remedy !== '');
  const why = remedies.length > 0 ? `: ${remedies.join('; ')}` : '';
  if (damage !== null) return `${damage}; of what stands before, ${counts}${why}`;
  return `${input}: ${counts}${why === '' ? '; see the report' : why}`;
}

function tooLongText({ tooLong, drops, via, mtu }: ReplayReport): string {
  if (tooLong === null) return '';
  const { packet, bytes, limit, mtuForAll } = tooLong;
  const larger = `--mtu ${mtuForAll}`;
  const remedy =
    mtuForAll > MAX_MTU
      ? `no MTU is above ${MAX_MTU}: record with offloads off (ethtool -K DEVICE gro off lro off gso off tso off)`
      : `use ${via === 'legacy' ? `--via modern ${larger}` : larger}`;
  const first = `frame ${packet} has ${grouped(bytes)} bytes, ${grouped(limit)} at most`;
  return `${counted(drops['too_long']!, 'frame')} too long for mtu ${mtu} (${first}), ${remedy}`;
}
