// SPDX-License-Identifier: Apache-2.0
// `virtfn villain` where a case fails: a corpus of cases that are wrong on purpose, and the program in this process.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { standardOutput } from '../../src/cli/kit/output.ts';
import { runProgram } from '../../src/cli/program.ts';
import type { Case } from '../../src/villain/case.ts';

vi.mock('../../src/villain/cases/corpus.ts', () => {
  const one: Case = {
    id: 'X01',
    act: 'is served, as it may be',
    clause: 'none',
    allowed: ['served'],
    setup: 'net',
    run: () => 'served',
  };
  const refused: Case = { ...one, act: 'is to be refused, and is served', allowed: ['ignored'] };
  const wedged: Case = {
    ...one,
    act: 'stops the function and keeps its memory',
    allowed: ['needs-reset'],
    run: ({ bad }) => {
      bad.endpoint.setMapped(false);
      bad.kick(1);
      return 'needs-reset';
    },
  };
  const cases = [one, refused, wedged, refused, refused].map((each, i) => ({ ...each, id: `X0${i + 1}` }));
  return { CORPUS: cases, GROUPS: [], casesMatching: () => cases };
});

afterEach(() => vi.restoreAllMocks());

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' };
  vi.spyOn(standardOutput, 'write').mockImplementation((text) => {
    texts.stdout += text;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    texts.stderr += String(text);
    return true;
  });
  return { code: await runProgram(['villain', '--path', 'direct', '--mode', 'functional', ...args]), ...texts };
}

describe('virtfn villain with cases that fail', () => {
  it('says why below the table, names the first ones in its last line, and exits with 1', async () => {
    const { code, stdout, stderr } = await run();

    expect(code).toBe(1);
    expect(stdout).toContain('X01   PASS');
    expect(stdout).toContain('X02   FAIL');
    expect(stdout).toContain('X03   WEDGED');
    expect(stdout).toContain('FAIL    direct: served, and only ignored is allowed\n        X02 X04 X05\n');
    expect(stdout).toContain('5 verdicts: 1 PASS, 0 REJECT, 1 WEDGED, 3 FAIL, 0 SKIP');
    expect(stderr).toBe(
      'virtfn: 4 verdicts FAIL or WEDGED: X02 direct, X03 direct, X04 direct, X05 direct; the report has the reasons\n',
    );
  });

  it('gives the same as JSON', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'villain-'));
    const file = join(folder, 'report.json');
    try {
      const { code } = await run(`--json=${file}`);

      expect(code).toBe(1);
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
        schema: 'virtfn.villain/1',
        counts: { PASS: 1, REJECT: 0, WEDGED: 1, FAIL: 3, SKIP: 0 },
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
