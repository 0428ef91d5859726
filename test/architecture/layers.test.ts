// SPDX-License-Identifier: Apache-2.0
// Reads the import lines of both trees: layers, the one door between the trees, and what drivers may see.
import { existsSync } from 'node:fs';
import { builtinModules } from 'node:module';

import { describe, expect, it } from 'vitest';

import { readRepoFile, repoFiles, repoPath } from '../support/repo.ts';
import { type ImportLine, circlesIn, importsBelow, importsOf, layerFault } from './layers.ts';

/** Fewer files than this mean that the test looks in the wrong place. */
const FEWEST_FILES = 20;

const coreImports = importsBelow('assembly');
const hostImports = importsBelow('src');

const isPackage = ({ to }: ImportLine): boolean => !/^(?:assembly|src|build|test)\//.test(to);
const isNodeModule = ({ to }: ImportLine): boolean => to.startsWith('node:') || builtinModules.includes(to);
const folderOf = (path: string): string => path.split('/').slice(0, 2).join('/');
const text = ({ from, to }: ImportLine): string => `${from} imports ${to}`;

describe('the layer rule', () => {
  it.each([
    ['assembly/pci/bar.ts', '../mem/arena.ts', undefined],
    ['assembly/pci/bar.ts', './msix.ts', undefined],
    ['assembly/pci/bar.ts', '../virtio/notify.ts', 'which lies above it'],
    ['assembly/net/rx.ts', '../admin/queue.ts', 'which lies above it'],
    ['assembly/admin/engine.ts', '../net/switch.ts', undefined],
    ['assembly/nic/dispatch.ts', '../usb/hub.ts', 'assembly/usb has no layer'],
    ['assembly/usb/hub.ts', '../mem/arena.ts', 'assembly/usb has no layer'],
    ['src/cli/main.ts', '../vfio/regions.ts', undefined],
    ['src/guest/ring.ts', '../cli/main.ts', 'which lies above it'],
    ['src/vfio/regions.ts', '../index.ts', 'which lies above it'],
    ['src/guest/ring.ts', '../variant/bar0.ts', 'a neighbour in the same layer'],
  ])('judges %s importing %s', (from, specifier, fault) => {
    const [line] = importsOf(from, `import { a } from '${specifier}';`);

    const found = layerFault(line!);

    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(fault);
  });

  it('sees every form of import', () => {
    const source = `
      import { a } from './a.ts';
      import {
        b,
      } from './b.ts';
      import type { C } from './c.ts';
      export { d } from './d.ts';
      import './e.ts';
      const f = await import('./f.ts');
      // import { g } from './g.ts';
    `;

    const files = importsOf('src/util/x.ts', source).map(({ to }) => to);

    expect(files.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `src/util/${name}.ts`));
  });
});

describe('assembly/', () => {
  it('has files and imports to judge', () => {
    expect(repoFiles('assembly', '.ts').length).toBeGreaterThan(FEWEST_FILES);
    expect(coreImports.length).toBeGreaterThan(FEWEST_FILES);
  });

  it('imports downward, or sideways within a folder', () => {
    expect(coreImports.map(layerFault).filter((fault) => fault !== undefined)).toEqual([]);
  });

  it('asks of the host, in pcie, what the root complex says', () => {
    const lines = coreImports.filter(
      ({ from, to }) => folderOf(from) === 'assembly/pcie' && folderOf(to) === 'assembly/host',
    );

    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter(({ to }) => to !== 'assembly/host/root_complex.ts').map(text)).toEqual([]);
  });

  it('imports nothing from outside', () => {
    expect(coreImports.filter(({ to }) => !to.startsWith('assembly/')).map(text)).toEqual([]);
  });
});

describe('src/', () => {
  it('has files and imports to judge', () => {
    expect(repoFiles('src', '.ts').length).toBeGreaterThan(FEWEST_FILES);
    expect(hostImports.length).toBeGreaterThan(FEWEST_FILES);
  });

  it('imports downward, or sideways within a folder', () => {
    expect(hostImports.map(layerFault).filter((fault) => fault !== undefined)).toEqual([]);
  });

  it('takes nothing from assembly/ but the register declarations', () => {
    const lines = hostImports.filter(({ to }) => to.startsWith('assembly/') && !to.startsWith('assembly/abi/'));

    expect(lines.map(text)).toEqual([]);
  });

  it('touches WebAssembly and the compiled core in src/core alone', () => {
    const users = repoFiles('src', '.ts').filter((file) => /\bWebAssembly\.\w/.test(readRepoFile(file)));
    const readers = hostImports.filter(({ to }) => to.startsWith('build/')).map(({ from }) => from);

    expect([...users, ...readers].filter((file) => !file.startsWith('src/core/'))).toEqual([]);
    expect(users).not.toEqual([]);
  });

  it('leaves the reference model to itself: what it knows comes from the specification alone', () => {
    const lines = hostImports.filter(
      ({ from, to }) => folderOf(from) === 'src/reference' && folderOf(to) !== folderOf(from),
    );

    expect(lines.map(text)).toEqual([]);
  });

  it('keeps drivers to what a driver sees', () => {
    const modelFolders = new Set(['src/core', 'src/device']);
    const peeks = hostImports.filter(
      ({ from, to }) => ['src/guest', 'src/variant'].includes(folderOf(from)) && modelFolders.has(folderOf(to)),
    );

    expect(peeks.map(text)).toEqual([]);
  });

  it('runs in a browser up to the drivers: modules of Node only where files, sockets and terminals are', () => {
    const nodeFolders = new Set([
      'core',
      'native',
      'files',
      'trace',
      'vfio_user',
      'uml',
      'wire',
      'provisioning',
      'fuzz',
      'villain',
      'measure',
      'linux',
      'cli',
    ]);
    const lines = hostImports.filter((line) => isNodeModule(line) && !nodeFolders.has(line.from.split('/')[1] ?? ''));

    expect(lines.map(text)).toEqual([]);
  });

  it('builds the verbs of src/cli on a kit that knows none of them', () => {
    const lines = hostImports.filter(({ from, to }) => from.startsWith('src/cli/kit/') && to.startsWith('src/cli/'));

    expect(lines.filter(({ to }) => !to.startsWith('src/cli/kit/')).map(text)).toEqual([]);
  });

  // koffi makes system calls that Node lacks; it is optional, and src/native says so where it is missing.
  it('needs packages in src/cli alone, and koffi in src/native, so the library depends on none', () => {
    const lines = hostImports.filter((line) => isPackage(line) && !isNodeModule(line));
    const others = lines.filter(({ from }) => !from.startsWith('src/cli/'));

    expect([...new Set(others.map(text))]).toEqual(['src/native/libc.ts imports koffi']);
  });
});

describe('circles of imports', () => {
  const a = importsOf('src/util/a.ts', "import { b } from './b.ts'; import { d } from './d.ts';");
  const b = importsOf('src/util/b.ts', "export { c } from './c.ts';");

  it.each([
    ['no circle in two ways to one file', "import { d } from './d.ts';", []],
    [
      'a circle of values',
      "import { a } from './a.ts';",
      ['src/util/a.ts -> src/util/b.ts -> src/util/c.ts -> src/util/a.ts'],
    ],
    ['a circle of types', "import type { B } from './b.ts';", ['src/util/b.ts -> src/util/c.ts -> src/util/b.ts']],
    ['a file that imports itself', "import { c } from './c.ts';", ['src/util/c.ts -> src/util/c.ts']],
  ])('see %s', (_what, imports, circles) => {
    expect(circlesIn([...a, ...b, ...importsOf('src/util/c.ts', imports)])).toEqual(circles);
  });
});

describe('both trees', () => {
  it('close no circle of imports, types included, between folders or inside one', () => {
    const others = ['bench', 'examples', 'layout', 'test'].flatMap(importsBelow);

    expect(circlesIn([...coreImports, ...hostImports, ...others])).toEqual([]);
  });

  it('import files that exist', () => {
    const lines = [...coreImports, ...hostImports].filter((line) => !isPackage(line));

    expect(lines.filter(({ to }) => !existsSync(repoPath(to))).map(text)).toEqual([]);
  });
});
