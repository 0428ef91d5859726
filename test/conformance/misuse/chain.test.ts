// SPDX-License-Identifier: Apache-2.0
// Broken descriptor chains: loops, links out of the table, wrong directions, absurd lengths. Each one stops the function
// with DEVICE_NEEDS_RESET (virtio 1.4 §2.1.2) under its own cause, and nothing else.
import { describe, expect, it } from 'vitest';

import { readable, submit, writable } from '../ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { NEXT, WRITE } from '../../support/raw_ring.ts';
import { BAD, Bench, stopped, type Cause, UNHARMED } from './support/bench.ts';
import { RX, TX } from '../../support/registers.ts';

const SIZE = 16;

describe.each(MODES)('%s', (mode) => {
  const bench = (): Bench => new Bench({ mode });
  const good = packet(frame(STRANGER, macOf(BAD)));

  it.each([TX, RX])('D01 a descriptor that links to itself, queue %i', (queue) => {
    const at = bench();
    const flags = queue === RX ? WRITE | NEXT : NEXT;
    at.bad.ring(queue).describe(3, { addr: at.bad.space(16), len: 16, flags, next: 3 });
    at.bad.ring(queue).offer(3);

    at.bad.kick(queue);
    at.card.arrive(frame(macOf(BAD), STRANGER)); // a receive chain is walked when it is needed

    expect(at.verdict()).toBe('stopped: bad_loop');
  });

  it.each([TX, RX])('D02 two descriptors that link to each other, queue %i', (queue) => {
    const at = bench();
    const flags = queue === RX ? WRITE | NEXT : NEXT;
    at.bad.ring(queue).describe(3, { addr: at.bad.space(16), len: 1, flags, next: 9 });
    at.bad.ring(queue).describe(9, { addr: at.bad.space(16), len: 1, flags, next: 3 });
    at.bad.ring(queue).offer(9);

    at.bad.kick(queue);
    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.verdict()).toBe('stopped: bad_loop');
  });

  it('D02 a loop of zero-length descriptors ends as well', () => {
    const at = bench();
    at.bad.ring(TX).describe(0, { addr: 0, len: 0, flags: NEXT, next: 1 });
    at.bad.ring(TX).describe(1, { addr: 0, len: 0, flags: NEXT, next: 0 });
    at.bad.ring(TX).offer(0);

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_loop');
  });

  it('D03 a chain through the whole table whose last link goes on', () => {
    const at = bench();
    const [descriptor] = readable(at.bad, good);
    for (let i = 0; i < SIZE; i++) {
      at.bad.ring(TX).describe(i, { ...descriptor!, len: 4, flags: NEXT, next: (i + 1) % SIZE });
    }
    at.bad.ring(TX).offer(0);

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_loop');
  });

  it.each([SIZE, SIZE + 1, 0x7fff, 0xffff])('D04 next is %i in a table of 16', (next) => {
    const at = bench();
    at.bad.ring(TX).describe(0, { ...readable(at.bad, good)[0]!, flags: NEXT, next });
    at.bad.ring(TX).offer(0);

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_next');
  });

  it('D06 a transmit chain of nothing but zero lengths is a short packet', () => {
    const at = bench();

    submit(
      at.bad,
      TX,
      [0, 0, 0].map(() => ({ addr: 0, len: 0 })),
    );

    expect(at.bad.counters['tx_drop_short']).toBe(1);
    expect(at.bad.ring(TX).usedSince(0)).toEqual([{ id: 0, len: 0 }]);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('D06 a receive buffer of no bytes gets no frame', () => {
    const at = bench();
    submit(at.bad, RX, [{ addr: 0, len: 0, flags: WRITE }]);

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.bad.counters['rx_frames']).toBe(0);
    expect(at.bad.counters['rx_drop_too_small']).toBe(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('D07 a transmit descriptor of 2^32 - 1 bytes', () => {
    const at = bench();

    submit(at.bad, TX, [{ ...readable(at.bad, good)[0]!, len: 0xffff_ffff }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_length', 'bad_dma')]);
  });

  it('D07 lengths that sum up to 2^32 and more', () => {
    const at = bench();
    const [descriptor] = readable(at.bad, good);

    submit(
      at.bad,
      TX,
      [0x8000_0000, 0x8000_0000, good.length].map((len) => ({ ...descriptor!, len })),
    );

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_length');
  });

  it('D07 lengths that sum up to 2^32 and a good packet do not pass for one', () => {
    const at = bench();
    const [descriptor] = readable(at.bad, good);

    submit(at.bad, TX, [
      { ...descriptor!, len: good.length },
      { ...descriptor!, len: 0xffff_ffff },
      { ...descriptor!, len: 1 },
    ]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_length');
  });

  it('D07 receive lengths beyond 2^32', () => {
    const at = bench();
    const [descriptor] = writable(at.bad, 200);
    submit(at.bad, RX, [
      { ...descriptor!, len: 0xffff_ffff },
      { ...descriptor!, len: 0xffff_ffff },
    ]);

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.verdict()).toBe('stopped: bad_length');
  });

  it('D07 a receive descriptor of 2^32 - 1 bytes takes a frame or is refused', () => {
    const at = bench();
    submit(at.bad, RX, [{ ...writable(at.bad, 200)[0]!, len: 0xffff_ffff }]);

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_length', 'bad_dma')]);
  });

  const ORDERS: [string, number, number[], Cause[]][] = [
    ['transmit: writable before readable', TX, [WRITE, 0], ['bad_order']],
    ['transmit: readable, writable, readable', TX, [0, WRITE, 0], ['bad_order']],
    ['receive: readable alone', RX, [0], ['bad_chain']],
    ['receive: readable, then writable', RX, [0, WRITE], ['bad_chain']],
    ['receive: writable, then readable', RX, [WRITE, 0], ['bad_order', 'bad_chain']],
  ];
  it.each(ORDERS)('D08 %s', (_, queue, directions, causes) => {
    const at = bench();
    const addr = at.bad.place(good);
    submit(
      at.bad,
      queue,
      directions.map((flags) => ({ addr, len: good.length, flags })),
    );

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.card.wire).toEqual([]);
    expect(at.bad.bytesAt(addr, good.length)).toEqual(good);
    expect(at.verdict()).toBeOneOf(stopped(...causes));
  });

  it.each([
    ['writable alone', [WRITE]],
    ['readable, then writable', [0, WRITE]],
  ])('D08 transmit: %s: refused, or the writable part is left alone', (_, directions) => {
    const at = bench();
    const addr = at.bad.place(good);
    const descriptors = directions.map((flags) => ({ addr, len: good.length, flags }));

    submit(at.bad, TX, descriptors);

    expect(at.bad.bytesAt(addr, good.length)).toEqual(good);
    expect(at.card.wire.length).toBeLessThanOrEqual(1);
    expect(
      at.bad
        .ring(TX)
        .usedSince(0)
        .every(({ len }) => len === 0),
    ).toBe(true);
    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_chain')]);
  });

  it('flag bits that are not defined are put up with or refused', () => {
    const at = bench();

    submit(at.bad, TX, [{ ...readable(at.bad, good)[0]!, flags: 0xfff8 }]);

    expect(at.verdict()).toBeOneOf([UNHARMED, ...stopped('bad_chain', 'bad_indirect')]);
  });
});
