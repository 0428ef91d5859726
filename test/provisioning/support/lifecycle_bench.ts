// SPDX-License-Identifier: Apache-2.0
// A card in functional mode with the lifecycles around it, and short words for what the tests of them need.
import { expect } from 'vitest';

import { VirtioModern } from '../../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../../src/guest/virtio_net.ts';
import { IommufdContext } from '../../../src/iommufd/context.ts';
import { Machine, type MachineOptions } from '../../../src/machine/machine.ts';
import { guestMemory } from '../../../src/provisioning/guest_memory.ts';
import { SriovLifecycle } from '../../../src/provisioning/sriov_lifecycle.ts';
import type { VfDriver } from '../../../src/provisioning/sriov_vf.ts';
import type { VfioFile } from '../../../src/provisioning/vfio_file.ts';

/** A PF under its driver, without VFs; drivers are not offered new ones. */
export function sriovHost(options: MachineOptions = {}): SriovLifecycle {
  const machine = new Machine({ mode: 'functional', totalVfs: 4, numVfs: 0, ...options });
  const host = new SriovLifecycle(machine);
  host.autoprobe = false;
  return host;
}

/** Gives VF `number` to a driver. */
export function give(host: SriovLifecycle, number: number, driver: VfDriver = 'virtio_vfio_pci'): void {
  const vf = host.vf(number);
  vf.setOverride(driver);
  vf.bind(driver);
}

/** The same, with its node open and bound to an iommufd of its own. */
export function use(host: SriovLifecycle, number: number, driver: VfDriver = 'virtio_vfio_pci'): VfioFile {
  give(host, number, driver);
  const file = host.vf(number).open();
  file.bind(iommufd(host));
  return file;
}

/** An open /dev/iommu. */
export function iommufd(host: SriovLifecycle): IommufdContext {
  return new IommufdContext(host.machine.nic);
}

export interface Running {
  readonly file: VfioFile;
  readonly context: IommufdContext;
  readonly ioas: number;
  readonly driver: VirtioNet;
  readonly received: Uint8Array[];
}

/** The modern driver on a function that can be opened, in an iommufd of its own. */
export function startModern(host: SriovLifecycle, fn: { open(): VfioFile }): Running {
  const context = iommufd(host);
  const ioas = context.ioasAlloc();
  const file = fn.open();
  file.bind(context);
  file.attach({ id: ioas });
  const memory = guestMemory(host.machine.nic, context, ioas, 2 << 20);
  const received: Uint8Array[] = [];
  const onReceive = (bytes: Uint8Array, offset: number, length: number): void => {
    received.push(bytes.slice(offset, offset + length));
  };
  // a VF behind the variant driver has an I/O BAR too; its modern structures are all there
  const driver = new VirtioNet(new VirtioModern(file), memory, host.machine.clock, { onReceive });
  driver.start();
  return { file, context, ioas, driver, received };
}

/** What a refused call throws. */
export function refusal(code: string): unknown {
  return expect.objectContaining({ name: 'VfioError', code });
}

/** The errno name of a call, or the empty string. */
export function errnoOf(call: () => unknown): string {
  try {
    call();
    return '';
  } catch (error) {
    return (error as { code: string }).code;
  }
}
