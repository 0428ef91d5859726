// SPDX-License-Identifier: Apache-2.0
// Waiting for one file descriptor, where work cannot go on without it (poll(2)).
import type { Libc } from './libc.ts';

export const POLLIN = 1;
export const POLLOUT = 4;

/** True as soon as the descriptor is ready, or in error; false after `timeoutMs`. */
export function waitFor(libc: Libc, fd: number, events: number, timeoutMs: number): boolean {
  const request = new Uint8Array(8); // struct pollfd
  const view = new DataView(request.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, events, true);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = Math.max(0, Math.ceil(deadline - performance.now()));
    if (libc.poll(request, 1, left) > 0) return true;
    if (left === 0) return false; // a signal ends a call early
  }
}
