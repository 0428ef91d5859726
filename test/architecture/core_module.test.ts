// SPDX-License-Identifier: Apache-2.0
// The compiled core: all state lies in the one memory that the host hands in. A mutable global or a growing memory would
// escape a snapshot, and so would an import, but for two: host memory that is not the core's to keep.
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { readRepoFile, repoPath } from '../support/repo.ts';

describe('build/nic.wat', () => {
  const wat = readRepoFile('build/nic.wat');

  it('has functions', () => {
    expect(wat.match(/^ \(func /gm)?.length).toBeGreaterThan(20);
  });

  it('has no mutable global', () => {
    expect(wat.match(/^ \(global .*\(mut .*$/gm) ?? []).toEqual([]);
  });

  it('has no start function, which would run before the host has laid out the memory', () => {
    expect(wat).not.toMatch(/^ \(start /m);
  });

  it('never grows its memory', () => {
    expect(wat).not.toContain('memory.grow');
  });
});

describe.each(['nic.wasm', 'nic.debug.wasm'])('build/%s', (name) => {
  const core = new WebAssembly.Module(readFileSync(repoPath(`build/${name}`)));

  // A virtual machine's memory stays where it is, outside the state of the card; host/foreign.ts alone asks for it.
  it('imports its memory, the access to foreign memory, and nothing else', () => {
    const imports = WebAssembly.Module.imports(core).map((one) => `${one.kind} ${one.module}.${one.name}`);

    expect(imports.toSorted()).toEqual([
      'function foreign.foreignRead',
      'function foreign.foreignWrite',
      'memory env.memory',
    ]);
  });

  it('exports functions only', () => {
    const kinds = WebAssembly.Module.exports(core).map(({ kind }) => kind);

    expect(kinds.length).toBeGreaterThan(0);
    expect(new Set(kinds)).toEqual(new Set(['function']));
  });
});
