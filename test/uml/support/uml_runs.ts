// SPDX-License-Identifier: Apache-2.0
// `virtfn uml run` for tests: the kernels that are there, and runs of scripts with what they leave.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

import { cachedKernel, kernelOptions, type Flavour } from '../../../src/linux/kernel.ts';
import { cacheFolder } from '../../../src/linux/places.ts';
import { CliProgram, type ProgramRun } from '../../support/cli_program.ts';

/** What a kernel says when it finds a fault in itself. */
export const FAULTS = 'WARN|BUG|Call Trace|Oops';

const VARIABLES: Readonly<Record<Flavour, string>> = { plain: 'VIRTFN_UML_KERNEL', debug: 'VIRTFN_UML_KERNEL_DEBUG' };

/** Path of the kernel of a flavour: named by a variable, or in the cache; null where there is none. */
export function umlKernel(flavour: Flavour): string | null {
  const named = process.env[VARIABLES[flavour]] ?? '';
  if (named !== '') return existsSync(named) ? named : null;
  return cachedKernel(cacheFolder(undefined), flavour, kernelOptions(flavour, []))?.path ?? null;
}

/** Why tests are skipped: the name that they then have. */
export function orWhyNot(name: string, flavour: Flavour): string {
  const command = flavour === 'debug' ? 'virtfn uml kernel --debug' : 'virtfn uml kernel';
  return umlKernel(flavour) === null ? `${name} (skipped: no kernel; ${command} builds one)` : name;
}

export interface RunReport {
  readonly result: string;
  readonly exitCode: number;
  readonly message: string;
  readonly guestSeconds: number | null;
  readonly functions: readonly { readonly name: string; readonly received: number; readonly sent: number }[];
  readonly adminCommands: readonly {
    readonly name: string;
    readonly commands: number;
    readonly errors: number;
    readonly minNs: number;
    readonly maxNs: number;
  }[];
}

export interface UmlRun extends ProgramRun {
  /** What the guest said, without what was printed behind it. */
  readonly console: string;
  readonly report: RunReport;
}

/** Runs scripts in guests. */
export class UmlRuns {
  readonly program = new CliProgram(['koffi']);
  /** Temporary files are here alone. */
  readonly env: NodeJS.ProcessEnv = { TMPDIR: join(this.program.folder, 'tmp') };
  private readonly kernel: string;
  private count = 0;

  constructor(kernel: string) {
    this.kernel = kernel;
    mkdirSync(this.env['TMPDIR']!);
  }

  /** Temporary files, and processes that work among them. */
  left(): { readonly files: readonly string[]; readonly processes: readonly string[] } {
    const folder = this.env['TMPDIR']!;
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    const processes = pids.filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
      } catch {
        return false; // gone meanwhile, or somebody else's
      }
    });
    return { files: readdirSync(folder), processes };
  }

  run(script: string, ...args: readonly string[]): UmlRun {
    const number = ++this.count;
    this.program.write(`${number}.sh`, script);
    const ended = this.program.runWith(
      this.env,
      'uml',
      'run',
      `${number}.sh`,
      '--kernel',
      this.kernel,
      `--json=${number}.json`,
      ...args,
    );
    const report = join(this.program.folder, `${number}.json`);
    if (!existsSync(report)) throw new Error(`no report: ${ended.stdout}${ended.stderr}`);
    return {
      ...ended,
      console: ended.stdout.split('\nresult ')[0]!,
      report: JSON.parse(readFileSync(report, 'utf8')) as RunReport,
    };
  }

  remove(): void {
    this.program.remove();
  }
}
