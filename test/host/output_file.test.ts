// SPDX-License-Identifier: Apache-2.0
// Files that commands write appear as a whole, and what the system refuses becomes one line and exit code 1.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi, type TestContext } from 'vitest';

import { runProgram } from '../../src/cli/program.ts';
import { OutputFile, writeFile } from '../../src/files/output_file.ts';
import { CliProgram } from '../support/cli_program.ts';
import { repoPath } from '../support/repo.ts';

const CAPTURE = repoPath('test/fixtures/ping_http.pcap');

describe('a file that is written', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'virtfn-output-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('appears when it is complete, with the folders above it', () => {
    const file = OutputFile.create(at('a/b/new'));
    file.write('one ');
    file.flush();

    expect(readdirSync(at('a/b'))).not.toContain('new');
    file.write(Buffer.from('two'));
    file.commit();
    file.close();
    expect(readFileSync(at('a/b/new'), 'utf8')).toBe('one two');
    expect(readdirSync(at('a/b'))).toEqual(['new']);
  });

  it('leaves the old one, and nothing else, where the content ends in an error', () => {
    writeFileSync(at('old'), 'before');
    const pieces = function* (): Generator<string> {
      yield 'half';
      throw new Error('of the content');
    };

    expect(() => writeFile(at('old'), pieces())).toThrow('of the content');
    expect(() => writeFile(at('new'), pieces())).toThrow('of the content');
    expect(readFileSync(at('old'), 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(['old']);
  });

  it('takes the place of what a link leads to, and keeps its mode', () => {
    mkdirSync(at('elsewhere'));
    writeFileSync(at('elsewhere/real'), 'before');
    chmodSync(at('elsewhere/real'), 0o640);
    symlinkSync('elsewhere/real', at('link'));

    writeFile(at('link'), ['after']);

    expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
    expect(lstatSync(at('elsewhere/real')).isFile()).toBe(true);
    expect(readFileSync(at('elsewhere/real'), 'utf8')).toBe('after');
    expect(statSync(at('elsewhere/real')).mode & 0o7777).toBe(0o640);
  });

  it('stays one file under all its names', () => {
    writeFileSync(at('one'), 'before, and longer');
    linkSync(at('one'), at('other'));

    writeFile(at('other'), ['after']);

    expect(readFileSync(at('one'), 'utf8')).toBe('after');
    expect(statSync(at('one')).ino).toBe(statSync(at('other')).ino);
    expect(readdirSync(folder).toSorted()).toEqual(['one', 'other']);
  });

  it('is made where a link leads to nothing yet', () => {
    symlinkSync('to/come', at('link'));

    writeFile(at('link'), ['text']);

    expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(at('to/come'), 'utf8')).toBe('text');
  });

  it('may have the longest name that there is', () => {
    for (const letter of ['x', 'ж']) {
      const name = letter.repeat(Math.floor(255 / Buffer.byteLength(letter)));

      writeFile(at(name), ['text']);

      expect(readFileSync(at(name), 'utf8')).toBe('text');
    }
  });

  it('takes the place of no device', () => {
    writeFile('/dev/null', ['text']);

    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('names the device that is full', () => {
    expect(() => writeFile('/dev/full', ['text'])).toThrow(
      '/dev/full: the file system is full; make room or choose another place',
    );
  });
});

describe('a file that cannot be replaced', () => {
  let folder: string;
  const isMounted = (() => {
    folder = mkdtempSync(join(tmpdir(), 'virtfn-mount-'));
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    writeFileSync(from, 'before, and longer');
    writeFileSync(to, '');
    return spawnSync('mount', ['--bind', from, to]).status === 0;
  })();
  afterAll(() => {
    if (isMounted) execFileSync('umount', [join(folder, 'to')]);
    rmSync(folder, { recursive: true, force: true });
  });

  it.skipIf(!isMounted)('is written as it lies: a mount point (skipped where mounting is not allowed)', () => {
    writeFile(join(folder, 'to'), ['after']);

    expect(readFileSync(join(folder, 'from'), 'utf8')).toBe('after');
    expect(readdirSync(folder).toSorted()).toEqual(['from', 'to']);
  });
});

describe('an output of a command', () => {
  let program: CliProgram;
  const at = (name: string): string => join(program.folder, name);
  /** Runs a shell line with the program as $V. */
  const shell = (line: string): { code: number | null; stdout: string; stderr: string } => {
    const V = `${process.execPath} ${program.file}`;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', line], {
      cwd: program.folder,
      encoding: 'utf8',
      env: { ...process.env, V },
    });
    return { code: status, stdout, stderr };
  };
  /** Does `work` with a file system of its own in small/. */
  const onSmallDisk = (context: TestContext, size: string, work: () => void): void => {
    mkdirSync(at('small'));
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at('small')]).status === 0;
    if (!mounted) context.skip('mounting is not allowed');
    try {
      work();
    } finally {
      execFileSync('umount', [at('small')]);
    }
  };
  const REPLAY = '$V replay in.pcap --via modern --mode functional';

  beforeAll(() => {
    program = new CliProgram(['koffi']);
  }, 60_000);
  afterAll(() => {
    program.remove();
  });
  beforeEach(() => {
    for (const name of readdirSync(program.folder)) rmSync(at(name), { recursive: true });
    copyFileSync(CAPTURE, at('in.pcap'));
    symlinkSync('in.pcap', at('link'));
    execFileSync('mkfifo', [at('fifo')]);
    writeFileSync(at('profile.json'), '{}');
    writeFileSync(at('plan.json'), '{}');
  });

  it.each<[command: string, options: string[]]>([
    ['replay @in.pcap --via modern --out @link', ['--out']],
    ['replay @in.pcap --via modern --out @o --json=@link', ['--json']],
    ['replay @in.pcap --via modern --out @o --json=@./o', ['--out', '--json']],
    ['replay @in.pcap --via modern --out - --json -', ['--out', '--json']],
    ['trace admin --vcd @o --perfetto @p --json=@./p', ['--perfetto', '--json']],
    ['trace admin --pcapng - --tlp -', ['--pcapng', '--tlp']],
    ['trace admin --profile @profile.json --vcd @./profile.json', ['--profile', '--vcd']],
    ['bench admin --quick --json @o --html @o', ['--json', '--html']],
    ['bench admin --quick --profile @profile.json --html @profile.json', ['--profile', '--html']],
    ['bench dma --samples 1 --json - --svg -', ['--json', '--svg']],
    ['bench pcie --profile @profile.json --json=@profile.json', ['--profile', '--json']],
    ['fuzz --seconds 1 --svg @o --coverage @./o', ['--svg', '--coverage']],
    ['fuzz --replay @in.pcap --vcd @link', ['--replay', '--vcd']],
    ['fuzz --seconds 1 --json --svg -', ['--json', '--svg']],
    ['provision apply @plan.json --card @./plan.json', ['--card']],
    ['serve --wire pcap:@in.pcap,@link', ['--wire']],
    ['serve --wire pcap:@o --socket vf1=@o', ['--wire', 'vf1']],
    ['serve --vfs 2 --socket vf1=@s --socket vf2=@./s', ['vf1', 'vf2']],
    ['serve --config @profile.json --wire pcap:@profile.json', ['--config', '--wire']],
    ['serve --wire peer:@vf1.sock --socket-dir @.', ['SOCKET of --wire', 'the socket of vf1']],
    ['serve --wire dgram:@vf1.sock,@b --socket-dir @.', ['LOCAL of --wire', 'the socket of vf1']],
    ['serve --wire dgram:@b,@vf1.sock --socket-dir @.', ['REMOTE of --wire', 'the socket of vf1']],
    ['serve --wire dgram:@a,@./a', ['LOCAL of --wire', 'REMOTE of --wire']],
    ['serve --wire pcap:@fifo,@./fifo', ['FILE of --wire', 'PLAY of --wire']],
    ['replay @fifo --via modern --out @fifo', ['--out']],
    ['serve --wire pcap:/dev/stdout', ['--wire', 'standard output']],
  ])('is no input and no other output: %s (@: a folder)', async (command, options) => {
    const before = readdirSync(program.folder).toSorted();
    const lines: unknown[] = [];
    const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(line) > 0);

    const code = await runProgram(command.replaceAll('@', `${program.folder}/`).split(' '));

    spy.mockRestore();
    const stderr = lines.join('');

    expect(code).toBe(2);
    for (const option of options) expect(stderr).toContain(option);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(readdirSync(program.folder).toSorted()).toEqual(before);
    expect(readFileSync(at('in.pcap'))).toEqual(readFileSync(CAPTURE));
    expect(readFileSync(at('profile.json'), 'utf8')).toBe('{}');
  });

  it('of virtfn start is not the capture that it replays', () => {
    const bundled = join(program.file, '../../../test/fixtures/ping_http.pcap');
    mkdirSync(at('out'));
    symlinkSync(bundled, at('out/replay_modern.pcap'));

    const { code, stderr } = program.run('start', '--quick');

    expect(code).toBe(2);
    expect(stderr).toContain('--out out/replay_modern.pcap is the file that is read as the bundled capture');
    expect(readFileSync(bundled)).toEqual(readFileSync(CAPTURE));
  });

  it('goes to a pipe, alone, where it is /dev/stdout', () => {
    const { code, stdout } = shell(
      `${REPLAY} --out whole.pcap >/dev/null && ${REPLAY} --out /dev/stdout | cmp - whole.pcap && echo same`,
    );

    expect(code).toBe(0);
    expect(stdout).toBe('same\n');
  });

  it('goes into the file that standard output goes to', () => {
    const { code, stdout } = shell(
      `${REPLAY} --out whole.pcap >/dev/null; ${REPLAY} --out o.pcap > o.pcap && cmp o.pcap whole.pcap && echo same`,
    );

    expect(code).toBe(0);
    expect(stdout).toBe('same\n');
  });

  it('ends quietly where the reader of standard output has gone', () => {
    const { stdout, stderr } = shell(`${REPLAY} --out /dev/stdout | head -c 4 | wc -c; echo \${PIPESTATUS[0]}`);

    expect(stdout).toBe('4\n0\n');
    expect(stderr).toBe('');
  });

  it('says that the reader of another pipe has gone', () => {
    // more than the 64 KiB that a pipe holds
    const { code, stderr } = shell(
      'mkfifo pipe; timeout 60 head -c 1 < pipe & $V trace traffic --tlp pipe; c=$?; wait; exit $c',
    );

    expect(stderr).toBe('virtfn: pipe: who reads it has gone; the output is not complete\n');
    expect(code).toBe(1);
  });

  it.each([
    ['replay in.pcap --via modern --out /dev/full', '/dev/full'],
    ['bench dma --samples 1 --svg /dev/full', '/dev/full'],
    ['lspci > /dev/full', 'standard output'],
    ['bench dma --samples 1 --json - > /dev/full', 'standard output'],
  ])('says that the disk is full: %s', (command, name) => {
    const { code, stderr } = shell(`$V ${command}`);

    expect(stderr).toBe(`virtfn: ${name}: the file system is full; make room or choose another place\n`);
    expect(code).toBe(1);
  });

  it('says that a file may not be larger, and leaves the old one', () => {
    writeFileSync(at('o.vcd'), 'before');

    const { code, stderr } = shell('ulimit -f 20; $V trace traffic --vcd o.vcd'); // 20 KiB

    expect(stderr).toBe(
      'virtfn: o.vcd: larger than files may be here; raise ulimit -f or choose another file system\n',
    );
    expect(code).toBe(1);
    expect(readFileSync(at('o.vcd'), 'utf8')).toBe('before');
    expect(readdirSync(program.folder).filter((name) => name.startsWith('o.vcd'))).toEqual(['o.vcd']);
  });

  it.each(['lspci --hex', 'regs vf1', '--help'])('says that standard output may not be larger: %s', (command) => {
    const { code, stdout, stderr } = shell(`ulimit -f 1; $V ${command} > o.txt; c=$?; wc -c < o.txt; exit $c`);

    expect(stderr).toBe(
      'virtfn: standard output: larger than files may be here; raise ulimit -f or choose another file system\n',
    );
    expect(code).toBe(1);
    expect(stdout.trim()).toBe('1024');
  });

  it('says that standard output is full where a part of it found room', (context) => {
    onSmallDisk(context, '8k', () => {
      const { code, stderr } = shell('$V lspci --hex > small/o.txt');

      expect(stderr).toBe('virtfn: standard output: the file system is full; make room or choose another place\n');
      expect(code).toBe(1);
      expect(statSync(at('small/o.txt')).size).toBe(8192);
    });
  });

  it('leaves the old one and nothing else on a file system of 64 KiB that fills up', (context) => {
    onSmallDisk(context, '64k', () => {
      writeFileSync(at('small/o.pcap'), 'before');

      const { code, stderr } = program.run('trace', 'traffic', '--tlp', 'small/o.pcap');

      expect(stderr).toBe('virtfn: small/o.pcap: the file system is full; make room or choose another place\n');
      expect(code).toBe(1);
      expect(readdirSync(at('small'))).toEqual(['o.pcap']);
      expect(readFileSync(at('small/o.pcap'), 'utf8')).toBe('before');
    });
  });
});
