// SPDX-License-Identifier: Apache-2.0
// What restore() refuses: bytes that are no snapshot, part of one, one of another configuration, and one of a build that
// lays the state out otherwise. That is the same size, so without the hash of the layout it would go in unnoticed.
import { describe, expect, it } from 'vitest';

import { ARENA_BASE } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import { layoutHash, STORED_VALUES, type StoredValues } from '../../src/layout/hash.ts';
import type { Table } from '../../src/layout/rows.ts';
import { TABLE } from '../../src/layout/table.ts';
import type { NicConfig } from '../../src/device/config.ts';
import { createNic } from '../../src/device/nic.ts';

const COMMON_NUM_QUEUES = 0x12; // le16, virtio 1.4 §4.1.4.3
const COMMON_BAR = 2;

const card = (config: NicConfig = {}) => createNic({ totalVfs: 2, windowBytes: 0x10000, ...config });

/** The table with two rows in each other's places, which leaves all sizes as they are. */
function swapped(one: string, other: string): Table {
  const rows = TABLE.flatMap((block) => block.rows);
  const find = (name: string) => rows.find((row) => row[0] === name)!;
  const exchange = new Map([
    [one, find(other)],
    [other, find(one)],
  ]);
  return TABLE.map((block) => ({ ...block, rows: block.rows.map((row) => exchange.get(row[0]) ?? row) }));
}

/** A snapshot as a build with such a layout would have taken it. */
function snapshotOf(table: Table, values: StoredValues): Uint8Array {
  const snapshot = card().snapshot();
  new DataView(snapshot.buffer).setUint32(CTL.LAYOUT_HASH - ARENA_BASE, layoutHash(table, values), true);
  return snapshot;
}

describe('restore', () => {
  it('takes a snapshot of the same build, configuration and layout', () => {
    const other = card();

    other.restore(snapshotOf(TABLE, STORED_VALUES));

    expect(other.read(0, COMMON_BAR, COMMON_NUM_QUEUES, 2)).toBe(card().read(0, COMMON_BAR, COMMON_NUM_QUEUES, 2));
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    ['nothing', () => new Uint8Array(), /^0 bytes are no snapshot/],
    ['other bytes', () => new Uint8Array(0x1000), /^4096 bytes are no snapshot/],
    ['part of a snapshot', () => card().snapshot().subarray(0, 0x1000), /has 4096 bytes of \d+/],
    ['a snapshot of a card with more VFs', () => card({ totalVfs: 3 }).snapshot(), /another configuration/],
    ['one of a card with a larger window', () => card({ windowBytes: 0x20000 }).snapshot(), /another configuration/],
    [
      'one whose fields stand elsewhere',
      () => snapshotOf(swapped('FN_MEMORY', 'FN_BUS_MASTER'), STORED_VALUES),
      /another build/,
    ],
    [
      'one whose events have other codes',
      () => snapshotOf(TABLE, { ...STORED_VALUES, 'EV.QUEUE': 60 }),
      /another build/,
    ],
  ])('refuses %s, and changes nothing', (_, take, why) => {
    const nic = card();
    const digest = nic.digest();
    const snapshot = take();

    expect(() => nic.restore(snapshot)).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT', message: expect.stringMatching(why) as string }),
    );
    expect(nic.digest()).toBe(digest);
  });
});
