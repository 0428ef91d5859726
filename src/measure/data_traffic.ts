// SPDX-License-Identifier: Apache-2.0
// Data traffic as background of a measurement: VFs with modern drivers that send frames of one length to the wire. Whenever
// a frame is out its sender draws a number from 1 to FRAMES_ON_THE_WAY, and sends until it has so many frames on their way.
// So the traffic comes in bursts and cannot fall into step with what is measured; its rate is part of the result.
import type { TxQueue } from '../guest/net_queues.ts';
import type { Machine } from '../machine/machine.ts';
import type { Random } from '../util/random.ts';

/** Who sends what. */
export interface TrafficShape {
  /** VFs that send; 0 is no traffic. */
  readonly senders: number;
  /** Length of each frame without FCS. */
  readonly frameBytes: number;
}

/** Measured rate of the traffic, all senders together. */
export interface TrafficRate {
  readonly framesPerSecond: number;
  /** Frames without FCS, preamble and gap. */
  readonly gbitPerSecond: number;
}

export const NO_TRAFFIC: TrafficShape = { senders: 0, frameBytes: 0 };

/** Most frames that a sender has between its ring and the wire. */
export const FRAMES_ON_THE_WAY = 8;
/** An address that no function of the card has, so the switch sends to the wire. */
const WIRE_MAC = [0x02, 0xff, 0xff, 0xff, 0xff, 0xfe];
const ETHER_TYPE_LOCAL_EXPERIMENT = [0x88, 0xb5];

/** A frame of `bytes` bytes from `mac` to the wire. */
export function frameToWire(mac: Uint8Array, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  frame.set([...WIRE_MAC, ...mac, ...ETHER_TYPE_LOCAL_EXPERIMENT]);
  return frame;
}

/** The senders of one machine, which hands its frames to the host (wire: 'host'). */
export class DataTraffic {
  /** Frames that are out. */
  framesOut = 0;
  private readonly machine: Machine;
  private readonly frameBytes: number;
  private readonly random: Random;
  private readonly senders: Sender[] = [];
  private isRunning = false;

  /** Starts the drivers of VFs `firstVf` and on; the first frames go with start(). */
  constructor(machine: Machine, firstVf: number, { senders, frameBytes }: TrafficShape, random: Random) {
    this.machine = machine;
    this.frameBytes = frameBytes;
    this.random = random;
    for (let vf = firstVf; vf < firstVf + senders; vf++) {
      const driver = machine.startModern(vf);
      this.senders.push({ vf, queue: driver.tx[0]!, frame: frameToWire(driver.mac, frameBytes), onTheWay: 0 });
    }
  }

  start(): void {
    this.isRunning = true;
    for (const sender of this.senders) this.send(sender);
  }

  /** No further frames; those on their way still go out. */
  stop(): void {
    this.isRunning = false;
  }

  /** To be called for each frame that is out, with the function that sent it. */
  onFrame(fn: number): void {
    const sender = this.senders.find(({ vf }) => vf === fn);
    if (sender === undefined) return;
    this.framesOut++;
    sender.onTheWay--;
    if (this.isRunning) this.send(sender);
  }

  /** Rate of `frames` frames in `cycles` cycles. */
  rate(frames: number, cycles: number): TrafficRate {
    const seconds = (cycles * this.machine.nic.profile.clockPs) / 1e12;
    const framesPerSecond = Math.round(frames / seconds);
    return { framesPerSecond, gbitPerSecond: Math.round((framesPerSecond * this.frameBytes * 8) / 1e7) / 100 };
  }

  private send(sender: Sender): void {
    const { queue, frame } = sender;
    const wanted = 1 + this.random.below(FRAMES_ON_THE_WAY);
    for (; sender.onTheWay < wanted; sender.onTheWay++) queue.enqueue(frame);
    queue.flush();
  }
}

interface Sender {
  readonly vf: number;
  readonly queue: TxQueue;
  readonly frame: Uint8Array;
  onTheWay: number;
}
