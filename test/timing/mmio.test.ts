// SPDX-License-Identifier: Apache-2.0
// What register access costs in the simple profile. A cycle is 4 ns; a byte on the link costs 8 bits / 57.88 Gb/s =
// 0.138 ns = 0.03456 cycles; each link is 220 ns = 55 cycles long; 150 ns are 37.5, rounded to 38 cycles.
import { describe, expect, it } from 'vitest';

import { RawCard } from '../conformance/ring/support/raw_card.ts';
import { R } from '../conformance/ring/support/registers.ts';
import { bench } from './support/bench.ts';

const VECTOR_AND_QUEUES = R.CONFIG_MSIX_VECTOR;

/** Cycles that `access` takes on a card at rest. */
function cost(profile: Record<string, number>, access: (at: ReturnType<typeof bench>) => void): number {
  const at = bench(profile);
  at.card.settle();
  const start = at.card.nic.now();
  access(at);
  return at.card.nic.now() - start;
}

describe('a register read', () => {
  // request 24 bytes 0.83 + 55, decode 38, register 38, completion 20 + 4 bytes 0.83 + 55:
  // there at 55.83, seen at 56; 132; back at 187.83, seen at 188
  it.each([1, 2, 4])('of %i bytes takes 188 cycles, 752 ns', (size) => {
    expect(cost({}, ({ fn }) => fn.read(VECTOR_AND_QUEUES, size))).toBe(188);
  });

  // at 2 Gb/s a byte costs 4 ns, one cycle: 24 + 55 + 38 + 38 + 24 + 55
  it('takes 234 cycles over a link of 2 Gb/s', () => {
    const profile = { 'link.up_rate_gbps': 2, 'link.down_rate_gbps': 2 };

    expect(cost(profile, ({ fn }) => fn.read(VECTOR_AND_QUEUES))).toBe(234);
  });

  // 24 bytes are 3.32 ns: the request is there at 223.32, seen at 224; 150 + 150; 3.32 + 220: 747.32, seen at 748
  it('takes 748 cycles of 1 ns', () => {
    expect(cost({ 'clock.period_ps': 1000 }, ({ fn }) => fn.read(VECTOR_AND_QUEUES))).toBe(748);
  });

  it.each([
    ['link.up_latency_ns', 100],
    ['link.down_latency_ns', 100],
    ['completer.decode_ns', 100],
    ['completer.register_ns', 100],
    ['completer.config_ns', 0],
    ['host.read_latency_ns', 0],
    ['dma.setup_ns', 0],
    ['scheduler.pick_ns', 0],
  ])('takes %s + 400 ns into account with %i cycles', (name, expected) => {
    const base = { 'link.up_latency_ns': 220, 'link.down_latency_ns': 220, 'host.read_latency_ns': 50 };
    const rest = { 'completer.decode_ns': 152, 'completer.register_ns': 152, 'completer.config_ns': 152 };
    const all: Record<string, number> = { ...base, ...rest, 'dma.setup_ns': 52, 'scheduler.pick_ns': 8 };
    const plain = cost(all, ({ fn }) => fn.read(VECTOR_AND_QUEUES));

    const more = cost({ ...all, [name]: all[name]! + 400 }, ({ fn }) => fn.read(VECTOR_AND_QUEUES));

    expect(more - plain).toBe(expected);
  });

  it('takes no time in functional mode', () => {
    const card = new RawCard({ mode: 'functional' });
    const start = card.nic.now();

    card.nic.read(0, 2, VECTOR_AND_QUEUES, 2);

    expect(card.nic.now()).toBe(start);
  });
});

describe('a configuration read', () => {
  // as a register read, with 38 cycles for the configuration register
  it('takes 188 cycles', () => {
    expect(cost({}, ({ card }) => card.nic.configRead(0, 0, 4))).toBe(188);
  });

  it('takes completer.config_ns and not completer.register_ns', () => {
    const read = ({ card }: ReturnType<typeof bench>): number => card.nic.configRead(0, 0, 4);

    expect(cost({ 'completer.config_ns': 552 }, read) - 188).toBe(100);
    expect(cost({ 'completer.register_ns': 552 }, read) - 188).toBe(0);
  });
});

describe('a posted write', () => {
  it('costs the writer nothing', () => {
    expect(cost({}, ({ fn }) => fn.write(R.QUEUE_SELECT, 1))).toBe(0);
  });

  // 24 + 4 bytes 0.97 + 55, decode 38: 93.97
  it('takes effect after 94 cycles', () => {
    const { card } = bench();
    card.settle();
    const start = card.nic.now();

    card.nic.write(0, 2, R.QUEUE_SELECT, 2, 1);

    expect(card.nic.nextEventTime() - start).toBe(94);
  });

  it('is pushed by a read behind it: the read finds it done', () => {
    const { fn } = bench();

    for (const select of [1, 0, 2]) {
      fn.write(R.QUEUE_SELECT, select);
      expect(fn.read(R.QUEUE_SELECT)).toBe(select);
    }
  });

  // the write's 28 bytes go first: 0.97 + 0.83 + 55 = 56.80, seen at 57; 133; 188.83, seen at 189
  it('delays a read behind it by its own bytes', () => {
    expect(cost({}, ({ fn }) => void (fn.write(R.QUEUE_SELECT, 1), fn.read(R.QUEUE_SELECT)))).toBe(189);
  });

  // ten writes of one cycle a byte: 28 each, the last arrives after 280 + 55 + 38
  it('of ten in a row the last arrives after those before it, over a link of 2 Gb/s', () => {
    const { card } = bench({ 'link.down_rate_gbps': 2 });
    card.settle();
    const start = card.nic.now();

    for (let i = 0; i < 10; i++) card.nic.write(0, 2, R.QUEUE_SELECT, 2, i);
    let last = 0;
    while (card.nic.nextEventTime() !== Infinity) {
      last = card.nic.nextEventTime();
      card.nic.advance(last);
    }

    expect(last - start).toBe(373);
  });
});
