// SPDX-License-Identifier: Apache-2.0
// The mutants of one source file of the core, found in its syntax tree: what is replaced, and by what. A site is a place that
// has mutants; schemata.ts writes all of them into one copy of the file.
import { createHash } from 'node:crypto';

import ts from 'typescript';

import { abiImports, type Constants } from './abi_fields.ts';
import { isAssignment, type Alternative, type MutantKind, type Shape } from './alternative.ts';
import { alternativesOf } from './operators.ts';

export interface Site {
  readonly shape: Shape;
  readonly node: ts.Node;
  readonly alternatives: readonly Alternative[];
  /** Number of the first of its mutants; the others follow. */
  readonly first: number;
}

/** A mutant as reports and result files know it. */
export interface Mutant {
  /** Its number in the module. From 1 on: 0 is the core as it is. */
  readonly number: number;
  /** The same as long as its function has the same text at the place. */
  readonly id: string;
  /** Number of the first mutant of the same place. */
  readonly site: number;
  readonly kind: MutantKind;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly function: string;
  /** The place, on one line. */
  readonly text: string;
  readonly replacement: string;
}

/** Numbers and identities of the mutants of a whole core. */
export class Register {
  readonly mutants: Mutant[] = [];
  readonly #seen = new Map<string, number>();

  /** Numbers the mutants of a site. */
  enter(file: string, name: string, node: ts.Node, shape: Shape, alternatives: readonly Alternative[]): Site {
    const source = node.getSourceFile();
    const first = this.mutants.length + 1;
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart());
    const text = shape === 'entry' ? name : oneLine(node.getText());
    for (const { kind, replacement } of alternatives) {
      const what = [file, name, kind, text, replacement].join('\n');
      const nth = this.#seen.get(what) ?? 0;
      this.#seen.set(what, nth + 1);
      const id = createHash('sha256').update(`${what}\n${nth}`).digest('hex').slice(0, 10);
      this.mutants.push({
        number: this.mutants.length + 1,
        id,
        site: first,
        kind,
        file,
        line: line + 1,
        column: character + 1,
        function: name,
        text,
        replacement: oneLine(replacement),
      });
    }
    return { shape, node, alternatives, first };
  }
}

function oneLine(text: string): string {
  return text
    .replaceAll(/\/\/.*$/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** The mutated places of a file by their nodes. `abi` has the constants of each file of assembly/abi. */
export function sitesOf(
  file: string,
  source: ts.SourceFile,
  abi: ReadonlyMap<string, Constants>,
  register: Register,
): Map<ts.Node, Site> {
  const sites = new Map<ts.Node, Site>();
  const imports = abiImports(source);
  const visit = (node: ts.Node, name: string): void => {
    if (ts.isFunctionDeclaration(node)) {
      if (node.body === undefined) return; // an import
      const inside = node.name?.text ?? 'default';
      const early = earlyReturns(node);
      if (early.length > 0) sites.set(node, register.enter(file, inside, node, 'entry', early));
      visit(node.body, inside);
      return;
    }
    if (name === '') {
      ts.forEachChild(node, (child) => visit(child, name));
      return;
    }
    if (isAssertion(node)) return;
    const { shape, alternatives } = alternativesOf(node, { imports, abi });
    if (alternatives.length > 0) sites.set(node, register.enter(file, name, node, shape, alternatives));
    for (const child of mutableChildren(node)) visit(child, name);
  };
  visit(source, '');
  return sites;
}

/** What a function gives that does nothing. */
function earlyReturns({ type }: ts.FunctionDeclaration): Alternative[] {
  const name = type?.getText() ?? 'void';
  const ways: Readonly<Record<string, readonly string[]>> = {
    void: ['return;'],
    bool: ['return false;', 'return true;'],
  };
  const isNumber = /^(?:[iu](?:8|16|32|64|size)|f64)$/.test(name);
  return (ways[name] ?? (isNumber ? ['return 0;'] : [])).map((replacement) => ({ kind: 'return', replacement }));
}

/** `if (DEBUG) ...` leaves nothing in the release core. */
function isAssertion(node: ts.Node): boolean {
  return ts.isIfStatement(node) && /\bDEBUG\b/.test(node.expression.getText());
}

/** Builtins whose arguments have to be constants, from the one with this index on. */
function firstConstantArgument(call: ts.CallExpression): number {
  const callee = call.expression.getText();
  if (callee === 'load') return 1;
  if (callee === 'store') return 2;
  return /^(?:v128|[if]\d+x\d+)\.|^(?:sizeof|offsetof|alignof|changetype)$/.test(callee) ? 0 : Infinity;
}

/** Children in which expressions of the program stand: no types, no labels of cases, no targets of assignments. */
function mutableChildren(node: ts.Node): ts.Node[] {
  if (ts.isCallExpression(node)) return node.arguments.slice(0, firstConstantArgument(node));
  if (ts.isCaseClause(node)) return [...node.statements];
  if (ts.isTypeAssertionExpression(node) || ts.isAsExpression(node)) return [node.expression];
  // a table is no number
  if (ts.isElementAccessExpression(node)) return [node.argumentExpression];
  if (ts.isVariableDeclaration(node)) return node.initializer === undefined ? [] : [node.initializer];
  if (ts.isPropertyAccessExpression(node)) return [];
  if (ts.isPostfixUnaryExpression(node)) return [];
  if (ts.isPrefixUnaryExpression(node) && isStep(node.operator)) return [];
  // a literal with its sign is one constant
  if (ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand)) return [];
  if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) return [node.right];
  if (ts.isForStatement(node)) {
    return [node.initializer, node.condition, node.statement].filter((child) => child !== undefined);
  }
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  return children;
}

const isStep = (kind: ts.SyntaxKind): boolean =>
  kind === ts.SyntaxKind.PlusPlusToken || kind === ts.SyntaxKind.MinusMinusToken;
