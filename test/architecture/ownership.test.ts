// SPDX-License-Identifier: Apache-2.0
// Who writes whose state: every store to a field of the state comes from a room that the layout table names as its writer.
// Imports do not show this, since everybody may import the constants.
import { describe, expect, it } from 'vitest';

import { usedName } from '../../src/layout/namespaces.ts';
import { place } from '../../src/layout/resolve.ts';
import { TABLE } from '../../src/layout/table.ts';
import { readRepoFile, repoFiles } from '../support/repo.ts';
import { type Write, writesOf } from './writes.ts';

/** Fewer writes than this mean that the test looks in the wrong place. */
const FEWEST_WRITES = 600;

const blocks = place(TABLE);
const fields = new Map(
  blocks.flatMap(({ block, fields: rows }) => rows.map((field) => [usedName(block.file, field.name), field])),
);

/** Rooms that may write a field; a field that is a block of its own is written by those who write what is in it. */
function writersOf(name: string): Set<string> {
  const { element, writers } = fields.get(name)!;
  const inside = blocks.find(({ block }) => block.name === element);
  const names = inside?.fields.map((field) => usedName(inside.block.file, field.name)) ?? [];
  return new Set([...writers, ...names.flatMap((each) => [...writersOf(each)])]);
}

/** The room of a file: its folder in the core, or src. */
function roomOf(file: string): string {
  const [tree, folder] = file.split('/');
  return tree === 'src' ? 'src' : folder!;
}

const writesIn = (files: ReadonlyMap<string, string>): Write[] => writesOf(files, (name) => fields.has(name));

function foreign(writes: readonly Write[]): string[] {
  return writes
    .filter(({ field, file }) => !writersOf(field).has(roomOf(file)))
    .map(({ field, file, line }) => `${file}:${line} writes ${field}, which ${[...writersOf(field)].join(', ')} may`);
}

const sources = new Map(
  [...repoFiles('assembly', '.ts'), ...repoFiles('src', '.ts')]
    .filter((file) => !/^assembly\/(?:abi|fuzz)\//.test(file))
    .map((file) => [file, readRepoFile(file)]),
);

describe('the state', () => {
  const writes = writesIn(sources);

  it('is written somewhere', () => {
    expect(writes.length).toBeGreaterThan(FEWEST_WRITES);
  });

  it('is written by those alone who the layout table says', () => {
    expect(foreign(writes)).toEqual([]);
  });

  // What is written through a stored pointer is not seen, so src is taken at its word.
  it('has no second writer in the table who does not write it', () => {
    const seen = new Set(writes.map(({ field, file }) => `${field} ${roomOf(file)}`));
    const granted = [...fields]
      .filter(([, { writers }]) => writers.length > 1)
      .flatMap(([name, { writers }]) => writers.filter((room) => room !== 'src').map((room) => `${name} ${room}`));

    expect(granted.filter((pair) => !seen.has(pair))).toEqual([]);
  });
});

describe('a foreign write', () => {
  const IN_PCI = 'assembly/pci/bar.ts';
  const found = (body: string, file = IN_PCI): string[] => {
    const files = new Map([
      ['assembly/mem/place.ts', 'export function place(): usize { return CTL.NOW; }'],
      [file, `export function plant(f: usize, q: usize, fn: u32): void { ${body} }`],
    ]);
    return foreign(writesIn(files));
  };

  it.each([
    ['a store with the field as its offset', 'store<u16>(q, 1, Q.SIZE);', 'Q.SIZE'],
    ['a store to a sum', 'store<u16>(q + Q.SIZE, 1);', 'Q.SIZE'],
    ['a store to a word of the control block', 'store<u32>(CTL.MAC_DIRTY, 1);', 'CTL.MAC_DIRTY'],
    ['a store by way of a local name', 'const at = PORT_ACTIVE + (fn >> 3); store<u8>(at, 1);', 'PORT_ACTIVE'],
    ['a store to one of two places', 'store<u32>(fn == 0 ? CTL.MPS : FN.MEMORY, 1);', 'CTL.MPS'],
    ['a fill', 'memory.fill(f + FN.COMMON, 0, 64);', 'FN.COMMON'],
    ['a store to what a function returns', 'store<u32>(place(), 1);', 'CTL.NOW'],
    ['a copy', 'memory.copy(q + Q.LINE, f + FN.CONFIG, 8);', 'Q.LINE'],
  ])('is found in %s', (_, body, field) => {
    expect(found(body)).toEqual([expect.stringContaining(`${IN_PCI}:1 writes ${field}, which `)]);
  });

  it('is found where a function stores what it is handed, in the caller', () => {
    const files = new Map([
      ['assembly/mem/bits.ts', 'export function put(value: u32, to: usize): void { set(to + 4, value); }'],
      ['assembly/mem/set.ts', 'export function set(at: usize, value: u32): void { store<u32>(at, value); }'],
      [IN_PCI, '\nexport function plant(): void { put(1, CTL.NOW); }'],
    ]);

    expect(foreign(writesIn(files))).toEqual([`${IN_PCI}:2 writes CTL.NOW, which sim may`]);
  });

  it.each([
    ['an element of a view', 'core.u32[(at + CTL.NOW) >> 2] = 1;'],
    ['a sum on an element', 'core.u32[CTL.NOW / 4] += 1;'],
    ['a setter', 'view.setBigUint64(CTL.NOW, 1n, true);'],
    ['a copy into a view', 'u8.set(bytes, CTL.NOW);'],
  ])('of the host is found in %s', (_, body) => {
    expect(found(body, 'src/device/nic.ts')).toEqual(['src/device/nic.ts:1 writes CTL.NOW, which sim may']);
  });

  it('is none where the field is only read, or a room writes its own', () => {
    expect(found('store<u8>(f, <u8>load<u32>(CTL.MAC_DIRTY), FN.MEMORY);')).toEqual([]);
    expect(found('store<u8>(load<u32>(q, Q.FIFO_HEAD), 1, FN.BUS_MASTER);')).toEqual([]);
    expect(found('memory.copy(f + FN.MSIX_TABLE, q + Q.LINE, 8);')).toEqual([]);
    expect(found('const n = core.u32[CTL.NOW >> 2]; u8.set(bytes, WIRE_INPUT);', 'src/device/nic.ts')).toEqual([]);
  });
});
