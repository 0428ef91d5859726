// SPDX-License-Identifier: Apache-2.0
// A bare driver of the PF's admin queue for measurements: every slot of the ring holds one command that was laid out
// before, a LEGACY_COMMON_CFG_READ of VF 1's device_status as Linux builds it (header, data, status, result in an
// indirect table). Submitting moves the available index; collecting reads used elements and checks status and result.
import { CAP_MSIX, COMMON_BAR_OFFSET, NOTIFY_BAR_OFFSET, VIRTIO_BAR } from '../assembly/abi/config_layout.ts';
import { STATUS_DRIVER_OK } from '../assembly/abi/device_status.ts';
import { PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_QSIZE_MASK } from '../assembly/abi/pci_msix.ts';
import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
} from '../assembly/abi/virtio_admin.ts';
import {
  COMMON_ADMIN_QUEUE_INDEX,
  COMMON_DEVICE_STATUS,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DEVICE,
  COMMON_QUEUE_DRIVER,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_RESET,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
} from '../assembly/abi/virtio_pci_common.ts';
import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from '../assembly/abi/virtio_ring.ts';
import { DmaBuffer } from '../src/iommufd/dma_buffer.ts';
import type { Machine } from '../src/machine/machine.ts';
import { Ioas } from '../src/iommufd/ioas.ts';

const SIZE = 64;
const SLOT_BYTES = 128; // 0 header 24, 24 data 8, 32 status 8, 40 result 8, 64 table 4 x 16
const LEGACY_DEVICE_STATUS = 18;

/** The admin queue of a machine's PF, taken over from its driver. */
export class AdminRing {
  private readonly machine: Machine;
  private readonly memory: DmaBuffer;
  private readonly queue: number;
  private readonly avail16: number;
  private readonly used16: number;
  private readonly used32: number;
  private readonly slots: number;
  private availIdx = 0;
  private usedIdx = 0;

  constructor(machine: Machine) {
    this.machine = machine;
    const { nic } = machine;
    const ioas = new Ioas(nic);
    this.memory = new DmaBuffer(nic, ioas, 64 << 10);
    const { memory } = this;
    const desc = memory.alloc(16 * SIZE, 16);
    const avail = memory.alloc(6 + 2 * SIZE, 2);
    const used = memory.alloc(6 + 8 * SIZE, 4);
    this.slots = memory.alloc(SLOT_BYTES * SIZE, 64);
    this.avail16 = avail >> 1;
    this.used16 = used >> 1;
    this.used32 = used >> 2;

    // the queue is moved to memory of its own by a queue reset; the driver does not use it any more
    this.queue = this.common(COMMON_ADMIN_QUEUE_INDEX, 2);
    if ((this.common(COMMON_DEVICE_STATUS, 1) & STATUS_DRIVER_OK) === 0) throw new Error('the PF is not running');
    this.set(COMMON_QUEUE_SELECT, 2, this.queue);
    const vector = this.common(COMMON_QUEUE_MSIX_VECTOR, 2);
    this.set(COMMON_QUEUE_RESET, 2, 1);
    machine.settle();
    machine.pfDevice.attach(ioas);
    this.set(COMMON_QUEUE_SELECT, 2, this.queue);
    this.set(COMMON_QUEUE_SIZE, 2, SIZE);
    const vectors = (nic.configRead(0, CAP_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE_MASK) + 1;
    this.set(COMMON_QUEUE_MSIX_VECTOR, 2, vector < vectors ? vector : 0);
    this.setAddress(COMMON_QUEUE_DESC, memory.iova(desc));
    this.setAddress(COMMON_QUEUE_DRIVER, memory.iova(avail));
    this.setAddress(COMMON_QUEUE_DEVICE, memory.iova(used));
    this.set(COMMON_QUEUE_ENABLE, 2, 1);
    machine.settle();
    for (let slot = 0; slot < SIZE; slot++) this.layOut(slot, desc + 16 * slot);
  }

  /** Makes the next `count` commands available and rings the doorbell. */
  submit(count: number): void {
    const { u16 } = this.memory;
    for (let i = 0; i < count; i++) {
      const slot = this.availIdx & (SIZE - 1);
      u16[(this.slots + slot * SLOT_BYTES + 32) >> 1] = 0xffff; // status, to be overwritten
      this.memory.u8[this.slots + slot * SLOT_BYTES + 40] = 0xff;
      u16[this.avail16 + 2 + slot] = slot;
      this.availIdx = (this.availIdx + 1) & 0xffff;
    }
    u16[this.avail16 + 1] = this.availIdx;
    this.machine.nic.write(0, VIRTIO_BAR, NOTIFY_BAR_OFFSET + 4 * this.queue, 2, this.queue);
  }

  /** Commands answered since the last time with status OK, qualifier 0 and a device_status of 0. */
  collect(): number {
    const { u8, u16, u32 } = this.memory;
    const idx = u16[this.used16 + 1]!;
    let good = 0;
    for (; this.usedIdx !== idx; this.usedIdx = (this.usedIdx + 1) & 0xffff) {
      const slot = u32[this.used32 + 1 + 2 * (this.usedIdx & (SIZE - 1))]!;
      const at = this.slots + slot * SLOT_BYTES;
      if (u32[(at + 32) >> 2] === 0 && u8[at + 40] === 0) good++;
    }
    return good;
  }

  private layOut(slot: number, descriptor: number): void {
    const { u8, u16, u32 } = this.memory;
    const at = this.slots + slot * SLOT_BYTES;
    u16[at >> 1] = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ;
    u16[(at + 2) >> 1] = VIRTIO_ADMIN_GROUP_TYPE_SRIOV;
    u32[(at + 16) >> 2] = 1;
    u8[at + 24] = LEGACY_DEVICE_STATUS;
    const next = VIRTQ_DESC_F_NEXT;
    this.describe(at + 64, at, 24, next, 1);
    this.describe(at + 80, at + 24, 1, next, 2);
    this.describe(at + 96, at + 32, 8, next | VIRTQ_DESC_F_WRITE, 3);
    this.describe(at + 112, at + 40, 1, VIRTQ_DESC_F_WRITE, 0);
    this.describe(descriptor, at + 64, 64, VIRTQ_DESC_F_INDIRECT, 0);
  }

  private describe(at: number, buffer: number, length: number, flags: number, next: number): void {
    const { u16, u32 } = this.memory;
    const iova = this.memory.iova(buffer);
    u32[at >> 2] = iova >>> 0;
    u32[(at + 4) >> 2] = Math.floor(iova / 2 ** 32);
    u32[(at + 8) >> 2] = length;
    u16[(at + 12) >> 1] = flags;
    u16[(at + 14) >> 1] = next;
  }

  private common(register: number, size: number): number {
    return this.machine.nic.read(0, VIRTIO_BAR, COMMON_BAR_OFFSET + register, size);
  }

  private set(register: number, size: number, value: number): void {
    this.machine.nic.write(0, VIRTIO_BAR, COMMON_BAR_OFFSET + register, size, value);
  }

  private setAddress(register: number, iova: number): void {
    this.set(register, 4, iova >>> 0);
    this.set(register + 4, 4, Math.floor(iova / 2 ** 32));
  }
}
