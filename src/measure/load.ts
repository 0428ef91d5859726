// SPDX-License-Identifier: Apache-2.0
// What a guest notices when the card is busy: one legacy register read, one direct read, and a notification by either path,
// again and again at random times, while other VFs send frames or other guests keep the admin queue busy.
import { COMMON_BAR_OFFSET, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { COMMON_DEVICE_FEATURE } from '../../assembly/abi/virtio_pci_common.ts';
import { LEGACY_DEVICE_FEATURES } from '../../assembly/abi/virtio_pci_legacy.ts';
import type { TimingChoice } from '../device/config.ts';
import { DRIVER_MEMORY_BYTES, Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { ClosedLoop } from './closed_loop.ts';
import { DataTraffic, NO_TRAFFIC, type TrafficRate, type TrafficShape } from './data_traffic.ts';
import { NotifiedGuest } from './notify.ts';
import type { Random } from '../util/random.ts';
import { spreadNs, spreadOf, type Spread } from './summary.ts';

/** What keeps the card busy. */
export interface LoadShape {
  readonly name: string;
  readonly traffic: TrafficShape;
  /** Administration commands of other guests in flight. */
  readonly commandsInFlight: number;
}

/** Latency of one kind of access under a load. */
export interface LoadedAccess {
  readonly count: number;
  readonly cycles: Spread;
  readonly ns: Spread;
}

/** Notifications are measured until the notified frame is out. */
export type ProbeKind = 'legacyRead' | 'directRead' | 'notifyAdmin' | 'notifyMemberBar';

export interface LoadRow extends LoadShape {
  readonly probes: Readonly<Record<ProbeKind, LoadedAccess>>;
  /** What the senders reached meanwhile, and the other guests' commands; null where there are none. */
  readonly dataRate: TrafficRate | null;
  readonly commandsPerSecond: number | null;
}

const GUEST_VF = 1;
const DIRECT_VF = 2;
const FIRST_SENDER = 3;
const SENDERS = 8;
/** The other guests whose registers are read. */
const FIRST_OTHER = FIRST_SENDER + SENDERS;
const OTHERS = 4;
const VFS = FIRST_OTHER + OTHERS - 1;
const PROBES: readonly ProbeKind[] = ['legacyRead', 'directRead', 'notifyAdmin', 'notifyMemberBar'];
/** Gaps between probes, in cycles: long enough for the notified queue to come to rest. */
const LEAST_GAP = 2048;
const RANDOM_GAP = 2048;
const WARM_UP_CYCLES = 20_000;

/** The loads of a report. */
export const LOADS: readonly LoadShape[] = [
  { name: 'idle card', traffic: NO_TRAFFIC, commandsInFlight: 0 },
  { name: '1 VF sends 64-byte frames', traffic: { senders: 1, frameBytes: 64 }, commandsInFlight: 0 },
  { name: '8 VFs send 64-byte frames', traffic: { senders: 8, frameBytes: 64 }, commandsInFlight: 0 },
  { name: '1 VF sends 1514-byte frames', traffic: { senders: 1, frameBytes: 1514 }, commandsInFlight: 0 },
  { name: '8 VFs send 1514-byte frames', traffic: { senders: 8, frameBytes: 1514 }, commandsInFlight: 0 },
  { name: '4 commands of other guests', traffic: NO_TRAFFIC, commandsInFlight: 4 },
  { name: '16 commands of other guests', traffic: NO_TRAFFIC, commandsInFlight: 16 },
  { name: '48 commands of other guests', traffic: NO_TRAFFIC, commandsInFlight: 48 },
  { name: '16 commands, 8 VFs send 64-byte frames', traffic: { senders: 8, frameBytes: 64 }, commandsInFlight: 16 },
];

/** Probes under one load, `samples` of each kind in a random order. */
export function measureLoad(card: TimingChoice, load: LoadShape, samples: number, random: Random): LoadRow {
  const windowBytes = (SENDERS + 3) * DRIVER_MEMORY_BYTES;
  const machine = new Machine({ totalVfs: VFS, windowBytes, ...card });
  const bench = new LoadBench(machine, load, random);
  const taken: Record<ProbeKind, number[]> = { legacyRead: [], directRead: [], notifyAdmin: [], notifyMemberBar: [] };
  const turns = PROBES.flatMap((probe) => Array.from({ length: samples }, () => probe));
  for (const probe of random.shuffle(turns)) taken[probe].push(bench.probe(probe));
  bench.stop();

  const { clockPs } = machine.nic.profile;
  const summary = (probe: ProbeKind): LoadedAccess => {
    const cycles = spreadOf(taken[probe].toSorted((one, other) => one - other));
    return { count: taken[probe].length, cycles, ns: spreadNs(cycles, clockPs) };
  };
  return {
    ...load,
    probes: {
      legacyRead: summary('legacyRead'),
      directRead: summary('directRead'),
      notifyAdmin: summary('notifyAdmin'),
      notifyMemberBar: summary('notifyMemberBar'),
    },
    dataRate: load.traffic.senders === 0 ? null : bench.dataRate(),
    commandsPerSecond: load.commandsInFlight === 0 ? null : bench.commandsPerSecond(),
  };
}

/** A loaded machine and the four probes. */
class LoadBench {
  private readonly machine: Machine;
  private readonly random: Random;
  private readonly guest: NotifiedGuest;
  private readonly direct;
  private readonly traffic: DataTraffic;
  private readonly loop: ClosedLoop;
  private answers = 0;
  private readonly started: { readonly time: number; readonly frames: number };
  private stopped = { time: 0, frames: 0, answers: 0 };

  constructor(machine: Machine, load: LoadShape, random: Random) {
    this.machine = machine;
    this.random = random;
    this.guest = new NotifiedGuest(machine, GUEST_VF);
    this.direct = machine.openVf(DIRECT_VF);
    this.traffic = new DataTraffic(machine, FIRST_SENDER, load.traffic, random);
    machine.settle();
    this.loop = new ClosedLoop(machine, () => FIRST_OTHER + random.below(OTHERS));
    this.loop.onAnswer = () => {
      this.answers++;
    };
    machine.nic.onFrame((_frame, fn, timeCycles) => {
      this.guest.onFrame(fn, timeCycles);
      this.traffic.onFrame(fn);
    });
    this.traffic.start();
    this.loop.start(load.commandsInFlight);
    this.pass(WARM_UP_CYCLES);
    this.started = { time: machine.nic.now(), frames: this.traffic.framesOut };
    this.answers = 0;
  }

  /** Cycles of one probe. */
  probe(kind: ProbeKind): number {
    const { machine, guest } = this;
    this.pass(LEAST_GAP + this.random.below(RANDOM_GAP));
    while (!guest.isAtRest) this.pass(LEAST_GAP); // a host with long tails
    const begin = machine.nic.now();
    switch (kind) {
      case 'legacyRead':
        guest.device.read(0, LEGACY_DEVICE_FEATURES, 4);
        break;
      case 'directRead':
        this.direct.read(VIRTIO_BAR, COMMON_BAR_OFFSET + COMMON_DEVICE_FEATURE, 4);
        break;
      default:
        guest.offer();
        guest.notify(kind === 'notifyAdmin' ? 'admin' : 'member_bar');
        this.untilFrame();
        return guest.frameAt - begin;
    }
    return machine.nic.now() - begin;
  }

  stop(): void {
    this.stopped = { time: this.machine.nic.now(), frames: this.traffic.framesOut, answers: this.answers };
    this.traffic.stop();
    this.loop.stop();
  }

  dataRate(): TrafficRate {
    return this.traffic.rate(this.stopped.frames - this.started.frames, this.stopped.time - this.started.time);
  }

  commandsPerSecond(): number {
    const elapsedPs = this.machine.nic.toPs(this.stopped.time - this.started.time);
    return Math.round((this.stopped.answers * 1e12) / elapsedPs);
  }

  private untilFrame(): void {
    while (this.guest.frameAt === 0) {
      if (!this.machine.clock.waitForEvent() && this.guest.frameAt === 0) {
        throw new NicError('BENCH', 'the notified frame is never sent');
      }
    }
  }
  /** Lets time pass and hands every output on when it comes. */
  private pass(cycles: number): void {
    const { nic } = this.machine;
    const until = nic.now() + cycles;
    while (nic.now() < until) nic.advance(until, true);
  }
}
