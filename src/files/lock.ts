// SPDX-License-Identifier: Apache-2.0
// One process at a time changes a file, by lock files beside it: FILE.lock.0 names the process that has it. Where that process
// is gone without its file, killed say, FILE.lock.1 may be made, and so on: a dead holder's file is never taken away while
// somebody could still judge by it, only by the next holder when its work is done. So two that find the same dead holder
// cannot both go on: a file of one name is made once.
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';

import { NicError } from '../util/errors.ts';
import { pause } from '../util/pause.ts';
import { withFile } from './errors.ts';
import { realPlace } from './identity.ts';
import { makeFolder } from './output_file.ts';

const RETRY_MS = 20;
/** How long one holder is waited for. */
const PATIENCE_MS = 30_000;
/** What is shorter is not worth a word. */
const SILENCE_MS = 500;
/** Between two attempts at a lock whose holder may take as long as it likes. */
const LONG_RETRY_MS = 200;

/** The process that has a lock. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
}

/**
 * Does `work` while nobody else who asks so can. `onWait` is told once who is waited for, where that takes long. Throws NicError
 * LOCKED where one holder does not let go.
 */
export function withLock<T>(path: string, work: () => T, onWait: (text: string) => void = () => {}): T {
  const base = baseOf(path);
  const number = withFile(path, () => acquire(path, base, onWait));
  try {
    return work();
  } finally {
    release(base, number);
  }
}

/**
 * The same for work that may take minutes: its turn is waited for until `signal` is aborted, and `onWait` is told once whom it
 * waits for, null where that is not known.
 */
export async function withLongLock<T>(
  path: string,
  signal: AbortSignal,
  onWait: (holder: Holder | null) => void,
  work: () => Promise<T>,
): Promise<T> {
  const base = baseOf(path);
  const own = ownName(base);
  for (let isWaiting = false; ; isWaiting = true) {
    signal.throwIfAborted();
    const taken = withFile(path, () => attempt(base, own));
    if (typeof taken === 'number') {
      try {
        return await work();
      } finally {
        release(base, taken);
      }
    }
    if (!isWaiting) onWait(taken);
    await later(LONG_RETRY_MS);
  }
}

function baseOf(path: string): string {
  return withFile(path, () => {
    const place = realPlace(path);
    makeFolder(dirname(place));
    return `${place}.lock`;
  });
}

function ownName(base: string): string {
  return `${base}.of.${process.pid}`;
}

function release(base: string, number: number): void {
  for (let i = 0; i <= number; i++) rmSync(nameOf(base, i), { force: true });
  clearAway(base);
}

/** Is `path` a name that the lock of `locked` may take? Nothing else can be kept there. */
export function isLockFile(path: string, locked: string): boolean {
  const isStream = statSync(path, { throwIfNoEntry: false })?.isFile() === false;
  return !isStream && realPlace(path).startsWith(`${realPlace(locked)}.lock.`);
}

/** Removes what processes left that were killed between two steps of make(). */
function clearAway(base: string): void {
  const folder = dirname(base);
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (file.startsWith(`${base}.of.`) && isGone(read(file))) rmSync(file, { force: true });
  }
}

function nameOf(base: string, number: number): string {
  return `${base}.${number}`;
}

/** Waits for its turn; the number of the file that is ours now. */
function acquire(path: string, base: string, onWait: (text: string) => void): number {
  const own = ownName(base);
  const start = Date.now();
  let isSilent = true;
  let waitingFor = '';
  let since = start;
  for (;;) {
    const taken = attempt(base, own);
    if (typeof taken === 'number') return taken;
    const holder = JSON.stringify(taken);
    const now = Date.now();
    if (holder !== waitingFor) since = now;
    waitingFor = holder;
    const who = taken === null ? 'another process' : `process ${taken.pid} of ${taken.host}`;
    if (now - since > PATIENCE_MS) {
      throw new NicError('LOCKED', `${path}: ${who} works on it; wait for it, or remove ${base}.* if it is gone`);
    }
    if (isSilent && now - start > SILENCE_MS) {
      isSilent = false;
      onWait(`${path}: ${who} works on it; waiting`);
    }
    pause(RETRY_MS);
  }
}

/** The number of our file, or who has the lock; null where that changes just now. */
function attempt(base: string, own: string): number | Holder | null {
  for (let number = 0; ; number++) {
    if (make(nameOf(base, number), own)) {
      // meanwhile another may have cleared the dead ones away, and one more begun anew
      for (let i = 0; i < number; i++) {
        if (isGone(read(nameOf(base, i)))) continue;
        rmSync(nameOf(base, number));
        return null;
      }
      return number;
    }
    const holder = read(nameOf(base, number));
    if (!isGone(holder)) return holder;
  }
}

/** A file that names us, its content there at once, where there is none of this name. Who waits has no file: it may be killed. */
function make(path: string, own: string): boolean {
  if (existsSync(path)) return false;
  try {
    writeFileSync(own, JSON.stringify({ pid: process.pid, host: hostname() } satisfies Holder));
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function read(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return null;
  }
}

/** Is it known that this holder is there no more? Of another machine nothing is known. */
function isGone(holder: Holder | null): boolean {
  if (holder === null || holder.host !== hostname()) return false;
  if (holder.pid === process.pid) return true; // a process of our number before us
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
