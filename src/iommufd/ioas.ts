// SPDX-License-Identifier: Apache-2.0
// One address space of the card: what the DMA addresses of the functions bound to it mean. It is an I/O page table and no
// more, enough for a driver of one device; IommufdContext builds the objects of iommufd on it. Mappings lead to the
// guest window or to foreign memory. Errors carry the kernel's errno names.
import { IOMMU_FOREIGN, IOMMU_READ, IOMMU_WRITE } from '../../assembly/abi/state_value.ts';
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { FLAG, needed, type OptionChecks } from '../util/options.ts';
import { ADDRESS, checkArguments, checkSource, foreignFrom, PAGE_BYTES, type MemorySource } from './memory_source.ts';

/** Who may do what in a mapping; both by default. */
export interface MapOptions {
  readonly read?: boolean;
  readonly write?: boolean;
}

/** Checks of MapOptions. */
export const MAP_OPTIONS: OptionChecks<MapOptions> = { read: FLAG, write: FLAG };
const RANGE = { iova: needed(ADDRESS), length: needed(ADDRESS) };

/** One address space of a card. */
export class Ioas {
  /** Number of the address space in the card. */
  readonly id: number;
  private readonly nic: Nic;
  /** Handles of foreign memory by the IOVA that they are mapped to. */
  private readonly handles = new Map<number, number>();

  /** Allocates; throws ENOSPC when the card has no more. */
  constructor(nic: Nic) {
    this.nic = nic;
    this.id = nic.allocateIoas();
  }

  /**
   * Maps `length` bytes of the guest window, from an offset on, or of foreign memory, to `iova`; all are multiples of 4096.
   * EINVAL: unaligned or nothing allowed; EEXIST: overlaps, leaves the window, or there is no room for more.
   */
  map(iova: number, length: number, source: number | MemorySource, options: MapOptions = {}): void {
    const from = typeof source === 'number' ? { window: source } : source;
    checkArguments('map', { iova, length }, RANGE);
    checkArguments('map', options, MAP_OPTIONS);
    checkSource(from);
    const place = 'window' in from ? from.window : (from.offset ?? 0);
    const isAligned = [iova, length, place].every((value) => Number.isSafeInteger(value) && value % PAGE_BYTES === 0);
    const isNothing = options.read === false && options.write === false;
    if (!isAligned || iova < 0 || length <= 0 || place < 0 || isNothing) {
      throw new VfioError('EINVAL', `map of ${length} bytes at iova 0x${iova.toString(16)}: whole pages are needed`);
    }
    if (!this.tryMap(iova, length, from, options)) {
      throw new VfioError(
        'EEXIST',
        `map of ${length} bytes at iova 0x${iova.toString(16)} overlaps, leaves the window or finds no room`,
      );
    }
  }

  /** Maps what has been checked; false if it overlaps, leaves the window, or there is no room for one more mapping. */
  tryMap(iova: number, length: number, source: MemorySource, options: MapOptions): boolean {
    const permissions = (options.read === false ? 0 : IOMMU_READ) | (options.write === false ? 0 : IOMMU_WRITE);
    if ('window' in source) return this.nic.mapIoas(this.id, iova, length, source.window, permissions);
    const handle = this.nic.addForeign(foreignFrom(source.foreign, source.offset ?? 0));
    if (this.nic.mapIoas(this.id, iova, length, handle, permissions | IOMMU_FOREIGN)) {
      this.handles.set(iova, handle);
      return true;
    }
    this.nic.forgetForeign(handle);
    return false;
  }

  /** Unmaps every mapping inside the range; ENOENT: none is there; EINVAL: one would be cut. Returns the bytes. */
  unmap(iova: number, length: number): number {
    checkArguments('unmap', { iova, length }, RANGE);
    const bytes = this.nic.unmapIoas(this.id, iova, length);
    if (bytes < 0)
      throw new VfioError('EINVAL', `unmap of ${length} bytes at 0x${iova.toString(16)} would cut a mapping`);
    if (bytes === 0) throw new VfioError('ENOENT', `nothing is mapped in ${length} bytes at 0x${iova.toString(16)}`);
    for (const at of this.handles.keys()) if (at >= iova && at < iova + length) this.forget(at);
    return bytes;
  }

  /** Gives the address space back; devices attached to it fault from now on. */
  destroy(): void {
    this.nic.freeIoas(this.id);
    for (const at of this.handles.keys()) this.forget(at);
  }

  private forget(iova: number): void {
    this.nic.forgetForeign(this.handles.get(iova)!);
    this.handles.delete(iova);
  }
}
