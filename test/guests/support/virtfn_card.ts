// SPDX-License-Identifier: Apache-2.0
// The card of `virtfn serve`, the program as it is built in dist/: a process in the run's network namespace, with its
// sockets in the run's folder and its wire on a TAP device that has the host's address.
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { repoPath } from '../../support/repo.ts';
import { type Card, type CardOptions, type FunctionName, macOf, rootPort } from './card.ts';
import { TREE } from './tree.ts';

const WIRE = 'wire';
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const REPORT_MS = 1000; // the server says how things are this often, if they have changed

/** How a server ended. */
export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What the server says about a function, as far as the tests look at it. */
export interface FunctionState {
  readonly name: string;
  readonly kind: string;
  readonly status: readonly string[];
  readonly features: readonly number[];
  readonly queues: number;
  readonly sent: { readonly frames: number };
  readonly interrupts: number;
}

/** Administration commands of one opcode; times are simulated. */
export interface AdminCommands {
  readonly opcode: number;
  readonly commands: number;
  readonly errors: number;
  readonly minNs: number;
}

/** A line of the server's report. */
export interface ServerState {
  readonly event: 'ready' | 'state' | 'end';
  readonly functions: readonly FunctionState[];
  readonly adminCommands: readonly AdminCommands[];
  /** What LIST_USE left of the SR-IOV group's list. */
  readonly adminOpcodesInUse: readonly number[];
}

/** A running `virtfn serve`. */
class Server {
  readonly child: ChildProcess;
  readonly ended: Promise<ServerEnd>;
  printed = '';

  constructor({ network, folder }: CardOptions, args: readonly string[]) {
    const command = [process.execPath, repoPath('dist/src/cli/virtfn.mjs'), 'serve', ...args];
    this.child = network.spawn(command, { stdio: ['ignore', 'pipe', 'pipe'], cwd: join(TREE, folder) });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.printed += text));
    }
    this.ended = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })));
  }

  async untilReady(): Promise<void> {
    const late = AbortSignal.timeout(START_TIMEOUT_MS);
    while (this.lastState('ready') === undefined) {
      const end = await Promise.race([this.ended, once(this.child.stdout!, 'data', { signal: late })]);
      if ('code' in end) throw new Error(`the server ended with ${end.signal ?? end.code}: ${this.printed}`);
    }
  }

  /** The newest line of a kind. */
  lastState(event: ServerState['event']): ServerState | undefined {
    const lines = this.printed.split('\n').slice(0, -1); // the last one may not be all there yet
    const states = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as ServerState);
    return states.findLast((state) => state.event === event);
  }

  async end(signal: NodeJS.Signals): Promise<ServerEnd> {
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const end = await this.ended;
    clearTimeout(late);
    return end;
  }
}

export class VirtfnCard implements Card {
  private readonly options: CardOptions;
  private server: Server;

  private constructor(options: CardOptions) {
    this.options = options;
    options.network.addTap(WIRE);
    options.network.addHostAddress(WIRE);
    this.server = this.newServer();
  }

  /** Starts the server; its sockets are there when this returns. */
  static async start(options: CardOptions): Promise<VirtfnCard> {
    const card = new VirtfnCard(options);
    await card.server.untilReady();
    return card;
  }

  get pid(): number {
    return this.server.child.pid!;
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
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<ServerEnd> {
    return this.server.end(signal);
  }

  /** Starts the server again after it has ended. */
  async startAgain(): Promise<void> {
    this.server = this.newServer();
    await this.server.untilReady();
  }

  /** What the server reports of the card once all that has happened so far is in it. */
  async report(): Promise<ServerState> {
    await sleep(2 * REPORT_MS);
    const state = this.server.lastState('state');
    if (state === undefined) throw new Error(`the server has reported nothing: ${this.server.printed}`);
    return state;
  }

  /** Tries to start a second server for the same sockets: how that ends, and what it says. */
  async startRival(): Promise<ServerEnd & { readonly printed: string }> {
    const rival = new Server(this.options, []);
    const end = await rival.ended;
    return { ...end, printed: rival.printed };
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private newServer(): Server {
    const { functions, transitional = false, queuePairs = 1, timed = false } = this.options;
    const vfs = functions.filter((fn) => fn !== 'pf').length;
    return new Server(
      this.options,
      [
        ['--json', '--vfs', String(Math.max(vfs, 1)), '--pairs', String(queuePairs)],
        ['--wire', `tap:${WIRE}`, '--mac', macOf('pf'), '--mode', timed ? 'timed' : 'functional'],
        functions.includes('pf') ? ['--pf'] : [],
        transitional ? ['--transitional'] : [],
      ].flat(),
    );
  }
}
