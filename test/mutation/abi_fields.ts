// SPDX-License-Identifier: Apache-2.0
// What stands beside a constant of assembly/abi: the next field of the same type in the same block, the next event code, the
// next bit. A group is a run of declarations without an empty line; a field's type is the first word of its comment.
import ts from 'typescript';

/** Constants of a file by name. */
export type Constants = ReadonlyMap<string, Constant>;

export interface Constant {
  /** As it is written. */
  readonly value: string;
  /** Which other one is taken for it by mistake. */
  readonly neighbour?: string;
}

const DECLARATION = /^export const ([A-Z][A-Z0-9_]*) = ([^;]+);(?:\s*\/\/ (.*))?$/;
const TYPE = /^(?:u|le)(8|16|32|64)\b(?!\[)/;

/** The constants that the text of a file of assembly/abi declares. */
export function constantsIn(text: string): Constants {
  const constants = new Map<string, Constant>();
  let group: { name: string; type: string }[] = [];
  const close = (): void => {
    for (const type of new Set(group.map((field) => field.type))) {
      const alike = group.filter((field) => field.type === type).map(({ name }) => name);
      // the last one has its neighbour before it
      alike.forEach((name, at) => {
        const neighbour = alike[at + 1] ?? alike[at - 1];
        if (neighbour !== undefined) constants.set(name, { ...constants.get(name)!, neighbour });
      });
    }
    group = [];
  };
  for (const line of text.split('\n')) {
    if (line.trim() === '') close();
    const [, name, value, comment = ''] = DECLARATION.exec(line) ?? [];
    if (name === undefined || value!.startsWith('[')) continue;
    constants.set(name, { value: value! });
    group.push({ name, type: TYPE.exec(comment)?.[1] ?? 'untyped' });
  }
  close();
  return constants;
}

/** Where the names of a file of the core come from: whole modules by their name, constants one by one. */
export interface Imports {
  readonly modules: ReadonlyMap<string, string>;
  readonly constants: ReadonlyMap<string, string>;
}

/** What `source` imports from assembly/abi, as names of files there. */
export function abiImports(source: ts.SourceFile): Imports {
  const modules = new Map<string, string>();
  const constants = new Map<string, string>();
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const file = /(?:^|\/)abi\/(\w+\.ts)$/.exec(statement.moduleSpecifier.text)?.[1];
    const bindings = statement.importClause?.namedBindings;
    if (file === undefined || bindings === undefined) continue;
    if (ts.isNamespaceImport(bindings)) modules.set(bindings.name.text, file);
    else for (const { name } of bindings.elements) constants.set(name.text, file);
  }
  return { modules, constants };
}
