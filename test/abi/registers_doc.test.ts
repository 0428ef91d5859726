// SPDX-License-Identifier: Apache-2.0
// docs/registers.md is what the declarations say. UPDATE_DOCS=1 writes it anew.
import { writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { REGISTER_BLOCKS } from '../../src/registers/blocks.ts';
import { registersMarkdown } from '../../src/registers/generate_docs.ts';
import { REGISTER_NOTES } from '../../src/registers/notes.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

const FILE = 'docs/registers.md';

if (process.env['UPDATE_DOCS'] === '1') writeFileSync(repoPath(FILE), registersMarkdown());

describe('docs/registers.md', () => {
  it('is up to date; UPDATE_DOCS=1 npx vitest run test/abi writes it', () => {
    expect(readRepoFile(FILE)).toBe(registersMarkdown());
  });

  it('has a heading for each block and one table line for each register', () => {
    const text = readRepoFile(FILE);

    expect(text.match(/^## .*$/gm)).toEqual(REGISTER_BLOCKS.map(({ name }) => `## ${name}`));
    expect(text.match(/^\| 0x/gm)).toHaveLength(REGISTER_BLOCKS.flatMap(({ registers }) => registers).length);
  });

  it('has what hardware does beside every register of configuration space, and of no other', () => {
    const blocks = REGISTER_BLOCKS.filter(({ name }) => /^pci_|^virtio_pci_.*cap/.test(name));

    expect(Object.keys(REGISTER_NOTES)).toEqual(blocks.map(({ name }) => name));
    for (const { name, registers } of blocks) {
      expect(Object.keys(REGISTER_NOTES[name]!).sort()).toEqual(registers.map((register) => register.name).sort());
    }
  });

  it('says where num_queues lies', () => {
    expect(readRepoFile(FILE)).toContain('| 0x12 | 2 | num_queues | RO | 0x0000 | 0x0000 |');
  });
});
