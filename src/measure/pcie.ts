// SPDX-License-Identifier: Apache-2.0
// Rates on the card's port: transfers are simulated one by one by the traffic generator, and beside each rate stands the
// closed formula of a link that does nothing else (pcie-model, the repository behind "Understanding PCIe performance for
// end host networking"). Without a profile the link alone is measured: tags, credits and room without end, no latencies.
import { enumerate } from '../device/bus.ts';
import { generateTraffic, type GeneratorOperation } from '../device/generator.ts';
import { linkGbps } from '../device/link_rate.ts';
import { createNic } from '../device/nic.ts';
import { linkShape, resolveProfile, type ProfileOverrides } from '../device/profile.ts';
import type { StepHandler } from './steps.ts';

export const PCIE_SCHEMA = 'virtfn.bench.pcie/1';

/** What is measured: all combinations of operations and sizes. */
export interface PcieBenchOptions {
  readonly operations: readonly GeneratorOperation[];
  /** Bytes of an operation, each 1..4096. */
  readonly bytes: readonly number[];
  /** Changes of the profile: link.generation, link.lanes and so on. */
  readonly set: ProfileOverrides;
  /** Profile whose tags, credits and latencies count. Default: the link alone. */
  readonly profileName?: string | undefined;
}

/** One rate. Gb/s count the bytes of the operations, in one direction. */
export interface PcieRow {
  readonly gen: number;
  readonly lanes: number;
  readonly mps: number;
  readonly mrrs: number;
  readonly op: GeneratorOperation;
  readonly bytes: number;
  readonly gbps: number;
  readonly formulaGbps: number;
  /** Rate of the link after its coding, and what ACKs, UpdateFCs and skip ordered sets leave of it. */
  readonly rawGbps: number;
  readonly tlpGbps: number;
}

/** Nothing but the link: what could bind besides it is lifted, and no time passes beside it. */
const LINK_ALONE: ProfileOverrides = {
  'clock.period_ps': 500, // steps of the generator that cost nothing against the fastest link
  'link.tags': 4096,
  'link.up_latency_ns': 0,
  'link.down_latency_ns': 0,
  'credit.host_ph': 0,
  'credit.host_pd': 0,
  'credit.host_nph': 0,
  'credit.host_npd': 0,
  'credit.card_ph': 0,
  'credit.card_pd': 0,
  'credit.card_nph': 0,
  'credit.card_npd': 0,
  'completion.headers': 0,
  'completion.data': 0,
  'completer.decode_ns': 0,
  'completer.interval_ns': 0,
  'dma.setup_ns': 0,
  'dma.read_interval_ns': 0,
  'dma.write_interval_ns': 0,
  'host.mmio_ns': 0,
  'host.read_latency_ns': 0,
  'host.write_latency_ns': 0,
};

/** Operations under way: enough for the link alone, and for any latency of a profile. */
const OUTSTANDING_ALONE = 256;
const OUTSTANDING = 2048;
const OPERATIONS = 16_384;
const MPS_MAX = 4096;

function overridesOf({ set, profileName }: PcieBenchOptions): ProfileOverrides {
  const mps = set['link.mps_bytes'];
  // an MPS that cannot be is wrong by itself, not by what follows from it
  const isMps = mps !== undefined && mps <= MPS_MAX && Number.isInteger(Math.log2(mps));
  const cut = isMps ? { 'link.completion_bytes': mps } : {};
  return { ...(profileName === undefined ? LINK_ALONE : {}), ...cut, ...set };
}

/** Measures. Throws NicError PROFILE or GENERATOR for values that cannot be. */
export function runPcieBench(options: PcieBenchOptions, onStep: StepHandler = () => {}): PcieRow[] {
  const set = overridesOf(options);
  const { values } = resolveProfile('timed', set, options.profileName);
  const value = (name: string): number => values.get(name)!;
  const { raw, tlp } = linkGbps(linkShape(values));
  const rows: PcieRow[] = [];
  const total = options.operations.length * options.bytes.length;
  for (const op of options.operations) {
    for (const bytes of options.bytes) {
      const [mps, mrrs] = [value('link.mps_bytes'), value('link.mrrs_bytes')];
      const { up, down } = bytesOnTheLink(op, bytes, {
        mps,
        mrrs,
        completion: value('link.completion_bytes'),
        framing: (value('link.generation') >= 6 ? 0 : 8) + 4 * value('link.ecrc'),
      });
      rows.push({
        gen: value('link.generation'),
        lanes: value('link.lanes'),
        mps,
        mrrs,
        op,
        bytes,
        gbps: rounded(measure(op, bytes, set, options.profileName)),
        formulaGbps: rounded((tlp * bytes) / Math.max(up, down)),
        rawGbps: rounded(raw),
        tlpGbps: rounded(tlp),
      });
      onStep(rows.length, total);
    }
  }
  return rows;
}

/** Gb/s of one operation, simulated on a card of its own. */
function measure(op: GeneratorOperation, bytes: number, profile: ProfileOverrides, profileName?: string): number {
  const nic = createNic({ totalVfs: 1, profile, ...(profileName === undefined ? {} : { profileName }) });
  enumerate(nic);
  const outstanding = profileName === undefined ? OUTSTANDING_ALONE : OUTSTANDING;
  // operations go in waves of as many as are under way: whole waves are measured
  const { operations, cycles } = generateTraffic(nic, {
    operation: op,
    bytes,
    operations: OPERATIONS,
    warmup: OPERATIONS / 4,
    outstanding,
    windowBytes: 65_536,
  });
  return (operations * bytes * 8 * 1000) / nic.toPs(cycles);
}

function rounded(gbps: number): number {
  return Number(gbps.toPrecision(7));
}

interface Cuts {
  readonly mps: number;
  readonly mrrs: number;
  readonly completion: number;
  /** Bytes of a TLP beside header and data. */
  readonly framing: number;
}

/** Bytes that an operation puts on the link in each direction, with 64-bit addresses. */
function bytesOnTheLink(
  op: GeneratorOperation,
  bytes: number,
  { mps, mrrs, completion, framing }: Cuts,
): { up: number; down: number } {
  const request = framing + 16;
  const answer = framing + 12;
  const write = (size: number): number => size + Math.ceil(size / mps) * request;
  const read = (size: number): number => Math.ceil(size / mrrs) * request;
  const completed = (size: number): number => {
    const whole = Math.floor(size / mrrs) * Math.ceil(mrrs / completion);
    return size + (whole + Math.ceil((size % mrrs) / completion)) * answer;
  };
  switch (op) {
    case 'write':
      return { up: write(bytes), down: 0 };
    case 'read':
      return { up: read(bytes), down: completed(bytes) };
    case 'simplenic':
      // A frame sent and a frame received: two doorbells, the two descriptors, the frames, a descriptor written back, two
      // interrupts, two reads of a pointer. One request fetches both descriptors: pcie-model's sum has no second one either,
      // and its published rates are those without.
      return {
        up: read(32) + read(bytes) + write(bytes) + write(16) + 2 * write(4) + 2 * (4 + answer),
        down: 2 * (4 + request) + 2 * request + completed(32) + completed(bytes),
      };
    default:
      return { up: read(bytes) + write(bytes), down: completed(bytes) };
  }
}
