// SPDX-License-Identifier: Apache-2.0
// A fixed number of administration commands in flight: whoever is answered asks again at once. That is how so many guests
// read a legacy register at the same time. The command is LEGACY_COMMON_CFG_READ. Who finds no room in the ring waits for it.
import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { LEGACY_DEVICE_FEATURES } from '../../assembly/abi/virtio_pci_legacy.ts';
import type { AdminRecord } from '../device/admin_record.ts';
import type { LinkTraffic } from '../device/nic.ts';
import type { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { Accountant, AccountTotals, type Accounts } from './accounts.ts';
import type { DataTraffic, TrafficRate } from './data_traffic.ts';
import { addPhases, queuedPhases, type PhaseKey, type Phases } from './phases.ts';
import type { Random } from '../util/random.ts';
import { spreadNs, spreadOf, trafficPer, trafficSince, type Spread } from './summary.ts';

/** Most commands in flight: slots of the PF's admin client. */
export const MOST_IN_FLIGHT = 64;

/** What a closed loop reached. */
export interface LoopResult {
  readonly inFlight: number;
  readonly count: number;
  readonly cycles: Spread;
  readonly ns: Spread;
  readonly commandsPerSecond: number;
  /** All commands together; phaseTotals add up to totalCycles, and accountTotals to phaseTotals. */
  readonly totalCycles: number;
  readonly phaseTotals: Phases;
  readonly accountTotals: Accounts;
  /** Mean of one command; null with data traffic, whose TLPs cannot be told apart. */
  readonly perCommand: LinkTraffic | null;
  /** Null without data traffic. */
  readonly traffic: TrafficRate | null;
}

/** The register that is read. */
export interface LoopRead {
  readonly offset: number;
  readonly bytes: number;
}

const DEVICE_FEATURES: LoopRead = { offset: LEGACY_DEVICE_FEATURES, bytes: 4 };

/** Keeps commands in flight on a machine, as long as it is running. */
export class ClosedLoop {
  /** Called with begin, end and record of each command; the record is null where the machine does not trace. */
  onAnswer: ((begin: number, end: number, record: AdminRecord | null) => void) | null = null;
  private readonly machine: Machine;
  private readonly nextMember: () => number;
  private readonly data: Uint8Array;
  private readonly resultBytes: number;
  /** Commands that wait for room in the ring, oldest first. */
  private readonly waiting: { readonly begin: number; readonly member: number }[] = [];
  private readonly begins = new Float64Array(MOST_IN_FLIGHT);
  private readonly records: AdminRecord[] = [];
  private isRunning = false;

  /** `nextMember` names the VF of each command. */
  constructor(machine: Machine, nextMember: () => number, read: LoopRead = DEVICE_FEATURES) {
    this.machine = machine;
    this.nextMember = nextMember;
    this.data = Uint8Array.of(read.offset);
    this.resultBytes = read.bytes;
  }

  /** Puts `inFlight` commands in flight and keeps it so. */
  start(inFlight: number): void {
    const { admin } = this.machine.pf;
    this.isRunning = true;
    if (this.machine.nic.config.traceAdmin) this.machine.nic.onAdminCommand((record) => this.records.push(record));
    admin.onComplete = (slot) => this.answer(slot);
    for (let i = 0; i < inFlight; i++) this.ask();
  }

  /** Sends no more and waits for the last answer. */
  stop(): void {
    const { admin } = this.machine.pf;
    this.isRunning = false;
    this.waiting.length = 0;
    this.machine.settle();
    admin.onComplete = null;
    this.machine.nic.onAdminCommand(null);
  }

  private answer(slot: number): void {
    const { admin } = this.machine.pf;
    if (admin.status(slot) !== VIRTIO_ADMIN_STATUS_OK) {
      throw new NicError('BENCH', `LEGACY_COMMON_CFG_READ was refused, status ${admin.status(slot)}`);
    }
    const begin = this.begins[slot]!;
    admin.poll();
    admin.release(slot);
    // commands of the queue are answered in the order in which they were executed
    const record = this.records.shift() ?? null;
    if (this.onAnswer !== null) this.onAnswer(begin, this.machine.nic.now(), record);
    if (this.isRunning) this.ask();
  }

  /** One more command, behind those that wait already. */
  private ask(): void {
    this.waiting.push({ begin: this.machine.nic.now(), member: this.nextMember() });
    while (this.waiting.length > 0 && this.send(this.waiting[0]!)) this.waiting.shift();
  }

  /** False if there is no room in the ring. */
  private send({ begin, member }: { readonly begin: number; readonly member: number }): boolean {
    const opcode = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ;
    const { admin } = this.machine.pf;
    const slot = admin.submit(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, member, this.data, this.resultBytes);
    if (slot >= 0) this.begins[slot] = begin;
    return slot >= 0;
  }
}

/** What measureLoop() measures. */
export interface LoopPlan {
  readonly inFlight: number;
  readonly commands: number;
  readonly nextMember: () => number;
  readonly traffic: DataTraffic | null;
  /** Default device_features. */
  readonly read?: LoopRead;
}

/** Runs a closed loop until it is steady, then measures `commands` commands. The machine has traceAdmin set. */
export function measureLoop(machine: Machine, plan: LoopPlan): LoopResult {
  const { inFlight, commands, traffic } = plan;
  const { nic } = machine;
  const loop = new ClosedLoop(machine, plan.nextMember, plan.read);
  const latencies: number[] = [];
  const phaseTotals: Partial<Record<PhaseKey, number>> = {};
  const accountant = new Accountant(nic.profile, nic.config.packed);
  const accountTotals = new AccountTotals();
  let warmUp = 4 * inFlight + 16;
  let start = { time: 0, link: nic.linkTraffic(), frames: 0 };
  let end = start;
  const mark = () => ({ time: nic.now(), link: nic.linkTraffic(), frames: traffic?.framesOut ?? 0 });
  loop.onAnswer = (begin, time, record) => {
    if (warmUp > 0) {
      if (--warmUp === 0) start = mark();
    } else if (latencies.length < commands) {
      latencies.push(time - begin);
      const phases = queuedPhases(record!, begin, time);
      addPhases(phaseTotals, phases);
      accountTotals.add(accountant.command(record!, phases));
      if (latencies.length === commands) end = mark();
    }
  };

  if (traffic !== null) nic.onFrame((_frame, fn) => traffic.onFrame(fn));
  traffic?.start();
  loop.start(inFlight);
  while (latencies.length < commands) {
    if (!machine.clock.waitForEvent() && latencies.length < commands) {
      throw new NicError('BENCH', 'the card went idle with commands in flight');
    }
  }
  traffic?.stop();
  loop.stop();

  const { clockPs } = nic.profile;
  const elapsed = end.time - start.time;
  const cycles = spreadOf(latencies.toSorted((one, other) => one - other));
  return {
    inFlight,
    count: commands,
    cycles,
    ns: spreadNs(cycles, clockPs),
    commandsPerSecond: Math.round((commands * 1e12) / (elapsed * clockPs)),
    totalCycles: latencies.reduce((sum, latency) => sum + latency, 0),
    phaseTotals,
    accountTotals: accountTotals.accounts,
    perCommand: traffic === null ? trafficPer(trafficSince(start.link, end.link), commands) : null,
    traffic: traffic?.rate(end.frames - start.frames, elapsed) ?? null,
  };
}

/** Members in a random order that comes back to each as often as to the others. */
export function membersInTurn(members: number, random: Random): () => number {
  const order = Array.from({ length: members }, (_, index) => index + 1);
  let at = members;
  return () => {
    if (at === members) {
      random.shuffle(order);
      at = 0;
    }
    return order[at++]!;
  };
}
