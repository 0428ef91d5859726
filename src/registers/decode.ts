// SPDX-License-Identifier: Apache-2.0
// Bytes of a block to named values, and their text. A row NAME_HI joins the row before it, so 64-bit fields and the
// six bytes of a mac come out as one value. Bytes may end early (a legacy block without vectors has 20 of 24): what
// is not wholly there is left out.

import type { RegisterAccess, RegisterBits, RegisterBlock, RegisterDescriptor } from './describe.ts';

/** A named bit or field with what it holds. */
export interface DecodedBits extends RegisterBits {
  readonly value: number;
}

/** A register with what it holds; `width` is in bytes, `text` is the value as people write it. */
export interface DecodedRegister {
  readonly name: string;
  readonly offset: number;
  readonly width: number;
  readonly access: RegisterAccess;
  readonly value: bigint;
  readonly text: string;
  readonly bits: readonly DecodedBits[];
}

/** Values of the registers of `block` that lie wholly in `bytes`; the first byte is the first of the block. */
export function decodeBlock(block: RegisterBlock, bytes: Uint8Array): DecodedRegister[] {
  return block.registers
    .filter((register) => register.offset + register.width <= bytes.length && !isUpperHalf(block, register))
    .map((register) => decodeRegister(block, register, bytes));
}

function decodeRegister(block: RegisterBlock, register: RegisterDescriptor, bytes: Uint8Array): DecodedRegister {
  const { name, offset, access } = register;
  const upper = block.registers.find((other) => other.name === `${name}_hi` && isUpperHalf(block, other));
  const joins = upper !== undefined && upper.offset + upper.width <= bytes.length;
  const width = joins ? register.width + upper.width : register.width;
  const value = littleEndian(bytes, offset, width);
  const bits = (register.bits ?? []).map((field) => ({ ...field, value: fieldValue(value, field) }));
  return { name, offset, width, access, value, text: valueText(bytes, offset, width), bits };
}

/** A NAME_HI that directly follows its NAME. */
function isUpperHalf(block: RegisterBlock, register: RegisterDescriptor): boolean {
  return block.registers.some(
    ({ name, offset, width }) => `${name}_hi` === register.name && offset + width === register.offset,
  );
}

function littleEndian(bytes: Uint8Array, offset: number, width: number): bigint {
  let value = 0n;
  for (let index = offset + width - 1; index >= offset; index--) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

function fieldValue(value: bigint, { shift, width }: RegisterBits): number {
  return Number((value >> BigInt(shift)) & ((1n << BigInt(width)) - 1n));
}

/** Six bytes are an Ethernet address, in the order of the bytes; everything else is a number of its width. */
function valueText(bytes: Uint8Array, offset: number, width: number): string {
  const digits = [...bytes.subarray(offset, offset + width)].map((byte) => byte.toString(16).padStart(2, '0'));
  return width === 6 ? digits.join(':') : `0x${digits.reverse().join('')}`;
}

/** The bits of a register in words: set bits by name, fields with their value, fields that are zero left out. */
export function bitsText(register: DecodedRegister): string {
  return register.bits
    .filter(({ value }) => value !== 0)
    .map(({ name, width, value }) => (width === 1 ? name : `${name}=${value}`))
    .join(' ');
}

/** One line for each register: offset, access, name, value, bits. Ends without a line feed. */
export function registersText(registers: readonly DecodedRegister[]): string {
  const nameWidth = Math.max(0, ...registers.map(({ name }) => name.length));
  const valueWidth = Math.max(0, ...registers.map(({ text }) => text.length));
  return registers
    .map((register) => {
      const offset = `0x${register.offset.toString(16).padStart(2, '0')}`;
      const name = register.name.padEnd(nameWidth);
      const value = register.text.padEnd(valueWidth);
      return `${offset}  ${register.access.padEnd(3)}  ${name}  ${value}  ${bitsText(register)}`.trimEnd();
    })
    .join('\n');
}
