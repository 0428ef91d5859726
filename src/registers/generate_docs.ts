// SPDX-License-Identifier: Apache-2.0
// The text of docs/registers.md, made from the descriptors. A test compares the file with it and, with UPDATE_DOCS=1,
// writes the file.

import { REGISTER_BLOCKS } from './blocks.ts';
import { REGISTER_NOTES, type RegisterNote } from './notes.ts';
import type { RegisterBits, RegisterBlock, RegisterDescriptor } from './describe.ts';

const HEAD = `# Registers

Generated from \`assembly/abi\`; do not edit. \`UPDATE_DOCS=1 npx vitest run test/abi\` writes it anew.

Offsets and widths are in bytes, everything is little-endian. Access is the driver's: RO read-only, RW read-write,
W1C write one to clear, RC read to clear, WO write-only. The write mask holds the bits that a write changes. A 64-bit
field is two rows, \`_hi\` the upper half. A reset value that depends on the instance (queue counts, BAR sizes, capability
pointers) stands as 0 here.

Beside the registers of configuration space stands what hardware does with them, and what this card does; nothing in the
last column: the same.
`;

/** Text of docs/registers.md. */
export function registersMarkdown(): string {
  const contents = REGISTER_BLOCKS.map(({ name, title }) => `- [${name}](#${name}): ${title}`).join('\n');
  return `${[HEAD, contents, ...REGISTER_BLOCKS.map(blockMarkdown)].join('\n')}\n`;
}

function blockMarkdown(block: RegisterBlock): string {
  const notes = REGISTER_NOTES[block.name];
  const lines = [
    `\n## ${block.name}\n`,
    `${block.title}. ${block.section}. ${block.size} bytes.\n`,
    `| offset | width | name | access | reset | write mask | bits |${notes === undefined ? '' : ' hardware | this card |'}`,
    `|---|---|---|---|---|---|---|${notes === undefined ? '' : '---|---|'}`,
    ...block.registers.map((register) => registerMarkdown(register, notes?.[register.name])),
  ];
  return lines.join('\n');
}

function registerMarkdown(register: RegisterDescriptor, note: RegisterNote | undefined): string {
  const { offset, width, name, access, reset, writeMask, bits = [] } = register;
  const cells = [hex(offset, 1), width, name, access, hex(reset, width), hex(writeMask, width)];
  const told = note === undefined ? [] : [note[0], note[1] ?? ''];
  return `| ${[...cells, bits.map(bitsMarkdown).join(', '), ...told].join(' | ')} |`;
}

function bitsMarkdown({ name, shift, width }: RegisterBits): string {
  return width === 1 ? `${shift} ${name}` : `${shift + width - 1}:${shift} ${name}`;
}

function hex(value: number, width: number): string {
  return `0x${value.toString(16).padStart(2 * width, '0')}`;
}
