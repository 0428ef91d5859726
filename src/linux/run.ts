// SPDX-License-Identifier: Apache-2.0
// A run of Linux on a card: the card's functions behind sockets, a kernel on them, a script in it. The card is served by the
// thread that waits for the kernel; kernel, sockets and files are gone when it returns.
import { join } from 'node:path';

import { createNic, type Nic } from '../device/nic.ts';
import type { NicConfig } from '../device/config.ts';
import { WallClock } from '../device/wall_clock.ts';
import { loadLibc } from '../native/libc.ts';
import { Poller } from '../native/poller.ts';
import { UML_ROUTING, UmlServer } from '../uml/uml_server.ts';
import { bootLinux, inRunFolder, type BootEnd, type BootOptions, type TimeTravel } from './boot.ts';
import { guestRoot, type RootContent } from './root.ts';

export interface LinuxRunOptions extends Omit<BootOptions, 'root' | 'commandLine' | 'folder' | 'onTick'> {
  /** Options of the card; where its functions lie is the kernel's. */
  readonly card: NicConfig;
  readonly root: RootContent;
  /** With `ext`: what the guest's own work takes, ns for each access that it makes. */
  readonly guestNs: number;
  /** Further words for the kernel. */
  readonly kernelWords: readonly string[];
  /** Takes the card before the kernel begins. */
  readonly onCard: (nic: Nic) => void;
  /** Looked at while the kernel runs. */
  readonly onTick: () => void;
  /** Takes lines about what is wrong with the kernel's end of a socket. */
  readonly say: (text: string) => void;
}

/** Longest that a card goes without a look at the clock. */
const IDLE_MS = 200;
const TEND_MS = 100;

/** Runs until the kernel is gone. Throws NicError CONFIG, SOCKET, and what `signal` was aborted with. */
export async function runLinux(options: LinuxRunOptions): Promise<BootEnd> {
  const { timeTravel } = options;
  const libc = await loadLibc();
  return inRunFolder(async (folder) => {
    const nic = createNic({ ...options.card, ...UML_ROUTING });
    const poller = new Poller(libc);
    const failed = new AbortController();
    poller.onFault = (error) => failed.abort(error);
    try {
      const keepTime = timeOf(nic, timeTravel);
      poller.onWake = keepTime;
      const server = new UmlServer({
        libc,
        poller,
        nic,
        folder,
        ...(timeTravel === 'inf-cpu' ? { onAccess: () => nic.runToIdle() } : {}),
        ...(timeTravel === 'ext' ? { timeTravel: { path: join(folder, 'time.sock'), guestNs: options.guestNs } } : {}),
        onEvent: (event) => {
          if (event.kind === 'dropped') options.say(`${event.name}: the kernel was dropped: ${event.reason}`);
        },
        say: options.say,
      });
      try {
        options.onCard(nic);
        let tendAtMs = 0;
        const serving = poller.run(() => {
          const nowMs = performance.now();
          if (nowMs >= tendAtMs) server.tend((tendAtMs = nowMs + TEND_MS));
          return keepTime();
        });
        try {
          return await bootLinux({
            ...options,
            folder,
            root: guestRoot(options.root),
            // paths that are the same in each run, for the kernel prints them
            commandLine: [...server.commandLine.map((word) => word.replace(`${folder}/`, '')), ...options.kernelWords],
            signal: AbortSignal.any([options.signal, failed.signal]),
          });
        } finally {
          poller.stop();
          await serving;
        }
      } finally {
        server.close();
      }
    } finally {
      poller.close();
    }
  });
}

/**
 * The card's time. With `ext` the guest's calendar lets it pass; with `inf-cpu` none passes but for what the guest asks of the
 * card, and that is done before the guest goes on. Otherwise both follow the clock on the wall.
 */
function timeOf(nic: Nic, timeTravel: TimeTravel): () => number {
  if (timeTravel !== 'off') return () => IDLE_MS;
  const clock = new WallClock(nic);
  return () => clock.keep();
}
