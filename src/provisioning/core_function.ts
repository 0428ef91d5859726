// SPDX-License-Identifier: Apache-2.0
// A function on demand of the card with its driver's side: made as its profile says, shown as a vfio device, its DMA told
// apart by a PASID or mediated.
import type { FunctionProfile } from '../device/function_profile.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { pasidDma, type BindDma } from './dma_binding.ts';
import type { Host } from './host.ts';
import { MediatedDma } from './mediated_dma.ts';
import type { RegisteredDevice } from './vfio_node.ts';

/** One function on demand that is there. */
export class CoreFunction implements RegisteredDevice {
  /** Number of the function in the card. */
  readonly fn: number;
  readonly device: VfioPci;
  readonly bind: BindDma;
  readonly mediated: MediatedDma | null = null;
  private readonly host: Host;
  private readonly pasid: number | null;

  /** `fn` was taken of the host's functions. Throws what provision() and createFunction() do, and leaves nothing behind. */
  constructor(host: Host, fn: number, profile: FunctionProfile, pasid: number | null) {
    const { nic, bus } = host.machine;
    this.host = host;
    this.fn = fn;
    this.pasid = pasid;
    nic.provision(fn, profile);
    nic.createFunction(fn, pasid);
    try {
      this.device = new VfioPci(nic, fn, bus);
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
    this.device.requestRelease();
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
