// SPDX-License-Identifier: Apache-2.0
// Timed and functional mode give the same functional results, and no frame is lost without a count in either.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { F } from '../support/registers.ts';
import { FUNCTIONS, Scenario, steps } from './support/scenario.ts';

/** Counters whose values depend on when things happen. */
const TEMPORAL = new Set(['interrupts', 'interrupts_suppressed', 'doorbells', 'doorbells_ignored']);
const features = fc.constantFrom<number[]>([], [F.EVENT_IDX], [F.MRG_RXBUF]);

function functional(scenario: Scenario): unknown {
  return scenario.functions.map(({ counters }) => Object.entries(counters).filter(([name]) => !TEMPORAL.has(name)));
}

describe('timed and functional mode', () => {
  it('leave the same memory, used rings and answers, and send the same frames, when each step is settled', () => {
    fc.assert(
      fc.property(steps(25), features, (work, bits) => {
        const [timed, fast] = (['timed', 'functional'] as const).map(
          (mode) => new Scenario({ mode, build: 'release' }, bits),
        );
        for (const step of work) {
          for (const scenario of [timed!, fast!]) {
            scenario.do(step);
            scenario.card.settle();
          }
        }

        expect(fast!.card.wire.map(({ bytes }) => bytes)).toEqual(timed!.card.wire.map(({ bytes }) => bytes));
        expect(functional(fast!)).toEqual(functional(timed!));
        timed!.memory().forEach((memory, fn) => expect([fn, memory.compare(fast!.memory()[fn]!)]).toEqual([fn, 0]));
      }),
      { seed: 6, numRuns: 40 },
    );
  });
});

describe('the structure of the card', () => {
  const structure = fc.record({
    'queue.jobs': fc.constantFrom(1, 2, 7, 32),
    'descriptor.block': fc.constantFrom(1, 2, 8, 16),
    'link.mps_bytes': fc.constantFrom(128, 512, 4096),
    'link.mrrs_bytes': fc.constantFrom(128, 256, 4096),
    'link.completion_bytes': fc.constantFrom(64, 128),
    'link.tags': fc.constantFrom(1, 2, 256),
    'fetch.line': fc.constantFrom(0, 1),
    'credit.host_ph': fc.constantFrom(1, 64),
    'credit.host_nph': fc.constantFrom(1, 64),
    'net.transmit_engines': fc.constantFrom(1, 4),
  });

  it('changes times, and nothing that a driver finds when each step is settled', () => {
    fc.assert(
      fc.property(steps(20), structure, features, (work, profile, bits) => {
        const cards = [{}, profile].map((values) => new Scenario({ profile: values, build: 'debug' }, bits));
        for (const step of work) {
          for (const scenario of cards) {
            scenario.do(step);
            scenario.card.settle();
          }
        }

        const [plain, other] = cards;
        expect(other!.card.wire.map(({ bytes }) => bytes)).toEqual(plain!.card.wire.map(({ bytes }) => bytes));
        expect(functional(other!)).toEqual(functional(plain!));
        plain!.memory().forEach((memory, fn) => expect([fn, memory.compare(other!.memory()[fn]!)]).toEqual([fn, 0]));
      }),
      { seed: 9, numRuns: 30 },
    );
  });
});

describe('frames', () => {
  const sum = (counters: Readonly<Record<string, number>>, test: RegExp): number =>
    Object.entries(counters).reduce((total, [name, n]) => (test.test(name) ? total + n : total), 0);

  it('put in unicast = received + out on the wire + dropped by cause, when the card is at rest', () => {
    const unicast = steps(40).map((work) =>
      work.map((step) => ('to' in step && step.to === FUNCTIONS ? { ...step, to: 1 } : step)),
    );
    fc.assert(
      fc.property(unicast, fc.constantFrom('timed' as const, 'functional' as const), features, (work, mode, bits) => {
        const scenario = new Scenario({ mode, build: 'release' }, bits);
        const { card } = scenario;
        work.forEach((step) => scenario.do(step));
        card.settle();

        const ports = scenario.functions.map(({ counters }) => counters);
        const received = ports.reduce((total, counters) => total + counters['rx_frames']!, 0);
        const dropped = ports.reduce((total, counters) => total + sum(counters, /^[tr]x_drop_/), 0);
        const lost = sum(card.nic.counters(), /^wire_rx_(?:no_match|no_buffer|bad_length)$/);

        expect(received + card.wire.length + dropped + lost).toBe(scenario.put);
        expect(scenario.functions.every((fn) => fn.ring(1).usedIdx === fn.ring(1).availIdx)).toBe(true);
      }),
      { seed: 7, numRuns: 40 },
    );
  });

  it('every admin command is answered', () => {
    fc.assert(
      fc.property(steps(40), fc.constantFrom('timed' as const, 'functional' as const), (work, mode) => {
        const scenario = new Scenario({ mode, build: 'release' });
        work.forEach((step) => scenario.do(step));
        scenario.card.settle();

        const ring = scenario.functions[0]!.ring(3);
        expect(ring.usedIdx).toBe(ring.availIdx);
        expect(ring.usedSince(0).every(({ len }) => len >= 8)).toBe(true);
      }),
      { seed: 8, numRuns: 20 },
    );
  });
});
