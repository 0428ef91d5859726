// SPDX-License-Identifier: Apache-2.0
// How long a test waits for something that another process or thread has to do before it gives up, in milliseconds. A test
// that passes does not wait, so this is far beyond what the slowest and busiest machine takes; it only ends what hangs.
export const PATIENCE_MS = 120_000;
