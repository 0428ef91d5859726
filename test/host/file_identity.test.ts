// SPDX-License-Identifier: Apache-2.0
// Which names mean one file is decided by the file system: every case here is made on a real one.
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { checkFiles } from '../../src/files/identity.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtfn-names-'));
  mkdirSync(at('real'));
  symlinkSync('real', at('linked'));
  writeFileSync(at('real/in'), 'content');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const reads = (input: string, output: string): void => checkFiles([['<in>', input]], [['--out', output]]);
const writes = (one: string, other: string): void =>
  checkFiles(
    [],
    [
      ['--out', one],
      ['--json', other],
    ],
  );

describe('an output that is the input', () => {
  it.each<[how: string, output: () => string]>([
    ['by its own name', () => at('real/in')],
    ['spelled otherwise', () => `${folder}/real/../real//./in`],
    ['from the working directory', () => relative(process.cwd(), at('real/in'))],
    ['through a linked folder', () => at('linked/in')],
    [
      'through a symbolic link',
      () => {
        symlinkSync('real/in', at('link'));
        return at('link');
      },
    ],
    [
      'through a link to a link',
      () => {
        symlinkSync('real/in', at('one'));
        symlinkSync(at('one'), at('two'));
        return at('two');
      },
    ],
    [
      'through a hard link',
      () => {
        linkSync(at('real/in'), at('hard'));
        return at('hard');
      },
    ],
  ])('is refused %s', (_how, output) => {
    const path = output();

    expect(() => reads(at('real/in'), path)).toThrow(
      `--out ${path} is the file that is read as ${at('real/in')}; choose another place for --out`,
    );
  });

  it('is refused where the linked folder leads up another way than its name', () => {
    mkdirSync(at('real/deep'));
    symlinkSync('real/deep', at('short'));

    // short/.. is real, not the folder that short lies in
    expect(() => reads(at('real/in'), `${folder}/short/../in`)).toThrow('is the file that is read as');
    expect(() => reads(at('real/in'), at('in'))).not.toThrow();
  });

  it('may be another file of equal content, or one that does not exist', () => {
    writeFileSync(at('copy'), 'content');

    expect(() => reads(at('real/in'), at('copy'))).not.toThrow();
    expect(() => reads(at('real/in'), at('new'))).not.toThrow();
  });
});

describe('two outputs', () => {
  it.each<[how: string, one: string, other: string]>([
    ['of one name', 'new', 'new'],
    ['spelled otherwise', 'new', './real/../new'],
    ['through a linked folder', 'real/new', 'linked/new'],
    ['in a folder that is not there yet', 'a/b/new', 'a/./b/new'],
    ['below a linked folder, in one that is not there yet', 'real/a/new', 'linked/a/new'],
    ['one through a link to what is not there', 'dangling', 'real/target'],
    ['one through a chain of them', 'chain', 'linked/target'],
    ['that exist', 'real/in', 'linked/in'],
  ])('are refused %s', (_how, one, other) => {
    symlinkSync('real/target', at('dangling'));
    symlinkSync('./real/../dangling', at('chain'));

    expect(() => writes(`${folder}/${one}`, `${folder}/${other}`)).toThrow(
      `--out ${folder}/${one} and --json ${folder}/${other} go to one file; choose another place for --json`,
    );
    expect(existsSync(at('real/target'))).toBe(false);
  });

  it('are refused by names that this file system does not tell apart, and taken where it does', () => {
    writeFileSync(at('probe'), '');
    const isCaseBlind = existsSync(at('PROBE'));
    rmSync(at('probe'));

    if (isCaseBlind) expect(() => writes(at('new'), at('NEW'))).toThrow('go to one file');
    else expect(() => writes(at('new'), at('NEW'))).not.toThrow();
    expect(readdirSync(folder).toSorted()).toEqual(['linked', 'real']); // the probe is gone
  });

  it('are refused where both are standard output', () => {
    expect(() => writes('-', '-')).toThrow(
      '--out - and --json - go to standard output; choose another place for --json',
    );
    expect(() => checkFiles([], [['--out', '-'], ['--json', undefined]])).not.toThrow(); // prettier-ignore
  });

  it('may both be thrown away', () => {
    expect(() => writes('/dev/null', '/dev/null')).not.toThrow();
  });

  it.skipIf(process.platform === 'win32')('are refused where both go into one FIFO', () => {
    execFileSync('mkfifo', [at('pipe')]);
    symlinkSync('pipe', at('link'));

    expect(() => writes(at('pipe'), at('link'))).toThrow('go to one file');
  });
});

describe('the name of an output', () => {
  it('is refused where it is a folder, or can only be one', () => {
    expect(() => writes(at('a'), at('real'))).toThrow(`${at('real')}: this is a folder; name a file`);
    expect(() => writes(at('a'), `${folder}/new/`)).toThrow('this is a folder; name a file');
    expect(() => writes(at('a'), `${folder}/new/..`)).toThrow('this is a folder; name a file');
  });

  it('is refused where it is empty, or a circle of links', () => {
    symlinkSync('circle', at('circle'));

    expect(() => writes(at('a'), '')).toThrow('--json: the name of a file is needed');
    expect(() => writes(at('a'), at('circle'))).toThrow('symbolic links lead round in a circle');
  });

  it('is refused where a part of it is a file', () => {
    expect(() => writes(at('a'), resolve(folder, 'real/in/new'))).toThrow('a part of the path is a file');
  });
});
