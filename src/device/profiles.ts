// SPDX-License-Identifier: Apache-2.0
// The named timing profiles: what each changes of the defaults in profile_rows.ts, with the source of every value.

/** A named set of parameter values. */
export interface NamedProfile {
  readonly name: string;
  readonly summary: string;
  /** Value and source, by parameter. */
  readonly values: Readonly<Record<string, readonly [value: number, source: string]>>;
}

/** The profile of a card that asks for none. */
export const DEFAULT_PROFILE = 'fpga-gen3x8-250mhz';

const BROADWELL = 'pcie-bench, NFP-6000, Xeon E5-2630 v4';
const E3 = 'pcie-bench, NFP-6000, Xeon E3-1226 v3';
const FIRMWARE = 'ASSUMPTION: a processor of some 100 MHz runs the command';

/** The card of pcie-bench, as far as a DMA benchmark sees it. */
const NFP6000: NamedProfile['values'] = {
  'clock.period_ps': [833, 'NFP-6000: 1.2 GHz'],
  'link.tags': [32, `${BROADWELL}: 64 B reads at 31.9 Gb/s are bound by 32 tags`],
  'dma.copy_gbps': [52.6, `${BROADWELL}: 0.292 ns a byte, of which the link takes 0.137`],
  'dma.read_interval_ns': [8, 'ASSUMPTION: less than the 11.6 ns a 64 B read takes on the link'],
  'dma.write_interval_ns': [21.1, `${BROADWELL}: 47.4 M writes/s whatever their size`],
  'host.read_latency_ns': [255, `${BROADWELL}: shortest read of 8 B 520 ns`],
  'host.write_latency_ns': [235, `${BROADWELL}: write then read of 64 B 773 ns`],
  'host.extra_p50_ns': [20, `${BROADWELL}: median less minimum`],
  'host.extra_p95_ns': [34, `${BROADWELL}: 560 ns`],
  'host.extra_p99_ns': [45, `${BROADWELL}: between its neighbours`],
  'host.extra_p999_ns': [60, `${BROADWELL}: 586 ns`],
  'host.extra_max_ns': [90, `${BROADWELL}: 613 ns`],
};

/** Every profile, the default first. */
export const PROFILES: readonly NamedProfile[] = [
  {
    name: DEFAULT_PROFILE,
    summary: 'An FPGA card at 250 MHz behind PCIe Gen3 x8, in a server of the Broadwell years',
    values: {},
  },
  {
    name: 'nfp6000-gen3x8',
    summary: 'The NFP-6000 of pcie-bench in a Broadwell server, fitted to its published DMA measurements',
    values: NFP6000,
  },
  {
    name: 'nfp6000-e3',
    summary: 'The same card in a host with long tails: Xeon E3-1226 v3, whose reads take up to 4.8 ms',
    values: {
      ...NFP6000,
      'host.read_latency_ns': [73, `${E3}: shortest read of 64 B 360 ns`],
      'host.extra_p50_ns': [93, `${E3}: median 453 ns`],
      'host.extra_p95_ns': [2293, `${E3}: 2,653 ns`],
      'host.extra_p99_ns': [50_000, 'ASSUMPTION: between its neighbours'],
      'host.extra_p999_ns': [2_000_000, `${E3}: 2.0 ms`],
      'host.extra_max_ns': [4_800_000, `${E3}: 4.8 ms`],
    },
  },
  {
    name: 'asic-gen5x16-1ghz',
    summary: 'An ASIC at 1 GHz behind PCIe Gen5 x16, with every engine twice',
    values: {
      'clock.period_ps': [1000, 'ASSUMPTION: 1 GHz'],
      'link.generation': [5, 'Gen5'],
      'link.lanes': [16, 'x16'],
      'link.mps_bytes': [512, 'the Gen5 card of facts: Tenstorrent p150a, MPS 512'],
      'link.mrrs_bytes': [4096, 'likewise, MRRS 4096'],
      'link.completion_bytes': [512, 'completions as long as MPS allows'],
      'link.up_latency_ns': [85, 'ASSUMPTION: layers in fewer nanoseconds than an FPGA takes'],
      'link.down_latency_ns': [85, 'ASSUMPTION: as up'],
      'link.tags': [768, 'PCIe 6.0 §2.2.6.2: 10-bit tags'],
      'credit.update_ns': [46, 'PCIe 6.0 §2.6.1.2: 182 symbol times for Gen5 x16, MPS 512'],
      'credit.host_ph': [256, 'ASSUMPTION: scaled flow control'],
      'credit.host_pd': [4000, 'ASSUMPTION: likewise'],
      'credit.host_nph': [512, 'ASSUMPTION: likewise'],
      'credit.card_ph': [256, 'ASSUMPTION: likewise'],
      'completion.headers': [4096, 'ASSUMPTION: 256 KiB in completions of 64 bytes'],
      'completion.data': [16_384, 'ASSUMPTION: 256 KiB'],
      'completer.decode_ns': [40, 'ASSUMPTION: 40 cycles'],
      'completer.interval_ns': [1, 'ASSUMPTION: 1 cycle'],
      'completer.register_ns': [20, 'ASSUMPTION: 20 cycles'],
      'completer.config_ns': [40, 'ASSUMPTION: 40 cycles'],
      'dma.setup_ns': [20, 'ASSUMPTION: 20 cycles'],
      'dma.read_interval_ns': [1, 'ASSUMPTION: 1 cycle'],
      'dma.write_interval_ns': [1, 'ASSUMPTION: 1 cycle'],
      'dma.read_engines': [2, 'ASSUMPTION'],
      'dma.write_engines': [2, 'ASSUMPTION'],
      'doorbell.decode_ns': [4, 'ASSUMPTION: 4 cycles'],
      'scheduler.pick_ns': [2, 'ASSUMPTION: 2 cycles'],
      'queue.jobs': [16, 'ASSUMPTION'],
      'fetch.line': [1, 'ASSUMPTION: the index is read with its line'],
      'descriptor.decode_ns': [1, 'ASSUMPTION: 1 cycle'],
      'admin.decode_ns': [5, 'ASSUMPTION: 5 cycles'],
      'admin.list_ns': [50, 'ASSUMPTION'],
      'admin.legacy_read_ns': [50, 'ASSUMPTION'],
      'admin.legacy_write_ns': [50, 'ASSUMPTION'],
      'admin.notify_info_ns': [50, 'ASSUMPTION'],
      'net.transmit_ns': [2, 'ASSUMPTION: 2 cycles'],
      'net.transmit_engines': [4, 'ASSUMPTION'],
      'net.receive_ns': [2, 'ASSUMPTION: 2 cycles'],
      'net.receive_engines': [4, 'ASSUMPTION'],
      'net.control_ns': [50, 'ASSUMPTION'],
      'switch.latency_ns': [100, 'ASSUMPTION'],
      'writeback.assemble_ns': [2, 'ASSUMPTION: 2 cycles'],
      'msix.lookup_ns': [2, 'ASSUMPTION: 2 cycles'],
      'wire.rate_gbps': [200, '200GBASE-R'],
    },
  },
  {
    name: 'firmware',
    summary: 'The FPGA card, but commands are executed by a slow processor on the card',
    values: {
      'admin.decode_ns': [2000, FIRMWARE],
      'admin.list_ns': [8000, FIRMWARE],
      'admin.legacy_read_ns': [6000, FIRMWARE],
      'admin.legacy_write_ns': [6000, FIRMWARE],
      'admin.notify_info_ns': [8000, FIRMWARE],
      'net.control_ns': [10_000, FIRMWARE],
      'writeback.assemble_ns': [500, FIRMWARE],
    },
  },
  {
    name: 'simple',
    summary: 'A wire of constant rate and latency without tags, credits or DLLPs, to compare with',
    values: {
      'link.generation': [0, 'a wire of link.rate_gbps'],
      'link.dllps': [0, 'none'],
      'link.tags': [4096, 'as good as none'],
      'credit.host_ph': [0, 'infinite'],
      'credit.host_pd': [0, 'infinite'],
      'credit.host_nph': [0, 'infinite'],
      'credit.host_npd': [0, 'infinite'],
      'credit.card_ph': [0, 'infinite'],
      'credit.card_pd': [0, 'infinite'],
      'credit.card_nph': [0, 'infinite'],
      'credit.card_npd': [0, 'infinite'],
      'completion.headers': [0, 'infinite'],
      'completion.data': [0, 'infinite'],
      'completer.interval_ns': [0, 'none'],
      'dma.read_interval_ns': [0, 'none'],
      'dma.write_interval_ns': [0, 'none'],
    },
  },
];
