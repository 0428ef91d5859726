// SPDX-License-Identifier: Apache-2.0
// `virtfn uml kernel` as a process, with a tree and a make that stand for the kernel's: what is called and in which order, what
// the cache keeps, and how each failure is said. That a real kernel comes out is shown by test/uml/*.uml.ts.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { ServeProcess } from '../support/serve_process.ts';

interface KernelReport {
  readonly schema: string;
  readonly path: string;
  readonly config: string;
  readonly version: string;
  readonly flavour: string;
  readonly source: string;
  readonly result: string;
  readonly seconds: number;
}

/** Writes its arguments into $CALLS, and what the targets make into O=; FAKE_DROP names an option that it drops. */
const MAKE = `#!/bin/sh
for word; do case $word in O=*) out=\${word#O=} ;; esac; done
echo "$*" >>"$CALLS"
case " $* " in
*" x86_64_defconfig "*) echo CONFIG_64BIT=y >"$out/.config" ;;
*" olddefconfig "*) [ -z "$FAKE_DROP" ] || sed -i "/$FAKE_DROP=/d" "$out/.config" ;;
*" linux "*)
  while [ -n "$FAKE_WAIT" ] && [ ! -e "$FAKE_WAIT" ]; do sleep 0.1; done
  if [ -n "$FAKE_ERROR" ]; then echo "a.c:1: error: $FAKE_ERROR"; echo '  CC b.o'; exit 2; fi
  echo '  LINK linux'
  echo "built by $KBUILD_BUILD_USER, ARCH=$ARCH" >"$out/linux" ;;
esac
`;
const GCC = '#!/bin/sh\necho /usr/lib/libc.a\n';
const ONLY_NAMED = '#!/bin/sh\nexit 0\n';

let program: CliProgram;
let cache: string;
let calls: string;

beforeAll(() => {
  program = new CliProgram();
  cache = join(program.folder, 'cache');
  calls = join(program.folder, 'calls');
  write('bin/make', MAKE);
  write('bin/gcc', GCC);
  for (const name of ['ld', 'flex', 'bison', 'bc', 'perl', 'xz']) write(`bin/${name}`, ONLY_NAMED);
  write('linux/Kconfig', '');
  write('linux/arch/um/Kconfig', '');
  write('linux/Makefile', 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION = -rc1\n');
  spawnSync('tar', ['-C', program.folder, '-czf', join(program.folder, 'linux-7.3.tar.gz'), 'linux']);
});
beforeEach(() => {
  rmSync(cache, { recursive: true, force: true });
  writeFileSync(calls, '');
});
afterAll(() => program.remove());

function write(name: string, text: string): void {
  const path = join(program.folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  if (name.startsWith('bin/')) chmodSync(path, 0o755);
}

function environment(): NodeJS.ProcessEnv {
  return { PATH: `${join(program.folder, 'bin')}:${process.env['PATH']}`, CALLS: calls, ARCH: 'arm64' };
}

async function until(isSo: () => boolean): Promise<void> {
  const late = Date.now() + PATIENCE_MS;
  while (!isSo() && Date.now() < late) await new Promise((resolve) => setTimeout(resolve, 20));
}

function kernel(env: NodeJS.ProcessEnv, ...args: string[]): ReturnType<CliProgram['run']> {
  return program.runWith({ ...environment(), ...env }, 'uml', 'kernel', '--cache', cache, ...args);
}

function reportOf(...args: string[]): KernelReport {
  const { code, stdout, stderr } = kernel({}, ...args, '--json');
  expect({ code, stderr: stderr.replaceAll(/^virtfn: (?:taking|unpacking|building) .*\n/gm, '') }).toEqual({
    code: 0,
    stderr: '',
  });
  return JSON.parse(stdout) as KernelReport;
}

const called = (): string[] => readFileSync(calls, 'utf8').trim().split('\n');

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('virtfn uml kernel', () => {
  it('configures and builds an archive, outside of it and for ARCH=um, and keeps program and configuration', () => {
    const report = reportOf('--source', 'linux-7.3.tar.gz', '--jobs', '3');

    expect(report).toMatchObject({
      schema: 'virtfn.uml-kernel/1',
      version: '7.3.4-rc1',
      flavour: 'plain',
      result: 'built',
    });
    expect(called().map((line) => line.split(' ').slice(2).join(' '))).toEqual([
      expect.stringMatching(/^ARCH=um O=\S+ x86_64_defconfig$/),
      expect.stringMatching(/^ARCH=um O=\S+ olddefconfig$/),
      expect.stringMatching(/^ARCH=um O=\S+ -j3 linux$/),
    ]);
    expect(readFileSync(report.path, 'utf8')).toBe('built by virtfn, ARCH=\n');
    expect(readFileSync(report.config, 'utf8').split('\n')).toEqual(
      expect.arrayContaining(['CONFIG_64BIT=y', 'CONFIG_PCI_IOV=y']),
    );
    expect(readdirSync(cache).toSorted()).toEqual(['build.log', 'kernels']);
  });

  it('finds it again without make, and builds the other flavour and other options beside it', () => {
    write('mine.config', 'CONFIG_MINE=y\n');
    const source = ['--source', 'linux-7.3.tar.gz'];
    const first = reportOf(...source);
    const again = reportOf(...source);
    expect({ ...again, seconds: 0 }).toEqual({ ...first, result: 'cached', seconds: 0 });
    expect(called()).toHaveLength(3);

    const others = [reportOf(...source, '--debug'), reportOf(...source, '--config', 'mine.config')];
    expect(others.map(({ result, flavour }) => [result, flavour])).toEqual([
      ['built', 'debug'],
      ['built', 'plain'],
    ]);
    expect(new Set([first, ...others].map(({ path }) => path)).size).toBe(3);
  });

  it('asks make each time about a tree that somebody works in, and leaves the tree as it is', () => {
    const before = readdirSync(join(program.folder, 'linux'));
    const paths = [reportOf('--source', 'linux'), reportOf('--source', 'linux')].map(({ path, result }) => [
      path,
      result,
    ]);

    expect(paths[0]).toEqual(paths[1]);
    expect(paths[0]![1]).toBe('built');
    expect(called()).toHaveLength(6);
    expect(readdirSync(join(program.folder, 'linux'))).toEqual(before);
  });

  it('waits for another that builds, and takes what that has built', async () => {
    const go = join(program.folder, 'go');
    const start = (): ServeProcess => {
      const args = ['uml', 'kernel', '--cache', cache, '--source', 'linux-7.3.tar.gz', '--json'];
      return new ServeProcess(program.startWith({ ...environment(), FAKE_WAIT: go }, ...args));
    };
    const two = [start(), start()];
    const waiting = `waiting for process (?:${two.map(({ pid }) => pid).join('|')}), which builds a kernel`;
    await until(() => two.some(({ stderr }) => new RegExp(waiting).test(stderr)));
    writeFileSync(go, '');
    const ends = await Promise.all(two.map(({ ended }) => ended));

    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    const results = two.map(({ stdout }) => (JSON.parse(stdout) as KernelReport).result);
    expect(results.toSorted()).toEqual(['built', 'cached']);
    expect(called()).toHaveLength(3);
    expect(readdirSync(cache).toSorted()).toEqual(['build.log', 'kernels']);
  });

  it('names the options that the kernel refuses', () => {
    const { code, stderr } = kernel({ FAKE_DROP: 'CONFIG_PCI_IOV' }, '--source', 'linux-7.3.tar.gz');

    expect(code).toBe(1);
    expect(stderr).toContain('Linux 7.3.4-rc1 refuses CONFIG_PCI_IOV=y became n; take another version');
    expect(existsSync(join(cache, 'kernels'))).toBe(false);
  });

  it('shows the line where make failed, and keeps the rest in a file', () => {
    const { code, stderr } = kernel({ FAKE_ERROR: 'no such thing' }, '--source', 'linux-7.3.tar.gz');

    expect(code).toBe(1);
    expect(stderr).toContain(
      `Linux 7.3.4-rc1: a.c:1: error: no such thing; all of it is in ${join(cache, 'build.log')}`,
    );
    expect(readdirSync(cache).toSorted()).toEqual(['build.log']);
  });

  it('names all build tools that are missing, with their packages', () => {
    write('few/gcc', GCC);
    chmodSync(join(program.folder, 'few/gcc'), 0o755);
    const { code, stderr } = kernel({ PATH: join(program.folder, 'few') }, '--source', 'linux-7.3.tar.gz');

    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^virtfn: a kernel needs make, .*flex, bison, .*which this machine has not; apt-get install make .*flex bison/,
    );
  });

  it('refuses what is no source of a kernel with exit code 2', () => {
    mkdirSync(join(program.folder, 'empty'), { recursive: true });
    const refusals = ['nowhere', 'empty', 'bin/gcc'].map((source) => kernel({}, '--source', source));

    expect(refusals.map(({ code }) => code)).toEqual([2, 2, 2]);
    expect(refusals[0]!.stderr).toContain('nowhere: no such file or folder');
    expect(refusals[1]!.stderr).toContain('--source empty: no source of a kernel; name the folder with its Kconfig');
    expect(refusals[2]!.stderr).toContain(
      '--source bin/gcc: no source of a kernel; name a folder, an archive (.tar.xz) or a .deb',
    );
  });
});
