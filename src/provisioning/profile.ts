// SPDX-License-Identifier: Apache-2.0
// Profiles of functions as files have them: the fields of FunctionProfile, features by number or by the specification's name.
import * as features from '../../assembly/abi/virtio_features.ts';
import * as net from '../../assembly/abi/virtio_net.ts';
import { PROFILE_FIELDS, profileProblems, type FunctionProfile } from '../device/function_profile.ts';
import { unknownName } from '../util/names.ts';
import { below, isRecord, type Problem } from '../util/problems.ts';

/** Feature bits by name, those of bits 0..63; names of the past that share a bit with a newer one are left out. */
const FEATURE_BITS: ReadonlyMap<string, number> = new Map(
  [...Object.entries(features), ...Object.entries(net)].filter(
    (entry): entry is [string, number] =>
      /^VIRTIO_(?:NET_)?F_/.test(entry[0]) && !/_GUEST_RSC\d$/.test(entry[0]) && Number(entry[1]) < 64,
  ),
);

const FEATURE_NAMES: ReadonlyMap<number, string> = new Map([...FEATURE_BITS].map(([name, bit]) => [bit, name]));

/** Name of a feature bit, its number where it has none. */
export function featureName(bit: number): string {
  return FEATURE_NAMES.get(bit) ?? `bit ${bit}`;
}

/** Bit of a feature by its name; undefined if there is no such name. */
export function featureBit(name: string): number | undefined {
  return FEATURE_BITS.get(name);
}

/**
 * Reads a profile from the members of `value`, except for those named in `others`. What is wrong is added to `problems`;
 * only good fields come back.
 */
export function readProfile(
  value: Readonly<Record<string, unknown>>,
  path: string,
  problems: Problem[],
  others: readonly string[] = [],
): FunctionProfile {
  const fields: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(value)) {
    if (others.includes(name)) continue;
    if (!(PROFILE_FIELDS as readonly string[]).includes(name)) {
      problems.push({ path: below(path, name), message: unknownName('field', name, PROFILE_FIELDS) });
    } else if (name === 'withoutFeatures') {
      fields[name] = readFeatures(given, below(path, name), problems);
    } else {
      fields[name] = given;
    }
  }
  const profile = fields as FunctionProfile;
  for (const { field, message } of profileProblems(profile)) {
    problems.push({ path: below(path, field), message });
    delete fields[field];
  }
  return profile;
}

/** Names of features become their bits; what is neither is a problem. */
function readFeatures(value: unknown, path: string, problems: Problem[]): unknown {
  if (!Array.isArray(value)) return value;
  return value.flatMap((feature: unknown, i): unknown[] => {
    if (typeof feature !== 'string') return [feature];
    const bit = featureBit(feature);
    if (bit !== undefined) return [bit];
    problems.push({ path: below(path, i), message: `${JSON.stringify(feature)} is no feature of virtio-net` });
    return [];
  });
}

/** Profiles by name. */
export type NamedProfiles = ReadonlyMap<string, FunctionProfile>;

/** Reads an object of named profiles. */
export function readProfiles(value: unknown, path: string, problems: Problem[]): NamedProfiles {
  if (value === undefined) return new Map();
  if (!isRecord(value)) {
    problems.push({ path, message: 'an object of profiles by name is needed' });
    return new Map();
  }
  return new Map(
    Object.entries(value).map(([name, profile]) => {
      if (isRecord(profile)) return [name, readProfile(profile, below(path, name), problems)];
      problems.push({ path: below(path, name), message: 'an object of fields is needed' });
      return [name, {}];
    }),
  );
}
