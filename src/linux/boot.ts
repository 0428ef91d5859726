// SPDX-License-Identifier: Apache-2.0
// One run of User Mode Linux, from its start to nothing left: its console as it comes, and over a serial line of its own what
// the first process of the guest says of the script. Both are files, which a kernel never waits for and loses nothing to.
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

import { findProgram, killGroup, lineReader } from './program.ts';

export interface BootOptions {
  /** Program `linux`. */
  readonly kernel: string;
  /** The archive that becomes its root. */
  readonly root: Uint8Array;
  /** Words for the kernel, those of the card among them. */
  readonly commandLine: readonly string[];
  readonly memoryMb: number;
  readonly timeTravel: TimeTravel;
  /** How long it may take on the clock on the wall. */
  readonly wallLimitMs: number;
  /** For what lies on disk while it runs; it has to be there and short, for sockets are in it. */
  readonly folder: string;
  readonly onConsole: (text: string) => void;
  /** Something that is looked at while the kernel runs. */
  readonly onTick: () => void;
  readonly signal: AbortSignal;
}

/**
 * `ext`: guest and card have one time, which the card keeps. `inf-cpu`: the guest's passes only where it waits, and the card
 * has its own. `off`: both follow the clock on the wall.
 */
export type TimeTravel = 'ext' | 'inf-cpu' | 'off';

/** How a run ended. */
export type BootEnd =
  | { readonly kind: 'exit'; readonly code: number; readonly seconds: number }
  /** The simulated time of the script was used up. */
  | { readonly kind: 'time-limit' }
  | { readonly kind: 'wall-limit' }
  /** The kernel ended before the script was begun, or before it had ended. */
  | { readonly kind: 'no-boot' | 'died'; readonly reason: string };

const TICK_MS = 25;
/** What the clock of a guest in simulated time shows when it starts: 2025-01-01. */
const START_NS = '1735689600000000000';
/** What a guest that has ended its script may take to power off. */
const OFF_MS = 10_000;
const FIRST_LINE = /^\[ *\d+\.\d+\] /m;
const MB = 1 << 20;
const CHUNK = 1 << 16;
const FOLDER = 'virtfn-uml-';
const STALE = /^virtfn-uml-(\d+)-/;
const SHARED_MEMORY = '/dev/shm';

/** Boots, runs the script, and returns when the last process is gone. Throws what `signal` was aborted with. */
export async function bootLinux(options: BootOptions): Promise<BootEnd> {
  const { folder, signal, wallLimitMs, onTick } = options;
  signal.throwIfAborted();
  writeFileSync(join(folder, 'root.cpio'), options.root);
  const log = new KernelLog(options.onConsole);
  const screen = new GrowingFile(join(folder, 'console'), (text) => log.take(text));
  const report = new ScriptReport();
  const line = new GrowingFile(
    join(folder, 'report'),
    lineReader((text) => report.take(text.trim())),
  );
  const started = performance.now();
  const child = start(options, screen.path, line.path);
  let ended: string | null = null;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, by) => (ended = by === null ? `exit code ${code}` : by));
  try {
    let offUntil = Number.POSITIVE_INFINITY;
    for (;;) {
      const isOver = ended !== null; // what it wrote until then is in the files
      screen.readOn();
      line.readOn();
      onTick();
      signal.throwIfAborted();
      const now = performance.now();
      if (report.end !== null) offUntil = Math.min(offUntil, now + OFF_MS);
      if (isOver || now > offUntil) break;
      if (now - started > wallLimitMs) return report.end ?? { kind: 'wall-limit' };
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    if (report.end !== null) return report.end;
    const reason = `${ended ?? 'it does not answer'}${log.before === '' ? '' : `: ${lastLine(log.before)}`}`;
    return { kind: report.isStarted ? 'died' : 'no-boot', reason };
  } finally {
    killGroup(child.pid);
    await goneOf(child, () => ended !== null);
    screen.close();
    line.close();
  }
}

function start(options: BootOptions, screen: string, report: string): ReturnType<typeof spawn> {
  const { kernel, folder, memoryMb, timeTravel, commandLine } = options;
  mkdirSync(join(folder, 'uml'), { recursive: true });
  const words = [
    `mem=${memoryMb}M`,
    'initrd=root.cpio',
    'uml_dir=uml/',
    'umid=virtfn',
    'con=null',
    'con0=null,fd:1',
    'ssl=null',
    'ssl0=null,fd:3',
    'console=tty0',
    'panic=-1',
    'norandmaps', // where pages lie decides what addresses the card is given
    'vfio.enable_unsafe_noiommu_mode=1',
    ...(timeTravel === 'inf-cpu' ? ['time-travel=inf-cpu'] : []), // for ext it comes with the card's
    ...(timeTravel === 'off' ? [] : [`time-travel-start=${START_NS}`]),
    ...commandLine,
  ];
  // Where this process is killed nobody would be left to end the kernel.
  const setpriv = findProgram('setpriv');
  const [program, ...args] = [...(setpriv === null ? [] : [setpriv, '--pdeathsig', 'KILL', '--']), kernel, ...words];
  const output = openSync(screen, 'a');
  const line = openSync(report, 'a');
  try {
    return spawn(program!, args, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', output, output, line],
      env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: memoryFolder(folder, memoryMb) },
    });
  } finally {
    closeSync(output);
    closeSync(line);
  }
}

/** Where the guest's memory lies: a file without a name, in memory where there is room for it. */
function memoryFolder(folder: string, memoryMb: number): string {
  try {
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    return bavail * bsize > memoryMb * MB ? SHARED_MEMORY : folder;
  } catch {
    return folder;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)!;
}

async function goneOf(child: ReturnType<typeof spawn>, isGone: () => boolean): Promise<void> {
  if (child.pid === undefined) return;
  while (!isGone()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/**
 * What the kernel says, from its first line on. What User Mode Linux finds out about the machine before is not the kernel's,
 * and is another on each machine.
 */
class KernelLog {
  /** What came instead, empty once the first line is there. */
  before = '';
  private isKernel = false;
  private readonly onText: (text: string) => void;

  constructor(onText: (text: string) => void) {
    this.onText = onText;
  }

  take(text: string): void {
    if (this.isKernel) return this.onText(text);
    this.before += text;
    const first = this.before.search(FIRST_LINE);
    if (first < 0) return;
    this.isKernel = true;
    this.onText(this.before.slice(first));
    this.before = '';
  }
}

/** What the first process says: `started UPTIME`, then `limit`, or `exit CODE UPTIME`. */
class ScriptReport {
  isStarted = false;
  private startSeconds = 0;
  end: BootEnd | null = null;

  take(line: string): void {
    const [word, value, uptime] = line.split(' ');
    if (word === 'started') {
      this.isStarted = true;
      this.startSeconds = Number(value);
    }
    if (this.end !== null) return; // what follows a limit is its consequence
    if (word === 'limit') this.end = { kind: 'time-limit' };
    if (word === 'exit') this.end = { kind: 'exit', code: Number(value), seconds: Number(uptime) - this.startSeconds };
  }
}

/** A file that another process adds to. */
class GrowingFile {
  readonly path: string;
  private readonly fd: number;
  private readonly take: (text: string) => void;
  private readonly decoder = new StringDecoder('utf8');
  private readonly chunk = Buffer.alloc(CHUNK);

  constructor(path: string, take: (text: string) => void) {
    writeFileSync(path, '');
    this.path = path;
    this.fd = openSync(path, 'r');
    this.take = take;
  }

  readOn(): void {
    for (let count = -1; count !== 0;) {
      count = readSync(this.fd, this.chunk);
      if (count > 0) this.take(this.decoder.write(this.chunk.subarray(0, count)));
    }
  }

  close(): void {
    this.readOn();
    closeSync(this.fd);
  }
}

/** Room for a run that others do not look into, whose path leaves room for the names of sockets; gone after `work`. */
export async function inRunFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  removeStale();
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Takes away what runs left that were killed. */
function removeStale(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = STALE.exec(name) ?? [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // somebody else's
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
