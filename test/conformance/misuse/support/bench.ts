// SPDX-License-Identifier: Apache-2.0
// A bad driver on VF 1, good ones beside it on VF 2 and the PF. Whatever the bad one does: the debug core does not trap,
// work ends, the cause is counted, the neighbours notice nothing, and a reset of VF 1 makes it a good function again.
import { Port } from '../../net/support/port.ts';
import { frame, HEADER, STRANGER } from '../../ring/support/frames.ts';
import { RawCard, type RawCardOptions } from '../../../support/raw_card.ts';
import type { RawFunction, StartOptions } from '../../../support/raw_function.ts';
import { NEEDS_RESET } from '../../../support/registers.ts';

/** Counters of functions that name a cause of DEVICE_NEEDS_RESET. */
const CAUSES = [
  'bad_dma',
  'bad_avail_idx',
  'bad_head',
  'bad_next',
  'bad_loop',
  'bad_order',
  'bad_indirect',
  'bad_length',
  'bad_chain',
] as const;

export type Cause = (typeof CAUSES)[number];

export const BAD = 1;
/** The verdict on a mistake that was put up with. */
export const UNHARMED = 'unharmed';
const CONFIG_VECTOR = 0;

/** The verdicts on a mistake that stopped the function, one for each cause that may be named. */
export function stopped(...causes: readonly Cause[]): string[] {
  return causes.map((cause) => `stopped: ${cause}`);
}

export class Bench {
  readonly card: RawCard;
  /** The function with the bad driver; started unless told otherwise. */
  readonly bad: RawFunction;
  private readonly neighbours: readonly Port[];

  constructor(options: RawCardOptions, start: StartOptions | null = {}) {
    this.card = new RawCard({ queueSize: 16, numVfs: 2, ...options });
    this.neighbours = [0, 2].map((fn) => new Port(this.card, fn));
    this.bad = this.card.fn(BAD);
    if (start !== null) this.bad.start(start);
  }

  /**
   * What became of the bad function: UNHARMED, or `stopped: <cause>` where the device set DEVICE_NEEDS_RESET, said so by a
   * configuration interrupt and rests since. Anything that must not be is appended. Resets the function at the end.
   */
  verdict(): string {
    const { bad, card } = this;
    const { counters, status } = bad;
    const causes = CAUSES.filter((cause) => counters[cause]! > 0);
    const problems: string[] = [];
    if ((status & NEEDS_RESET) !== 0) {
      if (status !== 0x4f) problems.push(`status 0x${status.toString(16)}`); // the driver's bits are to stay
      if (causes.length !== 1 || counters[causes[0]!] !== 1) problems.push('not one cause, counted once');
      const interrupts = card.interrupts(BAD, CONFIG_VECTOR).length;
      if (interrupts !== 1) problems.push(`${interrupts} configuration interrupts`);
      if (!this.isResting()) problems.push('it goes on working');
    } else if (causes.length > 0) problems.push(`${causes.join()} counted`);
    if (!this.isContained()) problems.push('harm beyond the function or beyond its reset');
    const outcome = (status & NEEDS_RESET) === 0 ? UNHARMED : stopped(...causes).join();
    return [outcome, ...problems].join(', but ');
  }

  /** The neighbours work, and after a reset the bad function does, too. */
  isContained(): boolean {
    this.card.settle();
    const neighboursWork = this.neighbours.every((port) => works(this.card, port));
    this.bad.reset();
    return neighboursWork && works(this.card, new Port(this.card, BAD)) && !this.neighbours.some(needsReset);
  }

  private isResting(): boolean {
    const view = (): string => {
      const { dma_reads, dma_writes } = this.card.nic.counters();
      return [dma_reads, dma_writes, ...[...this.bad.rings.values()].map(({ usedIdx }) => usedIdx)].join();
    };
    const before = view();
    for (const queue of this.bad.rings.keys()) this.bad.kick(queue);
    return view() === before;
  }
}

function needsReset(port: Port): boolean {
  return port.fn.needsReset;
}

function isSame(a: readonly Uint8Array[], b: Uint8Array): boolean {
  return a.length === 1 && Buffer.compare(a[0]!, b) === 0;
}

/** A frame out and a frame in. */
function works(card: RawCard, port: Port): boolean {
  const sent = frame(STRANGER, port.mac, 70, 3);
  const arriving = frame(port.mac, STRANGER, 80, 9);
  const before = card.wire.length;
  port.send(sent);
  port.post([HEADER + 80]);
  card.arrive(arriving);
  const left = card.wire.slice(before).map(({ bytes }) => bytes);
  return isSame(left, sent) && isSame(port.frames(), arriving);
}
