// SPDX-License-Identifier: Apache-2.0
// The programs that a kernel is built with: all that are missing are named at once, with the Debian packages they are in.
import { NicError } from '../util/errors.ts';
import { findProgram, runProgramToEnd } from './program.ts';

/** Programs with the packages of Debian and Ubuntu that they come in. */
const BUILD_PROGRAMS: Readonly<Record<string, string>> = {
  make: 'make',
  gcc: 'gcc',
  ld: 'binutils',
  flex: 'flex',
  bison: 'bison',
  bc: 'bc',
  perl: 'perl',
  tar: 'tar',
  xz: 'xz-utils',
};
const STATIC_LIBRARY = { name: 'the static C library', package: 'libc6-dev' };

/** Throws NicError TOOLS where a kernel cannot be built here. */
export async function checkBuildTools(signal: AbortSignal, path?: string): Promise<void> {
  const missing = Object.entries(BUILD_PROGRAMS)
    .filter(([program]) => findProgram(program, path) === null)
    .map(([name, inPackage]) => ({ name, package: inPackage }));
  if (missing.length === 0 && !(await linksStatically(signal))) missing.push(STATIC_LIBRARY);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(', ');
  const packages = [...new Set(missing.map((one) => one.package))].join(' ');
  throw new NicError('TOOLS', `a kernel needs ${names}, which this machine has not; apt-get install ${packages}`);
}

async function linksStatically(signal: AbortSignal): Promise<boolean> {
  try {
    const path = await runProgramToEnd('TOOLS', 'gcc', ['-print-file-name=libc.a'], { signal });
    return path.trim().startsWith('/'); // the name alone where there is none
  } catch (error) {
    if (error instanceof NicError) return false;
    throw error;
  }
}
