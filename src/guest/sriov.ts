// SPDX-License-Identifier: Apache-2.0
// The SR-IOV capability as Linux's PCI core works it through config space (PCIe 6.0 §9.3.3): what it reads and writes when
// it finds the function, and the order of writes and waits when VFs are switched on and off.
import { PCI_BASE_ADDRESS_MEM_FLAGS_MASK, PCI_BASE_ADDRESS_MEM_TYPE_64 } from '../../assembly/abi/pci_header.ts';
import {
  PCI_SRIOV_BAR,
  PCI_SRIOV_CAP,
  PCI_SRIOV_CAP_VFM,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_ARI,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_INITIAL_VF,
  PCI_SRIOV_NUM_BARS,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_SUP_PGSIZE,
  PCI_SRIOV_SYS_PGSIZE,
  PCI_SRIOV_TOTAL_VF,
  PCI_SRIOV_VF_OFFSET,
  PCI_SRIOV_VF_STRIDE,
} from '../../assembly/abi/pci_sriov.ts';
import { VfioError } from '../util/errors.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX, type AccessSize, type VfioDevice } from '../vfio/vfio_device.ts';
import type { Clock } from './platform.ts';

const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
const PAGE_BYTES = 4096;
/** What Linux waits after VF Enable was set and after it was cleared. */
const ENABLE_WAIT_MS = 100;
const DISABLE_WAIT_MS = 1000;
const ALL_ONES = 0xffffffff;

export interface SriovOptions {
  /** Length of a millisecond in cycles; 0, the default, leaves the waits out. */
  readonly cyclesPerMs?: number;
}

/** One VF BAR as sizing found it. */
export interface VfBar {
  readonly index: number;
  /** Bytes per VF. */
  readonly size: number;
  readonly is64Bit: boolean;
}

/** Switches the VFs of a PF. */
export class Sriov {
  totalVfs = 0;
  numVfs = 0;
  firstVfOffset = 0;
  vfStride = 0;

  private readonly device: VfioDevice;
  private readonly clock: Clock;
  private readonly at: number;
  private readonly cyclesPerMs: number;
  private pageSize = 0;
  /** What enable() wrote into control. */
  private control = 0;
  private readonly bars: [bar: VfBar, address: number][] = [];

  /** `capability`: position of the extended capability in config space. */
  constructor(device: VfioDevice, capability: number, clock: Clock, options: SriovOptions = {}) {
    this.device = device;
    this.at = capability;
    this.clock = clock;
    this.cyclesPerMs = options.cyclesPerMs ?? 0;
  }

  /** What the PCI core does when it finds the function: VFs off, page size, TotalVFs. */
  discover(): void {
    const control = this.read(PCI_SRIOV_CTRL, 2);
    if ((control & PCI_SRIOV_CTRL_VFE) !== 0) {
      this.write(PCI_SRIOV_CTRL, 2, 0);
      this.wait(DISABLE_WAIT_MS);
    }
    this.write(PCI_SRIOV_CTRL, 2, control & PCI_SRIOV_CTRL_ARI);
    this.numVfs = 0;
    this.totalVfs = this.read(PCI_SRIOV_TOTAL_VF, 2);
    if (this.totalVfs === 0) return;
    const pageSizes = this.read(PCI_SRIOV_SUP_PGSIZE, 4);
    if (pageSizes === 0) throw new VfioError('EIO', 'the SR-IOV capability supports no page size');
    // Bit n stands for pages of 4096 << n; the smallest is taken.
    this.pageSize = (pageSizes & -pageSizes) >>> 0;
    this.write(PCI_SRIOV_SYS_PGSIZE, 4, this.pageSize);
  }

  /** Sizes the six VF BAR registers by writing ones; leaves them as they were. */
  sizeBars(): VfBar[] {
    const bars: VfBar[] = [];
    for (let index = 0; index < PCI_SRIOV_NUM_BARS; index++) {
      const { old, mask } = this.sizeDword(index);
      if (mask === 0) continue;
      const is64Bit = (old & PCI_BASE_ADDRESS_MEM_TYPE_64) !== 0;
      const low = (mask & ~PCI_BASE_ADDRESS_MEM_FLAGS_MASK) >>> 0;
      const high = is64Bit ? this.sizeDword(index + 1).mask : ALL_ONES;
      const size = low !== 0 ? (~low >>> 0) + 1 + (~high >>> 0) * 0x1_0000_0000 : ((~high >>> 0) + 1) * 0x1_0000_0000;
      if (size % PAGE_BYTES !== 0)
        throw new VfioError('EIO', `VF BAR${index} of ${size} bytes is not a multiple of a page`);
      bars.push({ index, size, is64Bit });
      if (is64Bit) index++;
    }
    return bars;
  }

  /** Writes every NumVFs value from TotalVFs down to 0 and checks offset and stride, as Linux does at discovery. */
  checkRoutingIds(): void {
    for (let numVfs = this.totalVfs; numVfs >= 0; numVfs--) {
      this.write(PCI_SRIOV_NUM_VF, 2, numVfs);
      this.readRouting(numVfs);
    }
  }

  /** Start address of the VFs' BAR `index`, 64-bit registers taking two dwords. */
  writeBar(bar: VfBar, address: number): void {
    this.bars.push([bar, address]);
    this.putBar(bar, address);
  }

  enable(numVfs: number): void {
    const initialVfs = this.read(PCI_SRIOV_INITIAL_VF, 2);
    const canMigrate = (this.read(PCI_SRIOV_CAP, 4) & PCI_SRIOV_CAP_VFM) !== 0;
    if (initialVfs > this.totalVfs || (!canMigrate && initialVfs !== this.totalVfs)) {
      throw new VfioError('EIO', `InitialVFs ${initialVfs} does not go with TotalVFs ${this.totalVfs}`);
    }
    this.write(PCI_SRIOV_NUM_VF, 2, numVfs);
    this.readRouting(numVfs);
    const isAri = this.read(PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_ARI;
    this.control = PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | isAri;
    this.write(PCI_SRIOV_CTRL, 2, this.control);
    this.wait(ENABLE_WAIT_MS);
    this.numVfs = numVfs;
  }

  disable(): void {
    const control = this.read(PCI_SRIOV_CTRL, 2);
    this.write(PCI_SRIOV_CTRL, 2, control & ~(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE));
    this.wait(DISABLE_WAIT_MS);
    this.write(PCI_SRIOV_NUM_VF, 2, 0);
    this.numVfs = 0;
  }

  /** Behind a reset of the PF: writes BARs, page size, NumVFs and control again if VF Enable is gone. The VFs are new ones. */
  restore(): void {
    if ((this.read(PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE) !== 0) return;
    for (const [bar, address] of this.bars) this.putBar(bar, address);
    this.write(PCI_SRIOV_SYS_PGSIZE, 4, this.pageSize);
    this.write(PCI_SRIOV_NUM_VF, 2, this.numVfs);
    if (this.numVfs === 0) return;
    this.readRouting(this.numVfs);
    this.write(PCI_SRIOV_CTRL, 2, this.control);
    this.wait(ENABLE_WAIT_MS);
  }

  /** Routing id of VF `index`, from 0. */
  vfRequesterId(index: number): number {
    return this.device.requesterId + this.firstVfOffset + index * this.vfStride;
  }

  private putBar(bar: VfBar, address: number): void {
    const register = PCI_SRIOV_BAR + 4 * bar.index;
    this.write(register, 4, address >>> 0);
    if (bar.is64Bit) this.write(register + 4, 4, (address / 0x1_0000_0000) >>> 0);
  }

  private readRouting(numVfs: number): void {
    this.firstVfOffset = this.read(PCI_SRIOV_VF_OFFSET, 2);
    this.vfStride = this.read(PCI_SRIOV_VF_STRIDE, 2);
    if (numVfs > 0 && (this.firstVfOffset === 0 || (numVfs > 1 && this.vfStride === 0))) {
      const routing = `First VF Offset ${this.firstVfOffset}, VF Stride ${this.vfStride}`;
      throw new VfioError('EIO', `${routing} with ${numVfs} VFs`);
    }
  }

  private sizeDword(index: number): { old: number; mask: number } {
    const register = PCI_SRIOV_BAR + 4 * index;
    const old = this.read(register, 4);
    this.write(register, 4, ALL_ONES);
    const mask = this.read(register, 4);
    this.write(register, 4, old);
    return { old, mask };
  }

  private wait(ms: number): void {
    if (this.cyclesPerMs > 0) this.clock.advance(ms * this.cyclesPerMs);
  }

  private read(register: number, size: AccessSize): number {
    return this.device.read(CONFIG, this.at + register, size);
  }

  private write(register: number, size: AccessSize, value: number): void {
    this.device.write(CONFIG, this.at + register, size, value);
  }
}
