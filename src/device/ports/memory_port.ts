// SPDX-License-Identifier: Apache-2.0
// Memory that the card reaches: address spaces, what is mapped in them, the guest window; or somebody's who answers.
import { TAGS, TAGS_MAX } from '../../../assembly/abi/state_map.ts';
import * as TAG from '../../../assembly/abi/tag.ts';
import { IOMMU_FOREIGN, IOMMU_READ, IOMMU_WRITE, NONE } from '../../../assembly/abi/state_value.ts';
import { NicError } from '../../util/errors.ts';
import { valueText } from '../../util/names.ts';
import { checkWhole } from '../../util/options.ts';
import { readFaultCode, type ReadFault } from '../injection.ts';
import { IommuState } from '../iommu.ts';
import type { ForeignMemory, LateRead } from '../foreign.ts';
import { takeWindow } from '../window.ts';
import { FunctionPort } from './function_port.ts';

function checkAddress(name: string, value: number): void {
  checkWhole('ADDRESS', name, value, 0, Number.MAX_SAFE_INTEGER);
}

/** Up to so many bytes are copied one by one: a view of them would take longer. */
const FEW_BYTES = 64;

function copy(source: Uint8Array, at: number, target: Uint8Array, to: number, length: number): void {
  if (length > FEW_BYTES) target.set(source.subarray(at, at + length), to);
  else for (let i = 0; i < length; i++) target[to + i] = source[at + i]!;
}

/** Address spaces of functions. */
export abstract class MemoryPort extends FunctionPort {
  /** Dirty pages and faults of the address spaces. */
  readonly iommu: IommuState = new IommuState(this.core, this.functions());
  private readonly isOutside = this.config.memory === 'outside';

  /** Number of a free address space. Throws NicError ENOSPC when all are taken, OUTSIDE if memory is. */
  allocateIoas(): number {
    this.checkInside();
    return this.iommu.allocate(this.config.identityDma ? this.functions() : 0);
  }

  /** Takes all mappings out of an address space, which allocateIoas() may then give again. Throws NicError IOAS, or OUTSIDE. */
  freeIoas(ioas: number): void {
    this.checkInside();
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
    this.checkInside();
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

  /**
   * Answers a read of a card with `memory: 'outside'`, in the current cycle, with its bytes from `source`, from byte `at` on. Throws
   * NicError TAG if no read with that tag waits for an answer, LENGTH if `source` is too short.
   */
  answerDmaRead(tag: number, source: Uint8Array, at = 0): void {
    const target = this.targetOf(tag);
    const { u8, u32 } = this.core;
    const length = u32[(TAGS + tag * TAG.BYTES + TAG.LENGTH) >> 2]!;
    if (!(source instanceof Uint8Array)) {
      throw new NicError('OPTION', `answerDmaRead: ${valueText(source)}: the bytes are needed as a Uint8Array`);
    }
    if (!(Number.isInteger(at) && at >= 0 && at + length <= source.length)) {
      throw new NicError('LENGTH', `${length} bytes from byte ${at} on are needed, of ${source.length}`);
    }
    if (target !== 0) copy(source, at, u8, target, length);
    this.pins.answerRead(tag, 0);
    this.drain();
  }

  /**
   * Answers such a read otherwise: Unsupported Request, poisoned data, or `lost`: no completion comes, and the card waits for
   * its time-out. Throws NicError TAG as above, READ_FAULT for anything else.
   */
  failDmaRead(tag: number, fault: ReadFault): void {
    const code = readFaultCode(fault);
    this.targetOf(tag);
    this.pins.answerRead(tag, code);
    this.drain();
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
    this.checkInside();
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
    if (ioas === null && this.isOutside) return;
    this.checkInside();
    if (ioas !== null) this.iommu.check(ioas);
    this.foreign.checkAtRest(this.isFunctional);
    this.pins.attachIoas(fn, ioas ?? NONE);
    this.drain();
  }

  /** Place for the bytes of a read that is owed, 0 if the card does not want them any more. */
  private targetOf(tag: number): number {
    checkWhole('TAG', 'tag', tag, 0, TAGS_MAX - 1);
    const target = this.isOutside ? this.pins.readTarget(tag) >>> 0 : NONE;
    if (target === NONE) throw new NicError('TAG', `no read with tag ${tag} waits for an answer`);
    return target;
  }

  /** Address spaces are no part of a card whose memory is outside. */
  private checkInside(): void {
    if (!this.isOutside) return;
    throw new NicError('OUTSIDE', "the card has no address spaces: it was made with memory 'outside'");
  }

  /** Takes `bytes` of the guest window for a driver; returns their offset in the window. */
  takeWindow(bytes: number): number {
    return takeWindow(this.core, bytes);
  }
}
