// SPDX-License-Identifier: Apache-2.0
// Every requirement has a test or a reason, every test names a requirement that exists, and docs/requirements.md says so.
// UPDATE_DOCS=1 writes it anew.
import { existsSync, writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { readRepoFile, repoPath } from '../support/repo.ts';
import { NOT_BUILT } from './not_built.ts';
import { REQUIREMENTS } from './requirements.ts';
import { matches, reasonsFor, requirementsMarkdown, testedIds } from './requirements_table.ts';

const FILE = 'docs/requirements.md';
const LEVELS = ['MUST', 'MUST NOT', 'SHOULD', 'SHOULD NOT', 'MAY'];

if (process.env['UPDATE_DOCS'] === '1') writeFileSync(repoPath(FILE), requirementsMarkdown());

const tested = testedIds();
const ids = REQUIREMENTS.map(({ id }) => id);

describe('the list of requirements', () => {
  it('is sorted, without doubles, with a level and a text each', () => {
    expect(ids).toEqual([...new Set(ids)].toSorted());
    for (const { level, text } of REQUIREMENTS) {
      expect(LEVELS).toContain(level);
      expect(text).not.toBe('');
    }
  });

  it('has a test or one reason for each id', () => {
    expect(ids.filter((id) => !tested.has(id) && reasonsFor(id).length !== 1)).toEqual([]);
  });

  it('gives no reason for an id that has a test', () => {
    expect(ids.filter((id) => tested.has(id) && reasonsFor(id).length > 0)).toEqual([]);
  });
});

describe('the tests', () => {
  it('name requirements that exist', () => {
    expect([...tested.keys()].filter((id) => !ids.includes(id))).toEqual([]);
  });
});

describe('the list of what is not built', () => {
  it('covers at least one requirement with each entry', () => {
    const entries = NOT_BUILT.flatMap((group) => group.ids);

    expect(entries.filter((entry) => !ids.some((id) => matches(entry, id)))).toEqual([]);
  });
});

describe(FILE, () => {
  it('is up to date; UPDATE_DOCS=1 npx vitest run test/conformance/requirements.test.ts writes it', () => {
    expect(existsSync(repoPath(FILE)) ? readRepoFile(FILE) : '').toBe(requirementsMarkdown());
  });
});
