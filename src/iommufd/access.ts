// SPDX-License-Identifier: Apache-2.0
// The ACCESS object (include/linux/iommufd.h): how a driver without DMA of its own, a mediated device for instance,
// reaches what is mapped in an IOAS: by copying, or by pinning pages. Who holds pins is told before a mapping goes.
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { APERTURE, areaSource, type Area, type AreaPart } from './area_list.ts';
import { hex, IoPageTable, rangeOf, type PinHolder } from './io_page_table.ts';
import { PAGE_BYTES, readSource, writeSource, type MemorySource } from './memory_source.ts';
import { IommufdObject, type ObjectTable } from './object_table.ts';

/** What the access's driver does for it. */
export interface AccessOps {
  /**
   * The mapping at `iova` is going: unpin all that touches it before returning. Without this function nothing can be
   * pinned. It is called for every mapping with pins of anybody, also for one that this access does not use, and for the
   * whole address space when an access with pins leaves it.
   */
  readonly unmap?: (iova: number, length: number) => void;
}

/** Pinned memory: stays where it is until it is unpinned. */
export interface PinnedRun {
  readonly iova: number;
  readonly length: number;
  readonly source: MemorySource;
}

interface Pin {
  readonly iova: number;
  readonly length: number;
  readonly areas: readonly Area[];
}

/** An access: a driver that reads, writes and pins the memory of an IOAS on behalf of a device without DMA of its own. */
export class IommufdAccess extends IommufdObject implements PinHolder {
  private readonly nic: Nic;
  private readonly ops: AccessOps;
  private ioas: IoPageTable | null = null;
  private readonly pins: Pin[] = [];

  constructor(table: ObjectTable, nic: Nic, ops: AccessOps) {
    super(table);
    this.nic = nic;
    this.ops = ops;
    this.users = 1; // the driver that made it
  }

  /** Ranges that are pinned. */
  get pinned(): number {
    return this.pins.length;
  }

  /** iommufd_access_attach(). EINVAL: attached already; ENOENT: no such IOAS. */
  attach(ioasId: number): void {
    if (this.ioas !== null) throw new VfioError('EINVAL', `access ${this.id} is attached; replace or detach`);
    this.change(this.table.get(ioasId, IoPageTable));
  }

  /** iommufd_access_replace(). ENOENT: not attached, or no such IOAS; EBUSY: pins are held after the callback. */
  replace(ioasId: number): void {
    if (this.ioas === null) throw new VfioError('ENOENT', `access ${this.id} is not attached`);
    this.change(this.table.get(ioasId, IoPageTable));
  }

  /** iommufd_access_detach(); nothing if it is not attached. EBUSY: pins are held after the callback. */
  detach(): void {
    this.change(null);
  }

  /**
   * iommufd_access_pin_pages(): whole pages from `iova` on. EINVAL: unaligned, empty, going, or no unmap callback;
   * ENOENT: not attached, or not mapped throughout; EPERM: mapped without the permission.
   */
  pinPages(iova: number, length: number, options: { readonly write?: boolean } = {}): PinnedRun[] {
    if (this.ops.unmap === undefined) throw new VfioError('EINVAL', 'pinning needs an unmap callback');
    const parts = this.partsOf(iova, length, options.write ?? false);
    if (iova % PAGE_BYTES !== 0 || length % PAGE_BYTES !== 0) {
      throw new VfioError('EINVAL', `${length} bytes at ${hex(iova)} are not whole pages`);
    }
    for (const { area } of parts) area.pins++;
    this.pins.push({ iova, length, areas: parts.map(({ area }) => area) });
    return parts.map((part) => ({ iova: part.iova, length: part.length, source: areaSource(part.area, part.iova) }));
  }

  /** iommufd_access_unpin_pages(): exactly a range that was pinned. EINVAL: it is not. */
  unpinPages(iova: number, length: number): void {
    const at = this.pins.findIndex((pin) => pin.iova === iova && pin.length === length);
    if (at < 0) throw new VfioError('EINVAL', `${length} bytes at ${hex(iova)} are not pinned as one range`);
    for (const area of this.pins[at]!.areas) area.pins--;
    this.pins.splice(at, 1);
  }

  /**
   * iommufd_access_rw(): copies from the IOAS into `data`, or with `write` the other way. Errors as pinPages(), any
   * alignment; EFAULT: foreign memory has no bytes there.
   */
  rw(iova: number, data: Uint8Array, options: { readonly write?: boolean } = {}): void {
    const copy = options.write === true ? writeSource : readSource;
    for (const { area, iova: at, length } of this.partsOf(iova, data.length, options.write ?? false)) {
      const piece = data.subarray(at - iova, at - iova + length);
      if (!copy(this.nic, areaSource(area, at), piece)) throw new VfioError('EFAULT', `no memory behind ${hex(at)}`);
    }
  }

  /** iommufd_access_destroy(). EBUSY: pins are held after the callback. */
  destroy(): void {
    this.detach();
    this.release();
  }

  /** A mapping goes. */
  onUnmap(iova: number, length: number): void {
    this.ops.unmap?.(iova, length);
  }

  private partsOf(iova: number, length: number, isWrite: boolean): AreaPart[] {
    const range = rangeOf(iova, length);
    if (this.ioas === null) throw new VfioError('ENOENT', `access ${this.id} is not attached to an IOAS`);
    const parts = this.ioas.partsOf(range);
    for (const { area, iova: at } of parts) {
      if (area.isClosing) throw new VfioError('EINVAL', `the mapping at ${hex(at)} is being unmapped`);
      const isAllowed = isWrite ? area.options.write : area.options.read;
      if (isAllowed !== true) throw new VfioError('EPERM', `the mapping at ${hex(at)} may not be accessed so`);
    }
    return parts;
  }

  private change(ioas: IoPageTable | null): void {
    const old = this.ioas;
    if (old === ioas) return;
    if (old !== null) {
      this.ioas = null; // no new pins
      try {
        if (this.pins.length > 0) this.onUnmap(APERTURE.start, APERTURE.last + 1);
      } finally {
        this.ioas = old;
      }
      if (this.pins.length > 0) {
        throw new VfioError('EBUSY', `access ${this.id} holds ${this.pins.length} pins after its callback`);
      }
      old.accesses.delete(this);
      old.users--;
    }
    if (ioas !== null) {
      ioas.accesses.add(this);
      ioas.users++;
    }
    this.ioas = ioas;
  }
}
