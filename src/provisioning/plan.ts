// SPDX-License-Identifier: Apache-2.0
// From the present state of a card to what a file wants, as a list of steps that is known before the first is taken. When
// a step fails, those before it are taken back: either all is as the file has it, or all is as before.
import { driverState } from '../device/driver_state.ts';
import { PROFILE_FIELDS, type FunctionProfile, type ProvisionedFunction } from '../device/function_profile.ts';
import type { Nic } from '../device/nic.ts';
import type { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { functionTitle, type ProvisionFile } from './file.ts';
import { below, FileProblems, type Problem } from '../util/problems.ts';

/** A card, and who switches its VFs. */
export interface ProvisionTarget {
  readonly nic: Nic;
  /** VFs that are enabled. */
  numVfs(): number;
  /** As writing sriov_numvfs. */
  setNumVfs(count: number): void;
}

/** One step. */
export type PlanStep =
  | { readonly kind: 'vfs'; readonly from: number; readonly to: number }
  | {
      readonly kind: 'profile';
      readonly fn: number;
      readonly before: ProvisionedFunction;
      readonly after: ProvisionedFunction;
    };

/** Steps in their order; empty if everything is as wanted. */
export type Plan = readonly PlanStep[];

/** The machine's PF driver switches the VFs. */
export function machineTarget({ nic, pf }: Machine): ProvisionTarget {
  return { nic, numVfs: () => pf.sriov?.numVfs ?? 0, setNumVfs: (count) => pf.setNumVfs(count) };
}

/**
 * What has to be done for a file. Functions that it does not name stay as they are. Throws FileProblems for what the card
 * cannot give, all of it; NicError EBUSY if VFs would have to go that drivers use.
 */
export function makePlan(target: ProvisionTarget, file: ProvisionFile): Plan {
  const { nic } = target;
  const wanted = new Map(file.functions.map(({ fn, profile }) => [fn, nic.completeProfile(fn, profile)]));
  const problems = cardProblems(nic, file, wanted);
  if (problems.length > 0) throw new FileProblems(problems);

  const profiles = [...wanted].flatMap(([fn, after]) => {
    const before = nic.provisioned(fn);
    return changedFields(before, after).length === 0 ? [] : [{ kind: 'profile' as const, fn, before, after }];
  });
  // those that give vectors back come first
  profiles.sort((one, other) => vectorsGained(one) - vectorsGained(other) || one.fn - other.fn);
  const from = target.numVfs();
  const to = file.numVfs ?? from;
  const isFixed = profiles.some(({ fn, before, after }) => {
    const fields = changedFields(before, after);
    return fn <= from && fields.some((field) => field !== 'vectors');
  });
  if (to === from && !isFixed) return checkBusy(target, profiles);
  checkUnused(nic, from);
  return checkBusy(target, [
    ...(from > 0 ? [{ kind: 'vfs' as const, from, to: 0 }] : []),
    ...profiles,
    ...(to > 0 ? [{ kind: 'vfs' as const, from: 0, to }] : []),
  ]);
}

/** Takes the steps. If one fails, those before are taken back and its error is thrown. */
export function executePlan(target: ProvisionTarget, plan: Plan): void {
  const done: PlanStep[] = [];
  try {
    for (const step of plan) {
      take(target, step);
      done.push(step);
    }
  } catch (error) {
    for (const step of done.reverse()) take(target, reversed(step));
    throw error;
  }
}

function take({ nic, setNumVfs }: ProvisionTarget, step: PlanStep): void {
  if (step.kind === 'vfs') setNumVfs(step.to);
  else nic.provision(step.fn, step.after);
}

function reversed(step: PlanStep): PlanStep {
  return step.kind === 'vfs'
    ? { ...step, from: step.to, to: step.from }
    : { ...step, before: step.after, after: step.before };
}

/** Fields in which two profiles differ. */
export function changedFields(before: ProvisionedFunction, after: ProvisionedFunction): (keyof FunctionProfile)[] {
  return PROFILE_FIELDS.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]));
}

function vectorsGained({ before, after }: { before: ProvisionedFunction; after: ProvisionedFunction }): number {
  return after.vectors - before.vectors;
}

/** What the card as a whole cannot give: vectors beyond the pool, one address for two functions. */
function cardProblems(nic: Nic, file: ProvisionFile, wanted: ReadonlyMap<number, ProvisionedFunction>): Problem[] {
  const { totalVfs, vfVectorPool } = nic.config;
  const problems: Problem[] = [];
  const places = new Map(file.functions.map(({ fn, path }) => [fn, path]));
  const owners = new Map<string, number>();
  let vectors = 0;
  for (let fn = 0; fn < nic.functions(); fn++) {
    const profile = wanted.get(fn) ?? nic.provisioned(fn);
    if (fn >= 1 && fn <= totalVfs) vectors += profile.vectors;
    const owner = owners.get(profile.mac);
    owners.set(profile.mac, fn);
    if (owner === undefined) continue;
    const path = places.get(fn) ?? places.get(owner) ?? '';
    const title = functionTitle(places.has(fn) ? owner : fn, nic.config);
    problems.push({ path: below(path, 'mac'), message: `"${profile.mac}": this is the address of ${title}` });
  }
  if (vectors > vfVectorPool) {
    const message = `all VFs together would have ${vectors} MSI-X vectors; the pool has ${vfVectorPool}`;
    problems.push({ path: '/functions', message });
  }
  return problems;
}

/** VFs 1 to `count` go away: no driver may be on them. */
function checkUnused(nic: Nic, count: number): void {
  const inUse = Array.from({ length: count }, (_, i) => i + 1).filter((vf) => driverState(nic.core, vf).status !== 0);
  if (inUse.length === 0) return;
  throw new NicError('EBUSY', `drivers use VF ${inUse.join(', ')}, which would have to go; unbind them first`);
}

/** Functions on demand that are there keep their profile. */
function checkBusy({ nic }: ProvisionTarget, plan: Plan): Plan {
  const busy = plan.flatMap((step) =>
    step.kind === 'profile' && step.fn > nic.config.totalVfs && nic.isPresent(step.fn) ? [step.fn] : [],
  );
  if (busy.length === 0) return plan;
  const names = busy.map((fn) => functionTitle(fn, nic.config)).join(', ');
  throw new NicError('EBUSY', `${names} would change while it is there; destroy it first`);
}

/** The plan in words, a line for each step; functions in a row with the same changes share one. */
export function planText(plan: Plan, nic: Nic): string[] {
  const lines: { first: number; last: number; changes: string }[] = [];
  const texts: string[] = [];
  const flush = (): void => {
    for (const { first, last, changes } of lines.splice(0)) {
      const name = functionTitle(first, nic.config);
      texts.push(`${first === last ? name : `${name} to ${functionTitle(last, nic.config)}`}: ${changes}`);
    }
  };
  for (const step of plan) {
    if (step.kind === 'vfs') {
      flush();
      texts.push(step.to === 0 ? `disable ${step.from} VFs` : `enable ${step.to} VFs`);
      continue;
    }
    const { fn, before, after } = step;
    const changes = changedFields(before, after)
      .map((field) => `${field} ${valueText(before[field])} -> ${valueText(after[field])}`)
      .join(', ');
    const previous = lines.at(-1);
    if (previous !== undefined && previous.changes === changes && previous.last === fn - 1) previous.last = fn;
    else lines.push({ first: fn, last: fn, changes });
  }
  flush();
  return texts;
}

/** A value of a profile as it is shown. */
export function valueText(value: ProvisionedFunction[keyof ProvisionedFunction]): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'object') return value.length === 0 ? 'none' : value.join(',');
  return String(value);
}
