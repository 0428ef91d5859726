// SPDX-License-Identifier: Apache-2.0
// Every constant and every row of the register declarations against a second copy typed from the specifications.
import { describe, expect, it } from 'vitest';

import { repoFiles } from '../support/repo.ts';
import { SPEC_NET } from './spec_net.ts';
import { SPEC_PCI } from './spec_pci.ts';
import { specConstants, specRows } from './spec_table.ts';
import { SPEC_VIRTIO } from './spec_virtio.ts';

const SPEC_FILES = [...SPEC_VIRTIO, SPEC_NET, ...SPEC_PCI];

describe.each(SPEC_FILES)('assembly/abi/$file', (spec) => {
  const { abi, blocks } = spec;
  const expected = specConstants(spec);

  it('exports the constants of the specification and no other', () => {
    const exported = Object.entries(abi).filter(([, value]) => typeof value === 'number');

    expect(exported.map(([name]) => name).sort()).toEqual([...expected.keys()].sort());
  });

  it.each([...expected])('says %s = %i', (name, value) => {
    expect(abi[name]).toBe(value);
  });

  it('exports the tables of the specification and no other', () => {
    const tables = Object.entries(abi).filter(([, value]) => typeof value !== 'number');

    expect(tables.map(([name]) => name).sort()).toEqual(blocks.map(({ table }) => table).sort());
  });

  const rows = blocks.flatMap((block) =>
    specRows(block).map(([name, row], index) => ({ table: block.table, name, row, index })),
  );

  it.for(rows)('has the row of $name in $table', ({ table, row, index }) => {
    const numbers = abi[table] as readonly number[];

    expect(numbers.slice(5 * index, 5 * index + 5)).toEqual(row);
  });

  it.for(blocks)('has no row in $table that the structure has not', (block) => {
    expect(abi[block.table]).toHaveLength(5 * specRows(block).length);
  });
});

describe('the second copy', () => {
  it('covers every file that declares registers', () => {
    const named = repoFiles('assembly/abi', '.ts').filter((file) => /\/(?:pci|virtio|device_status)/.test(file));

    expect(SPEC_FILES.map(({ file }) => `assembly/abi/${file}`).sort()).toEqual(named);
  });
});
