// SPDX-License-Identifier: Apache-2.0
// The pool that long lists of mappings and dirty bitmaps share: what is given back is whole again, and running out of it
// changes nothing.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { errno, IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
/** Mappings of one page table at most: 7, doubled as often as old and new list fit 1 MiB together. */
const MOST = 7 * 2 ** 11;

function spaces(count: number) {
  const bench = new IommufdBench(1);
  bench.numberPages();
  const device = bench.bind(1);
  const made = Array.from({ length: count }, () => {
    const ioas = bench.context.ioasAlloc();
    return { ioas, hwpt: bench.context.hwptAlloc({ device: device.id, pt: ioas, dirtyTracking: true }) };
  });
  return { bench, device, made };
}

/** One page of addresses of every two, so that no mapping follows another. */
function mapPage(bench: IommufdBench, ioas: number, n: number): unknown {
  const map = { iova: 2 * n * PAGE, length: PAGE, source: { window: (n % 200) * PAGE }, ...RW };
  return errno(() => bench.context.ioasMap(ioas, map));
}

it('what is given back in any order is one piece again', () => {
  const step = fc.record({ space: fc.nat(4), op: fc.constantFrom('more', 'less', 'track', 'end'), size: fc.nat(400) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const { bench, device, made } = spaces(5);
      const mapped = made.map(() => new Set<number>());
      for (const { space, op, size } of steps) {
        const { ioas, hwpt } = made[space]!;
        const pages = mapped[space]!;
        if (op === 'more') {
          for (let n = 0; n < size; n++) {
            if (pages.has(n)) continue;
            expect(mapPage(bench, ioas, n)).toBe(2 * n * PAGE);
            pages.add(n);
          }
        } else if (op === 'less') {
          errno(() => bench.context.ioasUnmap(ioas, 0, (2 * size + 1) * PAGE));
          for (let n = 0; n <= size; n++) pages.delete(n);
        } else bench.context.hwptSetDirtyTracking(hwpt, op === 'track');
      }
      made.forEach(({ hwpt }, space) => {
        if (device.attached === null) device.attach(hwpt);
        else device.replace(hwpt);
        for (const n of [0, 1, 7, 50, 399]) {
          expect(bench.read(1, 2 * n * PAGE)?.[0]).toBe(mapped[space]!.has(n) ? (n % 200) + 1 : undefined);
        }
      });
      for (const { ioas } of made) bench.context.ioasUnmapAll(ioas);
      expect(bench.nic.iommu.poolUsed()).toBe(0);
      // a list that needs a quarter of the pool in one piece finds it
      const { ioas } = made[0]!;
      for (let n = 0; n < 4000; n++) mapPage(bench, ioas, n);
      const last = { iova: 0x1_0000_0000, length: PAGE, source: { window: 0 }, ...RW };
      expect(errno(() => bench.context.ioasMap(ioas, last))).toBe(0x1_0000_0000);
    }),
    { seed: 12, numRuns: 15 },
  );
});

it('a list that cannot grow refuses one more mapping, and keeps what it has', () => {
  const { bench, device, made } = spaces(1);
  const [{ ioas, hwpt }] = made as [(typeof made)[0]];
  device.attach(hwpt);
  for (let n = 0; n < MOST; n++) mapPage(bench, ioas, n);

  expect(mapPage(bench, ioas, MOST)).toBe('ENOMEM');
  expect(mapPage(bench, ioas, MOST)).toBe('ENOMEM'); // and is not there the second time
  expect([0, 1, MOST - 1, MOST].map((n) => bench.read(1, 2 * n * PAGE)?.[0])).toEqual([
    1,
    2,
    ((MOST - 1) % 200) + 1,
    undefined,
  ]);
  expect(bench.context.ioasUnmap(ioas, 0, PAGE)).toBe(PAGE);
  expect(mapPage(bench, ioas, MOST)).toBe(2 * MOST * PAGE);
});

it('a second page table for which there is no room is not made, nor is a mapping that only one of two can hold', () => {
  const { bench, device, made } = spaces(1);
  const [{ ioas }] = made as [(typeof made)[0]];
  for (let n = 0; n < MOST; n++) mapPage(bench, ioas, n);
  const objects = bench.context.objectCount;

  expect(errno(() => bench.context.hwptAlloc({ device: device.id, pt: ioas }))).toBe('ENOMEM');
  expect([bench.context.objectCount, bench.nic.iommu.allocated()]).toEqual([objects, 1]);
  const used = bench.nic.iommu.poolUsed();
  const huge = {
    iova: 2 ** 40,
    length: 2 ** 36,
    source: { foreign: { read: () => false, write: () => false } },
    ...RW,
  };
  bench.context.ioasUnmapAll(ioas);
  bench.context.hwptSetDirtyTracking(made[0]!.hwpt, true);
  bench.context.hwptAlloc({ device: device.id, pt: ioas });
  expect(errno(() => bench.context.ioasMap(ioas, huge))).toBe('ENOMEM');
  expect([used > 0, bench.nic.iommu.poolUsed()]).toEqual([true, 0]);
});
