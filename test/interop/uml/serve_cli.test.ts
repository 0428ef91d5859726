// SPDX-License-Identifier: Apache-2.0
// `virtfn serve --uml` as a process: what it prints, what it says of a kernel that it drops, and what it refuses.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { CliProgram } from '../../support/cli_program.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { ServeProcess } from '../../support/serve_process.ts';
import { REQUEST, state, UmlKernel } from './support/uml_kernel.ts';

let libc: Libc;
let program: CliProgram;
let servers: ServeProcess[] = [];
beforeAll(async () => {
  libc = await loadLibc();
  program = new CliProgram(['koffi']);
});
afterEach(async () => {
  for (const server of servers) await server.end('SIGKILL');
  servers = [];
  for (const file of readdirSync(program.folder)) rmSync(join(program.folder, file));
});
afterAll(() => program.remove());

async function serve(...args: readonly string[]): Promise<ServeProcess> {
  const server = new ServeProcess(program.start('serve', '--uml', ...args));
  servers.push(server);
  await server.untilReady();
  return server;
}

const kernel = (name: string): UmlKernel =>
  new UmlKernel(libc, program.folder, name, () => {}, { waitMs: PATIENCE_MS });
const argument = (name: string): string => `virtio_uml.device=${join(program.folder, `${name}.sock`)}:1234`;

describe('a server', () => {
  it("names its sockets and the kernel's arguments, the PF first", async () => {
    const { stdout } = await serve('--vfs', '2');

    expect(stdout).toBe(
      `pf  uml  pf.sock\nvf1  uml  vf1.sock\nvf2  uml  vf2.sock\nlinux ${['pf', 'vf1', 'vf2'].map(argument).join(' ')}\nready\n`,
    );
    expect(readdirSync(program.folder).toSorted()).toEqual(['pf.sock', 'vf1.sock', 'vf2.sock']);
  });

  it('says the same in JSON', async () => {
    const { stdout } = await serve('--mode', 'timed', '--json');

    expect(JSON.parse(stdout)).toEqual({
      schema: 'virtfn.serve/1',
      event: 'ready',
      mode: 'timed',
      set: {},
      functions: ['pf', 'vf1'].map((name) => ({ name, kind: 'uml', socket: `${name}.sock` })),
      commandLine: ['pf', 'vf1'].map(argument),
    });
  });

  it.each(['functional', 'timed'])('serves kernels, one after the other, in %s mode', async (mode) => {
    const server = await serve('--mode', mode);
    for (let i = 0; i < 2; i++) {
      const one = kernel('pf').start();
      expect(one.configRead(0, 4)).toBe(0x1041_1af4);
      one.release();
    }

    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(server.stderr).toBe('');
    expect(readdirSync(program.folder)).toEqual([]);
  });

  it('says why it drops a kernel', async () => {
    const server = await serve();
    const one = kernel('vf1').start();
    one.order(REQUEST.SET_VRING_NUM, state(0, 3));
    expect(one.isGone).toBe(true);
    expect(kernel('pf').start().configRead(0, 4)).toBe(0x1041_1af4);
    await server.end('SIGTERM');

    expect(server.stderr).toBe(
      'virtfn: vf1: the kernel is dropped: queue 0 has a size of 3; a power of 2 up to 32768 is possible\n',
    );
  });

  it.each([
    [['--vfs', '8'], 2, /--vfs: 8: User Mode Linux has 8 slots, one of them for the PF; take 7 or fewer/],
    [['--raw'], 2, /--uml: .*; leave --raw out/],
    [['--socket', 'vf1=a b.sock'], 1, /a b\.sock: the kernel's command line carries no path with/],
  ])('does not begin with %s', (args, code, text) => {
    const { code: status, stderr } = program.run('serve', '--uml', ...args);

    expect({ status, stderr }).toEqual({ status: code, stderr: expect.stringMatching(text) });
    expect(readdirSync(program.folder)).toEqual([]);
  });
});
