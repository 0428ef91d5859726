// SPDX-License-Identifier: Apache-2.0
// What every source file looks like: licence line, what it is about, length, and no promise without an issue.
import { describe, expect, it } from 'vitest';

import { readRepoFile, repoFiles } from '../support/repo.ts';

const MOST_LINES = 500;

const sources = ['.ci', 'assembly', 'bench', 'examples', 'src', 'test'].flatMap((folder) =>
  repoFiles(folder, '.ts', '.mjs', '.c', '.h').map((file) => ({ file, lines: readRepoFile(file).split('\n') })),
);

describe('source files', () => {
  it('are found', () => {
    expect(sources.length).toBeGreaterThan(60);
  });

  it(`have ${MOST_LINES} lines at most`, () => {
    const tooLong = sources.filter(({ lines }) => lines.length - 1 > MOST_LINES);

    expect(tooLong.map(({ file, lines }) => `${file}: ${lines.length - 1}`)).toEqual([]);
  });

  it('begin with the licence line', () => {
    const others = sources.filter(({ lines }) => lines[0] !== '// SPDX-License-Identifier: Apache-2.0');

    expect(others.map(({ file }) => file)).toEqual([]);
  });

  it('say in their second line what they are about', () => {
    expect(sources.filter(({ lines }) => !/^\/\/ \S/.test(lines[1] ?? '')).map(({ file }) => file)).toEqual([]);
  });

  it('leave work open only with the number of its issue', () => {
    const promise = /\b(?:TODO|FIXME|XXX)\b(?! ?\(#\d+\))/; // TODO(#2) passes, the bare word does not
    const open = sources
      .filter(({ file }) => !import.meta.url.endsWith(file))
      .flatMap(({ file, lines }) => lines.map((line, index) => ({ line, place: `${file}:${index + 1}` })))
      .filter(({ line }) => promise.test(line));

    expect(open.map(({ place }) => place)).toEqual([]);
  });

  it('of the program give standard output nothing past the one way to it, which writes all or fails', () => {
    const past = sources.filter(
      ({ file, lines }) =>
        file.startsWith('src/') && lines.some((line) => /process\.stdout\.write|console\.\w+\(/.test(line)),
    );

    expect(past.map(({ file }) => file)).toEqual([]);
  });

  it('compile and lint without exceptions in the text', () => {
    const exception = /@ts-ignore|@ts-nocheck|eslint-disable|oxlint-disable/;
    const files = sources.filter(
      ({ file, lines }) => !import.meta.url.endsWith(file) && lines.some((line) => exception.test(line)),
    );

    expect(files.map(({ file }) => file)).toEqual([]);
  });
});
