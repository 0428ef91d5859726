// SPDX-License-Identifier: Apache-2.0
// .ci/layout.mjs itself, run on copies of what it reads: a table with a fault is refused by name and nothing is written;
// without one, what is made of the table is written and named.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { PATIENCE_MS } from '../support/patience.ts';
import { readRepoFile, repoFiles, repoPath } from '../support/repo.ts';

/** What the script reads and writes. */
const READ = ['.ci/layout.mjs', 'src/layout', 'src/util', 'assembly/abi', 'docs/state.md'];
const TABLE_FILE = 'src/layout/functions.ts';

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'virtfn-layout-'));
  for (const path of READ) cpSync(repoPath(path), join(root, path), { recursive: true });
  symlinkSync(repoPath('node_modules'), join(root, 'node_modules'));
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeEach(() => {
  for (const path of written()) writeFileSync(join(root, path), readRepoFile(path));
});

function written(): string[] {
  return [TABLE_FILE, ...repoFiles('assembly/abi', '.ts'), 'docs/state.md'];
}

/** Puts `to` in the place of `from`, which is in the table once, and runs the script. */
function runWith(from: string, to: string): { code: number | null; stdout: string; stderr: string } {
  const text = readRepoFile(TABLE_FILE);
  expect(text.split(from)).toHaveLength(2);
  writeFileSync(join(root, TABLE_FILE), text.replace(from, to));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, '.ci/layout.mjs')], {
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  return { code: status, stdout, stderr };
}

/** Files that differ from those of the repository, but for the table. */
function changed(): string[] {
  return written().filter(
    (path) => path !== TABLE_FILE && readFileSync(join(root, path), 'utf8') !== readRepoFile(path),
  );
}

describe('npm run layout', () => {
  it.each([
    [
      'a field on top of another',
      `'Mbit/s that it may send, 0: no limit', { by: 'nic' }`,
      `'Mbit/s that it may send, 0: no limit', { at: 0x10, by: 'nic' }`,
      /^layout: FN_RATE at 16 overlaps FN_PASID, which ends at \d+$/,
    ],
    [
      'a field out of alignment',
      `'records in FN_FAULTS', { at: 0xf0,`,
      `'records in FN_FAULTS', { at: 0xf2,`,
      /^layout: FN_FAULT_COUNT at 242 is not aligned to 4$/,
    ],
    [
      'a block too small for its fields',
      `by: 'nic src',\n    bytes: 64,`,
      `by: 'nic src',\n    bytes: 4,`,
      /^layout: PROFILE_FEATURES ends at 8, profile at 4$/,
    ],
  ])('refuses %s and writes nothing', (_, from, to, fault) => {
    const { code, stdout, stderr } = runWith(from, to);

    expect(code).toBe(1);
    expect(stderr.split('\n')).toContainEqual(expect.stringMatching(fault));
    expect(stdout).toBe('');
    expect(changed()).toEqual([]);
  });

  it('writes the constant, the hash and the page of a row that moved, and names them', () => {
    const { code, stdout, stderr } = runWith(`{ at: 0xf0, by: 'host src' }`, `{ at: 0xf8, by: 'host src' }`);

    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(readFileSync(join(root, 'assembly/abi/function.ts'), 'utf8')).toMatch(/ FAULT_COUNT = 0x10f8;/); // behind 4096 bytes of configuration space
    const files = ['assembly/abi/function.ts', 'assembly/abi/layout_hash.ts', 'docs/state.md'];
    expect(changed()).toEqual(files);
    expect(stdout.trimEnd().split('\n').toSorted()).toEqual(files.map((file) => `layout: ${file}`));
  });
});
