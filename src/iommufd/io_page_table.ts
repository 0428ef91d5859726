// SPDX-License-Identifier: Apache-2.0
// The IOAS object: areas, and who uses them. Every page table (HWPT) on it holds all areas; an access reads them through
// memory. Names and errors of linux/iommufd.h.
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { ANYTHING, needed, type OptionChecks } from '../util/options.ts';
import {
  APERTURE,
  AreaList,
  lastOf,
  overlaps,
  areaSource,
  type Area,
  type AreaPart,
  type IovaRange,
  type Pages,
} from './area_list.ts';
import { MAP_OPTIONS, type MapOptions } from './ioas.ts';
import { ADDRESS, checkArguments, checkSource, offsetOf, PAGE_BYTES, type MemorySource } from './memory_source.ts';
import { IommufdObject, type ObjectTable } from './object_table.ts';

/** Where x86 hosts take message signalled interrupts: no memory for a device that is attached. */
export const MSI_WINDOW: IovaRange = { start: 0xfee0_0000, last: 0xfeef_ffff };

/** A mapping to make. `read` and `write` are IOMMU_IOAS_MAP_READABLE and WRITEABLE: off if left out. */
export interface IoasMap extends MapOptions {
  readonly length: number;
  readonly source: MemorySource;
  /** IOMMU_IOAS_MAP_FIXED_IOVA; chosen by the IOAS if left out. */
  readonly iova?: number;
}

const RANGE: OptionChecks<IovaRange> = { start: needed(ADDRESS), last: needed(ADDRESS) };
/** Numbers have errors of their own. */
const IOAS_MAP: OptionChecks<IoasMap> = { ...MAP_OPTIONS, length: ANYTHING, source: ANYTHING, iova: ANYTHING };

/** The range from `iova` on; EINVAL: empty; EOVERFLOW: not a whole number below 2^53. */
export function rangeOf(iova: number, length: number): IovaRange {
  if (length === 0) throw new VfioError('EINVAL', 'a length of 0; give the bytes of the range');
  const last = iova + length - 1;
  const isRange = [iova, length, last].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!isRange) throw new VfioError('EOVERFLOW', `${length} bytes at ${iova} are no range of addresses below 2^53`);
  return { start: iova, last };
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** A page table that holds every area. */
export interface AreaTable {
  /** False: there is no room. */
  mapArea(area: Area): boolean;
  unmapArea(area: Area): void;
}

/** Who may hold pins of areas, and is told before one goes. */
export interface PinHolder {
  onUnmap(iova: number, length: number): void;
}

export class IoPageTable extends IommufdObject {
  readonly areas = new AreaList();
  readonly hwpts = new Set<AreaTable>();
  readonly accesses = new Set<PinHolder>();
  private readonly nic: Nic;
  private allowed: readonly IovaRange[] = [];
  /** Devices that are attached: their reserved addresses are taken out. */
  devices = 0;
  private isUnmapping = false;

  constructor(table: ObjectTable, nic: Nic) {
    super(table);
    this.nic = nic;
  }

  private get reserved(): readonly IovaRange[] {
    return this.devices > 0 ? [MSI_WINDOW] : [];
  }

  /** What may be mapped: the aperture without what devices reserve. */
  ranges(): IovaRange[] {
    if (this.devices === 0) return [APERTURE];
    return [
      { start: APERTURE.start, last: MSI_WINDOW.start - 1 },
      { start: MSI_WINDOW.last + 1, last: APERTURE.last },
    ];
  }

  /** Narrows where map() chooses addresses; nothing may be reserved there, now and later. */
  allow(ranges: readonly IovaRange[]): void {
    ranges.forEach((range, i) => {
      checkArguments('ALLOW_IOVAS', range, RANGE);
      const isWrong = range.start >= range.last || ranges.slice(0, i).some((other) => overlaps(range, other));
      if (isWrong) throw new VfioError('EINVAL', `range ${hex(range.start)}..${hex(range.last)} is empty or overlaps`);
    });
    for (const range of ranges) {
      if (!this.reserved.some((other) => overlaps(range, other))) continue;
      throw new VfioError(
        'EADDRINUSE',
        `range ${hex(range.start)}..${hex(range.last)} has addresses that are reserved`,
      );
    }
    this.allowed = [...ranges].sort((a, b) => a.start - b.start);
  }

  /** May a device come? EADDRINUSE if what it reserves is mapped or allowed. */
  checkDevice(): void {
    const isInUse = this.areas.firstIn(MSI_WINDOW) ?? this.allowed.find((range) => overlaps(range, MSI_WINDOW));
    if (isInUse === undefined) return;
    throw new VfioError('EADDRINUSE', `${hex(MSI_WINDOW.start)}.. is for interrupts of the device; unmap it first`);
  }

  map(request: IoasMap): number {
    checkArguments('IOAS_MAP', request, IOAS_MAP);
    const { source, length, iova, read = false, write = false } = request;
    checkSource(source);
    if (!read && !write) throw new VfioError('EINVAL', 'a mapping that may neither be read nor written');
    const offset = offsetOf(source);
    if (length % PAGE_BYTES !== 0 || offset % PAGE_BYTES !== 0) {
      throw new VfioError('EINVAL', `${length} bytes at offset ${offset} of memory are not whole pages`);
    }
    const { last } = rangeOf(offset, length);
    if ('window' in source && last >= this.nic.config.windowBytes) {
      throw new VfioError('EFAULT', `byte ${last}: the guest window has ${this.nic.config.windowBytes}`);
    }
    const at = this.placeFor(iova, length, offset);
    const pages: Pages = { source, isWritable: write };
    this.insert([{ iova: at, length, pages, start: 0, options: { read, write }, pins: 0, isClosing: false }]);
    return at;
  }

  /** Maps what is mapped under `parts`, which follow each other, once more. */
  copyFrom(parts: readonly AreaPart[], iova: number | undefined, options: MapOptions): number {
    const { read = false, write = false } = options;
    const length = parts.reduce((bytes, part) => bytes + part.length, 0);
    if (length % PAGE_BYTES !== 0) throw new VfioError('EINVAL', `${length} bytes are not whole pages`);
    const at = this.placeFor(iova, length, offsetOf(areaSource(parts[0]!.area, parts[0]!.iova)));
    const areas = parts.map(({ area, iova: from, length: bytes }): Area => {
      const start = area.start + from - area.iova;
      if (start % PAGE_BYTES !== 0) throw new VfioError('EINVAL', `iova ${hex(from)} is not at a page`);
      if (write && !area.pages.isWritable) throw new VfioError('EPERM', `memory at iova ${hex(from)} is for reading`);
      const to = at + from - parts[0]!.iova;
      return { iova: to, length: bytes, pages: area.pages, start, options: { read, write }, pins: 0, isClosing: false };
    });
    this.insert(areas);
    return at;
  }

  /** Parts of areas under a range; ENOENT if there is a hole. */
  partsOf(range: IovaRange): AreaPart[] {
    const parts = this.areas.partsOf(range);
    if (parts === null)
      throw new VfioError('ENOENT', `${hex(range.start)}..${hex(range.last)} is not mapped throughout`);
    return parts;
  }

  /** Unmaps every area of the range, in order, until one is in the way; returns the bytes. */
  unmap(range: IovaRange): number {
    if (this.isUnmapping)
      throw new VfioError('EBUSY', `IOAS ${this.id} is being unmapped; a callback has to return first`);
    this.isUnmapping = true;
    try {
      let bytes = 0;
      for (let area = this.areas.firstIn(range); area !== undefined; area = this.areas.firstIn(range)) {
        if (area.iova < range.start || lastOf(area) > range.last) {
          throw new VfioError('ENOENT', `the mapping at ${hex(area.iova)} would be cut; unmap all of it`);
        }
        if (area.pins > 0) this.notify(area);
        for (const hwpt of this.hwpts) hwpt.unmapArea(area);
        this.areas.remove(area);
        bytes += area.length;
      }
      return bytes;
    } finally {
      this.isUnmapping = false;
    }
  }

  override release(): void {
    this.unmap(APERTURE);
    super.release();
  }

  /** Asks every access to let go of an area. */
  private notify(area: Area): void {
    area.isClosing = true;
    for (const access of this.accesses) access.onUnmap(area.iova, area.length);
    if (area.pins === 0) return;
    throw new VfioError('EDEADLK', `${area.pins} pins of the mapping at ${hex(area.iova)} are held after the callback`);
  }

  private placeFor(iova: number | undefined, length: number, offset: number): number {
    if (iova === undefined) {
      const place = this.areas.place(length, offset, this.allowed, this.reserved);
      if (place === null) throw new VfioError('ENOSPC', `no room for ${length} bytes; unmap, or allow more addresses`);
      return place;
    }
    if (iova % PAGE_BYTES !== 0) throw new VfioError('EINVAL', `iova ${iova} is not at a page`);
    const range = rangeOf(iova, length);
    if (range.last > APERTURE.last || this.reserved.some((other) => overlaps(range, other))) {
      throw new VfioError('EINVAL', `${length} bytes at ${hex(iova)} are outside of the usable addresses`);
    }
    const other = this.areas.firstIn(range);
    if (other !== undefined)
      throw new VfioError('EEXIST', `${hex(iova)} is mapped by the mapping at ${hex(other.iova)}`);
    return iova;
  }

  /** Adds areas to the list and to every page table; ENOMEM, with nothing added, if one has no room. */
  private insert(areas: readonly Area[]): void {
    const done: [AreaTable, Area][] = [];
    for (const area of areas) {
      for (const hwpt of this.hwpts) {
        if (hwpt.mapArea(area)) done.push([hwpt, area]);
        else {
          for (const [table, mapped] of done) table.unmapArea(mapped);
          throw new VfioError('ENOMEM', `the card has no room for more mappings; unmap, or map larger pieces`);
        }
      }
    }
    for (const area of areas) this.areas.add(area);
  }
}
