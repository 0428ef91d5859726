// SPDX-License-Identifier: Apache-2.0
// The legacy access commands (virtio 1.4 "Legacy Interfaces: Group administration commands") for one member, by hand, and a
// legacy driver's few steps over them. Register offsets are those of virtio 1.4 §4.1.4.10.
import type { DmaBuffer } from '../../../src/iommufd/dma_buffer.ts';
import { fromLe, le, SRIOV_GROUP, type AdminQueue, type Answer } from '../../support/admin_queue.ts';
import { RawFunction } from '../../support/raw_function.ts';
import { RawRing } from '../../support/raw_ring.ts';
import { NOTIFY, VIRTIO_BAR } from '../../support/registers.ts';

export const COMMON_WRITE = 2;
export const COMMON_READ = 3;
export const DEVICE_WRITE = 4;
export const DEVICE_READ = 5;
export const NOTIFY_INFO = 6;

export const LEGACY = {
  device_features: [0, 4],
  driver_features: [4, 4],
  queue_address: [8, 4],
  queue_size: [12, 2],
  queue_select: [14, 2],
  queue_notify: [16, 2],
  device_status: [18, 1],
  isr_status: [19, 1],
  config_msix_vector: [20, 2],
  queue_msix_vector: [22, 2],
} as const;

export type LegacyField = keyof typeof LEGACY;

/** Legacy registers of VF `member`. */
export class LegacyCommands {
  readonly admin: AdminQueue;
  readonly member: number;

  constructor(admin: AdminQueue, member: number) {
    this.admin = admin;
    this.member = member;
  }

  readCommon(offset: number, length: number): Answer {
    return this.admin.command(COMMON_READ, SRIOV_GROUP, this.member, [offset], length);
  }

  writeCommon(offset: number, bytes: readonly number[]): Answer {
    return this.admin.command(COMMON_WRITE, SRIOV_GROUP, this.member, [offset, 0, 0, 0, 0, 0, 0, 0, ...bytes]);
  }

  readDevice(offset: number, length: number): Answer {
    return this.admin.command(DEVICE_READ, SRIOV_GROUP, this.member, [offset], length);
  }

  writeDevice(offset: number, bytes: readonly number[]): Answer {
    return this.admin.command(DEVICE_WRITE, SRIOV_GROUP, this.member, [offset, 0, 0, 0, 0, 0, 0, 0, ...bytes]);
  }

  /** A whole register; throws where the command fails. */
  get(field: LegacyField): number {
    const [offset, length] = LEGACY[field];
    const { status, result } = this.readCommon(offset, length);
    if (status[0] !== 0) throw new Error(`reading ${field}: status ${status.join()}`);
    return fromLe(result);
  }

  set(field: LegacyField, value: number): void {
    const [offset, length] = LEGACY[field];
    const { status } = this.writeCommon(offset, le(value, length));
    if (status[0] !== 0) throw new Error(`writing ${field}: status ${status.join()}`);
  }
}

/** A legacy driver's queue: the ring lies at queue_address * 4096, its size is the device's. */
export class LegacyFunction {
  readonly commands: LegacyCommands;
  readonly memory: DmaBuffer;
  readonly rings = new Map<number, RawRing>();

  constructor(admin: AdminQueue, member: number) {
    this.commands = new LegacyCommands(admin, member);
    this.memory = new RawFunction(admin.card, member, 128 << 10).memory;
  }

  /** ACKNOWLEDGE, DRIVER, features, both queues, DRIVER_OK. */
  start(features = 0): this {
    const { commands } = this;
    commands.set('device_status', 0);
    commands.set('device_status', 1);
    commands.set('device_status', 3);
    commands.set('driver_features', features);
    this.setupQueue(0);
    this.setupQueue(1);
    commands.set('device_status', 7);
    return this;
  }

  setupQueue(index: number): RawRing {
    const { commands, memory } = this;
    commands.set('queue_select', index);
    const ring = new RawRing(memory, commands.get('queue_size'), 'legacy');
    this.rings.set(index, ring);
    commands.set('queue_address', memory.iova(ring.places.desc) / 4096);
    return ring;
  }

  ring(index: number): RawRing {
    return this.rings.get(index)!;
  }

  /** A frame of 60 bytes behind `headerBytes` of header, on queue 1, not announced yet. */
  addFrame(headerBytes = 10): number {
    const { memory } = this;
    const at = memory.alloc(headerBytes + 60, 8);
    memory.u8.set([0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00], at + headerBytes);
    return this.ring(1).add([{ iova: memory.iova(at), length: headerBytes + 60 }]);
  }

  /** Writes Queue Notify by command. */
  notifyByCommand(queue: number): void {
    this.commands.set('queue_notify', queue);
    this.commands.admin.card.settle();
  }

  /** Writes the address that LEGACY_NOTIFY_INFO gives for this card: the start of the notify structure of the VF. */
  notifyByRegister(queue: number): void {
    const { card } = this.commands.admin;
    card.nic.write(this.commands.member, VIRTIO_BAR, NOTIFY, 2, queue);
    card.settle();
  }
}
