// SPDX-License-Identifier: Apache-2.0
// Where everything lies: sizes, alignments and offsets of a table, and what is wrong with them.
import { type Block, ROOMS, type Row, type Table } from './rows.ts';

const SCALARS: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** A row with its place. */
export interface Field {
  readonly name: string;
  /** As the row has it. */
  readonly type: string;
  /** The scalar or block that it is made of, and how many of them. */
  readonly element: string;
  readonly count: number;
  readonly what: string;
  /** From the start of the block. */
  readonly offset: number;
  readonly bytes: number;
  readonly alignment: number;
  readonly writers: readonly string[];
}

/** A block with the places of its fields. */
export interface PlacedBlock {
  readonly block: Block;
  readonly fields: readonly Field[];
  /** What `Block.bytes` says, or else where the last field ends, rounded up to the alignment. */
  readonly bytes: number;
  readonly alignment: number;
}

/** Places all blocks of a table. Throws where a row cannot be understood; what merely is wrong, layoutFaults() tells. */
export function place(table: Table): PlacedBlock[] {
  const numbers = new Map(table.flatMap((block) => block.numbers ?? []).map(([name, value]) => [name, value]));
  const placed = new Map<string, PlacedBlock>();

  const sizeOf = (type: string): { bytes: number; alignment: number } => {
    const scalar = SCALARS[type];
    if (scalar !== undefined) return { bytes: scalar, alignment: scalar };
    const block = table.find(({ name }) => name === type);
    if (block === undefined) throw new Error(`layout: no type ${type}`);
    return placeOf(block);
  };

  const countOf = (text: string): number =>
    text.split(/ ?([*/]) ?/).reduce((value, term, index, terms) => {
      if (index % 2 === 1) return value;
      const number = numbers.get(term) ?? Number(term);
      if (!Number.isSafeInteger(number)) throw new Error(`layout: no number ${term}`);
      return terms[index - 1] === '/' ? value / number : value * number;
    }, 1);

  const fieldOf = ([name, type, what, options = {}]: Row, block: Block, end: number): Field => {
    const [, element, count] = /^(\w+)(?:\[(.*)\])?$/.exec(type) ?? [];
    if (element === undefined) throw new Error(`layout: ${name} has the type ${type}`);
    const { bytes, alignment } = sizeOf(element);
    const many = count === undefined ? 1 : count === '' ? 0 : countOf(count);
    const writers = (options.by ?? block.by).split(' ').filter((room) => room !== '');
    const offset = options.at ?? roundUp(end, alignment);
    return {
      name,
      type,
      element,
      count: many,
      what,
      offset,
      bytes: bytes * many,
      alignment,
      writers,
    };
  };

  const placeOf = (block: Block): PlacedBlock => {
    const known = placed.get(block.name);
    if (known !== undefined) return known;
    const fields: Field[] = [];
    for (const row of block.rows) fields.push(fieldOf(row, block, endOf(fields)));
    const alignment = Math.max(...fields.map((field) => field.alignment));
    const result = { block, fields, bytes: block.bytes ?? roundUp(endOf(fields), alignment), alignment };
    placed.set(block.name, result);
    return result;
  };

  return table.map(placeOf);
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

function endOf(fields: readonly Field[]): number {
  const last = fields.at(-1);
  return last === undefined ? 0 : last.offset + last.bytes;
}

/** Address or offset of each constant of a block: within a block that is there once, all others from their own start. */
export function baseOf({ block }: PlacedBlock, blocks: readonly PlacedBlock[]): number {
  if (block.within === undefined) return 0;
  for (const outer of blocks) {
    const field = outer.fields.find(({ name }) => name === block.within);
    if (field !== undefined) return baseOf(outer, blocks) + field.offset;
  }
  throw new Error(`layout: no row ${block.within}, which ${block.name} is to lie within`);
}

/** What is wrong with a table: one sentence each. */
export function layoutFaults(table: Table): string[] {
  const blocks = place(table);
  const names = blocks.flatMap(({ block, fields }) => [
    ...fields.map(({ name }) => name),
    ...(block.numbers ?? []).map(([name]) => name),
    ...(block.sizeName === undefined ? [] : [block.sizeName]),
  ]);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  const blockNames = table.map(({ name }) => name);
  return [
    ...twice.map((name) => `${name} is there twice`),
    ...blockNames.filter((name, index) => blockNames.indexOf(name) !== index).map((name) => `${name} is there twice`),
    ...blocks.flatMap(blockFaults),
  ];
}

function blockFaults({ block, fields, bytes, alignment }: PlacedBlock): string[] {
  const faults: string[] = [];
  fields.forEach((field, index) => {
    const { name, offset, writers } = field;
    const before = fields[index - 1];
    if (before !== undefined && offset < before.offset + before.bytes) {
      faults.push(`${name} at ${offset} overlaps ${before.name}, which ends at ${before.offset + before.bytes}`);
    }
    if (offset % field.alignment !== 0) faults.push(`${name} at ${offset} is not aligned to ${field.alignment}`);
    if (offset + field.bytes > bytes) faults.push(`${name} ends at ${offset + field.bytes}, ${block.name} at ${bytes}`);
    const strangers = writers.filter((room) => !(ROOMS as readonly string[]).includes(room));
    faults.push(...strangers.map((room) => `${name} is written by ${room}, which is no room`));
  });
  if (bytes % alignment !== 0) faults.push(`${block.name} has ${bytes} bytes, no multiple of ${alignment}`);
  return faults;
}
