// SPDX-License-Identifier: Apache-2.0
// Configuration space as vfio-pci core shows it to its user: a copy of the hardware's, and for each bit the rule whether it
// is the copy or the hardware that is read and written (config_rules.ts). Beside the rules: BARs that size like real ones
// and move nothing, the power state, FLR turned into a function reset, the size of read requests.
import { CAP_EXP, CAP_PM } from '../../assembly/abi/config_layout.ts';
import {
  PCI_EXP_DEVCAP,
  PCI_EXP_DEVCAP_FLR,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL_BCR_FLR,
  PCI_EXP_DEVCTL_PAYLOAD_MASK,
  PCI_EXP_DEVCTL_PAYLOAD_SHIFT,
  PCI_EXP_DEVCTL_READRQ_MASK,
  PCI_EXP_DEVCTL_READRQ_SHIFT,
} from '../../assembly/abi/pci_express.ts';
import {
  PCI_BASE_ADDRESS_0,
  PCI_CARDBUS_CIS,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_HEADER_SIZE,
  PCI_INTERRUPT_PIN,
  PCI_ROM_ADDRESS,
  PCI_STD_NUM_BARS,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
} from '../../assembly/abi/pci_header.ts';
import {
  PCI_PM_CTRL,
  PCI_PM_CTRL_NO_SOFT_RESET,
  PCI_PM_CTRL_STATE_MASK,
  PCI_PM_D0,
  PCI_PM_D1,
  PCI_PM_D2,
  PCI_PM_D3HOT,
} from '../../assembly/abi/pci_pm.ts';
import type { Bar } from '../device/bus.ts';
import type { Nic } from '../device/nic.ts';
import { VIRTUAL, WRITABLE } from './config_rules.ts';
import { hasVfs } from './saved_state.ts';

const DECODE = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
const DEVCTL = CAP_EXP + PCI_EXP_DEVCTL;
const PMCSR = CAP_PM + PCI_PM_CTRL;
/** Sizes of read requests are 128 << n; n = 6 and 7 do not exist. */
const READRQ_LAST = 5;

/** What the view asks its function for. */
export interface FunctionState {
  /** Function level reset; the host's settings are there again afterwards. */
  reset(): void;
  /** The function goes to D3hot, and will have lost its settings when it comes back. */
  save(): void;
  restore(): void;
}

/** Virtual configuration space of one function, for one user. */
export class ConfigView {
  private readonly nic: Nic;
  private readonly fn: number;
  private readonly isVf: boolean;
  private readonly bars: readonly Bar[];
  private readonly state: FunctionState;
  private readonly copy = new DataView(new ArrayBuffer(PCI_CFG_SPACE_EXP_SIZE));
  /** Bits of a BAR register that the user may choose. */
  private readonly barMasks = new Uint32Array(PCI_STD_NUM_BARS);
  private readonly barFlags = new Uint32Array(PCI_STD_NUM_BARS);
  private powerState = PCI_PM_D0;
  /** Nobody has used it since it was made: the copy is empty. */
  private isFresh = true;
  /** The user's accesses to BARs are refused: memory decode is off, or the function is in D3hot. */
  isMemoryOff = false;

  /** `bars`: what the function has. */
  constructor(nic: Nic, fn: number, bars: readonly Bar[], state: FunctionState) {
    this.nic = nic;
    this.fn = fn;
    this.isVf = fn > 0;
    this.bars = bars;
    this.state = state;
  }

  /** For a new user: what the one before left in the copy is gone. */
  begin(): void {
    const { copy, isVf } = this;
    this.isFresh = false;
    // only what is shown from here; PME bits are 0 from the start, as are the BARs of a VF
    for (let at = 0; at < PCI_HEADER_SIZE; at += 4) {
      const isKnown = VIRTUAL.getUint32(at, true) === 0 || (isVf && isOfPf(at));
      copy.setUint32(at, isKnown ? 0 : this.nic.configRead(this.fn, at, 4), true);
    }
    copy.setUint16(DEVCTL, this.nic.configRead(this.fn, DEVCTL, 2), true);
    if (isVf) {
      copy.setUint16(PCI_VENDOR_ID, PCI_VENDOR_ID_VIRTIO, true);
      copy.setUint16(PCI_DEVICE_ID, PCI_DEVICE_ID_VIRTIO_NET, true);
      copy.setUint16(PCI_COMMAND, this.command | PCI_COMMAND_MEMORY, true); // it has no such bit, and works without
      copy.setUint8(PCI_INTERRUPT_PIN, 0);
    }
    for (const { index, bytes, flags } of this.bars) {
      this.barMasks[index] = (0x1_0000_0000 - bytes) >>> 0;
      this.barMasks[index + 1] = 0xffffffff;
      this.barFlags[index] = flags;
    }
    this.fitBars();
    this.powerState = this.nic.configRead(this.fn, PMCSR, 2) & PCI_PM_CTRL_STATE_MASK;
    this.updateMemory();
  }

  /** Read of 1, 2 or 4 aligned bytes. */
  read(offset: number, size: number): number {
    if (this.isFresh) this.begin();
    const virtual = load(VIRTUAL, offset, size);
    const copied = load(this.copy, offset, size) & virtual;
    if (virtual === ones(size)) return copied >>> 0;
    const value = ((this.nic.configRead(this.fn, offset, size) & ~virtual) | copied) >>> 0;
    // a VF's own bit is always 0: the copy says what the user wrote
    return offset === PCI_COMMAND && this.isVf ? value | (this.command & PCI_COMMAND_MEMORY) : value;
  }

  /** Write of 1, 2 or 4 aligned bytes. */
  write(offset: number, size: number, value: number): void {
    if (this.isFresh) this.begin();
    const readRequest = this.deviceControl & PCI_EXP_DEVCTL_READRQ_MASK;
    this.put(offset, size, value);
    if (offset >>> 2 === PCI_COMMAND >>> 2) this.commandWritten(offset, size, value);
    else if (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_CARDBUS_CIS) this.fitBars();
    else if (offset >>> 2 === PCI_ROM_ADDRESS >>> 2)
      this.copy.setUint32(PCI_ROM_ADDRESS, 0, true); // there is none
    else if (offset === PMCSR) this.setPower(value & PCI_PM_CTRL_STATE_MASK);
    else if (offset >>> 2 === DEVCTL >>> 2) this.deviceControlWritten(readRequest);
  }

  /** The function was reset, which leaves it in D0. */
  poweredUp(): void {
    if (this.isFresh) return;
    this.powerState = PCI_PM_D0;
    this.updateMemory();
  }

  private get command(): number {
    return this.copy.getUint16(PCI_COMMAND, true);
  }

  private get deviceControl(): number {
    return this.copy.getUint16(DEVCTL, true);
  }

  /** The rules: writable bits go to the copy or to the hardware, the others nowhere. */
  private put(offset: number, size: number, value: number): void {
    const writable = load(WRITABLE, offset, size);
    const virtual = load(VIRTUAL, offset, size);
    const inCopy = writable & virtual;
    const inHardware = writable & ~virtual;
    if (inCopy !== 0) store(this.copy, offset, size, (load(this.copy, offset, size) & ~inCopy) | (value & inCopy));
    if (inHardware === 0) return;
    const kept = inHardware >>> 0 === ones(size) ? 0 : this.nic.configRead(this.fn, offset, size) & ~inHardware;
    this.nic.configWrite(this.fn, offset, size, (kept | (value & inHardware)) >>> 0);
  }

  private commandWritten(offset: number, size: number, value: number): void {
    if (offset === PCI_COMMAND) {
      this.copy.setUint16(PCI_COMMAND, (this.command & ~DECODE) | (value & DECODE), true);
      this.updateMemory();
    }
    if (this.isVf || offset + size <= PCI_COMMAND + 1 || offset > PCI_COMMAND + 1) return;
    // the PF's own bit follows
    const real = this.nic.configRead(0, PCI_COMMAND, 2);
    const wanted = (real & ~PCI_COMMAND_INTX_DISABLE) | (this.command & PCI_COMMAND_INTX_DISABLE);
    if (wanted !== real) this.nic.configWrite(0, PCI_COMMAND, 2, wanted);
  }

  /** Address bits below a BAR's size read 0, its type stays. */
  private fitBars(): void {
    for (let i = 0; i < PCI_STD_NUM_BARS; i++) {
      const at = PCI_BASE_ADDRESS_0 + 4 * i;
      this.copy.setUint32(at, (this.copy.getUint32(at, true) & this.barMasks[i]!) | this.barFlags[i]!, true);
    }
  }

  private setPower(state: number): void {
    const { nic, fn } = this;
    // there is no D1 and no D2; the power of a PF is that of its VFs
    if (state === this.powerState || state === PCI_PM_D1 || state === PCI_PM_D2) return;
    if (!this.isVf && state === PCI_PM_D3HOT && hasVfs(nic)) return;
    const control = nic.configRead(fn, PMCSR, 2);
    const forgets = (control & PCI_PM_CTRL_NO_SOFT_RESET) === 0;
    if (forgets && state === PCI_PM_D3HOT) this.state.save();
    nic.configWrite(fn, PMCSR, 2, (control & ~PCI_PM_CTRL_STATE_MASK) | state);
    if (forgets && state === PCI_PM_D0) this.state.restore();
    this.powerState = state;
    this.updateMemory();
  }

  private deviceControlWritten(readRequestBefore: number): void {
    const { nic, fn } = this;
    const control = this.deviceControl;
    if ((control & PCI_EXP_DEVCTL_BCR_FLR) !== 0) {
      this.copy.setUint16(DEVCTL, control & ~PCI_EXP_DEVCTL_BCR_FLR, true);
      if ((nic.configRead(fn, CAP_EXP + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR) !== 0) this.state.reset();
    }
    const readRequest = control & PCI_EXP_DEVCTL_READRQ_MASK;
    if (readRequest === readRequestBefore) return;
    // goes through, but not below the real payload size: smaller reads would only waste the link
    const real = nic.configRead(fn, DEVCTL, 2);
    const floor = (real & PCI_EXP_DEVCTL_PAYLOAD_MASK) >> PCI_EXP_DEVCTL_PAYLOAD_SHIFT;
    const size = Math.max(readRequest >> PCI_EXP_DEVCTL_READRQ_SHIFT, floor);
    if (size > READRQ_LAST) return;
    const wanted = (real & ~PCI_EXP_DEVCTL_READRQ_MASK) | (size << PCI_EXP_DEVCTL_READRQ_SHIFT);
    if (wanted !== real) nic.configWrite(fn, DEVCTL, 2, wanted);
  }

  private updateMemory(): void {
    const isDecodeOff = !this.isVf && (this.command & PCI_COMMAND_MEMORY) === 0;
    this.isMemoryOff = isDecodeOff || this.powerState === PCI_PM_D3HOT;
  }
}

/** Ids and BARs: what a VF has none of itself. */
function isOfPf(at: number): boolean {
  return at === PCI_VENDOR_ID || at === PCI_ROM_ADDRESS || (at >= PCI_BASE_ADDRESS_0 && at < PCI_CARDBUS_CIS);
}

function ones(size: number): number {
  return size === 4 ? 0xffffffff : (1 << (8 * size)) - 1;
}

function load(bytes: DataView, offset: number, size: number): number {
  if (size === 4) return bytes.getUint32(offset, true);
  return size === 2 ? bytes.getUint16(offset, true) : bytes.getUint8(offset);
}

function store(bytes: DataView, offset: number, size: number, value: number): void {
  if (size === 4) bytes.setUint32(offset, value, true);
  else if (size === 2) bytes.setUint16(offset, value, true);
  else bytes.setUint8(offset, value);
}
