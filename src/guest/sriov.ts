// SPDX-License-Identifier: Apache-2.0
// The SR-IOV capability as Linux 7.3's PCI core works it through config space (PCIe 6.0 §9.3.3), access by access: what it
// does when it finds the function, when it gives the VFs' BARs addresses, when VFs are switched on and off, and behind a
// reset. test/host/linux_sriov.test.ts holds it against a recorded kernel. One thing differs: whether ARI is in use is
// the bridge's to say, and there is none here, so what firmware has set stays.
import { PCI_CAP_ID_EXP } from '../../assembly/abi/pci_express.ts';
import { PCI_BASE_ADDRESS_MEM_FLAGS_MASK, PCI_BASE_ADDRESS_MEM_TYPE_64 } from '../../assembly/abi/pci_header.ts';
import {
  PCI_EXT_CAP_ID_SRIOV,
  PCI_EXT_CAP_ID_VF_REBAR,
  PCI_SRIOV_BAR,
  PCI_SRIOV_CAP,
  PCI_SRIOV_CAP_VFM,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_ARI,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_FUNC_LINK,
  PCI_SRIOV_INITIAL_VF,
  PCI_SRIOV_NUM_BARS,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_SUP_PGSIZE,
  PCI_SRIOV_SYS_PGSIZE,
  PCI_SRIOV_TOTAL_VF,
  PCI_SRIOV_VF_DID,
  PCI_SRIOV_VF_OFFSET,
  PCI_SRIOV_VF_STRIDE,
} from '../../assembly/abi/pci_sriov.ts';
import { VfioError } from '../util/errors.ts';
import { checkOptions, numberFrom, type OptionChecks } from '../util/options.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX, type AccessSize, type VfioDevice } from '../vfio/vfio_device.ts';
import { enableDecoding, findCapability, findExtendedCapability } from './pci_probe.ts';
import type { Clock } from './platform.ts';

const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
const PAGE_BYTES = 4096;
/** What Linux waits after VF Enable was set and after it was cleared. */
const ENABLE_WAIT_MS = 100;
const DISABLE_WAIT_MS = 1000;
const ALL_ONES = 0xffffffff;
const TWO_TO_32 = 0x1_0000_0000;

/** How VFs are switched. */
export interface SriovOptions {
  /** Length of a millisecond in cycles; 0, the default, leaves the waits out. */
  readonly cyclesPerMs?: number;
}

export const SRIOV_OPTIONS: OptionChecks<SriovOptions> = { cyclesPerMs: numberFrom(0, 2 ** 32) };

/** One VF BAR. */
export interface VfBar {
  readonly index: number;
  /** Bytes per VF. */
  readonly size: number;
  /** The low bits that say what kind of BAR it is. */
  readonly flags: number;
  readonly is64Bit: boolean;
  /** Where the first VF's share begins: what the register held, until placeBar(). */
  readonly address: number;
}

/** Switches the VFs of a PF. */
export class Sriov {
  totalVfs = 0;
  numVfs = 0;
  firstVfOffset = 0;
  vfStride = 0;
  /** Device id of the VFs. */
  vfDeviceId = 0;
  /** The VF BARs that discover() found. */
  bars: readonly VfBar[] = [];

  private readonly device: VfioDevice;
  private readonly clock: Clock;
  private readonly at: number;
  private readonly cyclesPerMs: number;
  private pageSize = 0;
  /** What control holds, VF Enable and VF Memory Space Enable while there are VFs. */
  private control = 0;
  private canMigrate = false;
  private functionLink = 0;

  /** `capability`: position of the extended capability in config space. */
  private constructor(device: VfioDevice, capability: number, clock: Clock, options: SriovOptions) {
    this.device = device;
    this.at = capability;
    this.clock = clock;
    this.cyclesPerMs = options.cyclesPerMs ?? 0;
  }

  /** Null where the function has no such capability; otherwise it is discovered. */
  static find(device: VfioDevice, clock: Clock, options: SriovOptions = {}): Sriov | null {
    checkOptions('SR-IOV', options, SRIOV_OPTIONS);
    if (findCapability(device, PCI_CAP_ID_EXP) === 0) return null;
    const at = findExtendedCapability(device, PCI_EXT_CAP_ID_SRIOV);
    if (at === 0) return null;
    const sriov = new Sriov(device, at, clock, options);
    sriov.discover();
    return sriov;
  }

  /** What the PCI core does when it finds the function: VFs off, page size, BARs, routing ids. */
  discover(): void {
    const control = this.read(PCI_SRIOV_CTRL, 2);
    if ((control & PCI_SRIOV_CTRL_VFE) !== 0) {
      this.write(PCI_SRIOV_CTRL, 2, 0);
      this.wait(DISABLE_WAIT_MS);
    }
    this.control = control & PCI_SRIOV_CTRL_ARI;
    this.write(PCI_SRIOV_CTRL, 2, this.control);
    this.numVfs = 0;
    this.bars = [];
    this.totalVfs = this.read(PCI_SRIOV_TOTAL_VF, 2);
    if (this.totalVfs === 0) return;
    const pageSizes = this.read(PCI_SRIOV_SUP_PGSIZE, 4);
    if (pageSizes === 0) throw new VfioError('EIO', 'the SR-IOV capability supports no page size');
    // Bit n stands for pages of 4096 << n; the smallest is taken.
    this.pageSize = (pageSizes & -pageSizes) >>> 0;
    this.write(PCI_SRIOV_SYS_PGSIZE, 4, this.pageSize);
    this.bars = this.readBars(this.sizeRegisters());
    this.vfDeviceId = this.read(PCI_SRIOV_VF_DID, 2);
    this.canMigrate = (this.read(PCI_SRIOV_CAP, 4) & PCI_SRIOV_CAP_VFM) !== 0;
    this.functionLink = this.read(PCI_SRIOV_FUNC_LINK, 1);
    findExtendedCapability(this.device, PCI_EXT_CAP_ID_VF_REBAR); // its sizes are not for this driver to change
    this.checkRoutingIds();
  }

  /** Gives a VF BAR its address, of as many bytes for each of TotalVFs VFs as discover() found. */
  placeBar(index: number, address: number): void {
    const bar = this.bars.find((one) => one.index === index);
    if (bar === undefined) throw new VfioError('EINVAL', `there is no VF BAR${index}`);
    const placed = { ...bar, address };
    this.bars = this.bars.map((one) => (one === bar ? placed : one));
    this.updateBar(placed);
  }

  /** Turns VFs on and gives them 100 ms, if a millisecond has a length. Throws VfioError EIO or ENODEV for a bad capability. */
  enable(numVfs: number): void {
    const initialVfs = this.read(PCI_SRIOV_INITIAL_VF, 2);
    if (initialVfs > this.totalVfs || (!this.canMigrate && initialVfs !== this.totalVfs)) {
      throw new VfioError('EIO', `InitialVFs ${initialVfs} does not go with TotalVFs ${this.totalVfs}`);
    }
    enableDecoding(this.device);
    if (this.functionLink !== (this.device.requesterId & 0xff)) {
      throw new VfioError('ENODEV', `the VFs depend on function ${this.functionLink}`);
    }
    this.setNumVfs(numVfs);
    this.control |= PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
    this.write(PCI_SRIOV_CTRL, 2, this.control);
    this.wait(ENABLE_WAIT_MS);
    this.numVfs = numVfs;
  }

  /** Turns all VFs off and gives them a second, if a millisecond has a length. */
  disable(): void {
    this.control &= ~(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    this.write(PCI_SRIOV_CTRL, 2, this.control);
    this.wait(DISABLE_WAIT_MS);
    this.numVfs = 0;
    this.setNumVfs(0);
  }

  /** Behind a reset of the PF: writes BARs, page size, NumVFs and control again if VF Enable is gone. The VFs are new ones. */
  restore(): void {
    const control = this.read(PCI_SRIOV_CTRL, 2);
    if ((control & PCI_SRIOV_CTRL_VFE) !== 0) return;
    this.write(PCI_SRIOV_CTRL, 2, (control & ~PCI_SRIOV_CTRL_ARI) | (this.control & PCI_SRIOV_CTRL_ARI));
    for (let index = 0; index < PCI_SRIOV_NUM_BARS; index++) {
      this.updateBar(this.bars.find((bar) => bar.index === index));
    }
    this.write(PCI_SRIOV_SYS_PGSIZE, 4, this.pageSize);
    this.setNumVfs(this.numVfs);
    this.write(PCI_SRIOV_CTRL, 2, this.control);
    if ((this.control & PCI_SRIOV_CTRL_VFE) !== 0) this.wait(ENABLE_WAIT_MS);
  }

  /** Routing id of VF `index`, from 0. */
  vfRequesterId(index: number): number {
    return this.device.requesterId + this.firstVfOffset + index * this.vfStride;
  }

  /** What each of the six registers holds after ones were written; the old value is back then. */
  private sizeRegisters(): number[] {
    return Array.from({ length: PCI_SRIOV_NUM_BARS }, (_, index) => {
      const register = PCI_SRIOV_BAR + 4 * index;
      const old = this.read(register, 4);
      this.write(register, 4, ALL_ONES);
      const mask = this.read(register, 4);
      this.write(register, 4, old);
      return mask;
    });
  }

  private readBars(masks: readonly number[]): VfBar[] {
    const bars: VfBar[] = [];
    for (let index = 0; index < PCI_SRIOV_NUM_BARS; index++) {
      const value = this.read(PCI_SRIOV_BAR + 4 * index, 4);
      const flags = value & PCI_BASE_ADDRESS_MEM_FLAGS_MASK;
      const is64Bit = (flags & PCI_BASE_ADDRESS_MEM_TYPE_64) !== 0 && index + 1 < PCI_SRIOV_NUM_BARS;
      const high = is64Bit ? this.read(PCI_SRIOV_BAR + 4 * index + 4, 4) : 0;
      const size = sizeOf(masks[index]!, is64Bit ? masks[index + 1]! : 0);
      if (size === 0) continue;
      if (size % PAGE_BYTES !== 0) {
        throw new VfioError('EIO', `VF BAR${index} of ${size} bytes is not a multiple of a page`);
      }
      bars.push({ index, size, flags, is64Bit, address: high * TWO_TO_32 + ((value & ~flags) >>> 0) });
      if (is64Bit) index++;
    }
    return bars;
  }

  /** Writes every NumVFs value from TotalVFs down to 0: offset and stride have to be good with each. */
  private checkRoutingIds(): void {
    let problem = '';
    for (let numVfs = this.totalVfs; numVfs > 0 && problem === ''; numVfs--) {
      this.setNumVfs(numVfs);
      if (this.firstVfOffset === 0 || (numVfs > 1 && this.vfStride === 0)) {
        problem = `First VF Offset ${this.firstVfOffset}, VF Stride ${this.vfStride} with ${numVfs} VFs`;
      }
    }
    this.setNumVfs(0);
    if (problem !== '') throw new VfioError('EIO', problem);
  }

  private setNumVfs(numVfs: number): void {
    this.write(PCI_SRIOV_NUM_VF, 2, numVfs);
    this.firstVfOffset = this.read(PCI_SRIOV_VF_OFFSET, 2);
    this.vfStride = this.read(PCI_SRIOV_VF_STRIDE, 2);
  }

  private updateBar(bar: VfBar | undefined): void {
    const inUse = PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
    if ((this.read(PCI_SRIOV_CTRL, 2) & inUse) === inUse) {
      throw new VfioError('EBUSY', 'the VF BARs are in use; take the VFs away first');
    }
    if (bar === undefined) return;
    const register = PCI_SRIOV_BAR + 4 * bar.index;
    this.write(register, 4, (bar.address | bar.flags) >>> 0);
    if (bar.is64Bit) this.write(register + 4, 4, (bar.address / TWO_TO_32) >>> 0);
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

/** Bytes of a BAR by what its registers hold after ones were written: the lowest bit that can be set. */
function sizeOf(low: number, high: number): number {
  const mask = low === ALL_ONES ? 0 : (low & ~PCI_BASE_ADDRESS_MEM_FLAGS_MASK) >>> 0; // all ones: nobody answers
  if (mask !== 0) return (mask & -mask) >>> 0;
  return ((high & -high) >>> 0) * TWO_TO_32;
}
