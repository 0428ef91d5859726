// SPDX-License-Identifier: Apache-2.0
// Another simulator: a computer with memory, a root complex, a processor and a clock of its own, which counts picoseconds. It
// and the card are coupled conservatively. The card runs until the computer has something to do, and stops at its first
// output; the computer never has anything to do before that, since what it does follows from what it got. Whoever acts on
// the card checks that the card's clock is where its own is.
import type { NicConfig } from '../../../src/device/config.ts';
import { createNic, type DmaRead, type DmaWrite, type Nic } from '../../../src/device/nic.ts';
import type { InterruptHandler } from '../../../src/device/outputs.ts';
import type { Clock } from '../../../src/guest/platform.ts';
import { bytesText, newMemory, type Computer } from './computer.ts';

/** Events in the order of their time; of one time interrupts before memory, and the processor last. */
const [WRITES, READS, PROCESSOR] = [0, 1, 2];

interface Entry {
  readonly ps: number;
  readonly priority: number;
  readonly act: () => void;
}

class Calendar {
  private readonly entries: Entry[] = [];

  get next(): number {
    return this.entries[0]?.ps ?? Infinity;
  }

  add(ps: number, priority: number, act: () => void): void {
    const isLater = (other: Entry): boolean => other.ps > ps || (other.ps === ps && other.priority > priority);
    const at = this.entries.findIndex(isLater);
    this.entries.splice(at < 0 ? this.entries.length : at, 0, { ps, priority, act });
  }

  take(): Entry {
    return this.entries.shift()!;
  }
}

export interface Latencies {
  /** From the arrival of a read at the root complex until its completions leave it. */
  readonly readPs: number;
  /** From the arrival of a write or a message until it is in effect. */
  readonly writePs: number;
}

export class ExternalComputer implements Computer {
  readonly card: Nic;
  readonly memory = newMemory();
  readonly clock: Clock;
  readonly log: string[] = [];
  /** Arrival and answer of each read of the card, in picoseconds. */
  readonly reads: { readonly length: number; readonly arrivedPs: number; readonly answeredPs: number }[] = [];
  private readonly nic: Nic;
  private readonly latencies: Latencies;
  /** Cycles that the card may run at a time. */
  private readonly quantum: number;
  private readonly calendar = new Calendar();
  private ps = 0;
  /** By then every write and message that has arrived is in effect. */
  private settledPs = 0;
  private readonly completions = new Map<number, number>();
  private readonly vectors = new Map<string, InterruptHandler>();
  private readonly interrupts: (() => void)[] = [];
  /** The processor waits for a completion, or is in a handler: interrupts wait. */
  private isBusy = false;
  private isInHandler = false;
  private isWoken = false;

  constructor(config: NicConfig, latencies: Latencies, quantum = Infinity) {
    const nic = createNic({ ...config, memory: 'outside' });
    this.nic = nic;
    this.latencies = latencies;
    this.quantum = quantum;
    nic.onDmaRead((read) => this.takeRead(read));
    nic.onDmaWrite((write) => this.takeWrite(write));
    nic.onMessage(({ fn, vector, timeCycles }) => this.takeMessage(fn, vector, timeCycles));
    nic.onCompletion((tag, value, cycles) =>
      this.calendar.add(this.toPs(cycles), PROCESSOR, () => this.completions.set(tag, value)),
    );
    nic.onFrame((frame, fn, cycles) => {
      this.log.push(`${cycles} frame ${fn} ${bytesText(frame)}`);
      this.isWoken = true;
    });
    this.card = this.coupled();
    this.clock = {
      now: () => this.cycle,
      waitForEvent: () => {
        this.isWoken = false;
        return this.runUntil(() => this.isWoken);
      },
      advance: (cycles) => {
        let isOver = false;
        this.calendar.add(this.ps + this.toPs(cycles), PROCESSOR, () => (isOver = true));
        this.isBusy = true;
        this.runUntil(() => isOver);
        this.isBusy = false;
        this.handleInterrupts();
      },
    };
  }

  attach(): void {
    // all of it is there for every function
  }

  receive(frame: Uint8Array): void {
    this.checkClocks();
    if (!this.nic.receiveFrame(frame)) throw new Error('the wire port is busy');
  }

  settle(): void {
    while (this.clock.waitForEvent());
  }

  private get cycle(): number {
    return this.ps / this.nic.profile.clockPs;
  }

  private toPs(cycles: number): number {
    return cycles * this.nic.profile.clockPs;
  }

  // ---- the coupling -----------------------------------------------------------------------------------------------------

  /** False: neither has anything left to do. */
  private runUntil(isDone: () => boolean): boolean {
    while (!isDone()) {
      const mine = this.calendar.next / this.nic.profile.clockPs;
      const next = Math.min(mine, this.nic.nextEventTime());
      if (next === Infinity) return false;
      this.nic.advance(Math.min(next, this.nic.now() + this.quantum), true);
      if (this.nic.nextEventTime() <= this.nic.now()) continue; // the card has more to do in this cycle
      this.ps = this.toPs(this.nic.now());
      while (this.calendar.next <= this.ps) {
        const { ps, act } = this.calendar.take();
        if (ps !== this.ps) throw new Error(`the card is at ${this.ps} ps, ahead of what happens at ${ps} ps`);
        act();
      }
    }
    return true;
  }

  private checkClocks(): void {
    const card = this.toPs(this.nic.now());
    if (card !== this.ps) throw new Error(`the card is at ${card} ps, the computer at ${this.ps} ps`);
  }

  // ---- root complex and memory ------------------------------------------------------------------------------------------

  private takeWrite({ address, length, source, at, timeCycles }: DmaWrite): void {
    const bytes = source.slice(at, at + length);
    this.settledPs = this.toPs(timeCycles) + this.latencies.writePs;
    this.calendar.add(this.settledPs, WRITES, () => this.memory.u8.set(bytes, this.memory.offset(address, length)));
  }

  /** A read does not overtake writes. */
  private takeRead({ tag, address, length, timeCycles }: DmaRead): void {
    const arrivedPs = this.toPs(timeCycles);
    const answeredPs = Math.max(arrivedPs, this.settledPs) + this.latencies.readPs;
    this.calendar.add(answeredPs, READS, () => {
      this.checkClocks();
      this.reads.push({ length, arrivedPs, answeredPs });
      this.nic.answerDmaRead(tag, this.memory.u8, this.memory.offset(address, length));
    });
  }

  // ---- processor --------------------------------------------------------------------------------------------------------

  private takeMessage(fn: number, vector: number, timeCycles: number): void {
    this.settledPs = this.toPs(timeCycles) + this.latencies.writePs;
    this.calendar.add(this.settledPs, WRITES, () => {
      this.isWoken = true;
      this.interrupts.push(() => {
        const handler = this.vectors.get(`${fn} ${vector}`);
        if (handler === undefined) return;
        this.log.push(`${this.cycle} vector ${fn} ${vector}`);
        handler(vector, this.cycle);
      });
      if (!this.isBusy) this.handleInterrupts();
    });
  }

  private handleInterrupts(): void {
    if (this.isInHandler) return;
    this.isInHandler = true;
    while (this.interrupts.length > 0) this.interrupts.shift()!();
    this.isInHandler = false;
  }

  /** Waits for the completion of a request; the rest of the computer goes on. */
  private complete(tag: number | null): number {
    if (tag === null) throw new Error('a processor has one request under way');
    this.isBusy = true;
    this.runUntil(() => this.completions.has(tag));
    this.isBusy = false;
    const value = this.completions.get(tag)!;
    this.completions.delete(tag);
    this.handleInterrupts();
    return value;
  }

  /** The card as the processor sees it: an access is a request, and the processor waits for its completion. */
  private coupled(): Nic {
    const { nic } = this;
    const card = Object.create(nic) as Nic;
    const note = (text: string): void => void this.log.push(`${this.cycle} ${text}`);
    card.now = () => this.cycle;
    card.read = (fn, bar, offset, size) => {
      this.checkClocks();
      const value = this.complete(nic.requestRead(fn, bar, offset, size));
      note(`read ${fn} ${bar} ${offset} ${size}: ${value}`);
      return value;
    };
    card.configRead = (fn, offset, size) => {
      this.checkClocks();
      const value = this.complete(nic.requestConfigRead(fn, offset, size));
      note(`config ${fn} ${offset} ${size}: ${value}`);
      return value;
    };
    card.configWrite = (fn, offset, size, value) => {
      this.checkClocks();
      this.complete(nic.requestConfigWrite(fn, offset, size, value));
      note(`config ${fn} ${offset} ${size} = ${value}`);
    };
    card.write = (fn, bar, offset, size, value) => {
      this.checkClocks();
      note(`write ${fn} ${bar} ${offset} ${size} = ${value}`);
      if (!nic.requestWrite(fn, bar, offset, size, value)) throw new Error('no room for a write');
    };
    card.onVector = (fn, vector, handler) => {
      if (handler === null) this.vectors.delete(`${fn} ${vector}`);
      else this.vectors.set(`${fn} ${vector}`, handler);
    };
    return card;
  }
}
