// SPDX-License-Identifier: Apache-2.0
// What VFIO_DEVICE_BIND_IOMMUFD makes of a device, by how its DMA is told apart: a requester id of its own, a PASID on the
// requester id of the PF, or nothing at all, where software stands in between (mediated_dma.ts).
import type { Nic } from '../device/nic.ts';
import type { IommufdContext } from '../iommufd/context.ts';
import { FunctionPort } from '../iommufd/device.ts';

/** A device bound to an iommufd. Ids are those of its objects. */
export interface DmaBinding {
  /** To an IOAS, in place of the one before; where the device has a requester id of its own, a page table too. */
  attach(pageTable: number): void;
  /** DMA faults from now on; nothing if nothing is attached. */
  detach(): void;
  /** The device leaves the iommufd. */
  release(): void;
}

/** How a driver binds its device. */
export type BindDma = (context: IommufdContext) => DmaBinding;

/** A function with a requester id of its own: an iommufd DEVICE. */
export function requesterDma(nic: Nic, fn: number): BindDma {
  return (context) => {
    const device = context.bind(new FunctionPort(nic, fn));
    return {
      attach: (pageTable) => void (device.attached === null ? device.attach(pageTable) : device.replace(pageTable)),
      detach: () => device.detach(),
      release: () => device.unbind(),
    };
  };
}

/** A function that shares the PF's requester id: a DEVICE for that PASID alone, with a page table made for PASIDs. */
export function pasidDma(nic: Nic, fn: number, pasid: number): BindDma {
  return (context) => {
    const port = new FunctionPort(nic, fn, pasid);
    const device = context.bindPasid(port);
    let pageTable: number | null = null;
    const destroyPageTable = (): void => {
      if (pageTable !== null) context.destroy(pageTable);
      pageTable = null;
    };
    return {
      attach: (ioas) => {
        const made = context.hwptAlloc({ device: device.id, pt: ioas, pasid: true });
        try {
          if (pageTable === null) device.attachPasid(port, made);
          else device.replacePasid(pasid, made);
        } catch (error) {
          context.destroy(made);
          throw error;
        }
        destroyPageTable();
        pageTable = made;
      },
      detach: () => {
        device.detachPasid(pasid);
        destroyPageTable();
      },
      release: () => {
        device.unbind();
        destroyPageTable();
      },
    };
  };
}
