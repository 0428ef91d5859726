// SPDX-License-Identifier: Apache-2.0
// A card as a test bench drives it: registers by number, no driver of src/guest in between. What leaves the card (frames,
// MSI-X messages) is kept in order. Offsets are those of virtio 1.4 §4.1.4.3, of PCI 3.0 and of the SR-IOV capability.
import { enumerate, type BusLayout } from '../../../../src/device/bus.ts';
import type { NicConfig } from '../../../../src/device/config.ts';
import type { CoreBuild } from '../../../../src/core/load.ts';
import { createNic, type CreateOptions, type MsiMessage, type Nic } from '../../../../src/device/nic.ts';
import { RawFunction } from './raw_function.ts';

/** Both treatments of time; every rule of the specification holds in either. */
export const MODES = ['functional', 'timed'] as const;

/** A frame that left on the wire. */
export interface WireFrame {
  readonly bytes: Uint8Array;
  readonly fn: number;
  readonly timeCycles: number;
}

export interface RawCardOptions extends NicConfig {
  /** VFs to enable, default none. */
  readonly numVfs?: number;
  readonly build?: CoreBuild;
  /** Where the core comes from, if not from that build. */
  readonly core?: CreateOptions;
  /** Outputs after which settle() gives up: work without end. */
  readonly outputLimit?: number;
}

const SRIOV_CONTROL = 0x148;
const SRIOV_NUM_VFS = 0x150;
const VF_ENABLE_AND_MEMORY = 0x9;

/** One card with its memory decode on and its outputs recorded. The debug build of the core, unless told otherwise. */
export class RawCard {
  readonly nic: Nic;
  readonly bus: BusLayout;
  readonly wire: WireFrame[] = [];
  readonly messages: MsiMessage[] = [];
  private readonly functions = new Map<number, RawFunction>();
  private readonly outputLimit: number;

  constructor(options: RawCardOptions = {}) {
    const { numVfs = 0, build = 'debug', core = { build }, outputLimit = 100_000, ...config } = options;
    this.outputLimit = outputLimit;
    this.nic = createNic({ totalVfs: Math.max(1, numVfs), windowBytes: 4 << 20, ...config }, core);
    this.bus = enumerate(this.nic);
    this.nic.onFrame((bytes, fn, timeCycles) => this.wire.push({ bytes: bytes.slice(), fn, timeCycles }));
    this.nic.onMessage((message) => this.messages.push(message));
    if (numVfs > 0) this.enableVfs(numVfs);
  }

  /** NumVFs, then VF Enable and VF Memory Space Enable. */
  enableVfs(count: number): void {
    this.nic.configWrite(0, SRIOV_NUM_VFS, 2, count);
    this.nic.configWrite(0, SRIOV_CONTROL, 2, VF_ENABLE_AND_MEMORY);
    this.settle();
  }

  /** A function with memory of its own, bus mastering and MSI-X on. */
  fn(fn: number, memoryBytes?: number): RawFunction {
    let found = this.functions.get(fn);
    if (found === undefined) {
      found = new RawFunction(this, fn, memoryBytes);
      this.functions.set(fn, found);
    }
    return found;
  }

  /** Lets the card work until nothing is left to do; throws where that takes too many outputs. */
  settle(): void {
    for (let outputs = 0; this.nic.runToOutput(); outputs++) {
      if (outputs >= this.outputLimit) throw new Error(`the card does not come to rest in ${outputs} outputs`);
    }
    if (this.nic.nextEventTime() !== Infinity) throw new Error('idle, and yet an event is pending');
  }

  /** A frame arrives at the wire port and is dealt with. */
  arrive(frame: Uint8Array): void {
    if (!this.nic.receiveFrame(frame)) throw new Error('the wire port is busy');
    this.settle();
  }

  /** MSI-X messages of a function, or of one of its vectors. */
  interrupts(fn: number, vector?: number): MsiMessage[] {
    return this.messages.filter((message) => message.fn === fn && (vector === undefined || message.vector === vector));
  }
}
