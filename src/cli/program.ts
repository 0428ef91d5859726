// SPDX-License-Identifier: Apache-2.0
// The command line as a whole: verbs, help, version, and how every one of them ends.
import { Command } from 'commander';

import manifest from '../../package.json' with { type: 'json' };
import { benchAdminCommand } from './bench/admin.ts';
import { EXIT, reportError, usageText } from './kit/errors.ts';
import { benchDmaCommand } from './bench/dma.ts';
import { benchLinuxCommand } from './bench/linux.ts';
import { benchPcieCommand } from './bench/pcie.ts';
import { fuzzCommand } from './fuzz/fuzz.ts';
import { optionTerm, withJsonInOneWord } from './kit/json_option.ts';
import { lifecycleCommand } from './provision/lifecycle.ts';
import { standardOutput } from './kit/output.ts';
import { lspciCommand } from './registers/lspci.ts';
import { profilesCommand } from './bench/profiles.ts';
import { provisionCommand } from './provision/provision.ts';
import { regsCommand } from './registers/regs.ts';
import { replayCommand } from './traffic/replay.ts';
import { serveCommand } from './serve/serve.ts';
import { startCommand } from './traffic/start.ts';
import { traceCommand } from './traffic/trace.ts';
import { umlCommand } from './uml/uml.ts';
import { villainCommand } from './fuzz/villain.ts';

/** The verbs with their options, not run yet. */
export function makeProgram(): Command {
  const program = new Command('virtfn')
    .description('A virtio network card with SR-IOV virtual functions, in WebAssembly.')
    .version(manifest.version, '-V, --version', 'print the version')
    .addCommand(startCommand())
    .addCommand(replayCommand())
    .addCommand(benchCommand())
    .addCommand(profilesCommand())
    .addCommand(provisionCommand())
    .addCommand(traceCommand())
    .addCommand(serveCommand())
    .addCommand(umlCommand())
    .addCommand(fuzzCommand())
    .addCommand(lifecycleCommand())
    .addCommand(lspciCommand())
    .addCommand(regsCommand())
    .addCommand(villainCommand())
    .addHelpText(
      'after',
      `
Examples:
  virtfn start                                            the main job: replay a capture, measure admin commands
  virtfn replay in.pcap --via legacy --out out.pcap       a capture through two VFs with legacy drivers
  virtfn bench admin --html admin.html                    what a legacy register access costs, with charts
  virtfn trace admin --perfetto admin.perfetto-trace      each administration command on a timeline
  virtfn lspci --hex > card.txt && lspci -F card.txt -vv  the card as pciutils sees it
  virtfn regs vf1 --driver legacy                         registers of VF 1 under its driver

Exit codes: 0 done, 1 what was asked about failed, 2 wrong usage or input, 70 a bug.`,
    );
  for (const command of withSubcommands(program)) {
    command
      .exitOverride()
      .helpCommand(false)
      .helpOption('-h, --help', 'print this help')
      .configureHelp({ subcommandTerm: (verb) => verb.name(), optionTerm })
      .configureOutput({
        writeOut: (text) => standardOutput.write(text),
        outputError: (text, write) => write(usageText(text, fullName(command))),
      });
  }
  return program;
}

function benchCommand(): Command {
  return new Command('bench')
    .description('measure in simulated time: admin, pcie, dma, linux')
    .addCommand(benchAdminCommand())
    .addCommand(benchPcieCommand())
    .addCommand(benchDmaCommand())
    .addCommand(benchLinuxCommand())
    .addHelpText('after', '\nExample:\n  virtfn bench admin --html admin.html --json=admin.json');
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** Runs the program with its arguments and returns the exit code. */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    const program = makeProgram();
    await program.parseAsync(withJsonInOneWord(program, args), { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return reportError(error, (line) => process.stderr.write(`${line}\n`));
  }
}
