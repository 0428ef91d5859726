// SPDX-License-Identifier: Apache-2.0
// What many cases do: calls that have to be refused, frames that have to leave, moments in the middle of work.
import { VfioError, type ErrnoName } from '../../util/errors.ts';
import type { Bench } from '../bench.ts';
import type { Case } from '../case.ts';
import { must, Misbehaviour, type Outcome } from '../verdict.ts';

/** Delays in cycles, from 0 on. */
export function delays(count: number, step: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i * step);
}

/** Each of the calls has to be refused with this errno. */
export function mustRefuse(code: ErrnoName, ...calls: readonly (() => unknown)[]): Outcome {
  calls.forEach((call, i) => {
    try {
      call();
    } catch (error) {
      if (error instanceof VfioError && error.code === code) return;
      throw error;
    }
    throw new Misbehaviour(`call ${i + 1} of ${calls.length} is not refused with ${code}`);
  });
  return 'error';
}

/** The frames that left since `from` frames had left are `count` times this one. */
export function mustHaveLeft({ wire }: Bench, from: number, frame: Uint8Array, count = 1): void {
  const left = wire.slice(from);
  must(left.length === count, `${left.length} frames left the card, and ${count} were sent`);
  must(
    left.every((one) => Buffer.compare(one, frame) === 0),
    'a frame did not leave as it is',
  );
}

/** No frame has left since the act began. */
export function mustHaveKept({ wire, sentBefore }: Bench): void {
  must(wire.length === sentBefore, `${wire.length - sentBefore} frames left the card`);
}

/** Makes the cases of one setup: each begins with `start`, and its run is given what that returns. */
export function casesOf<T>(setup: Case['setup'], start: (bench: Bench) => T) {
  return (
    id: string,
    act: string,
    clause: string,
    allowed: readonly Outcome[],
    run: (started: T, bench: Bench) => Outcome,
    more: Partial<Case> = {},
  ): Case => ({ id, act, clause, allowed, setup, ...more, run: (bench) => run(start(bench), bench) });
}

/** A case of the admin queue: the PF uses every command that it has. */
export const adminCase = casesOf('admin', ({ admin }) => {
  admin.useAll();
  return admin;
});
