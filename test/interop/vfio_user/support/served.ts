// SPDX-License-Identifier: Apache-2.0
// A card whose functions are served on this thread: the client sends, pump() lets the server work, the client reads.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadLibc, type Libc } from '../../../../src/native/libc.ts';
import { Poller } from '../../../../src/native/poller.ts';
import { Machine, type MachineOptions } from '../../../../src/machine/machine.ts';
import type { VfioDevice } from '../../../../src/vfio/vfio_device.ts';
import { VfioPci } from '../../../../src/vfio/vfio_pci.ts';
import { VirtioVfioPci } from '../../../../src/variant/virtio_vfio_pci.ts';
import { VfioUserClient } from '../../../../src/vfio_user/client.ts';
import { FunctionServer } from '../../../../src/vfio_user/function_server.ts';
import { RawClient } from './raw_client.ts';

export interface ServedOptions extends MachineOptions {
  readonly transitional?: boolean;
}

export class Served {
  readonly libc: Libc;
  readonly machine: Machine;
  readonly poller: Poller;
  readonly folder: string;
  readonly servers: readonly FunctionServer[];
  private readonly raws: RawClient[] = [];

  private constructor(libc: Libc, { transitional = false, ...options }: ServedOptions) {
    this.libc = libc;
    this.machine = new Machine({ mode: 'functional', totalVfs: 2, ...options });
    this.poller = new Poller(libc);
    this.folder = mkdtempSync(join(tmpdir(), 'virtfn-served-'));
    const { nic, bus, pf } = this.machine;
    this.servers = Array.from({ length: nic.config.totalVfs }, (_, i) => {
      const openDevice = (): VfioDevice => {
        const vf = new VfioPci(nic, i + 1, bus);
        return transitional ? new VirtioVfioPci(vf, pf.admin, i) : vf;
      };
      return new FunctionServer({ libc, poller: this.poller, nic, path: this.path(i + 1), openDevice });
    });
  }

  static async start(options: ServedOptions = {}): Promise<Served> {
    return new Served(await loadLibc(), options);
  }

  path(vf: number): string {
    return join(this.folder, `vf${vf}.sock`);
  }

  /** Lets the server do all that it can. */
  pump(): void {
    while (this.poller.poll(0) > 0);
  }

  /** A client that has said nothing yet. */
  raw(vf = 1): RawClient {
    const client = new RawClient(this.libc, this.path(vf), () => this.pump());
    this.raws.push(client);
    return client;
  }

  /** A client after VERSION. */
  greeted(vf = 1): RawClient {
    const client = this.raw(vf);
    client.greet();
    return client;
  }

  /** The protocol's other end, as a device. */
  device(vf = 1): VfioUserClient {
    return new VfioUserClient(this.libc, this.path(vf), { pump: () => this.pump() });
  }

  close(): void {
    for (const raw of this.raws) raw.close();
    this.pump();
    for (const server of this.servers) server.close();
    this.poller.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
