// SPDX-License-Identifier: Apache-2.0
// What SIGINT and its like mean to work that has begun something outside: it is aborted, cleans up, and the program ends with
// the exit code that a shell expects.
import { constants } from 'node:os';

import { EndWith } from '../kit/errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Does work that ends early where a signal comes. Throws EndWith 128 + the signal's number then. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const handlers = SIGNALS.map((name) => {
    const handler = (): void => controller.abort(new EndWith(128 + constants.signals[name], `ended by ${name}`));
    process.on(name, handler);
    return { name, handler };
  });
  try {
    return await work(controller.signal);
  } finally {
    for (const { name, handler } of handlers) process.off(name, handler);
  }
}
