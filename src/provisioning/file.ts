// SPDX-License-Identifier: Apache-2.0
// The provisioning file (docs/provisioning.md): named profiles, which functions get which, with what changed, and how many
// VFs there are to be.
//
//   { "profiles": { "tenant": { "mtu": 9000, "vlan": 10 } },
//     "functions": [ { "vf": 1, "profile": "tenant", "mac": "02:00:00:00:00:01" }, { "vfs": "2-16", "profile": "tenant" } ],
//     "numVfs": 16 }
import type { FunctionProfile } from '../device/function_profile.ts';
import { parseJson } from '../util/json.ts';
import { nearestName, unknownName } from '../util/names.ts';
import { below, FileProblems, isRecord, type Problem } from '../util/problems.ts';
import { readProfile, readProfiles, type NamedProfiles } from './profile.ts';

/** What a file may ask for depends on the card. */
export interface CardLimits {
  readonly totalVfs: number;
  readonly onDemandFunctions: number;
  /** Where the card is still to be made: what to add to a problem, so that it comes to have as many. */
  readonly wayToMore?: (limit: 'totalVfs' | 'onDemandFunctions', count: number) => string;
}

/** What one function is to be. */
export interface WantedFunction {
  readonly fn: number;
  /** Name of the profile that it follows, null for none. */
  readonly profileName: string | null;
  /** The profile with the changes of the entry. */
  readonly profile: FunctionProfile;
  /** Pointer to the entry. */
  readonly path: string;
}

/** A provisioning file that is good in itself. */
export interface ProvisionFile {
  readonly profiles: NamedProfiles;
  readonly functions: readonly WantedFunction[];
  /** Null: as many VFs as there are. */
  readonly numVfs: number | null;
}

/** Members that say which functions an entry is about; it has one of them. */
const TARGETS = ['vf', 'vfs', 'onDemand'] as const;
const RANGE = /^([1-9]\d{0,3})-([1-9]\d{0,3})$/;
const MEMBERS = ['profiles', 'functions', 'numVfs'];

/** Reads a provisioning file, its text or its bytes; entries may use the profiles of `known`, too. Throws FileProblems with every problem. */
export function readProvisionFile(
  text: string | Uint8Array,
  limits: CardLimits,
  known: NamedProfiles = new Map(),
): ProvisionFile {
  const problems: Problem[] = [];
  const file = readProvisioning(parseJson(text), limits, known, problems);
  if (problems.length > 0) throw new FileProblems(problems);
  return file;
}

/** As readProvisionFile(), of a value; members named in `others` are somebody else's. */
export function readProvisioning(
  value: unknown,
  limits: CardLimits,
  known: NamedProfiles,
  problems: Problem[],
  others: readonly string[] = [],
): ProvisionFile {
  if (!isRecord(value)) {
    problems.push({ path: '', message: `an object with ${MEMBERS.join(', ')} is needed` });
    return { profiles: new Map(), functions: [], numVfs: null };
  }
  for (const name of Object.keys(value)) {
    if (MEMBERS.includes(name) || others.includes(name)) continue;
    problems.push({ path: below('', name), message: unknownName('member', name, MEMBERS) });
  }
  const profiles = readProfiles(value['profiles'], '/profiles', problems);
  const reader = new EntryReader(limits, new Map([...known, ...profiles]), problems);
  const { functions = [], numVfs } = value;
  if (Array.isArray(functions)) functions.forEach((entry, i) => reader.read(entry, below('/functions', i)));
  else problems.push({ path: '/functions', message: 'an array of functions is needed' });
  return { profiles, functions: reader.wanted, numVfs: readNumVfs(numVfs, limits, problems) };
}

function readNumVfs(value: unknown, { totalVfs, wayToMore }: CardLimits, problems: Problem[]): number | null {
  if (value === undefined) return null;
  if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= totalVfs) return Number(value);
  const more = Number.isInteger(value) && Number(value) > 0 ? (wayToMore?.('totalVfs', Number(value)) ?? '') : '';
  const message = `${JSON.stringify(value)}: a whole number from 0 to ${totalVfs} is needed${more}`;
  problems.push({ path: '/numVfs', message });
  return null;
}

/** Reads the entries one after the other; each function may come once. */
class EntryReader {
  readonly wanted: WantedFunction[] = [];
  private readonly limits: CardLimits;
  private readonly profiles: NamedProfiles;
  private readonly problems: Problem[];
  private readonly seen = new Map<number, string>();

  constructor(limits: CardLimits, profiles: NamedProfiles, problems: Problem[]) {
    this.limits = limits;
    this.profiles = profiles;
    this.problems = problems;
  }

  read(entry: unknown, path: string): void {
    if (!isRecord(entry)) {
      this.report(path, 'an object with vf, vfs or onDemand is needed');
      return;
    }
    const functions = this.targets(entry, path);
    const profileName = this.profileName(entry['profile'], path);
    const changes = readProfile(entry, path, this.problems, [...TARGETS, 'profile']);
    const profile = { ...(profileName === null ? {} : this.profiles.get(profileName)), ...changes };
    if (profile.mac !== undefined && functions.length > 1) {
      this.report(below(path, 'mac'), `${functions.length} functions cannot have one address; give each its own entry`);
    }
    for (const fn of functions) {
      const before = this.seen.get(fn);
      if (before !== undefined) this.report(path, `${this.nameOf(fn)} has its entry at ${before} already`);
      this.seen.set(fn, path);
      this.wanted.push({ fn, profileName, profile, path });
    }
  }

  /** Numbers of the functions that an entry is about. */
  private targets(entry: Readonly<Record<string, unknown>>, path: string): number[] {
    const given = TARGETS.filter((name) => entry[name] !== undefined);
    const [target] = given;
    if (target === undefined || given.length > 1) {
      this.report(path, 'one of vf, vfs and onDemand is needed');
      return [];
    }
    const isOnDemand = target === 'onDemand';
    const last = isOnDemand ? this.limits.onDemandFunctions : this.limits.totalVfs;
    const range = readRange(entry[target], target !== 'vf', target !== 'vfs');
    const place = below(path, target);
    const text = JSON.stringify(entry[target]);
    if (range === null) {
      const forms = { vf: 'a number', vfs: 'a range as "1-16"', onDemand: 'a number or a range as "1-4"' };
      this.report(place, `${text}: ${forms[target]} is needed`);
      return [];
    }
    const [low, high] = range;
    if (low > high) {
      this.report(place, `${text}: this runs backwards; give "${high}-${low}"`);
      return [];
    }
    if (high > last) {
      const what = isOnDemand ? 'functions on demand' : 'VFs';
      const more = this.limits.wayToMore?.(isOnDemand ? 'onDemandFunctions' : 'totalVfs', high) ?? '';
      this.report(place, `${text}: the card has ${last === 0 ? `no ${what}` : `${what} 1 to ${last}`}${more}`);
      return [];
    }
    const before = isOnDemand ? this.limits.totalVfs : 0;
    return Array.from({ length: high - low + 1 }, (_, i) => before + low + i);
  }

  private profileName(value: unknown, path: string): string | null {
    if (value === undefined) return null;
    if (typeof value === 'string' && this.profiles.has(value)) return value;
    const names = [...this.profiles.keys()];
    const near = typeof value === 'string' ? nearestName(value, names) : null;
    const remedy = near === null ? `there are ${names.join(', ') || 'none'}` : `did you mean ${near}?`;
    this.report(below(path, 'profile'), `${JSON.stringify(value)} is no profile; ${remedy}`);
    return null;
  }

  private nameOf(fn: number): string {
    return functionTitle(fn, this.limits);
  }

  private report(path: string, message: string): void {
    this.problems.push({ path, message });
  }
}

/** First and last of a number or of "1-16", as far as these forms are allowed; null if it is neither. */
function readRange(value: unknown, mayBeRange: boolean, mayBeNumber: boolean): [number, number] | null {
  if (typeof value === 'number') {
    return mayBeNumber && Number.isInteger(value) && value > 0 ? [value, value] : null;
  }
  const match = mayBeRange && typeof value === 'string' ? RANGE.exec(value) : null;
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

/** A function as files and people call it: PF, VF 3, function on demand 1. */
export function functionTitle(fn: number, { totalVfs }: CardLimits): string {
  if (fn === 0) return 'PF';
  return fn <= totalVfs ? `VF ${fn}` : `function on demand ${fn - totalVfs}`;
}
