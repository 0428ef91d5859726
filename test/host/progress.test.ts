// SPDX-License-Identifier: Apache-2.0
// Progress on a terminal: nothing for short work or in a pipe, then how much of the work, and of the time, is over.
import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { runAdminBench } from '../../src/measure/admin_report.ts';
import { Steps } from '../../src/measure/steps.ts';
import { Progress } from '../../src/cli/kit/output.ts';

describe('a bar', () => {
  beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }));
  afterEach(() => vi.useRealTimers());

  /** Something to write to, and what stands there. */
  function screen(columns: number, isTTY = true): { stream: PassThrough; text: () => string } {
    const stream = Object.assign(new PassThrough(), { isTTY, columns });
    return { stream, text: () => String(stream.read() ?? '') };
  }

  it('comes after two seconds, and counts from the beginning of the work', () => {
    const { stream, text } = screen(80);
    const progress = new Progress('bench', stream);

    vi.advanceTimersByTime(2000);
    progress.update(1, 100);
    expect(text()).toBe('');
    vi.advanceTimersByTime(500);
    progress.update(2, 100);
    // 2 of 100 took 2.5 s: the other 98 take 49 times as long, 122.5 s, in whole seconds 123
    expect(text()).toContain('] 2% 2m3s left');
    vi.advanceTimersByTime(2500);
    progress.update(50, 100);
    expect(text()).toContain('] 50% 5s left');
    progress.stop();
  });

  it('is not drawn where nobody watches', () => {
    const { stream, text } = screen(80, false);
    const progress = new Progress('bench', stream);

    vi.advanceTimersByTime(60_000);
    progress.update(1, 2);
    progress.stop();

    expect(text()).toBe('');
  });

  it.each([80, 40])('fits %i columns and leaves the terminal as it was', (columns) => {
    const { stream, text } = screen(columns);
    const progress = new Progress('bench admin', stream);

    vi.advanceTimersByTime(3000);
    progress.update(1, 1000);
    const drawn = text();
    progress.stop();

    const line = /bench admin.*left/.exec(drawn)![0];
    expect(line).toMatch(/^bench admin \[-+\] 0% 49m57s left$/); // 3 s * 999 = 2997 s
    expect(line.length).toBeLessThan(columns);
    expect(drawn).not.toContain('\x1b[?7l'); // line wrapping off: it would stay so after Ctrl-C
  });
});

describe('steps', () => {
  it('count by their sizes, and by the parts of a long one', () => {
    const told: [number, number][] = [];
    const steps = new Steps(10, (done, total) => told.push([done, total]));

    const result = steps.run(8, (onPart) => {
      onPart(1, 4);
      onPart(3, 4);
      return 'long';
    });
    steps.run(2, () => {});

    expect(result).toBe('long');
    // a quarter of 8, three quarters of 8, 8, 8 + 2
    expect(told.map(([done]) => done)).toEqual([2, 6, 8, 10]);
    expect(told.every(([, total]) => total === 10)).toBe(true);
  });

  it('of the administration benchmark begin at 0, end at all, and none is long', () => {
    const shares = [0];
    runAdminBench({ quick: true }, (done, total) => shares.push(done / total));

    expect(shares.at(-1)).toBeCloseTo(1, 9);
    const leaps = shares.slice(1).map((share, i) => share - shares[i]!);
    expect(Math.min(...leaps)).toBeGreaterThanOrEqual(0);
    // 52 steps and the 2,000 samples of the longest: the largest single one, a point of a sweep, is some 1 of 100
    expect(Math.max(...leaps)).toBeLessThan(0.05);
  });
});
