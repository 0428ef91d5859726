// SPDX-License-Identifier: Apache-2.0
// One function of a card as a driver sees it through its registers: what each read may answer, by virtio 1.4 and PCI
// Express alone. It runs beside the card and is asked after each access; events inside the card that a driver cannot see
// coming (a link that changes, an error) are told to it. Slow, plain, and without a line of the card's own code.
import { CommonModel, type CommonDescription } from './common.ts';
import { bytesMask } from './bits.ts';
import { MsixModel } from './msix.ts';
import { MsixTable } from './msix_table.ts';
import {
  COMMAND_MASTER,
  COMMAND_MEMORY,
  COMMON,
  COMMON_BYTES,
  DEVICE_CONTROL_FLR,
  FEATURE,
  ISR_CONFIG,
  ISR_QUEUE,
  MSIX_CONTROL_ENABLE,
  MSIX_CONTROL_MASK,
  NET_CONFIG,
  NET_S_LINK_UP,
  SRIOV_VF_ENABLE,
  SRIOV_VF_MEMORY,
} from './spec.ts';

export interface FunctionDescription extends CommonDescription {
  readonly isPf: boolean;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** max_virtqueue_pairs. */
  readonly pairs: number;
}

/** Structures of a function; offsets count from the start of each. */
export type Block = 'common' | 'isr' | 'device' | 'msix-table' | 'msix-pba';

/** Registers of configuration space that change what the blocks answer. `sriov-control` is the PF's, told to its VFs. */
export type ConfigRegister = 'command' | 'msix-control' | 'device-control' | 'sriov-control';

/** What a read has to be: the bits of `value` that are set in `mask`. One object serves all reads of a function. */
export interface Expected {
  value: number;
  mask: number;
}

export class ReferenceFunction {
  readonly about: FunctionDescription;
  readonly common: CommonModel;
  readonly msix: MsixModel;
  private readonly table: MsixTable;
  private readonly config = new Uint8Array(NET_CONFIG.end);
  private readonly expected: Expected = { value: 0, mask: 0 };
  private isr = 0;
  private isrKnown = 0xff;
  private isDecoding: boolean;
  private hasMsix = false;
  /** device_status was not 0 at some time since the last settle(). */
  private couldNotify = false;

  /** As after power-on: a PF with its BARs switched off, a VF that was just enabled. */
  constructor(about: FunctionDescription) {
    this.about = about;
    this.common = new CommonModel(about);
    this.msix = new MsixModel(about.vectors);
    this.table = new MsixTable(this.msix);
    this.isDecoding = !about.isPf;
    this.msix.setBusMaster(false);
    this.config.set(about.mac, NET_CONFIG.mac);
    this.config[NET_CONFIG.status] = NET_S_LINK_UP;
    this.putWord(NET_CONFIG.maxVirtqueuePairs, about.pairs);
    this.putWord(NET_CONFIG.mtu, about.mtu);
  }

  /** What a read of 1, 2 or 4 aligned bytes has to answer, and its side effects. Valid until the next read. */
  read(block: Block, offset: number, size: number): Expected {
    const { expected } = this;
    expected.value = bytesMask(size);
    expected.mask = expected.value;
    if (!this.isDecoding) return expected; // Unsupported Request: all ones
    expected.mask = 0;
    if (block === 'common' && offset < COMMON_BYTES) {
      this.common.read(offset, size);
      expected.value = this.common.value;
      expected.mask = this.common.valueMask;
    } else if (block === 'isr') {
      this.readIsr(offset, size);
    } else if (block === 'device') {
      this.readConfig(offset, size);
    } else if (block === 'msix-table' && offset < this.table.bytes) {
      this.table.read(offset, size);
      expected.value = this.table.value;
      expected.mask = this.table.valueMask;
    } else if (block === 'msix-pba') {
      this.table.readPending(offset, size);
      expected.value = this.table.value;
      expected.mask = this.common.isLive() ? 0 : this.table.valueMask;
    }
    return expected;
  }

  /** Compares what the card answered with what it had to, and takes over what it chose. Returns the fault, or null. */
  check(block: Block, offset: number, size: number, actual: number): string | null {
    const { value, mask } = this.read(block, offset, size);
    if (((value ^ actual) & mask) !== 0) {
      const hex = (word: number): string => `0x${(word >>> 0).toString(16)}`;
      return `${block}+${hex(offset)}, ${size} bytes: ${hex(actual)}, expected ${hex(value)} in bits ${hex(mask)}`;
    }
    if (!this.isDecoding) return null;
    if (block === 'common' && offset < COMMON_BYTES) this.common.learn(offset, size, actual);
    else if (block === 'msix-table' && offset < this.table.bytes) this.table.learn(offset, size, actual);
    else if (block === 'msix-pba') this.table.learnPending(offset, size, actual);
    return null;
  }

  /** A write of 1, 2 or 4 aligned bytes. ISR, device configuration and pending bits are read-only for a driver. */
  write(block: Block, offset: number, size: number, value: number): void {
    if (!this.isDecoding) return;
    if (block === 'common' && offset < COMMON_BYTES) this.writeCommon(offset, size, value);
    else if (block === 'msix-table' && offset < this.table.bytes) this.table.write(offset, size, value);
  }

  /** A 16-bit write to configuration space. */
  configWrite(register: ConfigRegister, value: number): void {
    switch (register) {
      case 'command': {
        if (this.about.isPf) this.isDecoding = (value & COMMAND_MEMORY) !== 0;
        this.msix.setBusMaster((value & COMMAND_MASTER) !== 0);
        return;
      }
      case 'msix-control': {
        this.hasMsix = (value & MSIX_CONTROL_ENABLE) !== 0;
        this.msix.setControl(this.hasMsix, (value & MSIX_CONTROL_MASK) !== 0);
        return;
      }
      case 'device-control': {
        if ((value & DEVICE_CONTROL_FLR) !== 0) this.functionLevelReset();
        return;
      }
      case 'sriov-control': {
        const wanted = SRIOV_VF_ENABLE | SRIOV_VF_MEMORY;
        if ((value & SRIOV_VF_ENABLE) === 0) this.functionLevelReset();
        this.isDecoding = (value & wanted) === wanted;
        return;
      }
    }
  }

  /** The link of the wire went up or down. */
  setLink(isUp: boolean): void {
    const status = isUp ? NET_S_LINK_UP : 0;
    if (this.config[NET_CONFIG.status] === status) return;
    this.config[NET_CONFIG.status] = status;
    this.configChanged();
  }

  /** The device's address changed, by the control queue or by a legacy driver. */
  setMac(mac: Uint8Array): void {
    this.config.set(mac, NET_CONFIG.mac);
    this.configChanged();
  }

  /** The device met an error that only a reset ends. */
  needsReset(): void {
    this.common.needsReset();
    this.signalConfig();
  }

  /** A used buffer of `queue` is announced. */
  signalQueue(queue: number): void {
    if (!this.hasMsix) this.isr |= ISR_QUEUE;
    this.signal(this.common.vector(queue));
  }

  /** An MSI-X message of the function arrived at the host. Returns what is wrong with that, or null. */
  message(vector: number): string | null {
    const fault = this.msix.message(vector);
    if (fault !== null || this.couldNotify) return fault;
    return `message of vector ${vector} after a reset, before the driver has begun again`; // §2.4.1
  }

  /** Nothing is under way between card and host any more. In functional mode that is so after every access. */
  settle(): void {
    this.msix.settle();
    this.couldNotify = !this.common.isReset();
  }

  private writeCommon(offset: number, size: number, value: number): void {
    const { common, msix } = this;
    const wasLive = common.isLive();
    common.write(offset, size, value);
    if (!common.isReset()) this.couldNotify = true;
    if (wasLive) msix.blurAll();
    if (wasLive) this.isrKnown &= ~(ISR_QUEUE | ISR_CONFIG);
    // Whether a reset clears bits of ISR that nobody has read is not said.
    if (!common.isRunning()) this.isrKnown &= ~this.isr;
    const touches = (field: number): boolean => offset < field + 2 && offset + size > field;
    const isRemapped =
      touches(COMMON.configMsixVector) || touches(COMMON.queueMsixVector) || touches(COMMON.queueReset);
    if (common.isReset() || isRemapped) msix.withdraw();
  }

  private configChanged(): void {
    this.common.configChanged();
    this.signalConfig();
  }

  /** The configuration bit of ISR is set with MSI-X, too (AMB-18). Nothing is said about functions without DRIVER_OK. */
  private signalConfig(): void {
    if (this.common.isRunning()) this.isr |= ISR_CONFIG;
    else this.isrKnown &= ~ISR_CONFIG;
    if (this.common.isRunning()) this.signal(this.common.vector(null));
    else for (let vector = 0; vector < this.msix.vectors; vector++) this.msix.blur(vector);
  }

  private signal(vector: number | undefined): void {
    if (vector !== undefined) this.msix.signal(vector);
    else for (let any = 0; any < this.msix.vectors; any++) this.msix.blur(any);
  }

  private functionLevelReset(): void {
    this.common.reset();
    this.msix.reset();
    this.table.reset();
    this.msix.setBusMaster(false);
    this.hasMsix = false;
    this.isr = 0;
    this.isrKnown = 0xff;
    this.config.set(this.about.mac, NET_CONFIG.mac);
    if (this.about.isPf) this.isDecoding = false;
  }

  /** One byte, cleared by reading it. An access that is wider than the register may or may not count as one. */
  private readIsr(offset: number, size: number): void {
    const { expected } = this;
    if (offset !== 0) return;
    expected.value = this.isr;
    // With a queue at work the device sets both bits by itself: the first with used buffers, the second with errors.
    const own = this.common.isLive() ? ISR_QUEUE | ISR_CONFIG : 0;
    expected.mask = size === 1 ? this.isrKnown & ~own : 0;
    if (size > 1) {
      this.isrKnown &= ~this.isr;
      return;
    }
    this.isr = 0;
    this.isrKnown = 0xff;
  }

  /** Fields exist while their feature is offered, and from FEATURES_OK on where it is negotiated (§2.5). */
  private readConfig(offset: number, size: number): void {
    const { expected } = this;
    expected.value = 0;
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      if (at >= NET_CONFIG.end) continue;
      expected.value |= this.config[at]! << (8 * i);
      if (at === NET_CONFIG.status) expected.mask |= this.exists(FEATURE.status) ? NET_S_LINK_UP << (8 * i) : 0;
      else if (at !== NET_CONFIG.status + 1 && this.hasField(at)) expected.mask |= 0xff << (8 * i);
    }
    expected.value >>>= 0;
    expected.mask >>>= 0;
  }

  private hasField(at: number): boolean {
    if (at < NET_CONFIG.status) return this.exists(FEATURE.mac);
    if (at < NET_CONFIG.mtu) return this.exists(FEATURE.mq) || this.exists(FEATURE.rss);
    return this.exists(FEATURE.mtu);
  }

  private exists(feature: number): boolean {
    const isOffered = ((this.about.offeredFeatures >> BigInt(feature)) & 1n) !== 0n;
    return isOffered && (this.common.featuresOk() === false || this.common.negotiated(feature) === true);
  }

  private putWord(at: number, value: number): void {
    this.config[at] = value & 0xff;
    this.config[at + 1] = value >>> 8;
  }
}
