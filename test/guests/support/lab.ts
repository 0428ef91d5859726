// SPDX-License-Identifier: Apache-2.0
// What one scenario works with: a network namespace, a folder in the tree, a card and guests; close() takes it all away.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { Card, CardOptions, FunctionName } from './card.ts';
import { Guest, type GuestOptions } from './guest.ts';
import { HostNetwork, removeNetwork } from './network.ts';
import { QemuCard } from './qemu_card.ts';
import { TREE } from './tree.ts';
import { VirtfnCard } from './virtfn_card.ts';

/** What the guests drive: the card of `virtfn serve`, or QEMU's own device in its place. */
export const DEVICE = process.env['VIRTFN_GUEST_DEVICE'] ?? 'virtfn';
export const IS_VIRTFN = DEVICE === 'virtfn';

const CLOCK_TICKS = 100; // USER_HZ of x86

const RUNS = '/run'; // in the tree
let labs = 0;

function removeRun(name: string): void {
  removeNetwork(name);
  rmSync(join(TREE, RUNS, name), { recursive: true, force: true });
}

/** Takes away what is left of runs that were broken off. */
export function removeStaleRuns(): void {
  const networks = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const [name, pid] of networks.matchAll(/virtfn-(\d+)-\d+/g)) {
    if (!existsSync(`/proc/${pid}`)) removeRun(name);
  }
}

export type LabOptions = Omit<CardOptions, 'network' | 'folder'>;

export interface BootOptions extends Pick<GuestOptions, 'kernel' | 'append' | 'cpus' | 'hasTools' | 'isMemoryShared'> {
  /** The function behind root port 1, if any. */
  readonly fn?: FunctionName;
  /** More options of QEMU, before those of the function. */
  readonly devices?: readonly string[];
}

/** What a process holds. */
export interface Holdings {
  readonly descriptors: number;
  readonly residentBytes: number;
  /** User and system time so far. */
  readonly cpuSeconds: number;
}

export class Lab {
  readonly network: HostNetwork;
  readonly card: Card;
  /** Folder of the run, as seen in the tree. */
  readonly folder: string;
  private readonly guests: Guest[] = [];

  private constructor(network: HostNetwork, card: Card, folder: string) {
    this.network = network;
    this.card = card;
    this.folder = folder;
  }

  static async open(options: LabOptions): Promise<Lab> {
    const name = `virtfn-${process.pid}-${++labs}`;
    const folder = join(RUNS, name);
    mkdirSync(join(TREE, folder), { recursive: true });
    const network = new HostNetwork(name);
    const all = { ...options, network, folder };
    return new Lab(network, IS_VIRTFN ? await VirtfnCard.start(all) : new QemuCard(all), folder);
  }

  /** Boots a guest, mostly with one function behind its root port 1. */
  async boot({ fn, devices = [], ...options }: BootOptions): Promise<Guest> {
    const { network, folder, card } = this;
    const name = `${fn ?? 'none'}-${this.guests.length}`;
    const plugged = fn === undefined ? [] : card.plug(fn, 1);
    const guest = await Guest.boot({ ...options, network, folder, name, devices: [...devices, ...plugged] });
    this.guests.push(guest);
    return guest;
  }

  /** The card as `virtfn serve` presents it. */
  get virtfn(): VirtfnCard {
    if (!(this.card instanceof VirtfnCard)) throw new Error('QEMU stands in for the card');
    return this.card;
  }

  /** What the process holds that presents the card to a guest. */
  holdings(guest: Guest): Holdings {
    const pid = this.card.pid ?? guest.pid;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); // from field 3, state
    return {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      residentBytes: Number(stat[24 - 3]) * 4096,
      cpuSeconds: (Number(stat[14 - 3]) + Number(stat[15 - 3])) / CLOCK_TICKS,
    };
  }

  async close(): Promise<void> {
    for (const guest of this.guests) await guest.kill();
    await this.card.stop();
    removeRun(this.network.name);
  }
}
