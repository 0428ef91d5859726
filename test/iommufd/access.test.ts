// SPDX-License-Identifier: Apache-2.0
// Accesses: pins keep a mapping until their owner, told of it, lets go; what does not let go stays mapped.
import { beforeEach, describe, expect, it } from 'vitest';

import type { IommufdAccess } from '../../src/iommufd/access.ts';
import { errno, IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
const IOVA = 0x10_0000;

let bench: IommufdBench;
let ioas: number;
let told: [string, number, number][];

beforeEach(() => {
  bench = new IommufdBench(2);
  bench.numberPages();
  ioas = bench.context.ioasAlloc();
  for (const [i, pages] of [2, 1, 3].entries()) {
    bench.context.ioasMap(ioas, {
      iova: IOVA + 16 * i * PAGE,
      length: pages * PAGE,
      source: { window: i * 8 * PAGE },
      ...RW,
    });
  }
  told = [];
});

/** An access that unpins what it is told to, or does not. */
function access(name: string, pinned: readonly (readonly [number, number])[], letsGo = true): IommufdAccess {
  const made: IommufdAccess = bench.context.createAccess({
    unmap: (iova, length) => {
      told.push([name, iova, length]);
      if (!letsGo) return;
      const left = held.filter(([at, bytes]) => at >= iova + length || iova >= at + bytes);
      for (const pin of held) if (!left.includes(pin)) made.unpinPages(...pin);
      held = left;
    },
  });
  let held = pinned;
  made.attach(ioas);
  for (const [at, bytes] of pinned) made.pinPages(at, bytes);
  return made;
}

describe('unmapping', () => {
  it('tells every access of a mapping with pins, and of no other', () => {
    const a = access('a', [[IOVA, PAGE]]);
    access('b', []);

    expect(bench.context.ioasUnmap(ioas, IOVA + 16 * PAGE, PAGE)).toBe(PAGE);
    expect(told).toEqual([]);
    expect(bench.context.ioasUnmapAll(ioas)).toBe(5 * PAGE);
    expect(told).toEqual([
      ['a', IOVA, 2 * PAGE],
      ['b', IOVA, 2 * PAGE],
    ]);
    expect(a.pinned).toBe(0);
  });

  it('fails with EDEADLK while a pin is held, and works when it is gone; the mapping takes no new pins', () => {
    const held = access('held', [[IOVA, 2 * PAGE]], false);
    const device = bench.bind(1);
    device.attach(ioas);

    expect(errno(() => bench.context.ioasUnmap(ioas, IOVA, 2 * PAGE))).toBe('EDEADLK');
    expect(bench.read(1, IOVA)![0]).toBe(1);
    expect(errno(() => held.pinPages(IOVA, PAGE))).toBe('EINVAL');
    held.unpinPages(IOVA, 2 * PAGE);
    expect(bench.context.ioasUnmap(ioas, IOVA, 2 * PAGE)).toBe(2 * PAGE);
    expect(bench.read(1, IOVA)).toBeNull();
  });

  it('stops at the mapping that is in the way; what lies below is gone', () => {
    access('held', [[IOVA + 16 * PAGE, PAGE]], false);
    const device = bench.bind(1);
    device.attach(ioas);

    expect(errno(() => bench.context.ioasUnmapAll(ioas))).toBe('EDEADLK');
    expect([0, 16, 32].map((page) => bench.read(1, IOVA + page * PAGE)?.[0])).toEqual([undefined, 9, 17]);
  });

  it('refuses an unmap from within the callback', () => {
    const codes: unknown[] = [];
    const made = bench.context.createAccess({
      unmap: () => {
        codes.push(errno(() => bench.context.ioasUnmapAll(ioas)));
        made.unpinPages(IOVA, PAGE);
      },
    });
    made.attach(ioas);
    made.pinPages(IOVA, PAGE);

    expect(bench.context.ioasUnmapAll(ioas)).toBe(6 * PAGE);
    expect(codes).toEqual(['EBUSY']);
  });
});

describe('pins', () => {
  it('say where the memory is, piece by piece', () => {
    bench.context.ioasMap(ioas, { iova: IOVA + 2 * PAGE, length: PAGE, source: { window: 40 * PAGE }, ...RW });
    const made = access('a', []);

    expect(made.pinPages(IOVA + PAGE, 2 * PAGE)).toEqual([
      { iova: IOVA + PAGE, length: PAGE, source: { window: PAGE } },
      { iova: IOVA + 2 * PAGE, length: PAGE, source: { window: 40 * PAGE } },
    ]);
  });

  it('of the same range are counted', () => {
    const made = access('a', [
      [IOVA, PAGE],
      [IOVA, PAGE],
    ]);
    made.unpinPages(IOVA, PAGE);

    expect(made.pinned).toBe(1);
    made.unpinPages(IOVA, PAGE);
    expect(errno(() => made.unpinPages(IOVA, PAGE))).toBe('EINVAL');
  });

  it('that fail half way leave nothing pinned', () => {
    const made = access('a', []);

    expect(errno(() => made.pinPages(IOVA, 3 * PAGE))).toBe('ENOENT');
    expect(bench.context.ioasUnmap(ioas, IOVA, 2 * PAGE)).toBe(2 * PAGE);
    expect(told).toEqual([]);
  });
});

describe('another IOAS', () => {
  it('is taken when the callback has let go, which is told the whole space', () => {
    const made = access('a', [[IOVA, PAGE]]);
    const other = bench.context.ioasAlloc();

    made.replace(other);
    expect(told).toEqual([['a', 0, 2 ** 52]]);
    expect(errno(() => made.pinPages(IOVA, PAGE))).toBe('ENOENT');
    bench.context.destroy(ioas);
    expect(errno(() => bench.context.destroy(other))).toBe('EBUSY');
    made.destroy();
    bench.context.destroy(other);
    expect(bench.context.objectCount).toBe(0);
  });
});
