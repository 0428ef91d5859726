// SPDX-License-Identifier: Apache-2.0
// A bad driver on VF 1, good ones beside it on VF 2 and the PF. Whatever the bad one does: the debug core does not trap,
// work ends, the cause is counted, the neighbours notice nothing, and a reset of VF 1 makes it a good function again.
import { expect } from 'vitest';

import { Port } from '../../net/support/port.ts';
import { frame, HEADER, STRANGER } from '../../ring/support/frames.ts';
import { RawCard, type RawCardOptions } from '../../ring/support/raw_card.ts';
import type { RawFunction, StartOptions } from '../../ring/support/raw_function.ts';

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
const CONFIG_VECTOR = 0;

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

  /** Causes counted so far on the bad function. */
  causes(): Partial<Record<Cause, number>> {
    const counters = this.bad.counters;
    return Object.fromEntries(CAUSES.filter((cause) => counters[cause]! > 0).map((cause) => [cause, counters[cause]]));
  }

  /** The device has stopped for one of these causes, told the driver so, and does no more until it is reset. */
  expectStopped(...causes: readonly Cause[]): void {
    expect(this.bad.status).toBe(0x4f); // all of the driver's bits, and DEVICE_NEEDS_RESET
    const counted = this.causes();
    expect(Object.keys(counted)).toHaveLength(1);
    expect(causes).toContain(Object.keys(counted)[0]);
    expect(Object.values(counted)).toEqual([1]);
    expect(this.card.interrupts(BAD, CONFIG_VECTOR)).toHaveLength(1);

    const { dma_reads, dma_writes } = this.card.nic.counters();
    const used = [...this.bad.rings.values()].map(({ usedIdx }) => usedIdx);
    for (const queue of this.bad.rings.keys()) this.bad.kick(queue);
    expect(this.card.nic.counters()).toMatchObject({ dma_reads, dma_writes });
    expect([...this.bad.rings.values()].map(({ usedIdx }) => usedIdx)).toEqual(used);

    this.expectContained();
  }

  /** The device is as good as before: nothing counted, no reset needed. */
  expectUnharmed(): void {
    expect(this.bad.needsReset).toBe(false);
    expect(this.causes()).toEqual({});
    this.expectContained();
  }

  /** Either of the two: some mistakes may be put up with. */
  expectStoppedOrUnharmed(...causes: readonly Cause[]): void {
    if (this.bad.needsReset) this.expectStopped(...causes);
    else this.expectUnharmed();
  }

  /** Nothing spread, and a reset helps. */
  expectContained(): void {
    this.card.settle();
    for (const port of this.neighbours) works(this.card, port);
    this.bad.reset();
    works(this.card, new Port(this.card, BAD));
    for (const port of this.neighbours) expect(port.fn.needsReset).toBe(false);
  }
}

/** A frame out and a frame in. */
function works(card: RawCard, port: Port): void {
  const sent = frame(STRANGER, port.mac, 70, 3);
  const arriving = frame(port.mac, STRANGER, 80, 9);
  const before = card.wire.length;
  port.send(sent);
  expect(card.wire.slice(before).map(({ bytes }) => bytes)).toEqual([sent]);
  port.post([HEADER + 80]);
  card.arrive(arriving);
  expect(port.frames()).toEqual([arriving]);
}
