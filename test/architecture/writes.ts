// SPDX-License-Identifier: Apache-2.0
// Which fields of the state a source text writes. In the core: `store<T>(base, value, FIELD)`, memory.fill, memory.copy, and
// calls of functions that store where an argument of theirs points. In the host: elements of views, and their setters. A
// field is known by its constant, as in `Q.SIZE`; what a local name stands for is looked up in the function around it. What an address is
// loaded from is not written, and a pointer that was stored somewhere is not followed.
import ts from 'typescript';

/** One write: the field, and where it stands. */
export interface Write {
  readonly field: string;
  readonly file: string;
  readonly line: number;
}

/** A place where something is stored: expressions that make up the address. */
interface Place {
  readonly base: ts.Expression;
  readonly offset: ts.Expression | undefined;
}

/** Functions by name, with the positions of parameters that they store to. */
type Stores = Map<string, Set<number>>;

/** Functions by name, with what they return. */
type Returns = Map<string, ts.Expression[]>;

/** What is known of the functions of all files. */
interface Known {
  readonly stores: Stores;
  readonly returns: Returns;
  isField(name: string): boolean;
}

/** Writes in all `files` (path to text); a name counts as a field if `isField` says so. */
export function writesOf(files: ReadonlyMap<string, string>, isField: (name: string) => boolean): Write[] {
  const sources = [...files].map(([file, text]) => ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  const stores: Stores = new Map();
  const known: Known = { stores, returns: returnsOf(sources), isField };
  // a function that stores through one that is found later is found in the next round
  for (let before = -1; before !== sizeOf(stores);) {
    before = sizeOf(stores);
    for (const source of sources) visit(source, (node) => noteParameters(node, known));
  }
  return sources.flatMap((source) => {
    const writes: Write[] = [];
    visit(source, (node) => {
      const fields = new Set(placesOf(node, stores).flatMap((place) => fieldsOf(place, known)));
      const line = (): number => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      for (const field of fields) writes.push({ field, file: source.fileName, line: line() });
    });
    return writes;
  });
}

function sizeOf(stores: Stores): number {
  return [...stores.values()].reduce((sum, positions) => sum + positions.size, 0);
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

/** Which argument of a call is the address, and which the offset from it; -1 for none. */
function addressOf(callee: string): readonly [base: number, offset: number] | undefined {
  if (callee === 'store') return [0, 2];
  if (callee === 'v128.store') return [0, 1];
  if (callee === 'memory.fill' || callee === 'memory.copy') return [0, -1];
  if (/\.set(?:Big)?(?:Ui|I)nt\d+$/.test(callee)) return [0, -1];
  if (/\.(?:set|fill)$/.test(callee)) return [1, -1];
  return undefined;
}

function placesOf(node: ts.Node, stores: Stores): Place[] {
  if (ts.isBinaryExpression(node) && ts.isElementAccessExpression(node.left) && isAssignment(node.operatorToken)) {
    return [{ base: node.left.argumentExpression, offset: undefined }];
  }
  if (!ts.isCallExpression(node)) return [];
  const callee = node.expression.getText();
  const address = addressOf(callee);
  const bases = address === undefined ? (stores.get(callee) ?? []) : [address[0]];
  const offset = address === undefined ? undefined : node.arguments[address[1]];
  return [...bases].flatMap((index) => {
    const base = node.arguments[index];
    return base === undefined ? [] : [{ base, offset }];
  });
}

function isAssignment({ kind }: ts.Node): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

/** Fields that the offset names, or the base if the offset names none. */
function fieldsOf({ base, offset }: Place, known: Known): string[] {
  const fieldsIn = (expression: ts.Expression): string[] => namesIn(expression, known).filter(known.isField);
  const named = offset === undefined ? [] : fieldsIn(offset);
  return named.length > 0 ? named : fieldsIn(base);
}

function returnsOf(sources: readonly ts.SourceFile[]): Returns {
  const returns: Returns = new Map();
  for (const source of sources) {
    visit(source, (node) => {
      if (!ts.isReturnStatement(node) || node.expression === undefined) return;
      const name = functionAround(node)?.name?.text;
      if (name !== undefined) returns.set(name, [...(returns.get(name) ?? []), node.expression]);
    });
  }
  return returns;
}

/** Names in an address, with those that local ones stand for; in place of a call those in what it returns. */
function namesIn(expression: ts.Expression, known: Known, seen: ReadonlySet<string> = new Set()): string[] {
  const names: string[] = [];
  const follow = (name: string, values: readonly ts.Expression[]): void => {
    if (seen.has(name)) return;
    for (const value of values) names.push(...namesIn(value, known, new Set([...seen, name])));
  };
  const look = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      follow(node.expression.getText(), known.returns.get(node.expression.getText()) ?? []);
      return;
    }
    if (ts.isConditionalExpression(node)) {
      look(node.whenTrue);
      look(node.whenFalse);
      return;
    }
    if (ts.isPropertyAccessExpression(node) && known.isField(node.getText())) {
      names.push(node.getText());
      return;
    }
    if (!ts.isIdentifier(node)) {
      ts.forEachChild(node, look);
      return;
    }
    names.push(node.text);
    follow(node.text, valuesOf(node));
  };
  look(expression);
  return names;
}

/** What a name is set to in the function around its use. */
function valuesOf(name: ts.Identifier): ts.Expression[] {
  const body = functionAround(name)?.body;
  if (body === undefined) return [];
  const values: ts.Expression[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.name.text === name.text) {
      if (node.initializer !== undefined) values.push(node.initializer);
    } else if (ts.isBinaryExpression(node) && ts.isIdentifier(node.left) && node.left.text === name.text) {
      if (node.operatorToken.kind === ts.SyntaxKind.EqualsToken) values.push(node.right);
    }
    ts.forEachChild(node, look);
  };
  look(body);
  return values;
}

function functionAround(node: ts.Node): ts.FunctionDeclaration | undefined {
  for (let at: ts.Node | undefined = node; at !== undefined; at = at.parent) {
    if (ts.isFunctionDeclaration(at)) return at;
  }
  return undefined;
}

/** A store to a place that no field names and a parameter does makes every caller a writer of what it hands over. */
function noteParameters(node: ts.Node, known: Known): void {
  const { stores } = known;
  for (const place of placesOf(node, stores)) {
    const around = functionAround(node);
    if (around?.name === undefined || fieldsOf(place, known).length > 0) continue;
    const names = new Set(namesIn(place.base, known));
    const positions = stores.get(around.name.text) ?? new Set();
    around.parameters.forEach(({ name }, index) => {
      if (ts.isIdentifier(name) && names.has(name.text)) positions.add(index);
    });
    stores.set(around.name.text, positions);
  }
}
