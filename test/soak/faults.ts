// SPDX-License-Identifier: Apache-2.0
// What a served card hangs on, and how each is taken away and given back. A fault ends with what the server has to count.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

import type { Libc } from '../../src/native/libc.ts';
import { Poller } from '../../src/native/poller.ts';
import { DgramPort } from '../../src/wire/dgram_port.ts';
import { encodePcap } from '../../src/wire/pcap.ts';
import { mountSmall, noMounts, noTaps, run, unmount } from '../interop/vfio_user/support/outside.ts';

/** One way to take something away. */
export interface Fault {
  readonly name: string;
  /** Beginning of the name of what is lost; the server has to count it, and to have it back after mend(). */
  readonly attachment: string;
  break(): void | Promise<void>;
  mend(): void | Promise<void>;
}

/** A wire of a server, with what can happen to it. */
export interface Outside {
  readonly wire: string;
  readonly faults: readonly Fault[];
  /** Reads what the wire brings, as far as the machine lets it. */
  drain(): void;
  close(): void;
}

/** More than a capture takes in an hour. */
const SMALL_BYTES = 64 << 20;

export function tapOutside(): Outside | null {
  if (noTaps() !== '') return null;
  const name = `vfsk${process.pid}`.slice(0, 15);
  const up = (): void => run('ip', 'link', 'set', name, 'up');
  const add = (): void => {
    run('ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap');
    up();
  };
  const attachment = `tap:${name}`;
  add();
  return {
    wire: attachment,
    faults: [
      { name: 'tap deleted', attachment, break: () => run('ip', 'link', 'del', name), mend: add },
      { name: 'tap down', attachment, break: () => run('ip', 'link', 'set', name, 'down'), mend: up },
    ],
    drain: () => {},
    close: () => void spawnSync('ip', ['link', 'del', name]),
  };
}

/** A capture on a file system of its own where that can be had, and one that is played and has a bad end. */
export function fileOutside(folder: string): Outside {
  const place = join(folder, 'small');
  const isMounted = noMounts() === '';
  if (isMounted) mountSmall(place, SMALL_BYTES);
  else mkdirSync(place);
  const path = join(place, 'out.pcap');
  const filler = join(place, 'filler');
  const played = encodePcap([{ seconds: 0, nanoseconds: 0, bytes: new Uint8Array(60).fill(0xff) }]);
  writeFileSync(join(folder, 'in.pcap'), Buffer.concat([played, Buffer.alloc(20, 0xff)]));
  const attachment = `pcap:${path}`;
  const removed: Fault = { name: 'capture removed', attachment, break: () => rmSync(path), mend: () => {} };
  const full: Fault = {
    name: 'file system full',
    attachment,
    break: () => void spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { stdio: 'ignore' }),
    mend: () => {
      rmSync(filler, { force: true });
    },
  };
  return {
    wire: `pcap:${path},${join(folder, 'in.pcap')}`,
    faults: isMounted ? [removed, full] : [removed],
    drain: () => {},
    close: () => {
      if (isMounted) unmount(place);
    },
  };
}

export function fifoOutside(folder: string): Outside {
  const path = join(folder, 'wire.fifo');
  run('mkfifo', path);
  const open = (): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let reader = open();
  const page = Buffer.alloc(1 << 16);
  return {
    wire: `pcap:${path}`,
    faults: [
      {
        name: 'reader of the FIFO gone',
        attachment: `pcap:${path}`,
        break: () => closeSync(reader),
        mend: () => {
          reader = open();
        },
      },
    ],
    drain: () => {
      try {
        while (readSync(reader, page) > 0);
      } catch {
        // nothing there, or no reader
      }
    },
    close: () => {},
  };
}

export async function peerOutside(folder: string): Promise<Outside> {
  const path = join(folder, 'peer.sock');
  const sockets = new Set<Socket>();
  let server: Server;
  const listen = (): Promise<void> =>
    new Promise((resolve) => {
      server = createServer((socket) => {
        sockets.add(socket);
        socket
          .on('error', () => {})
          .on('close', () => sockets.delete(socket))
          .resume();
      });
      server.listen(path, resolve);
    });
  const stop = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const attachment = `peer:${path}`;
  await listen();
  return {
    wire: attachment,
    faults: [
      { name: 'peer gone', attachment, break: stop, mend: listen },
      {
        name: 'peer sends nonsense',
        attachment,
        break: () => sockets.forEach((socket) => socket.write(Buffer.alloc(64, 0xff))),
        mend: () => {},
      },
    ],
    drain: () => {},
    close: stop,
  };
}

export function dgramOutside(libc: Libc, folder: string): Outside {
  const [local, remote] = [join(folder, 'local.sock'), join(folder, 'remote.sock')];
  const open = (): DgramPort => {
    const port = new DgramPort(libc, new Poller(libc), remote, local, () => {});
    port.open(() => {});
    return port;
  };
  let far: DgramPort | null = open();
  const stop = (): void => {
    far?.close();
    far = null;
  };
  return {
    wire: `dgram:${local},${remote}`,
    faults: [
      {
        name: 'dgram peer gone',
        attachment: `dgram:${remote}`,
        break: stop,
        mend: () => {
          far = open();
        },
      },
      { name: 'dgram socket removed', attachment: `dgram:${local}`, break: () => rmSync(local), mend: () => {} },
    ],
    drain: () => {
      const port = far;
      if (port !== null) while (port.next() !== null);
    },
    close: stop,
  };
}

/** What every server has: its sockets, alone and with their folder. */
export function socketFaults(folder: string): Fault[] {
  const vf1 = join(folder, 'vf1.sock');
  const moved = `${folder}.moved`;
  return [
    { name: 'socket removed', attachment: vf1, break: () => rmSync(vf1, { force: true }), mend: () => {} },
    {
      name: 'socket replaced',
      attachment: vf1,
      break: () => {
        rmSync(vf1, { force: true });
        writeFileSync(vf1, 'letters');
      },
      mend: () => rmSync(vf1, { force: true }),
    },
    {
      name: 'socket folder gone',
      attachment: vf1,
      break: () => renameSync(folder, moved),
      mend: () => {
        mkdirSync(folder);
        if (existsSync(moved)) rmSync(moved, { recursive: true });
      },
    },
  ];
}
