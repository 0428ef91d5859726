// SPDX-License-Identifier: Apache-2.0
// A kernel of User Mode Linux with what the card needs, from the cache or built into it. An entry of the cache is a folder
// whose name says what it was made of; it appears as a whole.
//
//   kernels/ID-FLAVOUR-HASH/   linux, config, kernel.json     of a package or an archive
//   trees/ID-FLAVOUR-HASH/     the folder that make builds in, of a tree where somebody works
//   work/                      what is being built
//   build.log                  all that make said last
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

import { withFile } from '../files/errors.ts';
import { withLongLock } from '../files/lock.ts';
import { NicError } from '../util/errors.ts';
import { fragmentText, mergedOptions, readFragment, refusedOptions, type KernelOptions } from './fragment.ts';
import {
  compareVersions,
  fetchedSource,
  installedSource,
  namedSource,
  shortHash,
  treeVersion,
  type KernelSource,
} from './kernel_source.ts';
import { shippedText } from './places.ts';
import { runProgramToEnd } from './program.ts';
import { checkBuildTools } from './toolchain.ts';

export type Flavour = 'plain' | 'debug';

export interface KernelRequest {
  /** Folder of the cache. */
  readonly cache: string;
  readonly flavour: Flavour;
  /** A tree, an archive or a package; null: what the distribution has. */
  readonly source: string | null;
  /** Suite of the machine's mirror to take the package from; null: its release and the backports. */
  readonly suite: string | null;
  /** Paths of further fragments. */
  readonly fragments: readonly string[];
  /** Ask the mirror even where the cache has a kernel. */
  readonly update: boolean;
  /** Processes of make; null: one a processor. */
  readonly jobs: number | null;
  readonly signal: AbortSignal;
  /** Takes what begins now. */
  readonly onStage: (text: string) => void;
  /** Takes the number of steps that make has done. */
  readonly onSteps: (steps: number) => void;
}

/** What is known of a kernel in the cache. */
interface KernelFacts {
  readonly version: string;
  readonly flavour: Flavour;
  readonly source: string;
  readonly isDefault: boolean;
  readonly options: string;
}

export interface Kernel {
  /** Path of the program `linux`. */
  readonly path: string;
  /** Path of its configuration. */
  readonly config: string;
  /** Version of Linux. */
  readonly version: string;
  readonly flavour: Flavour;
  /** Package, archive or tree that it was made of. */
  readonly source: string;
  readonly wasCached: boolean;
}

const FACTS = 'kernel.json';
/** So that equal sources give equal programs, whose first line is the same on every machine. */
const BUILT_BY = {
  KBUILD_BUILD_USER: 'virtfn',
  KBUILD_BUILD_HOST: 'virtfn',
  KBUILD_BUILD_VERSION: '1',
  KBUILD_BUILD_TIMESTAMP: 'Thu Jan  1 00:00:00 UTC 1970',
};
/** What would lead make elsewhere. */
const FOREIGN = ['ARCH', 'SUBARCH', 'CROSS_COMPILE', 'KBUILD_OUTPUT', 'MAKEFLAGS', 'MAKELEVEL', 'KCONFIG_CONFIG'];

/** Options of a flavour, with those of a person's fragments. Throws UsageError. */
export function kernelOptions(flavour: Flavour, fragments: readonly string[]): KernelOptions {
  const shipped = ['uml.config', ...(flavour === 'debug' ? ['uml_debug.config'] : [])];
  return mergedOptions([
    ...shipped.map((name) => readFragment(shippedText(name), name)),
    ...fragments.map((path) =>
      readFragment(
        withFile(path, () => readFileSync(path, 'utf8')),
        path,
      ),
    ),
  ]);
}

/** Name of what is built of a source with these options. */
export function kernelKey(source: Pick<KernelSource, 'id'>, flavour: Flavour, options: KernelOptions): string {
  return `${source.id}-${flavour}-${shortHash(fragmentText(options))}`;
}

/** The newest kernel of the distribution that the cache has with these options, null where it has none. */
export function cachedKernel(cache: string, flavour: Flavour, options: KernelOptions): Kernel | null {
  const folder = join(cache, 'kernels');
  const hash = shortHash(fragmentText(options));
  const all = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(`-${flavour}-${hash}`)) : [];
  const known = all.flatMap((name) => {
    const facts = factsIn(join(folder, name));
    return facts?.isDefault ? [{ name, facts }] : [];
  });
  const [newest] = known.toSorted((one, other) => compareVersions(other.facts.version, one.facts.version));
  return newest === undefined ? null : kernelIn(join(folder, newest.name), newest.facts, true);
}

/** A kernel as it was asked for. Throws UsageError, NicError APT, KERNEL_SOURCE, TOOLS, KERNEL_BUILD. */
export async function provideKernel(request: KernelRequest): Promise<Kernel> {
  const { cache, flavour, source: path, suite, update, signal, onStage } = request;
  const options = kernelOptions(flavour, request.fragments);
  const found = path === null && !update ? cachedKernel(cache, flavour, options) : fromArchive(request, options);
  if (found !== null) return found;
  if (process.arch !== 'x64' || process.platform !== 'linux') {
    throw new NicError(
      'KERNEL_BUILD',
      `User Mode Linux runs on Linux on x86-64; this is ${process.platform} on ${process.arch}`,
    );
  }
  await checkBuildTools(signal);
  const onWait = (holder: { readonly pid: number } | null): void =>
    onStage(`waiting for ${holder === null ? 'another process' : `process ${holder.pid}`}, which builds a kernel`);
  return withLongLock(join(cache, 'build'), signal, onWait, async () => {
    const meanwhile = path === null && !update ? cachedKernel(cache, flavour, options) : fromArchive(request, options);
    if (meanwhile !== null) return meanwhile;
    const work = join(cache, 'work');
    rmSync(work, { recursive: true, force: true }); // of one that was killed
    mkdirSync(work, { recursive: true });
    try {
      const source = await sourceOf(path, suite, cache, request);
      const place = join(cache, source.isTree ? 'trees' : 'kernels', kernelKey(source, flavour, options));
      const known = source.isTree ? null : factsIn(place);
      return known === null ? await build(request, source, options, work, place) : kernelIn(place, known, true);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
}

/** What the cache has of an archive that a person named; null of anything else. */
function fromArchive({ cache, flavour, source: path }: KernelRequest, options: KernelOptions): Kernel | null {
  const source = path === null ? null : namedSource(path);
  if (source === null || source.isTree) return null;
  const place = join(cache, 'kernels', kernelKey(source, flavour, options));
  const facts = factsIn(place);
  return facts === null ? null : kernelIn(place, facts, true);
}

async function sourceOf(
  path: string | null,
  suite: string | null,
  cache: string,
  { signal, onStage }: KernelRequest,
): Promise<KernelSource> {
  if (path !== null) return namedSource(path);
  const installed = suite === null ? installedSource() : null;
  if (installed !== null) return installed;
  onStage('looking for the source of a kernel among the packages of the distribution');
  return fetchedSource(cache, suite, signal);
}

async function build(
  request: KernelRequest,
  source: KernelSource,
  options: KernelOptions,
  work: string,
  place: string,
): Promise<Kernel> {
  const { cache, flavour, jobs, signal, onStage, onSteps } = request;
  onStage(source.isTree ? `taking ${source.from}` : `unpacking ${source.from}`);
  const tree = await source.unpack(work, signal);
  const version = treeVersion(tree);
  const output = source.isTree ? place : join(work, 'output');
  mkdirSync(output, { recursive: true });
  const log = join(cache, 'build.log');
  writeFileSync(log, '');
  let steps = 0;
  const make = async (...args: string[]): Promise<void> => {
    const onLine = (line: string): void => {
      appendFileSync(log, `${line}\n`);
      onSteps(++steps);
    };
    const env = { ...without(process.env, FOREIGN), ...BUILT_BY, LC_ALL: 'C' };
    try {
      await runProgramToEnd('KERNEL_BUILD', 'make', ['-C', tree, 'ARCH=um', `O=${output}`, ...args], {
        env,
        onLine,
        signal,
      });
    } catch (error) {
      if (!(error instanceof NicError) || error.code !== 'KERNEL_BUILD') throw error;
      throw new NicError(
        'KERNEL_BUILD',
        `Linux ${version}: ${failureIn(log) ?? error.message}; all of it is in ${log}`,
      );
    }
  };
  onStage(`building Linux ${version}, ${flavour}`);
  const config = join(output, '.config');
  await make('x86_64_defconfig');
  appendFileSync(config, fragmentText(options));
  await make('olddefconfig');
  const refused = refusedOptions(options, readFragment(readFileSync(config, 'utf8'), config));
  if (refused.length > 0) {
    const texts = refused.map(({ name, wanted, got }) => `${name}=${wanted} became ${got}`);
    throw new NicError(
      'KERNEL_BUILD',
      `Linux ${version} refuses ${texts.join(', ')}; take another version, or change the fragment`,
    );
  }
  await make(`-j${jobs ?? availableParallelism()}`, 'linux');
  const facts: KernelFacts = {
    version,
    flavour,
    source: source.from,
    isDefault: source.isDefault,
    options: fragmentText(options),
  };
  if (!source.isTree) keep(output, facts, join(work, 'entry'), place);
  return kernelIn(place, facts, false);
}

/** Puts what was built into the cache, in one step. */
function keep(output: string, facts: KernelFacts, entry: string, place: string): void {
  mkdirSync(entry, { recursive: true });
  cpSync(join(output, 'linux'), join(entry, 'linux'));
  cpSync(join(output, '.config'), join(entry, 'config'));
  writeFileSync(join(entry, FACTS), `${JSON.stringify(facts, null, 2)}\n`);
  mkdirSync(dirname(place), { recursive: true });
  rmSync(place, { recursive: true, force: true });
  renameSync(entry, place);
}

function kernelIn(place: string, { version, flavour, source }: KernelFacts, wasCached: boolean): Kernel {
  const config = ['config', '.config'].map((name) => join(place, name)).find((path) => existsSync(path))!;
  return { path: join(place, 'linux'), config, version, flavour, source, wasCached };
}

function factsIn(place: string): KernelFacts | null {
  try {
    return existsSync(join(place, 'linux'))
      ? (JSON.parse(readFileSync(join(place, FACTS), 'utf8')) as KernelFacts)
      : null;
  } catch {
    return null; // what is no entry is built anew
  }
}

/** The line where a build went wrong: with several processes it is not the last. */
function failureIn(log: string): string | null {
  const lines = readFileSync(log, 'utf8').split('\n');
  return lines.find((line) => /(?:^|\W)(?:fatal )?error:|\*\*\* /i.test(line))?.trim() ?? null;
}

function without(env: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));
}
