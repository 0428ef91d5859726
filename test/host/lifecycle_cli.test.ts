// SPDX-License-Identifier: Apache-2.0
// `virtfn lifecycle` as a process: the story in text and JSON, its exit codes, and the table.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';

interface Step {
  readonly kind: string;
  readonly step: string;
  readonly holder: string;
  readonly result: string;
  readonly isOk: boolean;
  readonly simulatedNs: number;
}

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

const lifecycle = (...args: string[]): ReturnType<CliProgram['run']> => program.run('lifecycle', ...args);

function stepsOf(...args: string[]): Step[] {
  const { code, stdout } = lifecycle('demo', ...args, '--json');
  expect(code).toBe(0);
  const { schema, steps } = JSON.parse(stdout) as { schema: string; steps: Step[] };
  expect(schema).toBe('virtfn.lifecycle.demo/1');
  return steps;
}

describe('virtfn lifecycle demo', () => {
  it('tells the story three times and exits with 0', () => {
    const { code, stdout, stderr } = lifecycle('demo');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const title of ['SR-IOV: a VF behind', 'mdev: a mediated device', 'on demand: a function']) {
      expect(stdout).toContain(title);
    }
    expect(stdout.match(/32 frames out, 32 in, every byte as sent/g)).toHaveLength(6);
    expect(stdout.match(/the caller slept until the file was closed/g)).toHaveLength(3);
    expect(stdout).not.toContain('FAILED');
  });

  it('is JSON: every step with who holds the state, and its simulated time', () => {
    const steps = stepsOf();

    expect([...new Set(steps.map(({ kind }) => kind))]).toEqual(['sriov', 'mdev', 'siov']);
    expect(steps.filter(({ isOk }) => !isOk)).toEqual([]);
    // what Linux waits after VF Enable was set, and after it was cleared
    const sriov = steps.filter(({ kind }) => kind === 'sriov');
    expect(sriov.find(({ step }) => step.includes('sriov_numvfs 2'))!.simulatedNs).toBeGreaterThanOrEqual(100e6);
    expect(sriov.at(-1)!.simulatedNs).toBeGreaterThanOrEqual(1e9);
    // nothing waits for other functions where one is made at a time
    const others = steps.filter(({ kind }) => kind !== 'sriov');
    expect(Math.max(...others.map(({ simulatedNs }) => simulatedNs))).toBeLessThan(1e6);
  });

  it('is the same on every run, and tells one kind alone', () => {
    const all = stepsOf();

    expect(stepsOf('--kind', 'siov')).toEqual(all.filter(({ kind }) => kind === 'siov'));
  });

  it('costs what the profile says', () => {
    const [fast, slow] = [
      stepsOf('--kind', 'sriov'),
      stepsOf('--kind', 'sriov', '--set', 'admin.legacy_read_ns=50000'),
    ];
    const up = (steps: Step[]): number => steps.find(({ step }) => step === 'legacy driver comes up')!.simulatedNs;

    expect(up(slow)).toBeGreaterThan(up(fast) + 500_000);
  });

  it('refuses kinds that there are not', () => {
    const { code, stderr } = lifecycle('demo', '--kind', 'usb');

    expect(code).toBe(2);
    expect(stderr).toContain('see virtfn lifecycle demo --help');
  });
});

describe('virtfn lifecycle table', () => {
  it('prints a row for each rule, with the errno', () => {
    const { code, stdout } = lifecycle('table');

    expect(code).toBe(0);
    expect(stdout).toMatch(/enabled, dead-enabled +│ numvfs n +│ EBUSY/);
    expect(stdout).toMatch(/│ absent +│ create no-instance +│ EUSERS/);
  });

  it('draws the moves, and is JSON', () => {
    expect(lifecycle('table', '--mermaid').stdout.match(/stateDiagram-v2/g)).toHaveLength(4);
    const { schema, machines } = JSON.parse(lifecycle('table', '--json').stdout) as {
      schema: string;
      machines: { name: string; rules: object[] }[];
    };

    expect(schema).toBe('virtfn.lifecycle.table/1');
    expect(machines.map(({ name }) => name)).toEqual(['pf', 'vf', 'mdev', 'function']);
  });
});
