// SPDX-License-Identifier: Apache-2.0
// The commands of the documents, followed as they stand there: those of a document in order, in a folder of their own. All
// of them succeed, and what a `console` block shows is what they print; a line of three dots stands for any lines. A block
// of JSON whose first line names a file is that file. What is not followed is listed here, with the reason.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { readRepoFile, repoFiles, repoPath } from '../support/repo.ts';

// recipes are for a checkout that is being changed
const DOCUMENTS = ['README.md', ...repoFiles('docs', '.md')].filter((name) => name !== 'docs/recipes.md');

const BUILDS = 'installs or builds this checkout, or runs its tests';
const ROOT = 'needs root, or an interface of this machine';
const GUEST = 'starts a guest, or runs in one';
const KERNEL = 'needs a kernel that was built before; test/uml has such runs';
const WIRESHARK = 'needs Wireshark and what is fetched for it';
const LONG = 'takes minutes';
const OWN = 'stands for something of the reader';

/** Commands that are not followed. A block without virtfn is one command, known by its first line. */
const SKIPPED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'README.md': {
    'npm ci && npm start': BUILDS,
  },
  'docs/captures.md': {
    'tcpdump -c 100 -i eth0 -w - | virtfn replay - --via legacy --out - | tcpdump -r -': ROOT,
    'mkfifo in.pcap': ROOT,
    'virtfn serve --wire pcap:out.pcap,in.pcap &': ROOT,
    'tcpdump -U -i eth0 -w in.pcap': ROOT,
  },
  'docs/fuzzing.md': {
    'virtfn fuzz --seed random': 'another run each time',
    'virtfn fuzz --replay corpus/findings/rings-O2-0123456789abcdef.json --vcd finding.vcd --pcapng finding.pcapng':
      OWN,
  },
  'docs/testing.md': {
    'npm test': BUILDS,
  },
  'docs/trace.md': {
    'git clone https://github.com/NetTLP/wireshark-nettlp': WIRESHARK,
    "sed -e '/mr_addr64_rsvd/d' -e 's/buffer(14,8):uint()/buffer(14,8):uint64():tonumber()/' wireshark-nettlp/plugins/nettlp.lua > nettlp.lua":
      WIRESHARK,
  },
  'docs/uml.md': {
    'virtfn uml kernel': LONG,
    'virtfn uml run test.sh --vfs 2': KERNEL,
    'virtfn uml run time.sh --time-travel ext': KERNEL,
    'virtfn bench linux': KERNEL,
    "virtfn uml run test.sh --vfs 2 --kernel LINUX --fail-on 'WARN|BUG|Call Trace' --output results": OWN,
    'set -e': GUEST,
    "virtfn uml run test.sh --debug --expect 'received 3' --fail-on 'WARN|BUG|Call Trace' --output results --json=results/run.json":
      KERNEL,
    "virtfn uml run test.sh --debug --vfs 2 --fail-on 'WARN|BUG|Call Trace' --without-feature 28": KERNEL,
    'virtfn uml kernel --debug': LONG,
    'virtfn uml kernel --suite trixie-backports': LONG,
    'virtfn uml kernel --source ~/linux': OWN,
    'virtfn uml kernel --source linux-7.3.tar.xz': OWN,
  },
  'docs/vfio_user.md': {
    'sudo ip tuntap add dev tap0 mode tap user $USER': ROOT,
    'sudo ip addr add 10.0.77.1/24 dev tap0': ROOT,
    'sudo ip link set tap0 up': ROOT,
    'virtfn serve --vfs 2 --wire tap:tap0 --socket-dir /tmp': ROOT,
    'mkdir -p root/bin root/lib root/proc root/sys root/dev': GUEST,
    'qemu-system-x86_64': GUEST,
    'virtfn serve --transitional --mode timed --wire tap:tap0 --socket-dir /tmp': ROOT,
    'virtfn serve --pf --vfs 2 --wire tap:tap0 --socket-dir /tmp': ROOT,
    'virtfn serve --uml --vfs 7 --socket-dir /tmp': GUEST,
  },
  'docs/villain.md': {
    'virtfn villain': LONG,
    'virtfn villain --mode functional --json': LONG,
  },
  'docs/virtual_iommu.md': {
    'qemu-system-x86_64': GUEST,
    'modprobe vfio-pci': GUEST,
  },
};

/** Runs whose length is the reader's choice are made short. */
const SHORTER: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/--seconds \d+/, '--seconds 1'],
  [/--executions \d+/, '--executions 100'],
];

interface Command {
  readonly text: string;
  /** What it prints; undefined where the document does not say. */
  readonly output?: string;
}

interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
}

function blocks(document: string): Block[] {
  return [...readRepoFile(document).matchAll(/^```(\w*)(?: (\S+))?\n(.*?)^```$/gms)].map(
    ([, language, file, text]) => ({
      language: language!,
      file,
      text: text!,
    }),
  );
}

const NAMES_PROGRAM = /(^|\| )(npx )?virtfn /m;

/** Lines without comments, those that go on in the next one joined. */
function commandLines(text: string): string[] {
  const lines = text.replaceAll(/ \\\n\s*/g, ' ').split('\n');
  return lines.map((line) => line.replace(/\s+# .*$/, '')).filter((line) => line !== '');
}

function commands({ language, text }: Block): Command[] {
  if (language === 'console') {
    return [...text.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)].map(([, command, output]) => ({
      text: command!,
      output: output!,
    }));
  }
  if (language !== 'sh') return [];
  const lines = commandLines(text);
  return (NAMES_PROGRAM.test(text) ? lines : lines.slice(0, 1)).map((line) => ({ text: line }));
}

/** Key of SKIPPED that a command has: itself, or the program of a long one. */
function skippedAs(document: string, { text }: Command): string | undefined {
  const skipped = Object.keys(SKIPPED[document] ?? {});
  return skipped.find((key) => key === text || (key === 'qemu-system-x86_64' && text.startsWith(`${key} `)));
}

let program: CliProgram;
let programs: string;

beforeAll(() => {
  program = new CliProgram(['koffi']);
  programs = join(program.folder, 'bin');
  mkdirSync(programs);
  const start = `exec '${process.execPath}' '${program.file}' "$@"\n`;
  writeFileSync(join(programs, 'virtfn'), `#!/bin/sh\n${start}`, { mode: 0o755 });
  writeFileSync(join(programs, 'npx'), `#!/bin/sh\nshift\n${start}`, { mode: 0o755 });
});
afterAll(() => program.remove());

/** A folder for a document, with what its commands take for granted. */
function scratch(document: string): string {
  const folder = join(program.folder, document.replaceAll(/\W/g, '_'));
  mkdirSync(folder);
  writeFileSync(join(folder, 'big.pcap.gz'), gzipSync(readFileSync(repoPath('test/fixtures/ping_http.pcap'))));
  return folder;
}

function follow(folder: string, text: string): { code: number | null; printed: string } {
  const short = SHORTER.reduce((command, [pattern, by]) => command.replace(pattern, by), text);
  const { status, stdout } = spawnSync('bash', ['-o', 'pipefail', '-c', `exec 2>&1; ${short}`], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', PATH: `${programs}${delimiter}${process.env['PATH']}` },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: PATIENCE_MS,
  });
  return { code: status, printed: stdout };
}

/** What is shown as a pattern: its text, with any lines where it has three dots. */
function shown(output: string): RegExp {
  const escaped = output.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll(/^\\\.\\\.\\\.\n/gm, '(?:.*\n)*')}$`);
}

const FOLLOWED = DOCUMENTS.filter((document) =>
  blocks(document).some((block) => commands(block).some((command) => skippedAs(document, command) === undefined)),
);

describe('commands of the documents', () => {
  it('are found', () => {
    expect(FOLLOWED).toEqual([
      'docs/bench_admin.md',
      'docs/bench_pcie.md',
      'docs/captures.md',
      'docs/fuzzing.md',
      'docs/lifecycles.md',
      'docs/provisioning.md',
      'docs/trace.md',
      'docs/villain.md',
    ]);
  });

  it('stand in blocks that say so', () => {
    const hidden = DOCUMENTS.flatMap((document) =>
      blocks(document).filter(
        ({ language, text }) => !['sh', 'console'].includes(language) && NAMES_PROGRAM.test(text),
      ),
    );

    expect(hidden).toEqual([]);
  });

  it.each(DOCUMENTS)('of %s that are skipped are those in the list', (document) => {
    const keys = blocks(document)
      .flatMap(commands)
      .flatMap((command) => skippedAs(document, command) ?? []);

    expect(keys.toSorted()).toEqual(Object.keys(SKIPPED[document] ?? {}).toSorted());
  });

  it.each(FOLLOWED)('of %s do what it says', (document) => {
    const folder = scratch(document);
    for (const block of blocks(document)) {
      if (block.language === 'json' && block.file !== undefined) writeFileSync(join(folder, block.file), block.text);
      for (const command of commands(block)) {
        if (skippedAs(document, command) !== undefined) continue;
        const { code, printed } = follow(folder, command.text);

        expect(code, `${command.text}\n${printed}`).toBe(0);
        if (command.output !== undefined) expect(printed).toMatch(shown(command.output));
      }
    }
    for (const name of readdirSync(folder).filter((file) => existsSync(repoPath(`docs/${file}`)))) {
      expect(readFileSync(join(folder, name), 'utf8'), `docs/${name}`).toBe(readRepoFile(`docs/${name}`));
    }
  });
});

it('docs/provisioning.md shows the example that it names', () => {
  const [file] = blocks('docs/provisioning.md').filter(({ file: name }) => name === 'tenants.json');

  expect(file!.text).toBe(readRepoFile('examples/tenants.json'));
});
