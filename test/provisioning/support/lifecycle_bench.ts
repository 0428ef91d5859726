// SPDX-License-Identifier: Apache-2.0
// A card in functional mode with the lifecycles around it, and short words for what the tests of them need.
import { expect } from 'vitest';

import { IommufdContext } from '../../../src/iommufd/context.ts';
import { Machine, type MachineOptions } from '../../../src/machine/machine.ts';
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
