// SPDX-License-Identifier: Apache-2.0
// vfio-user-roundtrip: how long a register read takes over the socket, one after the other and with pauses between, and
// what `virtfn serve` costs while nobody asks. The server is a process of its own, as for QEMU. A server in C that does
// nothing else is measured in the same way where there is a compiler.
//   npm run bench:vfio-user -- [--json FILE] [--smoke]
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { loadLibc, type Libc } from '../src/native/libc.ts';
import { VfioUserClient } from '../src/vfio_user/client.ts';
import { compileBaseline } from './baseline/baseline.ts';

const SCHEMA = 'virtfn.bench.vfio-user-roundtrip/1';
const PROGRAM = fileURLToPath(new URL('../../dist/src/cli/virtfn.mjs', import.meta.url));
const REGISTER_BAR = 2;
const NUM_QUEUES = 0x12; // of the common configuration, which begins the BAR
const CLOCK_TICK_MS = 10; // USER_HZ is 100

interface Latency {
  readonly gapUs: number;
  readonly reads: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Reads with a pause before each, in which the client is busy, as a guest is. */
function measure(client: VfioUserClient, reads: number, gapUs: number): Latency {
  const times = new Float64Array(reads);
  for (let i = -reads / 10; i < reads; i++) {
    const until = performance.now() + gapUs / 1000;
    while (performance.now() < until);
    const start = performance.now();
    const value = client.read(REGISTER_BAR, NUM_QUEUES, 2);
    if (value !== 3) throw new Error(`num_queues is ${value}, not 3`);
    if (i >= 0) times[i] = (performance.now() - start) * 1000;
  }
  times.sort();
  const at = (share: number): number => Number(times[Math.floor(reads * share)]!.toPrecision(4));
  return { gapUs, reads, p50Us: at(0.5), p99Us: at(0.99) };
}

/** User and system time of a process so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}

/** Starts a server that prints `ready`. */
async function startServer(program: string, args: readonly string[]): Promise<ChildProcess> {
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  server.stdout!.setEncoding('utf8').on('data', (text: string) => (printed += text));
  while (!printed.includes('ready\n')) await once(server.stdout!, 'data');
  return server;
}

function measureAll(client: VfioUserClient, scale: number): Latency[] {
  const runs = [
    [50_000, 0],
    [10_000, 200],
    [1000, 5000],
  ] as const;
  return runs.map(([reads, gapUs]) => measure(client, reads / scale, gapUs));
}

function print(server: string, results: readonly Latency[]): void {
  for (const { gapUs, reads, p50Us, p99Us } of results) {
    console.log(`vfio-user-roundtrip  ${server}  pause ${gapUs} us  ${reads} reads  p50 ${p50Us} us  p99 ${p99Us} us`);
  }
}

/** The same with the server in C; null where there is none. */
async function measureBaseline(libc: Libc, folder: string, scale: number): Promise<Latency[] | null> {
  const compiled = compileBaseline('vfio_user_server', folder);
  if ('problem' in compiled) {
    console.log(`vfio-user-roundtrip  C  ${compiled.problem}`);
    return null;
  }
  const path = join(folder, 'c.sock');
  const server = await startServer(compiled.program, [path]);
  try {
    const client = new VfioUserClient(libc, path);
    const results = measureAll(client, scale);
    client.close();
    print('C', results);
    return results;
  } finally {
    server.kill();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' }, smoke: { type: 'boolean', default: false } } });
  const libc = await loadLibc();
  const folder = mkdtempSync(join(tmpdir(), 'virtfn-bench-'));
  const scale = values.smoke ? 100 : 1;
  const server = await startServer(process.execPath, [PROGRAM, 'serve', '--socket-dir', folder]);
  try {
    const client = new VfioUserClient(libc, join(folder, 'vf1.sock'));
    const results = measureAll(client, scale);
    print('virtfn', results);
    const idleMs = values.smoke ? 500 : 20_000;
    const before = cpuMs(server.pid!);
    await sleep(idleMs);
    const idleCpuPercent = Number((((cpuMs(server.pid!) - before) / idleMs) * 100).toFixed(2));
    client.close();
    console.log(`vfio-user-roundtrip  virtfn  idle, with a client  ${idleCpuPercent} % of a processor`);
    const baseline = await measureBaseline(libc, folder, scale);
    if (values.json === undefined) return;
    writeFileSync(values.json, `${JSON.stringify({ schema: SCHEMA, results, idleCpuPercent, baseline }, null, 2)}\n`);
  } finally {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
