// SPDX-License-Identifier: Apache-2.0
// A `virtfn serve` that runs as a process of its own.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { PATIENCE_MS } from './patience.ts';

/** How a server ended. */
export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class ServeProcess {
  stdout = '';
  stderr = '';
  readonly ended: Promise<ServerEnd>;
  private readonly child: ChildProcess;

  /** `child` has pipes for stdout and stderr. */
  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Waits until the sockets are there, which is the last that it says before it serves. */
  async untilReady(): Promise<void> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    while (!/^ready$|"event":"ready".*\n/m.test(this.stdout)) {
      const end = await Promise.race([this.ended, once(this.child.stdout!, 'data', { signal: late })]);
      if ('code' in end)
        throw new Error(`the server ended with ${end.signal ?? end.code}: ${this.stdout}${this.stderr}`);
    }
  }

  async end(signal: NodeJS.Signals): Promise<ServerEnd> {
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS);
    const end = await this.ended;
    clearTimeout(late);
    return end;
  }
}
