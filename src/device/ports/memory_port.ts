// SPDX-License-Identifier: Apache-2.0
// Memory that the card reaches: address spaces, what is mapped in them, the guest window.
import { IOMMU_FOREIGN, IOMMU_READ, IOMMU_WRITE, NONE } from '../../../assembly/abi/state_value.ts';
import { checkWhole } from '../../util/options.ts';
import { IommuState } from '../iommu.ts';
import type { ForeignMemory, LateRead } from '../foreign.ts';
import { takeWindow } from '../window.ts';
import { FunctionPort } from './function_port.ts';

function checkAddress(name: string, value: number): void {
  checkWhole('ADDRESS', name, value, 0, Number.MAX_SAFE_INTEGER);
}

/** Address spaces of functions. */
export abstract class MemoryPort extends FunctionPort {
  /** Dirty pages and faults of the address spaces. */
  readonly iommu: IommuState = new IommuState(this.core, this.functions());

  /** Number of a free address space. Throws NicError ENOSPC when all are taken. */
  allocateIoas(): number {
    return this.iommu.allocate(this.config.identityDma ? this.functions() : 0);
  }

  freeIoas(ioas: number): void {
    this.iommu.check(ioas);
    this.foreign.checkAtRest(this.isFunctional);
    this.pins.dmaClear(ioas);
    this.iommu.free(ioas);
    this.drain();
  }

  /**
   * Maps window bytes at `offset` to `iova`, or, with IOMMU_FOREIGN, the memory with that handle; false if the range
   * overlaps, wraps, or no room is left.
   */
  mapIoas(ioas: number, iova: number, length: number, offset: number, permissions: number): boolean {
    this.iommu.check(ioas);
    checkAddress('iova', iova);
    checkAddress('length', length);
    checkAddress('offset', offset);
    checkWhole('ADDRESS', 'permissions', permissions, 0, IOMMU_READ | IOMMU_WRITE | IOMMU_FOREIGN);
    return Boolean(this.pins.dmaMap(ioas, iova, length, offset, permissions));
  }

  /**
   * Makes memory that only the caller can reach known to the card; returns a handle for mapIoas() and forgetForeign(). A
   * snapshot holds mappings and not the memory: restore it into a card that has the same handles.
   */
  addForeign(memory: ForeignMemory): number {
    return this.foreign.add(memory);
  }

  /** Called by foreign memory in the middle of read(), which then returns 'later': the read, to be answered once. */
  answerLater(): LateRead {
    return this.foreign.answerLater(this.core, () => this.drain());
  }

  /** Forgets foreign memory; where it is still mapped, every access faults. */
  forgetForeign(handle: number): void {
    this.foreign.remove(handle);
  }

  /**
   * Bytes unmapped; -1 if a mapping lies only partly inside. In timed mode it returns when all that functions of the
   * address space had sent is in effect; nothing of what comes later reaches the memory.
   */
  unmapIoas(ioas: number, iova: number, length: number): number {
    this.iommu.check(ioas);
    checkAddress('iova', iova);
    checkAddress('length', length);
    this.foreign.checkAtRest(this.isFunctional);
    const bytes = this.pins.dmaUnmap(ioas, iova, length);
    this.drain();
    return bytes;
  }

  /** Binds a function's requester id to an address space, null to none; waits for what it had sent, as unmapIoas(). */
  attachIoas(fn: number, ioas: number | null): void {
    this.functionBase(fn);
    if (ioas !== null) this.iommu.check(ioas);
    this.foreign.checkAtRest(this.isFunctional);
    this.pins.attachIoas(fn, ioas ?? NONE);
    this.drain();
  }

  /** Takes `bytes` of the guest window for a driver; returns their offset in the window. */
  takeWindow(bytes: number): number {
    return takeWindow(this.core, bytes);
  }
}
