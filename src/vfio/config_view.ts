// SPDX-License-Identifier: Apache-2.0
// Configuration space as vfio-pci core shows it to its user: ids of a VF filled in, memory enable of a VF as if it were
// there, BARs virtual (they size like real ones and move nothing), MSI-X under the core's control, FLR turned into a
// function reset. Everything else goes through to the hardware.
import { CAP_EXP, CAP_MSIX, CAP_PM, EXT_CAP_ARI, EXT_CAP_SRIOV } from '../../assembly/abi/config_layout.ts';
import { PCI_EXT_CAP_ID_ARI, PCI_EXT_CAP_VERSION_ARI } from '../../assembly/abi/pci_ari.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR } from '../../assembly/abi/pci_express.ts';
import {
  PCI_BASE_ADDRESS_0,
  PCI_CARDBUS_CIS,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_EXT_CAP_HEADER_VERSION_SHIFT,
  PCI_INTERRUPT_PIN,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
} from '../../assembly/abi/pci_header.ts';
import { PCI_MSIX_SIZE } from '../../assembly/abi/pci_msix.ts';
import { PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, PCI_PM_D3HOT } from '../../assembly/abi/pci_pm.ts';
import type { Bar } from '../device/bus.ts';
import type { Nic } from '../device/nic.ts';

/** Header of the ARI capability with nothing behind it. */
const ARI_HEADER_ALONE = PCI_EXT_CAP_ID_ARI | (PCI_EXT_CAP_VERSION_ARI << PCI_EXT_CAP_HEADER_VERSION_SHIFT);
const BAR_REGISTERS = (PCI_CARDBUS_CIS - PCI_BASE_ADDRESS_0) / 4;

/** Virtual configuration space of one function. */
export class ConfigView {
  private readonly nic: Nic;
  private readonly fn: number;
  private readonly isVf: boolean;
  private readonly onReset: () => void;
  private readonly bars = new Uint32Array(BAR_REGISTERS);
  private readonly barMasks = new Uint32Array(BAR_REGISTERS);
  private readonly barFlags = new Uint32Array(BAR_REGISTERS);
  private memoryEnable = true;
  /** In D3hot: the user's accesses to BARs are refused. */
  isPoweredDown = false;

  /** `bars`: what the function has; `onReset` performs the function reset that an FLR asks for. */
  constructor(nic: Nic, fn: number, bars: readonly Bar[], onReset: () => void) {
    this.nic = nic;
    this.fn = fn;
    this.isVf = fn > 0;
    this.onReset = onReset;
    for (const bar of bars) {
      this.barMasks[bar.index] = (0x1_0000_0000 - bar.bytes) >>> 0;
      this.barMasks[bar.index + 1] = 0xffffffff;
      this.barFlags[bar.index] = bar.flags;
      const address = bar.address + (this.isVf ? (fn - 1) * bar.bytes : 0);
      this.bars[bar.index] = address >>> 0;
      this.bars[bar.index + 1] = Math.floor(address / 0x1_0000_0000);
    }
  }

  /** Read of 1, 2 or 4 aligned bytes. */
  read(offset: number, size: number): number {
    if (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_CARDBUS_CIS) return this.readBar(offset, size);
    let value = this.nic.configRead(this.fn, offset, size);
    if (!this.isVf) return this.hideSriov(offset, size, value);
    if (offset < PCI_COMMAND + 2) {
      value = overlay(value, offset, size, PCI_VENDOR_ID, 2, PCI_VENDOR_ID_VIRTIO);
      value = overlay(value, offset, size, PCI_DEVICE_ID, 2, PCI_DEVICE_ID_VIRTIO_NET);
      if (offset <= PCI_COMMAND && this.memoryEnable) {
        const shift = (PCI_COMMAND - offset) * 8;
        if (shift < size * 8) value = (value | (PCI_COMMAND_MEMORY << shift)) >>> 0;
      }
    } else if (offset <= PCI_INTERRUPT_PIN && offset + size > PCI_INTERRUPT_PIN) {
      value = overlay(value, offset, size, PCI_INTERRUPT_PIN, 1, 0);
    }
    return value;
  }

  /** Write of 1, 2 or 4 aligned bytes. */
  write(offset: number, size: number, value: number): void {
    if (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_CARDBUS_CIS) {
      this.writeBar(offset, size, value);
      return;
    }
    // the user's MSI-X capability is read-only: interrupts are set up by SET_IRQS
    if (offset >= CAP_MSIX && offset < CAP_MSIX + PCI_MSIX_SIZE) return;
    if (offset >= EXT_CAP_SRIOV) return;
    if (offset <= PCI_COMMAND && offset + size > PCI_COMMAND) {
      this.memoryEnable = ((value >>> ((PCI_COMMAND - offset) * 8)) & PCI_COMMAND_MEMORY) !== 0;
      // the PF's memory decode stays on: its BARs are the host's
      if (!this.isVf) value |= PCI_COMMAND_MEMORY << ((PCI_COMMAND - offset) * 8);
    }
    const power = CAP_PM + PCI_PM_CTRL;
    if (offset <= power && offset + size > power) {
      this.isPoweredDown = ((value >>> ((power - offset) * 8)) & PCI_PM_CTRL_STATE_MASK) === PCI_PM_D3HOT;
    }
    const flr = CAP_EXP + PCI_EXP_DEVCTL + 1;
    if (offset <= flr && offset + size > flr) {
      const shift = (flr - offset) * 8;
      const bit = PCI_EXP_DEVCTL_BCR_FLR >> 8;
      if (((value >>> shift) & bit) !== 0) {
        this.onReset();
        return;
      }
    }
    this.nic.configWrite(this.fn, offset, size, value >>> 0);
  }

  private readBar(offset: number, size: number): number {
    const register = (offset - PCI_BASE_ADDRESS_0) >> 2;
    const whole = (this.bars[register]! & this.barMasks[register]!) | this.barFlags[register]!;
    return size === 4 ? whole >>> 0 : (whole >>> ((offset & 3) * 8)) & ((1 << (size * 8)) - 1);
  }

  private writeBar(offset: number, size: number, value: number): void {
    const register = (offset - PCI_BASE_ADDRESS_0) >> 2;
    const shift = (offset & 3) * 8;
    const mask = size === 4 ? 0xffffffff : ((1 << (size * 8)) - 1) << shift;
    this.bars[register] = (this.bars[register]! & ~mask) | ((value << shift) & mask);
  }

  /** A user of the PF does not get to see SR-IOV: the list of extended capabilities ends before it. */
  private hideSriov(offset: number, size: number, value: number): number {
    if (offset >= EXT_CAP_SRIOV) return 0;
    return overlay(value, offset, size, EXT_CAP_ARI, 4, ARI_HEADER_ALONE);
  }
}

/** Replaces the bytes of a `width`-byte field at `field` in a value read at `offset`. */
function overlay(value: number, offset: number, size: number, field: number, width: number, bytes: number): number {
  let result = value;
  for (let i = 0; i < width; i++) {
    const at = field + i - offset;
    if (at < 0 || at >= size) continue;
    result = (result & ~(0xff << (at * 8))) | (((bytes >>> (i * 8)) & 0xff) << (at * 8));
  }
  return result >>> 0;
}
