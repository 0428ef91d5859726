// SPDX-License-Identifier: Apache-2.0
// What every register block keeps: rows in order and without gaps, values and masks within the width, bits that do not
// overlap; and what describeBlock() refuses.
import { describe, expect, it } from 'vitest';

import { REGISTER_BLOCKS, findRegisterBlock } from '../../src/registers/blocks.ts';
import { type BlockSource, describeBlock } from '../../src/registers/describe.ts';

const REGISTERS = REGISTER_BLOCKS.flatMap(({ registers }) => registers);

describe.each(REGISTER_BLOCKS)('$name', ({ registers, size }) => {
  it('has its rows in order, each beginning where the one before ends', () => {
    const ends = registers.map(({ offset, width }) => offset + width);

    expect(registers.map(({ offset }) => offset)).toEqual([0, ...ends.slice(0, -1)]);
    expect(size).toBe(ends.at(-1));
  });

  it('names each register once', () => {
    expect(new Set(registers.map(({ name }) => name)).size).toBe(registers.length);
  });

  it('aligns each register to its width', () => {
    expect(registers.filter(({ offset, width }) => offset % width !== 0)).toEqual([]);
  });

  it('has widths of 1, 2 or 4 bytes, and reset values and masks that fit', () => {
    const limit = (width: number): number => 2 ** (8 * width);

    expect(registers.filter(({ width }) => ![1, 2, 4].includes(width))).toEqual([]);
    expect(registers.filter(({ width, reset, writeMask }) => Math.max(reset, writeMask) >= limit(width))).toEqual([]);
  });

  it('has a write mask only where a write changes something', () => {
    const readOnly = registers.filter(({ access }) => access === 'RO' || access === 'RC');

    expect(readOnly.filter(({ writeMask }) => writeMask !== 0)).toEqual([]);
  });
});

const WITH_BITS = REGISTERS.flatMap((register) =>
  register.bits === undefined ? [] : [{ ...register, bits: register.bits }],
);

describe('named bits', () => {
  it('exist where the specifications name them', () => {
    expect(WITH_BITS.length).toBeGreaterThan(40);
  });

  it.for(WITH_BITS)('of $block $name do not overlap and lie within the register', ({ width, bits }) => {
    const places = bits.flatMap((field) => Array.from({ length: field.width }, (_, index) => field.shift + index));

    expect(new Set(places).size).toBe(places.length);
    expect(Math.max(...places)).toBeLessThan(8 * width);
  });

  it('of fields agree with their masks', () => {
    const devctl = findRegisterBlock('pci_express')?.registers.find(({ name }) => name === 'devctl');

    // PCI Express Base §7.5.3.4: max payload is bits 7:5, max read request bits 14:12, initiate FLR bit 15
    expect(devctl?.bits).toEqual(
      expect.arrayContaining([
        { name: 'payload', shift: 5, width: 3 },
        { name: 'readrq', shift: 12, width: 3 },
        { name: 'bcr_flr', shift: 15, width: 1 },
      ]),
    );
  });
});

describe('describeBlock', () => {
  const source: BlockSource = {
    name: 'block',
    title: 'Block',
    section: '§1',
    abi: { B_ONE: 0, B_TWO: 2, B_TWO_READY: 1, B_TWO_LEVEL_SHIFT: 4, B_TWO_LEVEL_MASK: 0x70 },
    rows: [0, 2, 0, 7, 0, 2, 2, 1, 0, 0x71],
    prefix: 'B_',
    registers: 'one two',
    bits: { two: 'B_TWO_' },
  };

  it('makes one descriptor of each row', () => {
    const block = describeBlock(source);

    expect(block).toMatchObject({ name: 'block', size: 4 });
    expect(block.registers).toEqual([
      { block: 'block', name: 'one', offset: 0, width: 2, access: 'RO', reset: 7, writeMask: 0, section: '§1' },
      {
        block: 'block',
        name: 'two',
        offset: 2,
        width: 2,
        access: 'RW',
        reset: 0,
        writeMask: 0x71,
        section: '§1',
        bits: [
          { name: 'ready', shift: 0, width: 1 },
          { name: 'level', shift: 4, width: 3 },
        ],
      },
    ]);
  });

  it.each<[string, Partial<BlockSource>, string]>([
    ['a name without a row', { registers: 'one two three' }, '3 names stand for 2 rows'],
    ['a row without a name', { registers: 'one' }, '1 names stand for 2 rows'],
    ['names in another order than the rows', { registers: 'two one' }, 'B_TWO is 2, its row is at 0'],
    ['a name that is no constant', { registers: 'one too' }, 'B_TOO is undefined'],
    ['an unknown access code', { rows: [0, 2, 9, 0, 0, 2, 2, 1, 0, 0] }, 'B_ONE has access code 9'],
    ['a prefix that names no bit', { bits: { two: 'B_NONE_' } }, 'no constant names a bit B_NONE_*'],
  ])('refuses %s', (_, change, message) => {
    expect(() => describeBlock({ ...source, ...change })).toThrow(message);
  });
});
