// SPDX-License-Identifier: Apache-2.0
// Paths and files of this repository, for tests that read its sources.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Absolute path of a path given relative to the top of the repository. */
export function repoPath(path: string): string {
  return join(ROOT, path);
}

/** Text of a file of the repository. */
export function readRepoFile(path: string): string {
  return readFileSync(repoPath(path), 'utf8');
}

/** Files below `folder` whose name ends in one of `endings`, relative to the top, sorted; empty when there is no folder. */
export function repoFiles(folder: string, ...endings: readonly string[]): string[] {
  if (!existsSync(repoPath(folder))) return [];
  return readdirSync(repoPath(folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .toSorted();
}
