// SPDX-License-Identifier: Apache-2.0
// The layout table: what is made of it is up to date, nothing overlaps, everything is aligned and within its block, and
// the check that says so is not blind.
import { describe, expect, it } from 'vitest';

import { generatedFiles } from '../../src/layout/generate.ts';
import { layoutHash, STORED_VALUES } from '../../src/layout/hash.ts';
import { layoutFaults, place } from '../../src/layout/resolve.ts';
import type { Row, Table } from '../../src/layout/rows.ts';
import { TABLE } from '../../src/layout/table.ts';
import { readRepoFile, repoFiles } from '../support/repo.ts';

/** The table with one row put in the place of another. */
function withRow(name: string, change: (row: Row) => Row): Table {
  return TABLE.map((block) => ({ ...block, rows: block.rows.map((row) => (row[0] === name ? change(row) : row)) }));
}

describe('files made of the layout table', () => {
  const files = generatedFiles(TABLE, STORED_VALUES);

  it.each([...files.keys()])('%s is up to date; `npm run layout` writes it', (file) => {
    expect(readRepoFile(file)).toBe(files.get(file));
  });

  it('are all that say so', () => {
    const claimed = repoFiles('assembly', '.ts').filter((file) =>
      readRepoFile(file).includes('\n// Generated from src/layout/'),
    );

    expect(claimed).toEqual([...files.keys()].filter((file) => file.startsWith('assembly/')).toSorted());
  });
});

describe('docs/state.md', () => {
  const text = generatedFiles(TABLE, STORED_VALUES).get('docs/state.md')!;

  it('has a heading for each block and a line for each field', () => {
    expect(text.match(/^## .*$/gm)).toEqual(TABLE.map(({ name }) => `## ${name}`));
    expect(text.match(/^\| 0x/gm)).toHaveLength(TABLE.flatMap(({ rows }) => rows).length);
  });

  it('says where bus mastering of a function stands, and who writes it', () => {
    // behind 4096 bytes of configuration space: two words, and two bytes
    expect(text).toMatch(/^\| 0x100a \| u8 \| `FN\.BUS_MASTER` \| [^|]*\| pci \|$/m);
  });
});

describe('the layout table', () => {
  it('has no overlap, no field out of alignment or beyond its block, and no name twice', () => {
    expect(layoutFaults(TABLE)).toEqual([]);
  });

  it('has every block of the state', () => {
    expect(TABLE.length).toBeGreaterThan(25);
    expect(TABLE.flatMap(({ rows }) => rows).length).toBeGreaterThan(400);
  });

  // copied, cleared, or counted through as one
  it.each([
    ['Q_KICK_ISSUED', 'Q_KICK_ARRIVED', 'Q_IDX_READ', 'Q_RING_READ', 'Q_VISITED'],
    ['DMA_UP_TLPS', 'DMA_UP_BYTES', 'DMA_DOWN_TLPS', 'DMA_DOWN_BYTES'],
    ['ADMIN_TRACE_OPCODE', 'ADMIN_TRACE_GROUP'],
    ['ADMIN_TRACE_STATUS', 'ADMIN_TRACE_QUALIFIER'],
    ['CREDIT_UP_P', 'CREDIT_UP_NP', 'CREDIT_UP_CPL', 'CREDIT_DOWN_P', 'CREDIT_DOWN_NP'],
    ['PF_WMASK', 'PF_W1CMASK', 'VF_WMASK', 'VF_W1CMASK'],
    ['JOBS', 'RX_JOBS'],
  ])('keeps %s and those after it together', (...names) => {
    const { fields } = place(TABLE).find((block) => block.fields.some(({ name }) => name === names[0]))!;
    const first = fields.findIndex(({ name }) => name === names[0]);
    const run = fields.slice(first, first + names.length);

    expect(run.map(({ name }) => name)).toEqual(names);
    expect(run.slice(1).map(({ offset }) => offset)).toEqual(
      run.slice(0, -1).map(({ offset, bytes }) => offset + bytes),
    );
  });

  it('says who writes a field, but for the fields that are blocks of their own', () => {
    const blocks = new Set(TABLE.map(({ name }) => name));
    const silent = place(TABLE).flatMap(({ fields }) =>
      fields.filter(({ element, writers }) => writers.length === 0 && !blocks.has(element)),
    );

    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});

describe('a layout', () => {
  const block = { title: '', file: 'x', by: 'sim' };
  const small: Table = [
    {
      ...block,
      name: 'pair',
      rows: [
        ['P_WIDE', 'u64', ''],
        ['P_NARROW', 'u16', ''],
      ],
    },
    {
      ...block,
      name: 'outer',
      sizeName: 'O_BYTES',
      numbers: [['O_PAIRS', 3, '']],
      rows: [
        ['O_BYTE', 'u8', ''],
        ['O_WORD', 'u32', ''],
        ['O_LIST', 'u8[O_PAIRS * 2]', ''],
        ['O_PAIR', 'pair[O_PAIRS]', ''],
        ['O_LATE', 'u8', '', { at: 80 }],
      ],
    },
    { ...block, name: 'inner', within: 'O_PAIR', rows: [['I_WORD', 'u32', '']] },
  ];

  it('puts each field behind the one before, aligned to what it is made of', () => {
    const [pair, outer] = place(small);

    expect(pair).toMatchObject({ bytes: 16, alignment: 8 });
    // byte at 0, word at 4, six bytes at 8 to 13, pairs at the next multiple of 8
    expect(outer!.fields.map(({ name, offset }) => [name, offset])).toEqual([
      ['O_BYTE', 0],
      ['O_WORD', 4],
      ['O_LIST', 8],
      ['O_PAIR', 16],
      ['O_LATE', 80],
    ]);
    expect(outer!.bytes).toBe(88);
  });

  it('is written as constants, those of a block that is there once as addresses', () => {
    const text = generatedFiles(small, {}).get('assembly/abi/x.ts');

    expect(text).toContain('export const O_PAIRS = 3;\nexport const O_BYTES = 88;\nexport const O_BYTE = 0; // u8\n');
    expect(text).toContain('export const I_WORD = 16; // u32\n');
  });
});

describe('layoutHash', () => {
  const hash = layoutHash(TABLE, STORED_VALUES);

  it.each<[string, Table]>([
    ['type', withRow('Q_NOTIFY_WORDS', ([name, , what]) => [name, 'u64', what])],
    ['name', withRow('Q_NOTIFY_WORDS', ([, ...rest]) => ['Q_WORDS', ...rest])],
    ['offset', withRow('FN_FAULT_COUNT', ([name, type, what]) => [name, type, what, { at: 0xec }])],
    [
      'number',
      TABLE.map((block) => ({ ...block, numbers: block.numbers?.map(([name, , what]) => [name, 8, what]) ?? [] })),
    ],
  ])('changes with a %s', (_, table) => {
    expect(layoutHash(table, STORED_VALUES)).not.toBe(hash);
  });

  it('changes with a value that is stored', () => {
    expect(layoutHash(TABLE, { ...STORED_VALUES, JOB_RETIRE: 9 })).not.toBe(hash);
    expect(Object.keys(STORED_VALUES)).toEqual(
      expect.arrayContaining(['EV.QUEUE', 'JOB_RETIRE', 'P.SEED', 'CFG.MTU', 'C_FLOOD_FRAMES', 'CAP_EXP']),
    );
  });

  it('does not change with what a field is said to be, or who writes it', () => {
    const table = withRow('Q_SIZE', ([name, type]) => [name, type, 'a size', { by: 'nic' }]);

    expect(layoutHash(table, STORED_VALUES)).toBe(hash);
  });
});

describe('layoutFaults', () => {
  it.each<[string, Table, string]>([
    [
      'a field on top of another',
      withRow('FN_RATE', ([name, type, what]) => [name, type, what, { at: 0x10 }]),
      'FN_RATE at 16 overlaps FN_PASID, which ends at ',
    ],
    [
      'a field out of alignment',
      withRow('FN_FAULT_COUNT', ([name, type, what]) => [name, type, what, { at: 0xf2 }]),
      'FN_FAULT_COUNT at 242 is not aligned to 4',
    ],
    [
      'a field beyond its block',
      withRow('PROFILE_RATE', ([name, type, what]) => [name, type, what, { at: 64 }]),
      'PROFILE_RATE ends at 68, profile at 64',
    ],
    [
      'a block that outgrows its place',
      withRow('FN_FAULTS_LOST', ([name, , what]) => [name, 'u32[4]', what]),
      'FN_COMMON at 4352 overlaps FN_STATE, which ends at ',
    ],
    [
      'a name that is there twice',
      withRow('Q_SIZE', ([, ...rest]) => ['Q_VECTOR', ...rest]),
      'Q_VECTOR is there twice',
    ],
    [
      'a writer that is no room',
      withRow('Q_SIZE', ([name, type, what]) => [name, type, what, { by: 'usb' }]),
      'Q_SIZE is written by usb, which is no room',
    ],
    [
      'a block whose size leaves the next of its kind out of alignment',
      TABLE.map((block) => (block.name === 'job' ? { ...block, bytes: 0x4244 } : block)),
      'job has 16964 bytes, no multiple of 8',
    ],
  ])('finds %s', (_, table, fault) => {
    expect(layoutFaults(table)).toContainEqual(expect.stringContaining(fault)); // where others end may move
  });

  it.each<[string, Table, string]>([
    ['a type that nobody knows', withRow('Q_SIZE', ([name, , what]) => [name, 'u24', what]), 'no type u24'],
    ['a number that nobody knows', withRow('Q_LINE', ([name, , what]) => [name, 'u8[MANY]', what]), 'no number MANY'],
    ['a place that is not there', withRow('CONTROL', ([, ...rest]) => ['ELSEWHERE', ...rest]), 'no row CONTROL'],
  ])('cannot go on with %s', (_, table, message) => {
    expect(() => generatedFiles(table, {})).toThrow(message);
  });
});
