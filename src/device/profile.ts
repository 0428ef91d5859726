// SPDX-License-Identifier: Apache-2.0
// Timing profiles: every cost of the core by name, with unit, default and source. The core counts in cycles of its
// clock; values in ns are converted once, when the card is created. docs/timing_model.md is the long form.
import * as P from '../../assembly/abi/timing_param.ts';
import { NicError } from '../util/errors.ts';

/** Unit of a profile parameter; `Gb/s` is turned into cycles for each byte. */
export type ProfileUnit = 'ns' | 'ps' | 'Gb/s' | 'bytes' | 'count';

/** One parameter of a timing profile. */
export interface ProfileParameter {
  readonly name: string;
  readonly unit: ProfileUnit;
  readonly value: number;
  /** Where the value comes from; ASSUMPTION where nothing is published. */
  readonly source: string;
}

interface Row extends ProfileParameter {
  readonly index: number;
  readonly min: number;
  readonly max: number;
}

function row(
  index: number,
  name: string,
  unit: ProfileUnit,
  value: number,
  source: string,
  max: number = LONGEST_NS,
  min = 0,
): Row {
  return { index, name, unit, value, source, min, max };
}

/** Latencies are bounded, because what is under way at a time is. */
const LONGEST_NS = 100_000;

const MEASURED = 'pcie-bench, Broadwell: read 543 ns + 0.292 ns a byte';

/**
 * The `simple` profile: a link of constant latency and bandwidth, shaped after a Gen3 x8 card at 250 MHz. A DMA read
 * costs 2 x 220 (link) + 50 (host) + 53 (engine) = 543 ns and its bytes; a register read 2 x 220 + 150 + 150 = 740 ns.
 */
const ROWS: readonly Row[] = [
  row(P.P_CLOCK_PS, 'clock.period_ps', 'ps', 4000, 'ASSUMPTION: 250 MHz, a common clock of FPGA cards', 1_000_000, 100),
  row(
    P.P_LINK_UP_LATENCY,
    'link.up_latency_ns',
    'ns',
    220,
    `half of a direct read of 490 ns less the host's 50; ${MEASURED}`,
  ),
  row(P.P_LINK_DOWN_LATENCY, 'link.down_latency_ns', 'ns', 220, 'as up'),
  row(P.P_LINK_UP_BYTE_COST, 'link.up_rate_gbps', 'Gb/s', 57.88, 'Gen3 x8, MPS 256, TLP level', 10_000, 0.001),
  row(P.P_LINK_DOWN_BYTE_COST, 'link.down_rate_gbps', 'Gb/s', 57.88, 'as up', 10_000, 0.001),
  row(P.P_TLP_MEM_BYTES, 'link.memory_tlp_bytes', 'bytes', 24, 'framing 8, 4 DW header 16 (PCIe Gen3)', 64),
  row(
    P.P_TLP_MSI_BYTES,
    'link.msi_tlp_bytes',
    'bytes',
    20,
    'framing 8, 3 DW header 12: MSI-X targets lie below 4 GiB',
    64,
  ),
  row(P.P_TLP_CPL_BYTES, 'link.completion_tlp_bytes', 'bytes', 20, 'framing 8, 3 DW header 12', 64),
  row(P.P_MPS, 'link.mps_bytes', 'bytes', 256, 'typical server', 4096, 128),
  row(P.P_MRRS, 'link.mrrs_bytes', 'bytes', 512, 'typical server', 4096, 128),
  row(P.P_RCB, 'link.completion_bytes', 'bytes', 256, 'completions cut at MPS', 4096, 64),
  row(P.P_HOST_READ, 'host.read_latency_ns', 'ns', 50, `so that a DMA read starts at 543 ns; ${MEASURED}`),
  row(
    P.P_COMPLETER,
    'completer.decode_ns',
    'ns',
    150,
    'ASSUMPTION: with register access brings an MMIO read to 740 ns (Tenstorrent p150a: 741)',
  ),
  row(P.P_REGISTER, 'completer.register_ns', 'ns', 150, 'ASSUMPTION: as above'),
  row(P.P_CONFIG_ACCESS, 'completer.config_ns', 'ns', 150, 'ASSUMPTION: as a register'),
  row(P.P_DOORBELL, 'doorbell.decode_ns', 'ns', 16, 'ASSUMPTION: 4 cycles at 250 MHz'),
  row(P.P_SCHEDULER, 'scheduler.pick_ns', 'ns', 8, 'ASSUMPTION: 2 cycles'),
  row(P.P_DMA_ENGINE, 'dma.setup_ns', 'ns', 53, 'pcie-bench: DMA less direct read at 64 bytes'),
  row(P.P_DESCRIPTOR, 'descriptor.decode_ns', 'ns', 4, 'ASSUMPTION: one a cycle'),
  row(P.P_ADMIN_DECODE, 'admin.decode_ns', 'ns', 20, 'ASSUMPTION: 5 cycles'),
  row(P.P_ADMIN_LIST, 'admin.list_ns', 'ns', 100, 'ASSUMPTION: in hardware; a firmware takes microseconds'),
  row(P.P_ADMIN_LEGACY_READ, 'admin.legacy_read_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.P_ADMIN_LEGACY_WRITE, 'admin.legacy_write_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.P_ADMIN_NOTIFY_INFO, 'admin.notify_info_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.P_TX, 'net.transmit_ns', 'ns', 8, 'ASSUMPTION: 2 cycles'),
  row(P.P_RX, 'net.receive_ns', 'ns', 8, 'ASSUMPTION: 2 cycles'),
  row(P.P_CTRL, 'net.control_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.P_SWITCH, 'switch.latency_ns', 'ns', 200, 'ASSUMPTION: table look-up and store of a small frame'),
  row(P.P_WRITEBACK, 'writeback.assemble_ns', 'ns', 8, 'ASSUMPTION: 2 cycles'),
  row(P.P_MSIX, 'msix.lookup_ns', 'ns', 8, 'ASSUMPTION: 2 cycles'),
  row(P.P_WIRE_BYTE_COST, 'wire.rate_gbps', 'Gb/s', 25, '25GBASE-R', 10_000, 0.001),
  row(P.P_WIRE_LATENCY, 'wire.latency_ns', 'ns', 40, 'ASSUMPTION: MAC and PHY'),
  row(P.P_QUEUE_JOBS, 'queue.jobs', 'count', 4, 'ASSUMPTION: chains of one queue in work', 32, 1),
  row(P.P_DESCRIPTOR_BLOCK, 'descriptor.block', 'count', 4, 'four descriptors fill 64 bytes', 16, 1),
];

/** Overrides of profile parameters, by name. */
export type ProfileOverrides = Readonly<Record<string, number>>;

/** How the card treats time. */
export type NicMode = 'timed' | 'functional';

/** A profile made ready: values by name, and the words for the core. */
export interface ResolvedProfile {
  readonly name: string;
  readonly mode: NicMode;
  /** Length of a core cycle in picoseconds. */
  readonly clockPs: number;
  readonly values: ReadonlyMap<string, number>;
  readonly words: ReadonlyMap<number, number>;
}

/** The parameters with their defaults and sources, in the order of docs/timing_model.md. */
export function profileParameters(): readonly ProfileParameter[] {
  return ROWS;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}

function wordOf(parameter: Row, value: number, clockPs: number): number {
  if (parameter.unit === 'ns') return Math.round((value * 1000) / clockPs);
  // Gb/s -> cycles << 16 for each byte: 8 bits / rate = ns a byte
  if (parameter.unit === 'Gb/s') return Math.max(1, Math.round(((8 / value) * 1000 * 65536) / clockPs));
  return value;
}

/** Checks overrides and computes the core's words. Throws NicError PROFILE that names every bad one. */
export function resolveProfile(mode: NicMode, overrides: ProfileOverrides = {}): ResolvedProfile {
  const problems: string[] = [];
  const known = new Map(ROWS.map((parameter) => [parameter.name, parameter]));
  for (const [name, value] of Object.entries(overrides)) {
    const parameter = known.get(name);
    if (parameter === undefined) {
      problems.push(`${name} is no parameter of a profile`);
    } else if (!Number.isFinite(value) || value < parameter.min || value > parameter.max) {
      problems.push(`${name} = ${value} is outside ${parameter.min}..${parameter.max} ${parameter.unit}`);
    } else if (parameter.unit !== 'ns' && parameter.unit !== 'Gb/s' && !Number.isInteger(value)) {
      problems.push(`${name} = ${value} is not a whole number`);
    } else if ((parameter.unit === 'bytes' && parameter.min > 0) || name === 'descriptor.block') {
      if (!isPowerOfTwo(value)) problems.push(`${name} = ${value} is not a power of two`);
    }
  }
  if (problems.length > 0) throw new NicError('PROFILE', `timing profile: ${problems.join('; ')}`);
  const values = new Map<string, number>();
  const words = new Map<number, number>();
  for (const parameter of ROWS) values.set(parameter.name, overrides[parameter.name] ?? parameter.value);
  const clockPs = values.get('clock.period_ps')!;
  for (const parameter of ROWS) words.set(parameter.index, wordOf(parameter, values.get(parameter.name)!, clockPs));
  words.set(P.P_FUNCTIONAL, mode === 'functional' ? 1 : 0);
  return { name: 'simple', mode, clockPs, values, words };
}
