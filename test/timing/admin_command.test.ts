// SPDX-License-Identifier: Apache-2.0
// One administration command, cycle by cycle, in the simple profile (4 ns a cycle). Rounding is up, to the cycle in which
// a thing can be seen. c = 0.03456 cycles a byte; link 55; host 50 ns = 12.5, rounded 13; engine 53 ns = 13.25, 13.
//
//   doorbell          28 c + 55 + decode 38                              94
//   visit             + doorbell 4 + scheduler 2                        100
//   available index   + 13 + 24 c + 55 + 13 (182), + 24 c + 55          238
//   ring entry        the same again (320)                              376
//   descriptors       + 13 + 24 c + 55 + 13 (458), + (20 + 64) c + 55   516
//   command           + 2 descriptors 2 + 13 + 24 c + 55 + 13 (600), + (20 + 24) c + 55   657
//   execution         + admin.decode 5 + admin.list 25                  687
//   write-back        + 2                                               689
//   seen              result 40 c, element 32 c, index 28 c, + 55: 747.46; MSI-X 24 c behind: 748.28
import { describe, expect, it } from 'vitest';

import { profileParameters } from '../../src/device/profile.ts';
import { F } from '../conformance/ring/support/registers.ts';
import { adminCommand, bench, PHASES, type Phases } from './support/bench.ts';

const GOLDEN: Phases = {
  doorbellArrived: 94,
  visited: 100,
  indexRead: 238,
  ringRead: 376,
  started: 376,
  descriptorsKnown: 516,
  dataKnown: 657,
  executing: 657,
  executed: 687,
  writtenBack: 689,
  notified: 749,
};
const USED_AT = 748;

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

  // the read of used_event goes along with that of the index: its 24 bytes may cost a cycle in either direction
  it('with EVENT_IDX has its visit and its index read where they belong', () => {
    const { times } = adminCommand(bench({}, [F.EVENT_IDX]));

    expect([times.doorbellArrived, times.visited]).toEqual([94, 100]);
    expect(times.indexRead).toBeGreaterThanOrEqual(238);
    expect(times.indexRead).toBeLessThanOrEqual(240);
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
  // each 400 ns more; a DMA read crosses both links once, a write-back the upper one
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
    // looked up while 100 bytes of write-back, 3.46 cycles, are on their way: 102 - 3.46 in place of 0, rounded
    'msix.lookup_ns': { notified: 98 },
  };
  const names = profileParameters().filter(({ unit }) => unit === 'ns');

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
