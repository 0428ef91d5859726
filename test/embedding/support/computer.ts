// SPDX-License-Identifier: Apache-2.0
// A computer with a card in it, as drivers and a workload need it, and what happens in it by cycle. One has the host that is
// inside the card's core; external_computer.ts is a simulator of its own.
import { createHash } from 'node:crypto';

import type { NicConfig } from '../../../src/device/config.ts';
import type { ForeignMemory } from '../../../src/device/foreign.ts';
import { createNic, type Nic } from '../../../src/device/nic.ts';
import type { Clock } from '../../../src/guest/platform.ts';
import { Ioas } from '../../../src/iommufd/ioas.ts';
import type { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { PlainMemory } from '../../support/plain_memory.ts';

export interface Computer {
  /** The card: what drivers do with it takes its time. */
  readonly card: Nic;
  readonly memory: PlainMemory;
  readonly clock: Clock;
  /** Accesses when they are over, interrupts when they are handled, frames when they are out: each with its cycle. */
  readonly log: string[];
  /** Lets a device reach the memory. */
  attach(device: VfioPci): void;
  /** A frame comes in from the wire now. */
  receive(frame: Uint8Array): void;
  /** Until nothing is left to do. */
  settle(): void;
}

/** Bytes in short: how many, and a hash. */
export function bytesText(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`;
}

const MEMORY_BYTES = 4 << 20;

export function newMemory(): PlainMemory {
  return new PlainMemory(MEMORY_BYTES);
}

/** The host inside; its memory answers at once. */
export class InternalComputer implements Computer {
  readonly card: Nic;
  readonly memory = newMemory();
  readonly clock: Clock;
  readonly log: string[] = [];
  private readonly ioas: Ioas;

  constructor(config: NicConfig) {
    const nic = createNic(config);
    this.card = nic;
    this.clock = {
      now: () => nic.now(),
      waitForEvent: () => nic.runToOutput(),
      advance: (cycles) => void nic.advance(nic.now() + cycles),
    };
    this.ioas = new Ioas(nic);
    this.ioas.map(this.memory.iova(0), this.memory.size, { foreign: this.atOnce() });
    this.watch(nic);
  }

  attach(device: VfioPci): void {
    device.attach(this.ioas);
  }

  receive(frame: Uint8Array): void {
    if (!this.card.receiveFrame(frame)) throw new Error('the wire port is busy');
  }

  settle(): void {
    while (this.clock.waitForEvent());
  }

  private atOnce(): ForeignMemory {
    const { u8 } = this.memory;
    return {
      read: (offset, length, target, at) => (target.set(u8.subarray(offset, offset + length), at), true),
      write: (offset, length, source, at) => (u8.set(source.subarray(at, at + length), offset), true),
    };
  }

  private watch(nic: Nic): void {
    const { read, write, configRead, configWrite, onVector } = nic;
    const note = (text: string): void => void this.log.push(`${nic.now()} ${text}`);
    nic.read = (fn, bar, offset, size) => {
      const value = read.call(nic, fn, bar, offset, size);
      note(`read ${fn} ${bar} ${offset} ${size}: ${value}`);
      return value;
    };
    nic.configRead = (fn, offset, size) => {
      const value = configRead.call(nic, fn, offset, size);
      note(`config ${fn} ${offset} ${size}: ${value}`);
      return value;
    };
    nic.configWrite = (fn, offset, size, value) => {
      configWrite.call(nic, fn, offset, size, value);
      note(`config ${fn} ${offset} ${size} = ${value}`);
    };
    nic.write = (fn, bar, offset, size, value) => {
      note(`write ${fn} ${bar} ${offset} ${size} = ${value}`);
      write.call(nic, fn, bar, offset, size, value);
    };
    nic.onVector = (fn, vector, handler) =>
      onVector.call(
        nic,
        fn,
        vector,
        handler && ((index, time) => (note(`vector ${fn} ${vector}`), handler(index, time))),
      );
    nic.onFrame((frame, fn, time) => this.log.push(`${time} frame ${fn} ${bytesText(frame)}`));
  }
}
