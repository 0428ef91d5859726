// SPDX-License-Identifier: Apache-2.0
// Packages of the distribution for an ordinary user: apt with lists and files of its own in the cache, from the mirror that
// the machine itself uses, with the keys that it trusts. Nothing of the machine is changed.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { NicError } from '../util/errors.ts';
import { findProgram, runProgramToEnd } from './program.ts';

/** A mirror as the machine's list of sources names it. */
export interface Mirror {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path of the keys, null where it is any that apt trusts. */
  readonly signedBy: string | null;
}

/** The machine's release, from os-release. */
export interface Release {
  /** As people call it: "Debian GNU/Linux 13 (trixie)". */
  readonly name: string;
  /** As suites are called: trixie. */
  readonly codename: string;
}

const SOURCES = '/etc/apt/sources.list';
const SOURCES_FOLDER = '/etc/apt/sources.list.d';

/** Sources of both forms that apt reads: one line each, and paragraphs of fields. */
export function readSources(text: string): Mirror[] {
  return /^URIs:/m.test(text) ? readParagraphs(text) : text.split('\n').flatMap(readLine);
}

function readLine(line: string): Mirror[] {
  const [, options = '', uri, suite, components] =
    /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line) ?? [];
  if (uri === undefined || suite === undefined || components === undefined) return [];
  const [, signedBy = null] = /signed-by=(\S+)/.exec(options) ?? [];
  return [{ uri, suite, components: components.trim().split(/\s+/), signedBy }];
}

function readParagraphs(text: string): Mirror[] {
  const paragraphs = text.replaceAll(/^#.*\n/gm, '').split(/\n\s*\n/);
  return paragraphs.flatMap((paragraph) => {
    const field = (name: string): string[] =>
      new RegExp(`^${name}:(.*(?:\n[ \t].*)*)`, 'mi').exec(paragraph)?.[1]?.trim().split(/\s+/) ?? [];
    if (!field('Types').includes('deb') || field('Enabled')[0] === 'no') return [];
    const [key] = field('Signed-By');
    const signedBy = key?.startsWith('/') ? key : null;
    return field('URIs').flatMap((uri) =>
      field('Suites').map((suite) => ({ uri, suite, components: field('Components'), signedBy })),
    );
  });
}

/** Reads os-release; null on what is no release of a distribution. */
export function readRelease(text: string): Release | null {
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]?.replaceAll('"', '');
  const codename = value('VERSION_CODENAME');
  return codename === undefined ? null : { name: value('PRETTY_NAME') ?? codename, codename };
}

/** A package that could be had. */
export interface AptPackage {
  readonly name: string;
  readonly version: string;
}

export class PrivateApt {
  readonly release: Release;
  /** Suites that it looks into. */
  readonly suites: readonly string[];
  private readonly folder: string;
  private readonly signal: AbortSignal;

  private constructor(release: Release, suites: readonly string[], folder: string, signal: AbortSignal) {
    this.release = release;
    this.suites = suites;
    this.folder = folder;
    this.signal = signal;
  }

  /**
   * Fetches the lists of the machine's release and its backports, or of `suite`. Throws NicError APT on a machine without
   * apt, or where the mirror does not answer.
   */
  static async open(cache: string, suite: string | null, signal: AbortSignal): Promise<PrivateApt> {
    const release = existsSync('/etc/os-release') ? readRelease(readFileSync('/etc/os-release', 'utf8')) : null;
    const mirrors = machineSources();
    const mirror = mirrors.find((one) => one.suite === release?.codename && one.components.includes('main'));
    if (release === null || mirror === undefined || findProgram('apt-get') === null) {
      throw new NicError('APT', 'this machine has no apt with a mirror of its release');
    }
    const suites = suite === null ? [release.codename, `${release.codename}-backports`] : [suite];
    const folder = join(cache, 'apt');
    for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, part), { recursive: true });
    const key = mirror.signedBy === null ? '' : `[signed-by=${mirror.signedBy}] `;
    const lines = suites.map((one) => `deb ${key}${mirror.uri} ${one} ${mirror.components.join(' ')}\n`);
    writeFileSync(join(folder, 'sources.list'), lines.join(''));
    writeFileSync(join(folder, 'apt.conf'), configuration(folder));
    const apt = new PrivateApt(release, suites, folder, signal);
    await apt.run('apt-get', ['-q', 'update']);
    return apt;
  }

  /** Packages whose names match, with the versions that would be fetched. */
  async search(pattern: string): Promise<AptPackage[]> {
    const found = await this.run('apt-cache', ['search', '--names-only', pattern]);
    const names = found.split('\n').flatMap((line) => line.split(' - ')[0]!.trim() || []);
    const packages: AptPackage[] = [];
    for (const name of names) {
      const policy = await this.run('apt-cache', ['policy', name]);
      const [, version = '(none)'] = /Candidate: (\S+)/.exec(policy) ?? [];
      if (version !== '(none)') packages.push({ name, version });
    }
    return packages;
  }

  /** Fetches a package, checked with the keys of the machine; the path of its file. */
  async download(name: string, folder: string): Promise<string> {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await this.run('apt-get', ['-q', 'download', name], folder);
    const file = readdirSync(folder).find((one) => one.endsWith('.deb'));
    if (file === undefined) throw new NicError('APT', `apt-get download ${name}: it left no package in ${folder}`);
    return join(folder, file);
  }

  private run(program: string, args: readonly string[], cwd = this.folder): Promise<string> {
    const withConfiguration = ['-c', join(this.folder, 'apt.conf'), ...args];
    return runProgramToEnd('APT', program, withConfiguration, { cwd, signal: this.signal, env: plainLocale() });
  }
}

/** Unpacks a package into a folder. */
export async function unpackDeb(file: string, folder: string, signal: AbortSignal): Promise<void> {
  await runProgramToEnd('APT', 'dpkg-deb', ['-x', file, folder], { signal });
}

function plainLocale(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' };
}

function machineSources(): Mirror[] {
  const files = existsSync(SOURCES_FOLDER) ? readdirSync(SOURCES_FOLDER).toSorted() : [];
  const paths = [
    SOURCES,
    ...files.filter((file) => /\.(?:list|sources)$/.test(file)).map((file) => join(SOURCES_FOLDER, file)),
  ];
  return paths.filter((path) => existsSync(path)).flatMap((path) => readSources(readFileSync(path, 'utf8')));
}

/** What makes apt keep to its own folder; it is read after the machine's configuration, whose proxies stay. */
function configuration(folder: string): string {
  return [
    `Dir::Etc::SourceList "${folder}/sources.list";`,
    'Dir::Etc::SourceParts "/dev/null";',
    'Dir::Etc::PreferencesParts "/dev/null";',
    `Dir::State::Lists "${folder}/lists";`,
    `Dir::Cache "${folder}/cache";`,
    'Acquire::Languages "none";',
    'APT::Sandbox::User "";', // where root calls, its folders stay closed to the user that apt would become
    // what the machine does after its own updates would reach its own folders
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '',
  ].join('\n');
}
