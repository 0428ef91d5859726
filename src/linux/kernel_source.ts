// SPDX-License-Identifier: Apache-2.0
// Where the source of a kernel comes from: a tree, an archive or a package that a person names; what the distribution has put
// into /usr/src; or its package, fetched from the machine's mirror.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

import { withFile } from '../files/errors.ts';
import { NicError, UsageError } from '../util/errors.ts';
import { PrivateApt, unpackDeb, type AptPackage } from './apt.ts';
import { runProgramToEnd } from './program.ts';

/** The first that offers legacy access in virtio_vfio_pci as an option of its own. */
export const OLDEST_LINUX = '6.13';
const PACKAGE = /^linux-source-(\d+(?:\.\d+)+)$/;
const INSTALLED = /^linux-source-(\d+(?:\.\d+)+)\.tar\.\w+$/;
const USR_SRC = '/usr/src';
const ID_DIGITS = 12;

export interface KernelSource {
  /** What tells it from other sources. */
  readonly id: string;
  /** Where it is from, for people. */
  readonly from: string;
  /** It is from the distribution, not named by a person. */
  readonly isDefault: boolean;
  /** A tree in which somebody works: whether there is anything to build is for make to say. */
  readonly isTree: boolean;
  /** Makes a tree of it, below `folder` where it is none yet; its path. */
  unpack(folder: string, signal: AbortSignal): Promise<string>;
}

/** A tree, an archive or a package. Throws UsageError. */
export function namedSource(path: string, isDefault = false): KernelSource {
  const { isFolder, id } = withFile(path, () => {
    const real = realpathSync(path);
    const stats = statSync(real);
    const state = stats.isDirectory() ? '' : ` ${stats.size} ${stats.mtimeMs}`;
    return { isFolder: stats.isDirectory(), id: shortHash(`${real}${state}`) };
  });
  if (isFolder) {
    if (!isTree(path))
      throw new UsageError(`--source ${path}: no source of a kernel; name the folder with its Kconfig`);
    return { id, from: path, isDefault, isTree: true, unpack: async () => realpathSync(path) };
  }
  if (!/\.(?:deb|tar(?:\.\w+)?|tgz)$/.test(path)) {
    throw new UsageError(`--source ${path}: no source of a kernel; name a folder, an archive (.tar.xz) or a .deb`);
  }
  const stem = basename(path).replace(/\.(?:deb|tar(?:\.\w+)?|tgz)$/, '');
  return {
    id: `${stem}-${id}`,
    from: path,
    isDefault,
    isTree: false,
    unpack: (folder, signal) => (path.endsWith('.deb') ? unpackPackage : unpackArchive)(path, folder, signal),
  };
}

/** The newest archive of the distribution in /usr/src that is new enough, null where there is none. */
export function installedSource(folder = USR_SRC): KernelSource | null {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const newest = newestOf(names.flatMap((name) => versionOf(name, INSTALLED) ?? []));
  return newest === null ? null : namedSource(join(folder, newest.name), true);
}

/** The newest package that the machine's mirror has. Throws NicError APT, KERNEL_SOURCE where none is new enough. */
export async function fetchedSource(cache: string, suite: string | null, signal: AbortSignal): Promise<KernelSource> {
  const apt = await PrivateApt.open(cache, suite, signal).catch((error: unknown) => {
    if (!(error instanceof NicError) || error.code !== 'APT') throw error;
    throw new NicError(
      'KERNEL_SOURCE',
      `${error.message}; get the source of Linux ${OLDEST_LINUX} or newer and name it with --source`,
    );
  });
  const packages = await apt.search('^linux-source-[0-9.]+$');
  const newest = newestOf(packages.flatMap((one) => versionOf(one.name, PACKAGE) ?? []));
  const found = packages.find(({ name }) => name === newest?.name);
  if (found === undefined) throw new NicError('KERNEL_SOURCE', noneIsNewEnough(apt, packages));
  return {
    id: found.version,
    from: `${found.name} ${found.version}`,
    isDefault: true,
    isTree: false,
    unpack: async (folder) => {
      const download = join(folder, 'download');
      const tree = await unpackPackage(await apt.download(found.name, download), folder, signal);
      rmSync(download, { recursive: true, force: true });
      return tree;
    },
  };
}

function noneIsNewEnough({ release, suites }: PrivateApt, packages: readonly AptPackage[]): string {
  const there = packages.map(({ name }) => name).join(', ') || 'none';
  return (
    `Linux ${OLDEST_LINUX} or newer is needed; ${release.name} (${suites.join(', ')}) has ${there}; take the package of a ` +
    `newer release with --suite, say --suite trixie-backports of Debian, or a source of your own with --source`
  );
}

interface Versioned {
  readonly name: string;
  readonly version: string;
}

function versionOf(name: string, pattern: RegExp): Versioned | null {
  const [, version] = pattern.exec(name) ?? [];
  return version === undefined ? null : { name, version };
}

function newestOf(all: readonly Versioned[]): Versioned | null {
  const enough = all.filter(({ version }) => compareVersions(version, OLDEST_LINUX) >= 0);
  return enough.toSorted((one, other) => compareVersions(other.version, one.version))[0] ?? null;
}

/** Order of versions whose parts are numbers: 6.13 is above 6.9. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function unpackPackage(path: string, folder: string, signal: AbortSignal): Promise<string> {
  const content = join(folder, 'package');
  await unpackDeb(path, content, signal);
  const sources = join(content, USR_SRC);
  const name = existsSync(sources) ? readdirSync(sources).find((one) => INSTALLED.test(one)) : undefined;
  if (name === undefined) throw new UsageError(`${path}: no linux-source-*.tar.* in it; name a package linux-source-*`);
  const tree = await unpackArchive(join(sources, name), folder, signal);
  rmSync(content, { recursive: true, force: true });
  return tree;
}

async function unpackArchive(path: string, folder: string, signal: AbortSignal): Promise<string> {
  const tree = join(folder, 'source');
  mkdirSync(tree, { recursive: true });
  await runProgramToEnd('KERNEL_SOURCE', 'tar', ['-C', tree, '--strip-components=1', '-xf', path], { signal });
  if (!isTree(tree)) throw new UsageError(`${path}: no source of a kernel is in it; name an archive of one`);
  return tree;
}

function isTree(path: string): boolean {
  return existsSync(join(path, 'Kconfig')) && existsSync(join(path, 'arch/um'));
}

/** Version as the top Makefile of a tree has it. */
export function treeVersion(tree: string): string {
  const makefile = readFileSync(join(tree, 'Makefile'), 'utf8');
  const value = (name: string): string => new RegExp(`^${name} *= *(.*)$`, 'm').exec(makefile)?.[1]?.trim() ?? '';
  return `${value('VERSION')}.${value('PATCHLEVEL')}.${value('SUBLEVEL')}${value('EXTRAVERSION')}`;
}

export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, ID_DIGITS);
}
