// SPDX-License-Identifier: Apache-2.0
// Guest memory in an IOAS of an iommufd, as a driver shares it with its device.
import type { Nic } from '../device/nic.ts';
import type { IommufdContext } from '../iommufd/context.ts';
import { DmaBuffer } from '../iommufd/dma_buffer.ts';

/** Takes `bytes` of the card's guest window and maps them in an IOAS. Throws ENOMEM, and what IOMMU_IOAS_MAP does. */
export function guestMemory(nic: Nic, context: IommufdContext, ioas: number, bytes: number): DmaBuffer {
  const map = (iova: number, length: number, window: number): void => {
    context.ioasMap(ioas, { iova, length, source: { window }, read: true, write: true });
  };
  return new DmaBuffer(nic, { map }, bytes);
}
