// SPDX-License-Identifier: Apache-2.0
// An I/O address space: what a device's DMA addresses mean (IOMMU_IOAS_ALLOC, MAP, UNMAP of iommufd). Mappings lead to
// the card's guest window. Errors carry the kernel's errno names.
import { IOMMU_READ, IOMMU_WRITE } from '../../assembly/abi/state_map.ts';
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';

/** Who may do what in a mapping; both by default. */
export interface MapOptions {
  readonly read?: boolean;
  readonly write?: boolean;
}

const PAGE_BYTES = 4096;

/** One address space of a card. */
export class Ioas {
  readonly id: number;
  private readonly nic: Nic;

  /** Allocates; throws ENOSPC when the card has no more. */
  constructor(nic: Nic) {
    this.nic = nic;
    this.id = nic.allocateIoas();
  }

  /**
   * Maps `length` bytes of the guest window at `offset` to `iova`; all three are multiples of 4096.
   * EINVAL: unaligned or nothing allowed; EEXIST: overlaps, leaves the window, or the address space is full.
   */
  map(iova: number, length: number, offset: number, options: MapOptions = {}): void {
    const permissions = (options.read === false ? 0 : IOMMU_READ) | (options.write === false ? 0 : IOMMU_WRITE);
    const isAligned = [iova, length, offset].every((value) => Number.isSafeInteger(value) && value % PAGE_BYTES === 0);
    if (!isAligned || iova < 0 || length <= 0 || offset < 0 || permissions === 0) {
      throw new VfioError('EINVAL', `map of ${length} bytes at iova 0x${iova.toString(16)}: whole pages are needed`);
    }
    if (!this.nic.mapIoas(this.id, iova, length, offset, permissions)) {
      throw new VfioError(
        'EEXIST',
        `map of ${length} bytes at iova 0x${iova.toString(16)} overlaps, leaves the window or finds no room`,
      );
    }
  }

  /** Unmaps every mapping inside the range; ENOENT: none is there; EINVAL: one would be cut. Returns the bytes. */
  unmap(iova: number, length: number): number {
    const bytes = this.nic.unmapIoas(this.id, iova, length);
    if (bytes < 0)
      throw new VfioError('EINVAL', `unmap of ${length} bytes at 0x${iova.toString(16)} would cut a mapping`);
    if (bytes === 0) throw new VfioError('ENOENT', `nothing is mapped in ${length} bytes at 0x${iova.toString(16)}`);
    return bytes;
  }

  /** Gives the address space back; devices attached to it fault from now on. */
  destroy(): void {
    this.nic.freeIoas(this.id);
  }
}
