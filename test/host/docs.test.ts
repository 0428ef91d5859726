// SPDX-License-Identifier: Apache-2.0
// What the documents say can be followed: links lead somewhere, programs in the text run and print what stands behind
// them, numbers that can be asked for are those that come.
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { makeProgram } from '../../src/cli/program.ts';
import { createNic, Machine } from '../../src/index.ts';
import { readRepoFile, repoFiles, repoPath } from '../support/repo.ts';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  ...['docs', 'examples', 'test'].flatMap((folder) => repoFiles(folder, '.md')),
];

/** The text without code blocks, whose brackets are no links. */
function prose(file: string): string {
  return readRepoFile(file).replaceAll(/^```.*?^```$/gms, '');
}

/** The anchors that a document's headings get. */
function anchors(file: string): string[] {
  return [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(DOCUMENTS)('%s', (file) => {
  const targets = [...prose(file).matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(([, link, image]) => link ?? image!);
  const local = targets.filter((target) => !/^[a-z]+:/.test(target));

  it('links to files and headings that exist', () => {
    const broken = local.filter((target) => {
      const [path = '', anchor] = target.split('#');
      const found = path === '' ? file : posix.join(posix.dirname(file), path);
      if (!existsSync(repoPath(found))) return true;
      return anchor !== undefined && !anchors(found).includes(anchor);
    });

    expect(broken).toEqual([]);
  });

  it('ends in one line feed and has no trailing blanks', () => {
    const text = readRepoFile(file);

    expect(text).toMatch(/\S\n$/);
    expect(text.split('\n').filter((line) => /\s$/.test(line))).toEqual([]);
  });
});

describe('programs in the text', () => {
  const programs = ['README.md', 'docs/embedding.md', 'docs/trace.md'].flatMap((file) =>
    [...readRepoFile(file).matchAll(/^```ts\n(.*?)^```\n\n```text\n(.*?)^```$/gms)].map(
      ([, code, output], i) => [`${file}, program ${i + 1}`, code!, output!] as const,
    ),
  );

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('are found', () => {
    expect(programs.length).toBeGreaterThanOrEqual(4);
  });

  it.each(programs)('%s prints what stands behind it', async (name, code, output) => {
    const outfile = repoPath(`build/docs/${name.replaceAll(/\W+/g, '_')}.mjs`);
    await build({
      stdin: { contents: code, resolveDir: repoPath('.'), loader: 'ts' },
      alias: { virtfn: repoPath('src/index.ts'), 'virtfn/trace': repoPath('src/trace/index.ts') },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'silent',
    });
    const lines: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => {
      lines.push(words.map(String).join(' '));
    });

    await import(`${pathToFileURL(outfile).href}?${Date.now()}`);

    expect(`${lines.join('\n')}\n`).toBe(output);
  });
});

describe('docs/recipes.md', () => {
  it('names files and folders that exist', () => {
    const paths = [...readRepoFile('docs/recipes.md').matchAll(/`((?:assembly|src|test)\/[\w./]+)`/g)].map(
      ([, path]) => path!,
    );

    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(repoPath(path)))).toEqual([]);
  });
});

describe('README.md', () => {
  it('names every entry point of the package', () => {
    const { exports } = JSON.parse(readRepoFile('package.json')) as { exports: Readonly<Record<string, unknown>> };
    const names = Object.entries(exports).flatMap(([path, to]) =>
      typeof to === 'string' ? [] : [path.replace('.', 'virtfn')],
    );

    expect(names).toContain('virtfn/trace');
    for (const name of names) expect(readRepoFile('README.md')).toContain(`\`${name}\``);
  });

  it('has a line for every verb of the program', () => {
    const text = readRepoFile('README.md');

    const verbs = makeProgram().commands.map((verb) => verb.name());
    expect(verbs.filter((verb) => !new RegExp(`^\\| \`${verb}[ \`]`, 'm').test(text))).toEqual([]);
  });

  it('says what a VF costs', () => {
    const bytes = createNic({ totalVfs: 1 }).bytesPerVf();

    expect(readRepoFile('README.md')).toContain(`${bytes.toLocaleString('en-US')} bytes`);
  });

  it('has the two times that the main job reports first', () => {
    const machine = new Machine({ totalVfs: 2 });
    const { nic } = machine;
    const legacy = machine.openTransitionalVf(1);
    const direct = machine.openVf(2);
    legacy.write(7, 0x04, 2, 1);
    const time = (access: () => void): string => {
      machine.settle();
      const begin = nic.now();
      access();
      return (nic.toPs(nic.now() - begin) / 1000).toLocaleString('en-US');
    };

    const [byCommand, byMemory] = [time(() => legacy.read(0, 18, 1)), time(() => direct.read(2, 0x14, 1))];

    expect(readRepoFile('README.md')).toContain(`${byCommand} ns against ${byMemory} ns`);
  });
});
