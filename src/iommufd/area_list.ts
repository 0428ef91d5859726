// SPDX-License-Identifier: Apache-2.0
// The mappings of an IOAS as its user made them, sorted by IOVA, and the search for a free place. What is unmapped is
// unmapped as it was mapped; no area is ever cut.
import type { MapOptions } from './ioas.ts';
import { PAGE_BYTES, sourceAt, type MemorySource } from './memory_source.ts';

/** I/O virtual addresses from the first to the last. */
export interface IovaRange {
  readonly start: number;
  readonly last: number;
}

/** Addresses that an IOAS can map; more than a page table of 48 bits, less than 2^53. */
export const APERTURE: IovaRange = { start: 0, last: 2 ** 52 - 1 };

/** Memory as it was mapped first; copies share it. It may be written only if that mapping was to be. */
export interface Pages {
  readonly source: MemorySource;
  readonly isWritable: boolean;
}

/** One mapping. */
export interface Area {
  readonly iova: number;
  readonly length: number;
  /** The memory, and where in it the area begins. */
  readonly pages: Pages;
  readonly start: number;
  readonly options: MapOptions;
  /** Pins that touch it. */
  pins: number;
  /** Its unmapping was begun: no new access. */
  isClosing: boolean;
}

/** A part of an area. */
export interface AreaPart {
  readonly area: Area;
  readonly iova: number;
  readonly length: number;
}

export function lastOf(area: Area): number {
  return area.iova + area.length - 1;
}

/** The memory behind an area from `iova` on. */
export function areaSource(area: Area, iova: number = area.iova): MemorySource {
  return sourceAt(area.pages.source, area.start + iova - area.iova);
}

export function overlaps(a: IovaRange, b: IovaRange): boolean {
  return a.start <= b.last && b.start <= a.last;
}

export class AreaList {
  private readonly areas: Area[] = [];

  get size(): number {
    return this.areas.length;
  }

  [Symbol.iterator](): IterableIterator<Area> {
    return this.areas.values();
  }

  add(area: Area): void {
    this.areas.splice(this.upperBound(area.iova), 0, area);
  }

  remove(area: Area): void {
    this.areas.splice(this.areas.indexOf(area), 1);
  }

  /** The first area that touches the range. */
  firstIn({ start, last }: IovaRange): Area | undefined {
    const at = this.upperBound(start);
    const before = this.areas[at - 1];
    if (before !== undefined && lastOf(before) >= start) return before;
    const next = this.areas[at];
    return next !== undefined && next.iova <= last ? next : undefined;
  }

  /** The areas under a range, each cut to it; null if there is a hole. */
  partsOf(range: IovaRange): AreaPart[] | null {
    const parts: AreaPart[] = [];
    for (let iova = range.start; iova <= range.last;) {
      const area = this.firstIn({ start: iova, last: iova });
      if (area === undefined) return null;
      const length = Math.min(lastOf(area), range.last) - iova + 1;
      parts.push({ area, iova, length });
      iova += length;
    }
    return parts;
  }

  /**
   * The lowest free place for `length` bytes: within `allowed`, or anywhere if that is empty, outside of `reserved`, never
   * at 0, aligned as the length and the offset of the memory suggest. Null if there is none.
   */
  place(length: number, offset: number, allowed: readonly IovaRange[], reserved: readonly IovaRange[]): number | null {
    const alignment = alignmentFor(length, offset);
    const spans = allowed.length > 0 ? allowed : [{ start: PAGE_BYTES, last: APERTURE.last }];
    const used = [...this.areas.map((area) => ({ start: area.iova, last: lastOf(area) })), ...reserved];
    used.sort((a, b) => a.start - b.start);
    for (const span of spans) {
      let iova = alignUp(Math.max(span.start, PAGE_BYTES), alignment);
      for (const range of used) {
        if (range.last < iova) continue;
        if (range.start > iova + length - 1) break;
        iova = alignUp(range.last + 1, alignment);
      }
      if (iova + length - 1 <= span.last) return iova;
    }
    return null;
  }

  /** Number of areas that begin at or below `iova`. */
  private upperBound(iova: number): number {
    let low = 0;
    let high = this.areas.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.areas[middle]!.iova <= iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** As large as the mapping, but not larger than the memory's own alignment: large pages fit then. */
function alignmentFor(length: number, offset: number): number {
  let alignment = PAGE_BYTES;
  while (alignment < length && offset % (2 * alignment) === 0) alignment *= 2;
  return alignment;
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
