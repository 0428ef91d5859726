// SPDX-License-Identifier: Apache-2.0
// A file that a command writes. It appears as a whole: written beside its place under another name and renamed when it is
// complete, so that whoever looks finds the old file or the new one, and an error leaves the old one. Through a symbolic link
// its target is replaced; mode and owner stay. A file that has further names (hard links) is written when all is there, so
// that they go on naming it. What is no file on a disk (/dev/stdout, a FIFO) is written as it comes, and so is a file that
// cannot be replaced because its folder takes no others.
//
//   const file = OutputFile.create(path);        // `-` is standard output
//   try { for (const piece of pieces) file.write(piece); file.commit(); } finally { file.close(); }
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fchownSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { NicError } from '../util/errors.ts';
import { pause } from '../util/pause.ts';
import { DASH, fileError, READER_GONE, withFile } from './errors.ts';
import { isStandardOutput, realPlace } from './identity.ts';

const STDOUT_FD = 1;
const MODE_BITS = 0o7777;
const FLUSH_BYTES = 1 << 16;
const RETRY_MS = 2;
/** Longest part of a name that goes into the name of the file beside it; with four bytes a letter it fits in 255. */
const STEM_MAX = 50;
/** What a folder, or the mount point that a file is, says to a file beside it or in its place. */
const NO_REPLACING = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV']);

export class OutputFile {
  private readonly path: string;
  private readonly fd: number;
  /** The file beside its place, null where it is written directly. */
  private readonly beside: string | null;
  private readonly target: string;
  private isOpen = true;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;

  private constructor(path: string, fd: number, target: string, beside: string | null) {
    this.path = path;
    this.fd = fd;
    this.target = target;
    this.beside = beside;
  }

  /** Opens it, with the folders above it. Throws UsageError, NicError FILE. */
  static create(path: string): OutputFile {
    return withFile(path, () => {
      if (isStandardOutput(path)) return new OutputFile(path, STDOUT_FD, path, null);
      const old = statSync(path, { throwIfNoEntry: false });
      const isSpecial = old !== undefined && (!old.isFile() || isOfProcess(path));
      if (isSpecial) return new OutputFile(path, openSync(path, 'w'), path, null);
      const target = realPlace(path);
      if (old === undefined) makeFolder(dirname(target));
      else accessSync(target, constants.W_OK);
      try {
        const { fd, beside } = openBeside(target, old);
        return new OutputFile(path, fd, target, beside);
      } catch (error) {
        if (old === undefined || !isNoReplacing(error)) throw error;
        return new OutputFile(path, openSync(target, 'w'), target, null);
      }
    });
  }

  /** Adds bytes; they are gathered, so the caller may not change them until the next flush(). */
  write(piece: string | Uint8Array): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= FLUSH_BYTES) this.flush();
  }

  flush(): void {
    const block = Buffer.concat(this.waiting);
    this.waiting = [];
    this.waitingBytes = 0;
    for (let done = 0; done < block.length;) done += this.writeSome(block, done);
  }

  /** What was written is all of it: the file takes its place. */
  commit(): void {
    this.flush();
    this.shut();
    if (this.beside === null) return;
    const beside = this.beside;
    withFile(this.path, () => {
      if ((statSync(this.target, { throwIfNoEntry: false })?.nlink ?? 1) > 1) return this.fill(beside);
      try {
        renameSync(beside, this.target);
      } catch (error) {
        if (!isNoReplacing(error)) throw error;
        this.fill(beside);
      }
    });
  }

  /** Writes what lies beside it into the file that is there. */
  private fill(beside: string): void {
    copyFileSync(beside, this.target);
    rmSync(beside);
  }

  /** Without commit() nothing is left of it. */
  close(): void {
    try {
      if (this.isOpen) this.shut();
    } finally {
      if (this.beside !== null) rmSync(this.beside, { force: true });
    }
  }

  private writeSome(block: Uint8Array, done: number): number {
    try {
      return writeSync(this.fd, block, done);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code === 'EAGAIN') {
        // standard output is shared, and whoever shares it may have made it non-blocking
        pause(RETRY_MS);
        return 0;
      }
      if (code === 'EPIPE' && this.fd === STDOUT_FD) throw new NicError(READER_GONE, 'nobody reads standard output');
      throw fileError(this.path === DASH ? 'standard output' : this.path, error);
    }
  }

  private shut(): void {
    this.isOpen = false;
    // some file systems only now say that they are full
    if (this.fd !== STDOUT_FD) withFile(this.path, () => closeSync(this.fd));
  }
}

/** Writes a whole file; `-` is standard output. */
export function writeFile(path: string, pieces: Iterable<string | Uint8Array>): void {
  const file = OutputFile.create(path);
  try {
    for (const piece of pieces) file.write(piece);
    file.commit();
  } finally {
    file.close();
  }
}

/** A name for an open file of a process (/dev/fd/3): a file put in its place would not be that file. */
function isOfProcess(path: string): boolean {
  return realpathSync(dirname(path)).startsWith('/proc/');
}

function openBeside(target: string, old: Stats | undefined): { readonly fd: number; readonly beside: string } {
  const stem = [...basename(target)].slice(0, STEM_MAX).join('');
  for (let i = 0; ; i++) {
    const beside = join(dirname(target), `${stem}.${process.pid}.${i}.new`);
    if (existsSync(beside)) continue; // left behind by a process of this number that was killed
    const fd = openSync(beside, 'wx');
    if (old !== undefined) keepOwner(fd, old);
    return { fd, beside };
  }
}

function keepOwner(fd: number, { uid, gid, mode }: Stats): void {
  try {
    fchownSync(fd, uid, gid);
  } catch {
    // only root gives files away
  }
  fchmodSync(fd, mode & MODE_BITS);
}

function isNoReplacing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NO_REPLACING.has(String(error.code));
}

/** Makes a folder and those above it. Node's own `recursive` never returns where /proc refuses. */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error; // somebody else made it
  }
}
