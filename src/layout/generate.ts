// SPDX-License-Identifier: Apache-2.0
// The files that are made of the layout table: constants for both compilers, and the page that shows it. Offsets in large
// blocks are written in hex.
import { layoutHash, type StoredValues } from './hash.ts';
import { exportedName } from './namespaces.ts';
import { statePage } from './page.ts';
import { baseOf, place, type PlacedBlock } from './resolve.ts';
import type { Table } from './rows.ts';

const HEAD =
  '// SPDX-License-Identifier: Apache-2.0\n// Generated from src/layout/ by `npm run layout`; docs/state.md shows it with who writes what.';
const HEX_FROM = 0x1000;

/** Text of each generated file, by its path. */
export function generatedFiles(table: Table, values: StoredValues): Map<string, string> {
  const blocks = place(table);
  const names = [...new Set(table.map(({ file }) => file))];
  const files = names.map((file): [string, string] => [
    `assembly/abi/${file}.ts`,
    constantsFile(
      blocks.filter(({ block }) => block.file === file).map((block) => constants(block, baseOf(block, blocks))),
    ),
  ]);
  return new Map([
    ...files,
    ['assembly/abi/layout_hash.ts', hashFile(layoutHash(table, values))],
    ['docs/state.md', statePage(blocks)],
  ]);
}

function constantsFile(parts: readonly string[]): string {
  return [HEAD, ...parts].join('\n\n') + '\n';
}

/** A file of its own: two changes of the table always meet in it, and are made one by making it again. */
function hashFile(hash: number): string {
  const what = 'over the whole layout and the values in it: a snapshot of another build has another';
  return constantsFile([constant('LAYOUT_HASH', hash, true, what)]);
}

function constants({ block, fields, bytes }: PlacedBlock, base: number): string {
  const isLarge = base + bytes >= HEX_FROM;
  const called = (name: string): string => exportedName(block.file, name);
  const sizes = block.sizeName === undefined ? [] : [constant(called(block.sizeName), bytes, bytes >= HEX_FROM, '')];
  return [
    `// ${block.title}`,
    ...(block.numbers ?? []).map(([name, value, what]) =>
      constant(called(name), value, isSize(name) && value >= HEX_FROM, what),
    ),
    ...sizes,
    ...fields.map(({ name, type, what, offset }) =>
      constant(called(name), base + offset, isLarge, what === '' ? type : `${type}: ${what}`),
    ),
  ].join('\n');
}

function isSize(name: string): boolean {
  return /BYTES|BASE/.test(name);
}

function constant(name: string, value: number, isHex: boolean, comment: string): string {
  const number = isHex ? `0x${value.toString(16)}` : String(value);
  return `export const ${name} = ${number};${comment === '' ? '' : ` // ${comment}`}`;
}
