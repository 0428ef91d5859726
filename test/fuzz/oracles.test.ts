// SPDX-License-Identifier: Apache-2.0
// The oracles of the card's targets can fail: each is shown a card that broke its rule, or an executor that lies about it.
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { FUNCTIONS } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import { bootExecutor } from '../../src/fuzz/card_target.ts';
import type { Executor } from '../../src/fuzz/executor.ts';
import { checkRun } from '../../src/fuzz/oracles.ts';
import { encodeProgram, type OperationFields } from '../../src/fuzz/program.ts';
import { ThoroughCheck } from '../../src/fuzz/thorough.ts';

/** Layout of a slice, typed again: rings of 0x400 bytes, used ring at 0x180. */
const RING = 0x400;
const USED = 0x180;
const TX = 1;
const MAPPED = 0x7000;
/** Descriptor flags, virtio 1.4 §2.7.5. */
const [NEXT, INDIRECT] = [1, 4];

const words = (operations: readonly OperationFields[]): Uint32Array =>
  new Uint32Array(encodeProgram(operations).buffer);
const send: OperationFields = { name: 'transmit', fn: 1, a: 6, offset: 60 };

describe('after a run', () => {
  let executor: Executor;

  beforeEach(() => {
    executor = bootExecutor('rings', 'functional', {});
    executor.reset();
  });

  /** Runs a frame of VF 1, breaks something, and asks. */
  const ask = (breakIt: () => void): string | undefined => {
    executor.execute(words([send]));
    expect(checkRun(executor)).toBeNull();
    breakIt();
    return checkRun(executor)?.oracle;
  };
  /** The host writes like the card would: announced. */
  const put32 = (at: number, value: number): void => {
    executor.card.pins.willWrite(at, 4);
    executor.card.u32[at >> 2] = value;
  };

  const usedIndex = (): number => executor.card.u16[(executor.card.at(1, TX * RING + USED) + 2) >> 1]!;

  it('a chain that was announced and is not used is O2', () => {
    expect(ask(() => executor.books.kicked[4 + TX]!++)).toBe('O2');
  });

  it('an id that was not made available is O3', () => {
    expect(ask(() => put32(executor.card.at(1, TX * RING + USED + 4), 9))).toBe('O3');
  });

  it('more bytes than there is room for is O3', () => {
    expect(ask(() => put32(executor.card.at(1, TX * RING + USED + 8), 1))).toBe('O3');
  });

  it('one used chain more than were made available is O3', () => {
    expect(ask(() => put32(executor.card.at(1, TX * RING + USED), 2 * 0x10000))).toBe('O3');
  });

  it('a bad chain that a doorbell announces, and the card takes, is O8', () => {
    const nothing = words([
      { name: 'available', fn: 1, b: TX, value: 12 },
      { name: 'descriptor', fn: 1, a: 12, b: TX, offset: 0x3000, value: 0, value2: NEXT + INDIRECT },
    ]);
    executor.execute(nothing);
    vi.spyOn(executor.card, 'hasStopped').mockReturnValue(false);

    executor.execute(words([{ name: 'kick', fn: 1, b: TX }]));

    expect(executor.driver.violation?.oracle).toBe('O8');
  });

  // A doorbell goes by its value (virtio 1.4 §4.1.5.2): queue 1 is rung in the place of queue 0, and takes the chain while it
  // is a good one. What its driver writes afterwards is none of the card's business.
  it.each([
    ['by its value in the place of another queue', { name: 'kick', fn: 1, a: 1, b: 0, value: TX }],
    ['by a write to the notification structure', { name: 'mmioWrite', fn: 1, a: 1, b: 2, offset: 0x3000, value: TX }],
  ] as const)('a chain that was announced %s is not judged by what its descriptor became', (_, doorbell) => {
    executor.execute(
      words([
        { name: 'available', fn: 1, b: TX, value: 12 },
        doorbell,
        { name: 'descriptor', fn: 1, a: 12, b: TX, offset: 0x3000, value: 0, value2: NEXT + INDIRECT },
        { name: 'kick', fn: 1, b: TX },
      ]),
    );

    expect(usedIndex()).toBe(1);
    expect(executor.driver.violation).toBeNull();
  });

  it('a byte behind the mapped part of a slice is O4', () => {
    expect(ask(() => put32(executor.card.at(1, MAPPED + 0x100), 1))).toBe('O4');
  });

  it('a byte of a function that nobody addressed is O5', () => {
    expect(ask(() => put32(FUNCTIONS + 3 * FN.STRIDE + 0x800, 1))).toBe('O5');
  });

  it('a tag that is still in use is O10', () => {
    expect(ask(() => put32(CTL.TAGS_USED, 1))).toBe('O10');
  });

  it('a clock that went back is O10', () => {
    expect(
      ask(() => {
        executor.hasGoneBack = true;
      }),
    ).toBe('O10');
  });

  it('state beside the arena is O9', () => {
    expect(ask(() => put32(0x8000, 1))).toBe('O9');
  });

  it('a pending bit of a vector that may fire is O12', () => {
    expect(ask(() => put32(FUNCTIONS + FN.STRIDE + FN.MSIX_PBA, 2))).toBe('O12');
  });

  it('a chain used without a message is O12', () => {
    expect(ask(() => executor.books.messages.fill(0))).toBe('O12');
  });
});

describe('a thorough check', () => {
  const program = words([send, { name: 'mmioRead', fn: 1, a: 2, b: 2, offset: 0x14 }]);
  const check = (executor: Executor): string | undefined =>
    new ThoroughCheck(executor).check(program, program.length)?.oracle;

  it.each(['functional', 'timed'] as const)('finds nothing in a good card, %s', (mode) => {
    expect(check(bootExecutor('rings', mode, {}))).toBeUndefined();
  });

  it('finds memory that was written where no buffer is: O4', () => {
    const executor = bootExecutor('rings', 'functional', {});
    const thorough = new ThoroughCheck(executor);
    const { settle } = executor;
    vi.spyOn(executor, 'settle').mockImplementation(() => {
      settle.call(executor);
      executor.card.pins.willWrite(executor.card.at(2, 0x3900), 1);
      executor.card.u8[executor.card.at(2, 0x3900)] = 1;
    });

    expect(thorough.check(program, program.length)?.oracle).toBe('O4');
  });

  it('finds a register that is not what the model says: O8', () => {
    const executor = bootExecutor('rings', 'functional', {});
    const thorough = new ThoroughCheck(executor);
    const { card } = executor;
    const { read } = card;
    vi.spyOn(card, 'read').mockImplementation((fn, bar, offset, size) => {
      const value = read.call(card, fn, bar, offset, size);
      if (offset === 0x12 && size === 2) card.observer?.read(fn, bar, offset, size, value ^ 1);
      return value;
    });

    const asks = words([{ name: 'mmioRead', fn: 1, a: 1, b: 2, offset: 0x12 }]);
    expect(thorough.check(asks, asks.length)?.oracle).toBe('O8');
  });

  it('finds a program that does not do the same again: O9', () => {
    const executor = bootExecutor('rings', 'functional', {});
    const thorough = new ThoroughCheck(executor);
    let runs = 0;
    const { executeOne } = executor;
    vi.spyOn(executor, 'executeOne').mockImplementation((all, index) => {
      executeOne.call(executor, all, index);
      executor.note(runs++);
    });

    expect(thorough.check(program, program.length)?.oracle).toBe('O9');
  });

  it('finds what a reset leaves behind: O6', () => {
    const executor = bootExecutor('rings', 'functional', {});
    const thorough = new ThoroughCheck(executor);
    vi.spyOn(executor.driver, 'flr').mockImplementation(() => {});

    expect(thorough.check(program, program.length)?.oracle).toBe('O6');
  });
});
