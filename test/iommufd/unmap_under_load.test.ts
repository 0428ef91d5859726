// SPDX-License-Identifier: Apache-2.0
// Unmapping, detaching and replacing while a function reads and writes: what was sent before is in effect when the call
// returns, nothing comes after it, nothing leaks.
import { describe, expect, it } from 'vitest';

import { GENERATOR, GENERATOR_BUFFER } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as GEN from '../../assembly/abi/generator.ts';
import type { ProfileOverrides } from '../../src/device/profile.ts';
import type { NicError } from '../../src/util/errors.ts';
import { IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
const IOVA = 0x1_0000_0000;
const PAGES = 64;
const PROFILES: Readonly<Record<string, ProfileOverrides>> = {
  'without IO-TLB': {},
  'with a small IO-TLB': { 'iommu.entries': 16, 'iommu.ways': 4 },
};

function loaded(profile: ProfileOverrides) {
  const bench = new IommufdBench(2, { mode: 'timed', profile });
  const ioas = bench.context.ioasAlloc();
  const other = bench.context.ioasAlloc();
  const map = (id: number, page: number): number =>
    bench.context.ioasMap(id, { iova: IOVA, length: PAGES * PAGE, source: { window: page * PAGE }, ...RW });
  map(ioas, 0);
  map(other, PAGES);
  const device = bench.bind(1);
  device.attach(ioas);
  const load = (kind: 'read' | 'write'): void => {
    bench.nic.core.u8.fill(0x77, bench.nic.core.windowBase, bench.nic.core.windowBase + 2 * PAGES * PAGE);
    bench.start(1, kind, IOVA, { length: 256, bytesInAll: PAGES * PAGE, count: 100_000, outstanding: 32 });
  };
  return { bench, ioas, other, device, map, load };
}

type Loaded = ReturnType<typeof loaded>;
const ACTIONS: Readonly<Record<string, readonly [act: (at: Loaded) => void, undo: (at: Loaded) => void]>> = {
  'the IOAS is unmapped': [(at) => at.bench.context.ioasUnmapAll(at.ioas), (at) => at.map(at.ioas, 0)],
  'the device is detached': [(at) => at.device.detach(), (at) => at.device.attach(at.ioas)],
  'the device is attached to another IOAS': [(at) => at.device.replace(at.other), (at) => at.device.replace(at.ioas)],
};

describe.each(Object.entries(PROFILES))('%s', (_profile, profile) => {
  it.each(Object.entries(ACTIONS))('%s: no late write', (_what, [act, undo]) => {
    const at = loaded(profile);
    const { bench } = at;
    const window = bench.window(0, PAGES * PAGE);
    let written = 0;
    for (let cycles = 0; cycles < 600; cycles += 7) {
      at.load('write');
      bench.nic.core.u8.fill(0x11, bench.nic.core.windowBase, bench.nic.core.windowBase + PAGES * PAGE);
      bench.nic.advance(bench.nic.now() + cycles);
      act(at);
      const image = window.slice();
      written += image.filter((byte) => byte !== 0x11).length;
      bench.nic.advance(bench.nic.now() + 3000);

      expect(Buffer.compare(window, image)).toBe(0);
      bench.nic.core.view.setUint32(GENERATOR + GEN.LEFT, 0, true);
      bench.nic.runToIdle();
      expect(Buffer.compare(window, image)).toBe(0);
      undo(at);
    }
    expect(written).toBeGreaterThan(0);
    expect(bench.nic.core.u32[CTL.TAGS_USED >> 2]).toBe(0);
  });

  it('a write that was sent before is in memory when the call returns, and is no fault; a later one is', () => {
    const at = loaded(profile);
    at.bench.nic.core.u8.fill(0x42, GENERATOR_BUFFER, GENERATOR_BUFFER + 64);
    at.bench.start(1, 'write', IOVA);
    const before = at.bench.nic.now();
    expect(at.bench.window(0, 1)[0]).toBe(0);

    at.bench.context.ioasUnmapAll(at.ioas);

    expect([...at.bench.window(0, 64)]).toEqual(Array(64).fill(0x42));
    expect(at.bench.nic.now()).toBeGreaterThan(before);
    expect(at.device.takeFaults().faults).toEqual([]);
    at.bench.nic.runToIdle();
    at.bench.write(1, IOVA, 0x43);
    expect(at.device.takeFaults().faults).toHaveLength(1);
  });

  it('a read that was sent before gets its data', () => {
    const at = loaded(profile);
    at.bench.numberPages();
    const buffer = at.bench.nic.core.u8.subarray(GENERATOR_BUFFER, GENERATOR_BUFFER + 64);
    at.bench.start(1, 'read', IOVA + PAGE);
    at.bench.nic.advance(at.bench.nic.now() + 20); // set up and on the link
    at.device.detach();
    at.bench.nic.runToIdle();

    expect([...buffer]).toEqual(Array(64).fill(2));
    expect(at.device.takeFaults().faults).toEqual([]);
  });

  it('reads after the call fault, each reported to the device', () => {
    const at = loaded(profile);
    at.load('read');
    at.bench.nic.advance(at.bench.nic.now() + 500);
    at.bench.context.ioasUnmapAll(at.ioas);
    const returned = at.bench.nic.now();
    at.bench.nic.advance(returned + 2000);

    const { faults } = at.device.takeFaults();
    expect(faults.length).toBeGreaterThan(0);
    for (const fault of faults) expect([fault.isWrite, fault.cycle >= returned]).toEqual([false, true]);
  });

  it('a mapping that goes does not disturb its neighbours', () => {
    const at = loaded(profile);
    at.bench.context.ioasUnmapAll(at.ioas);
    for (let page = 0; page < PAGES; page++) {
      const source = { window: page * PAGE };
      at.bench.context.ioasMap(at.ioas, { iova: IOVA + page * PAGE, length: PAGE, source, ...RW });
    }
    at.load('write');
    at.bench.nic.core.u8.fill(0, GENERATOR_BUFFER, GENERATOR_BUFFER + 256);
    at.bench.nic.advance(at.bench.nic.now() + 300);
    for (let page = 0; page < PAGES; page += 2) at.bench.context.ioasUnmap(at.ioas, IOVA + page * PAGE, PAGE);
    const even = Array.from({ length: PAGES / 2 }, (_, i) => at.bench.window(2 * i * PAGE, PAGE).slice());
    at.bench.nic.advance(at.bench.nic.now() + 40_000);

    even.forEach((image, i) => expect(Buffer.compare(at.bench.window(2 * i * PAGE, PAGE), image)).toBe(0));
    for (let page = 1; page < PAGES; page += 2)
      expect(at.bench.window(page * PAGE, PAGE).every((b) => b === 0)).toBe(true);
  });
});

describe('the IO-TLB', () => {
  it('loses what it knows of an address space that is unmapped, and nothing of others', () => {
    const bench = new IommufdBench(2, { mode: 'timed', profile: { 'iommu.entries': 64 } });
    const spaces = [1, 2].map((fn) => {
      const ioas = bench.context.ioasAlloc();
      bench.context.ioasMap(ioas, { iova: IOVA, length: PAGE, source: { window: fn * PAGE }, ...RW });
      bench.bind(fn).attach(ioas);
      return ioas;
    });
    const misses = (fn: number): number => {
      const before = bench.nic.counters()['iotlb_misses']!;
      bench.read(fn, IOVA);
      return bench.nic.counters()['iotlb_misses']! - before;
    };
    expect([misses(1), misses(2), misses(1), misses(2)]).toEqual([1, 1, 0, 0]);

    bench.context.ioasUnmapAll(spaces[0]!);
    bench.context.ioasMap(spaces[0]!, { iova: IOVA, length: PAGE, source: { window: 0 }, ...RW });
    expect([misses(2), misses(1)]).toEqual([0, 1]);
  });
});

describe('foreign memory that is asked in the middle of the work', () => {
  it('may not take anything away in timed mode, where the card would have to wait for itself', () => {
    const bench = new IommufdBench(2, { mode: 'timed' });
    const { context } = bench;
    const ioas = context.ioasAlloc();
    const device = bench.bind(1);
    const spare = context.hwptAlloc({ device: device.id, pt: ioas });
    const calls = [
      () => context.ioasUnmapAll(ioas),
      () => device.detach(),
      () => device.replace(spare),
      () => device.unbind(),
      () => bench.bind(2),
      () => context.destroy(spare),
    ];
    const codes: string[] = [];
    const foreign = {
      read: () => {
        for (const call of calls) {
          try {
            call();
          } catch (error) {
            codes.push((error as NicError).code);
          }
        }
        return true;
      },
      write: () => false,
    };
    context.ioasMap(ioas, { iova: IOVA, length: PAGE, source: { foreign }, ...RW });
    const table = device.attach(ioas);
    const objects = context.objectCount;
    bench.read(1, IOVA);

    expect(codes).toEqual(calls.map(() => 'REENTRY'));
    expect([device.attached, context.objectCount]).toEqual([table, objects]);
    bench.bind(2).attach(spare);
    context.close();
    expect([context.objectCount, bench.nic.iommu.allocated()]).toEqual([0, 0]);
  });
});
