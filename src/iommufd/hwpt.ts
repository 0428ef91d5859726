// SPDX-License-Identifier: Apache-2.0
// HWPT objects: page tables that devices are attached to. A paging HWPT holds what is mapped in its IOAS; it is one
// address space of the card, so it is what requests really go through.
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { areaSource, type Area } from './area_list.ts';
import { Ioas } from './ioas.ts';
import { hex, rangeOf, type AreaTable, type IoPageTable } from './io_page_table.ts';
import { PAGE_BYTES } from './memory_source.ts';
import { IommufdObject, type ObjectTable } from './object_table.ts';

/** IOMMU_HWPT_ALLOC_* of a paging HWPT. */
export interface HwptFlags {
  /** DIRTY_TRACKING: pages that are written can be asked for. */
  readonly dirtyTracking?: boolean;
  /** PASID: may be attached to a PASID, and to the requester id beside PASIDs. */
  readonly pasid?: boolean;
  /** NEST_PARENT: second stage of nested HWPTs. */
  readonly nestParent?: boolean;
}

/** IOMMU_HWPT_GET_DIRTY_BITMAP. */
export interface DirtyBitmapRequest {
  readonly iova: number;
  readonly length: number;
  /** Bytes that one bit stands for, a power of two from 4096. */
  readonly pageSize: number;
  /** Bit 0 of byte 0 is the page at `iova`; bits are set, none is cleared. */
  readonly bitmap: Uint8Array;
  /** GET_DIRTY_BITMAP_NO_CLEAR: pages stay dirty. */
  readonly noClear?: boolean;
}

/** What both kinds have in common. */
export abstract class Hwpt extends IommufdObject {
  /** The address space of the card. */
  readonly space: Ioas;
  readonly isPasid: boolean;
  protected readonly nic: Nic;

  constructor(table: ObjectTable, nic: Nic, isPasid: boolean) {
    let space: Ioas;
    try {
      space = new Ioas(nic);
    } catch {
      throw new VfioError('ENOMEM', 'the card has no address space left; destroy a page table');
    }
    super(table);
    this.space = space;
    this.nic = nic;
    this.isPasid = isPasid;
  }

  /** The IOAS whose addresses a device sees, or those of its second stage. */
  abstract get ioas(): IoPageTable;

  override release(): void {
    this.space.destroy();
    super.release();
  }
}

/** Who composes its own mappings with those of a parent, and is told what the parent loses. */
export interface FirstStage {
  onParentUnmap(iova: number, length: number): void;
}

export class HwptPaging extends Hwpt implements AreaTable {
  readonly ioas: IoPageTable;
  /** Made by attaching to an IOAS; goes with its last device. */
  readonly isAuto: boolean;
  readonly flags: HwptFlags;
  readonly nested = new Set<FirstStage>();
  private isTracking = false;

  constructor(table: ObjectTable, nic: Nic, ioas: IoPageTable, flags: HwptFlags, isAuto: boolean) {
    super(table, nic, flags.pasid ?? false);
    this.ioas = ioas;
    this.isAuto = isAuto;
    this.flags = flags;
    ioas.users++;
    ioas.hwpts.add(this);
    for (const area of ioas.areas) {
      if (this.mapArea(area)) continue;
      this.release();
      throw new VfioError('ENOMEM', `the card has no room for the ${ioas.areas.size} mappings of IOAS ${ioas.id}`);
    }
  }

  /** False: the card has no room. */
  mapArea(area: Area): boolean {
    return this.space.tryMap(area.iova, area.length, areaSource(area), area.options);
  }

  unmapArea(area: Area): void {
    this.space.unmap(area.iova, area.length);
    for (const nested of this.nested) nested.onParentUnmap(area.iova, area.length);
  }

  /**
   * IOMMU_HWPT_SET_DIRTY_TRACKING. EOPNOTSUPP: allocated without the flag; ENOMEM: no room for the marks.
   * Starting makes all pages clean.
   */
  setDirtyTracking(isOn: boolean): void {
    this.checkDirty();
    if (!this.nic.iommu.track(this.space.id, isOn)) {
      this.isTracking = false;
      throw new VfioError('ENOMEM', `no room to mark dirty pages of ${this.ioas.areas.size} mappings; track fewer`);
    }
    this.isTracking = isOn;
  }

  /**
   * Sets the bits of pages that devices have written. EOPNOTSUPP: allocated without tracking; EINVAL: tracking is off,
   * unaligned, empty, or not mapped throughout; EFAULT: the bitmap is too short.
   */
  getDirtyBitmap({ iova, length, pageSize, bitmap, noClear = false }: DirtyBitmapRequest): void {
    this.checkDirty();
    const range = rangeOf(iova, length);
    const isPages = Number.isInteger(Math.log2(pageSize)) && pageSize >= PAGE_BYTES;
    if (!isPages || iova % pageSize !== 0 || length % PAGE_BYTES !== 0) {
      throw new VfioError('EINVAL', `${length} bytes at ${hex(iova)} in pages of ${pageSize} are not whole pages`);
    }
    if (!this.isTracking) throw new VfioError('EINVAL', `HWPT ${this.id} does not track dirty pages; start it first`);
    if (this.ioas.areas.partsOf(range) === null) {
      throw new VfioError('EINVAL', `${length} bytes at ${hex(iova)} are not mapped throughout`);
    }
    const bits = Math.ceil(length / pageSize);
    if (bitmap.length * 8 < bits) throw new VfioError('EFAULT', `${bits} pages do not fit ${bitmap.length} bytes`);
    for (let at = 0; at < length; at += PAGE_BYTES) {
      if (!this.nic.iommu.isDirty(this.space.id, iova + at, !noClear)) continue;
      const bit = Math.floor(at / pageSize);
      bitmap[bit >> 3]! |= 1 << (bit & 7);
    }
  }

  override release(): void {
    super.release();
    this.ioas.hwpts.delete(this);
    this.ioas.users--;
  }

  private checkDirty(): void {
    if (this.flags.dirtyTracking !== true) {
      throw new VfioError('EOPNOTSUPP', `HWPT ${this.id} was allocated without dirty tracking`);
    }
  }
}
