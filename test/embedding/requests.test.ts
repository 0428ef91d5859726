// SPDX-License-Identifier: Apache-2.0
// Accesses of drivers in two halves: a request, which takes no time, and its completion, which is an output. A cycle is 4 ns;
// what an access costs is worked out in test/timing/mmio.test.ts: 188 cycles on a link at rest, of which 132 until the
// register is read.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { NicConfig } from '../../src/device/config.ts';
import { createNic, type Nic } from '../../src/device/nic.ts';
import { lookAheadCycles } from '../../src/device/profile.ts';
import { enumerate } from '../../src/device/bus.ts';
import { F, R } from '../support/registers.ts';
import { Scenario, steps } from '../property/support/scenario.ts';

const BAR = 2;
const VENDOR = 0x1af4;
/** Requests that have a tag, and posted writes that are under way, at a time (docs/decisions/0010). */
const [TAGS, WRITES] = [256, 1024];

/** A card at rest, and what is completed, by time from `start` on. */
function card(config: NicConfig = {}) {
  const nic = createNic({ totalVfs: 1, ...config }, { build: 'debug' });
  enumerate(nic);
  nic.runToIdle();
  const start = nic.now();
  const completions: { tag: number; value: number; cycles: number }[] = [];
  nic.onCompletion((tag, value, time) => completions.push({ tag, value, cycles: time - start }));
  return { nic, start, completions };
}

describe('a request', () => {
  it.each([
    ['register read', (nic: Nic) => nic.requestRead(0, BAR, R.NUM_QUEUES, 2), 3],
    ['configuration read', (nic: Nic) => nic.requestConfigRead(0, 0, 2), VENDOR],
    ['configuration write', (nic: Nic) => nic.requestConfigWrite(0, 0x3c, 1, 9), 0],
  ])('of a %s takes no time, and is completed after 188 cycles', (_, request, value) => {
    const { nic, start, completions } = card();

    const tag = request(nic);

    expect(nic.now()).toBe(start);
    expect(nic.nextEventTime() - start).toBe(132);
    nic.advance(start + 187);
    expect(completions).toEqual([]);
    nic.advance(start + 1000);
    expect(completions).toEqual([{ tag, value, cycles: 188 }]);
    expect(nic.nextEventTime()).toBe(Infinity);
  });

  it('writes what it says', () => {
    const { nic } = card();
    nic.requestConfigWrite(0, 0x3c, 1, 0x1_2345); // Interrupt Line; what an access of a byte carries
    nic.runToIdle();

    expect(nic.configRead(0, 0x3c, 1)).toBe(0x45);
  });

  it('finds what was posted before it done', () => {
    const { nic, completions } = card();
    nic.write(0, BAR, R.QUEUE_SELECT, 2, 1);
    const tag = nic.requestRead(0, BAR, R.QUEUE_SELECT, 2);
    nic.runToIdle();

    // the write's 28 bytes go first: a cycle more, as test/timing has it
    expect(completions).toEqual([{ tag, value: 1, cycles: 189 }]);
  });

  // PCIe 6.0 §2.4.1: posted requests pass non-posted ones. The read looks at the register 38 cycles after it is decoded.
  it('is passed by what is posted behind it', () => {
    const { nic, completions } = card();
    const tag = nic.requestRead(0, BAR, R.QUEUE_SELECT, 2);
    nic.write(0, BAR, R.QUEUE_SELECT, 2, 1);
    nic.runToIdle();

    expect(completions).toEqual([{ tag, value: 1, cycles: 188 }]);
  });

  it('keeps its place among others: each is taken up a cycle after the one before', () => {
    const { nic, completions } = card();
    for (let i = 0; i < 3; i++) nic.requestRead(0, BAR, R.NUM_QUEUES, 2);
    nic.runToIdle();

    // requests on the wire until 29.76, 30.52, 31.29: 30, 31 and 32; completions likewise
    expect(completions.map(({ cycles }) => cycles)).toEqual([188, 189, 190]);
  });

  it('of a register that no function decodes is answered with ones, like the access', () => {
    const { nic, completions } = card();
    nic.requestRead(1, BAR, 0, 4); // the VF is not there
    nic.requestConfigRead(1, 0, 2);
    nic.runToIdle();

    expect(completions.map(({ value }) => value)).toEqual([0xffff_ffff, 0xffff]);
  });

  it('has a tag until it is completed; the 257th gets none', () => {
    const { nic, completions } = card({ profile: { 'credit.card_nph': 0, 'credit.card_npd': 0 } });
    const tags = Array.from({ length: TAGS }, () => nic.requestConfigRead(0, 0, 2));

    expect(new Set(tags).size).toBe(TAGS);
    expect(tags).not.toContain(null);
    expect(nic.requestRead(0, BAR, 0, 4)).toBeNull();
    expect(nic.requestConfigRead(0, 0, 2)).toBeNull();
    expect(nic.requestConfigWrite(0, 0x3c, 1, 0)).toBeNull();
    nic.advance(nic.nextEventTime() + 60); // the first are back
    expect(completions.length).toBeGreaterThan(0);
    expect(nic.requestConfigRead(0, 0, 2)).not.toBeNull();
    nic.runToIdle();
    expect(completions.map(({ tag }) => tag).slice(0, TAGS)).toEqual(tags);
  });

  // The first completion, 24 bytes, is at the root complex after 133 + 26 = 159 cycles; the next UpdateFC at 52 x 4 = 208 is
  // with the card at 234; the second completion is on the wire until 235, up after 261, with the core after 290.
  it('waits for a credit for its completion where there is one alone', () => {
    const { nic, completions } = card({ profile: { 'credit.host_cplh': 1 } });
    const offset = 52 - (nic.now() % 52);
    nic.advance(nic.now() + offset); // UpdateFCs fall due at multiples of 52
    completions.splice(0);
    nic.requestConfigRead(0, 0, 2);
    nic.requestConfigRead(0, 0, 2);
    nic.runToIdle();

    expect(completions.map(({ cycles }) => cycles - offset)).toEqual([188, 290]);
  });

  it('in functional mode is completed when time is asked for next', () => {
    const { nic, completions } = card({ mode: 'functional' });
    const tag = nic.requestRead(0, BAR, R.NUM_QUEUES, 2);
    expect(completions).toEqual([]);
    nic.advance(nic.now());

    expect(completions).toEqual([{ tag, value: 3, cycles: 0 }]);
  });

  it('is in a snapshot, and completed by its tag', () => {
    const { nic, completions } = card();
    const tag = nic.requestRead(0, BAR, R.NUM_QUEUES, 2);
    nic.advance(nic.now() + 100);
    const snapshot = nic.snapshot();
    nic.runToIdle();
    nic.restore(snapshot);
    nic.runToIdle();

    const completion = { tag, value: 3, cycles: 188 };
    expect(completions).toEqual([completion, completion]);
  });

  it.each([
    [9, BAR, 0, 4],
    [0, BAR, 2, 4],
    [0, BAR, 0, 3],
  ])('is refused where the access is: function %i, BAR %i, offset %i, %i bytes', (fn, bar, offset, size) => {
    const { nic } = card();

    const why = fn === 9 ? 'function 9 does not exist' : 'a register access is 1, 2 or 4 bytes, naturally aligned';

    expect(() => nic.requestRead(fn, bar, offset, size)).toThrow(why);
    expect(() => nic.requestConfigRead(fn, offset, size)).toThrow(why);
    expect(() => nic.requestConfigWrite(fn, offset, size, 0)).toThrow(why);
    expect(() => nic.requestWrite(fn, bar, offset, size, 0)).toThrow(why);
  });
});

describe('a write that is requested', () => {
  it('is taken while there is room for it, and time never passes', () => {
    const { nic, start } = card({ profile: { 'credit.card_ph': 0, 'credit.card_pd': 0 } });
    for (let write = 0; write < WRITES; write++) {
      expect(nic.requestWrite(0, BAR, R.QUEUE_SELECT, 2, write % 3)).toBe(true);
    }
    expect(nic.requestWrite(0, BAR, R.QUEUE_SELECT, 2, 2)).toBe(false);
    expect(nic.now()).toBe(start);
    nic.advance(nic.nextEventTime());

    expect(nic.requestWrite(0, BAR, R.QUEUE_SELECT, 2, 2)).toBe(true);
    nic.runToIdle();
    expect(nic.read(0, BAR, R.QUEUE_SELECT, 2)).toBe(2);
  });

  it('is done at once in functional mode', () => {
    const { nic } = card({ mode: 'functional' });

    expect(nic.requestWrite(0, BAR, R.QUEUE_SELECT, 2, 1)).toBe(true);
    expect(nic.read(0, BAR, R.QUEUE_SELECT, 2)).toBe(1);
  });
});

type Access = { readonly kind: 'read' | 'config' | 'write'; readonly fn: number; readonly word: number };

/** An access in two halves: the card goes on, event by event, until it is completed. */
function inHalves(nic: Nic, { kind, fn, word }: Access): number {
  const done: number[] = [];
  const tag =
    kind === 'read'
      ? nic.requestRead(fn, BAR, 4 * word, 4)
      : kind === 'config'
        ? nic.requestConfigRead(fn, 4 * word, 4)
        : nic.requestConfigWrite(fn, 0x3c, 1, word);
  nic.onCompletion((completed, value) => {
    expect(completed).toBe(tag);
    done.push(value);
  });
  while (done.length === 0) nic.advance(nic.nextEventTime());
  return done[0]!;
}

function asCall(nic: Nic, { kind, fn, word }: Access): number {
  if (kind === 'read') return nic.read(fn, BAR, 4 * word, 4);
  if (kind === 'config') return nic.configRead(fn, 4 * word, 4);
  nic.configWrite(fn, 0x3c, 1, word);
  return 0;
}

describe('a request and the call', () => {
  it('give the same value at the same time, and leave the same card, whatever it does meanwhile', () => {
    const access = fc.record({
      kind: fc.constantFrom('read' as const, 'config' as const, 'write' as const),
      fn: fc.nat({ max: 2 }),
      word: fc.nat({ max: 13 }),
    });
    const features = fc.constantFrom<number[]>([], [F.EVENT_IDX]);
    const profile = fc.constantFrom({}, { 'credit.host_cplh': 1 }, { 'completer.config_ns': 0 });
    fc.assert(
      fc.property(steps(6), fc.array(access, { maxLength: 10 }), features, profile, (work, accesses, bits, values) => {
        const [calls, halves] = [0, 1].map(() => new Scenario({ build: 'release', profile: values }, bits)) as [
          Scenario,
          Scenario,
        ];
        const seen = [calls, halves].map((scenario) => {
          const { nic } = scenario.card;
          const done: [value: number, cycles: number][] = [];
          accesses.forEach((one, i) => {
            if (i < work.length) scenario.do(work[i]!);
            const value = scenario === calls ? asCall(nic, one) : inHalves(nic, one);
            done.push([value, nic.now()]);
          });
          scenario.card.settle();
          return [done, nic.now(), nic.counters(), nic.linkTraffic(), scenario.outputs()];
        });

        expect(seen[1]).toEqual(seen[0]);
      }),
      { seed: 51, numRuns: 60 },
    );
  });

  it('may be mixed: a call goes on while requests are under way', () => {
    const { nic, completions } = card();
    const tag = nic.requestRead(0, BAR, R.NUM_QUEUES, 2);

    expect(nic.configRead(0, 0, 2)).toBe(VENDOR);
    expect(completions).toEqual([{ tag, value: 3, cycles: 188 }]);
  });
});

describe('the look-ahead', () => {
  // completer.register_ns 0 and host.write_latency_ns 4000: 29 + 1 + 26 + 38 + 0 + 1 + 26 + 29 beats a message of 1,121
  it('counts completions, which may be the nearest output', () => {
    const profile = { 'completer.register_ns': 0, 'host.write_latency_ns': 4000 };
    const { nic, completions } = card({ profile });
    nic.requestRead(0, BAR, R.NUM_QUEUES, 2);
    nic.runToIdle();

    expect(completions[0]!.cycles).toBe(150);
    expect(lookAheadCycles(nic.profile)).toBe(150);
    expect(lookAheadCycles(nic.profile)).toBeLessThanOrEqual(completions[0]!.cycles);
  });
});
