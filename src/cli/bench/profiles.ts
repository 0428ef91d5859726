// SPDX-License-Identifier: Apache-2.0
// `virtfn profiles`: the timing profiles, and what each parameter is worth and why; checks profile files.
import { Argument, Command } from 'commander';

import { profileParameters, resolveProfile } from '../../device/profile.ts';
import { DEFAULT_PROFILE, PROFILES } from '../../device/profiles.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { columns } from '../kit/output.ts';
import { sentenceWidth, tableText } from '../kit/table.ts';
import { chooseProfile } from '../kit/profile_file.ts';

const SCHEMA = 'virtfn.profiles/1';

/** The verb. */
export function profilesCommand(): Command {
  return new Command('profiles')
    .description('list the timing profiles, or the parameters of one')
    .addArgument(
      new Argument('[name|file]', 'a profile, or a JSON file to be checked').argParser((text) => chooseProfile(text)),
    )
    .option('--diff', 'only what differs from the default profile')
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
A profile file names the profile that it builds on and what it changes:
  { "base": "nfp6000-gen3x8", "values": { "link.tags": 64, "host.read_latency_ns": 300 } }

Exit code 0: done. 2: no such profile, or a file with mistakes; all of them are named.

Examples:
  virtfn profiles
  virtfn profiles asic-gen5x16-1ghz --diff
  virtfn profiles mine.json`,
    )
    .action(
      (choice: ReturnType<typeof chooseProfile> | undefined, { diff, json }: { diff?: boolean; json?: string }) => {
        const files = new CommandFiles({ '[name|file]': choice?.file }, { '--json': json });
        if (choice === undefined) {
          const profiles = PROFILES.map(({ name, summary }) => ({ name, summary }));
          files.report({ schema: SCHEMA, profiles }, () => {
            const rows = profiles.map(({ name, summary }): [string, string] => [name, summary]);
            return `${columns(rows)}\n\nThe first is the default.`;
          });
          return;
        }
        const { values } = resolveProfile('timed', choice.values, choice.name);
        const usual = resolveProfile('timed').values;
        const parameters = profileParameters(choice.name)
          .map(({ name, unit, source }) => ({
            name,
            value: values.get(name)!,
            unit,
            default: usual.get(name)!,
            source: choice.values[name] === undefined ? source : 'the file',
          }))
          .filter(({ value, default: before }) => !diff || value !== before);
        const rows = parameters.map(({ name, value, unit, default: before, source }) => ({
          parameter: name,
          value: String(value),
          unit: unit === 'count' || unit === 'switch' ? '' : unit,
          default: value === before ? '' : String(before),
          source,
        }));
        files.report({ schema: SCHEMA, name: choice.name, parameters }, () =>
          rows.length === 0
            ? `${choice.name} has the values of ${DEFAULT_PROFILE}`
            : tableText(rows, 5, sentenceWidth()),
        );
      },
    );
}
