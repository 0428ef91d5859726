// SPDX-License-Identifier: Apache-2.0
// Which fields of the state a source text writes: `store<T>(base, value, FIELD)`, memory.fill, memory.copy, and calls of
// functions that store where an argument of theirs points. A field is known by its constant; what a local name stands for
// is looked up in the function around it. What a load in an address reads is no write.
import ts from 'typescript';

/** One write: the field, the type of the store where there is one, and where it stands. */
export interface Write {
  readonly field: string;
  readonly type: string | undefined;
  readonly file: string;
  readonly line: number;
}

/** A place where something is stored: expressions that make up the address. */
interface Place {
  readonly call: ts.CallExpression;
  readonly base: ts.Expression;
  readonly offset: ts.Expression | undefined;
}

/** Functions by name, with the positions of parameters that they store to. */
type Stores = Map<string, Set<number>>;

/** Writes in all `files` (path to text); a name counts as a field if `isField` says so. */
export function writesOf(files: ReadonlyMap<string, string>, isField: (name: string) => boolean): Write[] {
  const sources = [...files].map(([file, text]) => ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  const stores: Stores = new Map();
  // a function that stores through one that is found later is found in the next round
  for (let before = -1; before !== sizeOf(stores);) {
    before = sizeOf(stores);
    for (const source of sources) visitCalls(source, (call) => noteParameters(call, stores, isField));
  }
  return sources.flatMap((source) => {
    const writes: Write[] = [];
    visitCalls(source, (call) => {
      const type = call.typeArguments?.[0]?.getText(source);
      const line = source.getLineAndCharacterOfPosition(call.getStart(source)).line + 1;
      const fields = placesOf(call, stores).flatMap((place) => fieldsOf(place, isField));
      for (const field of new Set(fields)) writes.push({ field, type, file: source.fileName, line });
    });
    return writes;
  });
}

function sizeOf(stores: Stores): number {
  return [...stores.values()].reduce((sum, positions) => sum + positions.size, 0);
}

function visitCalls(node: ts.Node, see: (call: ts.CallExpression) => void): void {
  if (ts.isCallExpression(node)) see(node);
  ts.forEachChild(node, (child) => visitCalls(child, see));
}

function placesOf(call: ts.CallExpression, stores: Stores): Place[] {
  const callee = call.expression.getText();
  const [base] = call.arguments;
  if (base === undefined) return [];
  if (callee === 'store') return [{ call, base, offset: call.arguments[2] }];
  if (callee === 'v128.store') return [{ call, base, offset: call.arguments[1] }];
  if (callee === 'memory.fill' || callee === 'memory.copy') return [{ call, base, offset: undefined }];
  const at = [...(stores.get(callee.split('.').at(-1)!) ?? [])];
  return at.flatMap((index) => {
    const argument = call.arguments[index];
    return argument === undefined ? [] : [{ call, base: argument, offset: undefined }];
  });
}

/** Fields that the offset names, or the base if the offset names none. */
function fieldsOf({ base, offset }: Place, isField: (name: string) => boolean): string[] {
  const named = offset === undefined ? [] : namesIn(offset).filter(isField);
  return named.length > 0 ? named : namesIn(base).filter(isField);
}

/** Names in an address, local ones replaced by what they stand for; inside a call nothing is looked at. */
function namesIn(expression: ts.Expression, seen: ReadonlySet<string> = new Set()): string[] {
  const names: string[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) return;
    if (ts.isConditionalExpression(node)) {
      look(node.whenTrue);
      look(node.whenFalse);
      return;
    }
    if (!ts.isIdentifier(node)) {
      ts.forEachChild(node, look);
      return;
    }
    names.push(node.text);
    if (seen.has(node.text)) return;
    for (const value of valuesOf(node)) names.push(...namesIn(value, new Set([...seen, node.text])));
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
function noteParameters(call: ts.CallExpression, stores: Stores, isField: (name: string) => boolean): void {
  const around = functionAround(call);
  if (around?.name === undefined) return;
  for (const place of placesOf(call, stores)) {
    if (fieldsOf(place, isField).length > 0) continue;
    const names = new Set(namesIn(place.base));
    around.parameters.forEach(({ name }, index) => {
      if (!ts.isIdentifier(name) || !names.has(name.text)) return;
      const positions = stores.get(around.name!.text) ?? new Set();
      stores.set(around.name!.text, positions.add(index));
    });
  }
}
