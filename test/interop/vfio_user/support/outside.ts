// SPDX-License-Identifier: Apache-2.0
// Things outside a card that a test takes away: a small file system, FIFOs, the TAP interfaces of this machine. What a
// machine does not have is told as the reason to skip.
import { execFileSync, spawnSync } from 'node:child_process';
import { constants, existsSync, mkdirSync, openSync, readSync } from 'node:fs';

import { PATIENCE_MS } from '../../../support/patience.ts';
import type { CardBench } from './card_bench.ts';

export function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** True where the command ended well. */
export function tryRun(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Empty, or why nothing can be mounted here. */
export function noMounts(): string {
  return process.getuid?.() === 0 && tryRun('mount', '--version') ? '' : 'mounting needs root';
}

/** Empty, or why TAP interfaces cannot be made here. */
export function noTaps(): string {
  if (process.getuid?.() !== 0) return 'TAP interfaces need root';
  return existsSync('/dev/net/tun') && tryRun('ip', '-V') ? '' : 'there is no /dev/net/tun, or no iproute2';
}

/** A file system of a few pages. */
export function mountSmall(folder: string, bytes: number): void {
  mkdirSync(folder);
  run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'none', folder);
}

export function unmount(folder: string): void {
  spawnSync('umount', ['-l', folder], { stdio: 'ignore' });
}

/** Opens the reading end of a FIFO, without waiting for a writer. */
export function openReader(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** What lies in a FIFO. */
export function readAll(reader: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = Buffer.alloc(1 << 16);
    let count: number;
    try {
      count = readSync(reader, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      count = 0;
    }
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
  }
}

/** Lets the card work until something is so. */
export function until(bench: CardBench, isSo: () => boolean): void {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`in vain; the card said: ${bench.lines.join(' | ')}`);
    bench.pump();
  }
}
