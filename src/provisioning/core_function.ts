// SPDX-License-Identifier: Apache-2.0
// A function on demand of the card with its driver's side: made as its profile says, shown as a vfio device, its DMA told
// apart by a PASID or mediated. If its profile has legacy access it is shown as a transitional function by the same code
// that does so for VFs; the administration commands name it in a group that virtio does not have.
import { ADMIN_GROUP_ON_DEMAND } from '../../assembly/abi/config_layout.ts';
import type { FunctionProfile } from '../device/function_profile.ts';
import type { PfAdmin } from '../variant/pf_admin.ts';
import { VirtioVfioPci } from '../variant/virtio_vfio_pci.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { pasidDma, type BindDma } from './dma_binding.ts';
import type { Host } from './host.ts';
import { MediatedDma } from './mediated_dma.ts';
import type { RegisteredDevice } from './vfio_file.ts';

/** One function on demand that is there. */
export class CoreFunction implements RegisteredDevice {
  /** Number of the function in the card. */
  readonly fn: number;
  readonly device: VfioDevice;
  readonly bind: BindDma;
  readonly mediated: MediatedDma | null = null;
  private readonly host: Host;
  private readonly core: VfioPci;
  private readonly pasid: number | null;

  /**
   * `fn` was taken of the host's functions. Throws what provision(), createFunction() and the probe of a transitional
   * function do, and leaves nothing behind.
   */
  constructor(host: Host, fn: number, profile: FunctionProfile, pasid: number | null) {
    const { nic, bus } = host.machine;
    this.host = host;
    this.fn = fn;
    this.pasid = pasid;
    nic.provision(fn, profile);
    nic.createFunction(fn, pasid);
    try {
      this.core = new VfioPci(nic, fn, bus);
      this.device = nic.provisioned(fn).legacy ? transitional(host, this.core, fn) : this.core;
      if (pasid !== null) this.bind = pasidDma(nic, fn, pasid);
      else {
        const mediated = new MediatedDma(nic, fn);
        this.mediated = mediated;
        this.bind = (context) => mediated.bind(context);
      }
    } catch (error) {
      nic.destroyFunction(fn);
      throw error;
    }
  }

  requestRelease(): void {
    this.core.requestRelease();
  }

  /** A reset of the PF took the function away; this one is cold, and in the address space of the one before. */
  restore(): void {
    this.host.machine.nic.createFunction(this.fn, this.pasid);
  }

  destroy(): void {
    const { nic } = this.host.machine;
    nic.destroyFunction(this.fn);
    this.mediated?.destroy();
  }
}

function transitional({ machine }: Host, core: VfioPci, fn: number): VfioDevice {
  const { admin } = machine.pf;
  const group: PfAdmin = {
    supportedCommands: admin.supportedCommands,
    devicePartsLimit: 0,
    exec: (opcode, _group, member, data, resultLength) =>
      admin.exec(opcode, ADMIN_GROUP_ON_DEMAND, member, data, resultLength),
  };
  return new VirtioVfioPci(core, group, fn - machine.nic.config.totalVfs - 1);
}
