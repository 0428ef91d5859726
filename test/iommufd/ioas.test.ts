// SPDX-License-Identifier: Apache-2.0
// The address space by itself, as drivers of one device use it: several mappings at once, cut by nobody.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { Ioas } from '../../src/iommufd/ioas.ts';
import { errno, IommufdBench, PAGE } from './support/bench.ts';

const PAGES = 24;

it('any mapping and unmapping of several ranges leaves what a list of pages says', () => {
  const step = fc.record({ isMap: fc.boolean(), at: fc.nat(PAGES - 1), size: fc.integer({ min: 1, max: 12 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const bench = new IommufdBench(1);
      bench.numberPages();
      const ioas = new Ioas(bench.nic);
      bench.nic.attachIoas(1, ioas.id);
      // the mapping that a page is in, by its first page
      const owner: (number | null)[] = Array<null>(2 * PAGES).fill(null);
      const length = new Map<number, number>();
      for (const { isMap, at, size } of steps) {
        const touched = owner.slice(at, at + size).filter((first) => first !== null);
        if (isMap) {
          const pages = Math.min(size, 3);
          const isFree = owner.slice(at, at + pages).every((first) => first === null);
          const answer = errno(() => ioas.map(at * PAGE, pages * PAGE, at * PAGE));
          expect(answer).toBe(isFree ? undefined : 'EEXIST');
          if (!isFree) continue;
          owner.fill(at, at, at + pages);
          length.set(at, pages);
        } else {
          const isCut = touched.some((first) => first < at || first + length.get(first)! > at + size);
          const answer = errno(() => ioas.unmap(at * PAGE, size * PAGE));
          expect(answer).toBe(isCut ? 'EINVAL' : touched.length === 0 ? 'ENOENT' : touched.length * PAGE);
          if (!isCut) owner.fill(null, at, at + size);
        }
        const seen = Array.from({ length: PAGES }, (_, n) => bench.read(1, n * PAGE, 8)?.[0] ?? null);
        expect(seen).toEqual(owner.slice(0, PAGES).map((first, n) => (first === null ? null : n + 1)));
      }
      ioas.destroy();
      expect([bench.nic.iommu.allocated(), bench.nic.iommu.poolUsed()]).toEqual([0, 0]);
    }),
    { seed: 3, numRuns: 60 },
  );
});
