// SPDX-License-Identifier: Apache-2.0
// What the file system refuses, as an error about the path that a person named: the wrong name is a mistake of usage, a disk
// that is full or a reader that has gone is a failure of what was asked for.
import { NicError, UsageError } from '../util/errors.ts';

/** Code of the error where who reads standard output has gone; the program ends without a word, as others do. */
export const READER_GONE = 'READER_GONE';

/** Standard input as an input, standard output as an output. */
export const DASH = '-';

/** Does `work` on a file that a person named. Throws UsageError, or NicError FILE where path and rights were good. */
export function withFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The error of the file system as one about `path`; any other error as it is. */
export function fileError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const code = String(error.code);
  const name = path === '' ? 'a file without a name' : path;
  const mistake = MISTAKES.get(code);
  if (mistake !== undefined) return new UsageError(`${name}: ${mistake}`);
  if (!('syscall' in error)) return error;
  return new NicError('FILE', `${name}: ${FAILURES.get(code) ?? error.message.replace(/, \w+( '.*)?$/s, '')}`);
}

const MISTAKES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file or folder; check the path'],
  ['ENOTDIR', 'a part of the path is a file; check the path'],
  ['EISDIR', 'this is a folder; name a file'],
  ['EEXIST', 'a file is in the way; choose another place'],
  ['EACCES', 'not permitted; check the rights or choose another place'],
  ['EPERM', 'not permitted; check the rights or choose another place'],
  ['EROFS', 'the file system is read-only; choose another place'],
  ['ENAMETOOLONG', 'the name is too long; choose a shorter one'],
  ['ELOOP', 'symbolic links lead round in a circle; check the path'],
  ['ENXIO', 'nothing is behind this name; check the path'],
  ['ERR_INVALID_ARG_VALUE', 'the name holds a zero byte; choose another one'],
  ['ERR_FS_FILE_TOO_LARGE', 'above 2 GiB, which no such file is; check the path'],
]);

const FAILURES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the file system is full; make room or choose another place'],
  ['EDQUOT', 'the quota is used up; make room or choose another place'],
  ['EFBIG', 'larger than files may be here; raise ulimit -f or choose another file system'],
  ['EIO', 'the disk failed; choose another place'],
  ['EPIPE', 'who reads it has gone; the output is not complete'],
  ['EMFILE', 'too many files are open; raise ulimit -n'],
  ['ENFILE', 'too many files are open on this machine; close some'],
  ['ETXTBSY', 'this is a program that runs; choose another place'],
]);
