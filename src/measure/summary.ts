// SPDX-License-Identifier: Apache-2.0
// From single accesses to rows of a report: order statistics in cycles and ns, phases, and what crossed the link.
import type { LinkTraffic } from '../device/nic.ts';
import { AccountTotals, type Accounts } from './accounts.ts';
import { addPhases, type PhaseKey, type Phases } from './phases.ts';

/** One access: its time from begin to end, cut into phases that add up to it, and its traffic on the link. */
export interface Sample {
  readonly cycles: number;
  readonly phases: Phases;
  readonly accounts: Accounts;
  readonly traffic: LinkTraffic;
}

/** Order statistics; p50 and p99 are samples themselves (nearest rank). */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a number of like accesses cost. */
export interface Summary {
  readonly count: number;
  readonly cycles: Spread;
  readonly ns: Spread;
  /** Phases of the median access; they add up to cycles.p50. */
  readonly phases: Phases;
  /** What these phases are made of; the accounts of a phase add up to it. */
  readonly accounts: Accounts;
  /** All accesses together; phaseTotals add up to totalCycles, and accountTotals to phaseTotals. */
  readonly totalCycles: number;
  readonly phaseTotals: Phases;
  readonly accountTotals: Accounts;
  /** Mean of one access: TLPs, and bytes with headers and framing; up is from the card to the host. */
  readonly perAccess: LinkTraffic;
}

/** Position of a percentile in a sorted list, by nearest rank. */
function rank(count: number, percent: number): number {
  return Math.max(0, Math.ceil((count * percent) / 100) - 1);
}

export function spreadOf(sorted: readonly number[]): Spread {
  const at = (percent: number): number => sorted[rank(sorted.length, percent)] ?? 0;
  return { p50: at(50), p99: at(99), max: at(100) };
}

export function spreadNs({ p50, p99, max }: Spread, clockPs: number): Spread {
  return { p50: toNs(p50, clockPs), p99: toNs(p99, clockPs), max: toNs(max, clockPs) };
}

export function toNs(cycles: number, clockPs: number): number {
  return (cycles * clockPs) / 1000;
}

/** At most three decimals, so that means and ratios read well and compare. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** The traffic between two readings of the link's counters. */
export function trafficSince(before: LinkTraffic, after: LinkTraffic): LinkTraffic {
  return {
    tlpsUp: after.tlpsUp - before.tlpsUp,
    tlpsDown: after.tlpsDown - before.tlpsDown,
    bytesUp: after.bytesUp - before.bytesUp,
    bytesDown: after.bytesDown - before.bytesDown,
  };
}

/** Each count divided by `divisor`. */
export function trafficPer(traffic: LinkTraffic, divisor: number): LinkTraffic {
  return {
    tlpsUp: rounded(traffic.tlpsUp / divisor),
    tlpsDown: rounded(traffic.tlpsDown / divisor),
    bytesUp: rounded(traffic.bytesUp / divisor),
    bytesDown: rounded(traffic.bytesDown / divisor),
  };
}

/** Sums samples up; there is at least one. */
export function summarize(samples: readonly Sample[], clockPs: number): Summary {
  const sorted = samples.toSorted((one, other) => one.cycles - other.cycles);
  const phaseTotals: Partial<Record<PhaseKey, number>> = {};
  const accountTotals = new AccountTotals();
  const total = { cycles: 0, tlpsUp: 0, tlpsDown: 0, bytesUp: 0, bytesDown: 0 };
  for (const { cycles, phases, accounts, traffic } of sorted) {
    addPhases(phaseTotals, phases);
    accountTotals.add(accounts);
    total.cycles += cycles;
    total.tlpsUp += traffic.tlpsUp;
    total.tlpsDown += traffic.tlpsDown;
    total.bytesUp += traffic.bytesUp;
    total.bytesDown += traffic.bytesDown;
  }
  const cycles = spreadOf(sorted.map((sample) => sample.cycles));
  const { phases, accounts } = sorted[rank(sorted.length, 50)]!;
  return {
    count: sorted.length,
    cycles,
    ns: spreadNs(cycles, clockPs),
    phases,
    accounts,
    totalCycles: total.cycles,
    phaseTotals,
    accountTotals: accountTotals.accounts,
    perAccess: trafficPer(total, sorted.length),
  };
}
