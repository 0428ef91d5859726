// SPDX-License-Identifier: Apache-2.0
// Closed loops of administration commands over what a system may vary: commands in flight, layout of their chains, number
// of VFs, and data traffic beside them. Each point has a machine of its own.
import { VIRTIO_F_INDIRECT_DESC } from '../../assembly/abi/virtio_features.ts';
import type { TimingChoice } from '../device/config.ts';
import { DRIVER_MEMORY_BYTES, Machine } from '../machine/machine.ts';
import { measureLoop, membersInTurn, type LoopResult } from './closed_loop.ts';
import { DataTraffic, NO_TRAFFIC, type TrafficShape } from './data_traffic.ts';
import type { Random } from '../util/random.ts';

/** Descriptors of a command: one that points to an indirect table, or three or four in the ring. */
export type ChainLayout = 'indirect' | 'direct';

/** Latency over commands in flight. */
export interface InFlightSeries {
  readonly name: string;
  /** The name for narrow columns. */
  readonly short: string;
  readonly layout: ChainLayout;
  readonly traffic: TrafficShape;
  readonly points: readonly LoopResult[];
}

/** Whose registers are read: those of VF 1, or of all VFs in a random order. */
export type Target = 'one' | 'all';

/** One number of VFs: latency of a command alone, and what the card does with several in flight. */
export interface VfPoint {
  readonly vfs: number;
  readonly alone: LoopResult;
  readonly together: LoopResult;
}

export interface VfSeries {
  readonly name: string;
  readonly short: string;
  readonly target: Target;
  readonly traffic: TrafficShape;
  readonly points: readonly VfPoint[];
}

/** Commands in flight of VfPoint.together. */
export const VF_SWEEP_IN_FLIGHT = 16;

const SMALL: TrafficShape = { senders: 1, frameBytes: 64 };
const LARGE: TrafficShape = { senders: 1, frameBytes: 1514 };
/** VFs of the machine whose commands in flight are varied. */
const VFS = 8;

/** What the series over commands in flight are. */
export const IN_FLIGHT_SERIES: readonly Omit<InFlightSeries, 'points'>[] = [
  { name: 'indirect descriptors', short: 'indirect', layout: 'indirect', traffic: NO_TRAFFIC },
  { name: 'direct descriptors', short: 'direct', layout: 'direct', traffic: NO_TRAFFIC },
  { name: 'indirect, a VF sends 64-byte frames', short: '64 B frames', layout: 'indirect', traffic: SMALL },
  { name: 'indirect, a VF sends 1514-byte frames', short: '1514 B frames', layout: 'indirect', traffic: LARGE },
];

/** What the series over the number of VFs are. */
export const VF_SERIES: readonly Omit<VfSeries, 'points'>[] = [
  { name: 'one busy VF', short: 'one VF', target: 'one', traffic: NO_TRAFFIC },
  { name: 'all VFs in turn', short: 'all VFs', target: 'all', traffic: NO_TRAFFIC },
  { name: 'one busy VF, the last one sends 1514-byte frames', short: 'one VF, frames', target: 'one', traffic: LARGE },
  {
    name: 'all VFs in turn, the last one sends 1514-byte frames',
    short: 'all VFs, frames',
    target: 'all',
    traffic: LARGE,
  },
];

export function measureInFlight(
  card: TimingChoice,
  series: Omit<InFlightSeries, 'points'>,
  inFlight: number,
  commands: number,
  random: Random,
): LoopResult {
  const machine = new Machine({
    traceAdmin: true,
    totalVfs: VFS,
    ...card,
    withoutFeatures: series.layout === 'direct' ? [VIRTIO_F_INDIRECT_DESC] : [],
  });
  const traffic = startTraffic(machine, VFS, series.traffic, random);
  return measureLoop(machine, { inFlight, commands, nextMember: membersInTurn(VFS, random), traffic });
}

export function measureVfs(
  card: TimingChoice,
  series: Omit<VfSeries, 'points'>,
  vfs: number,
  commands: number,
  random: Random,
): VfPoint {
  const windowBytes = 2 * DRIVER_MEMORY_BYTES;
  const machine = new Machine({ traceAdmin: true, totalVfs: vfs, windowBytes, ...card });
  const traffic = startTraffic(machine, vfs, series.traffic, random);
  const plan = { commands, nextMember: membersInTurn(series.target === 'all' ? vfs : 1, random), traffic };
  const alone = measureLoop(machine, { ...plan, inFlight: 1 });
  return { vfs, alone, together: measureLoop(machine, { ...plan, inFlight: VF_SWEEP_IN_FLIGHT }) };
}

function startTraffic(machine: Machine, vf: number, shape: TrafficShape, random: Random): DataTraffic | null {
  return shape.senders === 0 ? null : new DataTraffic(machine, vf, shape, random);
}
