// SPDX-License-Identifier: Apache-2.0
// DMA of a mediated function. Its requests carry nothing that an IOMMU could tell apart, so none of them may reach memory:
// the card's whole address space of the function leads here, and an iommufd ACCESS does the work. Pages are pinned when
// they are first touched, kept, and let go when their mapping goes.
import type { ForeignMemory } from '../device/foreign.ts';
import type { Nic } from '../device/nic.ts';
import type { IommufdAccess } from '../iommufd/access.ts';
import { APERTURE } from '../iommufd/area_list.ts';
import type { IommufdContext } from '../iommufd/context.ts';
import { Ioas } from '../iommufd/ioas.ts';
import { PAGE_BYTES, readSource, sourceAt, writeSource, type MemorySource } from '../iommufd/memory_source.ts';
import { VfioError } from '../util/errors.ts';
import type { DmaBinding } from './dma_binding.ts';

/** A page with up to two pins, one for each thing that may be done with it. */
interface PinnedPage {
  readonly source: MemorySource;
  canRead: boolean;
  canWrite: boolean;
}

/** The emulated IOMMU of one function. */
export class MediatedDma implements ForeignMemory {
  private readonly nic: Nic;
  private readonly fn: number;
  private readonly space: Ioas;
  private access: IommufdAccess | null = null;
  private isAttached = false;
  private readonly pages = new Map<number, PinnedPage>();

  /** Puts itself between the function and memory. Throws ENOSPC where the card has no address space left. */
  constructor(nic: Nic, fn: number) {
    this.nic = nic;
    this.fn = fn;
    this.space = new Ioas(nic);
    this.space.map(APERTURE.start, APERTURE.last + 1 - APERTURE.start, { foreign: this });
    nic.attachIoas(fn, this.space.id);
  }

  /** Pages that are pinned. */
  get pinned(): number {
    return this.pages.size;
  }

  /** VFIO_DEVICE_BIND_IOMMUFD: an ACCESS in place of a DEVICE. */
  bind(context: IommufdContext): DmaBinding {
    const access = context.createAccess({ unmap: (iova, length) => this.letGo(iova, length) });
    this.access = access;
    return {
      attach: (pageTable) => {
        if (this.isAttached) access.replace(pageTable);
        else access.attach(pageTable);
        this.isAttached = true;
      },
      detach: () => {
        access.detach();
        this.isAttached = false;
      },
      release: () => {
        access.destroy();
        this.isAttached = false;
        this.access = null;
      },
    };
  }

  /** The function is gone: so is its address space. */
  destroy(): void {
    this.nic.attachIoas(this.fn, null);
    this.space.destroy();
  }

  read(iova: number, length: number, target: Uint8Array, at: number): boolean {
    return this.copy(iova, length, false, (source, done, bytes) =>
      readSource(this.nic, source, target.subarray(at + done, at + done + bytes)),
    );
  }

  write(iova: number, length: number, source: Uint8Array, at: number): boolean {
    return this.copy(iova, length, true, (page, done, bytes) =>
      writeSource(this.nic, page, source.subarray(at + done, at + done + bytes)),
    );
  }

  /** Page by page; false where one of them is not mapped so. */
  private copy(
    iova: number,
    length: number,
    isWrite: boolean,
    move: (source: MemorySource, done: number, bytes: number) => boolean,
  ): boolean {
    for (let done = 0; done < length;) {
      const at = iova + done;
      const inPage = at % PAGE_BYTES;
      const bytes = Math.min(length - done, PAGE_BYTES - inPage);
      const page = this.pin(at - inPage, isWrite);
      if (page === null || !move(sourceAt(page.source, inPage), done, bytes)) return false;
      done += bytes;
    }
    return true;
  }

  /** The page at `iova`, pinned by now; null where it may not be used so. */
  private pin(iova: number, isWrite: boolean): PinnedPage | null {
    const known = this.pages.get(iova);
    if (known !== undefined && (isWrite ? known.canWrite : known.canRead)) return known;
    if (this.access === null) return null;
    try {
      const [run] = this.access.pinPages(iova, PAGE_BYTES, { write: isWrite });
      const page = known ?? { source: run!.source, canRead: false, canWrite: false };
      if (isWrite) page.canWrite = true;
      else page.canRead = true;
      this.pages.set(iova, page);
      return page;
    } catch (error) {
      if (error instanceof VfioError) return null; // a fault of the function, which the card counts
      throw error;
    }
  }

  /** A mapping goes: nothing of it stays pinned. */
  private letGo(iova: number, length: number): void {
    for (const [page, { canRead, canWrite }] of this.pages) {
      if (page + PAGE_BYTES <= iova || page >= iova + length) continue;
      if (canRead) this.access!.unpinPages(page, PAGE_BYTES);
      if (canWrite) this.access!.unpinPages(page, PAGE_BYTES);
      this.pages.delete(page);
    }
  }
}
