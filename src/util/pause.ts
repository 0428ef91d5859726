// SPDX-License-Identifier: Apache-2.0
// A wait in the middle of synchronous work.

/** Returns after some milliseconds; nothing else of this process runs meanwhile. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
