// SPDX-License-Identifier: Apache-2.0
// The corpus as a whole: every number of the list has its cases, every clause names something that is written down, what is
// skipped is known, and docs/villain.md counts right.
import { describe, expect, it } from 'vitest';

import { casesMatching, CORPUS, GROUPS } from '../../src/villain/cases/corpus.ts';
import { directPath, socketPath } from '../../src/villain/path.ts';
import { runCase } from '../../src/villain/runner.ts';
import { readRepoFile } from '../support/repo.ts';

/** How many numbers each group of the list has: R01 to R16, and so on. */
const NUMBERS = { R: 16, Q: 9, D: 15, A: 15, L: 10, M: 9, N: 10 } as const;
const CASES_AT_LEAST = 120;

/** Cases that find nothing to try on this card, on either path. */
const WAITING = [
  ['D05', 'D13-wrap', 'D13-id', 'D13-partial'],
  ['L07-intx'],
  ['M01-running', 'M01-stopped', 'M02-order', 'M02-twice', 'M02-missing', 'M02-type', 'M02-size', 'M02-selector'],
  ['M03-sum', 'M04-cut', 'M05-twice', 'M05-clear', 'M06-kick', 'M07-rings', 'M08-source', 'M09-mismatch'],
  ['N02-range', 'N04-power', 'N04-entry', 'N04-key', 'N04-type', 'N05-bits', 'N06-queue'],
].flat();

describe('the corpus', () => {
  it('has ids of one shape, each once, in the order of the groups', () => {
    const ids = CORPUS.map(({ id }) => id);

    expect(ids.filter((id) => !/^[RQDALMN]\d\d(?:-[a-z0-9]+)*$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(GROUPS.map(({ letter }) => letter)).toEqual(Object.keys(NUMBERS));
    for (const { letter, cases } of GROUPS) {
      expect(cases.every(({ id }) => id.startsWith(letter))).toBe(true);
      const numbers = cases.map(({ id }) => id.slice(0, 3));
      expect(numbers).toEqual([...numbers].sort());
    }
  });

  it(`has a case for every number of the list, and ${CASES_AT_LEAST} cases at least`, () => {
    const expected = Object.entries(NUMBERS).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`),
    );

    expect([...new Set(CORPUS.map(({ id }) => id.slice(0, 3)))]).toEqual(expected);
    expect(CORPUS.length).toBeGreaterThanOrEqual(CASES_AT_LEAST);
  });

  it('says of each case what the driver does, and what is allowed', () => {
    expect(CORPUS.filter(({ act }) => !/^[a-z].{10,}[^.]$/.test(act)).map(({ id }) => id)).toEqual([]);
    const acts = CORPUS.map(({ act, setup }) => `${setup}: ${act}`);
    expect(acts.filter((act, i) => acts.indexOf(act) !== i)).toEqual([]);
    const openEnded = CORPUS.filter(({ allowed }) => allowed.length === 0).map(({ id }) => id);
    expect(openEnded).toEqual(WAITING);
  });
});

describe('clauses', () => {
  const requirements = Object.keys(JSON.parse(readRepoFile('test/conformance/requirements.json')) as object);
  const decision = readRepoFile('docs/decisions/0008-readings-of-the-specification.md');

  it('name requirements that exist', () => {
    const named = CORPUS.flatMap(({ id, clause }) =>
      (clause.match(/\b(?:[A-Z]{3,}-)+\d\d\b/g) ?? []).map((name) => ({ id, name })),
    ).filter(({ name }) => !name.startsWith('AMB-'));

    expect(named.length).toBeGreaterThan(100);
    expect(named.filter(({ name }) => !requirements.includes(name))).toEqual([]);
  });

  it('name readings of decision 0008 that exist', () => {
    const named = CORPUS.flatMap(({ clause }) => clause.match(/\bAMB-\d\d\b/g) ?? []);

    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((label) => !decision.includes(`| ${label} |`))).toEqual([]);
  });

  it('are there, and begin with a requirement, a reading, a specification or an interface', () => {
    const source = /^(?:(?:[A-Z]{2,}-)+\d\d|virtio 1\.4 §|PCIe 6\.0 §|linux\/vfio\.h|Linux, virtio_vfio_pci)/;

    expect(CORPUS.filter(({ clause }) => !source.test(clause)).map(({ id, clause }) => `${id}: ${clause}`)).toEqual([]);
  });
});

describe('patterns', () => {
  const ids = (patterns: string): string[] => casesMatching(patterns).map(({ id }) => id);

  it.each<[pattern: string, found: (id: string) => boolean]>([
    ['D', (id) => id.startsWith('D')],
    ['d09', (id) => id.startsWith('D09')],
    ['D09-nested', (id) => id === 'D09-nested'],
    ['*-flight', (id) => id.includes('-flight')],
    ['M, N1', (id) => id.startsWith('M') || id.startsWith('N1')],
  ])('%s', (pattern, found) => {
    expect(ids(pattern)).toEqual(CORPUS.map(({ id }) => id).filter(found));
    expect(ids(pattern)).not.toEqual([]);
  });

  it.each(['X', '', ',', 'D99', '.', '('])('"%s" finds nothing', (pattern) => {
    expect(ids(pattern)).toEqual([]);
  });
});

describe('what is skipped', () => {
  it('in timed mode is what the card does not have, and what makes no sense over a socket', async () => {
    const skippedBy = (driver: typeof directPath): string[] =>
      CORPUS.filter(
        ({ needs, directOnly, allowed }) => needs !== undefined || directOnly !== undefined || allowed.length === 0,
      )
        .map((one) => runCase(one, driver, { mode: 'timed' }))
        .filter(({ verdict }) => verdict === 'SKIP')
        .map(({ id }) => id);
    const socket = await socketPath();

    expect(skippedBy(directPath)).toEqual(WAITING);
    if (socket.missing === null) expect(skippedBy(socket)).toEqual([...WAITING, 'R08-config'].sort(inOrder));
  });
});

/** The order of the corpus. */
function inOrder(one: string, other: string): number {
  const at = (id: string): number => CORPUS.findIndex((candidate) => candidate.id === id);
  return at(one) - at(other);
}

describe('docs/villain.md', () => {
  it('has the groups with the number of their cases', () => {
    const rows = GROUPS.map(({ letter, title, cases }) => {
      const waiting = cases.filter(({ id }) => WAITING.includes(id)).length;
      return `| ${letter} | ${title} | ${NUMBERS[letter as keyof typeof NUMBERS]} | ${cases.length} | ${waiting} |`;
    });
    const waiting = WAITING.length;

    const text = readRepoFile('docs/villain.md');
    for (const row of rows) expect(text).toContain(row);
    expect(text).toContain(
      `| | together | ${Object.values(NUMBERS).reduce<number>((sum, one) => sum + one, 0)} | ${CORPUS.length} | ${waiting} |`,
    );
  });
});
