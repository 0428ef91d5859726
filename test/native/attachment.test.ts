// SPDX-License-Identifier: Apache-2.0
// How something outside goes and comes back: one line each way, counters, and attempts that become rarer.
import { beforeEach, expect, it } from 'vitest';

import { Attachment } from '../../src/native/attachment.ts';

let lines: string[];
let one: Attachment;
beforeEach(() => {
  lines = [];
  one = new Attachment('tap:tap0', (line) => lines.push(line));
});

/** Times in milliseconds, within `forMs`, at which it is tried again in vain; it is asked every millisecond. */
function attempts(fromMs: number, forMs: number): number[] {
  const times: number[] = [];
  for (let now = fromMs; now < fromMs + forMs; now++) one.retry(now, () => times.push(now - fromMs));
  return times;
}

it('is said once for each way, and counted', () => {
  one.lose('gone', 0);
  one.lose('still gone', 1);
  one.restore('back', 5000);
  one.restore('back', 5001);
  one.lose('gone again', 10_000);

  expect(lines).toEqual(['tap:tap0: gone', 'tap:tap0: back', 'tap:tap0: gone again']);
  expect(one).toMatchObject({ state: 'away', losses: 2, returns: 1, reason: 'gone again' });
});

it('is tried after 100 ms, then after pauses that double up to 2 s', () => {
  one.lose('gone', 0);

  // 100, +200, +400, +800, +1600, +2000, +2000
  expect(attempts(0, 8000)).toEqual([100, 300, 700, 1500, 3100, 5100, 7100]);
});

it('is tried soon again after it has lasted', () => {
  one.lose('gone', 0);
  attempts(0, 8000);
  one.restore('back', 8000);
  one.lose('gone', 9000);

  expect(attempts(9000, 200)).toEqual([100]);
});

it('is tried less and less, at most every 30 s, when it goes as soon as it comes', () => {
  let now = 0;
  const pauses: number[] = [];
  one.lose('gone', now);
  for (let i = 0; i < 12; i++) {
    const lostAt = now;
    while (one.state === 'away') one.retry(++now, () => one.restore('back', now));
    pauses.push(now - lostAt);
    one.lose('gone', now);
  }

  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
});

it('that has ended stays so', () => {
  one.end('no more');
  one.end('no more');
  one.lose('gone', 1);
  one.restore('back', 2);

  expect(attempts(0, 5000)).toEqual([]);
  expect(one).toMatchObject({ state: 'ended', losses: 1, returns: 0, reason: 'no more' });
  expect(lines).toEqual(['tap:tap0: no more']);
});

it('that has done its work is no loss', () => {
  one.finish('played to its end');

  expect(one).toMatchObject({ state: 'ended', losses: 0, reason: 'played to its end' });
  expect(lines).toEqual([]);
});
