// SPDX-License-Identifier: Apache-2.0
// Which kernel of User Mode Linux a command takes: one that is named, or one that `uml kernel` has built.
import { existsSync } from 'node:fs';

import { cachedKernel, kernelOptions, type Flavour } from '../../linux/kernel.ts';
import { cacheFolder } from '../../linux/places.ts';
import { NicError, UsageError } from '../../util/errors.ts';

export const KERNEL_VARIABLE = 'VIRTFN_UML_KERNEL';

/** What options say of it. */
export interface KernelArguments {
  readonly kernel?: string;
  readonly debug?: true;
  readonly cache?: string;
}

/** Path of the kernel. Throws UsageError, NicError KERNEL where none has been built. */
export function kernelOf({ kernel, debug, cache }: KernelArguments): string {
  if (kernel !== undefined && debug) throw new UsageError('--debug: --kernel says which kernel it is; leave one out');
  const named = kernel ?? (debug ? undefined : process.env[KERNEL_VARIABLE]);
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) throw new UsageError(`${named}: no such file or folder; check the path of the kernel`);
    return named;
  }
  const flavour: Flavour = debug ? 'debug' : 'plain';
  const folder = cacheFolder(cache);
  const found = cachedKernel(folder, flavour, kernelOptions(flavour, []));
  if (found !== null) return found.path;
  const command = `virtfn uml kernel${debug ? ' --debug' : ''}`;
  throw new NicError('KERNEL', `no kernel is in ${folder}; build one with ${command}, or name one with --kernel`);
}
