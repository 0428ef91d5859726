// SPDX-License-Identifier: Apache-2.0
// Where the time of an access goes: accounts add up to their phases in every row, whatever the profile; a command that has
// the card to itself waits for no other; and the accounts of one command are those that arithmetic gives.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { OTHER_ACCOUNTS, type Accounts } from '../../src/measure/accounts.ts';
import { runAdminBench, type AdminBenchReport } from '../../src/measure/admin_report.ts';
import type { PhaseKey, Phases } from '../../src/measure/phases.ts';
import { Random } from '../../src/util/random.ts';
import { measureSingle } from '../../src/measure/single.ts';
import type { Summary } from '../../src/measure/summary.ts';
import { IN_FLIGHT_SERIES, measureInFlight } from '../../src/measure/sweeps.ts';
import { measureVariant, VARIANTS } from '../../src/measure/variants.ts';
import { profileParameters } from '../../src/device/profile.ts';
import { PLAIN_PROFILE } from '../support/plain_profile.ts';

const NO_TAIL = {
  'host.extra_p50_ns': 0,
  'host.extra_p95_ns': 0,
  'host.extra_p99_ns': 0,
  'host.extra_p999_ns': 0,
  'host.extra_max_ns': 0,
};
const SMALL = { quick: true, vfs: [4], inFlight: [1, 16] } as const;

/** Phases with what they are said to be made of. */
type Explained = readonly [place: string, phases: Phases, accounts: Accounts];

interface Loop {
  readonly phaseTotals: Phases;
  readonly accountTotals: Accounts;
}

const ofRow = (place: string, row: Summary): Explained[] => [
  [`${place}, median`, row.phases, row.accounts],
  [`${place}, all`, row.phaseTotals, row.accountTotals],
];
const ofLoop = (place: string, loop: Loop): Explained => [place, loop.phaseTotals, loop.accountTotals];

/** Accesses that had the card to themselves. */
function alone(report: AdminBenchReport): Explained[] {
  return [
    ...report.commands.flatMap((row) => ofRow(row.name, row)),
    ...report.legacyRegisters.flatMap((row) => ofRow(`legacy ${row.register} ${row.access} ${row.bytes}`, row)),
    ...report.directRegisters.flatMap((row) => ofRow(`direct ${row.register} ${row.access}`, row)),
    ...report.notify.flatMap((row) => ofRow(`notify ${row.path}`, row)),
    ...report.variants.flatMap((row) => ofRow(row.name, row.alone)),
  ];
}

function everything(report: AdminBenchReport): Explained[] {
  return [
    ...alone(report),
    ...report.variants.map(({ name, together }) => ofLoop(`${name}, together`, together)),
    ...report.inFlight.flatMap(({ name, points }) => points.map((point) => ofLoop(name, point))),
    ...report.vfs.flatMap(({ name, points }) =>
      points.flatMap((point) => [ofLoop(name, point.alone), ofLoop(`${name}, together`, point.together)]),
    ),
  ];
}

/** What does not add up, or is no whole number above zero. */
function faults(explained: readonly Explained[]): string[] {
  return explained.flatMap(([place, phases, accounts]) => {
    const keys = [...new Set([...Object.keys(phases), ...Object.keys(accounts)])] as PhaseKey[];
    return keys.flatMap((key) => {
      const own = accounts[key];
      if (own === undefined) return [`${place}: ${key} has no accounts`];
      const sum = own.reduce((cycles, account) => cycles + account.cycles, 0);
      const isWhole = own.every(({ cycles }) => Number.isInteger(cycles) && cycles > 0);
      return sum === phases[key] && isWhole ? [] : [`${place}: ${key} is ${phases[key]}: ${JSON.stringify(own)}`];
    });
  });
}

function parametersOf(explained: readonly Explained[]): Set<string> {
  return new Set(explained.flatMap(([, , accounts]) => Object.values(accounts).flatMap((own) => own.map(nameOf))));
}

const nameOf = ({ parameter }: { readonly parameter: string }): string => parameter;

describe.each(['fpga-gen3x8-250mhz', 'nfp6000-gen3x8', 'firmware'])('accounts of a report, %s', (profileName) => {
  const report = runAdminBench({ ...SMALL, profileName });

  it('add up to every phase of every row', () => {
    const rows = everything(report);

    expect(rows.length).toBeGreaterThan(150);
    expect(faults(rows)).toEqual([]);
  });

  it('carry names of parameters that there are', () => {
    const known = new Set<string>([...profileParameters().map(({ name }) => name), ...OTHER_ACCOUNTS]);

    expect([...parametersOf(everything(report))].filter((name) => !known.has(name))).toEqual([]);
    expect(report.profile.name).toBe(profileName);
  });
});

describe('an access that has the card to itself', () => {
  it.each([
    ['fpga-gen3x8-250mhz', {}],
    ['fpga-gen3x8-250mhz', { 'iommu.entries': 64 }],
    ['fpga-gen3x8-250mhz', { 'link.generation': 2, 'link.lanes': 8, 'link.ecrc': 1 }],
    ['fpga-gen3x8-250mhz', { 'dma.copy_gbps': 4, 'msix.lookup_ns': 400, 'host.interrupt_ns': 900 }],
    ['nfp6000-gen3x8', NO_TAIL],
    ['asic-gen5x16-1ghz', {}],
    ['firmware', {}],
    ['simple', {}],
  ])('waits for nothing but its own writes: %s %j', (profileName, profile) => {
    const card = { profileName, profile };
    const { commands, legacyRegisters, directRegisters } = measureSingle(card, 4, new Random(1));
    const variants = VARIANTS.map((variant) => measureVariant(card, variant, 20, 20, new Random(1)));
    const rows = [
      ...[...commands, ...legacyRegisters, ...directRegisters].flatMap((row) => ofRow('row', row)),
      ...variants.flatMap(({ name, alone: row }) => ofRow(name, row)),
    ];

    // commands of a packed ring come so soon that their reads meet the card's last look for more on the link
    const others = rows.slice(0, -4);
    const waits = [...parametersOf(others)].filter((name) => name.startsWith('waiting') || name === 'driver');

    expect(faults(rows)).toEqual([]);
    expect(waits.filter((name) => name !== 'waiting: earlier writes and tails')).toEqual([]);
  });

  it('has the accounts that the profile adds up to', () => {
    const profile = { ...PLAIN_PROFILE, 'link.down_latency_ns': 90 };
    const { commands } = measureSingle({ profile }, 1, new Random(1));
    const { accounts } = commands.find(({ name }) => name === 'LEGACY_COMMON_CFG_READ')!;
    const plain = Object.fromEntries(
      Object.entries(accounts).map(([key, own]) => [
        key,
        Object.fromEntries(own.map(({ parameter, cycles }) => [parameter, cycles])),
      ]),
    );
    const read = (setup: number, up: number, down: number, reads: number) => ({
      'dma.setup_ns': setup,
      'link bytes up': up,
      'link.up_latency_ns': 100 * reads,
      'host.read_latency_ns': 50 * reads,
      'link bytes down': down,
      'link.down_latency_ns': 90 * reads,
    });

    expect(plain).toEqual({
      doorbell: { 'host.mmio_ns': 20, 'link bytes down': 28, 'link.down_latency_ns': 90, 'completer.decode_ns': 40 },
      schedule: { 'doorbell.decode_ns': 16, 'scheduler.pick_ns': 8 },
      index: read(53, 24 + 24, 20 + 4, 1), // used_event behind it
      ring: read(53, 24, 20 + 4, 1),
      descriptors: read(2 * 53, 2 * 24, 2 * (20 + 64), 2),
      // header and register offset are asked for one behind the other, and answered so: 24 later, but 44 are under way
      data: { 'descriptor.decode_ns': 4 * 4, ...read(53, 24 + 24, 20 + 24 - 24 + 20 + 4, 1) },
      order: {},
      execute: { 'admin.decode_ns': 20, 'admin.legacy_read_ns': 100 },
      writeback: { 'writeback.assemble_ns': 8 },
      // status, result, used element, used index, MSI-X
      notify: {
        'link bytes up': 32 + 28 + 32 + 28 + 24,
        'link.up_latency_ns': 100,
        'host.write_latency_ns': 10,
      },
    });
  });
});

describe('accounts of other profiles', () => {
  it('add up, whatever the parameters', () => {
    const ns = (max: number) => fc.integer({ min: 0, max });
    const profiles = fc.record({
      'clock.period_ps': fc.integer({ min: 500, max: 8000 }),
      'link.generation': fc.integer({ min: 0, max: 6 }),
      'link.lanes': fc.constantFrom(1, 4, 16),
      'link.mrrs_bytes': fc.constantFrom(128, 512),
      'link.up_latency_ns': ns(500),
      'link.down_latency_ns': ns(500),
      'link.tags': fc.integer({ min: 1, max: 8 }),
      'credit.host_nph': fc.integer({ min: 0, max: 4 }),
      'host.read_latency_ns': ns(1000),
      'host.write_latency_ns': ns(1000),
      'host.mmio_ns': ns(300),
      'host.interrupt_ns': ns(2000),
      'host.extra_max_ns': ns(3000),
      'host.cold': fc.constantFrom(0, 1),
      'iommu.entries': fc.constantFrom(0, 8, 64),
      'iommu.walkers': fc.integer({ min: 1, max: 4 }),
      'completer.decode_ns': ns(300),
      'dma.setup_ns': ns(100),
      'dma.copy_gbps': fc.constantFrom(0, 1, 50),
      'dma.read_interval_ns': ns(200),
      'dma.write_interval_ns': ns(200),
      'dma.write_engines': fc.integer({ min: 1, max: 3 }),
      'doorbell.decode_ns': ns(50),
      'scheduler.pick_ns': ns(50),
      'queue.jobs': fc.integer({ min: 1, max: 16 }),
      'fetch.line': fc.constantFrom(0, 1),
      'descriptor.block': fc.constantFrom(1, 4, 16),
      'descriptor.decode_ns': ns(50),
      'admin.legacy_read_ns': ns(3000),
      'writeback.assemble_ns': ns(500),
      'msix.lookup_ns': ns(500),
    });

    fc.assert(
      fc.property(profiles, fc.constantFrom(...IN_FLIGHT_SERIES), (profile, series) => {
        const single = measureSingle({ profile }, 1, new Random(1));
        const loop = measureInFlight({ profile }, series, 12, 40, new Random(1));
        const rows = [...single.commands, ...single.legacyRegisters, ...single.directRegisters];

        expect(faults([...rows.flatMap((row) => ofRow('row', row)), ofLoop('loop', loop)])).toEqual([]);
      }),
      { seed: 1, numRuns: 25 },
    );
  });
});

describe('the variants', () => {
  it('differ by one read of 64 bytes, and by that of a ring entry', () => {
    const card = { profileName: 'fpga-gen3x8-250mhz' };
    const [direct, indirect, both, ahead, packed] = VARIANTS.map(
      (variant) => measureVariant(card, variant, 40, 20, new Random(1)).alone,
    );

    // Set-up 53, 105 up, 280 at the host, 105 down in cycles of 4 ns: 13 + 26 + 70 + 26. A byte takes 65/2048 of a cycle: a
    // request of 24 bytes 0.76, completions of 24 bytes as much, of 84 bytes 2.67.
    expect(indirect!.phases.descriptors! - direct!.phases.descriptors!).toBe(13 + 1 + 26 + 70 + 3 + 26);
    expect(direct!.phases.ring).toBe(13 + 1 + 26 + 70 + 1 + 26);
    // the request for used_event is out after 1.52 cycles; its answer, ready 1 cycle after that of the index, finds the wire
    // free, or busy for 0.78 more with the 56 bytes that bring the ring along
    expect([direct!.phases.index, ahead!.phases.index]).toEqual([13 + 2 + 26 + 70 + 1 + 26, 13 + 2 + 26 + 70 + 2 + 26]);
    // every entry of the ring comes along
    expect([ahead!.phaseTotals.ring, both!.phaseTotals.ring]).toEqual([0, 0]);
    expect(direct!.cycles.p50 - ahead!.cycles.p50).toBe(direct!.phases.ring! - 1);
    expect(indirect!.perAccess.tlpsUp - direct!.perAccess.tlpsUp).toBe(1);
    // a packed ring takes one read where a split one takes three: index, ring entry, descriptor; and the table is read in both
    expect([packed!.phaseTotals.ring, packed!.phases.descriptors]).toEqual([0, direct!.phases.descriptors]);
    // used element and index are one write, a request less with each of the two reads
    expect(indirect!.perAccess.tlpsUp - Math.floor(packed!.perAccess.tlpsUp)).toBe(3);
  });
});
