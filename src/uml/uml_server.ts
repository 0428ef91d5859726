// SPDX-License-Identifier: Apache-2.0
// Serves the functions of a card to a User Mode Linux kernel: one socket for each, in the order of the slots that the
// kernel gives them. The functions are what the hardware shows after power-on; the kernel does all the rest.
import { join, resolve } from 'node:path';

import type { Nic } from '../device/nic.ts';
import type { Attachment, Say } from '../native/attachment.ts';
import type { Libc } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { ServedPath } from '../native/served_path.ts';
import { UnixSocket } from '../native/unix_socket.ts';
import { NicError } from '../util/errors.ts';
import { runAll } from '../util/run_all.ts';
import { saveAtPowerOn } from '../vfio/saved_state.ts';
import { Calendar, type CalendarOptions } from './calendar.ts';
import { FunctionSlot, type SlotEvent } from './function_slot.ts';
import { powerOn } from './power_on.ts';
import { SLOT_STRIDE, SLOTS, VIRTIO_DEVICE_ID } from './protocol.ts';

/** VFs that a kernel has slots for, beside the PF's. */
export const UML_VFS_MAX: number = SLOTS - 1;

/** What a card needs so that its functions lie where the kernel looks for them: each is function 0 of a slot of bus 0. */
export const UML_ROUTING = { routingId: 0, firstVfOffset: SLOT_STRIDE, vfStride: SLOT_STRIDE } as const;

/** What became of a kernel, and at which function. */
export type UmlEvent = SlotEvent & { readonly name: string; readonly fn: number };

export interface UmlServerOptions {
  readonly libc: Libc;
  /** Waits for the sockets: nothing is served but in its run() or poll(). */
  readonly poller: Poller;
  /** A card of which nobody has used anything; its onMessage() and onIntx() are the server's from now on. */
  readonly nic: Nic;
  /** Folder of the sockets: pf.sock, vf1.sock, ... */
  readonly folder: string;
  /** Sockets that are to be elsewhere, by name of the function. */
  readonly sockets?: Readonly<Record<string, string>>;
  /** One clock for the kernel and the card, which has to be a timed one; `path` is where the kernel finds it. */
  readonly timeTravel?: TimeTravel;
  readonly onEvent?: (event: UmlEvent) => void;
  /** Called behind each access of a kernel with a clock of its own, before the kernel goes on. */
  readonly onAccess?: (() => void) | undefined;
  /** Told when a socket is taken away from its path, and when it is there again. */
  readonly say?: Say;
}

/** How the kernel's time goes; see CalendarOptions. */
export type TimeTravel = Pick<CalendarOptions, 'path' | 'guestNs'>;

/** A function as it is served. */
export class UmlFunction {
  /** 'pf', 'vf1', ... */
  readonly name: string;
  readonly fn: number;
  readonly path: string;
  readonly slot: FunctionSlot;
  private readonly served: ServedPath;

  constructor(
    options: UmlServerOptions,
    calendar: Calendar | null,
    name: string,
    fn: number,
    path: string,
    reset: () => void,
  ) {
    const { libc, poller, nic, onEvent = () => {}, onAccess, say = () => {} } = options;
    this.name = name;
    this.fn = fn;
    this.path = path;
    const openSocket = (fd: number): UnixSocket => new UnixSocket(libc, fd);
    this.slot = new FunctionSlot({ libc, poller, nic, fn, openSocket, reset, calendar, onAccess }, (event) =>
      onEvent({ ...event, name, fn }),
    );
    this.served = new ServedPath({ libc, poller, path, say }, (socket) => this.slot.take(socket));
  }

  get isConnected(): boolean {
    return this.slot.present !== null;
  }

  /** Kernels that came so far. */
  get clients(): number {
    return this.slot.kernels;
  }

  /** Messages of the present kernel. */
  get messages(): number {
    return this.slot.present?.messages ?? 0;
  }

  /** How the socket at its path fares. */
  get attachment(): Attachment {
    return this.served.attachment;
  }

  /** Looks after the socket; called a few times a second. */
  tend(nowMs: number): void {
    this.served.tend(nowMs);
  }

  /** Lets the kernel go and takes the path away. */
  close(): void {
    this.slot.end();
    this.served.close();
  }
}

export class UmlServer {
  /** The PF, then the VFs. */
  readonly functions: readonly UmlFunction[];
  /** Null: kernels have clocks of their own. */
  readonly calendar: Calendar | null;
  private readonly nic: Nic;

  /** Throws NicError CONFIG for a card that no kernel can use, SOCKET where a path is taken or impossible. */
  constructor(options: UmlServerOptions) {
    const { libc, poller, nic, timeTravel, say = () => {} } = options;
    this.nic = nic;
    checkCard(nic);
    if (timeTravel !== undefined && nic.config.mode === 'functional') {
      throw new NicError('CONFIG', 'mode: functional: nothing takes time there; one clock is for a timed card');
    }
    const pfAtPowerOn = saveAtPowerOn(nic);
    const functions: UmlFunction[] = [];
    const calendar = timeTravel === undefined ? null : new Calendar({ libc, poller, nic, say, ...timeTravel });
    this.calendar = calendar;
    try {
      for (const [fn, { name, path }] of socketsOf(options).entries()) {
        functions.push(
          new UmlFunction(options, calendar, name, fn, path, () => powerOn(nic, fn, fn === 0 ? pfAtPowerOn : [])),
        );
      }
    } catch (error) {
      for (const one of functions) one.close();
      calendar?.close();
      throw error;
    }
    this.functions = functions;
    nic.onMessage((message) => functions[message.fn]?.slot.present?.msi(message));
    nic.onIntx((level) => level !== 0 && functions[0]!.slot.present?.intx());
  }

  /** Arguments for the kernel's command line, in the order that it needs. */
  get commandLine(): readonly string[] {
    const devices = this.functions.map(({ path }) => `virtio_uml.device=${path}:${VIRTIO_DEVICE_ID}`);
    return this.calendar === null ? devices : [this.calendar.argument, ...devices];
  }

  /** Looks after the sockets; called a few times a second. */
  tend(nowMs: number): void {
    this.calendar?.tend(nowMs);
    for (const one of this.functions) one.tend(nowMs);
  }

  /** Lets the kernel go; the sockets are gone when it returns. */
  close(): void {
    this.nic.onMessage(null);
    this.nic.onIntx(null);
    // VFs first: the reset of the PF takes them away
    runAll(...this.functions.toReversed().map((one) => () => one.close()), () => this.calendar?.close());
  }
}

function checkCard(nic: Nic): void {
  const { totalVfs, memory } = nic.config;
  if (memory === 'outside') {
    throw new NicError(
      'CONFIG',
      "memory 'outside': the kernel's memory is mapped into the card's address spaces; leave it out",
    );
  }
  if (totalVfs > UML_VFS_MAX) {
    throw new NicError(
      'CONFIG',
      `totalVfs: ${totalVfs}: User Mode Linux has ${SLOTS} slots, one of them for the PF; take ${UML_VFS_MAX} or fewer`,
    );
  }
  const wrong = Object.entries(UML_ROUTING).filter(
    ([name, value]) => nic.config[name as keyof typeof UML_ROUTING] !== value,
  );
  if (wrong.length === 0) return;
  const given = wrong.map(([name]) => `${name} ${nic.config[name as keyof typeof UML_ROUTING]}`).join(', ');
  throw new NicError(
    'CONFIG',
    `${given}: User Mode Linux finds functions in the slots of bus 0; create the card with ...UML_ROUTING`,
  );
}

/** Sockets in the order of functions. Throws NicError SOCKET for one that the kernel's command line cannot carry. */
function socketsOf({ nic, folder, sockets = {} }: UmlServerOptions): { name: string; path: string }[] {
  return Array.from({ length: 1 + nic.config.totalVfs }, (_, fn) => {
    const name = fn === 0 ? 'pf' : `vf${fn}`;
    const path = resolve(sockets[name] ?? join(folder, `${name}.sock`));
    if (/[\s:"']/.test(path)) {
      throw new NicError(
        'SOCKET',
        `${path}: the kernel's command line carries no path with a colon, a quote or a space; choose another folder`,
      );
    }
    return { name, path };
  });
}
