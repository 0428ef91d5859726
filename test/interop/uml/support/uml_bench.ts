// SPDX-License-Identifier: Apache-2.0
// A card that is served to User Mode Linux on this thread, in a folder of its own.
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NicConfig } from '../../../../src/device/config.ts';
import { createNic, type Nic } from '../../../../src/device/nic.ts';
import { loadLibc, type Libc } from '../../../../src/native/libc.ts';
import { Poller } from '../../../../src/native/poller.ts';
import { UML_ROUTING, UmlServer, type UmlEvent } from '../../../../src/uml/uml_server.ts';
import { UmlKernel, type KernelOptions } from './uml_kernel.ts';

export class UmlBench {
  readonly libc: Libc;
  readonly folder = mkdtempSync(join(tmpdir(), 'virtfn-uml-'));
  readonly nic: Nic;
  readonly poller: Poller;
  readonly server: UmlServer;
  readonly events: UmlEvent[] = [];
  private readonly faults: unknown[] = [];
  private readonly kernels: UmlKernel[] = [];

  private constructor(libc: Libc, config: NicConfig) {
    this.libc = libc;
    this.nic = createNic({ mode: 'functional', totalVfs: 2, wire: 'host', ...UML_ROUTING, ...config });
    this.poller = new Poller(libc);
    this.poller.onFault = (error) => this.faults.push(error);
    const { poller, nic, folder } = this;
    this.server = new UmlServer({ libc, poller, nic, folder, onEvent: (event) => this.events.push(event) });
  }

  static async start(config: NicConfig = {}): Promise<UmlBench> {
    return new UmlBench(await loadLibc(), config);
  }

  /** Lets the server do all that it can. */
  pump(): void {
    while (this.poller.poll(0) > 0);
    this.poller.poll(0); // what was left for later
  }

  /** One that has said nothing yet. */
  connect(name: string, options: KernelOptions = {}): UmlKernel {
    const kernel = new UmlKernel(this.libc, this.folder, name, () => this.pump(), options);
    this.kernels.push(kernel);
    return kernel;
  }

  kernel(name = 'pf', options: KernelOptions = {}): UmlKernel {
    return this.connect(name, options).start();
  }

  /** Why kernels were dropped. */
  get reasons(): string[] {
    return this.events.flatMap((event) => (event.kind === 'dropped' ? [`${event.name}: ${event.reason}`] : []));
  }

  close(): void {
    for (const kernel of this.kernels) kernel.kill();
    this.server.close();
    this.poller.close();
    rmSync(this.folder, { recursive: true, force: true });
    if (this.faults.length > 0) throw this.faults[0];
  }
}

/** What descriptors of this process lead to. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).replace(/\[\d+\]/, '');
      } catch {
        return ''; // the folder that was read
      }
    })
    .toSorted();
}
