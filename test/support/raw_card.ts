// SPDX-License-Identifier: Apache-2.0
// A card as a test bench drives it: registers by number, no driver of src/guest in between. Offsets are those of virtio
// 1.4 §4.1.4.3, of PCI 3.0 and of the SR-IOV capability.
import type { NicConfig } from '../../src/device/config.ts';
import type { CoreBuild } from '../../src/core/load.ts';
import { createNic, type CreateOptions } from '../../src/device/nic.ts';
import { RawBench } from './raw_bench.ts';
import { RawFunction } from './raw_function.ts';

/** Both treatments of time; every rule of the specification holds in either. */
export const MODES = ['functional', 'timed'] as const;

export interface RawCardOptions extends NicConfig {
  /** VFs to enable, default none. */
  readonly numVfs?: number;
  readonly build?: CoreBuild;
  /** Where the core comes from, if not from that build. */
  readonly core?: CreateOptions;
  /** Outputs after which settle() gives up: work without end. */
  readonly outputLimit?: number;
}

/** One card with its memory decode on and its outputs recorded. The debug build of the core, unless told otherwise. */
export class RawCard extends RawBench {
  private readonly functions = new Map<number, RawFunction>();

  constructor(options: RawCardOptions = {}) {
    const { numVfs = 0, build = 'debug', core = { build }, outputLimit, ...config } = options;
    super(createNic({ totalVfs: Math.max(1, numVfs), windowBytes: 4 << 20, ...config }, core), outputLimit);
    if (numVfs > 0) this.enableVfs(numVfs);
    this.settle();
  }

  /** A function with memory of its own, bus mastering and MSI-X on. */
  fn(fn: number, memoryBytes = 512 << 10): RawFunction {
    let found = this.functions.get(fn);
    if (found === undefined) {
      found = new RawFunction(this, fn, memoryBytes).enableMsix();
      this.functions.set(fn, found);
    }
    return found;
  }
}
