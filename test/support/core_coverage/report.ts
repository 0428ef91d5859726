// SPDX-License-Identifier: Apache-2.0
// The coverage report of the core: points that tests passed, and those of fuzzing where it left a list, become lines of
// AssemblyScript in LCOV. Below the limit the run fails and names every line that nothing reached.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { repoPath } from '../repo.ts';

export const PARTS_FOLDER = repoPath('build/coverage/parts');
const REPORT = repoPath('build/coverage/core.lcov');
/** Points that `virtfn fuzz --coverage` wrote; they are counted as those of the coverage core are. */
const FUZZ_POINTS = repoPath('build/coverage/fuzz.json');
/** Lines of the core that have to be reached, in percent. */
const LIMIT = 95;

interface Point {
  readonly file: string;
  readonly line: number;
  readonly lines: readonly number[];
}

export function setup(): void {
  execFileSync(process.execPath, [repoPath('.ci/build.mjs'), 'core', 'fuzz', 'coverage'], { stdio: 'inherit' });
  rmSync(PARTS_FOLDER, { recursive: true, force: true });
}

export function teardown(): void {
  const points = JSON.parse(readFileSync(repoPath('build/nic.coverage.json'), 'utf8')) as Point[];
  const passed = new Set<number>();
  const parts = readdirSync(PARTS_FOLDER).map((name) => join(PARTS_FOLDER, name));
  for (const file of isOfThisCore(FUZZ_POINTS) ? [...parts, FUZZ_POINTS] : parts) {
    for (const point of JSON.parse(readFileSync(file, 'utf8')) as number[]) passed.add(point);
  }
  const files = linesOf(points, passed);
  const all = [...files.values()].flatMap((lines) => [...lines.values()]);
  const reached = all.filter(Boolean).length;
  mkdirSync(repoPath('build/coverage'), { recursive: true });
  writeFileSync(REPORT, lcov(files));
  const percent = (100 * reached) / all.length;
  console.log(`core: ${reached} of ${all.length} lines reached, ${percent.toFixed(2)} %; build/coverage/core.lcov`);
  for (const [file, lines] of files) {
    const missing = [...lines].filter(([, isReached]) => !isReached).map(([line]) => line);
    if (missing.length > 0) console.log(`  ${file}: ${missing.join(' ')}`);
  }
  if (percent < LIMIT) {
    console.error(`core: ${LIMIT} % of the lines have to be reached`);
    process.exitCode = 1;
  }
}

/** Points that were written before the core was built are points of another one. */
function isOfThisCore(file: string): boolean {
  return existsSync(file) && statSync(file).mtimeMs > statSync(repoPath('build/nic.fuzz.wasm')).mtimeMs;
}

/** Lines of each file that stand for code, and whether they were reached. */
function linesOf(points: readonly Point[], passed: ReadonlySet<number>): Map<string, Map<number, boolean>> {
  const files = new Map<string, Map<number, boolean>>();
  points.forEach(({ file, lines }, point) => {
    const known = files.get(file) ?? new Map<number, boolean>();
    files.set(file, known);
    for (const line of lines) known.set(line, known.get(line) === true || passed.has(point));
  });
  for (const [file, lines] of files) files.set(file, new Map([...lines].sort(([a], [b]) => a - b)));
  return files;
}

function lcov(files: ReadonlyMap<string, ReadonlyMap<number, boolean>>): string {
  return [...files]
    .map(([file, lines]) => {
      const data = [...lines].map(([line, isReached]) => `DA:${line},${isReached ? 1 : 0}`);
      const hit = [...lines.values()].filter(Boolean).length;
      return ['TN:', `SF:${file}`, ...data, `LF:${lines.size}`, `LH:${hit}`, 'end_of_record', ''].join('\n');
    })
    .join('');
}
