// SPDX-License-Identifier: Apache-2.0
// Two ways to tell a VF that its transmit ring holds a frame: by administration command, a write of queue_notify through
// the PF, and by the doorbell in the VF's own BAR, where the variant driver leads a write of BAR0 offset 16 and where a
// modern driver writes. The frame is in the ring before, so the time until it is out shows what the path costs.
import {
  ADMIN_LEGACY_WR_OFFSET,
  ADMIN_LEGACY_WR_REGISTERS,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
} from '../../assembly/abi/virtio_admin.ts';
import { LEGACY_QUEUE_NOTIFY } from '../../assembly/abi/virtio_pci_legacy.ts';
import type { TimingChoice } from '../device/config.ts';
import type { TxQueue } from '../guest/net_queues.ts';
import { VirtioNetLegacy } from '../guest/virtio_net_legacy.ts';
import { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import type { VirtioVfioPci } from '../variant/virtio_vfio_pci.ts';
import { frameToWire } from './data_traffic.ts';
import { Meter } from './meter.ts';
import { phasesToEffect } from './phases.ts';
import type { Random } from '../util/random.ts';
import { spreadOf, summarize, type Sample, type Spread, type Summary } from './summary.ts';

/** `admin`: LEGACY_COMMON_CFG_WRITE to offset 16; `member_bar`: the VF's own doorbell. */
export type NotifyPath = 'admin' | 'member_bar';

/** Notifications by one path: until the frame is out, with the two moments in between that matter, in cycles. */
export interface NotifyRow extends Summary {
  readonly path: NotifyPath;
  /** Until the doorbell has its effect in the card. */
  readonly effect: Spread;
  /** As long as the driver waits; a posted write lets it go on at once. */
  readonly driverWaits: Spread;
}

const BAR0 = 0;
const TX_QUEUE = 1;
const PROBE_FRAME_BYTES = 64;
/** After this time at rest the card has told the driver where it wants the next doorbell. */
const REST_CYCLES = 2048;

/** A VF whose guest runs the legacy driver, with the means to notify it by hand. */
export class NotifiedGuest {
  readonly device: VirtioVfioPci;
  /** Cycle at which the frame of the last offer() was out; 0 before. */
  frameAt = 0;
  private readonly machine: Machine;
  private readonly vf: number;
  private readonly queue: TxQueue;
  private readonly frame: Uint8Array;
  private readonly notifyData = new Uint8Array(ADMIN_LEGACY_WR_REGISTERS + 2);

  constructor(machine: Machine, vf: number) {
    this.machine = machine;
    this.vf = vf;
    this.device = machine.openTransitionalVf(vf);
    const driver = new VirtioNetLegacy(this.device, machine.memoryFor(this.device), machine.clock);
    driver.start();
    this.queue = driver.tx!;
    this.frame = frameToWire(driver.mac, PROBE_FRAME_BYTES);
    this.notifyData[ADMIN_LEGACY_WR_OFFSET] = LEGACY_QUEUE_NOTIFY;
    this.notifyData[ADMIN_LEGACY_WR_REGISTERS] = TX_QUEUE;
  }

  /** To be called for each frame that is out, with the function that sent it. */
  onFrame(fn: number, timeCycles: number): void {
    if (fn === this.vf) this.frameAt = timeCycles;
  }

  /** The card has found the queue empty and asked for a doorbell. */
  get isAtRest(): boolean {
    return this.queue.ring.wantsNotification();
  }

  /** Puts a frame into the ring of a queue at rest, without a notification. */
  offer(): void {
    this.frameAt = 0;
    this.queue.reclaim();
    this.queue.enqueue(this.frame);
    if (!this.queue.ring.publish()) throw new NicError('BENCH', 'the card wants no doorbell: the queue is not at rest');
  }

  notify(path: NotifyPath): void {
    if (path === 'member_bar') this.device.write(BAR0, LEGACY_QUEUE_NOTIFY, 2, TX_QUEUE);
    else this.notifyByAdmin();
  }

  private notifyByAdmin(): void {
    const opcode = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE;
    const { admin } = this.machine.pf;
    const { status } = admin.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, this.vf, this.notifyData, 0);
    if (status !== 0) throw new NicError('BENCH', `notification by admin command was refused, status ${status}`);
  }
}

interface NotifySample extends Sample {
  readonly effect: number;
  readonly driverWaits: number;
}

/** Both paths on an otherwise idle card, in a random order. */
export function measureNotify(card: TimingChoice, samples: number, random: Random): NotifyRow[] {
  const machine = new Machine({ traceAdmin: true, totalVfs: 1, ...card });
  const guest = new NotifiedGuest(machine, 1);
  machine.nic.onFrame((_frame, fn, timeCycles) => guest.onFrame(fn, timeCycles));
  const meter = new Meter(machine, random);
  const taken: Record<NotifyPath, NotifySample[]> = { admin: [], member_bar: [] };
  const turns = Array.from({ length: 2 * samples }, (_, turn): NotifyPath => (turn % 2 === 0 ? 'admin' : 'member_bar'));
  for (const path of random.shuffle(turns)) taken[path].push(takeSample(meter, guest, path));

  return (['admin', 'member_bar'] as const).map((path) => ({
    path,
    ...summarize(taken[path], machine.nic.profile.clockPs),
    effect: spread(taken[path].map(({ effect }) => effect)),
    driverWaits: spread(taken[path].map(({ driverWaits }) => driverWaits)),
  }));
}

function takeSample(meter: Meter, guest: NotifiedGuest, path: NotifyPath): NotifySample {
  const { machine } = meter;
  let effect = 0;
  let driverWaits = 0;
  machine.settle();
  machine.clock.advance(REST_CYCLES);
  const sample = meter.take((begin) => {
    guest.offer();
    const command = path === 'admin' ? meter.run(() => guest.notify(path), begin) : null;
    if (command === null) guest.notify(path);
    else driverWaits = command.end - begin;
    const effectAt = command?.record.writtenBack ?? machine.nic.nextEventTime();
    machine.settle();
    const end = guest.frameAt;
    effect = effectAt - begin;
    const toEffect = command === null ? { doorbell: effect } : phasesToEffect(command);
    const phases = { ...toEffect, transmit: end - effectAt };
    const { accountant } = meter;
    const accounts = command === null ? accountant.doorbell(phases) : accountant.command(command.record, phases);
    return { end, phases, accounts };
  });
  return { ...sample, effect, driverWaits };
}

function spread(values: readonly number[]): Spread {
  return spreadOf(values.toSorted((one, other) => one - other));
}
