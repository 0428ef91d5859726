// SPDX-License-Identifier: Apache-2.0
// The dirty bitmap is the pages that really changed: a page that the card wrote with other bytes than it had is marked,
// and no page is marked that it did not write.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ForeignMemory } from '../../src/device/foreign.ts';
import { IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
const IOVA = 0x4000_0000;
const PAGES = 40;

function tracked(mode: 'functional' | 'timed') {
  const bench = new IommufdBench(2, { mode });
  const ioas = bench.context.ioasAlloc();
  const device = bench.bind(1);
  const hwpt = bench.context.hwptAlloc({ device: device.id, pt: ioas, dirtyTracking: true });
  device.attach(hwpt);
  const bits = (options: object = {}): number[] => {
    const bitmap = new Uint8Array(PAGES / 8);
    const request = { iova: IOVA, length: PAGES * PAGE, pageSize: PAGE, bitmap, ...options };
    bench.context.hwptGetDirtyBitmap(hwpt, request);
    return [...bitmap].flatMap((byte, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((n) => (byte >> n) & 1).map((n) => 8 * i + n),
    );
  };
  return { bench, ioas, device, hwpt, bits };
}

describe.each(['functional', 'timed'] as const)('in %s mode', (mode) => {
  it('equals the pages that changed, and reading clears it', () => {
    const write = fc.record({ at: fc.nat(PAGES * PAGE - 1), length: fc.integer({ min: 1, max: 4096 }) });
    const { bench, ioas, hwpt, bits } = tracked(mode);
    // mappings of odd sizes, in reverse in the window, one of them for reading only
    const sizes = [1, 7, 8, 9, 15];
    let page = 0;
    for (const size of sizes) {
      const source = { window: (PAGES - page - size) * PAGE };
      bench.context.ioasMap(ioas, {
        iova: IOVA + page * PAGE,
        length: size * PAGE,
        source,
        read: true,
        write: size !== 8,
      });
      page += size;
    }
    const windowPage = (n: number): number => {
      let first = 0;
      for (const size of sizes) {
        if (n < first + size) return PAGES - first - size + (n - first);
        first += size;
      }
      throw new Error('beyond');
    };
    bench.context.hwptSetDirtyTracking(hwpt, true);
    let value = 0;

    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 6 }), (writes) => {
        value = (value % 250) + 1;
        const before = bench.window(0, PAGES * PAGE).slice();
        for (const { at, length } of writes) bench.write(1, IOVA + at, value, Math.min(length, PAGES * PAGE - at));
        bench.read(1, IOVA, 4096);
        const changed = Array.from({ length: PAGES }, (_, n) => n).filter((n) => {
          const offset = windowPage(n) * PAGE;
          return Buffer.compare(before.subarray(offset, offset + PAGE), bench.window(offset, PAGE)) !== 0;
        });

        expect(bits({ noClear: true })).toEqual(changed);
        expect(bits()).toEqual(changed);
        expect(bits()).toEqual([]);
      }),
      { seed: 6, numRuns: 60 },
    );
  });

  it('begins clean, covers what is mapped later, and ends', () => {
    const { bench, ioas, hwpt, bits } = tracked(mode);
    bench.context.ioasMap(ioas, { iova: IOVA, length: (PAGES / 2) * PAGE, source: { window: 0 }, ...RW });
    bench.write(1, IOVA, 1);
    bench.context.hwptSetDirtyTracking(hwpt, true);
    const later = {
      iova: IOVA + (PAGES / 2) * PAGE,
      length: (PAGES / 2) * PAGE,
      source: { window: PAGES * PAGE },
      ...RW,
    };
    bench.context.ioasMap(ioas, later);
    expect(bits()).toEqual([]);

    bench.write(1, IOVA + 3 * PAGE, 2);
    bench.write(1, IOVA + (PAGES - 1) * PAGE, 2);
    expect(bits({ noClear: true })).toEqual([3, PAGES - 1]);
    bench.context.hwptSetDirtyTracking(hwpt, true); // once more: clean
    expect(bits()).toEqual([]);

    bench.context.hwptSetDirtyTracking(hwpt, false);
    bench.write(1, IOVA, 3);
    bench.context.hwptSetDirtyTracking(hwpt, true);
    expect(bits()).toEqual([]);
    bench.context.ioasUnmapAll(ioas);
    expect(bench.nic.iommu.poolUsed()).toBe(0);
  });

  it('is one of the page table: writes by another are not in it, nor those of accesses', () => {
    const { bench, ioas, hwpt, bits } = tracked(mode);
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGES * PAGE, source: { window: 0 }, ...RW });
    bench.context.hwptSetDirtyTracking(hwpt, true);
    bench.bind(2).attach(ioas);
    const access = bench.context.createAccess();
    access.attach(ioas);

    expect(bench.write(2, IOVA + PAGE, 9)).toBe(true);
    access.rw(IOVA + 2 * PAGE, new Uint8Array(8), { write: true });
    expect(bits()).toEqual([]);
  });

  it('in larger pages, a bit is any page of it', () => {
    const { bench, ioas, hwpt, bits } = tracked(mode);
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGES * PAGE, source: { window: 0 }, ...RW });
    bench.context.hwptSetDirtyTracking(hwpt, true);
    for (const page of [0, 1, 11, 39]) bench.write(1, IOVA + page * PAGE, 5);

    expect(bits({ pageSize: 4 * PAGE })).toEqual([0, 2, 9]);
  });

  it('marks foreign memory too', () => {
    const { bench, ioas, hwpt, bits } = tracked(mode);
    const bytes = new Uint8Array(PAGES * PAGE);
    const foreign: ForeignMemory = {
      read: () => false,
      write: (offset, length, source, at) => {
        bytes.set(source.subarray(at, at + length), offset);
        return true;
      },
    };
    bench.context.ioasMap(ioas, { iova: IOVA, length: PAGES * PAGE, source: { foreign }, ...RW });
    bench.context.hwptSetDirtyTracking(hwpt, true);
    bench.write(1, IOVA + 2 * PAGE - 1, 7, 2);

    expect(bits()).toEqual([1, 2]);
    expect([...bytes.subarray(2 * PAGE - 2, 2 * PAGE + 2)]).toEqual([0, 7, 7, 0]);
  });
});
