// SPDX-License-Identifier: Apache-2.0
// docs/state.md: the layout table for people to read, every block with its fields.
import { usedName } from './namespaces.ts';
import { baseOf, type Field, type PlacedBlock } from './resolve.ts';

const INTRODUCTION = `# State

Generated from \`src/layout/\`; do not edit. \`npm run layout\` writes it anew.

All state of the card lies in one linear memory ([decision 0002](decisions/0002-arena-layout.md)), and is declared in one table
([decision 0027](decisions/0027-one-declared-layout.md)). Here it is, block by block. Everything is little-endian and aligned to its size; places are in hex,
addresses where a block is there once, from its own start where it is there often. Constants of these names are in \`assembly/abi\`. "Written by" names rooms:
folders of the core, of which \`host\` is the computer around the card, and \`src\`, what runs the core; fields that are blocks of their own are written as these say. Registers that a driver sees lie in the images of a function
and are in [registers.md](registers.md).`;

/** Text of docs/state.md. */
export function statePage(blocks: readonly PlacedBlock[]): string {
  const contents = blocks.map(({ block }) => `- [${block.name}](#${block.name}): ${block.title}`);
  return [INTRODUCTION, contents.join('\n'), ...blocks.map((block) => section(block, blocks))].join('\n\n') + '\n';
}

function section(placed: PlacedBlock, blocks: readonly PlacedBlock[]): string {
  const { block, bytes, fields } = placed;
  const base = baseOf(placed, blocks);
  const homes = blocks.flatMap((outer) =>
    outer.fields.filter(({ element }) => element === block.name).map(({ name }) => ({ name, file: outer.block.file })),
  );
  const size = block.sizeName === undefined ? '' : `, \`${usedName(block.file, block.sizeName)}\``;
  const within =
    homes.length === 0 ? '' : ` In ${homes.map(({ name, file }) => `\`${usedName(file, name)}\``).join(', ')}.`;
  const lines = [
    `## ${block.name}`,
    '',
    `${block.title}. ${hex(bytes)} bytes${size}; \`assembly/abi/${block.file}.ts\`.${within}`,
    '',
  ];
  for (const [name, value, what] of block.numbers ?? []) {
    lines.push(`- \`${usedName(block.file, name)}\` = ${value}${what === '' ? '' : `: ${cell(what)}`}`);
  }
  if (block.numbers !== undefined) lines.push('');
  lines.push('| at | type | name | | written by |', '|---|---|---|---|---|');
  lines.push(...fields.map((field) => row(field, base, block.file, blocks)));
  return lines.join('\n');
}

function row(
  { name, type, element, offset, what, writers }: Field,
  base: number,
  file: string,
  blocks: readonly PlacedBlock[],
): string {
  const isBlock = blocks.some(({ block }) => block.name === element);
  const linked = isBlock ? type.replace(element, `[${element}](#${element})`) : type;
  const by = isBlock ? '' : writers.join(', ');
  return `| ${hex(base + offset)} | ${linked} | \`${usedName(file, name)}\` | ${cell(what)} | ${by} |`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** Text in a table: no bar ends its cell, no star begins an emphasis. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*');
}
