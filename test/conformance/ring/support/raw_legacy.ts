// SPDX-License-Identifier: Apache-2.0
// A VF behind the variant driver, driven through its I/O BAR0 register by register. virtio 1.4 §4.1.4.10, §2.7.2.
//
//   0 features | 4 driver features | 8 queue address | 12 queue size | 14 queue select | 16 notify | 18 status | 19 ISR
//   20 device configuration, while MSI-X is off
import type { DmaBuffer } from '../../../../src/iommufd/dma_buffer.ts';
import { Machine, type MachineOptions } from '../../../../src/machine/machine.ts';
import type { VirtioVfioPci } from '../../../../src/variant/virtio_vfio_pci.ts';
import { RawRing } from '../../../support/raw_ring.ts';

const BAR0 = 0;
const CONFIG_REGION = 7;
const PAGE = 4096;
const COMMAND_ALL = 0x7; // I/O, memory, bus master

export interface LegacyOptions extends MachineOptions {
  /** Bits 0 to 31. */
  readonly features?: readonly number[];
  /** Queues to set up; default 0 and 1. */
  readonly queues?: readonly number[];
}

/** VF 1 of a machine of its own, its legacy driver running. */
export class RawLegacy {
  readonly machine: Machine;
  readonly device: VirtioVfioPci;
  readonly memory: DmaBuffer;
  readonly wire: Uint8Array[] = [];
  readonly rings = new Map<number, RawRing>();

  constructor(options: LegacyOptions = {}) {
    const { features = [], queues = [0, 1], ...machine } = options;
    this.machine = new Machine({ totalVfs: 1, ...machine }, { build: 'debug' });
    this.machine.nic.onFrame((bytes) => this.wire.push(bytes.slice()));
    this.device = this.machine.openTransitionalVf(1);
    this.memory = this.machine.memoryFor(this.device, 256 << 10);
    this.device.write(CONFIG_REGION, 4, 2, COMMAND_ALL);
    for (const status of [0, 1, 3]) this.write(18, 1, status);
    this.write(
      4,
      4,
      features.reduce((sum, bit) => sum + 2 ** bit, 0),
    );
    for (const queue of queues) this.addQueue(queue);
    this.write(18, 1, 7);
  }

  read(offset: number, size: 1 | 2 | 4): number {
    return this.device.read(BAR0, offset, size);
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    this.device.write(BAR0, offset, size, value);
  }

  queueSize(queue: number): number {
    this.write(14, 2, queue);
    return this.read(12, 2);
  }

  addQueue(queue: number): void {
    const ring = new RawRing(this.memory, this.queueSize(queue), 'legacy');
    this.write(8, 4, ring.iovas.desc / PAGE);
    this.rings.set(queue, ring);
  }

  ring(queue: number): RawRing {
    return this.rings.get(queue)!;
  }

  kick(queue: number): void {
    this.write(16, 2, queue);
    this.machine.settle();
  }

  arrive(frame: Uint8Array): void {
    if (!this.machine.nic.receiveFrame(frame)) throw new Error('the wire port is busy');
    this.machine.settle();
  }

  /** A block of driver memory holding `bytes`; returns its device address. */
  place(bytes: Uint8Array): number {
    const at = this.memory.alloc(bytes.length, 4);
    this.memory.u8.set(bytes, at);
    return this.memory.iova(at);
  }

  bytesAt(iova: number, length: number): Uint8Array {
    const at = iova - this.memory.iova(0);
    return this.memory.u8.slice(at, at + length);
  }

  /** Sends one buffer, header included, as one descriptor. */
  send(buffer: Uint8Array): void {
    const ring = this.ring(1);
    ring.offer(ring.chain([{ addr: this.place(buffer), len: buffer.length }], ring.availIdx % ring.size));
    this.kick(1);
  }
}
