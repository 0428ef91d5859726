// SPDX-License-Identifier: Apache-2.0
// Errors of the program itself while it serves: they end what they happened in, a client or a port, and nothing else.
// Each kind is said once, all are counted.
import type { Say } from '../../native/attachment.ts';

/** Different messages that are kept apart. */
const KINDS_MAX = 100;

export class Faults {
  count = 0;
  private readonly say: Say;
  private readonly said = new Set<string>();

  constructor(say: Say) {
    this.say = say;
  }

  add(error: unknown): void {
    this.count++;
    const isVerbose = process.env['VIRTFN_DEBUG'] === '1';
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (this.said.has(text) || this.said.size >= KINDS_MAX) return;
    this.said.add(text);
    const stack = isVerbose && error instanceof Error ? `\n${error.stack}` : '';
    const hint = isVerbose
      ? ''
      : '; this is a bug, run it again with VIRTFN_DEBUG=1 for the details that a report needs';
    this.say(`internal error, the card goes on: ${text.replaceAll(/\s*\n\s*/g, ' ')}${hint}${stack}`);
  }

  /** Does the work; `otherwise` where it fails. */
  contain<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      this.add(error);
      return otherwise;
    }
  }
}
