// SPDX-License-Identifier: Apache-2.0
// Seeds recorded from the real drivers: they come up on a card of their own, and every register access that they make, and
// what they have written to memory before it, becomes an operation.
import { PCI_COMMAND, PCI_COMMAND_IO } from '../../assembly/abi/pci_header.ts';
import { NicClock } from '../device/clock.ts';
import type { Nic } from '../device/nic.ts';
import { PfDriver } from '../guest/pf_driver.ts';
import type { DmaMemory } from '../guest/platform.ts';
import { VirtioModern } from '../guest/virtio_modern.ts';
import { VirtioNet } from '../guest/virtio_net.ts';
import { VirtioVfioPci } from '../variant/virtio_vfio_pci.ts';
import { VfioError } from '../util/errors.ts';
import { VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX } from '../vfio/vfio_device.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { FuzzCard } from './card.ts';
import { Executor } from './executor.ts';
import { FUNCTIONS, MAPPED_BYTES, SLICE_BYTES, SLICE_IOVA } from './layout.ts';
import { encodeProgram, OPS_MAX, type OperationFields } from './program.ts';

/** Small rings, so that rings and buffers of a driver fit into a slice. */
const QUEUE_SIZE = 2;
const FRAME_BYTES = 60;
const WORD_BYTES = 8;

/** A slice as the memory of a driver. */
class SliceMemory implements DmaMemory {
  readonly size = MAPPED_BYTES;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  private used = 0;

  constructor(card: FuzzCard, fn: number) {
    const at = card.at(fn, 0);
    this.u8 = new Uint8Array(card.u8.buffer, at, MAPPED_BYTES);
    this.u16 = new Uint16Array(card.u8.buffer, at, MAPPED_BYTES / 2);
    this.u32 = new Uint32Array(card.u8.buffer, at, MAPPED_BYTES / 4);
  }

  alloc(bytes: number, align: number): number {
    const offset = Math.ceil(this.used / align) * align;
    if (offset + bytes > MAPPED_BYTES) throw new VfioError('ENOMEM', `${bytes} bytes of a slice, ${offset} are in use`);
    this.used = offset + bytes;
    return offset;
  }

  iova(offset: number): number {
    return SLICE_IOVA + offset;
  }
}

/** Listens to a card. */
class Recorder {
  readonly card = new FuzzCard('functional');
  readonly clock: NicClock;
  private readonly operations: OperationFields[] = [];
  private readonly slices: Uint8Array;
  private readonly shadow: Uint8Array;

  constructor() {
    const { card } = this;
    new Executor(card).seal(); // VFs and bus mastering, as programs find them
    this.clock = new NicClock(card.nic);
    this.slices = card.u8.subarray(card.slices, card.slices + FUNCTIONS * SLICE_BYTES);
    this.shadow = this.slices.slice();
    this.listen(card.nic);
  }

  /** What was done, as a program; only so much of it as a program may have. */
  program(): Uint8Array {
    return encodeProgram(this.operations.slice(0, OPS_MAX));
  }

  private listen(nic: Nic): void {
    const { read, write, configRead, configWrite } = nic;
    const sizeCode = (size: number): number => size >> 1; // 1, 2, 4: 0, 1, 2
    nic.read = (fn, bar, offset, size) => {
      this.add({ name: 'mmioRead', fn, a: sizeCode(size), b: bar, offset });
      return this.after(() => read.call(nic, fn, bar, offset, size));
    };
    nic.write = (fn, bar, offset, size, value) => {
      this.add({ name: 'mmioWrite', fn, a: sizeCode(size), b: bar, offset, value });
      this.after(() => write.call(nic, fn, bar, offset, size, value));
    };
    nic.configRead = (fn, offset, size) => {
      this.add({ name: 'configRead', fn, a: sizeCode(size), offset });
      return this.after(() => configRead.call(nic, fn, offset, size));
    };
    nic.configWrite = (fn, offset, size, value) => {
      this.add({ name: 'configWrite', fn, a: sizeCode(size), offset, value });
      this.after(() => configWrite.call(nic, fn, offset, size, value));
    };
  }

  /** What the driver has written to memory comes before the access that may make the card look at it. */
  private add(operation: OperationFields): void {
    const view = new DataView(this.slices.buffer, this.slices.byteOffset, this.slices.byteLength);
    for (let at = 0; at < this.slices.length; at += WORD_BYTES) {
      const isChanged = this.slices.subarray(at, at + WORD_BYTES).some((byte, i) => byte !== this.shadow[at + i]);
      if (!isChanged) continue;
      this.operations.push({
        name: 'memory',
        fn: Math.floor(at / SLICE_BYTES),
        a: 3,
        offset: at % SLICE_BYTES,
        value: view.getUint32(at, true),
        value2: view.getUint32(at + 4, true),
      });
    }
    this.operations.push(operation);
  }

  /** Does the access; what the card writes to memory is not the driver's. */
  private after<T>(access: () => T): T {
    const result = access();
    this.shadow.set(this.slices);
    return result;
  }
}

/** A modern driver on VF 1: up, and a frame sent. */
function recordModern(): Uint8Array {
  const recorder = new Recorder();
  const { card, clock } = recorder;
  const device = new VfioPci(card.nic, 1, card.bus);
  device.open();
  const options = { queueSize: QUEUE_SIZE, rxBufferBytes: 512 };
  const driver = new VirtioNet(new VirtioModern(device), new SliceMemory(card, 1), clock, options);
  driver.start();
  driver.send(new Uint8Array(FRAME_BYTES));
  return recorder.program();
}

/** Registers of the transitional BAR0 that a legacy driver reads and writes first: place, bytes, value or undefined to read. */
const LEGACY_STEPS: readonly (readonly [number, 1 | 2 | 4, number?])[] = [
  [18, 1, 0],
  [18, 1],
  [18, 1, 1],
  [18, 1, 3],
  [0, 4],
  [4, 4, 0x20],
  [14, 2, 0],
  [12, 2],
  [8, 4],
  [19, 1],
  [20, 4],
  [18, 1, 0],
];

/** The PF's driver with its administration commands, and what a legacy driver does first on VF 1 behind the variant driver. */
function recordPf(): Uint8Array {
  const recorder = new Recorder();
  const { card, clock } = recorder;
  const pf = new PfDriver(new VfioPci(card.nic, 0, card.bus, 'hardware'), new SliceMemory(card, 0), clock, {
    queueSize: QUEUE_SIZE,
    rxBufferBytes: 512,
    admin: { slots: 2, dataBytes: 64, resultBytes: 64 },
  });
  pf.start();
  pf.setNumVfs(1);
  const device = new VirtioVfioPci(new VfioPci(card.nic, 1, card.bus), pf.admin, 0);
  device.open();
  device.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, PCI_COMMAND_IO);
  for (const [place, size, value] of LEGACY_STEPS) {
    if (value === undefined) device.read(VFIO_PCI_BAR0_REGION_INDEX, place, size);
    else device.write(VFIO_PCI_BAR0_REGION_INDEX, place, size, value);
  }
  return recorder.program();
}

let recorded: { readonly modern: Uint8Array; readonly pf: Uint8Array } | null = null;

/** Programs of the real drivers; recorded once. */
export function recordedSeeds(): { readonly modern: Uint8Array; readonly pf: Uint8Array } {
  recorded ??= { modern: recordModern(), pf: recordPf() };
  return recorded;
}
