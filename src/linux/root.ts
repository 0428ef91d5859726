// SPDX-License-Identifier: Apache-2.0
// The root of a guest, as one archive: busybox, `vfio`, the first process, the functions for scripts, the script, and whatever
// else it is to find.
import { readFileSync } from 'node:fs';

import { cpioArchive, type CpioEntry } from './cpio.ts';
import type { GuestPrograms } from './guest_programs.ts';
import { shippedText } from './places.ts';

const PROGRAM = 0o755;
const TEXT = 0o644;
const FOLDERS = ['bin', 'dev', 'etc', 'lib', 'proc', 'root', 'sbin', 'sys', 'tmp', 'usr', 'usr/bin', 'usr/sbin'];

export interface RootContent {
  readonly programs: GuestPrograms;
  readonly script: Uint8Array;
  /** What the script is given. */
  readonly args: readonly string[];
  /** Files that lie in /root, by their names there. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Simulated seconds until the guest gives up, null for never. */
  readonly limitSeconds: number | null;
}

/** The archive for `initrd=`. */
export function guestRoot({ programs, script, args, files, limitSeconds }: RootContent): Buffer {
  const file = (path: string, mode: number, content: Uint8Array | string): CpioEntry => ({
    kind: 'file',
    path,
    mode,
    content: typeof content === 'string' ? Buffer.from(content) : content,
  });
  return cpioArchive([
    ...FOLDERS.map((path): CpioEntry => ({ kind: 'folder', path, mode: PROGRAM })),
    { kind: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'device', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    file('bin/busybox', PROGRAM, readFileSync(programs.busybox)),
    { kind: 'link', path: 'bin/sh', mode: 0o777, target: 'busybox' },
    file('bin/vfio', PROGRAM, readFileSync(programs.vfio)),
    file('init', PROGRAM, shippedText('init.sh')),
    file('lib/virtfn.sh', TEXT, shippedText('virtfn.sh')),
    file('etc/run', TEXT, `LIMIT=${limitSeconds ?? ''}\nset -- ${args.map(shellWord).join(' ')}\n`),
    file('script', PROGRAM, script),
    ...[...files].map(([name, content]) => file(`root/${name}`, PROGRAM, content)),
  ]);
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
