// SPDX-License-Identifier: Apache-2.0
// Mutant schemata: a copy of the core in which every place that has mutants asks which one is switched on, so that one build
// has all of them. The module imports what assembly/fuzz/mutation.ts declares: the number, and fuel for loops.
//
//   a < b            (__at(17, 2) ? (__is(17) ? a <= b : a >= b) : a < b)
//   store<u8>(p, 1); { if (__at(19, 1)) { } else { store<u8>(p, 1); } }
//   function f() {   function f() { if (__at(20, 1)) { return; }
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import ts from 'typescript';

import { constantsIn, type Constants } from './abi_fields.ts';
import { Register, sitesOf, type Mutant, type Site } from './mutants.ts';

/** Constants, and what watches a core, have no mutants. */
const LEFT_ALONE = /^(abi|fuzz)\//;

export interface MutatedCore {
  /** In the order of their numbers. */
  readonly mutants: readonly Mutant[];
  /** Sources by their names, with all mutants. */
  readonly texts: ReadonlyMap<string, string>;
}

/** The sources of a core in `folder` with all their mutants. */
export function mutateCore(folder: string): MutatedCore {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|json)$/.test(name));
  const texts = new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const abi = new Map<string, Constants>();
  for (const [name, text] of texts) if (name.startsWith('abi/')) abi.set(name.slice('abi/'.length), constantsIn(text));
  const register = new Register();
  for (const [name, text] of texts) {
    if (name.endsWith('.ts') && !LEFT_ALONE.test(name)) texts.set(name, mutateFile(name, text, abi, register));
  }
  return { mutants: register.mutants, texts };
}

/** The text of a file with all its mutants. */
export function mutateFile(
  name: string,
  text: string,
  abi: ReadonlyMap<string, Constants>,
  register: Register,
): string {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);
  const sites = sitesOf(`assembly/${name}`, source, abi, register);
  const isEntry = name === 'index.ts';
  // names that only a mutant needs are imported beside those that the source has
  const extra = new Map<string, Set<string>>();
  for (const site of sites.values()) namesOfMutants(site, source, extra);

  const write = (node: ts.Node): string => {
    const site = sites.get(node);
    if (ts.isImportDeclaration(node)) return withNames(node, extra);
    if (ts.isFunctionDeclaration(node) && node.body !== undefined) return writeFunction(node, site);
    if (ts.isVariableDeclaration(node) && node.initializer === undefined) {
      // the compiler cannot see that it is assigned where an assignment may be left out; locals begin as 0
      return `${node.getText()} = ${node.type?.getText() === 'bool' ? 'false' : '0'}`;
    }
    if (site === undefined) return writeInside(node);
    const first = `__at(${site.first}, ${site.alternatives.length})`;
    if (site.shape === 'expression') return `(${first} ? ${chooseExpression(site, 0)} : ${writeInside(node)})`;
    return `{ if (${first}) ${chooseStatement(site, 0)} else { ${writeInside(node)} } }`;
  };

  const writeFunction = (node: ts.FunctionDeclaration, site: Site | undefined): string => {
    const body = writeInside(node.body!);
    const burn = isEntry ? ' __burn();' : '';
    const early =
      site === undefined ? '' : ` if (__at(${site.first}, ${site.alternatives.length})) ${chooseStatement(site, 0)}`;
    return `${text.slice(node.getStart(), node.body!.getStart())}{${burn}${early}${body.slice(1)}`;
  };

  /** The node's own text, with what is in it mutated. */
  const writeInside = (node: ts.Node): string => {
    let result = '';
    let from = node.getStart();
    const burning = ts.isIterationStatement(node, false) ? node.statement : undefined;
    ts.forEachChild(node, (child) => {
      result += text.slice(from, child.getStart());
      result += child === burning ? `{ __burn(); ${write(child)} }` : write(child);
      from = child.end;
    });
    return result + text.slice(from, node.end);
  };

  const up = relative(dirname(name), '.') || '.';
  const imports = `import { at as __at, is as __is, burn as __burn } from '${up}/fuzz/mutation.ts';\n`;
  return imports + writeInside(source);
}

function chooseExpression({ alternatives, first }: Site, nth: number): string {
  const { replacement } = alternatives[nth]!;
  if (nth === alternatives.length - 1) return `(${replacement})`;
  return `(__is(${first + nth}) ? (${replacement}) : ${chooseExpression({ alternatives, first } as Site, nth + 1)})`;
}

function chooseStatement({ alternatives, first }: Site, nth: number): string {
  const block = `{ ${alternatives[nth]!.replacement} }`;
  if (nth === alternatives.length - 1) return block;
  return `{ if (__is(${first + nth})) ${block} else ${chooseStatement({ alternatives, first } as Site, nth + 1)} }`;
}

/** Constants that stand for themselves in a mutant, and not in the source. */
function namesOfMutants({ alternatives, node }: Site, source: ts.SourceFile, extra: Map<string, Set<string>>): void {
  for (const { kind, replacement } of alternatives) {
    if (kind !== 'neighbour') continue;
    for (const name of replacement.match(/(?<![.\w])[A-Z][A-Z0-9_]+(?![.\w])/g) ?? []) {
      const original: string[] = node.getText().match(/(?<![.\w])[A-Z][A-Z0-9_]+(?![.\w])/g) ?? [];
      if (original.includes(name)) continue;
      const beside = original.find((one) => !replacement.includes(one)) ?? original.at(-1)!;
      for (const statement of source.statements) {
        const bindings = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : undefined;
        if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
        const isHere = bindings.elements.some((element) => element.name.text === beside);
        const isKnown = bindings.elements.some((element) => element.name.text === name);
        if (!isHere || isKnown) continue;
        const from = (statement as ts.ImportDeclaration).moduleSpecifier.getText();
        extra.set(from, (extra.get(from) ?? new Set()).add(name));
      }
    }
  }
}

function withNames(node: ts.ImportDeclaration, extra: ReadonlyMap<string, ReadonlySet<string>>): string {
  const names = extra.get(node.moduleSpecifier.getText());
  const bindings = node.importClause?.namedBindings;
  if (names === undefined || bindings === undefined || !ts.isNamedImports(bindings)) return node.getText();
  return node.getText().replace('{', `{ ${[...names].join(', ')}, `);
}
