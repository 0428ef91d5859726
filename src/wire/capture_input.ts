// SPDX-License-Identifier: Apache-2.0
// Captures to read, of any length: a chunk of them is in memory at a time. What can be read only once (standard input, a
// FIFO) is kept in a file without a name as it comes, so that it too can be read again from the first frame on.
import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';

import { UsageError } from '../util/errors.ts';
import { DASH, withFile } from '../files/errors.ts';
import type { ByteSource } from './byte_reader.ts';
import { CaptureReader, openCapture, type Capture } from './capture.ts';
import type { SkipHandler } from './frame_reader.ts';

const STDIN_FD = 0;
const STDIN_NAME = 'standard input';
const RETRY_MS = 2;

/** A capture that stays open until close(). */
export interface CaptureInput extends Capture {
  /** For messages. */
  readonly name: string;
  close(): void;
}

/** Opens a capture, `-` for that of standard input, and waits for what comes slowly. Throws UsageError, NicError FILE. */
export function openCaptureInput(path: string): CaptureInput {
  const isStdin = path === DASH;
  const name = isStdin ? STDIN_NAME : path;
  if (isStdin && isatty(STDIN_FD)) {
    throw new UsageError(`${name}: this is a terminal; let a program write to it: tcpdump -w - | virtfn replay - ...`);
  }
  const fd = isStdin ? STDIN_FD : withFile(path, () => openSync(path, 'r'));
  const stream = isStdin || !isOnDisk(fd) ? new KeptStream(fd, name) : null;
  const close = (): void => {
    stream?.close();
    if (!isStdin) closeSync(fd);
  };
  try {
    const capture = openCapture(() => stream?.fromStart() ?? new FileBytes(fd, name), name);
    return { name, frames: (onSkip) => capture.frames(onSkip), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A capture that is read as it comes: frames are undefined while whoever writes a FIFO has not written them. */
export class CaptureFollower {
  private readonly fd: number;
  private readonly reader: CaptureReader;

  /** Throws UsageError, NicError FILE; next() also CaptureDamage. */
  constructor(path: string, onSkip?: SkipHandler) {
    const file = path === DASH ? '/dev/stdin' : path;
    this.fd = withFile(path, () => openSync(file, constants.O_RDONLY | constants.O_NONBLOCK));
    const bytes = isOnDisk(this.fd) ? new FileBytes(this.fd, path) : new ArrivingBytes(this.fd, path);
    this.reader = new CaptureReader(bytes, path, onSkip);
    try {
      this.reader.begin();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  next(): ReturnType<CaptureReader['next']> {
    return this.reader.next();
  }

  close(): void {
    closeSync(this.fd);
  }
}

function isOnDisk(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFile() || stats.isBlockDevice() || stats.isDirectory(); // reading a folder says what it is
}

/** A file from its first byte on, wherever others read it. */
class FileBytes implements ByteSource {
  private readonly fd: number;
  private readonly name: string;
  private position = 0;

  constructor(fd: number, name: string) {
    this.fd = fd;
    this.name = name;
  }

  read(into: Uint8Array): number {
    const bytes = readAt(this.fd, into, this.position, this.name);
    this.position += bytes;
    return bytes;
  }
}

/** What has come of a stream; nobody waits. A FIFO is not at its end before its first writer. */
class ArrivingBytes implements ByteSource {
  private readonly fd: number;
  private readonly name: string;
  private hasBegun = false;

  constructor(fd: number, name: string) {
    this.fd = fd;
    this.name = name;
  }

  read(into: Uint8Array): number | null {
    const bytes = readNow(this.fd, into, this.name);
    this.hasBegun ||= bytes !== null && bytes > 0;
    return this.hasBegun ? bytes : null;
  }
}

/** A stream and what has come of it so far, in a file without a name. */
class KeptStream {
  private readonly stream: number;
  private readonly name: string;
  private readonly kept: number;
  private keptBytes = 0;

  constructor(stream: number, name: string) {
    this.stream = stream;
    this.name = name;
    this.kept = inTemporaryFolder(() => {
      const folder = mkdtempSync(join(tmpdir(), 'virtfn-'));
      try {
        return openSync(join(folder, 'capture'), 'wx+', 0o600);
      } finally {
        rmSync(folder, { recursive: true }); // the open file lives on
      }
    });
  }

  fromStart(): ByteSource {
    let position = 0;
    return {
      read: (into) => {
        const bytes = position < this.keptBytes ? readAt(this.kept, into, position, this.name) : this.take(into);
        position += bytes;
        return bytes;
      },
    };
  }

  close(): void {
    closeSync(this.kept);
  }

  private take(into: Uint8Array): number {
    for (;;) {
      const bytes = readNow(this.stream, into, this.name);
      if (bytes === null) {
        sleep(RETRY_MS);
        continue;
      }
      inTemporaryFolder(() => {
        for (let done = 0; done < bytes;) {
          done += writeSync(this.kept, into, done, bytes - done, this.keptBytes + done);
        }
      });
      this.keptBytes += bytes;
      return bytes;
    }
  }
}

function readAt(fd: number, into: Uint8Array, position: number, name: string): number {
  return withFile(name, () => readSync(fd, into, 0, into.length, position));
}

/** Null where nothing has come yet. */
function readNow(fd: number, into: Uint8Array, name: string): number | null {
  return withFile(name, () => {
    try {
      return readSync(fd, into);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return null;
      throw error;
    }
  });
}

function inTemporaryFolder<T>(work: () => T): T {
  return withFile(`${tmpdir()} (TMPDIR)`, work);
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
