// SPDX-License-Identifier: Apache-2.0
// The files that are made of the layout table: constants for both compilers. Offsets in large blocks are written in hex.
import { baseOf, place, type PlacedBlock } from './resolve.ts';
import type { Table } from './rows.ts';

const HEX_FROM = 0x1000;

/** Text of each generated file, by its path. */
export function generatedFiles(table: Table): Map<string, string> {
  const blocks = place(table);
  const names = [...new Set(table.map(({ file }) => file))];
  return new Map(
    names.map((file) => [
      `assembly/abi/${file}.ts`,
      constantsFile(
        blocks.filter(({ block }) => block.file === file),
        blocks,
      ),
    ]),
  );
}

function constantsFile(blocks: readonly PlacedBlock[], all: readonly PlacedBlock[]): string {
  const head = ['// SPDX-License-Identifier: Apache-2.0', '// Generated from layout/ by `npm run layout`.'];
  return [head.join('\n'), ...blocks.map((block) => constants(block, baseOf(block, all)))].join('\n\n') + '\n';
}

function constants({ block, fields, bytes }: PlacedBlock, base: number): string {
  const isLarge = base + bytes >= HEX_FROM;
  const sizes = block.sizeName === undefined ? [] : [constant(block.sizeName, bytes, bytes >= HEX_FROM, '')];
  return [
    `// ${block.title}`,
    ...(block.numbers ?? []).map(([name, value, what]) =>
      constant(name, value, isSize(name) && value >= HEX_FROM, what),
    ),
    ...sizes,
    ...fields.map(({ name, type, what, offset }) =>
      constant(name, base + offset, isLarge, what === '' ? type : `${type}: ${what}`),
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
