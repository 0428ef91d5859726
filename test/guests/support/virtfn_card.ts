// SPDX-License-Identifier: Apache-2.0
// The card of `virtfn serve`, the program as it is built in dist/: a process in the run's network namespace, with its
// sockets in the run's folder and its wire on a TAP device that has the host's address.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { PATIENCE_MS } from '../../support/patience.ts';
import { repoPath } from '../../support/repo.ts';
import { ServeProcess, type ServerEnd } from '../../support/serve_process.ts';
import { type Card, type CardOptions, type FunctionName, macOf, rootPort } from './card.ts';
import { TREE } from './tree.ts';

const WIRE = 'wire';
const REPORT_MS = 1000; // the server says how things are this often, if they have changed

/** What the server says about a function, as far as the tests look at it. */
export interface FunctionState {
  readonly name: string;
  readonly kind: string;
  /** It has a client. */
  readonly connected: boolean;
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
  /** The first of them. */
  readonly first: readonly {
    readonly groupType: number;
    readonly memberId: number;
    readonly status: number;
    readonly qualifier: number;
    /** Its first bytes, in hexadecimal. */
    readonly command: string;
  }[];
}

/** A line of the server's report. */
export interface ServerState {
  readonly event: 'ready' | 'state' | 'end';
  readonly functions: readonly FunctionState[];
  readonly adminCommands: readonly AdminCommands[];
  /** What LIST_USE left of the SR-IOV group's list. */
  readonly adminOpcodesInUse: readonly number[];
}

export class VirtfnCard implements Card {
  private readonly options: CardOptions;
  private server: ServeProcess;

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
    return this.server.pid;
  }

  plug(fn: FunctionName, port: number): string[] {
    return [...rootPort(port), '-device', JSON.stringify(this.device(fn, port))];
  }

  /** The function as QEMU's device behind root port `port`: for its command line, and for device_add. */
  device(fn: FunctionName, port: number): Readonly<Record<string, unknown>> {
    const socket = { type: 'unix', path: join(this.options.folder, `${fn}.sock`) };
    return { driver: 'vfio-user-pci', bus: `rp${port}`, socket };
  }

  /** What the server has complained of. */
  get complaints(): string {
    return this.server.stderr;
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
    const { stdout, stderr } = this.server;
    const lines = stdout.split('\n').slice(0, -1); // the last one may not be all there yet
    const state = lines.map((line) => JSON.parse(line) as ServerState).findLast(({ event }) => event === 'state');
    if (state === undefined) throw new Error(`the server has reported nothing: ${stdout}${stderr}`);
    return state;
  }

  /** Waits until the server knows that the function's client has gone, which may be later than the end of its process. */
  async untilFree(fn: FunctionName): Promise<void> {
    for (const late = performance.now() + PATIENCE_MS; performance.now() < late;) {
      const { functions } = await this.report();
      if (functions.some(({ name, connected }) => name === fn && !connected)) return;
    }
    throw new Error(`the server still has a client of ${fn}`);
  }

  /** Tries to start a second server for the same sockets: how that ends, and what it says. */
  async startRival(): Promise<ServerEnd & { readonly printed: string }> {
    const rival = this.spawn([]);
    const end = await rival.ended;
    return { ...end, printed: rival.stdout + rival.stderr };
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private newServer(): ServeProcess {
    const { functions, transitional = false, legacyOnly = false, queuePairs = 1, timed = false } = this.options;
    const vfs = functions.filter((fn) => fn !== 'pf').length;
    return this.spawn(
      [
        ['--json', '--vfs', String(Math.max(vfs, 1)), '--pairs', String(queuePairs)],
        ['--wire', `tap:${WIRE}`, '--mac', macOf('pf'), '--mode', timed ? 'timed' : 'functional'],
        functions.includes('pf') ? ['--pf'] : [],
        transitional ? ['--transitional'] : [],
        legacyOnly ? ['--legacy-only'] : [],
      ].flat(),
    );
  }

  private spawn(args: readonly string[]): ServeProcess {
    const { network, folder } = this.options;
    const command = [process.execPath, repoPath('dist/src/cli/virtfn.mjs'), 'serve', ...args];
    return new ServeProcess(network.spawn(command, { stdio: ['ignore', 'pipe', 'pipe'], cwd: join(TREE, folder) }));
  }
}
