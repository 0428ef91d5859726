// SPDX-License-Identifier: Apache-2.0
// Functions of a described card by name, and what `virtfn provision` says about them, as text and as data for JSON.
import { PROFILE_FIELDS } from '../../device/function_profile.ts';
import type { Counters } from '../../device/counters.ts';
import type { ProvisionedCard } from '../../provisioning/card.ts';
import { isTransitional, shownBy } from '../../provisioning/inspect.ts';
import { valueText } from '../../provisioning/plan.ts';
import { featureName } from '../../provisioning/profile.ts';
import { UsageError } from '../../util/errors.ts';
import { columns, counted, grouped } from '../kit/output.ts';
import { tableText } from '../kit/table.ts';

const NAME = /^(vf|od)([1-9]\d{0,3})(?:-([1-9]\d{0,3}))?$/;

/** Numbers of the functions that `vf1`, `vf2-8` or `od1` names. Throws UsageError. */
export function functionNumbers({ machine: { nic } }: ProvisionedCard, name: string): number[] {
  const [, kind, first, last = first] = NAME.exec(name) ?? [];
  if (kind === undefined) throw new UsageError(`${name}: give vf and a number, or od and one: vf1, vf2-8, od1`);
  const { totalVfs, onDemandFunctions } = nic.config;
  const count = kind === 'vf' ? totalVfs : onDemandFunctions;
  const [low, high] = [Number(first), Number(last)];
  if (low > high) throw new UsageError(`${name}: this runs backwards; give ${kind}${high}-${low}`);
  if (high > count) {
    throw new UsageError(`${name}: the card has ${count === 0 ? 'none' : `${kind}1 to ${kind}${count}`}`);
  }
  const before = kind === 'vf' ? 0 : totalVfs;
  return Array.from({ length: high - low + 1 }, (_, i) => before + low + i);
}

/** Name of a function on the command line. */
function nameOf({ machine: { nic } }: ProvisionedCard, fn: number): string {
  if (fn === 0) return 'pf';
  return fn <= nic.config.totalVfs ? `vf${fn}` : `od${fn - nic.config.totalVfs}`;
}

function allFunctions({ machine: { nic } }: ProvisionedCard): number[] {
  return Array.from({ length: nic.functions() }, (_, fn) => fn);
}

/** All functions. */
export function listRows(card: ProvisionedCard): object[] {
  const { nic } = card.machine;
  return allFunctions(card).map((fn) => ({
    function: nameOf(card, fn),
    isPresent: nic.isPresent(fn),
    profile: card.followed.get(fn) ?? null,
    isTransitional: isTransitional(nic, fn),
    ...nic.provisioned(fn),
  }));
}

export function listText(card: ProvisionedCard): string {
  const { nic } = card.machine;
  const rows = allFunctions(card).map((fn) => {
    const { mac, mtu, queuePairs, queueSize, vectors, vlan, rateMbps } = nic.provisioned(fn);
    return {
      function: nameOf(card, fn),
      there: nic.isPresent(fn) ? 'yes' : 'no',
      profile: card.followed.get(fn) ?? '',
      mac,
      mtu: String(mtu),
      queues: `${queuePairs} x ${queueSize}`,
      vectors: String(vectors),
      vlan: vlan === 0 ? '' : String(vlan),
      'Mbit/s': rateMbps === 0 ? '' : grouped(rateMbps),
      transitional: isTransitional(nic, fn) ? 'yes' : 'no',
    };
  });
  return `${tableText(rows)}\n${poolText(card)}`;
}

function poolText({ machine: { nic }, target }: ProvisionedCard): string {
  const { totalVfs, vfVectorPool } = nic.config;
  return `${counted(target.numVfs(), 'VF')} of ${totalVfs} enabled, ${nic.vfVectorsInUse()} of ${vfVectorPool} vectors given`;
}

/** One function; `driver` is what its driver sees, null while it is not there. */
export function queryOf(card: ProvisionedCard, fn: number): object {
  const { nic } = card.machine;
  return {
    function: nameOf(card, fn),
    isPresent: nic.isPresent(fn),
    profile: card.followed.get(fn) ?? null,
    isTransitional: isTransitional(nic, fn),
    provisioned: nic.provisioned(fn),
    driver: nic.isPresent(fn) ? shownBy(nic, fn) : null,
  };
}

export function queryText(card: ProvisionedCard, fn: number): string {
  const { nic } = card.machine;
  const provisioned = nic.provisioned(fn);
  const rows: [string, string][] = [
    ['function', nameOf(card, fn)],
    ['there', nic.isPresent(fn) ? 'yes' : 'no'],
    ['profile', card.followed.get(fn) ?? 'none'],
    ['transitional', isTransitional(nic, fn) ? 'yes' : 'no'],
    ...PROFILE_FIELDS.map((field): [string, string] =>
      field === 'withoutFeatures'
        ? [field, provisioned[field].map(featureName).join(', ') || 'none']
        : [field, valueText(provisioned[field])],
    ),
  ];
  if (!nic.isPresent(fn)) return columns(rows);
  const { features, queues, vectors } = shownBy(nic, fn);
  rows.push(['driver sees', `${queues} queues, ${vectors} vectors`], ['', features.map(featureName).join(', ')]);
  return columns(rows);
}

/** Counters of one function. */
export interface FunctionStats {
  readonly function: string;
  readonly counters: Counters;
}

/** Counters of these functions, or of all that are there. */
export function statsOf(card: ProvisionedCard, functions: readonly number[] | null): FunctionStats[] {
  const { nic } = card.machine;
  const chosen = functions ?? allFunctions(card).filter((fn) => nic.isPresent(fn));
  return chosen.map((fn) => ({ function: nameOf(card, fn), counters: nic.functionCounters(fn) }));
}

export function statsText(card: ProvisionedCard, stats: readonly FunctionStats[]): string {
  const lines = stats.map(({ function: name, counters }): [string, string] => {
    const counts = Object.entries(counters).filter(([, value]) => value !== 0);
    return [name, counts.map(([counter, value]) => `${counter} ${grouped(value)}`).join(', ') || 'nothing counted'];
  });
  return `${columns(lines)}\n${poolText(card)}`;
}
