// SPDX-License-Identifier: Apache-2.0
// What register access costs by default. A cycle is 4 ns; a byte on the link (Gen3 x8) costs 8 / (64 x 128/130) ns = 0.127 ns
// = 0.03174 cycles; each link is 105 ns = 26.25, rounded 26 cycles long; the host's core is 115 ns = 28.75, rounded 29 from
// the root complex; 150 ns are 37.5, rounded to 38 cycles. The BARs lie above 4 GiB: 24 bytes without data.
import { describe, expect, it } from 'vitest';

import { RawCard } from '../support/raw_card.ts';
import { R } from '../support/registers.ts';
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
  // host 29, request 24 bytes 0.76 (seen at 30), + 26, decode 38, register 38: 132; completion 20 + 4 bytes 0.76 (133),
  // + 26, host 29: 188
  it.each([1, 2, 4] as const)('of %i bytes takes 188 cycles, 752 ns', (size) => {
    expect(cost({}, ({ fn }) => fn.read(VECTOR_AND_QUEUES, size))).toBe(188);
  });

  // at 2 Gb/s a byte costs 4 ns, one cycle: 29 + 24 + 26 + 38 + 38 + 24 + 26 + 29
  it('takes 234 cycles over a link of 2 Gb/s', () => {
    const profile = { 'link.generation': 0, 'link.rate_gbps': 2 };

    expect(cost(profile, ({ fn }) => fn.read(VECTOR_AND_QUEUES))).toBe(234);
  });

  // 24 bytes are 3.05 ns, seen after 4: 115 + 4 + 105 + 150 + 150 + 4 + 105 + 115
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

  // host 29, 24 + 4 bytes 0.89 (30), + 26, decode 38
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

  // the write's 28 bytes go first: 29 + 0.89 + 0.76, seen at 31, one cycle later than alone
  it('delays a read behind it by its own bytes', () => {
    expect(cost({}, ({ fn }) => void (fn.write(R.QUEUE_SELECT, 1), fn.read(R.QUEUE_SELECT)))).toBe(189);
  });

  // ten writes of one cycle a byte: 28 each, the last is decoded after 29 + 280 + 26 + 38
  it('of ten in a row the last arrives after those before it, over a link of 2 Gb/s', () => {
    const { card } = bench({ 'link.generation': 0, 'link.rate_gbps': 2 });
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
