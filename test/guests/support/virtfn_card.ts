// SPDX-License-Identifier: Apache-2.0
// The card of `virtfn serve`, the program as it is built in dist/: a process in the run's network namespace, with its
// sockets in the run's folder and its wire on a TAP device that has the host's address.
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { repoPath } from '../../support/repo.ts';
import { type Card, type CardOptions, type FunctionName, macOf, rootPort } from './card.ts';
import { TREE } from './tree.ts';

const WIRE = 'wire';
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;

/** How the server ended. */
export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class VirtfnCard implements Card {
  private readonly options: CardOptions;
  private server: ChildProcess;
  private ended: Promise<ServerEnd>;
  private printed = '';

  private constructor(options: CardOptions) {
    this.options = options;
    options.network.addTap(WIRE);
    options.network.addHostAddress(WIRE);
    this.server = this.spawnServer();
    this.ended = endOf(this.server);
  }

  /** Starts the server; its sockets are there when this returns. */
  static async start(options: CardOptions): Promise<VirtfnCard> {
    const card = new VirtfnCard(options);
    await card.untilReady();
    return card;
  }

  get pid(): number {
    return this.server.pid!;
  }

  /** Everything the server has printed. */
  get output(): string {
    return this.printed;
  }

  plug(fn: FunctionName, port: number): string[] {
    const device = {
      driver: 'vfio-user-pci',
      bus: `rp${port}`,
      socket: { type: 'unix', path: join(this.options.folder, `${fn}.sock`) },
    };
    return [...rootPort(port), '-device', JSON.stringify(device)];
  }

  /** Ends the server with a signal. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<ServerEnd> {
    this.server.kill(signal);
    const late = setTimeout(() => this.server.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const end = await this.ended;
    clearTimeout(late);
    return end;
  }

  /** Starts the server again after it has ended. */
  async startAgain(): Promise<void> {
    this.server = this.spawnServer();
    this.ended = endOf(this.server);
    await this.untilReady();
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private spawnServer(): ChildProcess {
    const { network, folder, functions, transitional = false, queuePairs = 1 } = this.options;
    const vfs = functions.filter((fn) => fn !== 'pf').length;
    const server = network.spawn(
      [
        [process.execPath, repoPath('dist/src/cli/virtfn.mjs'), 'serve', '--vfs', String(Math.max(vfs, 1))],
        ['--wire', `tap:${WIRE}`, '--pairs', String(queuePairs), '--mac', macOf('pf')],
        functions.includes('pf') ? ['--pf'] : [],
        transitional ? ['--transitional'] : [],
      ].flat(),
      { stdio: ['ignore', 'pipe', 'pipe'], cwd: join(TREE, folder) },
    );
    this.printed = '';
    for (const stream of [server.stdout!, server.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.printed += text));
    }
    return server;
  }

  private async untilReady(): Promise<void> {
    const late = AbortSignal.timeout(START_TIMEOUT_MS);
    while (!/^ready$/m.test(this.printed)) {
      const end = await Promise.race([this.ended, once(this.server.stdout!, 'data', { signal: late })]);
      if ('code' in end) throw new Error(`the server ended with ${end.signal ?? end.code}: ${this.printed}`);
    }
  }
}

function endOf(server: ChildProcess): Promise<ServerEnd> {
  return new Promise((resolve) => server.on('close', (code, signal) => resolve({ code, signal })));
}
