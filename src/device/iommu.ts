// SPDX-License-Identifier: Apache-2.0
// Address spaces in the state of the card: which are taken, which pages were written, and the requests that met an address
// that is not mapped for their function. Each function has its own short list of those, so that nobody's faults hide those
// of another.
import { FUNCTIONS, IOAS_EXTRA } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import { IOAS_FLAGS, IOAS_STRIDE } from '../../assembly/abi/address_space.ts';
import { IOAS_ALLOCATED, NONE } from '../../assembly/abi/state_value.ts';
import type { CoreInstance } from '../core/instance.ts';
import { NicError } from '../util/errors.ts';
import { checkWhole } from '../util/options.ts';

/** One request that was refused. */
export interface DmaFault {
  /** The first address that was not mapped with the permission. */
  readonly iova: number;
  readonly isWrite: boolean;
  /** Cycle in which the request met it. */
  readonly cycle: number;
  /** Address space of the function at that time, null if it had none. */
  readonly ioas: number | null;
}

/** The oldest faults that nobody has taken yet, and the number of those after them that were not kept. */
export interface DmaFaults {
  readonly faults: readonly DmaFault[];
  readonly lost: number;
}

/** What the host keeps and finds in the state of the card about address spaces; Nic maps, unmaps and binds. */
export class IommuState {
  private readonly core: CoreInstance;
  private readonly count: number;

  /** `functions`: those of the card; each may have an address space, and some are left. */
  constructor(core: CoreInstance, functions: number) {
    this.core = core;
    this.count = functions + IOAS_EXTRA;
  }

  /** Refuses what is no number of an address space. Throws NicError IOAS. */
  check(ioas: number): void {
    checkWhole('IOAS', 'address space', ioas, 0, this.count - 1);
  }

  /** Takes a free address space, from number `first` on. Throws NicError ENOSPC when all are taken. */
  allocate(first: number): number {
    for (let ioas = first; ioas < this.count; ioas++) {
      if (this.core.u32[this.flagsAt(ioas)] !== 0) continue;
      this.core.u32[this.flagsAt(ioas)] = IOAS_ALLOCATED;
      return ioas;
    }
    throw new NicError('ENOSPC', `all ${this.count} address spaces of the card are in use; destroy one first`);
  }

  free(ioas: number): void {
    this.core.u32[this.flagsAt(ioas)] = 0;
  }

  /** Address spaces that are allocated. */
  allocated(): number {
    return Array.from({ length: this.count }, (_, ioas) => this.core.u32[this.flagsAt(ioas)]!).filter(Boolean).length;
  }

  /** Bytes that long lists of mappings, and dirty bitmaps, take of the pool that all address spaces share. */
  poolUsed(): number {
    return this.core.u32[CTL.IOMMU_POOL_USED >> 2]!;
  }

  /** Marks from now on the pages of an address space that are written, all clean at first; false if there is no room. */
  track(ioas: number, isOn: boolean): boolean {
    return Boolean(this.core.pins.dmaTrack(ioas, isOn));
  }

  /** Was the page at `iova` written since track(), or since it was last asked with `clear`? */
  isDirty(ioas: number, iova: number, clear: boolean): boolean {
    return Boolean(this.core.pins.dmaDirty(ioas, iova, clear));
  }

  /** Takes the requests of a function that met an address that was not mapped for it. */
  takeFaults(fn: number): DmaFaults {
    const { view } = this.core;
    const base = FUNCTIONS + fn * FN.STRIDE;
    const count = view.getUint32(base + FN.FAULT_COUNT, true);
    const lost = view.getUint32(base + FN.FAULTS_LOST, true);
    view.setUint32(base + FN.FAULT_COUNT, 0, true);
    view.setUint32(base + FN.FAULTS_LOST, 0, true);
    return { faults: Array.from({ length: count }, (_, i) => this.fault(base + FN.FAULTS + i * FN.FAULT_BYTES)), lost };
  }

  private fault(at: number): DmaFault {
    const { view } = this.core;
    const ioas = view.getUint32(at + FN.FAULT_IOAS, true);
    return {
      iova: Number(view.getBigUint64(at + FN.FAULT_IOVA, true)),
      isWrite: view.getUint32(at + FN.FAULT_IS_WRITE, true) !== 0,
      cycle: Number(view.getBigUint64(at + FN.FAULT_CYCLE, true)),
      ioas: ioas === NONE ? null : ioas,
    };
  }

  private flagsAt(ioas: number): number {
    return (this.core.u32[CTL.IOAS_BASE >> 2]! + ioas * IOAS_STRIDE + IOAS_FLAGS) >> 2;
  }
}
