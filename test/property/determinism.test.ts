// SPDX-License-Identifier: Apache-2.0
// The same work gives the same card, bit for bit: however time is cut into calls, on either build, a second time, and
// from a snapshot taken anywhere.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { F } from '../support/registers.ts';
import { Scenario, steps } from './support/scenario.ts';

const modes = fc.constantFrom('timed' as const, 'functional' as const);
const features = fc.constantFrom<number[]>([], [F.EVENT_IDX], [F.EVENT_IDX, F.MRG_RXBUF]);

describe('the same work', () => {
  it('run(a), run(b), ... equals run(a + b + ...), in state and in every output', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 800 }), { maxLength: 30 });
    fc.assert(
      fc.property(steps(12), cuts, features, (work, pieces, bits) => {
        const [whole, cut] = [new Scenario({ build: 'release' }, bits), new Scenario({ build: 'release' }, bits)];
        for (const scenario of [whole, cut]) work.forEach((step) => scenario.do(step));
        const end = whole.card.nic.now() + 8000;

        whole.card.nic.advance(end);
        for (const piece of pieces) cut.card.nic.advance(Math.min(end, cut.card.nic.now() + piece), piece % 2 === 0);
        cut.card.nic.advance(end);

        expect(cut.outputs()).toEqual(whole.outputs());
        expect(cut.card.nic.digest()).toBe(whole.card.nic.digest());
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it('debug and release cores agree after every step', () => {
    fc.assert(
      fc.property(steps(20), modes, features, (work, mode, bits) => {
        const builds = (['debug', 'release'] as const).map((build) => new Scenario({ build, mode }, bits));
        for (const step of work) {
          for (const scenario of builds) scenario.do(step);
          expect(builds[0]!.card.nic.digest()).toBe(builds[1]!.card.nic.digest());
        }
        for (const scenario of builds) scenario.card.settle();

        expect(builds[0]!.outputs()).toEqual(builds[1]!.outputs());
        expect(builds[0]!.card.nic.digest()).toBe(builds[1]!.card.nic.digest());
      }),
      { seed: 2, numRuns: 30 },
    );
  });

  it('done twice gives the same digest', () => {
    fc.assert(
      fc.property(steps(20), modes, (work, mode) => {
        const digests = [1, 2].map(() => {
          const scenario = new Scenario({ mode, build: 'release' });
          work.forEach((step) => scenario.do(step));
          scenario.card.settle();
          return scenario.card.nic.digest();
        });

        expect(digests[0]).toBe(digests[1]);
      }),
      { seed: 3, numRuns: 20 },
    );
  });
});

describe('snapshots', () => {
  it('a card that is put back goes on as it did, commands and frames in work included', () => {
    fc.assert(
      fc.property(steps(12), fc.nat({ max: 1500 }), steps(8), modes, (before, cycles, after, mode) => {
        const scenario = new Scenario({ mode, build: 'release' });
        const { card } = scenario;
        before.forEach((step) => scenario.do(step));
        card.nic.advance(card.nic.now() + cycles);
        const snapshot = card.nic.snapshot();
        const { put } = scenario;
        const run = (): [string, string[]] => {
          card.messages.length = 0;
          card.wire.length = 0;
          scenario.put = put;
          scenario.resume();
          after.forEach((step) => scenario.do(step));
          card.settle();
          return [card.nic.digest(), scenario.outputs()];
        };

        const first = run();
        card.nic.restore(snapshot);
        const second = run();

        expect(second).toEqual(first);
      }),
      { seed: 4, numRuns: 30 },
    );
  });

  it('another card of the same configuration goes on from it as well', () => {
    fc.assert(
      fc.property(steps(12), fc.nat({ max: 1500 }), (before, cycles) => {
        const [one, other] = [new Scenario({ build: 'release' }), new Scenario({ build: 'debug' })];
        before.forEach((step) => one.do(step));
        one.card.nic.advance(one.card.nic.now() + cycles);
        one.card.messages.length = 0;
        one.card.wire.length = 0;
        other.card.messages.length = 0;

        other.card.nic.restore(one.card.nic.snapshot());
        expect(other.card.nic.digest()).toBe(one.card.nic.digest());
        for (const scenario of [one, other]) scenario.card.settle();

        expect(other.outputs()).toEqual(one.outputs());
        expect(other.card.nic.digest()).toBe(one.card.nic.digest());
      }),
      { seed: 5, numRuns: 20 },
    );
  });

  it('taking one changes nothing', () => {
    const scenario = new Scenario({ build: 'release' });
    scenario.do({ kind: 'send', fn: 1, to: 2, lengths: [60] });
    const digest = scenario.card.nic.digest();

    scenario.card.nic.snapshot();

    expect(scenario.card.nic.digest()).toBe(digest);
  });
});
