// SPDX-License-Identifier: Apache-2.0
// What test/guests/prepare.sh left in .cache/guests: the tree that QEMU runs in, and the kernels.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { repoPath } from '../../support/repo.ts';

/** The Debian tree, as seen from outside. */
export const TREE = repoPath('.cache/guests/tree');

export const KERNELS = ['stable', 'backports'] as const;
export type KernelName = (typeof KERNELS)[number];

/** The kernels of this run: all, or those that VIRTFN_GUEST_KERNELS names, separated by commas. */
export function kernelsOfThisRun(): readonly KernelName[] {
  const wanted = process.env['VIRTFN_GUEST_KERNELS']?.split(',') ?? KERNELS;
  const unknown = wanted.filter((name) => !KERNELS.some((kernel) => kernel === name));
  if (unknown.length > 0) {
    throw new Error(`VIRTFN_GUEST_KERNELS: no kernel '${unknown[0]}'; there are ${KERNELS.join(' and ')}`);
  }
  return KERNELS.filter((kernel) => wanted.includes(kernel));
}

/** Release of a prepared kernel, as uname -r prints it. */
export function kernelRelease(kernel: KernelName): string {
  const file = join(TREE, 'guests', kernel, 'release');
  if (!existsSync(file)) throw new Error('the guests are not prepared; run test/guests/prepare.sh as root');
  return readFileSync(file, 'utf8').trim();
}

/** Command line that runs a command in the tree. */
export function inTree(command: readonly string[]): string[] {
  return ['chroot', TREE, ...command];
}
