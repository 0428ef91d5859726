// SPDX-License-Identifier: Apache-2.0
// `virtfn trace`: its options.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

describe('options', () => {
  it.each([
    ['an unknown scenario', ['nothing'], /virtfn: .*'nothing' is invalid.*admin, legacy, modern, traffic.*--help/],
    ['no scenario', [], /virtfn: missing required argument 'scenario'/],
    ['one file for two formats', ['admin', '--vcd', 'a', '--tlp', './a'], /virtfn: \.\/a: two formats .* another one/],
    ['traffic without a second VF', ['traffic', '--vfs', '1'], /virtfn: --vfs 1: traffic goes from VF 1 to VF 2/],
    ['a parameter without a value', ['admin', '--set', 'clock.period_ps'], /virtfn: .*--set/],
  ])('refuses %s with exit code 2', (_, args, message) => {
    const { code, stdout, stderr } = program.run('trace', ...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('are explained with examples', () => {
    const { code, stdout } = program.run('trace', '--help');

    expect(code).toBe(0);
    for (const word of ['--vcd', '--perfetto', '--pcapng', '--tlp', '--vfs', '--set', '--json', 'Examples:']) {
      expect(stdout).toContain(word);
    }
  });
});
