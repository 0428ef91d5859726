// SPDX-License-Identifier: Apache-2.0
// Error numbers of system calls in words.
import { getSystemErrorMap } from 'node:util';

/** `no space left on device (ENOSPC)`. */
export function errnoText(errno: number): string {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'an error without a name'];
  return `${text} (${name})`;
}
