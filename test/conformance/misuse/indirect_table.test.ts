// SPDX-License-Identifier: Apache-2.0
// Indirect descriptors as they must not be: virtio 1.4 §2.7.5.3.1 tells drivers not to nest them, not to set NEXT beside
// INDIRECT, and not to use them unless negotiated.
import { describe, expect, it } from 'vitest';

import { indirect, readable, submit } from '../ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { INDIRECT, NEXT } from '../../support/raw_ring.ts';
import { F, TX } from '../../support/registers.ts';
import { BAD, Bench, stopped, UNHARMED } from './support/bench.ts';

describe.each(MODES)('%s', (mode) => {
  const bench = (features: readonly number[] = [F.INDIRECT_DESC]): Bench => new Bench({ mode }, { features });
  const good = packet(frame(STRANGER, macOf(BAD)));

  it('D09 an indirect descriptor although the feature was not negotiated', () => {
    const at = bench([]);

    submit(at.bad, TX, [indirect(at.bad, readable(at.bad, good))]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_indirect');
  });

  it('D09 a table within a table', () => {
    const at = bench();
    const inner = indirect(at.bad, readable(at.bad, good));

    submit(at.bad, TX, [indirect(at.bad, [inner], true)]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_indirect');
  });

  it('D09 a table that holds itself', () => {
    const at = bench();
    const table = at.bad.memory.alloc(16, 16);
    const addr = at.bad.memory.iova(table);
    at.bad.memory.u32.set([addr >>> 0, 1, 16, INDIRECT], table >> 2);

    submit(at.bad, TX, [{ addr, len: 16, flags: INDIRECT }]);

    expect(at.verdict()).toBe('stopped: bad_indirect');
  });

  it('D09 NEXT beside INDIRECT', () => {
    const at = bench();
    const table = indirect(at.bad, readable(at.bad, good));
    at.bad.ring(TX).describe(0, { ...table, flags: INDIRECT | NEXT, next: 1 });
    at.bad.ring(TX).describe(1, readable(at.bad, good)[0]!);
    at.bad.ring(TX).offer(0);

    at.bad.kick(TX);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_indirect');
  });

  it.each([1, 15, 17, 24, 0xffff_ffff])('D09 a table of %i bytes', (len) => {
    const at = bench();

    submit(at.bad, TX, [{ ...indirect(at.bad, readable(at.bad, good)), len }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_indirect');
  });

  it('D09 a table of no bytes', () => {
    const at = bench();

    submit(at.bad, TX, [{ ...indirect(at.bad, readable(at.bad, good)), len: 0 }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_indirect');
  });

  it.each([17, 4096, 0x1000_0000 - 1])('D09 a table that claims %i entries and uses one', (entries) => {
    const at = bench();

    submit(at.bad, TX, [{ ...indirect(at.bad, readable(at.bad, good)), len: 16 * entries }]);

    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_indirect', 'bad_dma', 'bad_loop')]);
  });

  it('D03 a table with more entries in use than the queue has', () => {
    const at = bench();
    const pieces = readable(at.bad, ...Array.from({ length: 40 }, (_, i) => good.slice(i, i + 1)), good.slice(40));

    submit(at.bad, TX, [indirect(at.bad, pieces)]);

    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_loop', 'bad_indirect')]);
  });

  it.each([1, 2, 0xffff])('D04 next is %i in a table of one', (next) => {
    const at = bench();
    const [entry] = readable(at.bad, good);

    submit(at.bad, TX, [indirect(at.bad, [{ ...entry!, flags: NEXT, next }], true)]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBeOneOf(stopped('bad_next', 'bad_indirect'));
  });

  it.each([0, 1])('D01 a loop back to entry %i of a table', (next) => {
    const at = bench();
    const [entry] = readable(at.bad, good.slice(0, 2));
    const entries = [
      { ...entry!, flags: NEXT, next: 1 },
      { ...entry!, flags: NEXT, next },
    ];

    submit(at.bad, TX, [indirect(at.bad, entries, true)]);

    expect(at.verdict()).toBe('stopped: bad_loop');
  });

  it('D15 a table that is not mapped', () => {
    const at = bench();

    submit(at.bad, TX, [{ addr: 0x7777_0000, len: 16, flags: INDIRECT }]);

    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  it('D15 a table whose second half is not mapped is refused only when it is needed', () => {
    const at = bench();
    const end = at.bad.memory.size;
    const [entry] = readable(at.bad, good);
    const last = end - 16;
    at.bad.memory.u32.set([entry!.addr >>> 0, 1, entry!.len, NEXT | (1 << 16)], last >> 2);

    submit(at.bad, TX, [{ addr: at.bad.memory.iova(last), len: 32, flags: INDIRECT }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_dma');
  });
});
