// SPDX-License-Identifier: Apache-2.0
// Waiting for a file descriptor, where work cannot go on without it (poll(2)).
import type { Libc } from './libc.ts';

export const POLLIN = 1;
export const POLLOUT = 4;
/** struct pollfd. */
const POLLFD_BYTES = 8;

/** True as soon as the descriptor, or one of several, is ready or in error; false after `timeoutMs`. */
export function waitFor(libc: Libc, fd: number | readonly number[], events: number, timeoutMs: number): boolean {
  const fds = typeof fd === 'number' ? [fd] : fd;
  const request = new Uint8Array(POLLFD_BYTES * fds.length);
  const view = new DataView(request.buffer);
  fds.forEach((one, i) => {
    view.setInt32(POLLFD_BYTES * i, one, true);
    view.setInt16(POLLFD_BYTES * i + 4, events, true);
  });
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = Math.max(0, Math.ceil(deadline - performance.now()));
    if (libc.poll(request, fds.length, left) > 0) return true;
    if (left === 0) return false; // a signal ends a call early
  }
}
