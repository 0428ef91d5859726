// SPDX-License-Identifier: Apache-2.0
// The program as a process: help, version, exit codes, and one line for every mistake of a person.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeProgram } from '../../src/cli/program.ts';
import { openCapture } from '../../src/wire/capture.ts';
import { enhancedPacket, interfaceDescription, sectionHeader } from '../../src/trace/pcapng.ts';
import { pcapPieces, type PcapFrame } from '../../src/wire/pcap.ts';
import { CliProgram } from '../support/cli_program.ts';
import { Blocks } from '../support/pcapng_blocks.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

const VERBS = makeProgram().commands.map((verb) => verb.name());
const PING_HTTP = repoPath('test/fixtures/ping_http.pcap');

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

describe('virtfn', () => {
  it('lists its verbs with one line each, examples and exit codes', () => {
    const { code, stdout, stderr } = program.run('--help');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^ {2}${verb} +\\S.{10,60}$`, 'm'));
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain('Exit codes:');
  });

  it.each(VERBS)('explains %s with an example', (verb) => {
    const { code, stdout } = program.run(verb, '--help');

    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: virtfn ${verb}`);
    expect(stdout).toMatch(new RegExp(`Examples?:\\n {2}virtfn ${verb}`));
  });

  it('prints the version of the package', () => {
    const { version } = JSON.parse(readRepoFile('package.json')) as { version: string };

    expect(program.run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('prints its help and fails where no verb is given', () => {
    const { code, stdout, stderr } = program.run();

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: virtfn');
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, [program.file, 'lspci', '--hex', '--vfs', '200']);
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.stdout.once('data', () => child.stdout.destroy());

    const code = await new Promise((resolve) => child.once('close', resolve));

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('a mistake', () => {
  it.each<[what: string, args: string[], message: RegExp]>([
    ['an unknown verb', ['strat'], /^virtfn: unknown command 'strat' \(Did you mean start\?\); see virtfn --help$/],
    ['an unknown option', ['--fast'], /^virtfn: unknown option '--fast'; see virtfn --help$/],
    ['an unknown option of a verb', ['regs', 'pf', '--fast'], /'--fast'; see virtfn regs --help$/],
    ['no capture', ['replay', '--via', 'modern', '--out', 'o'], /'in\.pcap'; see virtfn replay --help$/],
    ['no driver', ['replay', PING_HTTP, '--out', 'o'], /'--via <driver>' not specified/],
    ['no output', ['replay', PING_HTTP, '--via', 'modern'], /'--out <file>' not specified/],
    ['another driver', ['replay', PING_HTTP, '--via', 'old', '--out', 'o'], /'old' is invalid.*legacy, modern/],
    [
      'a capture that is not there',
      ['replay', 'no.pcap', '--via', 'modern', '--out', 'o'],
      /^virtfn: no\.pcap: no such/,
    ],
    ['a folder as capture', ['replay', '.', '--via', 'modern', '--out', 'o'], /^virtfn: \.: this is a folder/],
    [
      'a place below a file',
      ['replay', PING_HTTP, '--via', 'modern', '--out', `${PING_HTTP}/o`],
      /ping_http\.pcap\/o: /,
    ],
    [
      'the capture as output',
      ['replay', PING_HTTP, '--via', 'modern', '--out', PING_HTTP],
      /choose another place for --out$/,
    ],
    ['an MTU that is none', ['replay', PING_HTTP, '--via', 'modern', '--out', 'o', '--mtu', '67'], /'67'.*68 to 9000/],
    [
      'an MTU with letters',
      ['replay', PING_HTTP, '--via', 'modern', '--out', 'o', '--mtu', '1e3'],
      /'1e3'.*68 to 9000/,
    ],
    ['a large MTU of legacy', ['replay', PING_HTTP, '--via', 'legacy', '--out', 'o', '--mtu', '9000'], /9000.*modern/],
    ['too many VFs', ['lspci', '--vfs', '1025'], /'1025' is invalid.*1 to 1024/],
    ['no VF', ['lspci', '--vfs', '0'], /'0' is invalid.*1 to 1024/],
    [
      'VFs beyond the last bus',
      ['lspci', '--vfs', '1024', '--stride', '100'],
      /^virtfn: --stride 100: .*beyond bus 255; 63 would do$/,
    ],
    [
      'a first VF beyond the last bus',
      // 0xffff - 0x0100 - 1023
      ['lspci', '--vfs', '1024', '--offset', '65535'],
      /^virtfn: --offset 65535: .*beyond bus 255; 64256 would do$/,
    ],
    ['a profile that is none', ['profiles', 'nosuch'], /^virtfn: nosuch: no such profile; there are /],
    [
      'an option of that',
      ['bench', 'dma', '--profile', 'nosuch'],
      /^virtfn: --profile nosuch: no such profile; there are /,
    ],
    ['hex and JSON', ['lspci', '--hex', '--json'], /'--hex' cannot be used with option '--json \[file\]'/],
    ['no function', ['regs'], /missing required argument 'function'/],
    ['a function that is none', ['regs', 'vf0'], /^virtfn: vf0: .*pf, or vf1 to vf8$/],
    ['a VF that the card lacks', ['regs', 'vf9'], /^virtfn: vf9: the card has vf1 to vf8; --vfs 9/],
    [
      'a block that is none',
      ['regs', 'pf', '--block', 'uart'],
      /--block uart: pf has no such block; it has pci_header, /,
    ],
    ['a legacy driver on the PF', ['regs', 'pf', '--driver', 'legacy'], /--driver legacy: the PF has no legacy/],
    ['one argument too many', ['lspci', 'pf'], /too many arguments for 'lspci'/],
  ])('(%s) is one line that says what to do, and exit code 2', (_what, args, message) => {
    const { code, stdout, stderr } = program.run(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});

describe('virtfn replay', () => {
  const replay = (...args: string[]): ReturnType<CliProgram['run']> => program.run('replay', ...args);
  const framesOf = (file: string): PcapFrame[] => [
    ...openCapture(new Uint8Array(readFileSync(join(program.folder, file))), file).frames(),
  ];
  const bytesOf = (frames: PcapFrame[]): string[] => frames.map(({ bytes }) => Buffer.from(bytes).toString('hex'));
  const original = [...openCapture(new Uint8Array(readFileSync(PING_HTTP)), 'ping_http.pcap').frames()];

  it.each(['legacy', 'modern'])('writes what the %s driver received, and says so', (via) => {
    const { code, stdout, stderr } = replay(PING_HTTP, '--via', via, '--out', `new/folder/${via}.pcap`);

    const received = framesOf(`new/folder/${via}.pcap`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(bytesOf(received)).toEqual(bytesOf(original));
    expect(received[0]!.seconds).toBe(original[0]!.seconds);
    expect(stdout).toContain('49 frames, 29,237 bytes; all as sent, in order');
    expect(stdout).toMatch(/dropped +none/);
  });

  it('prints the report as JSON in place of the text', () => {
    const { code, stdout } = replay(PING_HTTP, '--via', 'modern', '--to', 'wire', '--out', 'wire.pcap', '--json');

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'virtfn.replay/1',
      file: PING_HTTP,
      out: 'wire.pcap',
      via: 'modern',
      to: 'wire',
      mode: 'timed',
      received: { frames: 49, bytes: 29_237 },
      drops: {},
      isComplete: true,
    });
  });

  it('writes the report into a file beside the text', () => {
    const { stdout } = replay(PING_HTTP, '--via', 'legacy', '--out', 'a.pcap', '--json', 'a.json');

    expect(stdout).toContain('simulated time');
    expect(JSON.parse(readFileSync(join(program.folder, 'a.json'), 'utf8'))).toMatchObject({
      schema: 'virtfn.replay/1',
    });
  });

  it('exits with 1 where frames had to be left out, and says why', () => {
    const frame = (length: number): PcapFrame => ({ seconds: 1, nanoseconds: 0, bytes: new Uint8Array(length) });
    writeFileSync(join(program.folder, 'odd.pcap'), Buffer.concat([...pcapPieces([frame(9), frame(60), frame(2000)])]));

    const { code, stdout, stderr } = replay('odd.pcap', '--via', 'legacy', '--out', 'odd_out.pcap');

    expect(code).toBe(1);
    expect(stdout).toMatch(/dropped +too_short 1, too_long 1/);
    expect(stderr).toBe(
      'virtfn: odd.pcap: 1 of 3 frames were received as sent:' +
        ' 1 frame too long for mtu 1500 (frame 3 has 2,000 bytes, 1,514 at most), use --via modern --mtu 1986;' +
        ' 1 frame shorter than an Ethernet header\n',
    );
    expect(framesOf('odd_out.pcap').map(({ bytes }) => bytes.length)).toEqual([60]);
  });

  it('names no MTU where none is large enough', () => {
    const frames = [{ seconds: 1, nanoseconds: 0, bytes: new Uint8Array(9015) }];
    writeFileSync(join(program.folder, 'huge.pcap'), Buffer.concat([...pcapPieces(frames)]));

    const { code, stderr } = replay('huge.pcap', '--via', 'modern', '--mtu', '9000', '--out', 'huge_out.pcap');

    expect(code).toBe(1);
    expect(stderr).toContain(
      '(frame 1 has 9,015 bytes, 9,014 at most), no MTU is above 9000: record with offloads off',
    );
  });

  it('names the capture and the frame whose time no pcap file can hold', () => {
    const bytes = new Uint8Array(60);
    // 2 ** 62 ns are 4,611,686,018.4 s, in 2116
    const late = enhancedPacket({ interfaceId: 0, timeNs: 2 ** 62, direction: 1, bytes, originalLength: 60 });
    writeFileSync(
      join(program.folder, 'late.pcapng'),
      Buffer.concat([sectionHeader(), interfaceDescription('a', 'b'), late]),
    );

    const { code, stderr } = replay('late.pcapng', '--via', 'modern', '--out', 'late_out.pcap');

    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^virtfn: late\.pcapng: frame 1 of 4611686018 s since 1970: pcap files hold times from 1970/,
    );
  });

  it('replays what stands before the end of a file that is cut off, and says so', () => {
    writeFileSync(join(program.folder, 'cut.pcap'), readFileSync(PING_HTTP).subarray(0, 500));

    const { code, stdout, stderr } = replay('cut.pcap', '--via', 'modern', '--out', 'cut_out.pcap');

    expect(code).toBe(1);
    expect(stdout).toContain('5 frames, 378 bytes; these as sent, in order');
    expect(stderr).toBe(
      'virtfn: cut.pcap: byte 498: frame 6 is cut off after 2 of 98 bytes; copy or record it again;' +
        ' of what stands before, 5 of 5 frames were received as sent\n',
    );
    expect(bytesOf(framesOf('cut_out.pcap'))).toEqual(bytesOf(original.slice(0, 5)));
  });

  it('reads standard input and writes to standard output', () => {
    const args = [program.file, 'replay', '-', '--via', 'modern', '--out', '-'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { input: readFileSync(PING_HTTP) });

    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: '' });
    expect(bytesOf([...openCapture(stdout, 'standard output').frames()])).toEqual(bytesOf(original));
    expect(existsSync(join(program.folder, '-'))).toBe(false);
  });

  it('refuses standard input that is no capture', () => {
    const args = [program.file, 'replay', '-', '--via', 'modern', '--out', 'no.pcap'];
    const { status, stderr } = spawnSync(process.execPath, args, { input: '', cwd: program.folder });

    expect(status).toBe(2);
    expect(stderr.toString()).toBe('virtfn: standard input: byte 0: 0 bytes are too short for a capture\n');
  });

  it('leaves out packets of a pcapng file that are not Ethernet, with what to do', () => {
    const blocks = new Blocks('little');
    const packets = [0, 1].map((id) => blocks.packet(id, 1n, new Uint8Array(60)));
    const file = Buffer.concat([blocks.section(), blocks.interface(1), blocks.interface(113), ...packets]);
    writeFileSync(join(program.folder, 'two.pcapng'), file);

    const { code, stdout } = replay('two.pcapng', '--via', 'modern', '--out', 'two_out.pcap');

    expect(code).toBe(0);
    expect(stdout).toMatch(/left out +1 packet of link type 113 \(Linux cooked\); record on one Ethernet interface/);
  });

  it('reads the frames of a trace', () => {
    expect(program.run('trace', 'traffic', '--pcapng', 'trace.pcapng').code).toBe(0);

    const { code, stdout } = replay('trace.pcapng', '--via', 'modern', '--out', 'trace_out.pcap');

    // each frame as VF 1 sent it, as VF 2 and the wire received it; the ARP request of 42 bytes reached the PF too
    expect(code).toBe(0);
    expect(stdout).toContain('148 frames, 87,753 bytes; all as sent, in order');
  });

  it.each<[what: string, file: Uint8Array, message: string]>([
    ['is no capture', Buffer.from('GIF89a, a picture'), 'byte 0: a file that begins with 0x47494638 is neither pcap'],
    ['is empty', Buffer.alloc(0), 'byte 0: 0 bytes are too short'],
    ['has no whole frame', readFileSync(PING_HTTP).subarray(0, 50), 'byte 40: frame 1 is cut off after 10 of 42 bytes'],
  ])('refuses a file that %s at its byte, and writes nothing', (_what, file, message) => {
    writeFileSync(join(program.folder, 'bad.pcap'), file);

    const { code, stdout, stderr } = replay('bad.pcap', '--via', 'modern', '--out', 'bad_out.pcap');

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`virtfn: bad.pcap: ${message}`);
    expect(existsSync(join(program.folder, 'bad_out.pcap'))).toBe(false);
  });
});

describe('a broken installation', () => {
  const broken = new CliProgram();
  const core = join(dirname(broken.file), '../../build/nic.wasm');
  afterAll(() => broken.remove());

  it('is reported as a bug in one line, with the way to its details', () => {
    writeFileSync(core, 'no module');

    const { code, stdout, stderr } = broken.run('regs', 'pf');

    expect({ code, stdout }).toEqual({ code: 70, stdout: '' });
    expect(stderr).toMatch(
      /^virtfn: internal error: CompileError: .*; this is a bug, run it again with VIRTFN_DEBUG=1.*\n$/,
    );
  });

  it('that lacks the core fails with the remedy', () => {
    rmSync(core);

    const { code, stderr } = broken.run('regs', 'pf');

    expect(code).toBe(1);
    expect(stderr).toMatch(/^virtfn: .*nic\.wasm is not there: in a checkout run "npm run build:core"; .*\n$/);
  });
});

describe('virtfn start', () => {
  it('replays the bundled capture by both drivers, measures admin commands, and names the files it wrote', () => {
    const { code, stdout, stderr } = program.run('start', '--quick', '--out', 'results');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const sizeOf = (file: string): number => statSync(join(program.folder, 'results', file)).size;
    for (const via of ['legacy', 'modern']) {
      expect(stdout).toMatch(new RegExp(`${via} .* 49 .* 29,237 .* yes `));
      expect(sizeOf(`replay_${via}.pcap`)).toBe(30_045);
    }
    const files = ['replay_legacy.pcap', 'replay_modern.pcap', 'admin_latency.html', 'admin_latency.json'];
    for (const file of files) {
      expect(stdout).toContain(`${join('results', file)}  ${sizeOf(file).toLocaleString('en-US')} bytes\n`);
    }
    const json = readFileSync(join(program.folder, 'results/admin_latency.json'), 'utf8');
    expect(JSON.parse(json)).toMatchObject({ schema: 'virtfn.bench.admin/2' });
    expect(readFileSync(join(program.folder, 'results/admin_latency.html'), 'utf8')).toMatch(/^<!doctype html>/i);
    expect(stdout).toContain('legacy register read');
  });
});
