// SPDX-License-Identifier: Apache-2.0
// The programs of the guest: a busybox that needs no libraries, the machine's or the distribution's, and `vfio`, compiled here
// once from the source that comes with virtfn.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { NicError } from '../util/errors.ts';
import { PrivateApt, unpackDeb } from './apt.ts';
import { shortHash } from './kernel_source.ts';
import { shippedPath, shippedText } from './places.ts';
import { findProgram, runProgramToEnd } from './program.ts';

export interface GuestPrograms {
  readonly busybox: string;
  readonly vfio: string;
}

const SOURCES = ['vfio.c', 'vfio_legacy.c'];
const HEADERS = ['vfio.h'];
const COMPILE = ['-std=gnu11', '-O2', '-static'];
const PT_INTERP = 3;

/** Paths of both, made where the cache does not have them. Throws NicError TOOLS, APT. */
export async function provideGuestPrograms(
  cache: string,
  signal: AbortSignal,
  onStage: (text: string) => void,
): Promise<GuestPrograms> {
  const folder = join(cache, 'guest');
  mkdirSync(folder, { recursive: true });
  return { busybox: await busybox(cache, folder, signal, onStage), vfio: await vfio(folder, signal) };
}

async function busybox(
  cache: string,
  folder: string,
  signal: AbortSignal,
  onStage: (text: string) => void,
): Promise<string> {
  const own = findProgram('busybox');
  if (own !== null && isStatic(readFileSync(own))) return own;
  const kept = join(folder, 'busybox');
  if (existsSync(kept)) return kept;
  onStage('fetching busybox-static, a package of the distribution');
  await inWorkFolder(folder, async (work) => {
    const apt = await PrivateApt.open(cache, null, signal).catch((error: unknown) => {
      if (!(error instanceof NicError) || error.code !== 'APT') throw error;
      throw new NicError('TOOLS', `${error.message}; install a busybox that is linked statically (busybox-static)`);
    });
    await unpackDeb(await apt.download('busybox-static', join(work, 'download')), work, signal);
    const found = ['usr/bin/busybox', 'bin/busybox'].map((path) => join(work, path)).find((path) => existsSync(path));
    if (found === undefined) throw new NicError('TOOLS', 'the package busybox-static has no busybox; install one');
    copyFileSync(found, join(work, 'busybox'));
    renameSync(join(work, 'busybox'), kept);
  });
  return kept;
}

async function vfio(folder: string, signal: AbortSignal): Promise<string> {
  const place = join(folder, `vfio-${shortHash([...SOURCES, ...HEADERS].map(shippedText).join(''))}`);
  if (existsSync(place)) return place;
  const compiler = ['cc', 'gcc', 'clang'].find((name) => findProgram(name) !== null);
  if (compiler === undefined) throw new NicError('TOOLS', 'no C compiler is there; apt-get install gcc libc6-dev');
  await inWorkFolder(folder, async (work) => {
    const output = join(work, 'vfio');
    try {
      await runProgramToEnd('TOOLS', compiler, [...COMPILE, '-o', output, ...SOURCES.map(shippedPath)], { signal });
    } catch (error) {
      if (!(error instanceof NicError) || error.code !== 'TOOLS') throw error;
      throw new NicError('TOOLS', `${error.message}; the static C library and the kernel's headers are in libc6-dev`);
    }
    renameSync(output, place);
  });
  return place;
}

async function inWorkFolder(folder: string, work: (path: string) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(folder, 'work-'));
  try {
    await work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Is it an ELF program of 64 bits that asks for no loader? */
export function isStatic(program: Uint8Array): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  if (program.length < 64 || view.getUint32(0) !== 0x7f454c46 || program[4] !== 2) return false;
  const table = Number(view.getBigUint64(32, true));
  const entryBytes = view.getUint16(54, true);
  return Array.from({ length: view.getUint16(56, true) }, (_, i) => table + i * entryBytes)
    .filter((at) => at + 4 <= program.length)
    .every((at) => view.getUint32(at, true) !== PT_INTERP);
}
