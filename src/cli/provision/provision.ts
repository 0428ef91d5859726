// SPDX-License-Identifier: Apache-2.0
// `virtfn provision`: what functions are made as before they exist. The program has no card that runs on between two calls:
// each verb builds the card that a file describes, works on it, and describes it again.
import { existsSync } from 'node:fs';

import { Argument, Command, Option } from 'commander';

import { ProvisionedCard, type CardOptions } from '../../provisioning/card.ts';
import { readProvisionFile, type ProvisionFile } from '../../provisioning/file.ts';
import { checkHealth } from '../../provisioning/inspect.ts';
import { planText, type Plan } from '../../provisioning/plan.ts';
import { FileProblems, problemText } from '../../util/problems.ts';
import { NicError, UsageError } from '../../util/errors.ts';
import { DASH } from '../../files/errors.ts';
import { isStandardOutput } from '../../files/identity.ts';
import { isLockFile, withLock } from '../../files/lock.ts';
import { readInput } from '../../files/read.ts';
import { withCardOptions } from '../kit/card_options.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { wholeNumber } from '../kit/options.ts';
import { columns, print, warn } from '../kit/output.ts';
import { changesOf, modifyOptions, type ModifyArguments } from './modify.ts';
import { functionNumbers, listRows, listText, queryOf, queryText, statsOf, statsText } from './text.ts';

const SCHEMA = 'virtfn.provision/1';
const DEFAULT_CARD = 'virtfn.card.json';
/** What a new card takes, by the option that gives it. */
const NEW_CARD = {
  totalVfs: '--total-vfs',
  onDemandFunctions: '--on-demand',
  vfVectors: '--vf-vectors',
  vfVectorPool: '--vf-vector-pool',
};

interface CardArguments {
  readonly card: string;
  readonly json?: string;
}

/** Of verbs that make a card where there is none. */
interface NewCardArguments extends CardArguments {
  readonly totalVfs?: number;
  readonly onDemand?: number;
  readonly vfVectors?: number;
  readonly vfVectorPool?: number;
}

/** The verb with its own verbs. */
export function provisionCommand(): Command {
  return new Command('provision')
    .description('provision functions before they exist: profiles, VFs, vectors')
    .addCommand(listCommand())
    .addCommand(queryCommand())
    .addCommand(modifyCommand())
    .addCommand(validateCommand())
    .addCommand(applyCommand())
    .addCommand(statsCommand())
    .addCommand(healthCommand())
    .addHelpText(
      'after',
      `
No card runs on between two calls. Each verb builds the card that --card describes, works on it as on any other, and
describes it again in that file (apply and modify; the file is replaced as a whole). apply makes the file if there is none.
With --card - the card comes from standard input and goes to standard output, alone; apply then makes a new one.
The format of both files is in docs/provisioning.md.

Exit codes: 0 done, 1 refused by the card, or not healthy, 2 wrong usage or a bad file; all of its problems are named.

Example:
  virtfn provision apply tenants.json --total-vfs 16 && virtfn provision list`,
    );
}

function cardOption(): Option {
  return new Option(
    '--card <file>',
    'the description of the card; - reads standard input, writes standard output',
  ).default(DEFAULT_CARD);
}

function newCardOptions(): Option[] {
  return [
    new Option('--total-vfs <n>', 'a new card: TotalVFs (default: 8)').argParser(wholeNumber(1, 1024)),
    new Option('--on-demand <n>', 'a new card: functions on demand (default: 0)').argParser(wholeNumber(0, 1024)),
    new Option('--vf-vectors <n>', 'a new card: MSI-X vectors of a VF').argParser(wholeNumber(2, 32)),
    new Option('--vf-vector-pool <n>', 'a new card: MSI-X vectors of all VFs').argParser(wholeNumber(2, 32_768)),
  ];
}

function verb(name: string, description: string, example: string): Command {
  return new Command(name)
    .description(description)
    .addOption(cardOption())
    .addOption(jsonOption(SCHEMA))
    .addHelpText('after', `\nExample:\n  ${example}`);
}

function listCommand(): Command {
  return verb('list', 'list all functions with their profiles', 'virtfn provision list --json').action(
    (options: CardArguments) => {
      const files = filesOf(options);
      const card = openCard(options.card, files);
      answer(files, 'list', { functions: listRows(card), ...poolOf(card) }, () => listText(card));
    },
  );
}

function queryCommand(): Command {
  return verb(
    'query',
    'print what one function is provisioned as, and what its driver sees',
    'virtfn provision query vf1',
  )
    .addArgument(new Argument('<function>', 'vf and a number, or od and a number for a function on demand: vf1'))
    .action((name: string, options: CardArguments) => {
      const files = filesOf(options);
      const card = openCard(options.card, files);
      const [fn, ...others] = functionNumbers(card, name);
      if (fn === undefined || others.length > 0) throw new UsageError(`${name}: give one function, for instance vf1`);
      answer(files, 'query', queryOf(card, fn), () => queryText(card, fn));
    });
}

function modifyCommand(): Command {
  const command = new Command('modify')
    .description('change functions, or the number of VFs')
    .addArgument(new Argument('[functions]', 'vf1, vf2-8, od1: those to change'))
    .option('--num-vfs <n>', 'VFs to be enabled', wholeNumber(0, 1024));
  for (const option of modifyOptions()) command.addOption(option);
  return command
    .option('--dry-run', 'show the plan and change nothing')
    .addOption(cardOption())
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Values that are not given stay. A function that is there can change only as far as a real one can: VFs are disabled for the
change and enabled again, except where only vectors change.

Examples:
  virtfn provision modify vf1 --mac 02:00:00:00:00:01 --vlan 10
  virtfn provision modify vf2-8 --vectors 8 --trust off
  virtfn provision modify --num-vfs 8`,
    )
    .action((names: string | undefined, options: ModifyArguments & CardArguments & { dryRun?: true }) => {
      const files = changedFilesOf(options);
      checkExists(options.card);
      inTurn(options, () => {
        const card = openCard(options.card, files);
        const file = changesOf(card, names === undefined ? [] : functionNumbers(card, names), options);
        try {
          run('modify', card, file, options, files);
        } catch (error) {
          // there is no file that pointers would lead into
          if (!(error instanceof FileProblems)) throw error;
          throw new NicError('EINVAL', error.problems.map(({ message }) => message).join('; '));
        }
      });
    });
}

function validateCommand(): Command {
  const command = verb(
    'validate',
    'check a provisioning file',
    'virtfn provision validate tenants.json --total-vfs 16',
  );
  for (const option of newCardOptions()) command.addOption(option);
  return command.argument('<file>', 'the provisioning file').action((path: string, options: NewCardArguments) => {
    const files = filesOf(options, path);
    const card = cardFor(options, files);
    inFile(path, files, () => card.plan(readFile(readInput(path), card, options)));
    answer(files, 'validate', { file: path, problems: [] }, () => `${path}: good`);
  });
}

function applyCommand(): Command {
  const command = new Command('apply');
  for (const option of newCardOptions()) command.addOption(option);
  return command
    .description('make the card what a provisioning file says, all of it or nothing')
    .argument('<file>', 'the provisioning file')
    .option('--dry-run', 'show the plan and change nothing')
    .addOption(cardOption())
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
The plan is made and shown before its first step. When a step fails, those before it are taken back.

Examples:
  virtfn provision apply tenants.json --total-vfs 16
  virtfn provision apply tenants.json --dry-run --json`,
    )
    .action((path: string, options: NewCardArguments & { dryRun?: true }) => {
      const files = changedFilesOf(options, path);
      const text = readInput(path);
      inTurn(options, () => {
        const isNew = isStandardOutput(options.card); // nothing is read from there
        const card = isNew ? makeCard(options) : cardFor(options, files);
        const file = inFile(path, files, () => {
          const read = readFile(text, card, options);
          card.plan(read); // what the card as a whole cannot give is a problem of the file, too
          return read;
        });
        run('apply', card, file, options, files);
      });
    });
}

function statsCommand(): Command {
  return verb('stats', 'print the counters of functions, and what is given of the pool', 'virtfn provision stats vf1')
    .argument('[functions]', 'vf1, vf2-8, od1; all that are there without it')
    .addHelpText('after', '\nThe card was just built: what has counted so far is its coming up.')
    .action((names: string | undefined, options: CardArguments) => {
      const files = filesOf(options);
      const card = openCard(options.card, files);
      const stats = statsOf(card, names === undefined ? null : functionNumbers(card, names));
      answer(files, 'stats', { ...poolOf(card), functions: stats }, () => statsText(card, stats));
    });
}

function healthCommand(): Command {
  return verb('health', 'check that functions show what they are provisioned as', 'virtfn provision health').action(
    (options: CardArguments) => {
      const files = filesOf(options);
      const checks = checkHealth(openCard(options.card, files));
      answer(files, 'health', { checks }, () =>
        columns(checks.map(({ name, isGood, detail }) => [`${isGood ? 'ok    ' : 'FAILED'} ${name}`, detail])),
      );
      const bad = checks.filter(({ isGood }) => !isGood);
      if (bad.length > 0) throw new NicError('HEALTH', `not healthy: ${bad.map(({ name }) => name).join(', ')}`);
    },
  );
}

// ---- what verbs have in common --------------------------------------------------------------------------------------------

/** The files of a verb that changes nothing. */
function filesOf({ card, json }: CardArguments, file?: string): CommandFiles {
  return new CommandFiles({ '<file>': file, '--card': card }, { '--json': json });
}

/** The files of a verb that describes the card again. */
function changedFilesOf(options: CardArguments & { dryRun?: true }, file?: string): CommandFiles {
  if (options.dryRun) return filesOf(options, file);
  const { card, json } = options;
  const files = new CommandFiles({ '<file>': file }, { '--card': card, '--json': json });
  if (isStandardOutput(card)) return files;
  for (const path of [file, json]) {
    if (path === undefined || path === DASH || !isLockFile(path, card)) continue;
    throw new UsageError(`${path} is where a lock of --card ${card} lies; choose another place`);
  }
  return files;
}

function answer(files: CommandFiles, verbName: string, content: object, text: () => string): void {
  files.report({ schema: SCHEMA, verb: verbName, ...content }, text);
}

function poolOf({ machine: { nic } }: ProvisionedCard): object {
  return { vectors: { given: nic.vfVectorsInUse(), pool: nic.config.vfVectorPool } };
}

function openCard(path: string, files: CommandFiles): ProvisionedCard {
  checkExists(path);
  return inFile(path, files, () => ProvisionedCard.parse(readInput(path)));
}

function checkExists(path: string): void {
  if (isThere(path)) return;
  throw new UsageError(`${path}: no such card; make one with virtfn provision apply, or name it with --card`);
}

function isThere(path: string): boolean {
  return path === DASH || existsSync(path);
}

/** The card of the file, or a new one where there is no file. */
function cardFor(options: NewCardArguments, files: CommandFiles): ProvisionedCard {
  if (!isThere(options.card)) return makeCard(options);
  if (Object.keys(newCard(options)).length > 0) {
    throw new UsageError(`${options.card} exists; options of a new card are for one that does not`);
  }
  return openCard(options.card, files);
}

/** Throws UsageError for what no card can have. */
function makeCard(options: NewCardArguments): ProvisionedCard {
  return withCardOptions(NEW_CARD, () => new ProvisionedCard(newCard(options)));
}

function newCard({ totalVfs, onDemand, vfVectors, vfVectorPool }: NewCardArguments): CardOptions {
  return {
    ...(totalVfs === undefined ? {} : { totalVfs }),
    ...(onDemand === undefined ? {} : { onDemandFunctions: onDemand }),
    ...(vfVectors === undefined ? {} : { vfVectors }),
    ...(vfVectorPool === undefined ? {} : { vfVectorPool }),
  };
}

/** The provisioning file; where the card is a new one, problems name the options that give it more. */
function readFile(text: Uint8Array, card: ProvisionedCard, options: NewCardArguments): ProvisionFile {
  const { totalVfs, onDemandFunctions } = card.machine.nic.config;
  const wayToMore = (limit: keyof typeof NEW_CARD, count: number): string =>
    `; ${NEW_CARD[limit]} ${count} makes one that has`;
  const limits = { totalVfs, onDemandFunctions, ...(isThere(options.card) ? {} : { wayToMore }) };
  return readProvisionFile(text, limits, card.profiles);
}

/** Does `work` with a file; its problems are the report, with its name, one a line. */
function inFile<T>(path: string, files: CommandFiles, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FileProblems)) throw error;
    const { problems } = error;
    const texts = problems.map((problem) => `${path}: ${problemText(problem)}`);
    answer(files, 'problems', { file: path, problems }, () => texts.join('\n'));
    const card = files.pathOf('--card');
    if (card !== undefined && isStandardOutput(card)) for (const text of texts) warn(text);
    throw new UsageError(`${path}: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}`);
  }
}

/** Does what changes a card while no other process does: from before the card is read until it is described again. */
function inTurn({ card, dryRun }: CardArguments & { dryRun?: true }, work: () => void): void {
  if (dryRun || isStandardOutput(card)) work();
  else withLock(card, work, warn);
}

/** Shows the plan, executes it, and describes the card. */
function run(
  verbName: string,
  card: ProvisionedCard,
  file: ProvisionFile,
  { card: path, dryRun = false }: CardArguments & { dryRun?: boolean },
  files: CommandFiles,
): void {
  const plan: Plan = card.plan(file);
  const steps = planText(plan, card.machine.nic);
  if (!files.takesStandardOutput) print(steps.length === 0 ? 'nothing to do' : steps.join('\n'));
  if (!dryRun) {
    card.apply(file);
    files.write('--card', [card.text()]);
  }
  files.writeJson({ schema: SCHEMA, verb: verbName, card: path, isApplied: !dryRun, steps: plan });
}
