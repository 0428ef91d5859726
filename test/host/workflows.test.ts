// SPDX-License-Identifier: Apache-2.0
// The workflows of the project's page: what they run exists, what they use is pinned, and only the jobs that publish may
// write. The check of a tag before its release, in folders of its own.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { format } from 'prettier';
import { describe, expect, it } from 'vitest';

import { readRepoFile, repoFiles, repoPath } from '../support/repo.ts';

const WORKFLOWS = repoFiles('.github/workflows', '.yml', '.yaml');

/** What the shell is given, in any of its forms on one line. */
function commandsOf(file: string): string[] {
  return [...readRepoFile(file).matchAll(/^ +(?:- )?run: (.+)$/gm)].map(([, command]) => command!);
}

/** Text of each job by its name. */
function jobsOf(file: string): Map<string, string> {
  const [, jobs = ''] = readRepoFile(file).split(/^jobs:\n/m);
  const [, ...parts] = jobs.split(/^ {2}(\w+):\n/m);
  return new Map(parts.flatMap((name, i) => (i % 2 === 0 ? [[name, parts[i + 1]!] as const] : [])));
}

describe('the workflows', () => {
  it('are those of changes and of releases', () => {
    expect(WORKFLOWS).toEqual(['.github/workflows/ci.yml', '.github/workflows/release.yml']);
  });

  it.each(WORKFLOWS)('%s is YAML', async (file) => {
    await expect(format(readRepoFile(file), { parser: 'yaml' })).resolves.toContain('jobs:');
  });

  it.each(WORKFLOWS)('%s runs what there is', (file) => {
    const groups = new Set([...readRepoFile('.ci/run').matchAll(/^step (\w+) /gm)].map(([, group]) => group));
    const { scripts } = JSON.parse(readRepoFile('package.json')) as { scripts: Readonly<Record<string, string>> };
    const commands = commandsOf(file);
    const text = commands.join('\n');

    expect(commands.length).toBeGreaterThan(1);
    const asked = [...text.matchAll(/bash \.ci\/run (\w+)/g)].map(([, group]) => group!);
    const inMatrix = [...readRepoFile(file).matchAll(/group: \[(.+)\]/g)].flatMap(([, names]) => names!.split(', '));
    expect([...asked, ...inMatrix].filter((group) => !groups.has(group))).toEqual([]);
    expect(asked).toContain('check');
    const files = [...text.matchAll(/(?:node|bash) (\S+)/g)].map(([, path]) => path!);
    expect(files.filter((path) => !existsSync(repoPath(path)))).toEqual([]);
    const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script!);
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([]);
  });

  it.each(WORKFLOWS)('%s names a version of every action, and keeps no credentials in the checkout', (file) => {
    const text = readRepoFile(file);
    const actions = [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action!);

    expect(actions.length).toBeGreaterThan(1);
    expect(actions.filter((action) => !/^[\w-]+\/[\w-]+@(?:v\d+|[0-9a-f]{40})$/.test(action))).toEqual([]);
    expect(text.match(/persist-credentials: false/g)?.length).toBe(text.match(/actions\/checkout@/g)?.length);
  });

  it('check a change on the oldest Node that works and on the two after it', () => {
    const { engines } = JSON.parse(readRepoFile('package.json')) as { engines: { node: string } };

    expect(engines.node).toMatch(/^>=20\./);
    expect(jobsOf('.github/workflows/ci.yml').get('check')).toContain('node: [20, 22, 24]');
  });

  it('give no job the right to write but those of a release, each what it needs', () => {
    const writing = WORKFLOWS.flatMap((file) =>
      [...jobsOf(file)].flatMap(([job, text]) =>
        [...text.matchAll(/^ +([\w-]+): write$/gm)].map(([, permission]) => `${job} ${permission}`),
      ),
    );

    expect(writing).toEqual(['publish id-token', 'release contents']);
    for (const file of WORKFLOWS) expect(readRepoFile(file)).toMatch(/^permissions:\n {2}contents: read\n\n/m);
  });

  it('publish behind the checks alone, and announce what was published', () => {
    const jobs = jobsOf('.github/workflows/release.yml');

    expect([...jobs.keys()]).toEqual(['check', 'publish', 'release']);
    expect(jobs.get('publish')).toMatch(/^ {4}needs: check$/m);
    expect(jobs.get('publish')).toContain('npm publish --provenance --access public');
    expect(jobs.get('release')).toMatch(/^ {4}needs: publish$/m);
  });
});

describe('a tag', () => {
  function check(tag: string, changelog: string) {
    const folder = mkdtempSync(join(tmpdir(), 'virtfn-release-'));
    try {
      writeFileSync(join(folder, 'package.json'), '{"version": "1.2.3"}');
      writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
      const { status, stdout, stderr } = spawnSync(process.execPath, [repoPath('.ci/release_notes.mjs'), tag], {
        cwd: folder,
        encoding: 'utf8',
      });
      return { status, stdout, stderr };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  const BEFORE = '# Changelog\n\n## Unreleased\n\n- later\n\n';

  it.each([['## 1.2.3'], ['## 1.2.3 (2026-11-30)']])('is released with what stands below %j', (heading) => {
    const changelog = `${BEFORE}${heading}\n\n### Fixed\n\n- this\n- that\n\n## 1.2.2\n\n- earlier\n`;

    expect(check('v1.2.3', changelog)).toEqual({ status: 0, stdout: '### Fixed\n\n- this\n- that\n', stderr: '' });
  });

  it.each([
    [
      'of another version',
      'v1.2.4',
      '## 1.2.3\n\n- this\n',
      "tag 'v1.2.4': package.json has version 1.2.3, whose tag is v1.2.3",
    ],
    [
      'without the v',
      '1.2.3',
      '## 1.2.3\n\n- this\n',
      "tag '1.2.3': package.json has version 1.2.3, whose tag is v1.2.3",
    ],
    ['without a section', 'v1.2.3', '## 1.2.30\n\n- that\n', "CHANGELOG.md has 0 sections '## 1.2.3', one is needed"],
    [
      'with two',
      'v1.2.3',
      '## 1.2.3\n\n- a\n\n## 1.2.3\n\n- b\n',
      "CHANGELOG.md has 2 sections '## 1.2.3', one is needed",
    ],
    ['with an empty section', 'v1.2.3', '## 1.2.3\n\n## 1.2.2\n\n- b\n', 'CHANGELOG.md says nothing about 1.2.3'],
  ])('%s is refused', (_, tag, sections, why) => {
    expect(check(tag, BEFORE + sections)).toEqual({ status: 1, stdout: '', stderr: `release: ${why}\n` });
  });
});
