// SPDX-License-Identifier: Apache-2.0
// The invented I/O BAR0 of a transitional virtio-net function: 32 bytes, of which 16 is the doorbell, forwarded to the VF's
// own notify area, and every other access, whatever its length and alignment, becomes one administration command on the PF.
//
//   0 ........ common configuration ........ B  device configuration  32     B = 24 while MSI-X irqs are set up, else 20
import {
  ADMIN_LEGACY_RD_OFFSET,
  ADMIN_LEGACY_WR_OFFSET,
  ADMIN_LEGACY_WR_REGISTERS,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS } from '../../assembly/abi/virtio_net.ts';
import {
  LEGACY_QUEUE_NOTIFY,
  LEGACY_SIZE_WITHOUT_MSIX,
  LEGACY_SIZE_WITH_MSIX,
} from '../../assembly/abi/virtio_pci_legacy.ts';
import { VfioError } from '../util/errors.ts';
import type { AccessSize, VfioDevice } from '../vfio/vfio_device.ts';
import { throwStatus } from './admin_status.ts';
import type { ConfigOverlay } from './config_overlay.ts';
import type { PfAdmin } from './pf_admin.ts';

/** Size of BAR0: registers with MSI-X, then mac and status of the device configuration. */
export const LEGACY_BAR0_BYTES = LEGACY_SIZE_WITH_MSIX + VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS;

/** Where in the VF's own BARs the doorbell is. */
export interface NotifyPlace {
  readonly bar: number;
  readonly offset: number;
}

/** Region 0 of one VF. */
export class LegacyIo {
  /** The VFIO user has MSI-X irqs set up; neither the device's enable bit nor a reset changes it. */
  isMsixOn = false;

  private readonly core: VfioDevice;
  private readonly pf: PfAdmin;
  private readonly memberId: number;
  private readonly overlay: ConfigOverlay;
  private readonly notifyBar: number;
  private readonly notifyOffset: number;
  private readonly shadow = new Uint8Array(LEGACY_BAR0_BYTES);
  private readonly readData = new Uint8Array(ADMIN_LEGACY_RD_OFFSET + 1);
  /** Command data of a write, and views of its front for each number of bytes written. */
  private readonly writeData = new Uint8Array(ADMIN_LEGACY_WR_REGISTERS + LEGACY_BAR0_BYTES);
  private readonly writeViews: readonly Uint8Array[];

  constructor(core: VfioDevice, pf: PfAdmin, memberId: number, overlay: ConfigOverlay, notify: NotifyPlace) {
    this.core = core;
    this.pf = pf;
    this.memberId = memberId;
    this.overlay = overlay;
    this.notifyBar = notify.bar;
    this.notifyOffset = notify.offset;
    this.writeViews = Array.from({ length: LEGACY_BAR0_BYTES + 1 }, (_, count) =>
      this.writeData.subarray(0, ADMIN_LEGACY_WR_REGISTERS + count),
    );
  }

  read(offset: number, size: AccessSize): number {
    this.check(offset, size);
    if (offset === LEGACY_QUEUE_NOTIFY) return this.readNotify(size);
    this.fetch(offset, size);
    const { shadow } = this;
    if (size === 1) return shadow[offset]!;
    const low = shadow[offset]! | (shadow[offset + 1]! << 8);
    if (size === 2) return low;
    return (low | (shadow[offset + 2]! << 16) | (shadow[offset + 3]! << 24)) >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.check(offset, size);
    if (offset === LEGACY_QUEUE_NOTIFY) {
      this.writeNotify(size, value);
      return;
    }
    for (let i = 0; i < size; i++) this.shadow[offset + i] = value >>> (8 * i);
    this.store(offset, size);
  }

  readBytes(offset: number, data: Uint8Array): number {
    const count = data.length;
    if (count === 0) return 0;
    this.check(offset, count);
    if (offset === LEGACY_QUEUE_NOTIFY) {
      const value = this.readNotify(count);
      data[0] = value;
      data[1] = value >>> 8;
      return count;
    }
    this.fetch(offset, count);
    for (let i = 0; i < count; i++) data[i] = this.shadow[offset + i]!;
    return count;
  }

  writeBytes(offset: number, data: Uint8Array): number {
    const count = data.length;
    if (count === 0) return 0;
    this.check(offset, count);
    if (offset === LEGACY_QUEUE_NOTIFY) {
      this.writeNotify(count, data[0]! | ((data[1] ?? 0) << 8));
      return count;
    }
    this.shadow.set(data, offset);
    this.store(offset, count);
    return count;
  }

  /** Where accesses turn from common to device configuration. */
  private boundary(): number {
    return this.isMsixOn ? LEGACY_SIZE_WITH_MSIX : LEGACY_SIZE_WITHOUT_MSIX;
  }

  private check(offset: number, count: number): void {
    if (!this.overlay.isIoEnabled)
      throw new VfioError('EIO', 'BAR0 access while I/O decoding is off in the command register');
    if (!(offset >= 0) || offset + count > LEGACY_BAR0_BYTES) {
      throw new VfioError('EINVAL', `${count} bytes at ${offset} leave the ${LEGACY_BAR0_BYTES} bytes of BAR0`);
    }
  }

  /** Reads `count` bytes into the shadow. A short answer leaves the old bytes there, and the user gets them. */
  private fetch(offset: number, count: number): void {
    const boundary = this.boundary();
    const isDeviceConfig = offset >= boundary;
    const opcode = isDeviceConfig ? VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ : VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ;
    this.readData[ADMIN_LEGACY_RD_OFFSET] = isDeviceConfig ? offset - boundary : offset;
    const answer = this.pf.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, this.memberId, this.readData, count);
    const written = answer.resultLength < count ? answer.resultLength : count;
    for (let i = 0; i < written; i++) this.shadow[offset + i] = answer.result[i]!;
    if (answer.status !== VIRTIO_ADMIN_STATUS_OK) throwStatus(answer, `BAR0 read of ${count} bytes at ${offset}`);
  }

  /** Sends `count` bytes of the shadow. If the device refuses them, the shadow keeps them all the same. */
  private store(offset: number, count: number): void {
    const boundary = this.boundary();
    const isDeviceConfig = offset >= boundary;
    const opcode = isDeviceConfig ? VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE : VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE;
    this.writeData[ADMIN_LEGACY_WR_OFFSET] = isDeviceConfig ? offset - boundary : offset;
    for (let i = 0; i < count; i++) this.writeData[ADMIN_LEGACY_WR_REGISTERS + i] = this.shadow[offset + i]!;
    const answer = this.pf.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, this.memberId, this.writeViews[count]!, 0);
    if (answer.status !== VIRTIO_ADMIN_STATUS_OK) throwStatus(answer, `BAR0 write of ${count} bytes at ${offset}`);
  }

  private readNotify(count: number): number {
    if (count !== 2) refuseNotifyLength(count);
    return this.core.read(this.notifyBar, this.notifyOffset, 2);
  }

  private writeNotify(count: number, value: number): void {
    if (count !== 2) refuseNotifyLength(count);
    this.core.write(this.notifyBar, this.notifyOffset, 2, value & 0xffff);
  }
}

function refuseNotifyLength(count: number): never {
  throw new VfioError('EINVAL', `notify register accessed with ${count} bytes instead of 2`);
}
