// SPDX-License-Identifier: Apache-2.0
// `virtfn fuzz`: coverage-guided fuzzing of the card, and the replay of what it found.
import { randomInt } from 'node:crypto';

import { Command, InvalidArgumentError, Option } from 'commander';

import * as TRACE from '../../../assembly/abi/trace_kind.ts';
import { createFuzzTarget, FUZZ_TARGETS, isCardTarget, replayProgram, type Finding } from '../../fuzz/index.ts';
import { fuzzTarget, type FuzzedTarget } from '../../fuzz/session.ts';
import { traceRecords } from '../../trace/index.ts';
import { NicError, UsageError } from '../../util/errors.ts';
import { readCorpus, readReproducer, writeCorpus, writeFinding } from './files.ts';
import { FUZZ_SCHEMA, type FoundProblem, type FuzzReport } from './report.ts';
import { runWorkers, statusText, WORKER_VARIABLE } from './workers.ts';
import { jsonOption } from '../kit/json_option.ts';
import { wholeNumber } from '../kit/options.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { counted, fileList, grouped, StatusLine } from '../kit/output.ts';
import { tableText } from '../kit/table.ts';
import { PCAPNG, VCD, writeTrace } from '../kit/trace_files.ts';

const LONGEST_SECONDS = 1_000_000;
const MOST_EXECUTIONS = 1e12;
const SEED_MAX = 0xffffffff;
/** Options that one input that is run again has no use for. */
const OF_A_RUN = ['seconds', 'executions', 'seed', 'workers', 'corpus', 'coverage', 'svg'];
const REPLAY_MASK = TRACE.MASK_STATE | TRACE.MASK_TLP | TRACE.MASK_FRAMES;

interface FuzzArguments {
  readonly target: string;
  readonly seconds: number;
  readonly executions?: number;
  readonly seed: number;
  readonly workers: number;
  readonly corpus?: string;
  readonly coverage?: string;
  readonly svg?: string;
  readonly replay?: string;
  readonly input?: string;
  readonly vcd?: string;
  readonly pcapng?: string;
  readonly json?: string;
}

/** The verb. */
export function fuzzCommand(): Command {
  return new Command('fuzz')
    .description('fuzz the card, its drivers or its servers')
    .addOption(new Option('--target <name>', 'what to fuzz').choices([...FUZZ_TARGETS, 'all']).default('all'))
    .option('--seconds <n>', 'how long, in real time, all targets together', wholeNumber(1, LONGEST_SECONDS), 60)
    .addOption(
      new Option('--executions <n>', 'in place of --seconds: how many inputs each target and worker runs, at least')
        .argParser(wholeNumber(1, MOST_EXECUTIONS))
        .conflicts('seconds'),
    )
    .option('--seed <n>', 'where random numbers begin; random: somewhere new, which is printed', readSeed, 1)
    .option('--workers <n>', 'processes; each has its own random numbers', wholeNumber(1, 64), 1)
    .option('--corpus <dir>', 'inputs are read from here and added; findings go to DIR/findings')
    .option('--coverage <file>', 'write the points of the core that were reached, as JSON; one worker')
    .option('--svg <file>', 'draw the points reached over time')
    .addOption(
      new Option('--replay <file>', 'run one reproducer and show every access').conflicts([
        'input',
        'target', // the file says
        ...OF_A_RUN,
      ]),
    )
    .addOption(
      new Option('--input <hex>', 'the same for an input of --target, as a report prints it')
        .argParser(readInput)
        .conflicts(OF_A_RUN),
    )
    .option('--vcd <file>', 'with --replay or --input: signals of the run, for GTKWave or Surfer')
    .option('--pcapng <file>', 'with --replay or --input: frames of the run, for Wireshark')
    .addOption(jsonOption(FUZZ_SCHEMA))
    .addHelpText(
      'after',
      `
Targets:
  regs       configuration space, BARs and the region API, from a card without drivers
  rings      descriptors, rings, frames and control commands of running functions
  admin      administration commands
  legacy     legacy accesses by administration commands
  driver     the project's own drivers against a malicious device
  vfio-user  the vfio-user server against a malicious client
  uml        the server for User Mode Linux against a malicious kernel

A finding is an input that broke a rule (an oracle, O1 to O13: docs/fuzzing.md). It is made as small as it goes, printed
with the command that runs it again and, with --corpus, written as a file for --replay and as a test. The same seed and
corpus give the same inputs in the same order; --executions ends the run at the same input on any machine.

Exit code 0: nothing found. 1: something found, or the replayed input still breaks its rule. 2: wrong options or a bad
file.

Examples:
  virtfn fuzz --target rings --seconds 30
  virtfn fuzz --seconds 1800 --workers 2 --corpus corpus/
  virtfn fuzz --seed random --executions 100000
  virtfn fuzz --replay corpus/findings/rings-O2-0123456789abcdef.json --vcd finding.vcd`,
    )
    .action(async (options: FuzzArguments) => {
      const { vcd, pcapng, svg, coverage, json } = options;
      const files = new CommandFiles(
        { '--replay': options.replay },
        { '--vcd': vcd, '--pcapng': pcapng, '--svg': svg, '--coverage': coverage, '--json': json },
      );
      if (options.replay !== undefined) {
        const { target, oracle, input } = readReproducer(options.replay);
        replay({ name: options.replay, target, oracle, input: Buffer.from(input, 'hex') }, options, files);
      } else if (options.input !== undefined) {
        if (options.target === 'all') {
          throw new UsageError(`--input: which target is it an input of? Give --target ${FUZZ_TARGETS.join(', ')}`);
        }
        replay({ name: 'the input', target: options.target, input: Buffer.from(options.input, 'hex') }, options, files);
      } else if (options.coverage !== undefined && options.workers > 1) {
        throw new UsageError(
          `--coverage with ${options.workers} workers: each reaches points of its own; give one worker`,
        );
      } else if (options.vcd !== undefined || options.pcapng !== undefined) {
        throw new UsageError(
          '--vcd and --pcapng write what a replay does; give --replay FILE too, or --target and --input',
        );
      } else await fuzz(options, files);
    });
}

// ---- a run -----------------------------------------------------------------------------------------------------------

/** Reader of --seed. */
function readSeed(text: string): number {
  if (text === 'random') return randomInt(SEED_MAX + 1);
  try {
    return wholeNumber(0, SEED_MAX)(text);
  } catch {
    throw new InvalidArgumentError(`Give a whole number from 0 to ${SEED_MAX}, or random.`);
  }
}

/** Reader of --input. */
function readInput(text: string): string {
  if (!/^(?:[0-9a-f]{2})+$/i.test(text)) throw new InvalidArgumentError('Give pairs of hexadecimal digits.');
  return text;
}

async function fuzz(options: FuzzArguments, files: CommandFiles): Promise<void> {
  const report = options.workers > 1 ? await runWorkers(options) : runHere(options, files);
  if (options.svg !== undefined) {
    const { edgesChart } = await import('./chart.ts');
    files.write('--svg', [edgesChart(report.targets)]);
  }
  files.report(report, () => reportText(report));
  if (report.findings.length > 0) throw new NicError('FUZZ', `${counted(report.findings.length, 'finding')}`);
}

function runHere({ target, seconds, executions, seed, corpus }: FuzzArguments, files: CommandFiles): FuzzReport {
  const names = target === 'all' ? FUZZ_TARGETS : [target];
  const targets: FuzzedTarget[] = [];
  const findings: FoundProblem[] = [];
  const points = new Set<number>();
  const status = new StatusLine();
  const isWorker = process.env[WORKER_VARIABLE] === '1';
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
  };
  process.once('SIGINT', stop);
  try {
    for (const name of names) {
      const result = fuzzTarget(name, {
        ...(executions === undefined ? { seconds: seconds / names.length } : { executions }),
        seed,
        corpus: corpus === undefined ? [] : readCorpus(corpus, name),
        stop: () => isStopped,
        onProgress: (progress, elapsed) => {
          if (isWorker) process.stderr.write(`${JSON.stringify({ target: name, elapsed, ...progress })}\n`);
          else status.show(statusText(name, elapsed, progress));
        },
      });
      targets.push(result.report);
      for (const point of result.points) points.add(point);
      if (corpus !== undefined) writeCorpus(corpus, name, result.corpus);
      findings.push(...result.findings.map((finding) => problem(finding, corpus)));
      if (isStopped) break;
    }
  } finally {
    process.off('SIGINT', stop);
    status.clear();
  }
  files.write('--coverage', [JSON.stringify([...points])]);
  return { schema: FUZZ_SCHEMA, seed, workers: 1, targets, findings };
}

function problem(finding: Finding, corpus: string | undefined): FoundProblem {
  const { target, oracle, message, input } = finding;
  const files = corpus === undefined ? [] : writeFinding(corpus, finding);
  return { target, oracle, message, input: Buffer.from(input).toString('hex'), files };
}

function reportText({ seed, targets, findings }: FuzzReport): string {
  const rows = targets.map(({ target, seconds, executions, edges, corpus, findings: found }) => ({
    target,
    seconds: seconds.toFixed(1),
    executions: grouped(executions),
    'exec/s': grouped(executions / seconds),
    edges: grouped(edges),
    corpus: grouped(corpus),
    findings: grouped(found),
  }));
  const lines = findings.flatMap(({ target, oracle, message, input, files }) => [
    `${target} ${oracle}: ${message}`,
    ...describe(target, input).map((step) => `    ${step}`),
    `    again: virtfn fuzz --target ${target} --input ${input}`,
    ...(files.length > 0 ? [fileList(files)] : []),
  ]);
  return [tableText(rows), `seed ${seed}`, ...lines].join('\n');
}

function describe(name: string, hex: string): string[] {
  const target = createFuzzTarget(name);
  const lines = target.describe(Buffer.from(hex, 'hex'));
  target.release?.();
  return lines;
}

// ---- replay ------------------------------------------------------------------------------------------------------------

/** An input that is run again: of which target, what it is called, and the rule it is said to break. */
interface Replayed {
  readonly name: string;
  readonly target: string;
  readonly input: Uint8Array;
  readonly oracle?: string;
}

function replay(
  { name: title, target: name, input, oracle }: Replayed,
  { vcd, pcapng }: FuzzArguments,
  files: CommandFiles,
): void {
  const target = createFuzzTarget(name);
  const violation = target.check(input);
  let lines: readonly string[] = target.describe(input);
  target.release?.();
  if (isCardTarget(name)) {
    const run = replayProgram(name, input, REPLAY_MASK);
    lines = run.lines;
    for (const format of [VCD, PCAPNG]) writeTrace(files, format, run.card, traceRecords([run.records]));
  } else if (vcd !== undefined || pcapng !== undefined) {
    throw new UsageError(`${title}: target ${name} runs no card whose signals could be written`);
  }
  const { written, remarks } = files;
  const report = { schema: FUZZ_SCHEMA, replay: title, target: name, oracle, violation, lines };
  files.report({ ...report, files: [...written], notes: remarks }, () => {
    const holds = oracle === undefined ? 'it breaks no rule' : `${oracle} does not break any more`;
    return [...lines, '', violation === null ? holds : `${violation.oracle}: ${violation.message}`].join('\n');
  });
  if (violation !== null) {
    throw new NicError('FUZZ', `${title}: ${oracle === undefined ? '' : 'still '}breaks ${violation.oracle}`);
  }
}
