// SPDX-License-Identifier: Apache-2.0
// --profile: a timing profile by name, or a JSON file that names the profile that it builds on and what it changes:
//   { "base": "nfp6000-gen3x8", "values": { "link.tags": 64 } }
// Everything that is wrong with a file is said at once.
import { Option } from 'commander';

import { DEFAULT_PROFILE, PROFILES } from '../../device/profiles.ts';
import { resolveProfile, type ProfileOverrides } from '../../device/profile.ts';
import { readJsonFile } from '../../files/read.ts';
import { NicError, UsageError } from '../../util/errors.ts';
import { unknownName } from '../../util/names.ts';

const PROFILE_NAMES: readonly string[] = PROFILES.map(({ name }) => name);

/** A profile as a verb asks for it. */
export interface ProfileChoice {
  readonly name: string;
  readonly values: ProfileOverrides;
  /** The file that it comes from. */
  readonly file?: string;
}

/** --profile of a verb. */
export function profileOption(fallback?: string): Option {
  const option = new Option(
    '--profile <name|file>',
    `timing profile: ${PROFILE_NAMES.join(', ')}, or a JSON file`,
  ).argParser((text) => chooseProfile(text, '--profile '));
  return fallback === undefined ? option : option.default({ name: fallback, values: {} }, fallback);
}

/** What a run changes of its profile: by the file, and by --set, which goes first. Reports keep it as `set`. */
export function changesOf(profile: ProfileChoice | undefined, set: ProfileOverrides): ProfileOverrides {
  return { ...profile?.values, ...set };
}

/** Reads a profile as it was typed, behind the option `place` if it was one. Throws UsageError. */
export function chooseProfile(text: string, place = ''): ProfileChoice {
  if (text.endsWith('.json')) return readProfileFile(text);
  if (!PROFILE_NAMES.includes(text)) {
    throw new UsageError(`${place}${text}: ${unknownName('profile', text, PROFILE_NAMES)}; a file ends in .json`);
  }
  return { name: text, values: {} };
}

/** Reads and checks a profile file. Throws UsageError that names every problem. */
export function readProfileFile(path: string): ProfileChoice {
  const { base = DEFAULT_PROFILE, values = {}, ...others } = readJsonFile(path);
  const problems = Object.keys(others).map((key) => `${key}: ${unknownName('member', key, ['base', 'values'])}`);
  const isKnown = PROFILE_NAMES.includes(String(base));
  if (!isKnown) problems.push(`base: ${JSON.stringify(base)}: ${unknownName('profile', String(base), PROFILE_NAMES)}`);
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    problems.push('values: an object of parameters and numbers is needed');
  } else {
    try {
      resolveProfile('timed', values as ProfileOverrides, isKnown ? String(base) : undefined);
    } catch (error) {
      if (!(error instanceof NicError)) throw error;
      problems.push(`values: ${error.message.replace('timing profile: ', '')}`);
    }
  }
  if (problems.length > 0) throw new UsageError(`${path}: ${problems.join('; ')}`);
  return { name: String(base), values: values as ProfileOverrides, file: path };
}
