// SPDX-License-Identifier: Apache-2.0
// Which names mean one file. Names are compared by what they lead to (device and inode), through symbolic and hard links and
// linked folders; a file that does not exist yet is its name in the folder that does. The one place where a command finds out
// that it would write over what it reads, or write two things into one file:
//
//   checkFiles([['<in.pcap>', input]], [['--out', out], ['--json', json]]);   // before anything is opened for writing
//
// A path that is undefined was not asked for; `-` is standard input among the inputs, standard output among the outputs.
import {
  closeSync,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  type BigIntStats,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';

import { UsageError } from '../util/errors.ts';
import { DASH, withFile } from './errors.ts';

/** The option or argument that names a file, and the path as it was given. */
export type NamedFile = readonly [option: string, path: string | undefined];

const STDIN_FD = 0;
const STDOUT_FD = 1;
const LINKS_MAX = 40;

interface Identity {
  readonly option: string;
  readonly path: string;
  /** Equal for two names of one file. */
  readonly key: string;
  /** `sink` forgets what it is given; streams may be read and written. */
  readonly kind: 'file' | 'stream' | 'sink' | 'new';
  /** Where a new file will lie: the nearest folder that exists, and the names below it. */
  readonly place?: Place;
}

interface Place {
  readonly folder: string;
  readonly names: string;
}

/** Refuses outputs that are an input, that share a file, or that are folders. Throws UsageError. */
export function checkFiles(inputs: readonly NamedFile[], outputs: readonly NamedFile[]): void {
  const read = new Map(identities(inputs, STDIN_FD).map((input) => [input.key, input]));
  const written = new Map<string, Identity[]>();
  for (const output of identities(outputs, STDOUT_FD)) {
    if (output.kind === 'sink') continue;
    const remedy = `choose another place for ${output.option}`;
    const input = read.get(output.key);
    // a terminal, or a socket, may be read and written
    if (input !== undefined && output.kind === 'file') {
      throw new UsageError(`${nameOf(output)} is the file that is read as ${nameOf(input)}; ${remedy}`);
    }
    const alike = written.get(fold(output.key)) ?? [];
    const other = alike.find((before) => isOneFile(before, output));
    if (other !== undefined) {
      const where = output.path === DASH && other.path === DASH ? 'standard output' : 'one file';
      throw new UsageError(`${nameOf(other)} and ${nameOf(output)} go to ${where}; ${remedy}`);
    }
    written.set(fold(output.key), [...alike, output]);
  }
}

/** Does this output go to standard output, by whatever name? */
export function isStandardOutput(path: string): boolean {
  if (path === DASH) return true;
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && keyOf(stats) === keyOf(fstatSync(STDOUT_FD, { bigint: true })) && !isSink(stats);
}

/** Where an output will lie when it is written: through links, also through one that leads to nothing yet. */
export function realPlace(path: string): string {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path);
  const { folder, names } = placeOf(path);
  return join(folder, names);
}

function nameOf({ option, path }: Identity): string {
  if (path === DASH && !option.startsWith('-')) return option;
  return option.startsWith('<') ? path : `${option} ${path}`;
}

function identities(files: readonly NamedFile[], dashFd: number): Identity[] {
  return files.flatMap(([option, path]) => (path === undefined ? [] : [identify(option, path, dashFd)]));
}

function identify(option: string, path: string, dashFd: number): Identity {
  if (path === '') throw new UsageError(`${option}: the name of a file is needed`);
  return withFile(path, () => {
    const stats =
      path === DASH ? fstatSync(dashFd, { bigint: true }) : statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) {
      if (isFolderName(path)) throw folderError();
      const place = placeOf(path);
      const folder = statSync(place.folder, { bigint: true });
      return { option, path, key: `${keyOf(folder)}/${place.names}`, kind: 'new', place };
    }
    if (stats.isDirectory()) throw folderError();
    // what is written into a FIFO comes out of it again
    const isFile = stats.isFile() || stats.isBlockDevice() || stats.isFIFO();
    const kind = isFile ? 'file' : path !== DASH && isSink(stats) ? 'sink' : 'stream';
    return { option, path, key: keyOf(stats), kind };
  });
}

/** A name that only a folder can have. */
function isFolderName(path: string): boolean {
  return path.endsWith('/') || path.endsWith(sep) || ['.', '..'].includes(basename(path));
}

function folderError(): Error {
  return Object.assign(new Error('a folder'), { code: 'EISDIR' });
}

function keyOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** Is it the device that forgets everything (/dev/null, 1:3 on Linux)? */
function isSink(stats: BigIntStats): boolean {
  return (
    stats.isCharacterDevice() && stats.rdev === statSync('/dev/null', { bigint: true, throwIfNoEntry: false })?.rdev
  );
}

/** Where a path leads that does not exist. A link is followed as the kernel does: `..` after it leads up from its target. */
function placeOf(path: string, links = 0): Place {
  const parent = dirname(path);
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) {
    const { folder, names } = placeOf(parent, links);
    return { folder, names: join(names, basename(path)) };
  }
  const folder = realpathSync(parent);
  const link = linkTarget(path);
  if (link === null) return { folder, names: basename(path) };
  if (links === LINKS_MAX) throw Object.assign(new Error('ELOOP: too many links'), { code: 'ELOOP' });
  return placeOf(isAbsolute(link) ? link : `${folder}/${link}`, links + 1);
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Names that some file systems do not tell apart have one of these. */
function fold(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

function isOneFile(one: Identity, other: Identity): boolean {
  if (one.key === other.key) return true;
  return one.place !== undefined && other.place !== undefined && isOneName(one.place, other.place.names);
}

/**
 * Do two names that differ in case, or in how accents are coded, mean one file? Only the file system knows, so it is asked: a
 * file of one name is made, and looked for by the other.
 */
function isOneName({ folder, names }: Place, otherNames: string): boolean {
  const probe = (of: string): string =>
    join(folder, `${of.replaceAll(/[/\\]/g, '_').slice(0, 60)}.${process.pid}.probe`);
  try {
    closeSync(openSync(probe(names), 'wx'));
    return statSync(probe(otherNames), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // the folder takes no file at all: writing will say so
  } finally {
    rmSync(probe(names), { force: true });
  }
}
