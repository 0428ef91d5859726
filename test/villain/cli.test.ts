// SPDX-License-Identifier: Apache-2.0
// `virtfn villain` as a process: its report, its JSON, its list, and how it refuses.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CORPUS } from '../../src/villain/cases/corpus.ts';
import type { CaseResult } from '../../src/villain/case.ts';
import { CliProgram } from '../support/cli_program.ts';

interface Report {
  readonly schema: string;
  readonly mode: string;
  readonly paths: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly results: readonly CaseResult[];
}

let program: CliProgram;
let withKoffi: CliProgram;
beforeAll(() => {
  program = new CliProgram();
  withKoffi = new CliProgram(['koffi']);
});
afterAll(() => {
  program.remove();
  withKoffi.remove();
});

const villain = (...args: string[]): ReturnType<CliProgram['run']> => program.run('villain', ...args);

describe('virtfn villain', () => {
  it('has a line for each case and path, the reasons of what was skipped, and a sum', () => {
    const { code, stdout, stderr } = withKoffi.run('villain', '--filter', 'D05,D09-nested,D09-page');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      [
        'case        direct  vfio-user',
        'D05         SKIP    SKIP       sets NEXT on the last descriptor of a packed ring',
        'D09-nested  REJECT  REJECT     puts an indirect table into an indirect table',
        'D09-page    PASS    PASS       puts an indirect table across two pages',
        '',
        'SKIP    VIRTIO_F_RING_PACKED is not offered',
        '        D05',
        '',
        '6 verdicts: 2 PASS, 2 REJECT, 0 WEDGED, 0 FAIL, 2 SKIP',
        '',
      ].join('\n'),
    );
  });

  it('skips the path over a socket where koffi is not installed, and says so', () => {
    const { code, stdout } = villain('--filter', 'D09-nested');

    expect(code).toBe(0);
    expect(stdout).toContain('D09-nested  REJECT  SKIP ');
    expect(stdout).toContain('SKIP    the optional package koffi is not installed');
  });

  it('runs one path alone, in either mode, and gives JSON', () => {
    const { code, stdout } = villain('--filter', 'D14-data,Q01', '--path', 'direct', '--mode', 'functional', '--json');
    const report = JSON.parse(stdout) as Report;

    expect(code).toBe(0);
    expect(report).toMatchObject({ schema: 'virtfn.villain/1', mode: 'functional', paths: ['direct'] });
    expect(report.counts).toEqual({ PASS: 0, REJECT: 4, WEDGED: 0, FAIL: 0, SKIP: 1 });
    expect(report.results[0]).toEqual({
      id: 'Q01-zero',
      path: 'direct',
      act: 'asks for a queue of 0 descriptors, where 16 are the most',
      clause: expect.stringContaining('AMB-39') as string,
      verdict: 'REJECT',
      outcome: 'ignored',
      detail: '',
    });
  });

  it('lists all cases without running one', () => {
    const { code, stdout } = villain('--list');

    expect(code).toBe(0);
    for (const { id, act } of CORPUS)
      expect(stdout).toMatch(new RegExp(`^${id} +${act.replaceAll(/[.*+?^$()]/g, '\\$&')}$`, 'm'));
    expect(stdout).toContain(`${CORPUS.length} cases\n`);
  });

  it('lists cases as JSON', () => {
    const { stdout } = villain('--list', '--filter', 'R08-config', '--json');

    expect(JSON.parse(stdout)).toEqual({
      schema: 'virtfn.villain/1',
      cases: [
        {
          id: 'R08-config',
          act: 'reads and writes configuration space of a VF before it is enabled',
          clause: 'PCIe 6.0 §2.3.1: Unsupported Request',
          allowed: ['error'],
          setup: 'admin',
          isTimed: false,
          directOnly: 'a function that is not there has no server',
        },
      ],
    });
  });

  it.each<[what: string, args: string[], message: RegExp]>([
    [
      'a pattern that finds nothing',
      ['--filter', 'X1'],
      /^virtfn: --filter X1: no case has such an id; the groups are R /,
    ],
    [
      'one of several patterns that finds nothing',
      ['--path', 'direct', '--filter', 'D01,nosuch,X1'],
      /^virtfn: --filter nosuch,X1: no case has such an id; the groups are R /,
    ],
    ['a path that is none', ['--path', 'vdpa'], /'vdpa' is invalid.*direct, vfio-user, all/],
    ['a mode that is none', ['--mode', 'fast'], /'fast' is invalid.*timed, functional/],
    ['an argument', ['D09'], /too many arguments for 'villain'/],
  ])('refuses %s with one line and exit code 2', (_what, args, message) => {
    const { code, stdout, stderr } = villain(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});
