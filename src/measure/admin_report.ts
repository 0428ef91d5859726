// SPDX-License-Identifier: Apache-2.0
// The admin-command benchmark as a whole: its options, its steps, and the report that the command line prints, writes as
// JSON (docs/bench_admin.md describes the schema) and draws. A seed and a profile determine every number in it.
import { resolveProfile, type ProfileOverrides } from '../device/profile.ts';
import { UsageError } from '../util/errors.ts';
import { measureBoots, type Boot } from './boot.ts';
import { MOST_IN_FLIGHT, type LoopResult } from './closed_loop.ts';
import { LOADS, measureLoad, type LoadRow } from './load.ts';
import { measureNotify, type NotifyRow } from './notify.ts';
import { PHASES, type PhaseInfo } from './phases.ts';
import { Random } from '../util/random.ts';
import { measureSingle, type RegisterRow, type SingleResult } from './single.ts';
import { Steps, type StepHandler } from './steps.ts';
import { rounded, spreadOf, toNs } from './summary.ts';
import {
  IN_FLIGHT_SERIES,
  measureInFlight,
  measureVfs,
  VF_SERIES,
  type InFlightSeries,
  type VfPoint,
  type VfSeries,
} from './sweeps.ts';
import { measureVariant, VARIANTS, type VariantRow } from './variants.ts';

/** Name of the report's JSON form. */
export const ADMIN_SCHEMA = 'virtfn.bench.admin/2';

/** Options of the benchmark, with what they are by default. */
export interface AdminBenchOptions {
  /** 0 to 2^32 - 1. Default 1. */
  readonly seed?: number;
  /** Numbers of VFs, each 1 to 1024. */
  readonly vfs?: readonly number[];
  /** Commands in flight, each 1 to 64. */
  readonly inFlight?: readonly number[];
  /** The timing profile by name. Default fpga-gen3x8-250mhz. */
  readonly profileName?: string;
  /** Changes of the timing profile. */
  readonly profile?: ProfileOverrides;
  /** Packed rings, on every queue. Default false: split ones. */
  readonly packed?: boolean;
  /** Fewer samples and points, for a quick look and for tests. */
  readonly quick?: boolean;
}

/** Samples and points of a run. */
interface Effort {
  readonly samples: number;
  readonly loadSamples: number;
  readonly loopCommands: number;
  readonly vfs: readonly number[];
  readonly inFlight: readonly number[];
}

const FULL: Effort = {
  samples: 200,
  loadSamples: 100,
  loopCommands: 1000,
  vfs: [1, 4, 16, 64, 256, 1024],
  inFlight: [1, 2, 4, 8, 16, 32, 64],
};
const QUICK: Effort = { samples: 20, loadSamples: 20, loopCommands: 200, vfs: [1, 16, 1024], inFlight: [1, 4, 16, 64] };

/** One access by the admin queue against the same thing done directly; cycles are medians. */
export interface Ratio {
  readonly adminCycles: number;
  readonly directCycles: number;
  readonly adminNs: number;
  readonly directNs: number;
  readonly ratio: number;
}

/** What the report says first. */
export interface Headline {
  /** Register reads, all registers at their natural widths. */
  readonly read: Ratio;
  /** Register writes; a direct write is posted: its driver does not wait, it is counted until it takes effect. */
  readonly write: Ratio;
  /** Register writes of which the driver knows that they took effect: a direct one is read back. */
  readonly writeReadBack: Ratio;
  /** Doorbell by admin command against doorbell in the member's BAR: until it has its effect, and until a frame is out. */
  readonly notify: Ratio;
  readonly notifyToFrame: Ratio;
  /** Bring-up of the legacy driver against that of the modern one. */
  readonly boot: Ratio;
}

/** The report. */
export interface AdminBenchReport extends SingleResult {
  readonly schema: typeof ADMIN_SCHEMA;
  readonly seed: number;
  readonly isQuick: boolean;
  readonly packed: boolean;
  readonly profile: { readonly name: string; readonly clockPs: number; readonly set: ProfileOverrides };
  readonly phases: readonly PhaseInfo[];
  readonly headline: Headline;
  readonly variants: readonly VariantRow[];
  readonly notify: readonly NotifyRow[];
  readonly inFlight: readonly InFlightSeries[];
  readonly vfs: readonly VfSeries[];
  readonly load: readonly LoadRow[];
  readonly boots: readonly Boot[];
}

/** Runs the benchmark. Throws UsageError for options and NicError PROFILE for a profile that cannot be. */
export function runAdminBench(options: AdminBenchOptions = {}, onStep: StepHandler = () => {}): AdminBenchReport {
  const { seed = 1, profile = {}, packed = false, quick = false } = options;
  const effort = quick ? QUICK : FULL;
  const vfs = options.vfs ?? effort.vfs;
  const inFlight = options.inFlight ?? effort.inFlight;
  checkList('VFs', vfs, 1024);
  checkList('commands in flight', inFlight, MOST_IN_FLIGHT);
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new UsageError(`seed ${seed}: give a whole number from 0 to ${0xffffffff}`);
  }
  const { name, clockPs } = resolveProfile('timed', profile, options.profileName);
  const card = { profileName: name, profile, packed };

  const sizes = sizesOf(effort);
  const sum =
    sizes.single +
    sizes.notify +
    sizes.variant * VARIANTS.length +
    sizes.boots +
    sizes.inFlight * IN_FLIGHT_SERIES.length * inFlight.length +
    sizes.vfs * VF_SERIES.length * vfs.length +
    sizes.load * LOADS.length;
  const steps = new Steps(sum, onStep);
  // a stream of random numbers of its own for each step, so that a longer list of points changes none of the others
  const step = <T>(size: number, work: (random: Random, onPart: StepHandler) => T): T =>
    steps.run(size, (onPart) => work(new Random(seed), onPart));
  const { samples, loadSamples, loopCommands } = effort;
  const single = step(sizes.single, (random, onPart) => measureSingle(card, samples, random, onPart));
  const notify = step(sizes.notify, (random) => measureNotify(card, samples, random));
  const variants = VARIANTS.map((variant) =>
    step(sizes.variant, (random) => measureVariant(card, variant, samples, loopCommands, random)),
  );
  const boots = step(sizes.boots, () => measureBoots(card));
  const inFlightSeries = IN_FLIGHT_SERIES.map((series) => ({
    ...series,
    points: inFlight.map((commands): LoopResult =>
      step(sizes.inFlight, (random) => measureInFlight(card, series, commands, loopCommands, random)),
    ),
  }));
  const vfSeries = VF_SERIES.map((series) => ({
    ...series,
    points: vfs.map((count): VfPoint =>
      step(sizes.vfs, (random) => measureVfs(card, series, count, loopCommands, random)),
    ),
  }));
  const load = LOADS.map((shape) => step(sizes.load, (random) => measureLoad(card, shape, loadSamples, random)));

  return {
    schema: ADMIN_SCHEMA,
    seed,
    isQuick: quick,
    packed,
    profile: { name, clockPs, set: profile },
    phases: PHASES,
    headline: headlineOf(single, notify, boots, clockPs),
    ...single,
    variants,
    notify,
    inFlight: inFlightSeries,
    vfs: vfSeries,
    load,
    boots,
  };
}

/** How long each step takes against the others, about in milliseconds: its machine is built, then come its accesses. */
function sizesOf({ samples, loadSamples, loopCommands }: Effort) {
  return {
    single: 1000 + 20 * samples,
    notify: 2 * samples,
    variant: 20 + 0.35 * samples,
    boots: 50,
    inFlight: 20 + loopCommands / 50,
    vfs: 30 + loopCommands / 50,
    load: 35 + loadSamples / 2,
  };
}

function checkList(what: string, values: readonly number[], most: number): void {
  const bad = values.find((value) => !Number.isInteger(value) || value < 1 || value > most);
  if (bad !== undefined) throw new UsageError(`${bad} ${what}: give whole numbers from 1 to ${most}`);
  if (values.length === 0) throw new UsageError(`no number of ${what} is given`);
  if (new Set(values).size !== values.length) throw new UsageError(`numbers of ${what} are given twice: ${values}`);
}

function headlineOf(
  { legacyRegisters, directRegisters }: SingleResult,
  notify: readonly NotifyRow[],
  boots: readonly Boot[],
  clockPs: number,
): Headline {
  const admin = notify.find(({ path }) => path === 'admin')!;
  const member = notify.find(({ path }) => path === 'member_bar')!;
  const boot = (driver: Boot['driver']): number => boots.find((one) => one.driver === driver)!.cycles;
  const ratio = (adminCycles: number, directCycles: number): Ratio => ({
    adminCycles,
    directCycles,
    adminNs: toNs(adminCycles, clockPs),
    directNs: toNs(directCycles, clockPs),
    ratio: rounded(adminCycles / directCycles),
  });
  const legacyWrite = medianOf(legacyRegisters, 'write');
  return {
    read: ratio(medianOf(legacyRegisters, 'read'), medianOf(directRegisters, 'read')),
    write: ratio(legacyWrite, medianOf(directRegisters, 'write')),
    writeReadBack: ratio(legacyWrite, medianOf(directRegisters, 'write_read_back')),
    notify: ratio(admin.effect.p50, member.effect.p50),
    notifyToFrame: ratio(admin.cycles.p50, member.cycles.p50),
    boot: ratio(boot('legacy'), boot('modern')),
  };
}

/** Median of the registers' medians, natural widths only. */
function medianOf(rows: readonly RegisterRow[], access: RegisterRow['access']): number {
  const medians = rows.filter((row) => row.access === access && row.isNaturalWidth).map(({ cycles }) => cycles.p50);
  return spreadOf(medians.toSorted((one, other) => one - other)).p50;
}
