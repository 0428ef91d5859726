// SPDX-License-Identifier: Apache-2.0
// The layers of both trees and what an import may do: go down, or sideways within one folder. A lower layer signals
// upward by scheduling an event or by setting a pending bit, never by a call.
import { posix } from 'node:path';

import ts from 'typescript';

import { readRepoFile, repoFiles } from '../support/repo.ts';

/** Folders by layer, lowest first; folders of one layer do not know each other. */
const LAYERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  assembly: [
    ['abi'],
    ['fuzz'],
    ['mem'],
    ['sim'],
    ['host'],
    ['pcie'],
    ['pci'],
    ['virtio'],
    ['net'],
    ['admin'],
    ['nic'],
    ['index.ts'],
  ],
  src: [
    ['util', 'reference', 'layout'],
    ['core', 'registers', 'native', 'files'],
    ['device'],
    ['iommufd', 'vfio', 'trace', 'peer'],
    ['variant', 'guest', 'vfio_user', 'uml', 'wire'],
    ['machine'],
    ['provisioning', 'fuzz', 'villain', 'measure', 'linux'],
    ['cli'],
    ['index.ts'],
  ],
};

/** One import: the importing file and the file or package it names, paths relative to the top of the repository. */
export interface ImportLine {
  readonly from: string;
  readonly to: string;
}

/** Imports of a source text as its language service sees them: static, dynamic, `import type` and `export ... from`. */
export function importsOf(file: string, text: string): ImportLine[] {
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return importedFiles.map(({ fileName }) => {
    if (!fileName.startsWith('.')) return { from: file, to: fileName };
    const path = posix.join(posix.dirname(file), fileName);
    // asc 0.28 keeps `.ts` in `export ... from`, so files of the core write that form without it.
    return { from: file, to: path.startsWith('assembly/') && !path.endsWith('.ts') ? `${path}.ts` : path };
  });
}

/** Imports of every source file below a folder. */
export function importsBelow(folder: string): ImportLine[] {
  return repoFiles(folder, '.ts').flatMap((file) => importsOf(file, readRepoFile(file)));
}

/** What is wrong with an import within one tree, or undefined. */
export function layerFault({ from, to }: ImportLine): string | undefined {
  const [tree = '', folder = ''] = from.split('/');
  const [toTree, toFolder = ''] = to.split('/');
  if (toTree !== tree || folder === toFolder) return undefined;

  const layers = LAYERS[tree] ?? [];
  const layer = layers.findIndex((folders) => folders.includes(folder));
  const toLayer = layers.findIndex((folders) => folders.includes(toFolder));
  if (layer < 0) return `${from}: ${tree}/${folder} has no layer; give it one in test/architecture/layers.ts`;
  if (toLayer < 0) return `${from}: imports ${to}, and ${tree}/${toFolder} has no layer`;
  if (toLayer > layer) return `${from}: imports ${to}, which lies above it`;
  if (toLayer === layer) return `${from}: imports ${to}, a neighbour in the same layer`;
  return undefined;
}

/** Circles that imports close, types included: a file depends on itself, and none of a circle can be read first. */
export function circlesIn(lines: readonly ImportLine[]): string[] {
  const imports = new Map<string, string[]>();
  for (const { from, to } of lines) imports.set(from, [...(imports.get(from) ?? []), to]);
  const circles: string[] = [];
  const visited = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const met = way.indexOf(file);
    if (met >= 0) circles.push([...way.slice(met), file].join(' -> '));
    if (visited.has(file)) return;
    visited.add(file);
    for (const next of imports.get(file) ?? []) visit(next, [...way, file]);
  };
  for (const file of imports.keys()) visit(file, []);
  return circles;
}
