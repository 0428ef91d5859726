// SPDX-License-Identifier: Apache-2.0
// A function of the card as a VfioDevice: region accesses become requests on its PCIe port, interrupts come by MSI-X or
// (PF) INTx. Two views of configuration space: `vfio`, what vfio-pci core presents, and `hardware`, what a driver bound
// in the kernel sees (the PF driver needs SR-IOV). What vfio-pci answers, field by field: docs/vfio_pci.md.
import { CAP_EXP, CAP_MSIX, CAP_PM, MSIX_BAR, MSIX_TABLE_OFFSET } from '../../assembly/abi/config_layout.ts';
import {
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
} from '../../assembly/abi/pci_header.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR } from '../../assembly/abi/pci_express.ts';
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_DATA,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_UPPER_ADDR,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_QSIZE_MASK,
} from '../../assembly/abi/pci_msix.ts';
import { PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK } from '../../assembly/abi/pci_pm.ts';
import type { Bar, BusLayout } from '../device/bus.ts';
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { ConfigView } from './config_view.ts';
import { restoreState, saveState, type SavedState } from './saved_state.ts';
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  type AccessSize,
  type AddressSpace,
  type IrqHandler,
  type VfioDevice,
  type VfioDeviceInfo,
  type VfioIrqInfo,
  type VfioRegionInfo,
} from './vfio_device.ts';

/** Where x86 hosts take message signalled interrupts. */
const MSI_ADDRESS = 0xfee00000;

/** 1, 2 or 4 bytes at a whole, naturally aligned offset. */
function isRegisterAccess(offset: number, size: number): boolean {
  return (size === 4 || size === 2 || size === 1) && offset >>> 0 === offset && (offset & (size - 1)) === 0;
}

/** Which configuration space a driver gets to see. */
export type ConfigViewKind = 'vfio' | 'hardware';

/** One function of a card. */
export class VfioPci implements VfioDevice {
  readonly requesterId: number;
  protected readonly nic: Nic;
  protected readonly fn: number;
  protected readonly vectors: number;
  private readonly view: ConfigView | null;
  private readonly barBytes = new Float64Array(VFIO_PCI_BAR5_REGION_INDEX + 1);
  private readonly tableBytes: number;
  private readonly handlers: (IrqHandler | null)[];
  /** The index whose interrupts are set up, of INTx and MSI-X; null: none. They exclude each other. */
  private irqIndex: number | null = null;
  /** What the next user is to find, whatever this one writes. */
  private stateAtOpen: SavedState | null = null;
  /** What D3hot takes away. */
  private stateInD0: SavedState = [];
  private requestHandler: IrqHandler | null = null;

  constructor(nic: Nic, fn: number, bus: BusLayout, view: ConfigViewKind = 'vfio') {
    if (view !== 'vfio' && view !== 'hardware') {
      throw new VfioError('EINVAL', `${String(view)} is no view of a function; there are vfio and hardware`);
    }
    if (!nic.isPresent(fn)) {
      throw new VfioError('ENODEV', `VF ${fn} does not exist; enable at least ${fn} VFs on the PF first`);
    }
    const bars: readonly Bar[] = fn === 0 ? bus.pf : bus.vf;
    this.nic = nic;
    this.fn = fn;
    this.requesterId = nic.routingId(fn);
    this.view = view === 'vfio' ? new ConfigView(nic, fn, bars, this.viewState()) : null;
    for (const bar of bars) this.barBytes[bar.index] = bar.bytes;
    this.vectors = (nic.configRead(fn, CAP_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE_MASK) + 1;
    this.tableBytes = this.vectors * PCI_MSIX_ENTRY_SIZE;
    this.handlers = Array.from({ length: this.vectors }, () => null);
  }

  info(): VfioDeviceInfo {
    return {
      flags: VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
      numRegions: VFIO_PCI_NUM_REGIONS,
      numIrqs: VFIO_PCI_NUM_IRQS,
    };
  }

  regionInfo(index: number): VfioRegionInfo {
    if (!Number.isInteger(index) || index < 0 || index >= VFIO_PCI_NUM_REGIONS) {
      throw new VfioError('EINVAL', `region ${index} does not exist; there are 0..${VFIO_PCI_NUM_REGIONS - 1}`);
    }
    if (index === VFIO_PCI_VGA_REGION_INDEX) {
      throw new VfioError('EINVAL', `region ${index} is that of a VGA device, which this is not`);
    }
    const size = this.regionSize(index);
    if (size === 0) return { index, flags: 0, size: 0 };
    const access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    if (index === VFIO_PCI_CONFIG_REGION_INDEX) return { index, flags: access, size };
    const flags = access | VFIO_REGION_INFO_FLAG_MMAP;
    if (index !== MSIX_BAR) return { index, flags, size };
    return {
      index,
      flags: flags | VFIO_REGION_INFO_FLAG_CAPS,
      size,
      capabilities: [VFIO_REGION_INFO_CAP_MSIX_MAPPABLE],
    };
  }

  irqInfo(index: number): VfioIrqInfo {
    if (!Number.isInteger(index) || index < 0 || index >= VFIO_PCI_NUM_IRQS) {
      throw new VfioError('EINVAL', `interrupt index ${index} does not exist; there are 0..${VFIO_PCI_NUM_IRQS - 1}`);
    }
    if (index === VFIO_PCI_MSIX_IRQ_INDEX) {
      return { index, flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, count: this.vectors };
    }
    if (index === VFIO_PCI_INTX_IRQ_INDEX) {
      const flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
      return { index, flags, count: this.fn === 0 ? 1 : 0 };
    }
    const isSignal = index === VFIO_PCI_ERR_IRQ_INDEX || index === VFIO_PCI_REQ_IRQ_INDEX;
    return { index, flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, count: isSignal ? 1 : 0 };
  }

  read(region: number, offset: number, size: AccessSize): number {
    // one test for the common case: inside, aligned; anything else is sorted out below
    if (isRegisterAccess(offset, size) && offset + size <= this.regionSize(region)) {
      if (region <= VFIO_PCI_BAR5_REGION_INDEX) {
        if (this.view !== null) {
          if (region === MSIX_BAR && offset < this.tableBytes) return size === 4 ? 0xffffffff : (1 << (8 * size)) - 1;
          if (this.view.isMemoryOff) this.refuseMemory(region);
        }
        return this.nic.read(this.fn, region, offset, size);
      }
      return this.view === null ? this.nic.configRead(this.fn, offset, size) : this.view.read(offset, size);
    }
    return this.refuse(region, offset, size);
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    if (isRegisterAccess(offset, size) && offset + size <= this.regionSize(region)) {
      if (region <= VFIO_PCI_BAR5_REGION_INDEX) {
        if (this.view !== null) {
          if (region === MSIX_BAR && offset < this.tableBytes) return; // set up by SET_IRQS alone
          if (this.view.isMemoryOff) this.refuseMemory(region);
        }
        this.nic.write(this.fn, region, offset, size, value);
      } else if (this.view === null) this.nic.configWrite(this.fn, offset, size, value);
      else this.view.write(offset, size, value);
      return;
    }
    this.refuse(region, offset, size);
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    return this.split(region, offset, data.length, (at, size, done) => {
      const value = this.read(region, at, size);
      for (let i = 0; i < size; i++) data[done + i] = value >>> (8 * i);
    });
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    return this.split(region, offset, data.length, (at, size, done) => {
      let value = 0;
      for (let i = 0; i < size; i++) value |= data[done + i]! << (8 * i);
      this.write(region, at, size, value >>> 0);
    });
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    const { count } = this.irqInfo(index);
    if (!Number.isInteger(start) || start < 0 || handlers.length === 0 || start + handlers.length > count) {
      const last = start + handlers.length - 1;
      throw new VfioError('EINVAL', `vectors ${start}..${last} of interrupt index ${index}: it has ${count}`);
    }
    if (index === VFIO_PCI_REQ_IRQ_INDEX) this.requestHandler = handlers[0] ?? null;
    if (index !== VFIO_PCI_INTX_IRQ_INDEX && index !== VFIO_PCI_MSIX_IRQ_INDEX) return; // errors are never raised
    if (this.irqIndex !== null && this.irqIndex !== index) {
      throw new VfioError(
        'EINVAL',
        `interrupt index ${this.irqIndex} is in use, which excludes ${index}; disable it first`,
      );
    }
    this.irqIndex = index;
    if (index === VFIO_PCI_INTX_IRQ_INDEX) this.setIntx(handlers[0] ?? null);
    else this.setVectors(start, handlers);
  }

  disableIrqs(index: number): void {
    this.irqInfo(index);
    if (index === VFIO_PCI_REQ_IRQ_INDEX) this.requestHandler = null;
    if (this.irqIndex !== index) return;
    this.irqIndex = null;
    if (index === VFIO_PCI_INTX_IRQ_INDEX) this.setIntx(null);
    else this.clearVectors();
  }

  attach(ioas: AddressSpace | null): void {
    this.nic.attachIoas(this.fn, ioas === null ? null : ioas.id);
  }

  reset(): void {
    this.leaveD3hot();
    const state = saveState(this.nic, this.fn, this.view !== null);
    this.resetFunction();
    this.restore(state);
    this.view?.poweredUp();
  }

  open(): void {
    this.reset();
    const { nic, fn } = this;
    const command = nic.configRead(fn, PCI_COMMAND, 2) & ~(PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    nic.configWrite(fn, PCI_COMMAND, 2, command);
    this.stateAtOpen = saveState(nic, fn, this.view !== null);
    this.view?.begin();
  }

  close(): void {
    this.leaveD3hot();
    if (this.irqIndex !== null) this.disableIrqs(this.irqIndex);
    this.disableIrqs(VFIO_PCI_REQ_IRQ_INDEX);
    const state = this.stateAtOpen ?? saveState(this.nic, this.fn, this.view !== null);
    this.resetFunction();
    restoreState(this.nic, this.fn, state);
  }

  /** Asks the user to give the device up: the request interrupt. False where the user has no handler for it. */
  requestRelease(): boolean {
    this.requestHandler?.(0, this.nic.now());
    return this.requestHandler !== null;
  }

  /** Function level reset, and nothing else. */
  protected resetFunction(): void {
    const control = this.nic.configRead(this.fn, CAP_EXP + PCI_EXP_DEVCTL, 2);
    this.nic.configWrite(this.fn, CAP_EXP + PCI_EXP_DEVCTL, 2, control | PCI_EXP_DEVCTL_BCR_FLR);
  }

  protected setIntx(handler: IrqHandler | null): void {
    this.nic.onIntx(handler === null ? null : (level, time) => level !== 0 && handler(0, time));
  }

  /** Gives vectors `start ..` their handlers, and switches MSI-X on. */
  protected setVectors(start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.withMemory(() => handlers.forEach((handler, i) => this.setVector(start + i, handler)));
    this.setMsixEnable(true);
  }

  protected clearVectors(): void {
    this.setMsixEnable(false);
    this.withMemory(() => this.handlers.forEach((_, vector) => this.setVector(vector, null)));
  }

  private viewState() {
    return {
      reset: () => this.reset(),
      save: () => {
        this.stateInD0 = saveState(this.nic, this.fn, false);
      },
      restore: () => this.restore(this.stateInD0),
    };
  }

  /** The host's settings, and the interrupts of the user. */
  private restore(state: SavedState): void {
    restoreState(this.nic, this.fn, state);
    if (this.irqIndex !== VFIO_PCI_MSIX_IRQ_INDEX) return;
    this.withMemory(() =>
      this.handlers.forEach((handler, vector) => handler !== null && this.setVector(vector, handler)),
    );
    this.setMsixEnable(true);
  }

  /** The function answers in D0 only. */
  private leaveD3hot(): void {
    const control = this.nic.configRead(this.fn, CAP_PM + PCI_PM_CTRL, 2);
    if ((control & PCI_PM_CTRL_STATE_MASK) === 0) return;
    this.nic.configWrite(this.fn, CAP_PM + PCI_PM_CTRL, 2, control & ~PCI_PM_CTRL_STATE_MASK);
    if (this.stateInD0.length > 0) restoreState(this.nic, this.fn, this.stateInD0);
  }

  /** The user of a PF may have switched off the memory decode that the MSI-X table is reached by. */
  private withMemory(write: () => void): void {
    const { nic, fn } = this;
    const command = fn > 0 || this.view === null ? PCI_COMMAND_MEMORY : nic.configRead(fn, PCI_COMMAND, 2);
    const isOff = (command & PCI_COMMAND_MEMORY) === 0;
    if (isOff) nic.configWrite(fn, PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY);
    write();
    if (isOff) nic.configWrite(fn, PCI_COMMAND, 2, command);
  }

  private regionSize(index: number): number {
    if (index <= VFIO_PCI_BAR5_REGION_INDEX) return this.barBytes[index] ?? 0;
    return index === VFIO_PCI_CONFIG_REGION_INDEX ? PCI_CFG_SPACE_EXP_SIZE : 0;
  }

  private setVector(vector: number, handler: IrqHandler | null): void {
    const entry = MSIX_TABLE_OFFSET + vector * PCI_MSIX_ENTRY_SIZE;
    this.handlers[vector] = handler;
    this.nic.onVector(this.fn, vector, handler);
    if (handler !== null) {
      this.nic.write(this.fn, MSIX_BAR, entry, 4, MSI_ADDRESS);
      this.nic.write(this.fn, MSIX_BAR, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
      this.nic.write(this.fn, MSIX_BAR, entry + PCI_MSIX_ENTRY_DATA, 4, vector);
    }
    const control = handler === null ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
    this.nic.write(this.fn, MSIX_BAR, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, control);
  }

  private setMsixEnable(isOn: boolean): void {
    const flags = this.nic.configRead(this.fn, CAP_MSIX + PCI_MSIX_FLAGS, 2);
    const value = isOn ? flags | PCI_MSIX_FLAGS_ENABLE : flags & ~PCI_MSIX_FLAGS_ENABLE;
    this.nic.configWrite(this.fn, CAP_MSIX + PCI_MSIX_FLAGS, 2, value);
  }

  private refuseMemory(region: number): never {
    throw new VfioError(
      'EIO',
      `region ${region}: memory decode is off; set Memory Space Enable, and write D0 to the power state`,
    );
  }

  private refuse(region: number, offset: number, size: number): never {
    if (size !== 1 && size !== 2 && size !== 4) {
      throw new VfioError('EINVAL', `access of ${size} bytes; one register access is 1, 2 or 4 bytes`);
    }
    this.reach(region, offset, size);
    const where = `0x${offset.toString(16)}`;
    throw new VfioError('EINVAL', `access of ${size} bytes at ${where} is not aligned; use readBytes or writeBytes`);
  }

  /** Bytes of a range that an access gets: all of configuration space or EFAULT, what a BAR has of it or EINVAL. */
  private reach(region: number, offset: number, length: number): number {
    const { size: bytes } = this.regionInfo(region);
    const where = Number.isInteger(offset) ? `0x${offset.toString(16)}` : String(offset);
    if (bytes === 0) throw new VfioError('EINVAL', `region ${region} is not implemented by this function`);
    const isConfig = region === VFIO_PCI_CONFIG_REGION_INDEX;
    if (!Number.isInteger(offset) || offset < 0 || offset >= bytes || (isConfig && offset + length > bytes)) {
      const message = `access of ${length} bytes at ${where}: region ${region} has ${bytes} bytes`;
      throw new VfioError(isConfig && Number.isInteger(offset) ? 'EFAULT' : 'EINVAL', message);
    }
    return Math.min(length, bytes - offset);
  }

  /** Cuts a byte range into aligned accesses of 4, 2 and 1 bytes, as vfio-pci core does; returns how many bytes it had. */
  private split(
    region: number,
    offset: number,
    length: number,
    access: (at: number, size: AccessSize, done: number) => void,
  ): number {
    if (length === 0) return 0;
    const end = this.reach(region, offset, length);
    let done = 0;
    while (done < end) {
      const at = offset + done;
      const left = end - done;
      const size: AccessSize = at % 4 === 0 && left >= 4 ? 4 : at % 2 === 0 && left >= 2 ? 2 : 1;
      access(at, size, done);
      done += size;
    }
    return end;
  }
}
