// SPDX-License-Identifier: Apache-2.0
// `virtfn start`, the main job: the bundled capture through two VFs by the legacy and by the modern driver, then the
// latency of administration commands, with a page and captures to look at.
import { join } from 'node:path';

import { Command } from 'commander';

import type { DriverKind, ReplayReport } from '../machine/replay.ts';
import { NicError } from '../util/errors.ts';
import { benchAdminCommand } from './bench_admin.ts';
import { bundledCapture } from './capture.ts';
import { duration, fileList, grouped, print, tableText } from './output.ts';
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
      const reports = replayBoth(out);
      print('');
      const report = ['--json', join(out, 'admin_latency.json'), '--html', join(out, 'admin_latency.html')];
      await benchAdminCommand().parseAsync(quick ? ['--quick', ...report] : report, { from: 'user' });
      const failed = reports.filter(({ isComplete }) => !isComplete).map(({ via }) => via);
      if (failed.length > 0) {
        throw new NicError('REPLAY', `by the ${failed.join(' and the ')} driver not every frame came as it was sent`);
      }
    });
}

function replayBoth(out: string): ReplayReport[] {
  const capture = bundledCapture();
  const fileOf = (via: DriverKind): string => join(out, `replay_${via}.pcap`);
  const reports = DRIVERS.map((via) =>
    replayFile(capture, { via, out: fileOf(via), to: 'vf', mode: 'timed', mtu: 1500 }),
  );
  print(`A capture of ${grouped(reports[0]!.input.frames)} frames, sent by VF 1 and received by VF 2`);
  print(replayTable(reports));
  print(`\nWritten\n${fileList(DRIVERS.map(fileOf))}`);
  return reports;
}

function replayTable(reports: readonly ReplayReport[]): string {
  return tableText(
    reports.map((report) => ({
      driver: report.via,
      received: grouped(report.received.frames),
      bytes: grouped(report.received.bytes),
      'as sent': report.isComplete ? 'yes' : 'NO',
      'simulated time': duration(report.simulatedNs),
      'frames/s': grouped(report.framesPerSecond ?? 0),
      'all up after': duration(report.bringUpNs),
      'admin commands': grouped(report.adminCommands.bringUp + report.adminCommands.replay),
    })),
  );
}
