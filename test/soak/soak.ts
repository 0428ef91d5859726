// SPDX-License-Identifier: Apache-2.0
// Servers whose outside is taken away at random while two clients of each send frames to one another: no function may be
// lost, and every loss has to be counted and said. The same seed makes the same faults.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { loadLibc, type Libc } from '../../src/native/libc.ts';
import { Random } from '../../src/util/random.ts';
import { VfioUserClient } from '../../src/vfio_user/client.ts';
import { frame, startStation, type Station } from '../interop/vfio_user/support/driver_bench.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { ServeProcess } from '../support/serve_process.ts';
import {
  dgramOutside,
  fifoOutside,
  fileOutside,
  peerOutside,
  socketFaults,
  tapOutside,
  type Fault,
  type Outside,
} from './faults.ts';

export interface SoakOptions {
  /** The program to be started: `virtfn.mjs`. */
  readonly program: string;
  readonly seed: number;
  /** Ends the soak; asked before each fault with the number of those before. */
  readonly isOver: (faults: number) => boolean;
  readonly onFault?: (text: string) => void;
}

export interface SoakSummary {
  readonly schema: 'virtfn.soak/1';
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Frames from one function to the other, each checked. */
  readonly frames: number;
  readonly losses: number;
  readonly returns: number;
  /** What should not have been; empty: no function was lost. */
  readonly failures: readonly string[];
}

interface Row {
  readonly name: string;
  readonly state: string;
  readonly losses: number;
  readonly returns: number;
}

const ELSEWHERE = Uint8Array.of(2, 0, 0, 0, 0, 0x99);

class Soaked {
  readonly name: string;
  readonly faults: readonly Fault[];
  readonly outside: Outside;
  frames = 0;
  private readonly libc: Libc;
  private readonly server: ServeProcess;
  private readonly folder: string;
  private stations: Station[] = [];

  private constructor(libc: Libc, name: string, folder: string, outside: Outside, program: string) {
    this.libc = libc;
    this.name = name;
    this.folder = folder;
    this.outside = outside;
    this.faults = [...outside.faults, ...socketFaults(folder)];
    const args = [program, 'serve', '--vfs', '2', '--json', '--socket-dir', folder, '--wire', outside.wire];
    this.server = new ServeProcess(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  static async start(libc: Libc, name: string, folder: string, outside: Outside, program: string): Promise<Soaked> {
    mkdirSync(folder);
    const soaked = new Soaked(libc, name, folder, outside, program);
    await soaked.server.untilReady();
    soaked.stations = ['vf1', 'vf2'].map((vf) =>
      startStation(libc, new VfioUserClient(libc, join(folder, `${vf}.sock`))),
    );
    return soaked;
  }

  /** Frames between the functions in both directions, which have to arrive, and one to the outside. */
  traffic(): void {
    const [a, b] = this.stations as [Station, Station];
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      to.received.length = 0;
      from.driver.send(frame(to.driver.mac, from.driver.mac, 64 + (this.frames % 1400)));
      from.settle();
      to.settle();
      const source = Buffer.from(from.driver.mac);
      const hasArrived = to.received.some((one) => source.equals(one.subarray(6, 12)) && one[12] === 0x88);
      if (!hasArrived) throw new Error('a frame from one function to the other did not arrive');
      this.frames++;
    }
    a.driver.send(frame(ELSEWHERE, a.driver.mac, 200));
    a.settle();
    this.outside.drain();
  }

  row(attachment: string): Row | undefined {
    return this.state().find(({ name }) => name === attachment);
  }

  /** The last state that the server has reported. */
  state(): Row[] {
    const text = this.server.stdout.slice(0, this.server.stdout.lastIndexOf('\n'));
    const last = text.slice(text.lastIndexOf('\n') + 1);
    return (JSON.parse(last) as { attachments?: Row[] }).attachments ?? [];
  }

  /** Goes on with the traffic until something is so. */
  async until(isSo: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error(`in vain: ${what}; ${JSON.stringify(this.state())}`);
      this.traffic();
      await sleep(20);
    }
  }

  async suffer(fault: Fault): Promise<void> {
    const lossesBefore = this.row(fault.attachment)?.losses ?? 0;
    const linesBefore = this.server.stderr.split('\n').length;
    await fault.break();
    await this.until(() => (this.row(fault.attachment)?.losses ?? 0) > lossesBefore, 'the loss is counted');
    await fault.mend();
    await this.until(() => this.row(fault.attachment)?.state === 'up', 'it is back');
    const lines = (): string[] => this.server.stderr.split('\n').slice(linesBefore - 1);
    const said = (): number => lines().filter((line) => line.startsWith(`virtfn: ${fault.attachment}: `)).length;
    await this.until(() => said() >= 2, 'a line is said for each way');
    const wrong = lines().find((line) => line.includes('internal error'));
    if (wrong !== undefined) throw new Error(wrong);
  }

  /** A client that goes and comes again: its function is there, and the other one has noticed nothing. */
  async replaceClient(): Promise<void> {
    const path = join(this.folder, 'vf2.sock');
    await this.until(() => existsSync(path), 'the socket of vf2 is there');
    this.stations[1]!.client.close();
    this.stations[1] = startStation(this.libc, new VfioUserClient(this.libc, path));
    this.traffic();
  }

  /** Ends the server; what was wrong with it. */
  async end(): Promise<string | null> {
    const { code, signal } = await this.server.end('SIGTERM');
    for (const { client } of this.stations) client.close();
    this.outside.close();
    return code === 0
      ? null
      : `${this.name}: the server ended with ${signal ?? code}: ${this.server.stderr.slice(-500)}`;
  }
}

export async function soak({ program, seed, isOver, onFault = () => {} }: SoakOptions): Promise<SoakSummary> {
  const libc = await loadLibc();
  const root = mkdtempSync(join(tmpdir(), 'virtfn-soak-'));
  const outsides = [
    ['tap', tapOutside()],
    ['file', fileOutside(root)],
    ['fifo', fifoOutside(root)],
    ['peer', await peerOutside(root)],
    ['dgram', dgramOutside(libc, root)],
  ] as const;
  const cards: Soaked[] = [];
  const failures: string[] = [];
  const faults: Record<string, number> = {};
  let losses = 0;
  let returns = 0;
  try {
    for (const [name, outside] of outsides) {
      if (outside !== null) cards.push(await Soaked.start(libc, name, join(root, name), outside, program));
    }
    const random = new Random(seed);
    for (let count = 0; !isOver(count) && failures.length === 0; count++) {
      const card = cards[random.below(cards.length)]!;
      const fault = card.faults[random.below(card.faults.length)]!;
      const name = `${card.name}: ${fault.name}`;
      onFault(name);
      try {
        await card.suffer(fault);
        if (random.below(4) === 0) await card.replaceClient();
        for (const other of cards) other.traffic();
      } catch (error) {
        failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
      faults[name] = (faults[name] ?? 0) + 1;
    }
    for (const card of cards) {
      const rows = card.state();
      losses += rows.reduce((sum, row) => sum + row.losses, 0);
      returns += rows.reduce((sum, row) => sum + row.returns, 0);
    }
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
  for (const card of cards) {
    const failure = await card.end();
    if (failure !== null) failures.push(failure);
  }
  rmSync(root, { recursive: true, force: true });
  const frames = cards.reduce((sum, card) => sum + card.frames, 0);
  return { schema: 'virtfn.soak/1', seed, faults, frames, losses, returns, failures };
}
