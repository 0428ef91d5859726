// SPDX-License-Identifier: Apache-2.0
// A card that is described by a file: its options, the profiles of its functions, and how many VFs are enabled. The card
// itself is built anew from the description, worked on, and described again; nothing of its traffic is kept.
//
//   { "schema": "virtfn.card/1", "card": { "totalVfs": 16 }, "profiles": { ... }, "functions": [ ... ], "numVfs": 4 }
import { ConfigError, type NicConfig } from '../device/config.ts';
import { PROFILE_FIELDS, type FunctionProfile } from '../device/function_profile.ts';
import { Machine } from '../machine/machine.ts';
import { resolveMachine, withPfDriverOnly } from '../machine/machine_config.ts';
import { readProvisioning, type ProvisionFile } from './file.ts';
import { executePlan, machineTarget, makePlan, type Plan, type ProvisionTarget } from './plan.ts';
import { parseJson } from '../util/json.ts';
import { unknownName } from '../util/names.ts';
import { below, FileProblems, isRecord, type Problem } from '../util/problems.ts';
import { isSchema } from '../util/schema.ts';
import { featureBit, featureName } from './profile.ts';

/** Options of the card that its description has. */
const CARD_OPTIONS = [
  'totalVfs',
  'onDemandFunctions',
  'firstVfOffset',
  'vfStride',
  'routingId',
  'queueSize',
  'adminQueueSize',
  'pfQueuePairs',
  'vfQueuePairs',
  'pfVectors',
  'vfVectors',
  'vfVectorPool',
  'mtu',
  'mac',
  'withoutFeatures',
  'legacy',
] as const satisfies readonly (keyof NicConfig)[];

/** The options of a card that a file of one may give. */
export type CardOptions = Pick<NicConfig, (typeof CARD_OPTIONS)[number]>;

const SCHEMA = 'virtfn.card/1';
const DEFAULT_VFS = 8;

/** A described card that works. */
export class ProvisionedCard {
  readonly options: CardOptions;
  readonly machine: Machine;
  readonly target: ProvisionTarget;
  /** Profiles by name, as the files that were applied had them. */
  readonly profiles = new Map<string, FunctionProfile>();
  /** Names of the profiles that functions follow. */
  readonly followed = new Map<number, string>();

  constructor(options: CardOptions = {}) {
    this.options = options;
    this.machine = new Machine({ ...withPfDriverOnly(options), mode: 'functional', numVfs: 0 });
    this.target = machineTarget(this.machine);
  }

  /** Builds the card of a description. Throws FileProblems with everything that is wrong with it. */
  static parse(text: string | Uint8Array): ProvisionedCard {
    const problems: Problem[] = [];
    const value = parseJson(text);
    if (isRecord(value) && !isSchema(value['schema'], SCHEMA)) {
      const given = value['schema'] === undefined ? '' : `${JSON.stringify(value['schema'])}: `;
      problems.push({ path: '/schema', message: `${given}"${SCHEMA}" is needed` });
    }
    const options = readOptions(isRecord(value) ? value['card'] : {}, problems);
    const limits = { totalVfs: options.totalVfs ?? DEFAULT_VFS, onDemandFunctions: options.onDemandFunctions ?? 0 };
    const file = readProvisioning(value, limits, new Map(), problems, ['schema', 'card']);
    if (problems.length > 0) throw new FileProblems(problems);
    const card = new ProvisionedCard(options);
    card.apply(file);
    return card;
  }

  /** What apply() would do. Throws as makePlan(). */
  plan(file: ProvisionFile): Plan {
    return makePlan(this.target, file);
  }

  /** Makes the card what a file wants, or leaves it as it is and throws; returns what was done. */
  apply(file: ProvisionFile): Plan {
    const plan = this.plan(file);
    executePlan(this.target, plan);
    for (const [name, profile] of file.profiles) this.profiles.set(name, profile);
    for (const { fn, profileName } of file.functions) {
      if (profileName === null) this.followed.delete(fn);
      else this.followed.set(fn, profileName);
    }
    return plan;
  }

  /** The description. */
  text(): string {
    const profiles = Object.fromEntries([...this.profiles].map(([name, profile]) => [name, shown(profile)]));
    const description = {
      schema: SCHEMA,
      card: this.options,
      profiles,
      functions: this.entries(),
      numVfs: this.target.numVfs(),
    };
    return `${JSON.stringify(description, null, 2)}\n`;
  }

  /** An entry for each function that is not as the card's options have it; those in a row that are alike share one. */
  private entries(): object[] {
    const { nic } = this.machine;
    const { totalVfs } = nic.config;
    const runs: { first: number; last: number; rest: object }[] = [];
    for (let fn = 1; fn < nic.functions(); fn++) {
      const name = this.followed.get(fn);
      const base = nic.completeProfile(fn, (name === undefined ? undefined : this.profiles.get(name)) ?? {});
      const now = nic.provisioned(fn);
      const changed = PROFILE_FIELDS.filter((field) => JSON.stringify(base[field]) !== JSON.stringify(now[field]));
      if (name === undefined && changed.length === 0) continue;
      const changes = shown(Object.fromEntries(changed.map((field) => [field, now[field]])));
      const rest = { ...(name === undefined ? {} : { profile: name }), ...changes };
      const run = runs.at(-1);
      const isAlike = run?.last === fn - 1 && fn !== totalVfs + 1 && JSON.stringify(run.rest) === JSON.stringify(rest);
      if (isAlike) run.last = fn;
      else runs.push({ first: fn, last: fn, rest });
    }
    return runs.map(({ first, last, rest }) => {
      const isVf = first <= totalVfs;
      const [low, high] = isVf ? [first, last] : [first - totalVfs, last - totalVfs];
      if (low === high) return { [isVf ? 'vf' : 'onDemand']: low, ...rest };
      return { [isVf ? 'vfs' : 'onDemand']: `${low}-${high}`, ...rest };
    });
  }
}

/** A profile as files have it: features by name. */
function shown(profile: FunctionProfile): object {
  const { withoutFeatures } = profile;
  if (withoutFeatures === undefined) return profile;
  return {
    ...profile,
    withoutFeatures: withoutFeatures.map((bit) =>
      featureBit(featureName(bit)) === undefined ? bit : featureName(bit),
    ),
  };
}

/** Options of the card; bad ones are problems, and then only enough comes back to go on looking for mistakes. */
function readOptions(value: unknown, problems: Problem[]): CardOptions {
  if (!isRecord(value)) {
    problems.push({ path: '/card', message: 'an object of options of the card is needed' });
    return {};
  }
  for (const name of Object.keys(value)) {
    if ((CARD_OPTIONS as readonly string[]).includes(name)) continue;
    const message = unknownName('option', name, CARD_OPTIONS);
    problems.push({ path: below('/card', name), message });
  }
  const known = (CARD_OPTIONS as readonly string[]).filter((name) => Object.hasOwn(value, name));
  const options = Object.fromEntries(known.map((name) => [name, value[name]]));
  try {
    resolveMachine({ ...options, numVfs: 0 });
    return options;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const bad = new Set<string>(error.problems.map(({ option }) => option));
    // options that the description does not have only follow from those that it has
    const given = error.problems.filter(({ option }) => Object.hasOwn(options, option));
    for (const { option, message } of given.length > 0 ? given : error.problems) {
      problems.push({ path: below('/card', option), message });
    }
    return Object.fromEntries(Object.entries(options).filter(([name]) => !bad.has(name)));
  }
}
