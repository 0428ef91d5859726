// SPDX-License-Identifier: Apache-2.0
// `virtfn serve` as a process: what it prints, its sockets from their appearance to their end, and how it refuses.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { POLLIN, waitFor } from '../../../src/native/wait.ts';
import { CliProgram } from '../../support/cli_program.ts';
import { ServeProcess } from '../../support/serve_process.ts';
import { COMMAND, fields, RawClient } from './support/raw_client.ts';

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
  const server = new ServeProcess(program.start('serve', ...args));
  servers.push(server);
  await server.untilReady();
  return server;
}

function client(socket: string): RawClient {
  return new RawClient(libc, join(program.folder, socket), (fd) => void waitFor(libc, fd, POLLIN, 50));
}

/** A client is greeted at the socket: the error of the reply, 0 for none. */
function greeting(socket: string): number {
  const one = client(socket);
  const { error } = one.greet();
  one.close();
  return error;
}

describe('a server', () => {
  it('names its sockets, then says that it is ready', async () => {
    const { stdout } = await serve('--vfs', '2', '--transitional', 'vf2');

    expect(stdout).toBe('vf1  modern  vf1.sock\nvf2  transitional  vf2.sock\nready\n');
    expect(readdirSync(program.folder).sort()).toEqual(['vf1.sock', 'vf2.sock']);
    expect(greeting('vf2.sock')).toBe(0);
  });

  it('names what is changed of the timing profile', async () => {
    const { stdout } = await serve('--mode', 'timed', '--set', 'host.read_latency_ns=400', '--set', 'link.tags=16');

    expect(stdout).toBe('changed: host.read_latency_ns=400, link.tags=16\nvf1  modern  vf1.sock\nready\n');
  });

  it('shows a transitional VF without its modern interface where it is asked to', async () => {
    const { stdout } = await serve('--vfs', '3', '--transitional', 'vf1,vf2', '--legacy-only', 'vf2');

    expect(stdout).toBe('vf1  transitional  vf1.sock\nvf2  legacy  vf2.sock\nvf3  modern  vf3.sock\nready\n');
    const [both, legacy] = ['vf1.sock', 'vf2.sock'].map((socket) => {
      const one = client(socket);
      one.greet();
      const { payload } = one.request(COMMAND.REGION_READ, fields([8, 0], [4, 7], [4, 256]));
      const ids: number[] = [];
      for (let at = payload.getUint8(16 + 0x34); at !== 0; at = payload.getUint8(17 + at))
        ids.push(payload.getUint8(16 + at));
      one.close();
      return ids;
    });
    expect(both).toContain(0x09); // vendor-specific: where the structures of the modern interface are
    expect(legacy).not.toContain(0x09);
  });

  it('says the same in JSON, and how things were at the end', async () => {
    const server = await serve('--pf', '--socket', 'pf=card.sock', '--set', 'host.read_latency_ns=400', '--json');
    await server.end('SIGTERM');
    const lines = server.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);

    expect(lines[0]).toEqual({
      schema: 'virtfn.serve/1',
      event: 'ready',
      mode: 'functional',
      set: { 'host.read_latency_ns': 400 },
      functions: [
        { name: 'pf', kind: 'pf', socket: 'card.sock' },
        { name: 'vf1', kind: 'modern', socket: 'vf1.sock' },
      ],
    });
    expect(lines.at(-1)).toMatchObject({
      schema: 'virtfn.serve/1',
      event: 'end',
      functions: [
        { name: 'pf', connected: false, clients: 0 },
        { name: 'vf1', connected: false, clients: 0 },
      ],
    });
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('takes its sockets away at %s and ends well', async (signal) => {
    const server = await serve('--vfs', '2');
    const one = client('vf1.sock');
    one.greet();

    expect(await server.end(signal)).toEqual({ code: 0, signal: null });
    expect(readdirSync(program.folder)).toEqual([]);
    expect(one.isDropped()).toBe(true);
    expect(server.stderr).toBe('');
    one.close();
  });

  it('takes over the socket of one that was killed', async () => {
    await (await serve()).end('SIGKILL');
    expect(readdirSync(program.folder)).toEqual(['vf1.sock']);

    await serve();

    expect(readdirSync(program.folder)).toEqual(['vf1.sock']);
    expect(greeting('vf1.sock')).toBe(0);
  });
});

describe('a path', () => {
  it('that another server has is left to it', async () => {
    const first = await serve();

    expect(program.run('serve', '--vfs', '2')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'virtfn: vf1.sock: another program is listening there; stop it or choose another path\n',
    });
    expect(readdirSync(program.folder)).toEqual(['vf1.sock']);
    expect(greeting('vf1.sock')).toBe(0);
    expect(await first.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  it('that is taken among others leaves nothing behind', async () => {
    await serve('--socket', 'vf1=vf2.sock');

    expect(program.run('serve', '--vfs', '3').code).toBe(1);
    expect(readdirSync(program.folder)).toEqual(['vf2.sock']);
    expect(greeting('vf2.sock')).toBe(0);
  });

  it('where a file lies is refused, and the file stays', () => {
    writeFileSync(join(program.folder, 'vf1.sock'), 'letters');

    expect(program.run('serve')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'virtfn: vf1.sock: a file that is no socket is in the way; remove it\n',
    });
    expect(existsSync(join(program.folder, 'vf1.sock'))).toBe(true);
  });

  it('in a folder that does not exist is refused', () => {
    const { code, stderr } = program.run('serve', '--socket-dir', 'nowhere');

    expect(code).toBe(1);
    expect(stderr).toBe(
      'virtfn: nowhere/vf1.sock: no socket can be made there; check that the folder exists and is yours\n',
    );
  });
});

describe('a configuration file', () => {
  const config = (content: string): void => writeFileSync(join(program.folder, 'card.json'), content);

  it('says what options say', async () => {
    config('{ "vfs": 2, "transitional": ["vf1"], "sockets": { "vf2": "net.sock" }, "mode": "timed" }');

    expect((await serve('--config', 'card.json')).stdout).toBe(
      'vf1  transitional  vf1.sock\nvf2  modern  net.sock\nready\n',
    );
  });

  it('steps back behind options', async () => {
    config('{ "vfs": 2, "sockets": { "vf1": "net.sock" } }');

    expect((await serve('--config', 'card.json', '--vfs', '1')).stdout).toBe('vf1  modern  net.sock\nready\n');
  });

  it('may ask for the greatest MTU, on any number of queue pairs', async () => {
    config('{ "mtu": 9000, "queuePairs": 8, "receiveHoldBytes": 73728 }'); // 8 * 9,028 bytes are 17.6 pages

    expect((await serve('--config', 'card.json')).stdout).toBe('vf1  modern  vf1.sock\nready\n');
  });

  it('with mistakes is refused with all of them, each with its place', () => {
    config(`{
      "vfs": 2000, "mode": "fast", "queuePairs": 9, "mtu": 20, "receiveHoldBytes": 5000, "mac": "03:00:00:00:00:00", "wire": "tap",
      "withoutFeatures": [32], "transitional": ["vf1", 3], "sockets": { "vf9999": "a.sock", "vf1": 7 },
      "profile": { "nothing.here": 1 }, "vlan": true
    }`);

    const { code, stdout, stderr } = program.run('serve', '--config', 'card.json');

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const place of [
      'vfs: 2000: a whole number from 1 to 1024 is needed',
      'mode: fast: functional or timed is needed',
      'queuePairs: 9: a whole number from 1 to 8 is needed',
      'mtu: 20: a whole number from 68 to 9000 is needed',
      'receiveHoldBytes: 5000: a multiple of 4096 is needed, say 8192',
      'mac: 03:00:00:00:00:00: a unicast address is needed',
      'wire: tap: none, loopback, tap:NAME',
      'withoutFeatures: 32: VIRTIO_F_VERSION_1 is always offered',
      'transitional: [vf1, 3]: true, false or an array of names (vf1, vf2, ...) is needed',
      'sockets.vf9999: that function is not served',
      'sockets.vf1: 7: a path is needed, say vf1.sock',
      'profile: nothing.here is no parameter of a profile',
      'vlan: no such setting; there are vfs, mode',
    ]) {
      expect(stderr).toContain(`card.json: ${place}`);
    }
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(readdirSync(program.folder)).toEqual(['card.json']);
  });

  it("is blamed for routing ids beyond the last bus, which are nobody's alone", () => {
    config('{ "vfs": 1024, "vfStride": 64 }');

    const { code, stderr } = program.run('serve', '--config', 'card.json');

    expect(code).toBe(2);
    // 0x100 + 1 + 1023 * 64
    expect(stderr).toContain(
      'card.json: vfStride: 64: the last VF would have routing id 65729, beyond bus 255; 63 would do',
    );
  });

  it.each([
    [
      'that ends early',
      '{ "vfs": 2,',
      /^virtfn: card\.json: line 1, column 12: a name in double quotes is needed, there is the end of the file\n/,
    ],
    ['that is a list', '[]', /^virtfn: card\.json: one JSON object is needed\n/],
  ])('%s is refused', (_what, content, message) => {
    config(content);

    const { code, stderr } = program.run('serve', '--config', 'card.json');

    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('that does not exist is refused', () => {
    expect(program.run('serve', '--config', 'card.json')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'virtfn: card.json: no such file or folder; check the path\n',
    });
  });
});

describe('options', () => {
  it.each([
    ['no VF', ['--vfs', '0'], /'0' is invalid.*1 to 1024; see virtfn serve --help/],
    ['a mode that does not exist', ['--mode', 'fast'], /--mode: fast: functional or timed is needed/],
    ['a wire that does not exist', ['--wire', 'string'], /--wire: string: none, loopback, tap:NAME.* is needed/],
    ['the PF beside transitional VFs', ['--pf', '--transitional'], /--pf: .*serve the PF, or leave --transitional out/],
    ['the PF beside legacy VFs', ['--pf', '--legacy-only', 'vf1'], /--pf: .*serve the PF, or leave --legacy-only out/],
    ['a legacy VF that does not exist', ['--legacy-only', 'vf2'], /--legacy-only: vf2 does not exist; --vfs is 1/],
    [
      'a transitional VF that does not exist',
      ['--transitional', 'vf2'],
      /--transitional: vf2 does not exist; --vfs is 1/,
    ],
  ])('refuse %s with exit code 2', (_what, args, message) => {
    const { code, stdout, stderr } = program.run('serve', ...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('are explained with examples', () => {
    const { code, stdout } = program.run('serve', '--help');

    expect(code).toBe(0);
    for (const word of [
      '--vfs',
      '--socket-dir',
      '--wire',
      '--pf',
      '--transitional',
      '--raw',
      '--config',
      'qemu-system',
    ]) {
      expect(stdout).toContain(word);
    }
  });
});

it('says what is missing, and how to get it, where koffi is not installed', () => {
  const bare = new CliProgram();

  expect(bare.run('serve')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'virtfn: the optional package koffi is not installed; get it with: npm install koffi\n',
  });
  bare.remove();
});
