// SPDX-License-Identifier: Apache-2.0
// Which queue is visited when, seen at the first read of each visit: the available index. A doorbell alone on the link takes
// effect after 94 cycles (mmio.test.ts), those behind it a cycle each later (28 bytes are 0.89 cycles, and the card takes one
// request a cycle); 4 cycles later its queue waits, scheduler.pick_ns later it is picked: by default in cycle 100.
import { describe, expect, it } from 'vitest';

import * as TRACE from '../../assembly/abi/trace_kind.ts';
import type { ProfileOverrides } from '../../src/device/profile.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { frame, macOf, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';
import type { RawFunction } from '../support/raw_function.ts';
import { F, TX } from '../support/registers.ts';

const SLOW = { 'scheduler.pick_ns': 4000 }; // 1000 cycles

/** A card at rest with VFs whose `queues` are enabled, and the visits from now on. */
class Visits {
  readonly card: RawCard;
  readonly vfs: readonly RawFunction[];
  readonly start: number;

  constructor(profile: ProfileOverrides, numVfs: number, queues: readonly number[], vfQueuePairs = 1) {
    this.card = new RawCard({ profile, numVfs, vfQueuePairs, queueSize: 16, traceBytes: 1 << 20 });
    this.vfs = Array.from({ length: numVfs }, (_, i) => this.card.fn(i + 1));
    const features = vfQueuePairs > 1 ? [F.CTRL_VQ, F.MQ] : [F.CTRL_VQ];
    for (const vf of this.vfs) vf.start({ features, queues: Object.fromEntries(queues.map((queue) => [queue, {}])) });
    this.card.nic.startTrace(TRACE.MASK_STATE);
    this.start = this.card.nic.now();
  }

  ring(...doorbells: readonly (readonly [vf: number, queue: number])[]): void {
    for (const [vf, queue] of doorbells) this.vfs[vf - 1]!.notify(queue);
  }

  advanceTo(cycle: number): void {
    this.card.nic.advance(this.start + cycle);
  }

  /** [cycle, VF, queue] of each read of a queue. */
  seen(): [cycle: number, vf: number, queue: number][] {
    this.card.settle();
    const reads: [number, number, number][] = [];
    for (const { kind, sub, time, fn, b } of traceRecords([this.card.nic.takeTrace()])) {
      if (kind !== TRACE.DMA || sub !== TRACE.DMA_ASKED || (b & TRACE.OWNER_QUEUE) === 0) continue;
      reads.push([time - this.start, fn, b - TRACE.OWNER_QUEUE]);
    }
    return reads;
  }
}

describe('queues that wait', () => {
  it.each([
    [8, [100, 102, 104, 106]],
    [20, [103, 108, 113, 118]],
    [4000, [1098, 2098, 3098, 4098]],
  ])('are visited scheduler.pick_ns = %i ns apart, round robin over functions and their queues', (pick, cycles) => {
    const visits = new Visits({ 'scheduler.pick_ns': pick }, 2, [1, 2]);

    visits.ring([1, 1], [1, 2], [2, 1], [2, 2]);

    expect(visits.seen()).toEqual([
      [cycles[0], 1, 1],
      [cycles[1], 2, 1],
      [cycles[2], 1, 2],
      [cycles[3], 2, 2],
    ]);
  });

  it('take turns over three functions with three queues each, however they rang', () => {
    const visits = new Visits(SLOW, 3, [1, 3, 4], 2);

    visits.ring([3, 4], [3, 3], [1, 1], [1, 3], [3, 1], [2, 4], [1, 4], [2, 1], [2, 3]);

    expect(visits.seen().map(([, vf, queue]) => [vf, queue])).toEqual([
      [3, 4],
      [1, 1],
      [2, 4],
      [3, 3],
      [1, 3],
      [2, 1],
      [3, 1],
      [1, 4],
      [2, 3],
    ]);
  });

  it('are not kept waiting by a function with many queues that ring again and again', () => {
    const many = [1, 3, 5, 7, 9, 11, 13, 15];
    const visits = new Visits(SLOW, 2, many, 8);
    const busy = many.map((queue): [number, number] => [1, queue]);

    visits.ring(...busy, [2, 1]);
    for (const cycle of [2300, 4300, 6300]) {
      visits.advanceTo(cycle);
      visits.ring(...busy, [2, 1]);
    }

    // function 2 is behind one visit of function 1, each time
    expect(visits.seen().slice(0, 8)).toEqual([
      [1098, 1, 1],
      [2098, 2, 1],
      [3098, 1, 3],
      [4098, 2, 1],
      [5098, 1, 5],
      [6098, 2, 1],
      [7098, 1, 7],
      [8098, 2, 1],
    ]);
  });

  it('stand behind the other queues of their function when they ring again after a visit', () => {
    const visits = new Visits(SLOW, 1, [1, 3, 5], 3);

    visits.ring([1, 1], [1, 3], [1, 5]);
    visits.advanceTo(1300);
    visits.ring([1, 1]);

    expect(visits.seen().map(([, , queue]) => queue)).toEqual([1, 3, 5, 1]);
  });

  it('gain nothing by ringing once more while they wait', () => {
    const visits = new Visits(SLOW, 2, [1, 2]);

    visits.ring([1, 1], [1, 1], [1, 1], [2, 1], [2, 1]);

    expect(visits.seen()).toEqual([
      [1098, 1, 1],
      [2098, 2, 1],
    ]);
  });

  it('that begin to wait when nobody else does are picked scheduler.pick_ns later', () => {
    const visits = new Visits(SLOW, 2, [1, 2]);

    visits.ring([1, 1]);
    visits.advanceTo(1500);
    visits.ring([2, 1]);

    expect(visits.seen()).toEqual([
      [1098, 1, 1],
      [1500 + 1098, 2, 1],
    ]);
  });
});

describe('a slow scheduler', () => {
  // 576 cycles from the visit to the end of a frame of 64 bytes (frames.test.ts: 100 to 674, and 2 for the write-back)
  it('shows on the wire: frames of three functions leave 1000 cycles apart', () => {
    const visits = new Visits(SLOW, 3, [TX]);
    for (const vf of visits.vfs) {
      const sent = packet(frame(STRANGER, macOf(vf.fn), 64));
      vf.ring(TX).offer(vf.ring(TX).chain([{ addr: vf.place(sent, 4), len: sent.length }]));
    }

    visits.ring([2, TX], [3, TX], [1, TX]);
    visits.card.settle();

    expect(visits.card.wire.map(({ fn, timeCycles }) => [fn, timeCycles - visits.start])).toEqual([
      [2, 1674],
      [3, 2674],
      [1, 3674],
    ]);
  });
});
