// SPDX-License-Identifier: Apache-2.0
// What a function under test stands on: a card whose outputs (frames, MSI-X messages) are kept in order.
import { enumerate, type BusLayout } from '../../src/device/bus.ts';
import type { MsiMessage, Nic } from '../../src/device/nic.ts';

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
  private readonly outputLimit: number;

  constructor(nic: Nic, outputLimit: number) {
    this.nic = nic;
    this.outputLimit = outputLimit;
    this.bus = enumerate(nic);
    nic.onFrame((bytes, fn, timeCycles) => this.wire.push({ bytes: bytes.slice(), fn, timeCycles }));
    nic.onMessage((message) => this.messages.push(message));
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
