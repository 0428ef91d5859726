// SPDX-License-Identifier: Apache-2.0
// QEMU's machine protocol on a stream: commands one after the other, and events as they come.
import type { Duplex } from 'node:stream';

const PATIENCE_MS = 60_000;

interface QmpMessage {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
}

export class Qmp {
  private readonly stream: Duplex;
  private rest = '';
  private readonly messages: QmpMessage[] = [];
  private arrived: () => void = () => undefined;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('error', () => undefined); // a QEMU that has gone: whoever waits is told by the time-out
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.rest + text).split('\n');
      this.rest = lines.pop()!;
      for (const line of lines.filter((one) => one.trim() !== '')) this.messages.push(JSON.parse(line) as QmpMessage);
      this.arrived();
    });
  }

  /** Has a command done, the first being qmp_capabilities; what QEMU refuses is an error with its words. */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<void> {
    this.stream.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await this.until((message) => 'return' in message || 'error' in message, `the answer to ${command}`);
    if (answer.error !== undefined) throw new Error(answer.error.desc);
  }

  /** Waits for an event that has not been waited for yet. */
  async untilEvent(name: string): Promise<void> {
    await this.until(({ event }) => event === name, name);
  }

  private async until(isWanted: (message: QmpMessage) => boolean, what: string): Promise<QmpMessage> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const at = this.messages.findIndex(isWanted);
      if (at >= 0) return this.messages.splice(at, 1)[0]!;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        this.arrived = resolve;
        timer = setTimeout(
          () => reject(new Error(`QEMU: no ${what} in time`)),
          Math.max(0, deadline - performance.now()),
        );
      }).finally(() => clearTimeout(timer));
    }
  }
}
