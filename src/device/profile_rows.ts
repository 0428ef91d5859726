// SPDX-License-Identifier: Apache-2.0
// The parameters of a timing profile: name, unit, range, default, and where the default comes from. docs/timing_model.md
// is the long form; what is derived from several of them (the rate of the link) is in link_rate.ts.
import * as P from '../../assembly/abi/timing_param.ts';
import { ENGINES_MAX, TAGS_MAX, WALKERS_MAX } from '../../assembly/abi/state_map.ts';

/** Unit of a profile parameter. `Gb/s` is turned into cycles for each byte. */
export type ProfileUnit = 'ns' | 'ps' | 'Gb/s' | 'bytes' | 'count' | 'switch';

/** One parameter of a timing profile. */
export interface ProfileParameter {
  readonly name: string;
  readonly unit: ProfileUnit;
  readonly value: number;
  /** Where the value comes from; ASSUMPTION where nothing is published. */
  readonly source: string;
}

/** A parameter with its range, and its place in the core if it goes there as it is. */
export interface ProfileRow extends ProfileParameter {
  readonly min: number;
  readonly max: number;
  readonly isPowerOfTwo: boolean;
  /** Index of its word, P_*; null for what only enters the calculation of others. */
  readonly index: number | null;
}

interface Limits {
  readonly min?: number;
  readonly max?: number;
  readonly isPowerOfTwo?: boolean;
}

/** Latencies are bounded, because what is under way at a time is. */
const LONGEST_NS = 100_000;
/** Tails and the completion time-out may be longer: they do not pile up. */
const LONGEST_WAIT_NS = 100_000_000;

function row(
  index: number | null,
  name: string,
  unit: ProfileUnit,
  value: number,
  source: string,
  { min = 0, max, isPowerOfTwo = false }: Limits = {},
): ProfileRow {
  const most = max ?? (unit === 'switch' ? 1 : unit === 'Gb/s' ? 10_000 : LONGEST_NS);
  return { index, name, unit, value, source, min, max: most, isPowerOfTwo };
}

const BYTES = { isPowerOfTwo: true, min: 64, max: 4096 };
const CREDITS = { max: 4000 };
const ENGINES = { min: 1, max: ENGINES_MAX };
const WAIT = { max: LONGEST_WAIT_NS };
const TABLE_SIZE = { isPowerOfTwo: true };

const SPECIFICATION = 'PCIe 6.0';
const COCOTB = 'cocotbext-pcie, default of a device';
const PCIE_BENCH = 'pcie-bench, NFP-6000';
const CYCLES = (count: number): string => `ASSUMPTION: ${count} cycle${count > 1 ? 's' : ''} at 250 MHz`;

/** Every parameter, in the order of docs/timing_model.md. The defaults are those of the profile fpga-gen3x8-250mhz. */
export const PROFILE_ROWS: readonly ProfileRow[] = [
  row(P.CLOCK_PS, 'clock.period_ps', 'ps', 4000, 'ASSUMPTION: 250 MHz, a common clock of FPGA cards', {
    min: 100,
    max: 1_000_000,
  }),

  row(P.LINK_GENERATION, 'link.generation', 'count', 3, 'Gen3; 1..6, or 0 for a wire of link.rate_gbps', { max: 6 }),
  row(P.LINK_LANES, 'link.lanes', 'count', 8, 'x8', { min: 1, max: 32, isPowerOfTwo: true }),
  row(null, 'link.rate_gbps', 'Gb/s', 57.88, 'used with link.generation 0: TLP level of Gen3 x8, MPS 256', {
    min: 0.001,
  }),
  row(null, 'link.dllps', 'switch', 1, `${SPECIFICATION} §3.6.3.1, §2.6.1.2: ACK and UpdateFC take their share`),
  row(null, 'link.ecrc', 'switch', 0, 'TLP digest of 4 bytes, seldom used'),
  row(P.UP_LATENCY, 'link.up_latency_ns', 'ns', 105, 'ASSUMPTION: physical, link and transaction layers of both ends'),
  row(P.DOWN_LATENCY, 'link.down_latency_ns', 'ns', 105, 'ASSUMPTION: as up'),
  row(P.MPS, 'link.mps_bytes', 'bytes', 256, 'typical server', { ...BYTES, min: 128 }),
  row(P.MRRS, 'link.mrrs_bytes', 'bytes', 512, 'typical server', { ...BYTES, min: 128 }),
  row(P.RCB, 'link.rcb_bytes', 'bytes', 64, `${SPECIFICATION} §2.3.1.1: 64 on root complexes`, {
    ...BYTES,
    max: 128,
  }),
  row(P.CPL_BYTES, 'link.completion_bytes', 'bytes', 256, 'completions as long as MPS allows', BYTES),
  row(P.TAGS, 'link.tags', 'count', 256, `${SPECIFICATION} §2.2.6.2: extended tags`, { min: 1, max: TAGS_MAX }),
  row(
    P.CPL_TIMEOUT,
    'link.completion_timeout_ns',
    'ns',
    10_000_000,
    `${SPECIFICATION} §2.8: 50 us to 50 ms by default`,
    {
      ...WAIT,
      min: 1000,
    },
  ),

  row(P.UP_PH, 'credit.host_ph', 'count', 64, `ASSUMPTION: as ${COCOTB}; 0: infinite`, CREDITS),
  row(P.UP_PD, 'credit.host_pd', 'count', 1024, 'ASSUMPTION: likewise, 16 bytes each', CREDITS),
  row(P.UP_NPH, 'credit.host_nph', 'count', 64, 'ASSUMPTION: likewise', CREDITS),
  row(P.UP_NPD, 'credit.host_npd', 'count', 64, 'ASSUMPTION: likewise', CREDITS),
  row(P.UP_CPLH, 'credit.host_cplh', 'count', 0, `${SPECIFICATION} §2.6.1: infinite without peer-to-peer`, CREDITS),
  row(P.UP_CPLD, 'credit.host_cpld', 'count', 0, 'likewise', CREDITS),
  row(P.DOWN_PH, 'credit.card_ph', 'count', 64, COCOTB, CREDITS),
  row(P.DOWN_PD, 'credit.card_pd', 'count', 1024, COCOTB, CREDITS),
  row(P.DOWN_NPH, 'credit.card_nph', 'count', 64, COCOTB, CREDITS),
  row(P.DOWN_NPD, 'credit.card_npd', 'count', 64, COCOTB, CREDITS),
  row(P.FC_INTERVAL, 'credit.update_ns', 'ns', 206, `${SPECIFICATION} §2.6.1.2: 203 symbol times for Gen3 x8, MPS 256`),
  row(P.CPL_HEADERS, 'completion.headers', 'count', 1024, 'ASSUMPTION: 64 KiB in completions of 64 bytes', {
    max: 65535,
  }),
  row(P.CPL_DATA, 'completion.data', 'count', 4096, 'ASSUMPTION: 64 KiB, 16 bytes each', { max: 65535 }),

  row(null, 'host.read_latency_ns', 'ns', 280, `so that a DMA read starts at 543 ns; ${PCIE_BENCH}, Broadwell`),
  row(
    P.HOST_MMIO,
    'host.mmio_ns',
    'ns',
    115,
    'ASSUMPTION: core to root complex, so that an MMIO read takes 740 ns (Tenstorrent p150a: 741)',
  ),
  row(P.HOST_WRITE, 'host.write_latency_ns', 'ns', 115, 'ASSUMPTION: root complex to core, as the other way'),
  row(P.HOST_INTERRUPT, 'host.interrupt_ns', 'ns', 0, 'outside of the card; nothing vetted is published'),
  row(null, 'host.cold', 'switch', 0, 'data in the cache, by DDIO'),
  row(null, 'host.cold_ns', 'ns', 67, `${PCIE_BENCH}, Sandy Bridge: 413 against 480 ns`),
  row(null, 'host.remote', 'switch', 0, 'memory of the local node'),
  row(null, 'host.remote_ns', 'ns', 107, `${PCIE_BENCH}, Broadwell: 546 against 653 ns`),
  row(P.EXTRA_P50, 'host.extra_p50_ns', 'ns', 0, 'no tail', WAIT),
  row(P.EXTRA_P95, 'host.extra_p95_ns', 'ns', 0, 'no tail', WAIT),
  row(P.EXTRA_P99, 'host.extra_p99_ns', 'ns', 0, 'no tail', WAIT),
  row(P.EXTRA_P999, 'host.extra_p999_ns', 'ns', 0, 'no tail', WAIT),
  row(P.EXTRA_MAX, 'host.extra_max_ns', 'ns', 0, 'no tail', WAIT),
  row(P.SEED, 'host.seed', 'count', 1, 'of the random latencies', { max: 0xffffffff }),

  row(null, 'iommu.entries', 'count', 0, 'no IOMMU in the way; 64 is what pcie-bench sees', {
    ...TABLE_SIZE,
    max: 4096,
  }),
  row(null, 'iommu.ways', 'count', 8, 'ASSUMPTION', { ...TABLE_SIZE, min: 1, max: 64 }),
  row(null, 'iommu.page_bytes', 'bytes', 4096, 'pages of 4 KiB', { ...TABLE_SIZE, min: 4096, max: 2 ** 30 }),
  row(P.IOTLB_WALK, 'iommu.walk_ns', 'ns', 280, `${PCIE_BENCH}, Broadwell: 480 against 760 ns`),
  row(P.IOTLB_WALKER, 'iommu.walker_ns', 'ns', 312, `${PCIE_BENCH}: 19.2 M misses/s with 6 walkers`),
  row(P.IOTLB_WALKERS, 'iommu.walkers', 'count', 6, `${PCIE_BENCH}: 5 or 6 walks at a time`, {
    min: 1,
    max: WALKERS_MAX,
  }),

  row(P.COMPLETER, 'completer.decode_ns', 'ns', 150, 'ASSUMPTION: with host.mmio_ns an MMIO read of 740 ns'),
  row(P.COMPLETER_INTERVAL, 'completer.interval_ns', 'ns', 4, CYCLES(1)),
  row(P.REGISTER, 'completer.register_ns', 'ns', 150, 'ASSUMPTION: as above'),
  row(P.CONFIG_ACCESS, 'completer.config_ns', 'ns', 150, 'ASSUMPTION: as a register'),

  row(P.DMA_SETUP, 'dma.setup_ns', 'ns', 53, `${PCIE_BENCH}: DMA less direct read at 64 bytes`),
  row(P.DMA_READ_INTERVAL, 'dma.read_interval_ns', 'ns', 4, CYCLES(1)),
  row(P.DMA_WRITE_INTERVAL, 'dma.write_interval_ns', 'ns', 4, CYCLES(1)),
  row(null, 'dma.copy_gbps', 'Gb/s', 0, 'cut through; 0: data is not stored once more'),
  row(P.DMA_READ_ENGINES, 'dma.read_engines', 'count', 1, 'ASSUMPTION', ENGINES),
  row(P.DMA_WRITE_ENGINES, 'dma.write_engines', 'count', 1, 'ASSUMPTION', ENGINES),

  row(P.DOORBELL, 'doorbell.decode_ns', 'ns', 16, CYCLES(4)),
  row(P.SCHEDULER, 'scheduler.pick_ns', 'ns', 8, CYCLES(2)),
  row(P.QUEUE_JOBS, 'queue.jobs', 'count', 4, 'ASSUMPTION: chains of one queue in work', { min: 1, max: 32 }),
  row(P.FETCH_LINE, 'fetch.line', 'switch', 0, 'the index is read alone'),
  row(P.FETCH_PACKED_LINES, 'fetch.packed_lines', 'count', 1, 'ASSUMPTION: a line at a time', { min: 1, max: 4 }),
  row(P.DESCRIPTOR_BLOCK, 'descriptor.block', 'count', 4, 'four descriptors fill 64 bytes', {
    ...TABLE_SIZE,
    min: 1,
    max: 16,
  }),
  row(P.DESCRIPTOR, 'descriptor.decode_ns', 'ns', 4, CYCLES(1)),
  row(P.ADMIN_DECODE, 'admin.decode_ns', 'ns', 20, CYCLES(5)),
  row(P.ADMIN_LIST, 'admin.list_ns', 'ns', 100, 'ASSUMPTION: in hardware; a firmware takes microseconds'),
  row(P.ADMIN_LEGACY_READ, 'admin.legacy_read_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.ADMIN_LEGACY_WRITE, 'admin.legacy_write_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.ADMIN_NOTIFY_INFO, 'admin.notify_info_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.ADMIN_ENGINES, 'admin.engines', 'count', 1, 'ASSUMPTION', ENGINES),
  row(P.TX, 'net.transmit_ns', 'ns', 8, CYCLES(2)),
  row(P.TX_ENGINES, 'net.transmit_engines', 'count', 2, 'ASSUMPTION', ENGINES),
  row(P.RX, 'net.receive_ns', 'ns', 8, CYCLES(2)),
  row(P.RX_ENGINES, 'net.receive_engines', 'count', 2, 'ASSUMPTION', ENGINES),
  row(P.CTRL, 'net.control_ns', 'ns', 100, 'ASSUMPTION'),
  row(P.CTRL_ENGINES, 'net.control_engines', 'count', 1, 'ASSUMPTION', ENGINES),
  row(P.SWITCH, 'switch.latency_ns', 'ns', 200, 'ASSUMPTION: table look-up and store of a small frame'),
  row(P.WRITEBACK, 'writeback.assemble_ns', 'ns', 8, CYCLES(2)),
  row(P.MSIX, 'msix.lookup_ns', 'ns', 8, CYCLES(2)),
  row(P.WIRE_BYTE_COST, 'wire.rate_gbps', 'Gb/s', 25, '25GBASE-R', { min: 0.001 }),
  row(P.WIRE_LATENCY, 'wire.latency_ns', 'ns', 40, 'ASSUMPTION: MAC and PHY'),
];
