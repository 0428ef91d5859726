// SPDX-License-Identifier: Apache-2.0
// Sends the frames of a capture through a card: VF 1's driver transmits them in file order, VF 2's driver or the wire port
// receives them. Drivers take no simulated time, so the card runs as fast as it can; the gaps of the capture are not kept.
//
// A capture addresses whatever it likes and the switch does not learn, so the receiver listens promiscuously; on its way to
// the wire a frame needs nothing. The card's own addresses are moved off those of the capture, because a frame to the
// sender's own address goes nowhere. No more frames are under way than half a ring takes, so no buffer ever runs out.
import type { TimingChoice } from '../device/config.ts';
import type { NicMode } from '../device/profile.ts';
import { DEFAULT_PROFILE } from '../device/profiles.ts';
import { NicError } from '../util/errors.ts';
import { ANYTHING, checkOptions, HANDLER, needed, oneOfNames, type OptionChecks } from '../util/options.ts';
import type { PcapFrame } from '../wire/frame_reader.ts';
import { FrameCheck } from './frame_check.ts';
import { Machine } from './machine.ts';
import { refusal, Survey, type FrameSource, type TooLong, type Traffic } from './survey.ts';

export type { FrameSource, Traffic } from './survey.ts';

/** Which driver sends, and receives on a VF. */
export type DriverKind = 'legacy' | 'modern';

/** Where the frames go. */
export type ReplayTarget = 'vf' | 'wire';

/** How frames are sent through a card. */
export interface ReplayOptions extends TimingChoice {
  readonly via: DriverKind;
  /** VF 2's driver, the default, or the wire port. */
  readonly to?: ReplayTarget;
  /** Default timed. */
  readonly mode?: NicMode;
  /** 68..9000, 68..1500 for the legacy driver. Default 1500. */
  readonly mtu?: number;
  /** VFs of the card; those that carry no frames stay without a driver. Default as many as carry some. */
  readonly totalVfs?: number;
  /** Bytes of the card's trace ring. Default 0. */
  readonly traceBytes?: number;
  /** Called when all drivers run, before the first frame. */
  readonly onStart?: (machine: Machine) => void;
}

/** What the card is made of is looked at by the card. */
const OPTIONS: OptionChecks<ReplayOptions> = {
  via: needed(oneOfNames('legacy', 'modern')),
  to: oneOfNames('vf', 'wire'),
  mode: ANYTHING,
  mtu: ANYTHING,
  totalVfs: ANYTHING,
  traceBytes: ANYTHING,
  onStart: HANDLER,
  profileName: ANYTHING,
  profile: ANYTHING,
  packed: ANYTHING,
};

/** What came of a replay; times are simulated. */
export interface ReplayReport {
  readonly via: DriverKind;
  readonly to: ReplayTarget;
  readonly mode: NicMode;
  readonly mtu: number;
  readonly input: Traffic;
  readonly sent: Traffic;
  readonly received: Traffic;
  /** Frames that were not received, by cause; causes that did not occur are left out. */
  readonly drops: Readonly<Record<string, number>>;
  /** Received frames that differ from every frame under way. */
  readonly altered: number;
  /** Received frames that a later one between the same two addresses came before. */
  readonly reordered: number;
  /** The first frame that was too long for the MTU, and the MTU with which all could be sent. */
  readonly tooLong: (TooLong & { readonly mtuForAll: number }) | null;
  /** Frames of which the capture holds only a part; they are sent as they were captured. */
  readonly cutFrames: number;
  /** Packets of the capture that are no Ethernet frames; they are left out and not counted as input. */
  readonly notEthernet: readonly { readonly linkType: number; readonly frames: number }[];
  /** Why the capture could not be read any further; what stood before was replayed. */
  readonly damage: string | null;
  /** The capture was read to its end, and every frame was received as it was sent, in order. */
  readonly isComplete: boolean;
  /** From the creation of the card until all drivers run. */
  readonly bringUpNs: number;
  /** From the first frame sent to the last one received; 0 in functional mode. */
  readonly simulatedNs: number;
  /** Null in functional mode, where no time passes. */
  readonly framesPerSecond: number | null;
  /** While frames flowed. */
  readonly interrupts: { readonly sender: number; readonly receiver: number };
  readonly adminCommands: { readonly bringUp: number; readonly replay: number };
}

/** The legacy interface has no field for an MTU. */
export const LEGACY_MAX_MTU = 1500;

interface Sender {
  send(frame: Uint8Array): boolean;
}

const SENDER = 1;
const RECEIVER = 2;
const DEFAULT_MTU = 1500;
const RING_SIZE = 256;
const FRAMES_UNDER_WAY = RING_SIZE / 4; // a legacy frame may take two descriptors

/** One replay; frames() runs it, report() tells what came of it. */
export class Replay {
  private readonly source: FrameSource;
  private readonly options: Required<Pick<ReplayOptions, 'via' | 'to' | 'mode' | 'mtu'>> & ReplayOptions;
  private readonly survey: Survey;
  private readonly check = new FrameCheck();
  private readonly arrived: { bytes: Uint8Array; timeCycles: number }[] = [];
  private machine: Machine | null = null;
  private first: PcapFrame | null = null;
  private sentFrames = 0;
  private sentBytes = 0;
  private received = 0;
  private receivedBytes = 0;
  private firstCycles = 0;
  private lastCycles = 0;
  private interruptsBefore = { sender: 0, receiver: 0 };
  private commandsBefore = 0;

  /**
   * Reads the whole source once. Throws UsageError where nothing of it can be sent, NicError CONFIG for an MTU that the
   * driver lacks.
   */
  constructor(source: FrameSource, options: ReplayOptions) {
    checkOptions('replay', options, OPTIONS);
    const { via, to = 'vf', mode = 'timed', mtu = DEFAULT_MTU } = options;
    if (via === 'legacy' && mtu > LEGACY_MAX_MTU) {
      throw new NicError(
        'CONFIG',
        `mtu ${mtu}: a legacy driver knows no mtu above ${LEGACY_MAX_MTU}; use the modern one`,
      );
    }
    this.source = source;
    this.options = { ...options, via, to, mode, mtu };
    this.survey = new Survey(source, mtu);
  }

  /** Frames of the source; received frames never are more. */
  get inputFrames(): number {
    return this.survey.frames;
  }

  /**
   * Sends everything and hands out the frames as they are received, with the first frame's stamp plus the simulated time
   * since it was sent. Runs once.
   */
  *frames(): Generator<PcapFrame, void, void> {
    if (this.machine !== null) throw new NicError('REPLAY', 'this replay has run already; make another one');
    const machine = this.bringUp();
    const sender = this.start(machine);
    this.options.onStart?.(machine);
    this.remember(machine);
    for (const frame of this.input()) {
      this.first ??= frame;
      const { length } = frame.bytes;
      if (refusal(frame.bytes, this.options.mtu) !== null) continue;
      while (this.check.underWay === FRAMES_UNDER_WAY || !sender.send(frame.bytes)) {
        this.wait(machine);
        yield* this.take(machine);
      }
      this.check.sent(frame.bytes);
      this.sentFrames++;
      this.sentBytes += length;
      yield* this.take(machine);
    }
    while (this.check.underWay > 0) {
      this.wait(machine);
      yield* this.take(machine);
    }
  }

  /** What came of it. Throws NicError REPLAY before frames() was taken to its end. */
  report(): ReplayReport {
    const { machine, check } = this;
    if (machine === null) throw new NicError('REPLAY', 'nothing has been replayed yet; take all frames() first');
    const { via, to, mode, mtu } = this.options;
    const simulatedNs = machine.nic.toPs(this.lastCycles - this.firstCycles) / 1000;
    const interrupts = interruptsOf(machine);
    const { sender, receiver } = this.interruptsBefore;
    const { frames, bytes, tooLong, mtuForAll, cutFrames, notEthernet, damage } = this.survey;
    const isAsSent = check.altered === 0 && check.reordered === 0 && check.lost === 0;
    return {
      via,
      to,
      mode,
      mtu,
      input: { frames, bytes },
      sent: { frames: this.sentFrames, bytes: this.sentBytes },
      received: { frames: this.received, bytes: this.receivedBytes },
      drops: this.drops(machine),
      altered: check.altered,
      reordered: check.reordered,
      tooLong: tooLong === null ? null : { ...tooLong, mtuForAll },
      cutFrames,
      notEthernet: Array.from(notEthernet, ([linkType, count]) => ({ linkType, frames: count })),
      damage: damage?.message ?? null,
      isComplete: damage === null && isAsSent && this.received === frames,
      bringUpNs: machine.nic.toPs(this.firstCycles) / 1000,
      simulatedNs,
      framesPerSecond: simulatedNs > 0 ? (this.received / simulatedNs) * 1e9 : null,
      interrupts: { sender: interrupts.sender - sender, receiver: interrupts.receiver - receiver },
      adminCommands: { bringUp: this.commandsBefore, replay: machine.pf.admin.commands - this.commandsBefore },
    };
  }

  /** The frames that were there on the first look: a file may have grown since, and behind them it may be damaged. */
  private *input(): Generator<PcapFrame, void, void> {
    let left = this.survey.frames;
    if (left === 0) return;
    for (const frame of this.source.frames()) {
      yield frame;
      if (--left === 0) return;
    }
  }

  private bringUp(): Machine {
    const { mode, mtu, to, profileName = DEFAULT_PROFILE, profile = {}, traceBytes = 0 } = this.options;
    const drivenVfs = to === 'vf' ? RECEIVER : SENDER;
    const machine = new Machine({
      mode,
      mtu,
      totalVfs: this.options.totalVfs ?? drivenVfs,
      profileName,
      profile,
      traceBytes,
      mac: this.survey.freeAddress,
      queueSize: RING_SIZE,
      wire: to === 'vf' ? 'discard' : 'host',
    });
    this.machine = machine;
    return machine;
  }

  private start(machine: Machine): Sender {
    const isLegacy = this.options.via === 'legacy';
    const sender = isLegacy ? machine.startLegacy(SENDER) : machine.startModern(SENDER);
    if (this.options.to === 'wire') {
      machine.nic.onFrame((frame, fn, timeCycles) => {
        if (fn === SENDER) this.arrived.push({ bytes: frame.slice(), timeCycles });
      });
    } else {
      const onReceive = (bytes: Uint8Array, offset: number, length: number): void => {
        this.arrived.push({ bytes: bytes.slice(offset, offset + length), timeCycles: machine.nic.now() });
      };
      const receiver = isLegacy
        ? machine.startLegacy(RECEIVER, { onReceive })
        : machine.startModern(RECEIVER, { onReceive });
      if (!receiver.setReceiveMode(true, true)) throw new NicError('REPLAY', 'VF 2 does not become promiscuous');
    }
    machine.settle();
    return sender;
  }

  private remember(machine: Machine): void {
    this.firstCycles = machine.nic.now();
    this.lastCycles = this.firstCycles;
    this.commandsBefore = machine.pf.admin.commands;
    this.interruptsBefore = interruptsOf(machine);
  }

  /** Lets the card work; what is still under way when nothing is left to do is lost. */
  private wait(machine: Machine): void {
    if (machine.clock.waitForEvent() || this.arrived.length > 0) return;
    if (this.check.underWay === 0) throw new NicError('REPLAY', `the card takes no frame after ${this.sentFrames}`);
    this.check.giveUp();
  }

  private *take(machine: Machine): Generator<PcapFrame, void, void> {
    for (const { bytes, timeCycles } of this.arrived) {
      this.check.received(bytes);
      this.received++;
      this.receivedBytes += bytes.length;
      this.lastCycles = timeCycles;
      const elapsedNs = Math.floor(machine.nic.toPs(timeCycles - this.firstCycles) / 1000);
      const nanoseconds = this.first!.nanoseconds + elapsedNs;
      const seconds = this.first!.seconds + Math.floor(nanoseconds / 1e9);
      yield { seconds, nanoseconds: nanoseconds % 1e9, bytes };
    }
    this.arrived.length = 0;
  }

  /** Counted by the two functions while frames flowed; what no counter explains is `unknown`. */
  private drops(machine: Machine): Readonly<Record<string, number>> {
    const drops: Record<string, number> = {};
    const add = (cause: string, frames: number): void => {
      if (frames > 0) drops[cause] = (drops[cause] ?? 0) + frames;
    };
    for (const [cause, frames] of Object.entries(this.survey.refused)) add(cause, frames);
    let unknown = this.check.lost;
    const collect = (fn: number, prefix: string): void => {
      for (const [name, value] of Object.entries(machine.nic.functionCounters(fn))) {
        if (!name.startsWith(prefix)) continue;
        add(name, value);
        unknown -= value;
      }
    };
    collect(SENDER, 'tx_drop_');
    if (this.options.to === 'vf') collect(RECEIVER, 'rx_drop_');
    add('unknown', unknown);
    return drops;
  }
}

/** MSI-X messages since the creation of the card; none at a receiver that is no function. */
function interruptsOf({ nic }: Machine): { sender: number; receiver: number } {
  const of = (fn: number): number => (fn > nic.config.totalVfs ? 0 : nic.functionCounters(fn)['interrupts']!);
  return { sender: of(SENDER), receiver: of(RECEIVER) };
}
