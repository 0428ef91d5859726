// SPDX-License-Identifier: Apache-2.0
// Timing profiles: a named set of parameters, overrides on top, all checked at once, and turned into the core's words.
// The core counts in cycles of its clock; values in ns are converted once, when the card is created.
import { NONE } from '../../assembly/abi/state_value.ts';
import * as P from '../../assembly/abi/timing_param.ts';
import { NicError } from '../util/errors.ts';
import { nearestName, valueText } from '../util/names.ts';
import { isRecord } from '../util/problems.ts';
import { linkRate, type LinkShape } from './link_rate.ts';
import { PROFILE_ROWS, type ProfileParameter, type ProfileRow } from './profile_rows.ts';
import { PROFILES, DEFAULT_PROFILE } from './profiles.ts';

const DWORD = 4;
/** Bytes on the wire: Ethernet header, preamble, FCS, gap. */
const SHORTEST_FRAME = 14 + 24;

export type { ProfileParameter, ProfileUnit } from './profile_rows.ts';

/** Overrides of profile parameters, by name. */
export type ProfileOverrides = Readonly<Record<string, number>>;

/** How the card treats time. */
export type NicMode = 'timed' | 'functional';

/** On which side of the card's pins the memory is that it reaches. */
export type MemorySide = 'inside' | 'outside';

/** A profile made ready: values by name, and the words for the core. */
export interface ResolvedProfile {
  readonly name: string;
  readonly mode: NicMode;
  readonly memory: MemorySide;
  /** Length of a core cycle in picoseconds. */
  readonly clockPs: number;
  readonly values: ReadonlyMap<string, number>;
  readonly words: ReadonlyMap<number, number>;
}

/** The parameters of a profile with their values and sources, in the order of docs/timing_model.md. */
export function profileParameters(name: string = DEFAULT_PROFILE): readonly ProfileParameter[] {
  const changes = profileNamed(name).values;
  return PROFILE_ROWS.map(({ name: parameter, unit, value, source }) => {
    const changed = changes[parameter];
    return changed === undefined
      ? { name: parameter, unit, value, source }
      : { name: parameter, unit, value: changed[0], source: changed[1] };
  });
}

/** Whether nothing that is published tells the value. */
export function isAssumption({ source }: ProfileParameter): boolean {
  return source.startsWith('ASSUMPTION');
}

/** What is said of overrides that are something else, most of all a name. */
const PROFILE_SHAPE =
  'an object with values of parameters by name is needed; the name of a profile goes into profileName';

function profileNamed(name: string): (typeof PROFILES)[number] {
  const profile = PROFILES.find((candidate) => candidate.name === name);
  if (profile !== undefined) return profile;
  const names = PROFILES.map((candidate) => candidate.name).join(', ');
  throw new NicError('PROFILE', `timing profile ${valueText(name)} does not exist; there are ${names}`);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}

/** What is wrong with a value of a parameter; null if nothing is. */
function problemOf({ name, unit, min, max, isPowerOfTwo: needsPower }: ProfileRow, value: unknown): string | null {
  if (typeof value !== 'number' || !Number.isFinite(value)) return `${name} = ${valueText(value)} is not a number`;
  if (value < min || value > max) return `${name} = ${value} is outside ${min}..${max} ${unit}`;
  if (unit !== 'ns' && unit !== 'Gb/s' && !Number.isInteger(value)) return `${name} = ${value} is not a whole number`;
  if (needsPower && value !== 0 && !isPowerOfTwo(value)) return `${name} = ${value} is not a power of two`;
  return null;
}

function unknownParameter(name: string): string {
  const near = nearestName(
    name,
    PROFILE_ROWS.map((row) => row.name),
  );
  return `${name} is no parameter of a profile${near === null ? `; virtfn profiles ${DEFAULT_PROFILE} lists them` : `; did you mean ${near}?`}`;
}

/** What does not go together. */
function conflicts(values: ReadonlyMap<string, number>): string[] {
  const problems: string[] = [];
  const value = (name: string): number => values.get(name)!;
  const least = (low: string, high: string): void => {
    if (value(low) > value(high)) problems.push(`${low} = ${value(low)} is more than ${high} = ${value(high)}`);
  };
  least('link.rcb_bytes', 'link.completion_bytes');
  least('link.completion_bytes', 'link.mps_bytes');
  least('host.extra_p50_ns', 'host.extra_p95_ns');
  least('host.extra_p95_ns', 'host.extra_p99_ns');
  least('host.extra_p99_ns', 'host.extra_p999_ns');
  least('host.extra_p999_ns', 'host.extra_max_ns');
  if (value('credit.host_pd') !== 0 && value('credit.host_pd') * 16 < value('link.mps_bytes')) {
    problems.push(
      `credit.host_pd = ${value('credit.host_pd')} does not take a TLP of link.mps_bytes = ${value('link.mps_bytes')}`,
    );
  }
  return problems;
}

/**
 * Resolves a named profile with overrides on top. Throws NicError PROFILE that names every bad value at once, or the
 * profiles that there are.
 */
export function resolveProfile(
  mode: NicMode,
  overrides: ProfileOverrides = {},
  name: string = DEFAULT_PROFILE,
  memory: MemorySide = 'inside',
): ResolvedProfile {
  const rows = new Map(PROFILE_ROWS.map((parameter) => [parameter.name, parameter]));
  const values = new Map(profileParameters(name).map((parameter) => [parameter.name, parameter.value]));
  if (!isRecord(overrides)) throw new NicError('PROFILE', `profile = ${valueText(overrides)}: ${PROFILE_SHAPE}`);
  const problems: string[] = [];
  for (const [parameter, value] of Object.entries(overrides)) {
    const known = rows.get(parameter);
    const problem = known === undefined ? unknownParameter(parameter) : problemOf(known, value);
    if (problem !== null) problems.push(problem);
    // a bad value contradicts nothing
    values.set(parameter, problem === null ? value : Number.NaN);
  }
  problems.push(...conflicts(values));
  if (problems.length > 0) throw new NicError('PROFILE', `timing profile: ${problems.join('; ')}`);
  const clockPs = values.get('clock.period_ps')!;
  return { name, mode, memory, clockPs, values, words: wordsOf(mode, memory, values) };
}

/** Cycles that `bytes` are on the wire. */
export function wireCycles(words: ResolvedProfile['words'], bytes: number): number {
  return Math.ceil((bytes * words.get(P.BYTE_NUM)!) / words.get(P.BYTE_DEN)!);
}

/**
 * Shortest time in cycles from any input of the card to any output: inside, a posted register write that lets the PF's INTx
 * line fall, or the completion of a request, whichever is there first. A frame from the wire takes longer: the card has to look
 * for a buffer first. With memory outside it is the answer to a read that sends the next request, or a frame, on its way. A
 * simulator that couples the card by time stamps may run so far ahead; 0 in functional mode.
 */
export function lookAheadCycles({ mode, memory, words }: ResolvedProfile): number {
  if (mode === 'functional') return 0;
  const word = (index: number): number => words.get(index)!;
  const wire = (bytes: number): number => wireCycles(words, bytes);
  const up = (bytes: number): number => wire(bytes) + word(P.UP_LATENCY);
  // a TLP of so many bytes from the host's core until it is decoded, and a completion back to it
  const down = (bytes: number): number => word(P.HOST_MMIO) + wire(bytes) + word(P.DOWN_LATENCY) + word(P.COMPLETER);
  const back = (bytes: number): number => up(bytes) + word(P.HOST_MMIO);
  const header = word(P.TLP_3DW);
  const write = down(header + DWORD);
  const completion = Math.min(
    down(header) + Math.min(word(P.REGISTER), word(P.CONFIG_ACCESS)) + back(header + DWORD),
    write + word(P.CONFIG_ACCESS) + back(header),
  );
  if (memory === 'inside') {
    return Math.min(write + up(word(P.TLP_4DW)) + word(P.HOST_WRITE) + word(P.HOST_INTERRUPT), completion);
  }
  const frame = Math.ceil((word(P.WIRE_BYTE_COST) * SHORTEST_FRAME) / 65536) + word(P.WIRE_LATENCY);
  const sent = wire(header) + word(P.TX) + word(P.WRITEBACK) + frame;
  return Math.min(
    completion,
    write + up(header),
    word(P.DOWN_LATENCY) + Math.min(up(header), sent),
    frame + word(P.DMA_SETUP) + up(header),
  );
}

/** The link's share of a profile. */
export function linkShape(values: ReadonlyMap<string, number>): LinkShape {
  const value = (name: string): number => values.get(name)!;
  return {
    clockPs: value('clock.period_ps'),
    generation: value('link.generation'),
    lanes: value('link.lanes'),
    rateGbps: value('link.rate_gbps'),
    mpsBytes: value('link.mps_bytes'),
    hasDllps: value('link.dllps') !== 0,
    hasDigest: value('link.ecrc') !== 0,
  };
}

function wordsOf(mode: NicMode, memory: MemorySide, values: ReadonlyMap<string, number>): Map<number, number> {
  const value = (name: string): number => values.get(name)!;
  const clockPs = value('clock.period_ps');
  const cycles = (ns: number): number => Math.round((ns * 1000) / clockPs);
  // cycles << 16 for each byte: 8 bits / rate = ns a byte
  const byteCost = (gbps: number): number =>
    gbps === 0 ? 0 : Math.max(1, Math.round(((8 / gbps) * 1000 * 65536) / clockPs));
  const words = new Map<number, number>();
  for (const { index, name, unit } of PROFILE_ROWS) {
    if (index === null) continue;
    words.set(index, unit === 'ns' ? cycles(value(name)) : unit === 'Gb/s' ? byteCost(value(name)) : value(name));
  }
  const rate = linkRate(linkShape(values));
  words.set(P.BYTE_NUM, rate.byteNum);
  words.set(P.BYTE_DEN, rate.byteDen);
  words.set(P.DLLP_DEBT, rate.dllpDebt);
  words.set(P.DLLP_BYTE, rate.dllpByte);
  words.set(P.TLP_3DW, rate.tlp3Dw);
  words.set(P.TLP_4DW, rate.tlp4Dw);
  const cold = value('host.cold') * value('host.cold_ns');
  const remote = value('host.remote') * value('host.remote_ns');
  words.set(P.HOST_READ, cycles(value('host.read_latency_ns') + cold + remote));
  const entries = value('iommu.entries');
  const ways = Math.min(value('iommu.ways'), entries);
  words.set(P.IOTLB_SETS, entries === 0 ? 0 : entries / ways);
  words.set(P.IOTLB_WAYS, ways);
  words.set(P.IOTLB_SHIFT, Math.log2(value('iommu.page_bytes')));
  words.set(P.DMA_COPY, byteCost(value('dma.copy_gbps')));
  if (memory === 'outside') {
    words.set(P.HOST_READ, NONE); // nobody here knows
    words.set(P.IOTLB_SETS, 0);
  }
  words.set(P.FUNCTIONAL, mode === 'functional' ? 1 : 0);
  return words;
}
