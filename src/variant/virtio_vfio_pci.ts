// SPDX-License-Identifier: Apache-2.0
// The variant driver virtio_vfio_pci as its VFIO user sees it: a VF without I/O BAR, presented as a transitional virtio-net
// function whose legacy registers are administration commands on the PF. Everything else passes through to the core.
// Behaviour, order of checks and error numbers follow Linux 7.3. Migration is not here yet.
import { PCI_EXP_DEVCTL_BCR_FLR } from '../../assembly/abi/pci_express.ts';
import { NicError, VfioError } from '../util/errors.ts';
import {
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  type AccessSize,
  type AddressSpace,
  type IrqHandler,
  type VfioDevice,
  type VfioDeviceInfo,
  type VfioIrqInfo,
  type VfioRegionInfo,
} from '../vfio/vfio_device.ts';
import { ConfigOverlay } from './config_overlay.ts';
import { leaveModernOut } from './left_out.ts';
import { LEGACY_BAR0_BYTES, LegacyIo, type NotifyPlace } from './legacy_io.ts';
import type { PfAdmin } from './pf_admin.ts';
import { chooseKind, findFlrByte, findNotifyPlace, type VariantKind } from './probe.ts';

const BAR0 = VFIO_PCI_BAR0_REGION_INDEX;
const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
const FLR_BIT = PCI_EXP_DEVCTL_BCR_FLR >>> 8;

/** One function bound to the variant driver. */
export class VirtioVfioPci implements VfioDevice {
  readonly requesterId: number;
  readonly kind: VariantKind;

  private readonly core: VfioDevice;
  private readonly overlay: ConfigOverlay;
  /** Null where the function is shown as it is. */
  private readonly legacy: LegacyIo | null = null;
  private readonly notify: NotifyPlace | null = null;
  /** Where the guest's own function level reset would be written; -1 where it cannot. */
  private readonly flrByte: number = -1;

  /**
   * Binds to a function. `pf` is the PF driver's admin queue and `vfIndex` the VF's number from 0; both null for a function
   * that is no VF or whose PF has no virtio driver. Throws ENOENT where the VF cannot be notified, as probing does.
   * `interfaces`: what of a transitional function is shown; 'legacy' is no behaviour of Linux, but for drivers under test.
   */
  constructor(
    core: VfioDevice,
    pf: PfAdmin | null,
    vfIndex: number | null,
    interfaces: 'legacy and modern' | 'legacy' = 'legacy and modern',
  ) {
    if (vfIndex !== null && !(Number.isInteger(vfIndex) && vfIndex >= 0)) {
      throw new NicError('VF_INDEX', `VF index ${vfIndex}: VFs are counted from 0`);
    }
    this.core = core;
    this.requesterId = core.requesterId;
    this.overlay = new ConfigOverlay(interfaces === 'legacy' ? leaveModernOut(core) : undefined);
    this.kind = vfIndex === null ? 'plain' : chooseKind(core, pf);
    if (this.kind !== 'trans-lm' || pf === null || vfIndex === null) return;
    const memberId = vfIndex + 1;
    this.notify = findNotifyPlace(pf, memberId);
    this.legacy = new LegacyIo(core, pf, memberId, this.overlay, this.notify);
    this.flrByte = findFlrByte(core);
  }

  info(): VfioDeviceInfo {
    return this.core.info();
  }

  regionInfo(index: number): VfioRegionInfo {
    if (index !== BAR0 || this.legacy === null) return this.core.regionInfo(index);
    return { index, flags: VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, size: LEGACY_BAR0_BYTES };
  }

  irqInfo(index: number): VfioIrqInfo {
    return this.core.irqInfo(index);
  }

  read(region: number, offset: number, size: AccessSize): number {
    const { legacy } = this;
    if (legacy === null) return this.core.read(region, offset, size);
    if (region === BAR0) return legacy.read(offset, size);
    const value = this.core.read(region, offset, size);
    return region === CONFIG ? this.overlay.apply(offset, size, value) : value;
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    const { legacy } = this;
    if (legacy === null || (region !== BAR0 && region !== CONFIG)) {
      this.core.write(region, offset, size, value);
    } else if (region === BAR0) {
      legacy.write(offset, size, value);
    } else {
      let isSeen = true;
      for (let i = 0; i < size; i++) isSeen = this.overlay.remember(offset + i, (value >>> (8 * i)) & 0xff) && isSeen;
      if (!isSeen) return; // capabilities have dwords of their own
      this.core.write(region, offset, size, value);
      const at = this.flrByte - offset;
      if (at >= 0 && at < size) this.noticeFlr(value >>> (8 * at));
    }
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    const { legacy } = this;
    if (legacy === null) return this.core.readBytes(region, offset, data);
    if (region === BAR0) return legacy.readBytes(offset, data);
    const count = this.core.readBytes(region, offset, data);
    if (region === CONFIG) this.overlay.applyBytes(offset, data, count);
    return count;
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    const { legacy } = this;
    if (legacy === null || (region !== BAR0 && region !== CONFIG)) return this.core.writeBytes(region, offset, data);
    if (region === BAR0) return legacy.writeBytes(offset, data);
    const passed = data.map((byte, i) => (this.overlay.remember(offset + i, byte) ? 1 : 0));
    if (passed.includes(0)) {
      // what lies beside a capability that is left out goes through, a byte at a time
      passed.forEach((isPassed, i) => isPassed === 1 && this.write(region, offset + i, 1, data[i]!));
      return data.length;
    }
    const count = this.core.writeBytes(region, offset, data);
    const at = this.flrByte - offset;
    if (at >= 0 && at < data.length) this.noticeFlr(data[at]!);
    return count;
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.core.setIrqs(index, start, handlers);
    if (this.legacy !== null && index === VFIO_PCI_MSIX_IRQ_INDEX) this.legacy.isMsixOn = true;
  }

  disableIrqs(index: number): void {
    this.core.disableIrqs(index);
    if (this.legacy !== null && index === VFIO_PCI_MSIX_IRQ_INDEX) this.legacy.isMsixOn = false;
  }

  attach(ioas: AddressSpace | null): void {
    this.core.attach(ioas);
  }

  reset(): void {
    this.core.reset();
    this.overlay.forgetCommand();
  }

  /** The core resets the function; then the VF's doorbell must be in a BAR that exists. */
  open(): void {
    this.core.open();
    this.overlay.forgetCommand();
    if (this.notify === null) return;
    const { bar } = this.notify;
    if (bar > VFIO_PCI_BAR5_REGION_INDEX || this.core.regionInfo(bar).size === 0) {
      this.core.close();
      throw new VfioError('ENOMEM', `the notify area is in BAR${bar}, which the VF does not have`);
    }
  }

  /** The core gives the interrupts back and resets the function. */
  close(): void {
    this.core.close();
    this.overlay.forgetCommand();
    if (this.legacy !== null) this.legacy.isMsixOn = false;
  }

  /** The guest's own function level reset goes through the core, and ends like any other. */
  private noticeFlr(deviceControlHigh: number): void {
    if ((deviceControlHigh & FLR_BIT) !== 0) this.overlay.forgetCommand();
  }
}
