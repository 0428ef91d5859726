// SPDX-License-Identifier: Apache-2.0
// `virtfn lifecycle`: the lives of functions as a story in simulated time, and the table that they follow.
import { Command, Option } from 'commander';

import type { ProfileOverrides } from '../../device/profile.ts';
import { DEFAULT_PROFILE } from '../../device/profiles.ts';
import { lifecycleDiagram, lifecycleRows, MACHINES } from '../../provisioning/lifecycle_diagram.ts';
import type { FunctionKind } from '../../provisioning/on_demand_function.ts';
import { STORY_KINDS, tellStory } from '../../provisioning/story.ts';
import type { StoryStep } from '../../provisioning/story_stage.ts';
import { NicError } from '../../util/errors.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { setOption } from '../kit/options.ts';
import { changeTexts, duration } from '../kit/output.ts';
import { sentenceWidth, tableText } from '../kit/table.ts';
import { changesOf, profileOption, type ProfileChoice } from '../kit/profile_file.ts';

const DEMO_SCHEMA = 'virtfn.lifecycle.demo/1';
const TABLE_SCHEMA = 'virtfn.lifecycle.table/1';

const TITLES: Readonly<Record<FunctionKind, string>> = {
  sriov: 'SR-IOV: a VF behind the variant driver',
  mdev: 'mdev: a mediated device',
  siov: 'on demand: a function told apart by its PASID',
};

/** The verb with its two parts. */
export function lifecycleCommand(): Command {
  return new Command('lifecycle')
    .description('how functions come and go: lifecycle demo, lifecycle table')
    .addCommand(demoCommand())
    .addCommand(tableCommand())
    .addHelpText('after', '\nExample:\n  virtfn lifecycle demo --kind sriov');
}

interface DemoArguments {
  readonly kind: FunctionKind | 'all';
  readonly profile: ProfileChoice;
  readonly set: ProfileOverrides;
  readonly json?: string;
}

function demoCommand(): Command {
  return new Command('demo')
    .description('provision, create, bind, attach, send frames, change, destroy while open; step by step')
    .addOption(new Option('--kind <kind>', 'how the function is made').choices([...STORY_KINDS, 'all']).default('all'))
    .addOption(profileOption(DEFAULT_PROFILE))
    .addOption(setOption())
    .addOption(jsonOption(DEMO_SCHEMA))
    .addHelpText(
      'after',
      `
Each step names who holds the state that it makes, what came of it, and the simulated time that it took: register
accesses, frames, and the waits that Linux makes. docs/lifecycles.md puts the kinds next to each other.

Exit code 0: every step went as it should. 1: one did not; the story of that kind ends there.

Examples:
  virtfn lifecycle demo
  virtfn lifecycle demo --kind mdev --json
  virtfn lifecycle demo --profile firmware`,
    )
    .action(({ kind, profile, set, json }: DemoArguments) => {
      const files = new CommandFiles({ '--profile': profile.file }, { '--json': json });
      const changes = changesOf(profile, set);
      const timing = { profileName: profile.name, profile: changes };
      const kinds = STORY_KINDS.filter((each) => kind === 'all' || kind === each);
      const steps = kinds.flatMap((each) => tellStory(each, timing));
      files.report({ schema: DEMO_SCHEMA, profile: profile.name, set: changes, steps }, () =>
        [
          `Profile ${[profile.name, ...changeTexts(changes)].join(', ')}`,
          ...kinds.map((each) => storyText(each, steps)),
        ].join('\n\n'),
      );
      const failed = steps.filter(({ isOk }) => !isOk);
      if (failed.length === 0) return;
      throw new NicError('LIFECYCLE', failed.map((step) => `${step.kind}, ${step.step}: ${step.result}`).join('; '));
    });
}

function storyText(kind: FunctionKind, steps: readonly StoryStep[]): string {
  const rows = steps
    .filter((step) => step.kind === kind)
    .map(({ step, holder, result, isOk, simulatedNs }) => ({
      step,
      'state is with': holder,
      result: isOk ? result : `FAILED: ${result}`,
      'simulated time': duration(simulatedNs),
    }));
  return `${TITLES[kind]}\n${tableText(rows, 4, sentenceWidth())}`;
}

function tableCommand(): Command {
  return new Command('table')
    .description('states, operations, and what the kernel answers')
    .addOption(new Option('--mermaid', 'draw the moves as Mermaid diagrams').conflicts('json'))
    .addOption(jsonOption(TABLE_SCHEMA))
    .addHelpText('after', '\nExamples:\n  virtfn lifecycle table\n  virtfn lifecycle table --mermaid')
    .action(({ mermaid, json }: { readonly mermaid?: true; readonly json?: string }) => {
      const files = new CommandFiles({}, { '--json': json });
      const machines = MACHINES.map(({ name, title, initial }) => ({
        name,
        title,
        initial,
        rules: lifecycleRows(name),
      }));
      files.report({ schema: TABLE_SCHEMA, machines }, () =>
        machines
          .map(({ name, title, rules }) => {
            const rows = rules.map((row) => ({ ...row }));
            return `${title}\n${mermaid ? lifecycleDiagram(name) : tableText(rows, 4, sentenceWidth())}`;
          })
          .join('\n\n'),
      );
    });
}
