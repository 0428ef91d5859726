// SPDX-License-Identifier: Apache-2.0
// Which chains a driver may offer, by virtio 1.4 §2.7.5: descriptors as tables, and the verdict.
import { describe, expect, it } from 'vitest';

import { chainFault } from '../../src/reference/chain.ts';

const BASE = 0x1_0000_0000;
const [NEXT, WRITE, INDIRECT] = [1, 2, 4];
const TABLE = 0x800;

/** address (an offset, or beyond), length, flags, next */
type Row = readonly [number, number, number, number?];

function verdict(
  rows: readonly Row[],
  options: { table?: readonly Row[]; head?: number; hasIndirect?: boolean } = {},
): string | null {
  const view = new DataView(new ArrayBuffer(0x1000));
  const put = (at: number, list: readonly Row[]): void =>
    list.forEach(([address, length, flags, next = 0], i) => {
      const device = BASE + address;
      view.setUint32(at + 16 * i, device >>> 0, true);
      view.setUint32(at + 16 * i + 4, Math.floor(device / 2 ** 32), true);
      view.setUint32(at + 16 * i + 8, length, true);
      view.setUint16(at + 16 * i + 12, flags, true);
      view.setUint16(at + 16 * i + 14, next, true);
    });
  put(0, rows);
  put(TABLE, options.table ?? []);
  const { hasIndirect = true, head = 0 } = options;
  return chainFault({ view, base: BASE, length: 0x1000 }, { table: 0, size: 4, hasIndirect }, head);
}

describe('a chain', () => {
  it.each<[string, readonly Row[]]>([
    ['one readable buffer', [[0x100, 60, 0]]],
    [
      'readable, then writable',
      [
        [0x100, 24, NEXT, 1],
        [0x200, 8, WRITE],
      ],
    ],
    [
      'as long as the queue',
      [
        [0x100, 1, NEXT, 1],
        [0x100, 1, NEXT, 2],
        [0x100, 1, NEXT, 3],
        [0x100, 1, 0],
      ],
    ],
    ['an empty buffer anywhere', [[0xffff_ffff, 0, 0]]],
  ])('is good: %s', (_, rows) => {
    expect(verdict(rows)).toBeNull();
  });

  it.each<[string, readonly Row[], RegExp]>([
    ['next beyond the queue', [[0x100, 1, NEXT, 4]], /beyond the queue/],
    ['a loop', [[0x100, 1, NEXT, 0]], /loop/],
    [
      'readable behind writable',
      [
        [0x100, 8, WRITE | NEXT, 1],
        [0x200, 8, 0],
      ],
      /readable behind writable/,
    ],
    [
      '4 GiB and more',
      [
        [0x100, 0xffff_ffff, WRITE | NEXT, 1],
        [0x100, 1, WRITE],
      ],
      /4 GiB/,
    ],
    ['a buffer far outside', [[0x7_0000_0000, 8, 0]], /not mapped/],
    ['INDIRECT with NEXT', [[TABLE, 16, INDIRECT | NEXT, 1]], /INDIRECT and NEXT/],
    ['an indirect table of 24 bytes', [[TABLE, 24, INDIRECT]], /odd length/],
    ['an empty indirect table', [[TABLE, 0, INDIRECT]], /odd length/],
  ])('is bad: %s', (_, rows, why) => {
    expect(verdict(rows)).toMatch(why);
  });

  // A frame of more than 2 GiB is cut long before its second buffer is needed.
  it('is not bad for a buffer far outside that lies behind more than a card reads', () => {
    const rows: readonly Row[] = [
      [0x100, 0x8000_0000, NEXT, 1],
      [0x7_0000_0000, 60, 0],
    ];

    expect(verdict(rows)).toBeNull();
  });

  it('begins at a head inside the queue', () => {
    expect(verdict([[0x100, 1, 0]], { head: 4 })).toMatch(/beyond the queue/);
  });

  it('may use an indirect table where that was negotiated', () => {
    const rows: readonly Row[] = [[TABLE, 32, INDIRECT]];
    const table: readonly Row[] = [
      [0x100, 1, NEXT, 1],
      [0x100, 1, WRITE],
    ];

    expect(verdict(rows, { table })).toBeNull();
    expect(verdict(rows, { table, hasIndirect: false })).toMatch(/not negotiated/);
  });

  it('has no table in a table, and no next beyond its table', () => {
    const rows: readonly Row[] = [[TABLE, 32, INDIRECT]];

    expect(verdict(rows, { table: [[TABLE, 16, INDIRECT]] })).toMatch(/in an indirect table/);
    expect(verdict(rows, { table: [[0x100, 1, NEXT, 2]] })).toMatch(/beyond the indirect table/);
  });
});
