// SPDX-License-Identifier: Apache-2.0
// One administration command, cycle by cycle, in the default profile (4 ns a cycle). Rounding is up, to the cycle in which
// a thing can be seen. c = 65/2048 cycles a byte; host 29, link 26, memory 280 ns = 70; engine 53 ns = 13.25, 13. Memory and
// BARs lie above 4 GiB, so requests have 24 bytes.
//
//   doorbell          29 + 28 c (30) + 26 + decode 38                            94
//   visit             + doorbell 4 + scheduler 2                                100
//   available index   + 13 + 24 c (114) + 26 + 70 (210), + 24 c (211) + 26      237
//   ring entry        the same again                                            374
//   descriptors       + 13 + 24 c (388) + 26 + 70 (484), + (20 + 64) c (487) + 26   513
//   command           + 2 descriptors 2 + 13 + 24 c (529) + 26 + 70 (625), + (20 + 24) c (627) + 26   653
//   execution         + admin.decode 5 + admin.list 25                          683
//   write-back        + 2                                                       685
//   seen              a write a cycle: result 40 c at 0 (1.27), element 32 c at 1 (2.29), index 28 c at 2 (3.17, seen at 4),
//                     + 26 + effect 29: 744; 100 bytes have made a DLLP due (100 x 0.0886 > 8), 8 c (3.43); MSI-X 24 c
//                     (4.19, seen at 5), likewise: 745
import { describe, expect, it } from 'vitest';

import { profileParameters } from '../../src/device/profile.ts';
import { F } from '../support/registers.ts';
import { adminCommand, bench, PHASES, type Phases } from './support/bench.ts';

const GOLDEN: Phases = {
  doorbellArrived: 94,
  visited: 100,
  indexRead: 237,
  ringRead: 374,
  started: 374,
  descriptorsKnown: 513,
  dataKnown: 653,
  executing: 653,
  executed: 683,
  writtenBack: 685,
  notified: 745,
};
const USED_AT = 744;

/** How long each phase took: its time less that of the phase before. */
function durations(times: Phases): Partial<Phases> {
  return Object.fromEntries(PHASES.map((phase, i) => [phase, times[phase] - (i === 0 ? 0 : times[PHASES[i - 1]!])]));
}

describe('LIST_QUERY on a card at rest', () => {
  it('takes the cycles of the table', () => {
    const { times, usedAt, record } = adminCommand(bench());

    expect(times).toEqual(GOLDEN);
    expect(usedAt).toBe(USED_AT);
    expect(record).toMatchObject({ opcode: 0, groupType: 1, status: 0, head: 0, inWork: 1 });
  });

  it('takes the same cycles the second time', () => {
    const at = bench();
    adminCommand(at);

    expect(adminCommand(at).times).toEqual(GOLDEN);
  });

  // the read of used_event goes behind that of the index: 2 x 24 c is seen at 2, its answer comes a cycle later
  it('with EVENT_IDX has its visit and its index read where they belong', () => {
    const { times } = adminCommand(bench({}, [F.EVENT_IDX]));

    expect([times.doorbellArrived, times.visited]).toEqual([94, 100]);
    expect(times.indexRead).toBe(238);
  });

  it.each([
    ['without', []],
    ['with', [F.EVENT_IDX]],
  ])('has its times in order, %s EVENT_IDX', (_, features) => {
    const { times } = adminCommand(bench({}, features));
    const list = PHASES.map((phase) => times[phase]);

    expect(list).toEqual(list.toSorted((a, b) => a - b));
  });
});

describe('a parameter of the profile', () => {
  // each 400 ns more; a DMA read crosses both links once, a write-back the upper one. The quantiles of the host's tail have
  // tests of their own.
  const EFFECTS: Record<string, Partial<Phases>> = {
    'link.up_latency_ns': { indexRead: 100, ringRead: 100, descriptorsKnown: 100, dataKnown: 100, notified: 100 },
    'link.down_latency_ns': {
      doorbellArrived: 100,
      indexRead: 100,
      ringRead: 100,
      descriptorsKnown: 100,
      dataKnown: 100,
    },
    'host.read_latency_ns': { indexRead: 100, ringRead: 100, descriptorsKnown: 100, dataKnown: 100 },
    'dma.setup_ns': { indexRead: 100, ringRead: 100, descriptorsKnown: 100, dataKnown: 100 },
    'completer.decode_ns': { doorbellArrived: 100 },
    'doorbell.decode_ns': { visited: 100 },
    'scheduler.pick_ns': { visited: 100 },
    'descriptor.decode_ns': { dataKnown: 200 },
    'admin.decode_ns': { executed: 100 },
    'admin.list_ns': { executed: 100 },
    'writeback.assemble_ns': { writtenBack: 100 },
    // looked up while the write-back, 3.17 cycles, is on its way: out at 102.76, seen at 103, in place of 5
    'msix.lookup_ns': { notified: 98 },
    'host.mmio_ns': { doorbellArrived: 100 },
    'host.write_latency_ns': { notified: 100 },
    'host.interrupt_ns': { notified: 100 },
    // writes ready at 0, 101 and 202: the index is out at 202.89, the message at 203.65, seen at 204 in place of 5
    'dma.write_interval_ns': { notified: 199 },
    // the last register write of the start-up was taken up 38 cycles before, so the doorbell is after 63, not 56
    'completer.interval_ns': { doorbellArrived: 7 },
  };
  const names = profileParameters().filter(({ name, unit }) => unit === 'ns' && !name.startsWith('host.extra'));

  it.each(names.map(({ name, value }) => [name, value] as const))(
    '%s changes the phases it belongs to',
    (name, value) => {
      const plain = durations(adminCommand(bench()).times);

      const changed = durations(adminCommand(bench({ [name]: value + 400 })).times);

      const difference = PHASES.map((phase) => [phase, changed[phase]! - plain[phase]!] as const);
      expect(Object.fromEntries(difference.filter(([, cycles]) => cycles !== 0))).toEqual(EFFECTS[name] ?? {});
    },
  );
});
