// SPDX-License-Identifier: Apache-2.0
// `virtfn serve` as a process, when those who read it stop reading, its files may not grow, and its sockets are taken away.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { connectUnix } from '../../../src/native/unix_socket.ts';
import { openCapture } from '../../../src/wire/capture.ts';

import { VfioUserClient } from '../../../src/vfio_user/client.ts';
import { CliProgram } from '../../support/cli_program.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { frame, startStation } from './support/driver_bench.ts';

const ELSEWHERE = Uint8Array.of(2, 0, 0, 0, 0, 0x99);

let libc: Libc;
let program: CliProgram;
let children: ChildProcess[] = [];
beforeAll(async () => {
  libc = await loadLibc();
  program = new CliProgram(['koffi']);
});
afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await new Promise((done) => child.once('exit', done));
  }
  children = [];
});
afterAll(() => program.remove());

/** Starts it by a shell's command, in which $V stands for the program; its text on standard error. */
function start(command: string): { child: ChildProcess; stderr: () => string } {
  const v = `exec ${process.execPath} ${program.file} serve`;
  const child = spawn('bash', ['-c', command.replace('$V', v)], {
    cwd: program.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stderr!.setEncoding('utf8').on('data', (more: string) => (text += more));
  return { child, stderr: () => text };
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('in vain');
    await sleep(20);
  }
}

const path = (name: string): string => join(program.folder, name);

/** The function at a socket answers: virtio 1.4 §4.1.2, vendor 1AF4, device 1040 + 1. */
function expectServed(socket: string): void {
  const client = new VfioUserClient(libc, path(socket));
  expect(client.read(7, 0, 4)).toBe(0x10411af4);
  client.close();
}

function isServed(socket: string): boolean {
  try {
    expectServed(socket);
    return true;
  } catch {
    return false;
  }
}

async function endOf(child: ChildProcess): Promise<number | null> {
  const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  child.kill('SIGTERM');
  return ended;
}

describe('standard output', () => {
  it('whose reader has gone ends the reports, not the card', async () => {
    const { child, stderr } = start('$V --json --socket vf1=gone.sock');
    child.stdout!.once('data', () => child.stdout!.destroy());
    await until(() => existsSync(path('gone.sock')));
    await until(() => {
      expectServed('gone.sock'); // another state to be reported
      return stderr() !== '';
    });

    expect(stderr()).toBe('virtfn: stdout: broken pipe (EPIPE); nothing more is reported, the card goes on\n');
    expectServed('gone.sock');
    expect(await endOf(child)).toBe(0);
  });

  it('on a device that is full is said once, and the card goes on', async () => {
    const { child, stderr } = start('$V --json --socket vf1=full.sock >/dev/full');
    await until(() => stderr() !== '');
    for (let i = 0; i < 3; i++) expectServed('full.sock');

    expect(stderr()).toBe('virtfn: stdout: no space left on device (ENOSPC); reports wait until there is room\n');
    expect(await endOf(child)).toBe(0);
  });

  it('that nobody reads is not waited for', async () => {
    // 300 functions make a state of more than 64 KiB, which a pipe does not hold
    const { child } = start('$V --json --vfs 300 --socket-dir many');
    mkdirSync(path('many'));
    await until(() => existsSync(path('many/vf300.sock')));
    for (let i = 0; i < 5; i++) {
      expectServed('many/vf300.sock');
      await sleep(300);
    }
    expectServed('many/vf1.sock');

    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (more: string) => (text += more));
    expect(await endOf(child)).toBe(0);
    for (const line of text.trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });
});

it('a file that may not grow any more ends the recording, whole, and nothing else (ulimit -f)', async () => {
  // bash counts 1,024 bytes: 4 KiB hold 24 + 4 * (16 + 1000) bytes
  const { child, stderr } = start('ulimit -f 4; $V --socket vf1=limit.sock --wire pcap:limit.pcap');
  await until(() => existsSync(path('limit.sock')));
  const a = startStation(libc, new VfioUserClient(libc, path('limit.sock')));
  for (let i = 0; i < 6; i++) {
    a.driver.send(frame(ELSEWHERE, a.driver.mac, 1000));
    a.settle();
  }
  await until(() => stderr() !== '');

  expect(stderr()).toBe('virtfn: pcap:limit.pcap: file too large (EFBIG); nothing more is recorded\n');
  expect([...openCapture(readFileSync(path('limit.pcap')), 'limit').frames()]).toHaveLength(4);
  expect(statSync(path('limit.pcap')).size).toBe(24 + 4 * (16 + 1000));
  a.client.close();
  expectServed('limit.sock');
  expect(await endOf(child)).toBe(0);
});

describe('a socket', () => {
  it('that is taken away with its folder is there again with it; clients stay', async () => {
    mkdirSync(path('sockets'));
    const { child, stderr } = start('$V --socket-dir sockets');
    await until(() => existsSync(path('sockets/vf1.sock')));
    const client = new VfioUserClient(libc, path('sockets/vf1.sock'));
    renameSync(path('sockets'), path('moved'));
    await until(() => stderr() !== '');
    expect(client.read(7, 0, 4)).toBe(0x10411af4);
    client.close();
    mkdirSync(path('sockets'));
    await until(() => existsSync(path('sockets/vf1.sock')));

    expectServed('sockets/vf1.sock');
    expect(stderr()).toContain('virtfn: sockets/vf1.sock: the socket was taken away; clients stay');
    expect(await endOf(child)).toBe(0);
    expect(existsSync(path('sockets/vf1.sock'))).toBe(false);
    rmSync(path('moved'), { recursive: true });
  });

  it('whose place somebody else has taken is left to them, at the end too', async () => {
    const { child, stderr } = start('$V --socket vf1=taken.sock');
    await until(() => existsSync(path('taken.sock')));
    rmSync(path('taken.sock'));
    writeFileSync(path('taken.sock'), 'letters');
    await until(() => stderr() !== '');

    expect(await endOf(child)).toBe(0);
    expect(readFileSync(path('taken.sock'), 'utf8')).toBe('letters');
  });

  it('answers again after no descriptor was left for a connection (RLIMIT_NOFILE)', async () => {
    const { child, stderr } = start('$V --socket vf1=few.sock --socket vf2=other.sock --vfs 2');
    await until(() => existsSync(path('other.sock')));
    const open = new Set(readdirSync(`/proc/${child.pid}/fd`).map(Number));
    let limit = 0;
    for (let free = 0; free < 3; limit++) if (!open.has(limit)) free++;
    execFileSync('prlimit', ['--pid', String(child.pid), `--nofile=${limit}:${limit}`]);
    const sockets = Array.from({ length: 8 }, () => connectUnix(libc, path('few.sock')));
    await until(() => stderr().includes('a connection has to wait'));
    for (const socket of sockets) socket?.close();
    await until(() => isServed('few.sock'));
    expectServed('other.sock');
    expect(await endOf(child)).toBe(0);
  });
});
