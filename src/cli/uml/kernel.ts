// SPDX-License-Identifier: Apache-2.0
// `virtfn uml kernel`: a kernel of User Mode Linux with the drivers of the card, from the cache or built. The building is done
// by src/linux; here are the options and what a person sees of it.
import { Command } from 'commander';

import { provideKernel, type Kernel } from '../../linux/kernel.ts';
import { OLDEST_LINUX } from '../../linux/kernel_source.ts';
import { cacheFolder } from '../../linux/places.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { wholeNumber } from '../kit/options.ts';
import { columns, grouped, StatusLine, warn } from '../kit/output.ts';
import { interruptible } from './interrupt.ts';

const SCHEMA = 'virtfn.uml-kernel/1';
const MOST_JOBS = 1024;
const MS_PER_S = 1000;

interface KernelArguments {
  readonly source?: string;
  readonly suite?: string;
  readonly debug?: true;
  readonly config?: readonly string[];
  readonly jobs?: number;
  readonly cache?: string;
  readonly update?: true;
  readonly json?: string;
}

/** The command, below `virtfn uml`. */
export function umlKernelCommand(): Command {
  return new Command('kernel')
    .description('build a kernel of User Mode Linux with the drivers of the card, once')
    .option('--source <path>', `source of Linux ${OLDEST_LINUX} or newer: a tree, an archive or a package`)
    .option(
      '--suite <name>',
      "suite of the machine's mirror to take the package from (default: its release, backports)",
    )
    .option('--debug', 'with checks of locking, lists, timers, memory and DMA: slower, and finds more')
    .option('--config <file>', 'further settings, CONFIG_NAME=value a line; may come again', addText)
    .option('--jobs <n>', 'processes of make (default: one a processor)', wholeNumber(1, MOST_JOBS))
    .option('--cache <folder>', 'where kernels are kept (default: virtfn/uml in XDG_CACHE_HOME or ~/.cache)')
    .option('--update', 'look for a newer package although a kernel is there')
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Prints the path of the kernel. A kernel that is there already is found at once; otherwise it is built, which takes some
minutes: of --source, of a linux-source-* archive in /usr/src, or of the distribution's package, which apt fetches and checks
in a folder of its own. Nothing of it needs root. A tree (--source FOLDER) is built where it has changed; it stays as it is.

Exit code 0: there is a kernel. 1: it cannot be built here; the message says what is missing. 2: wrong options.

Examples:
  virtfn uml kernel
  virtfn uml kernel --debug --suite trixie-backports
  virtfn uml kernel --source ~/linux --config my.config --json`,
    )
    .action(async (options: KernelArguments) => {
      const files = new CommandFiles({}, { '--json': options.json });
      const began = performance.now();
      const kernel = await build(options);
      const seconds = Math.round((performance.now() - began) / 100) / (MS_PER_S / 100);
      const { path, config, version, flavour, source, wasCached } = kernel;
      const result = wasCached ? 'cached' : 'built';
      files.report({ schema: SCHEMA, path, config, version, flavour, source, result, seconds }, () =>
        kernelText(kernel, seconds),
      );
    });
}

function build({ source, suite, debug, config, jobs, cache, update }: KernelArguments): Promise<Kernel> {
  const line = new StatusLine();
  let stage = '';
  return interruptible(async (signal) => {
    try {
      return await provideKernel({
        cache: cacheFolder(cache),
        flavour: debug ? 'debug' : 'plain',
        source: source ?? null,
        suite: suite ?? null,
        fragments: config ?? [],
        update: update ?? false,
        jobs: jobs ?? null,
        signal,
        onStage: (text) => {
          stage = text;
          line.clear();
          warn(text);
        },
        onSteps: (steps) => line.show(`${stage}: ${grouped(steps)} steps`),
      });
    } finally {
      line.clear();
    }
  });
}

function kernelText({ path, version, flavour, source, wasCached }: Kernel, seconds: number): string {
  return columns([
    ['kernel', path],
    ['version', `Linux ${version}, ${flavour}`],
    ['source', source],
    [wasCached ? 'found' : 'built', `in ${seconds} s`],
  ]);
}

function addText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
