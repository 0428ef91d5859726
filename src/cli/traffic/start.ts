// SPDX-License-Identifier: Apache-2.0
// `virtfn start`, the main job: the bundled capture through two VFs by the legacy and by the modern driver, then the
// latency of administration commands, with a page and captures to look at.
import { join } from 'node:path';

import { Command } from 'commander';

import type { DriverKind, ReplayReport } from '../../machine/replay.ts';
import { NicError } from '../../util/errors.ts';
import { checkFiles } from '../../files/identity.ts';
import { benchAdminCommand } from '../bench/admin.ts';
import { bundledCapture } from '../kit/capture.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { duration, fileList, grouped, print } from '../kit/output.ts';
import { tableText } from '../kit/table.ts';
import { replayFile } from './replay.ts';

const DRIVERS: readonly DriverKind[] = ['legacy', 'modern'];

/** The verb. */
export function startCommand(): Command {
  return new Command('start')
    .description('the main job: replay a capture, measure admin commands')
    .option('--out <folder>', 'where to write the report and the captures', 'out')
    .option('--quick', 'fewer samples and points in the report')
    .addHelpText(
      'after',
      `
Replays the bundled capture (ping and HTTP between two machines) from VF 1 to VF 2 by the legacy driver, whose registers
are administration commands, and by the modern one; then does what virtfn bench admin does. Takes a few seconds.

Exit code 0: every frame was received as it was sent. 1: it was not.

Example:
  virtfn start --out /tmp/virtfn`,
    )
    .action(async ({ out, quick }: { out: string; quick?: true }) => {
      const capture = bundledCapture();
      const json = join(out, 'admin_latency.json');
      const html = join(out, 'admin_latency.html');
      const written = [...DRIVERS.map((via) => captureOf(out, via)), json, html];
      checkFiles(
        [['the bundled capture', capture]],
        written.map((path) => ['--out', path]),
      );
      const reports = replayBoth(capture, out);
      print('');
      const report = [`--json=${json}`, '--html', html];
      await benchAdminCommand().parseAsync(quick ? ['--quick', ...report] : report, { from: 'user' });
      const failed = reports.filter(({ isComplete }) => !isComplete).map(({ via }) => via);
      if (failed.length > 0) {
        throw new NicError('REPLAY', `by the ${failed.join(' and the ')} driver not every frame came as it was sent`);
      }
    });
}

function captureOf(out: string, via: DriverKind): string {
  return join(out, `replay_${via}.pcap`);
}

function replayBoth(capture: string, out: string): ReplayReport[] {
  const files = DRIVERS.map((via) => captureOf(out, via));
  const reports = DRIVERS.map((via, i) =>
    replayFile(capture, new CommandFiles({ 'the bundled capture': capture }, { '--out': files[i] }), {
      via,
      to: 'vf',
      mode: 'timed',
      packed: false,
      mtu: 1500,
    }),
  );
  print(`A capture of ${grouped(reports[0]!.input.frames)} frames, sent by VF 1 and received by VF 2`);
  print(replayTable(reports));
  print(`\nWritten\n${fileList(files)}`);
  return reports;
}

function replayTable(reports: readonly ReplayReport[]): string {
  return tableText(
    reports.map((report) => ({
      driver: report.via,
      frames: grouped(report.received.frames),
      bytes: grouped(report.received.bytes),
      'as sent': report.isComplete ? 'yes' : 'NO',
      'simulated time': duration(report.simulatedNs),
      'frames/s': grouped(report.framesPerSecond ?? 0),
      'all up after': duration(report.bringUpNs),
      'admin cmds': grouped(report.adminCommands.bringUp + report.adminCommands.replay),
    })),
  );
}
