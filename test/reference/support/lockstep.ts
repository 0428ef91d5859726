// SPDX-License-Identifier: Apache-2.0
// A function of a real card and its reference model, driven with the same accesses: every read is compared, every message
// has to be one that the model allows.
import { createNic, type Nic } from '../../../src/device/nic.ts';
import { enumerate } from '../../../src/device/bus.ts';
import { ReferenceFunction, type Block, type ConfigRegister } from '../../../src/reference/function.ts';
import { VfioPci } from '../../../src/vfio/vfio_pci.ts';

/** Where the structures lie in BARs: decision 0001. */
const PLACES: Readonly<Record<Block, { readonly bar: number; readonly offset: number }>> = {
  common: { bar: 2, offset: 0 },
  isr: { bar: 2, offset: 0x1000 },
  device: { bar: 2, offset: 0x2000 },
  'msix-table': { bar: 4, offset: 0 },
  'msix-pba': { bar: 4, offset: 0x800 },
};

/** Registers of configuration space of this card. */
const CONFIG: Readonly<Record<ConfigRegister, number>> = {
  command: 0x04,
  'msix-control': 0x4a,
  'device-control': 0x5c,
  'sriov-control': 0x148,
};
const SRIOV_NUM_VF = 0x150;
const NOTIFY = 0x3000;
const CONFIG_REGION = 7;

/** MAC, MTU, MRG_RXBUF, STATUS, CTRL_VQ, CTRL_RX, CTRL_MAC_ADDR, INDIRECT_DESC, EVENT_IDX; VERSION_1 and those of the bus. */
const BITS = [5, 3, 15, 16, 17, 18, 23, 28, 29, 32, 33, 36, 40];
const MQ = 22;
const SR_IOV = 37;
const ADMIN_VQ = 41;
const VF_MAC = Uint8Array.of(0x02, 0x76, 0x66, 0, 0, 1);

export interface LockstepOptions {
  readonly mode: 'timed' | 'functional';
  readonly isPf: boolean;
  /** The card's own ports, or the regions of VfioPci. */
  readonly path: 'nic' | 'vfio';
  readonly pairs?: number;
}

export class Lockstep {
  readonly nic: Nic;
  readonly model: ReferenceFunction;
  private readonly fn: number;
  private readonly device: VfioPci | null;
  private readonly faults: string[] = [];
  private readonly isTimed: boolean;

  constructor({ mode, isPf, path, pairs = 1 }: LockstepOptions) {
    this.nic = createNic({ mode, totalVfs: 1, pfQueuePairs: pairs, vfQueuePairs: pairs, windowBytes: 1 << 12 });
    const bus = enumerate(this.nic);
    this.isTimed = mode === 'timed';
    this.fn = isPf ? 0 : 1;
    this.nic.configWrite(0, SRIOV_NUM_VF, 2, 1);
    this.nic.configWrite(0, CONFIG['sriov-control'], 2, 9);
    this.device = path === 'vfio' ? new VfioPci(this.nic, this.fn, bus, 'hardware') : null;
    const bits = [...BITS, ...(pairs > 1 ? [MQ] : []), ...(isPf ? [SR_IOV, ADMIN_VQ] : [])];
    const queues = 2 * pairs + 1;
    this.model = new ReferenceFunction({
      isPf,
      queues,
      maxQueueSize: () => 256,
      offeredFeatures: bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n),
      vectors: isPf ? queues + 2 : queues + 1,
      adminQueueIndex: isPf ? queues : null,
      mac: isPf ? Uint8Array.of(0x02, 0x76, 0x66, 0, 0, 0) : VF_MAC,
      mtu: 1500,
      pairs,
    });
    if (isPf) this.model.configWrite('command', 2);
    this.nic.onMessage((message) => {
      if (message.fn !== this.fn) return;
      const fault = this.model.message(message.vector);
      if (fault !== null) this.faults.push(fault);
    });
  }

  /** Reads, and returns the fault that the model finds, or null. */
  read(block: Block, offset: number, size: 1 | 2 | 4): string | null {
    const place = PLACES[block];
    const at = place.offset + offset;
    const actual = this.device?.read(place.bar, at, size) ?? this.nic.read(this.fn, place.bar, at, size);
    return this.model.check(block, offset, size, actual) ?? this.messageFault();
  }

  write(block: Block, offset: number, size: 1 | 2 | 4, value: number): void {
    const place = PLACES[block];
    const at = place.offset + offset;
    this.model.write(block, offset, size, value);
    if (this.device !== null) this.device.write(place.bar, at, size, value);
    else this.nic.write(this.fn, place.bar, at, size, value);
    this.settleAtOnce();
  }

  configWrite(register: ConfigRegister, value: number): void {
    const fn = register === 'sriov-control' ? 0 : this.fn;
    this.model.configWrite(register, value);
    if (this.device !== null && fn === this.fn) this.device.write(CONFIG_REGION, CONFIG[register], 2, value);
    else this.nic.configWrite(fn, CONFIG[register], 2, value);
    this.settleAtOnce();
  }

  /** A doorbell. The rings are nowhere, so a queue that is enabled stops the device; the model knows that it may. */
  kick(queue: number): void {
    this.nic.write(this.fn, 2, NOTIFY + 4 * queue, 2, queue);
    this.settleAtOnce();
  }

  setLink(isUp: boolean): void {
    this.nic.runToIdle(); // posted writes of before come first
    this.model.setLink(isUp);
    this.nic.setLink(isUp);
    this.settleAtOnce();
  }

  /** Lets everything arrive; returns what is missing or was too much. */
  settle(): string | null {
    this.nic.runToIdle();
    this.model.settle();
    return this.messageFault() ?? this.model.msix.lost()[0] ?? null;
  }

  private settleAtOnce(): void {
    if (!this.isTimed) this.model.settle();
  }

  private messageFault(): string | null {
    return this.faults[0] ?? null;
  }
}
