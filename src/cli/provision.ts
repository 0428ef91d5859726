// SPDX-License-Identifier: Apache-2.0
// `virtfn provision`: what functions are made as before they exist. The program has no card that runs on between two calls:
// each verb builds the card that a file describes, works on it, and describes it again.
import { existsSync } from 'node:fs';

import { Argument, Command, Option } from 'commander';

import { ProvisionedCard, type CardOptions } from '../provisioning/card.ts';
import { readProvisionFile, type ProvisionFile } from '../provisioning/file.ts';
import { checkHealth } from '../provisioning/inspect.ts';
import { planText, type Plan } from '../provisioning/plan.ts';
import { FileProblems, problemText } from '../util/problems.ts';
import { NicError, UsageError } from '../util/errors.ts';
import { withLock } from '../files/lock.ts';
import { readInput } from '../files/read.ts';
import { checkFiles } from '../files/identity.ts';
import { writeFile } from '../files/output_file.ts';
import { jsonOption, wholeNumber } from './options.ts';
import { columns, jsonText, print } from './output.ts';
import { changesOf, modifyOptions, type ModifyArguments } from './provision_modify.ts';
import { functionNumbers, listRows, listText, queryOf, queryText, statsOf, statsText } from './provision_text.ts';

const SCHEMA = 'virtfn.provision/1';
const DEFAULT_CARD = 'virtfn.card.json';

interface CardArguments {
  readonly card: string;
  readonly json?: true;
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
The format of both files is in docs/provisioning.md.

Exit codes: 0 done, 1 refused by the card, or not healthy, 2 wrong usage or a bad file; all of its problems are named.

Example:
  virtfn provision apply tenants.json --total-vfs 16 && virtfn provision list`,
    );
}

function cardOption(): Option {
  return new Option('--card <file>', 'the description of the card').default(DEFAULT_CARD);
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
      const card = openCard(options.card);
      if (options.json) answer('list', { functions: listRows(card), ...poolOf(card) });
      else print(listText(card));
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
      const card = openCard(options.card);
      const [fn, ...others] = functionNumbers(card, name);
      if (fn === undefined || others.length > 0) throw new UsageError(`${name}: give one function, for instance vf1`);
      if (options.json) answer('query', queryOf(card, fn));
      else print(queryText(card, fn));
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
      checkExists(options.card);
      inTurn(options, () => {
        const card = openCard(options.card);
        const file = changesOf(card, names === undefined ? [] : functionNumbers(card, names), options);
        try {
          run('modify', card, file, options);
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
    const card = cardFor(options);
    inFile(path, options.json, () => card.plan(readFile(readInput(path), card)));
    if (options.json) answer('validate', { file: path, problems: [] });
    else print(`${path}: good`);
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
      checkFiles([['<file>', path]], [['--card', options.card]]);
      const text = readInput(path);
      inTurn(options, () => {
        const card = cardFor(options);
        const file = inFile(path, options.json, () => {
          const read = readFile(text, card);
          card.plan(read); // what the card as a whole cannot give is a problem of the file, too
          return read;
        });
        run('apply', card, file, options);
      });
    });
}

function statsCommand(): Command {
  return verb('stats', 'print the counters of functions, and what is given of the pool', 'virtfn provision stats vf1')
    .argument('[functions]', 'vf1, vf2-8, od1; all that are there without it')
    .addHelpText('after', '\nThe card was just built: what has counted so far is its coming up.')
    .action((names: string | undefined, options: CardArguments) => {
      const card = openCard(options.card);
      const stats = statsOf(card, names === undefined ? null : functionNumbers(card, names));
      if (options.json) answer('stats', { ...poolOf(card), functions: stats });
      else print(statsText(card, stats));
    });
}

function healthCommand(): Command {
  return verb('health', 'check that functions show what they are provisioned as', 'virtfn provision health').action(
    (options: CardArguments) => {
      const checks = checkHealth(openCard(options.card));
      if (options.json) answer('health', { checks });
      else
        print(columns(checks.map(({ name, isGood, detail }) => [`${isGood ? 'ok    ' : 'FAILED'} ${name}`, detail])));
      const bad = checks.filter(({ isGood }) => !isGood);
      if (bad.length > 0) throw new NicError('HEALTH', `not healthy: ${bad.map(({ name }) => name).join(', ')}`);
    },
  );
}

// ---- what verbs have in common --------------------------------------------------------------------------------------------

function answer(verbName: string, content: object): void {
  print(jsonText({ schema: SCHEMA, verb: verbName, ...content }));
}

function poolOf({ machine: { nic } }: ProvisionedCard): object {
  return { vectors: { given: nic.vfVectorsInUse(), pool: nic.config.vfVectorPool } };
}

function openCard(path: string): ProvisionedCard {
  checkExists(path);
  return inFile(path, undefined, () => ProvisionedCard.parse(readInput(path)));
}

function checkExists(path: string): void {
  if (existsSync(path)) return;
  throw new UsageError(`${path}: no such card; make one with virtfn provision apply, or name it with --card`);
}

/** The card of the file, or a new one where there is no file. */
function cardFor(options: NewCardArguments): ProvisionedCard {
  if (!existsSync(options.card)) return new ProvisionedCard(newCard(options));
  if (Object.keys(newCard(options)).length > 0) {
    throw new UsageError(`${options.card} exists; options of a new card are for one that does not`);
  }
  return openCard(options.card);
}

function newCard({ totalVfs, onDemand, vfVectors, vfVectorPool }: NewCardArguments): CardOptions {
  return {
    ...(totalVfs === undefined ? {} : { totalVfs }),
    ...(onDemand === undefined ? {} : { onDemandFunctions: onDemand }),
    ...(vfVectors === undefined ? {} : { vfVectors }),
    ...(vfVectorPool === undefined ? {} : { vfVectorPool }),
  };
}

function readFile(text: Uint8Array, card: ProvisionedCard): ProvisionFile {
  return readProvisionFile(text, card.machine.nic.config, card.profiles);
}

/** Does `work` with a file; its problems come out with its name, one a line, or as JSON. */
function inFile<T>(path: string, json: true | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FileProblems)) throw error;
    const { problems } = error;
    if (json) answer('problems', { file: path, problems });
    else for (const problem of problems) print(`${path}: ${problemText(problem)}`);
    throw new UsageError(`${path}: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}`);
  }
}

/** Does what changes a card while no other process does: from before the card is read until it is described again. */
function inTurn({ card, dryRun }: CardArguments & { dryRun?: true }, work: () => void): void {
  if (dryRun) work();
  else withLock(card, work);
}

/** Shows the plan, executes it, and describes the card. */
function run(
  verbName: string,
  card: ProvisionedCard,
  file: ProvisionFile,
  options: CardArguments & { dryRun?: true },
): void {
  const plan: Plan = card.plan(file);
  const steps = planText(plan, card.machine.nic);
  if (!options.json) print(steps.length === 0 ? 'nothing to do' : steps.join('\n'));
  if (!options.dryRun) {
    card.apply(file);
    writeFile(options.card, [card.text()]);
  }
  if (options.json) answer(verbName, { card: options.card, isApplied: options.dryRun !== true, steps: plan });
}
