// SPDX-License-Identifier: Apache-2.0
// The two compilers read the declarations alike: every constant as an exported global of a compiled module against the
// value in JavaScript, every table against the bytes in its memory. A second, syntactic check keeps to what is known
// to agree: non-negative literals up to 0xffffffff, sums, products (the first check sees one that overflows) and
// `1 << n` with n <= 30.
import asc from 'assemblyscript/asc';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { readRepoFile, repoFiles, repoPath } from '../support/repo.ts';

const FILES = repoFiles('assembly/abi', '.ts');

const MODULES = await Promise.all(
  FILES.map(async (file, index) => ({
    file,
    index,
    exports: Object.entries((await import(repoPath(file))) as Record<string, unknown>),
  })),
);

const core = await compileDeclarations();

/** Compiles a module that exports all declarations; nothing is read but them, an asconfig.json of the folder neither. */
async function compileDeclarations(): Promise<WebAssembly.Exports> {
  // a name may stand in more than one file
  const entry = MODULES.flatMap(({ file, index, exports }) => [
    `import * as m${index} from './${file.replace(/\.ts$/, '')}';`,
    ...exports.map(([name]) => `export const ${globalName(index, name)} = m${index}.${name};`),
  ]).join('\n');
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(
    ['entry.ts', '--outFile', 'out.wasm', '--runtime', 'stub', '--use', 'abort='],
    {
      readFile: (name) => (name === 'entry.ts' ? entry : FILES.includes(name) ? readRepoFile(name) : null),
      writeFile: (_, contents) => {
        if (typeof contents !== 'string') wasm = new Uint8Array(contents);
      },
      listFiles: () => [],
    },
  );
  if (error !== null || wasm === undefined) throw new Error(`the declarations do not compile: ${stderr.toString()}`);
  return (await WebAssembly.instantiate(wasm)).instance.exports;
}

/** Name in the compiled module of what a file exports. */
function globalName(file: number, name: string): string {
  return `${name}_${file}`;
}

/** A constant is the value of the global, a table the numbers where the global points; its byte length stands before it. */
function compiledValue(name: string, isTable: boolean): number | number[] {
  const value = (core[name] as WebAssembly.Global<'i32'> | undefined)?.value;
  if (typeof value !== 'number') throw new Error(`${name} is ${value} in the compiled module`);
  if (!isTable) return value >>> 0;
  const { buffer } = core['memory'] as WebAssembly.Memory;
  const length = new DataView(buffer).getUint32(value - 4, true);
  return [...new Uint32Array(buffer, value, length / 4)];
}

describe.each(MODULES)('$file', ({ index, exports }) => {
  it('exports numbers and tables of numbers only', () => {
    const numbers = exports.flatMap(([, value]) => value as number | number[]);

    expect(numbers.filter((number) => !Number.isSafeInteger(number) || number < 0)).toEqual([]);
    expect(numbers.length).toBeGreaterThan(0);
  });

  it.for(exports)('gives %s the same value in both languages', ([name, value]) => {
    expect(compiledValue(globalName(index, name), Array.isArray(value))).toEqual(value);
  });
});

/** What in a file of declarations the two languages may read differently. */
function faults(text: string): string[] {
  const source = ts.createSourceFile('x.ts', text, ts.ScriptTarget.ES2022);
  return source.statements
    .filter((statement) => !(ts.isImportDeclaration(statement) && isNeighbour(statement)) && !isDeclaration(statement))
    .map((statement) => statement.getText(source));

  function isNeighbour({ importClause, moduleSpecifier }: ts.ImportDeclaration): boolean {
    return importClause?.phaseModifier === undefined && /^'\.\/\w+\.ts'$/.test(moduleSpecifier.getText(source));
  }

  function isDeclaration(statement: ts.Statement): boolean {
    if (!ts.isVariableStatement(statement) || (statement.declarationList.flags & ts.NodeFlags.Const) === 0)
      return false;
    if (statement.modifiers?.map((modifier) => modifier.getText(source)).join() !== 'export') return false;
    return statement.declarationList.declarations.every(({ type, initializer }) => {
      if (initializer === undefined) return false;
      if (type === undefined) return isConstant(initializer);
      const isTable = type.getText(source) === 'StaticArray<u32>' && ts.isArrayLiteralExpression(initializer);
      return isTable && initializer.elements.every(isConstant);
    });
  }

  function isConstant(node: ts.Expression): boolean {
    if (ts.isIdentifier(node)) return true;
    if (ts.isPropertyAccessExpression(node))
      return ts.isIdentifier(node.expression) && node.questionDotToken === undefined;
    if (ts.isNumericLiteral(node))
      return /^(?:0|[1-9]\d*|0x[\da-f]+)$/i.test(node.getText(source)) && Number(node.text) <= 0xffffffff;
    if (ts.isParenthesizedExpression(node)) return isConstant(node.expression);
    if (!ts.isBinaryExpression(node)) return false;
    const operator = node.operatorToken.getText(source);
    if (operator === '+' || operator === '*') return isConstant(node.left) && isConstant(node.right);
    return (
      operator === '<<' && node.left.getText(source) === '1' && /^(?:\d|[12]\d|30)$/.test(node.right.getText(source))
    );
  }
}

describe('the rule of the declarations', () => {
  it.each(FILES)('is kept by %s', (file) => {
    expect(faults(readRepoFile(file))).toEqual([]);
  });

  it.each(['0', '0xffffffff', '4294967295', '1 << 0', '1 << 30', 'A', 'A + 4', 'A + (B + 2) * 16', 'P.A'])(
    'accepts %s',
    (value) => {
      expect(faults(`export const X = ${value};`)).toEqual([]);
    },
  );

  it.each([
    '1 << 31',
    '5 / 2',
    '~0xff',
    '-1',
    '-1 >>> 0',
    '0x100000000',
    '1.5',
    '2 << 3',
    '32n',
    '010',
    'P.A.B',
    'P?.A',
  ])('refuses %s', (value) => {
    expect(faults(`export const X = ${value};`)).toHaveLength(1);
  });

  it.each([
    'const X = 1;',
    'export let X = 1;',
    'export const X: u16 = 1;',
    'export const X = [1];',
    'export const X: StaticArray<u32> = [-1];',
    'export const enum X { A }',
    "export * from './y.ts';",
    "import { Y } from './y';",
    "import { Y } from '../sim/y.ts';",
    "import type { Y } from './y.ts';",
  ])('refuses the statement %s', (statement) => {
    expect(faults(statement)).toEqual([statement]);
  });
});
