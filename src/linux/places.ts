// SPDX-License-Identifier: Apache-2.0
// Where things lie: the cache of kernels, and the files that come with the program.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { NicError } from '../util/errors.ts';

/** Seen from this file in the checkout and in the library, and from the bundle of the program. */
const SHIPPED_PLACES = ['./shipped/', '../linux/shipped/'];

/** Folder of what was built: `chosen`, or that of the user's other caches. */
export function cacheFolder(chosen: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  if (chosen !== undefined) return resolve(chosen);
  const base = env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(base) ? base : join(homedir(), '.cache'), 'virtfn', 'uml'); // a relative one counts as none
}

/** Path of a file of `shipped/`. Throws NicError SHIPPED. */
export function shippedPath(name: string): string {
  const places = SHIPPED_PLACES.map((place) => fileURLToPath(new URL(`${place}${name}`, import.meta.url)));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) {
    throw new NicError('SHIPPED', `${places[0]} is not there; install virtfn anew`);
  }
  return found;
}

export function shippedText(name: string): string {
  return readFileSync(shippedPath(name), 'utf8');
}
