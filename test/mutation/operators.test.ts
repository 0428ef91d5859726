// SPDX-License-Identifier: Apache-2.0
// What becomes of a piece of the core, operator by operator, and what the identity of a mutant depends on.
import { describe, expect, it } from 'vitest';

import { constantsIn } from './abi_fields.ts';
import { Register, type Mutant } from './mutants.ts';
import { mutateFile } from './schemata.ts';

const BLOCK = `// A block
export const BYTES = 16;
export const READY = 0x0; // u8: may be served
export const SEEN = 0x1; // u8
export const INDEX = 0x2; // u16: free-running
export const WORDS = 0x4; // u32[2]

export const FIRST = 1;
export const SECOND = 2;
`;
const ABI = new Map([['block.ts', constantsIn(BLOCK)]]);
const IMPORTS = `import * as B from '../abi/block.ts';\nimport { FIRST } from '../abi/block.ts';\n`;

function mutantsOf(text: string): Mutant[] {
  const register = new Register();
  mutateFile('net/piece.ts', IMPORTS + text, ABI, register);
  return register.mutants;
}

/** Kind and replacement of the mutants of a function's body, its early returns aside. */
function replacements(body: string): [kind: string, replacement: string][] {
  return mutantsOf(`function f(a: u32, b: u32): u32 {\n${body}\n}`)
    .filter(({ kind }) => kind !== 'return')
    .map(({ kind, replacement }) => [kind, replacement]);
}

describe('operators', () => {
  it.each([
    ['<', ['<=', '>=']],
    ['<=', ['<', '>']],
    ['>', ['>=', '<=']],
    ['>=', ['>', '<']],
    ['==', ['!=']],
    ['!=', ['==']],
  ])('make of the comparison %s %j', (operator, others) => {
    expect(replacements(`return a ${operator} b;`)).toEqual(others.map((other) => ['comparison', `a ${other} b`]));
  });

  it.each([
    ['+', 'arithmetic', '-'],
    ['-', 'arithmetic', '+'],
    ['*', 'arithmetic', '+'],
    ['/', 'arithmetic', '*'],
    ['%', 'arithmetic', '/'],
    ['&', 'bitwise', '|'],
    ['|', 'bitwise', '&'],
    ['^', 'bitwise', '|'],
    ['<<', 'bitwise', '>>'],
    ['>>', 'bitwise', '<<'],
  ])('make of %s, which is %s, %s', (operator, kind, other) => {
    expect(replacements(`return a ${operator} b;`)).toEqual([[kind, `a ${other} b`]]);
  });

  it('move a number by one, either way', () => {
    expect(replacements('return 16;')).toEqual([
      ['constant', '17'],
      ['constant', '15'],
    ]);
    expect(replacements('return 0;')).toEqual([['constant', '1']]);
    expect(replacements('return 0xffffffff;')).toEqual([['constant', '0xfffffffe']]);
  });

  it('negate a condition, and leave one of two checks out', () => {
    expect(replacements('if (a && b) g();')).toEqual([
      ['logical', 'a'],
      ['logical', 'b'],
      ['negate', '!(a && b)'],
      ['call', ''],
    ]);
    expect(replacements('if (!a) g();')).toEqual([
      ['negate', 'a'],
      ['call', ''],
    ]);
  });

  it('leave out stores, calls, assignments, and what guards the rest', () => {
    expect(replacements('store<u8>(a, b);')).toEqual([['store', '']]);
    expect(replacements('g(a);')).toEqual([['call', '']]);
    expect(replacements('a = b;')).toEqual([['assignment', '']]);
    expect(replacements('a += b;')).toEqual([
      ['assignment', ''],
      ['arithmetic', 'a -= b;'],
    ]);
    expect(replacements('if (a) return b;')).toContainEqual(['guard', '']);
  });

  it('take the next field of the same type, the one before for the last, and the next constant of a list', () => {
    expect(replacements('return load<u8>(a, B.READY);')).toEqual([['neighbour', 'load<u8>(a, B.SEEN)']]);
    expect(replacements('store<u8>(a, b, B.SEEN);')).toEqual([
      ['store', ''],
      ['neighbour', 'store<u8>(a, b, B.READY);'],
    ]);
    expect(replacements('return load<u16>(a, B.INDEX);')).toEqual([]);
    expect(replacements('return FIRST;')).toEqual([['neighbour', 'SECOND']]);
  });

  it('make nothing of what changes nothing: a field at the beginning of a block, a flag that is more than set', () => {
    expect(replacements('return g(a + B.READY);').map(([kind]) => kind)).toEqual(['neighbour']);
    expect(replacements('store<u8>(a, 1, B.SEEN);')).toContainEqual(['constant', '0']);
    expect(replacements('store<u8>(a, 1, B.SEEN);')).not.toContainEqual(['constant', '2']);
    expect(replacements('store<u16>(a, 1, B.INDEX);')).toContainEqual(['constant', '2']);
  });

  it('return at once from a function, with what its type has', () => {
    const early = (type: string): string[] =>
      mutantsOf(`function f(): ${type} { g(); }`)
        .filter(({ kind }) => kind === 'return')
        .map(({ replacement }) => replacement);

    expect(early('void')).toEqual(['return;']);
    expect(early('bool')).toEqual(['return false;', 'return true;']);
    expect(early('u16')).toEqual(['return 0;']);
  });

  it('leave alone what is no statement of the core: assertions, labels of cases, targets, tables', () => {
    expect(replacements('if (DEBUG) assert(a < b);')).toEqual([]);
    expect(replacements('switch (a) { case B.READY: break; }')).toEqual([]);
    expect(mutantsOf('const TABLE: StaticArray<u8> = [1, 2];')).toEqual([]);
  });
});

describe('the identity of a mutant', () => {
  const piece = 'function f(a: u32): bool {\n  return a < 3;\n}\n';
  const ids = (mutants: readonly Mutant[]): string[] =>
    mutants.filter(({ function: name }) => name === 'f').map(({ id }) => id);
  const before = mutantsOf(piece);

  it('is its own', () => {
    const twice = mutantsOf('function f(a: u32): bool { g(a, 1); g(a, 1); return false; }');

    expect(new Set(twice.map(({ id }) => id)).size).toBe(twice.length);
  });

  it('stays when other functions and other lines of the file change', () => {
    const later = mutantsOf(`// more\n\nfunction before(): void { g(); }\n${piece}`);

    expect(ids(later)).toEqual(ids(before));
    expect(later.at(-1)!.line).toBe(before.at(-1)!.line + 3);
  });

  it('is another when its line says something else', () => {
    const others = ids(mutantsOf(piece.replace('a < 3', 'a < 4')));
    const comparison = before.filter(({ kind }) => kind === 'comparison').map(({ id }) => id);

    expect(others.filter((id) => comparison.includes(id))).toEqual([]);
  });
});
