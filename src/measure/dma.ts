// SPDX-License-Identifier: Apache-2.0
// DMA latency as pcie-bench measures it: one operation at a time in a small window of host memory, many samples; or, with
// everything outstanding that the card can have, the rate.
import { enumerate } from '../device/bus.ts';
import { generateTraffic, type GeneratorOperation } from '../device/generator.ts';
import { createNic, type Nic } from '../device/nic.ts';
import type { ProfileOverrides } from '../device/profile.ts';
import type { StepHandler } from './steps.ts';

export const DMA_SCHEMA = 'virtfn.bench.dma/1';

/** The profile that is fitted to pcie-bench's measurements. */
export const DMA_PROFILE = 'nfp6000-gen3x8';

export interface DmaBenchOptions {
  readonly operation: Extract<GeneratorOperation, 'read' | 'write' | 'write-read'>;
  /** Bytes of an operation, each 1..4096. */
  readonly bytes: readonly number[];
  readonly set: ProfileOverrides;
  readonly profileName: string;
  /** Bytes of host memory used, a power of two. */
  readonly windowBytes: number;
  readonly isRandom: boolean;
  /** Operations measured, up to 65,536. */
  readonly samples: number;
  /** Measure the rate instead: everything outstanding. */
  readonly isRate: boolean;
}

/** One size. Times are simulated. */
export interface DmaRow {
  readonly op: string;
  readonly bytes: number;
  readonly minNs: number;
  readonly medianNs: number;
  readonly p95Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
  /** Rate in Gb/s, with --rate; latencies are then those under load. */
  readonly gbps?: number;
}

const OUTSTANDING = 2048;

/** Measures each size on a card of its own. Throws NicError PROFILE or GENERATOR for values that cannot be. */
export function runDmaBench(options: DmaBenchOptions, onStep: StepHandler = () => {}): DmaRow[] {
  const { bytes, set, profileName } = options;
  return bytes.map((size, i) => {
    const nic = createNic({ totalVfs: 1, profile: set, profileName });
    enumerate(nic);
    const row = measure(nic, size, options);
    onStep(i + 1, bytes.length);
    return row;
  });
}

function measure(nic: Nic, bytes: number, options: DmaBenchOptions): DmaRow {
  const { operation, samples, windowBytes, isRandom, isRate } = options;
  const { operations, cycles, latencyCycles } = generateTraffic(nic, {
    operation,
    bytes,
    operations: samples,
    warmup: isRate ? Math.ceil(samples / 4) : 0,
    outstanding: isRate ? OUTSTANDING : 1,
    windowBytes,
    isRandom,
  });
  const sorted = latencyCycles.toSorted();
  const at = (share: number): number =>
    nic.toPs(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!) / 1000;
  const row = {
    op: operation,
    bytes,
    minNs: at(0),
    medianNs: at(0.5),
    p95Ns: at(0.95),
    p999Ns: at(0.999),
    maxNs: at(1),
  };
  return isRate ? { ...row, gbps: Number(((operations * bytes * 8 * 1000) / nic.toPs(cycles)).toPrecision(6)) } : row;
}
