// SPDX-License-Identifier: Apache-2.0
// Tables and lists follow the terminal, and stay in one piece where there is none.
import { describe, expect, it } from 'vitest';

import { columns } from '../../src/cli/kit/output.ts';
import { sentenceWidth, tableText } from '../../src/cli/kit/table.ts';

const SENTENCE =
  'a sentence of some words that nobody would print on one line of a terminal of eighty columns, as it is';

/** What standard output is until end() is called. */
function terminal(width: number): () => void {
  const before = ['isTTY', 'columns'].map(
    (name) => [name, Object.getOwnPropertyDescriptor(process.stdout, name)] as const,
  );
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true });
  Object.defineProperty(process.stdout, 'columns', { value: width, configurable: true });
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(process.stdout, name);
      else Object.defineProperty(process.stdout, name, descriptor);
    }
  };
}

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const words = (text: string): string[] => text.split(/[^a-z,]+/).filter((word) => word !== '');

describe('a terminal', () => {
  it.each([60, 80, 132])('of %i columns has room for every line', (width) => {
    const end = terminal(width);

    const table = tableText([{ name: 'one', why: SENTENCE, what: SENTENCE }], 3, sentenceWidth());
    const list = columns([['one', SENTENCE]], '  ');
    end();

    expect(widest(table)).toBeLessThanOrEqual(width);
    expect(widest(list)).toBeLessThanOrEqual(width);
    expect(words(list)).toEqual(['one', ...words(SENTENCE)]);
  });
});

describe('a name that is wider than its column', () => {
  const NAME = 'VFIO_DEVICE_ATTACH_IOMMUFD_PT';
  // 20 columns: two borders of 2, one of 3, 3 for `key`, 10 for the name
  const table = tableText([{ key: 'one', why: `as ${NAME}` }], 2, 20);

  it('goes on in the next line behind an underscore', () => {
    const cells = table.split('\n').map((line) => line.split('│')[2]?.trim());

    expect(widest(table)).toBe(20);
    expect(cells.filter((cell) => cell !== undefined)).toEqual(['why', 'as VFIO_', 'DEVICE_', 'ATTACH_', 'IOMMUFD_PT']);
  });

  it('stays whole where words are enough', () => {
    expect(tableText([{ key: 'one', why: `as ${NAME}` }], 2, 45)).toContain(`│ as ${NAME} `);
    expect(tableText([{ key: 'one', why: `as ${NAME} says` }], 2, 45)).toContain(NAME);
  });
});

describe('a file or a pipe', () => {
  it('has sentences in one piece, to be searched', () => {
    const table = tableText([{ name: 'one', why: SENTENCE }], 2, Number.POSITIVE_INFINITY);

    expect(table).toContain(SENTENCE);
  });
});
