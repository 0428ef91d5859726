// SPDX-License-Identifier: Apache-2.0
// What a function under test stands on: a card as firmware leaves it, whose outputs (frames, MSI-X messages, levels of INTx)
// are kept in order.
import { createHash } from 'node:crypto';

import { enumerate, type BusLayout } from '../../src/device/bus.ts';
import type { MsiMessage, Nic } from '../../src/device/nic.ts';
import type { DmaBuffer } from '../../src/iommufd/dma_buffer.ts';
import { directPath, type RegisterPath } from './register_path.ts';

/** Where this card has the SR-IOV extended capability. */
export const SRIOV = 0x140;
const SRIOV_CONTROL = SRIOV + 0x08;
const SRIOV_NUM_VFS = SRIOV + 0x10;
const VF_ENABLE_AND_MEMORY = 0x9;

/** A frame that left on the wire. */
export interface WireFrame {
  readonly bytes: Uint8Array;
  readonly fn: number;
  readonly timeCycles: number;
}

export class RawBench {
  readonly nic: Nic;
  readonly bus: BusLayout;
  readonly wire: WireFrame[] = [];
  readonly messages: MsiMessage[] = [];
  /** Levels of the PF's INTx line, one entry for each change. */
  readonly intx: number[] = [];
  private readonly outputLimit: number;

  constructor(nic: Nic, outputLimit = 100_000) {
    this.nic = nic;
    this.outputLimit = outputLimit;
    this.bus = enumerate(nic);
    nic.onFrame((bytes, fn, timeCycles) => this.wire.push({ bytes: bytes.slice(), fn, timeCycles }));
    nic.onMessage((message) => this.messages.push(message));
    nic.onIntx((level) => this.intx.push(level));
  }

  /** Lets the card work until nothing is left to do; throws where that takes too many outputs. */
  settle(): void {
    for (let outputs = 0; this.nic.runToOutput(); outputs++) {
      if (outputs >= this.outputLimit) throw new Error(`the card does not come to rest in ${outputs} outputs`);
    }
    if (this.nic.nextEventTime() !== Infinity) throw new Error('idle, and yet an event is pending');
  }

  /** Writes NumVFs, then VF Enable and VF MSE in one access, as Linux does. */
  enableVfs(count: number): this {
    this.nic.configWrite(0, SRIOV_NUM_VFS, 2, count);
    this.nic.configWrite(0, SRIOV_CONTROL, 2, VF_ENABLE_AND_MEMORY);
    return this;
  }

  /** Clears VF Enable and VF MSE. */
  disableVfs(): void {
    this.nic.configWrite(0, SRIOV_CONTROL, 2, 0);
  }

  /** Registers of a function, straight to the card. */
  direct(fn: number): RegisterPath {
    return directPath(this.nic, fn);
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

  /** What must stay as it is after a reset: a digest of guest memory, and how many messages came. */
  trace(memory: DmaBuffer): string {
    return `${createHash('md5').update(memory.u8).digest('hex')} and ${this.messages.length} messages`;
  }
}
