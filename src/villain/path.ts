// SPDX-License-Identifier: Apache-2.0
// How a case reaches the functions of its card: in the process, or through the vfio-user server and its client over a
// UNIX socket. Cases see the same on both: a VfioDevice, and memory that the device can reach.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { BusLayout } from '../device/bus.ts';
import type { Nic } from '../device/nic.ts';
import { DEFAULT_IOVA_BASE, DmaBuffer } from '../iommufd/dma_buffer.ts';
import { Ioas } from '../iommufd/ioas.ts';
import { loadLibc, type Libc } from '../native/libc.ts';
import { Poller } from '../native/poller.ts';
import { NicError } from '../util/errors.ts';
import type { PfAdmin } from '../variant/pf_admin.ts';
import { VirtioVfioPci } from '../variant/virtio_vfio_pci.ts';
import { VfioUserClient } from '../vfio_user/client.ts';
import { ClientMemory } from '../vfio_user/client_memory.ts';
import { FunctionServer } from '../vfio_user/function_server.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { GuestMemory } from './guest_memory.ts';
import type { PathName } from './verdict.ts';

/** Guest memory of one function. */
export const MEMORY_BYTES: number = 512 << 10;
/** Clients' memories lie apart, so that an address of one says nothing to another. */
const CLIENT_MEMORY_STRIDE = 0x1000_0000;

/** What is seen of a function: what vfio-pci shows, the hardware itself, or the variant driver's transitional function. */
export type FunctionView = 'vfio' | 'hardware' | 'transitional';

/** A card, and the admin queue of its PF driver where there is one. */
export interface Card {
  readonly nic: Nic;
  readonly bus: BusLayout;
  readonly pfAdmin: PfAdmin | null;
}

/** One function as its driver holds it. */
export interface Endpoint {
  readonly device: VfioDevice;
  readonly memory: GuestMemory;
  /** Maps the memory for the device, or takes it away. */
  setMapped(isMapped: boolean): void;
}

/** The functions of one card by one path. */
export interface Path {
  /** Opens a function. Throws VfioError where it is not there. */
  open(fn: number, view: FunctionView): Endpoint;
  /** Hands on what the card has said since. */
  deliver(): void;
  close(): void;
}

/** Makes paths, one for each case. */
export interface PathDriver {
  readonly name: PathName;
  /** Why the path cannot be had on this machine; null: it can. */
  readonly missing: string | null;
  connect(card: Card): Path;
}

function functionOf({ nic, bus, pfAdmin }: Card, fn: number, view: FunctionView): VfioDevice {
  const function_ = new VfioPci(nic, fn, bus, view === 'hardware' ? 'hardware' : 'vfio');
  return view === 'transitional' ? new VirtioVfioPci(function_, pfAdmin, fn - 1) : function_;
}

class DirectPath implements Path {
  private readonly card: Card;

  constructor(card: Card) {
    this.card = card;
  }

  open(fn: number, view: FunctionView): Endpoint {
    const { nic } = this.card;
    const device = functionOf(this.card, fn, view);
    device.open();
    const ioas = new Ioas(nic);
    const block = new DmaBuffer(nic, ioas, MEMORY_BYTES);
    device.attach(ioas);
    const base = block.iova(0);
    return {
      device,
      memory: new GuestMemory(block, MEMORY_BYTES),
      setMapped: (isMapped) => {
        if (isMapped) ioas.map(base, block.size, base - DEFAULT_IOVA_BASE);
        else ioas.unmap(base, block.size);
      },
    };
  }

  deliver(): void {} // handlers run in the call that caused them

  close(): void {}
}

/** In the process, one call after the other. */
export const directPath: PathDriver = {
  name: 'direct',
  missing: null,
  connect: (card) => new DirectPath(card),
};

class SocketPath implements Path {
  private readonly libc: Libc;
  private readonly card: Card;
  private readonly memories: ClientMemory[];
  private readonly poller: Poller;
  private readonly folder = mkdtempSync(join(tmpdir(), 'virtfn-villain-'));
  private readonly servers: FunctionServer[] = [];
  private readonly clients: VfioUserClient[] = [];

  constructor(libc: Libc, card: Card, memories: ClientMemory[]) {
    this.libc = libc;
    this.card = card;
    this.memories = memories;
    this.poller = new Poller(libc);
  }

  open(fn: number, view: FunctionView): Endpoint {
    const { libc, poller, card } = this;
    const path = join(this.folder, `${fn}.sock`);
    const openDevice = (): VfioDevice => functionOf(card, fn, view);
    this.servers.push(new FunctionServer({ libc, poller, nic: card.nic, path, openDevice }));
    const client = new VfioUserClient(libc, path, { pump: () => this.pump() });
    this.clients.push(client);
    const memory = this.memoryOf(fn);
    client.map(memory);
    return {
      device: client,
      memory: new GuestMemory(memory, MEMORY_BYTES),
      setMapped: (isMapped) => (isMapped ? client.map(memory) : client.unmap(memory)),
    };
  }

  deliver(): void {
    this.pump();
    for (const client of this.clients) client.takeIrqs();
  }

  close(): void {
    for (const client of this.clients) client.close();
    this.pump();
    for (const server of this.servers) server.close();
    this.poller.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private pump(): void {
    while (this.poller.poll(0) > 0);
  }

  /** Memory of a client is never unmapped from the process, so the next case gets the same. */
  private memoryOf(fn: number): ClientMemory {
    const base = DEFAULT_IOVA_BASE + fn * CLIENT_MEMORY_STRIDE;
    return (this.memories[fn] ??= new ClientMemory(this.libc, MEMORY_BYTES, base));
  }
}

/** Through the project's own server and client; needs the optional package koffi and Linux. */
export async function socketPath(): Promise<PathDriver> {
  const memories: ClientMemory[] = [];
  try {
    const libc = await loadLibc();
    return { name: 'vfio-user', missing: null, connect: (card) => new SocketPath(libc, card, memories) };
  } catch (error) {
    if (!(error instanceof NicError)) throw error;
    const { message } = error;
    return {
      name: 'vfio-user',
      missing: message,
      connect: () => {
        throw error;
      },
    };
  }
}
