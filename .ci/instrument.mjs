// SPDX-License-Identifier: Apache-2.0
// Writes a copy of the core's sources that watches itself: `instrumentProject`. Insertions never add a line,
// so a position in the copy is a line of the source. Inserted names begin with __: no name of the core is taken.
//   coverage  a store of 1 to the point's byte where control can go two ways: function, branch, loop, case, operand
//   report    instead, __reached(point) of assembly/fuzz/report.ts, which tells the host once: for coverage of the test suite
//   dirty     every store tells assembly/fuzz/dirty.ts first, so that a reset copies only what changed
//   fuel      every turn of a loop takes from a budget, and the core traps when it is used up
// Returns the points: [{ file, line, column, lines: [...] }], `lines` being those whose execution the point stands for.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import ts from 'typescript';

/** What is not watched: constants, and the watcher. */
const LEFT_ALONE = /^(abi|fuzz)\//;

/** Calls that write a block of memory: which argument says where, and which how much. */
const BLOCK_WRITES = { 'memory.copy': 2, 'memory.fill': 2, copyBytes: 2 };
/** Functions whose own stores are announced by their callers. */
const ANNOUNCED = new Set(['copyBytes']);

/**
 * Fills `tree` with a core that watches itself, made of the sources in `from`: what asc compiles there with
 * `--target instrumented` is that core with the entries of asconfig.json and `moreEntries`. Returns the points.
 */
export function instrumentProject(from, tree, options, moreEntries) {
  const points = instrumentTree(from, join(tree, 'assembly'), options);
  const config = JSON.parse(readFileSync('asconfig.json', 'utf8'));
  config.entries.push(...moreEntries);
  writeFileSync(join(tree, 'asconfig.json'), JSON.stringify(config));
  return points;
}

/** What a core has to watch, and to export, for a fuzzer. */
export const FUZZED = { options: { coverage: true, dirty: true, fuel: true }, entries: ['assembly/fuzz/index.ts'] };

function instrumentTree(from, to, options) {
  const points = [];
  for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!name.endsWith('.ts') && !name.endsWith('.json')) continue;
    const text = readFileSync(join(from, name), 'utf8');
    const isWatched = name.endsWith('.ts') && !LEFT_ALONE.test(name);
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), isWatched ? instrumentFile(name, text, options, points) : text);
  }
  const counted = join(to, 'fuzz/coverage.ts');
  writeFileSync(
    counted,
    readFileSync(counted, 'utf8').replace('const POINTS = 0;', `const POINTS = ${points.length};`),
  );
  return points;
}

function instrumentFile(name, text, { coverage = false, report = false, dirty = false, fuel = false }, points) {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);
  const inserted = []; // [position, text]; equal positions keep their order
  let usesDirty = false;
  let usesFuel = false;

  const insert = (position, what) => inserted.push([position, what]);
  const lineOf = (position) => source.getLineAndCharacterOfPosition(position).line + 1;

  /** A new point for what begins at `node`; the expression that marks it. */
  const mark = (node, lines = []) => {
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart());
    const point = points.length;
    points.push({ file: `assembly/${name}`, line: line + 1, column: character + 1, lines });
    return report ? `__reached(${point})` : `store<u8>(__COVERAGE + ${point}, 1)`;
  };

  /** Marks the runs of a list of statements: a new one begins where the one before may have left. */
  const markRuns = (statements) => {
    let run = null;
    for (const statement of statements) {
      if (ts.isFunctionDeclaration(statement)) continue;
      if (run === null) {
        run = [];
        insert(statement.getStart(), `${mark(statement, run)};`);
      }
      run.push(...ownLines(statement, lineOf));
      if (mayLeave(statement)) run = null;
    }
  };

  /** The body of a loop: its points, and what a turn costs. */
  const markLoop = (statement) => {
    if (coverage || report) markArm(statement);
    if (!fuel) return;
    usesFuel = true;
    insert(ts.isBlock(statement) ? statement.getStart() + 1 : statement.getStart(), '__burn();');
  };

  /** One arm of an if: braces, a point, and an else that shows the way around. */
  const markArm = (statement) => {
    if (ts.isBlock(statement)) {
      if (statement.statements.length === 0) insert(statement.getStart() + 1, `${mark(statement)};`);
      return;
    }
    const run = ownLines(statement, lineOf);
    insert(statement.getStart(), `{${mark(statement, run)};`);
    closeAfter(statement.end);
  };
  const closings = [];
  const closeAfter = (position) => closings.push([position, '}']);

  const markExpression = (node) => {
    insert(node.getStart(), `(${mark(node)},`);
    closings.push([node.end, ')']);
  };

  const watchStore = (call) => {
    const callee = call.expression.getText();
    const isStore = callee === 'store' || callee === 'v128.store';
    const [at] = call.arguments;
    if (isStore) {
      const offset = call.arguments[2]?.getText() ?? '0';
      usesDirty = true;
      insert(at.getStart(), '__dirtied(');
      closings.push([at.end, `, ${offset})`]);
    } else if (callee in BLOCK_WRITES) {
      usesDirty = true;
      insert(at.getStart(), '__dirtiedRange(');
      closings.push([at.end, `, ${call.arguments[BLOCK_WRITES[callee]].getText()})`]);
    }
  };

  const visit = (node, inFunction) => {
    if (ts.isFunctionDeclaration(node) && node.body === undefined) return; // an import
    const inside = inFunction || ts.isFunctionDeclaration(node);
    const isWatchingPoints = (coverage || report) && inside;
    if (dirty && ts.isCallExpression(node) && inside) watchStore(node);
    if (inside && ts.isIterationStatement(node, false)) markLoop(node.statement);
    if (isWatchingPoints) {
      if (ts.isBlock(node)) markRuns(node.statements);
      else if (ts.isCaseOrDefaultClause(node)) markRuns(node.statements);
      else if (ts.isIfStatement(node)) {
        // what is pushed first closes last
        if (node.elseStatement === undefined) closings.push([node.end, ` else {${mark(node)};}`]);
        else if (!ts.isIfStatement(node.elseStatement)) markArm(node.elseStatement);
        markArm(node.thenStatement);
      } else if (ts.isConditionalExpression(node)) {
        markExpression(node.whenTrue);
        markExpression(node.whenFalse);
      } else if (
        ts.isBinaryExpression(node) &&
        [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken].includes(node.operatorToken.kind)
      ) {
        markExpression(node.right);
      }
    }
    const isAnnounced = dirty && ts.isFunctionDeclaration(node) && ANNOUNCED.has(node.name?.text);
    if (isAnnounced) {
      // its points are wanted, its stores are not
      const wasDirty = dirty;
      dirty = false;
      ts.forEachChild(node, (child) => visit(child, inside));
      dirty = wasDirty;
    } else {
      ts.forEachChild(node, (child) => visit(child, inside));
    }
  };
  visit(source, false);

  const imports = [];
  const up = relative(dirname(name), '.') || '.';
  if (usesDirty)
    imports.push(`import { dirtied as __dirtied, dirtiedRange as __dirtiedRange } from '${up}/fuzz/dirty.ts';`);
  if (usesFuel) imports.push(`import { burn as __burn } from '${up}/fuzz/fuel.ts';`);
  if (coverage && !report) imports.push(`import { COVERAGE as __COVERAGE } from '${up}/abi/fuzz_memory.ts';`);
  if (report) imports.push(`import { reached as __reached } from '${up}/fuzz/report.ts';`);
  if (imports.length > 0) insert(firstToken(source), `${imports.join(' ')} `);

  return splice(text, inserted, closings);
}

const firstToken = (source) => source.statements[0]?.getStart() ?? source.end;

/** Lines of a statement itself, without those of the statements inside it. */
function ownLines(statement, lineOf) {
  const first = lineOf(statement.getStart());
  let end = statement.end;
  if (ts.isBlock(statement)) return [];
  const body = ts.isIfStatement(statement)
    ? statement.thenStatement
    : ts.isIterationStatement(statement, false)
      ? statement.statement
      : ts.isSwitchStatement(statement)
        ? statement.caseBlock
        : undefined;
  if (body !== undefined) end = body.getStart();
  const last = lineOf(end - 1);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** May what follows the statement not be reached although the statement was? */
function mayLeave(statement) {
  let leaves = false;
  const look = (node) => {
    if (
      ts.isReturnStatement(node) ||
      ts.isBreakStatement(node) ||
      ts.isContinueStatement(node) ||
      ts.isThrowStatement(node)
    ) {
      leaves = true;
    }
    ts.forEachChild(node, look);
  };
  look(statement);
  return leaves;
}

/** Closings of inner nodes come before those of outer ones at the same position, and before what begins there. */
function splice(text, inserted, closings) {
  const all = [
    ...closings.map(([position, what], order) => ({ position, what, rank: 0, order: -order })),
    ...inserted.map(([position, what], order) => ({ position, what, rank: 1, order })),
  ].sort((a, b) => a.position - b.position || a.rank - b.rank || a.order - b.order);
  let result = '';
  let from = 0;
  for (const { position, what } of all) {
    result += text.slice(from, position) + what;
    from = position;
  }
  return result + text.slice(from);
}
