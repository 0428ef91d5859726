// SPDX-License-Identifier: Apache-2.0
// The admin-command benchmark: every number that can be checked without believing it. Phases add up, totals agree with
// arithmetic from the profile, and equal seeds give equal reports.
import { describe, expect, it } from 'vitest';

import { runAdminBench, type AdminBenchReport } from '../../src/measure/admin_report.ts';
import type { Phases } from '../../src/measure/phases.ts';
import { Random } from '../../src/util/random.ts';
import { summarize } from '../../src/measure/summary.ts';
import { PLAIN_PROFILE } from '../support/plain_profile.ts';

const SMALL = { quick: true, vfs: [1, 64], inFlight: [1, 8] } as const;
const report = runAdminBench(SMALL);

/** Everything of a report that has phases: what they add up to, and where. */
function phaseSums(of: AdminBenchReport): [place: string, sum: number, total: number][] {
  const add = (phases: Phases): number => Object.values(phases).reduce((sum, cycles) => sum + cycles, 0);
  const single = [...of.commands, ...of.legacyRegisters, ...of.directRegisters, ...of.notify].flatMap(
    (row, i): [string, number, number][] => [
      [`row ${i}: median`, add(row.phases), row.cycles.p50],
      [`row ${i}: all`, add(row.phaseTotals), row.totalCycles],
    ],
  );
  const loops = [
    ...of.inFlight.flatMap(({ points }) => points),
    ...of.vfs.flatMap(({ points }) => points.flatMap(({ alone, together }) => [alone, together])),
  ];
  return [
    ...single,
    ...loops.map((loop, i): [string, number, number] => [`loop ${i}`, add(loop.phaseTotals), loop.totalCycles]),
  ];
}

describe('the report of the admin benchmark', () => {
  it('cuts every access into phases that add up to its cycles', () => {
    const sums = phaseSums(report);

    expect(sums.length).toBeGreaterThan(100);
    expect(sums.filter(([, sum, total]) => sum !== total)).toEqual([]);
  });

  it('has no phase below zero', () => {
    const phases = [...report.commands, ...report.legacyRegisters, ...report.notify].flatMap((row) =>
      Object.entries({ ...row.phases, ...row.phaseTotals }),
    );

    expect(phases.filter(([, cycles]) => !(cycles >= 0))).toEqual([]);
  });

  it('is the same for the same seed, and another for another where chance has a part', () => {
    const again = runAdminBench(SMALL);
    const other = runAdminBench({ ...SMALL, seed: 2 });

    expect(JSON.stringify(again)).toBe(JSON.stringify(report));
    expect(other.load).not.toEqual(report.load);
    expect(other.commands).toEqual(report.commands); // an idle card gives chance no part
  });

  it('measures every command, and every register at its width and in pieces', () => {
    const names = report.commands.map(({ opcode, name }) => `${opcode} ${name}`);
    const widths = report.legacyRegisters
      .filter(({ register }) => register === 'queue_address')
      .map(({ access, bytes }) => `${access} ${bytes}`);

    expect(names).toEqual([
      '0 LIST_QUERY',
      '1 LIST_USE',
      '2 LEGACY_COMMON_CFG_WRITE',
      '3 LEGACY_COMMON_CFG_READ',
      '4 LEGACY_DEV_CFG_WRITE',
      '5 LEGACY_DEV_CFG_READ',
      '6 LEGACY_NOTIFY_INFO',
    ]);
    expect(widths).toEqual(['read 4', 'read 2', 'read 1', 'write 4', 'write 2', 'write 1']);
    expect(report.legacyRegisters.filter(({ isNaturalWidth }) => isNaturalWidth).length).toBe(18);
    expect(report.directRegisters.filter(({ access }) => access === 'read').length).toBe(11);
  });

  it('takes its ratios from its own medians', () => {
    const { read, notify } = report.headline;
    const legacy = report.legacyRegisters.find(({ register, bytes }) => register === 'device_features' && bytes === 4)!;
    const direct = report.directRegisters.find(({ register }) => register === 'device_features')!;

    expect([read.adminCycles, read.directCycles]).toEqual([legacy.cycles.p50, direct.cycles.p50]);
    expect(read.ratio).toBeCloseTo(legacy.cycles.p50 / direct.cycles.p50, 3);
    expect(notify.adminCycles).toBeGreaterThan(notify.directCycles);
  });

  it('shows more commands a second and longer waits with more in flight', () => {
    for (const { points } of report.inFlight) {
      const [one, eight] = points;

      expect(eight!.commandsPerSecond).toBeGreaterThan(one!.commandsPerSecond);
      expect(eight!.cycles.p50).toBeGreaterThan(one!.cycles.p50);
    }
  });

  it('costs the same with 1 VF and with 64', () => {
    const [one, many] = report.vfs[0]!.points;

    expect(many!.alone.cycles).toEqual(one!.alone.cycles);
    expect(many!.together.commandsPerSecond).toBe(one!.together.commandsPerSecond);
  });

  it('keeps commands of other guests away from the member BAR, but not from the admin queue', () => {
    const idle = report.load.find(({ name }) => name === 'idle card')!.probes;
    const busy = report.load.find(({ commandsInFlight }) => commandsInFlight === 48)!.probes;

    expect(busy.notifyAdmin.cycles.p50).toBeGreaterThan(2 * idle.notifyAdmin.cycles.p50);
    expect(busy.notifyMemberBar.cycles.p50).toBeLessThan(1.1 * idle.notifyMemberBar.cycles.p50);
  });

  it('follows the legacy bring-up from the device id to DRIVER_OK without a gap', () => {
    const { accesses, cycles, adminCommands } = report.boots.find(({ driver }) => driver === 'legacy')!;
    const last = accesses.at(-1)!;
    const isAdmin = accesses.filter(({ kind }) => kind === 'read' || kind === 'write');

    expect(accesses[0]).toMatchObject({ begin: 0, kind: 'config', name: 'config device_id' });
    expect(last).toMatchObject({ kind: 'write', name: 'device_status' });
    expect(last.begin + last.cycles).toBe(cycles);
    expect(accesses.slice(1).map(({ begin }) => begin)).toEqual(
      accesses.slice(0, -1).map((access) => access.begin + access.cycles),
    );
    expect(isAdmin.every(({ isAdminCommand }) => isAdminCommand)).toBe(true);
    expect(adminCommands).toBe(isAdmin.length);
  });
});

describe('a command on an idle card', () => {
  it('costs what the profile adds up to', () => {
    // Each way takes 100; a read is set up in 53 and served in 50, but not before what was written has its effect, 10 after
    // its arrival; the host's core is 20 away.
    const { commands, headline } = runAdminBench({ quick: true, vfs: [1], inFlight: [1], profile: PLAIN_PROFILE });

    const read = commands.find(({ name }) => name === 'LEGACY_COMMON_CFG_READ')!;
    expect(read.phases).toEqual({
      doorbell: 20 + 28 + 100 + 40,
      schedule: 16 + 8,
      index: 53 + 2 * 24 + 100 + 50 + (20 + 4) + 100, // and used_event behind it, whose answer follows that of the index
      ring: 24 + 100 + 103 + (20 + 4) + 100,
      descriptors: 2 * (24 + 100 + 103 + (20 + 64) + 100), // a block of the ring's table, the indirect table
      // four descriptors decoded; header 24 and, behind it, offset 1: its answer waits for that of the header
      data: 4 * 4 + 53 + 24 + 100 + 50 + (20 + 24) + (20 + 4) + 100,
      order: 0,
      execute: 20 + 100,
      writeback: 8,
      notify: 32 + 28 + 32 + 28 + 24 + 100 + 10, // status, result, used element, used index, MSI-X
    });
    expect(read.cycles).toEqual({ p50: 2553, p99: 2553, max: 2553 });
    expect(read.ns).toEqual({ p50: 2553, p99: 2553, max: 2553 });
    // Up: index 2, ring 1, descriptors 2, data 2, avail_event 1, second look 2, four writes, MSI-X. Down: doorbell, and a
    // completion for each of nine requests.
    expect(read.perAccess).toEqual({ tlpsUp: 15, tlpsDown: 10, bytesUp: 9 * 24 + 28 + 120 + 24, bytesDown: 384 });
    // A direct read: 20 + 24 + 100, decode 40, register 30, completion 24 + 100 + 20.
    expect(headline.read).toEqual({
      adminCycles: 2553,
      directCycles: 358,
      adminNs: 2553,
      directNs: 358,
      ratio: 7.131,
    });
    expect(headline.write.directCycles).toBe(20 + 28 + 100 + 40);
  });
});

describe('order statistics and chance', () => {
  it('take percentiles by nearest rank and the phases of the median', () => {
    const traffic = { tlpsUp: 3, tlpsDown: 1, bytesUp: 60, bytesDown: 20 };
    const samples = Array.from({ length: 200 }, (_, i) => {
      const cycles = 200 - i;
      return {
        cycles,
        phases: { link: cycles },
        accounts: { link: [{ parameter: 'link bytes up', cycles }] },
        traffic,
      };
    });

    const summary = summarize(samples, 4000);

    expect(summary.cycles).toEqual({ p50: 100, p99: 198, max: 200 });
    expect(summary.ns).toEqual({ p50: 400, p99: 792, max: 800 });
    expect(summary.phases).toEqual({ link: 100 });
    expect(summary.accounts).toEqual({ link: [{ parameter: 'link bytes up', cycles: 100 }] });
    expect(summary.accountTotals).toEqual({ link: [{ parameter: 'link bytes up', cycles: 20100 }] });
    expect(summary.totalCycles).toBe(20100);
    expect(summary.perAccess).toEqual(traffic);
  });

  it('draw the numbers of mulberry32 from a seed', () => {
    const random = new Random(1);

    // its first three numbers for seed 1 are 2693262067, 11749833 and 2265367787
    expect([random.below(100), random.below(100), random.below(100)]).toEqual([67, 33, 87]);
  });
});
