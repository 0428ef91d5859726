// SPDX-License-Identifier: Apache-2.0
// A legacy driver by hand (virtio 1.4 §4.1.4.10): registers through the BAR0 of the variant driver or by commands of the
// PF's admin queue, and the few steps that bring a function up.
import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { STATUS_ACKNOWLEDGE, STATUS_DRIVER, STATUS_DRIVER_OK } from '../../assembly/abi/device_status.ts';
import { VIRTIO_NET_HDR_SIZE_LEGACY, VIRTIO_NET_MAC_SIZE } from '../../assembly/abi/virtio_net.ts';
import {
  LEGACY_DEVICE_STATUS,
  LEGACY_DRIVER_FEATURES,
  LEGACY_PAGE_SHIFT,
  LEGACY_QUEUE_ADDRESS,
  LEGACY_QUEUE_NOTIFY,
  LEGACY_QUEUE_SELECT,
  LEGACY_QUEUE_SIZE,
  LEGACY_SIZE_WITH_MSIX,
} from '../../assembly/abi/virtio_pci_legacy.ts';
import { VfioError } from '../util/errors.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { fromLe, le, SRIOV, type AdminQueue, type Answer } from './admin_queue.ts';
import { frame, packet, portFault, STRANGER } from './frames.ts';
import type { GuestMemory } from './guest_memory.ts';
import { RX, TX } from './raw_function.ts';
import { RawRing } from './raw_ring.ts';
import type { Rig } from './rig.ts';
import { must } from './verdict.ts';

const WRITE_PREFIX = [0, 0, 0, 0, 0, 0, 0];
const READY = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

/** Where the legacy registers of a function are read and written; what is refused throws VfioError. */
export interface LegacyRegisters {
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
  mac(): Uint8Array;
}

/** The I/O BAR0 that the variant driver shows, MSI-X set up. */
export function barRegisters(device: VfioDevice): LegacyRegisters {
  const bytes = (offset: number, size: number): Uint8Array => {
    const data = new Uint8Array(size);
    device.readBytes(0, offset, data);
    return data;
  };
  return {
    read: (offset, size) => fromLe(bytes(offset, size)),
    write: (offset, size, value) => void device.writeBytes(0, offset, Uint8Array.from(le(value, size))),
    mac: () => bytes(LEGACY_SIZE_WITH_MSIX, VIRTIO_NET_MAC_SIZE),
  };
}

/** Legacy registers of a member by commands. */
export function commandRegisters(admin: AdminQueue, member: number): LegacyRegisters {
  const checked = (answer: Answer): Answer => {
    if (answer.status === VIRTIO_ADMIN_STATUS_OK) return answer;
    throw new VfioError('EINVAL', `admin status ${answer.status}, qualifier ${answer.qualifier}`, answer.status);
  };
  const read = (opcode: number, offset: number, size: number): Uint8Array =>
    checked(admin.command(opcode, SRIOV, member, [offset], size)).result;
  return {
    read: (offset, size) => fromLe(read(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, offset, size)),
    write: (offset, size, value) => {
      const data = [offset, ...WRITE_PREFIX, ...le(value, size)];
      checked(admin.command(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE, SRIOV, member, data));
    },
    mac: () =>
      Uint8Array.from({ length: VIRTIO_NET_MAC_SIZE }, (_, i) => read(VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ, i, 1)[0]!),
  };
}

/** A function under a legacy driver. */
export class LegacyFunction {
  readonly registers: LegacyRegisters;
  readonly memory: GuestMemory;
  readonly rings = new Map<number, RawRing>();
  private readonly rig: Rig;

  constructor(rig: Rig, registers: LegacyRegisters, memory: GuestMemory) {
    this.rig = rig;
    this.registers = registers;
    this.memory = memory;
  }

  get status(): number {
    return this.registers.read(LEGACY_DEVICE_STATUS, 1);
  }

  set status(value: number) {
    this.registers.write(LEGACY_DEVICE_STATUS, 1, value);
  }

  ring(index: number): RawRing {
    return this.rings.get(index)!;
  }

  /** Selects a queue. */
  select(index: number): void {
    this.registers.write(LEGACY_QUEUE_SELECT, 2, index);
  }

  /** Gives a queue a ring of the size that it has. */
  addQueue(index: number): RawRing {
    this.select(index);
    const ring = new RawRing(this.memory, this.registers.read(LEGACY_QUEUE_SIZE, 2), undefined, true);
    this.rings.set(index, ring);
    this.registers.write(LEGACY_QUEUE_ADDRESS, 4, ring.iovas.desc / 2 ** LEGACY_PAGE_SHIFT);
    return ring;
  }

  reset(): void {
    this.status = 0;
    must(this.status === 0, 'the legacy status is not 0 after 0 was written');
    this.rings.clear();
  }

  /** From whatever state to DRIVER_OK. */
  start(): void {
    this.reset();
    this.status = STATUS_ACKNOWLEDGE;
    this.status = READY;
    this.registers.write(LEGACY_DRIVER_FEATURES, 4, 0);
    this.addQueue(RX);
    this.addQueue(TX);
    this.status = READY | STATUS_DRIVER_OK;
  }

  /** A good frame in the next descriptor, not announced yet. */
  addFrame(): void {
    const ring = this.ring(TX);
    const bytes = packet(frame(STRANGER, this.registers.mac()), new Uint8Array(VIRTIO_NET_HDR_SIZE_LEGACY));
    ring.offer(ring.chain([{ addr: this.memory.place(bytes, 8), len: bytes.length }], ring.availIdx % ring.size));
  }

  kick(queue: number): void {
    this.registers.write(LEGACY_QUEUE_NOTIFY, 2, queue);
    this.rig.settle();
  }

  /** A good frame out and one in; null: both came as they were sent. */
  serviceFault(): string | null {
    return portFault(this.rig, {
      mac: this.registers.mac(),
      tx: this.ring(TX),
      rx: this.ring(RX),
      headerBytes: VIRTIO_NET_HDR_SIZE_LEGACY,
      kick: (queue) => this.kick(queue),
    });
  }
}
