// SPDX-License-Identifier: Apache-2.0
// Options of `virtfn provision modify`: the fields of a profile, one each.
import { InvalidArgumentError, Option } from 'commander';

import { PROFILE_FIELDS, profileProblems, type FunctionProfile } from '../../device/function_profile.ts';
import type { ProvisionedCard } from '../../provisioning/card.ts';
import type { ProvisionFile } from '../../provisioning/file.ts';
import { featureBit } from '../../provisioning/profile.ts';
import { UsageError } from '../../util/errors.ts';
import { wholeNumber } from '../kit/options.ts';

/** Options as they were given. */
export interface ModifyArguments extends Omit<FunctionProfile, 'rateMbps' | 'withoutFeatures'> {
  readonly numVfs?: number;
  readonly profile?: string;
  readonly reset?: true;
  readonly rate?: number;
  readonly without?: readonly number[];
}

const onOff = (text: string): boolean => {
  if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('Give on or off.');
  return text === 'on';
};

/** The option of a field: what no profile may have is refused where it is read, so that option and value are named. */
function fieldOption<T>(flags: string, about: string, field: keyof FunctionProfile, read: (text: string) => T): Option {
  return new Option(flags, about).argParser((text) => {
    const value = read(text);
    const [problem] = profileProblems({ [field]: value });
    if (problem !== undefined) throw new InvalidArgumentError(`${problem.needed}.`);
    return value;
  });
}

const featureList = (text: string): number[] =>
  text === 'none'
    ? []
    : text.split(',').map((name) => {
        const bit = /^\d+$/.test(name) ? Number(name) : featureBit(name);
        if (bit === undefined || bit > 63) throw new InvalidArgumentError(`${name} is no feature of virtio-net.`);
        return bit;
      });

/** The options. */
export function modifyOptions(): Option[] {
  return [
    new Option('--profile <name>', 'follow a profile of the card; other options change it'),
    new Option('--reset', 'begin with the values of the card, not with those of now'),
    fieldOption('--mac <address>', 'address', 'mac', String),
    new Option('--mtu <bytes>', 'largest packet').argParser(wholeNumber(68, 9000)),
    new Option('--queue-pairs <n>', 'receive/transmit pairs').argParser(wholeNumber(1, 8)),
    fieldOption('--queue-size <n>', 'descriptors in a queue', 'queueSize', wholeNumber(2, 256)),
    new Option('--vectors <n>', 'MSI-X vectors').argParser(wholeNumber(2, 32)),
    new Option('--legacy <on|off>', 'takes commands for legacy access').argParser(onOff),
    new Option('--notify <place>', 'doorbells of legacy drivers').choices(['member', 'owner', 'none']),
    new Option('--vlan <id>', 'access VLAN, 0 for none').argParser(wholeNumber(0, 4094)),
    new Option('--rate <mbit>', 'Mbit/s that it may send, 0 for no limit').argParser(wholeNumber(0, 400_000)),
    new Option('--spoof-check <on|off>', 'drop frames with a foreign source address').argParser(onOff),
    new Option('--trust <on|off>', 'may be promiscuous and change its address').argParser(onOff),
    new Option('--migration <on|off>', 'may be migrated').argParser(onOff),
    fieldOption(
      '--without <features>',
      'features not offered, by name or bit, or none',
      'withoutFeatures',
      featureList,
    ),
  ];
}

/** What options ask for, as a provisioning file would. */
export function changesOf(
  card: ProvisionedCard,
  functions: readonly number[],
  options: ModifyArguments,
): ProvisionFile {
  const { nic } = card.machine;
  const { numVfs, profile: name, reset, rate, without } = options;
  const values = { ...options, rateMbps: rate, withoutFeatures: without };
  const given: FunctionProfile = Object.fromEntries(
    PROFILE_FIELDS.flatMap((field) => (values[field] === undefined ? [] : [[field, values[field]]])),
  );
  const isAboutFunctions = name !== undefined || reset || Object.keys(given).length > 0;
  if (isAboutFunctions && functions.length === 0) {
    throw new UsageError('name the functions to change, for instance vf1');
  }
  if (functions.length > 0 && !isAboutFunctions) {
    const isCount = numVfs !== undefined;
    throw new UsageError(
      isCount ? `--num-vfs ${numVfs} is about the card; leave the functions out` : 'name what to change; see --help',
    );
  }
  if (numVfs === undefined && functions.length === 0) throw new UsageError('name what to change; see --help');
  if (numVfs !== undefined && numVfs > nic.config.totalVfs) {
    throw new UsageError(`--num-vfs ${numVfs}: the card has ${nic.config.totalVfs} VFs`);
  }
  const followed = name === undefined ? undefined : card.profiles.get(name);
  if (name !== undefined && followed === undefined) {
    throw new UsageError(`--profile ${name}: the card has ${[...card.profiles.keys()].join(', ') || 'no profiles'}`);
  }
  return {
    profiles: new Map(),
    numVfs: numVfs ?? null,
    functions: functions.map((fn) => ({
      fn,
      profileName: name ?? (reset ? null : (card.followed.get(fn) ?? null)),
      profile: { ...(followed ?? (reset ? {} : nic.provisioned(fn))), ...given },
      path: '',
    })),
  };
}
