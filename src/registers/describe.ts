// SPDX-License-Identifier: Apache-2.0
// Turns a row table of assembly/abi and the names exported beside it into descriptors: what the decoder, the inspector,
// the waveform names and the generated documentation read. The order of `registers` is that of the structure in the
// specification; each name must be the export `prefix + NAME` and equal the offset of its row, or the block is refused.

import { RC, RO, ROW_ACCESS, ROW_FIELDS, ROW_OFFSET, ROW_RESET } from '../../assembly/abi/register_row.ts';
import { ROW_WIDTH, ROW_WRITE_MASK, RW, W1C, WO } from '../../assembly/abi/register_row.ts';
import { NicError } from '../util/errors.ts';

/** How a driver may use a register: read-only, read-write, write one to clear, read to clear, write-only. */
export type RegisterAccess = 'RO' | 'RW' | 'W1C' | 'RC' | 'WO';

/** A named bit, or a field of several bits, of one register. */
export interface RegisterBits {
  readonly name: string;
  readonly shift: number;
  readonly width: number;
}

/** One register of a block; `width` is in bytes. */
export interface RegisterDescriptor {
  readonly block: string;
  readonly name: string;
  readonly offset: number;
  readonly width: number;
  readonly access: RegisterAccess;
  readonly reset: number;
  readonly writeMask: number;
  readonly section: string;
  readonly bits?: readonly RegisterBits[];
}

/** A structure with its registers in order of offset, without gaps; `size` is in bytes. */
export interface RegisterBlock {
  readonly name: string;
  readonly title: string;
  readonly section: string;
  readonly size: number;
  readonly registers: readonly RegisterDescriptor[];
}

/** What describeBlock() needs to know of one block. */
export interface BlockSource {
  readonly name: string;
  readonly title: string;
  readonly section: string;
  /** The exports of the files that hold the constants. */
  readonly abi: Readonly<Record<string, number | readonly number[]>>;
  readonly rows: readonly number[];
  readonly prefix: string;
  /** Names of the registers, separated by blanks, in the order of the rows. */
  readonly registers: string;
  /** Prefix of the constants that name the bits, for each register that has named bits. */
  readonly bits?: Readonly<Record<string, string>>;
}

const ACCESS_NAMES: Readonly<Record<number, RegisterAccess>> = {
  [RO]: 'RO',
  [RW]: 'RW',
  [W1C]: 'W1C',
  [RC]: 'RC',
  [WO]: 'WO',
};

/** Descriptors of one block; throws NicError `REGISTER_TABLE` where rows and names disagree. */
export function describeBlock(source: BlockSource): RegisterBlock {
  const names = source.registers.trim().split(/\s+/);
  if (names.length * ROW_FIELDS !== source.rows.length) {
    throw refusal(source, `${names.length} names stand for ${source.rows.length / ROW_FIELDS} rows`);
  }
  const registers = names.map((name, index) => describeRegister(source, name, index * ROW_FIELDS));
  const last = registers[registers.length - 1]!;
  return {
    name: source.name,
    title: source.title,
    section: source.section,
    size: last.offset + last.width,
    registers,
  };
}

function describeRegister(source: BlockSource, name: string, row: number): RegisterDescriptor {
  const field = (index: number): number => source.rows[row + index]!;
  const constant = source.prefix + name.toUpperCase();
  if (source.abi[constant] !== field(ROW_OFFSET)) {
    throw refusal(source, `${constant} is ${source.abi[constant]}, its row is at ${field(ROW_OFFSET)}`);
  }
  const access = ACCESS_NAMES[field(ROW_ACCESS)];
  if (access === undefined) throw refusal(source, `${constant} has access code ${field(ROW_ACCESS)}`);

  const bitPrefix = source.bits?.[name];
  return {
    block: source.name,
    name,
    offset: field(ROW_OFFSET),
    width: field(ROW_WIDTH),
    access,
    reset: field(ROW_RESET),
    writeMask: field(ROW_WRITE_MASK),
    section: source.section,
    ...(bitPrefix === undefined ? {} : { bits: describeBits(source, bitPrefix) }),
  };
}

/** `P_X = 1 << n` is a bit, `P_X_SHIFT` with `P_X_MASK` a field; constants that join several bits name none. */
function describeBits(source: BlockSource, prefix: string): RegisterBits[] {
  const bits: RegisterBits[] = [];
  for (const [constant, value] of Object.entries(source.abi)) {
    if (!constant.startsWith(prefix) || typeof value !== 'number') continue;
    const name = constant.slice(prefix.length).toLowerCase();
    const mask = source.abi[constant.replace(/_SHIFT$/, '_MASK')];
    if (constant.endsWith('_SHIFT') && typeof mask === 'number') {
      bits.push({ name: name.replace(/_shift$/, ''), shift: value, width: bitCount(mask) });
    } else if (!constant.endsWith('_SHIFT') && !constant.endsWith('_MASK') && bitCount(value) === 1) {
      bits.push({ name, shift: Math.log2(value), width: 1 });
    }
  }
  if (bits.length === 0) throw refusal(source, `no constant names a bit ${prefix}*`);
  return bits.sort((one, other) => one.shift - other.shift);
}

function bitCount(value: number): number {
  return value.toString(2).replaceAll('0', '').length;
}

function refusal(source: BlockSource, what: string): NicError {
  return new NicError('REGISTER_TABLE', `${source.name}: ${what}; correct assembly/abi or src/registers/blocks.ts`);
}
