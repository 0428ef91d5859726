// SPDX-License-Identifier: Apache-2.0
// docs/lifecycles.md says what the demo prints today, and draws the table by which the code steps. UPDATE_DOCS=1 writes both
// anew.
import { writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { duration } from '../../src/cli/kit/output.ts';
import { lifecycleDiagram, lifecycleRows, MACHINES } from '../../src/provisioning/lifecycle_diagram.ts';
import { STORY_KINDS, tellStory } from '../../src/provisioning/story.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

const FILE = 'docs/lifecycles.md';
const TITLES = { sriov: 'SR-IOV VF', mdev: 'Mediated device', siov: 'On-demand function' };

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [
    `| ${head.join(' | ')} |`,
    `|${'---|'.repeat(head.length)}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

function demo(): string {
  return STORY_KINDS.map((kind) => {
    const rows = tellStory(kind).map(({ step, holder, result, simulatedNs }) => [
      step,
      holder,
      result,
      duration(simulatedNs),
    ]);
    return `### ${TITLES[kind]}\n\n${table(['step', 'state is with', 'result', 'simulated time'], rows)}`;
  }).join('\n\n');
}

function machines(): string {
  return MACHINES.map(({ name, title }) => `### ${title}\n\n\`\`\`mermaid\n${lifecycleDiagram(name)}\n\`\`\``).join(
    '\n\n',
  );
}

function expected(text: string): string {
  const parts = { demo: demo(), machines: machines() };
  return Object.entries(parts).reduce(
    (whole, [name, part]) =>
      whole.replace(
        new RegExp(`(<!-- ${name} -->\n)[^]*?(?=<!-- /${name} -->)`),
        (_, begin: string) => `${begin}\n${part}\n\n`,
      ),
    text,
  );
}

if (process.env['UPDATE_DOCS'] === '1') writeFileSync(repoPath(FILE), expected(readRepoFile(FILE)));

describe(FILE, () => {
  it('is up to date; UPDATE_DOCS=1 npx vitest run test/provisioning/lifecycle_docs.test.ts writes it', () => {
    const text = readRepoFile(FILE);

    expect(text).toContain('| simulated time |');
    expect(text).toBe(expected(text));
  });

  it('names errnos in its text that the table or the demo has', () => {
    const known = new Set([
      ...MACHINES.flatMap(({ name }) => lifecycleRows(name).map(({ result }) => result.split(',')[0])),
      ...STORY_KINDS.flatMap((kind) => tellStory(kind).flatMap(({ result }) => result.match(/\bE[A-Z]{3,}\b/g) ?? [])),
    ]);
    const named = new Set(readRepoFile(FILE).match(/\bE[A-Z]{4,}\b/g));

    expect([...named].filter((errno) => !known.has(errno))).toEqual([]);
  });
});
