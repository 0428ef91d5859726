// SPDX-License-Identifier: Apache-2.0
// Names of the JSON formats that the program writes and reads: one style, and no name for two formats.
import { describe, expect, it } from 'vitest';

import { isSchema } from '../../src/util/schema.ts';
import { readRepoFile, repoFiles } from '../support/repo.ts';

/** virtfn, what it is, in parts with dots, and a version. */
const STYLE = /^virtfn(?:\.[a-z]+(?:-[a-z]+)*)+\/[1-9]\d*$/;
/** What looks like such a name, however it is written: the project's name, words, a slash and a number. */
const NAME = /\bvirtfn[./:_-][\w./:-]*\/v?\d+\b/g;
/** What a program calls a schema. */
const DECLARED = /\bschema\w*['"]?\s*[:=]\s*['"`]([^'"`\n]*)['"`]/gi;

const FILES = [
  'README.md',
  ...['src', 'docs', 'examples'].flatMap((folder) => repoFiles(folder, '.ts', '.mjs', '.md', '.json')),
  ...repoFiles('bench', '.ts'),
  ...repoFiles('test/mutants', '.mjs'),
  ...repoFiles('test/soak', '.ts'),
];

describe('names of JSON formats', () => {
  const found = FILES.flatMap((file) => {
    const text = readRepoFile(file);
    const names = [...text.matchAll(NAME)].map(([name]) => name);
    const declared = [...text.matchAll(DECLARED)].map(([, name]) => name!);
    return [...names, ...declared].map((name) => ({ file, name }));
  });

  it('are found', () => {
    // reports of eleven verbs, three of them below bench and two of lifecycle, card files and reproducers
    const ofProgram = found.filter(({ file }) => file.startsWith('src/')).map(({ name }) => name);

    expect(new Set(ofProgram).size).toBeGreaterThanOrEqual(11 + 2 + 1 + 2);
  });

  it('are of one style', () => {
    expect(found.filter(({ name }) => !STYLE.test(name))).toEqual([]);
  });

  it('are declared once each, and what documents name is declared', () => {
    const literal = /['"`](virtfn[./][\w.-]*\/\d+)['"`]/g;
    const declared = repoFiles('src', '.ts').flatMap(
      (file) =>
      [...readRepoFile(file).replaceAll(/^\s*\/\/.*$/gm, '').matchAll(literal)].map(([, name]) => name!), // prettier-ignore
    );

    expect(declared.filter((name, i) => declared.indexOf(name) !== i)).toEqual([]);
    expect(found.filter(({ file, name }) => /^(?:docs\/|README)/.test(file) && !declared.includes(name))).toEqual([]);
  });
});

describe('a file that says what it is', () => {
  it.each<[isOne: boolean, said: unknown]>([
    [true, 'virtfn.card/1'],
    [true, 'virtfn/card/1'], // how it was written before
    [false, 'virtfn.card/2'],
    [false, 'virtfn.cards/1'],
    [false, 'card/1'],
    [false, ''],
    [false, null],
    [false, undefined],
    [false, 1],
  ])('is one (%s) where it says %j', (isOne, said) => {
    expect(isSchema(said, 'virtfn.card/1')).toBe(isOne);
  });
});
