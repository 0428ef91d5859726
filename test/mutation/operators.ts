// SPDX-License-Identifier: Apache-2.0
// In which ways a place of the program can be wrong: the operators of the mutation, one rule for each kind of node.
import ts from 'typescript';

import type { Imports, Constants } from './abi_fields.ts';
import { isAssignment, type Alternative, type MutantKind, type Shape } from './alternative.ts';

/** What is known of constants. */
export interface Names {
  readonly imports: Imports;
  readonly abi: ReadonlyMap<string, Constants>;
}

interface Alternatives {
  readonly shape: Shape;
  readonly alternatives: readonly Alternative[];
}

const K = ts.SyntaxKind;
/** What is written instead of an operator. */
const OPERATORS: ReadonlyMap<ts.SyntaxKind, readonly [MutantKind, readonly string[]]> = new Map([
  [K.LessThanToken, ['comparison', ['<=', '>=']]],
  [K.LessThanEqualsToken, ['comparison', ['<', '>']]],
  [K.GreaterThanToken, ['comparison', ['>=', '<=']]],
  [K.GreaterThanEqualsToken, ['comparison', ['>', '<']]],
  [K.EqualsEqualsToken, ['comparison', ['!=']]],
  [K.ExclamationEqualsToken, ['comparison', ['==']]],
  [K.PlusToken, ['arithmetic', ['-']]],
  [K.MinusToken, ['arithmetic', ['+']]],
  [K.AsteriskToken, ['arithmetic', ['+']]],
  [K.SlashToken, ['arithmetic', ['*']]],
  [K.PercentToken, ['arithmetic', ['/']]],
  [K.AmpersandToken, ['bitwise', ['|']]],
  [K.BarToken, ['bitwise', ['&']]],
  [K.CaretToken, ['bitwise', ['|']]],
  [K.LessThanLessThanToken, ['bitwise', ['>>']]],
  [K.GreaterThanGreaterThanToken, ['bitwise', ['<<']]],
  [K.GreaterThanGreaterThanGreaterThanToken, ['bitwise', ['<<']]],
  [K.PlusEqualsToken, ['arithmetic', ['-=']]],
  [K.MinusEqualsToken, ['arithmetic', ['+=']]],
  [K.AmpersandEqualsToken, ['bitwise', ['|=']]],
  [K.BarEqualsToken, ['bitwise', ['&=']]],
] satisfies [ts.SyntaxKind, readonly [MutantKind, readonly string[]]][]);

/** The largest literal that the compiler takes for 32 bits with a sign. */
const MOST = 0x7fffffff;
const SCREAMING = /^[A-Z][A-Z0-9_]*$/;

/** The mutants of a node itself, without those of the nodes in it. */
export function alternativesOf(node: ts.Node, names: Names): Alternatives {
  if (ts.isExpressionStatement(node)) return { shape: 'statement', alternatives: ofStatement(node.expression, names) };
  if (ts.isIfStatement(node)) {
    const isGuard = node.elseStatement === undefined && leaves(node.thenStatement);
    return { shape: 'statement', alternatives: isGuard ? [{ kind: 'guard', replacement: '' }] : [] };
  }
  return { shape: 'expression', alternatives: ofExpression(node, names) };
}

function ofStatement(expression: ts.Expression, names: Names): Alternative[] {
  const left: readonly [MutantKind, boolean][] = [
    ['store', /^(?:store|v128\.store)$/.test(calleeOf(expression) ?? '')],
    ['call', ts.isCallExpression(expression)],
    ['assignment', true],
  ];
  const [kind] = left.find(([, applies]) => applies)!;
  if (calleeOf(expression) === 'unreachable') return [];
  const alternatives: Alternative[] = [{ kind, replacement: '' }];
  for (const one of [
    ...otherOperators(expression, names),
    ...otherStep(expression),
    ...otherField(expression, names),
  ]) {
    alternatives.push({ kind: one.kind, replacement: `${one.replacement};` });
  }
  return alternatives;
}

function ofExpression(node: ts.Node, names: Names): Alternative[] {
  const isComparison = ts.isBinaryExpression(node) && OPERATORS.get(node.operatorToken.kind)?.[0] === 'comparison';
  const alternatives: Alternative[] = [];
  // the statement around an assignment or a store has its mutants
  if (ts.isBinaryExpression(node) && !isAssignment(node.operatorToken.kind)) {
    alternatives.push(...otherOperators(node, names), ...operands(node));
  }
  if (ts.isCallExpression(node) && !ts.isExpressionStatement(node.parent))
    alternatives.push(...otherField(node, names));
  alternatives.push(...otherConstant(node, names));
  if (ts.isPrefixUnaryExpression(node) && [K.ExclamationToken, K.TildeToken].includes(node.operator)) {
    const kind = node.operator === K.ExclamationToken ? 'negate' : 'bitwise';
    alternatives.push({ kind, replacement: node.operand.getText() });
  } else if (isCondition(node) && !isComparison && !isConstant(node)) {
    alternatives.push({ kind: 'negate', replacement: `!(${node.getText()})` });
  }
  return alternatives;
}

function calleeOf(node: ts.Node): string | undefined {
  return ts.isCallExpression(node) ? node.expression.getText() : undefined;
}

function otherOperators(node: ts.Node, names: Names): Alternative[] {
  if (!ts.isBinaryExpression(node)) return [];
  if (node.operatorToken.kind === K.PlusToken && isZero(node.right, names)) return [];
  const [kind, others] = OPERATORS.get(node.operatorToken.kind) ?? ['comparison', []];
  const { left, right } = node;
  return others.map((other) => ({ kind, replacement: `${left.getText()} ${other} ${right.getText()}` }));
}

function otherStep(node: ts.Node): Alternative[] {
  if (!ts.isPostfixUnaryExpression(node) && !ts.isPrefixUnaryExpression(node)) return [];
  const other = node.operator === K.PlusPlusToken ? '--' : '++';
  return [{ kind: 'arithmetic', replacement: `${node.operand.getText()}${other}` }];
}

/** A check that is left out of several. */
function operands(node: ts.BinaryExpression): Alternative[] {
  if (![K.AmpersandAmpersandToken, K.BarBarToken].includes(node.operatorToken.kind)) return [];
  return [node.left, node.right].map((operand) => ({ kind: 'logical', replacement: operand.getText() }));
}

/** A load or store of the field that stands beside the right one. */
function otherField(node: ts.Node, names: Names): Alternative[] {
  if (!ts.isCallExpression(node)) return [];
  const callee = node.expression.getText();
  const offset = node.arguments[callee === 'load' ? 1 : callee === 'store' ? 2 : Infinity];
  if (offset === undefined) return [];
  const other = constantOf(ts.isBinaryExpression(offset) ? offset.right : offset, names).instead;
  if (other === undefined) return [];
  const at = ts.isBinaryExpression(offset) ? offset.right : offset;
  const before = node.getText().slice(0, at.getStart() - node.getStart());
  const after = node.getText().slice(at.end - node.getStart());
  return [{ kind: 'neighbour', replacement: `${before}${other}${after}` }];
}

/** What assembly/abi says of a named constant, and what its neighbour is called in the same place. */
function constantOf(
  node: ts.Node,
  { imports, abi }: Names,
): { value?: string | undefined; instead?: string | undefined } {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const module = node.expression.text;
    const { value, neighbour } = abi.get(imports.modules.get(module) ?? '')?.get(node.name.text) ?? {};
    return { value, instead: neighbour === undefined ? undefined : `${module}.${neighbour}` };
  }
  if (!ts.isIdentifier(node)) return {};
  const { value, neighbour } = abi.get(imports.constants.get(node.text) ?? '')?.get(node.text) ?? {};
  return { value, instead: neighbour };
}

/** Adding nothing is taking nothing away. */
function isZero(node: ts.Node, names: Names): boolean {
  return Number(constantOf(node, names).value ?? NaN) === 0;
}

/** The value of a flag: whoever reads it asks whether it is 0. */
function isFlag(node: ts.Node): boolean {
  const { parent } = node;
  return (
    node.getText() === '1' &&
    ts.isCallExpression(parent) &&
    parent.arguments[1] === node &&
    parent.getText().startsWith('store<u8>(')
  );
}

function otherConstant(node: ts.Node, names: Names): Alternative[] {
  if (node.kind === K.TrueKeyword && isWhole(node)) return [{ kind: 'constant', replacement: 'false' }];
  if (node.kind === K.FalseKeyword) return [{ kind: 'constant', replacement: 'true' }];
  if (ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand) && node.operator === K.MinusToken) {
    return [{ kind: 'constant', replacement: `-${Number(node.operand.text) + 1}` }];
  }
  if (ts.isNumericLiteral(node)) {
    const value = Number(node.text);
    if (!Number.isInteger(value) || value > 0xffffffff) return [];
    const others = [value < MOST && !isFlag(node) ? value + 1 : undefined, value > 0 ? value - 1 : undefined];
    return others
      .filter((other) => other !== undefined)
      .map((other) => ({
        kind: 'constant',
        replacement: node.getText().startsWith('0x') ? hex(other) : String(other),
      }));
  }
  const isName = ts.isPropertyAccessExpression(node) || (ts.isIdentifier(node) && SCREAMING.test(node.text));
  if (!isName || node.getText() === 'DEBUG') return [];
  const neighbour = constantOf(node, names).instead;
  if (neighbour !== undefined) return [{ kind: 'neighbour', replacement: neighbour }];
  return SCREAMING.test(node.getText().split('.').at(-1)!)
    ? [{ kind: 'constant', replacement: `${node.getText()} + 1` }]
    : [];
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** `while (true)` is no condition. */
function isWhole(node: ts.Node): boolean {
  return !ts.isWhileStatement(node.parent);
}

function isConstant(node: ts.Node): boolean {
  return node.kind === K.TrueKeyword || node.kind === K.FalseKeyword;
}

function isCondition(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent))
    return parent.expression === node;
  return (ts.isForStatement(parent) || ts.isConditionalExpression(parent)) && parent.condition === node;
}

/** Does the statement end with leaving what it stands in? */
function leaves(statement: ts.Statement): boolean {
  if (ts.isBlock(statement)) {
    const last = statement.statements.at(-1);
    return last !== undefined && leaves(last);
  }
  return ts.isReturnStatement(statement) || ts.isBreakStatement(statement) || ts.isContinueStatement(statement);
}
