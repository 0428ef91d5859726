// SPDX-License-Identifier: Apache-2.0
// Receive buffers no packet fits into, and frames from the wire at their limits.
import { describe, expect, it } from 'vitest';

import { submit, writable } from '../ring/support/buffers.ts';
import { frame, HEADER, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { WRITE } from '../../support/raw_ring.ts';
import { F, RX } from '../../support/registers.ts';
import { BAD, Bench, UNHARMED } from './support/bench.ts';

describe.each(MODES)('%s', (mode) => {
  const bench = (features: readonly number[] = [F.MRG_RXBUF]): Bench =>
    new Bench({ mode, queueSize: 256 }, { features });
  const arriving = (length = 60): Uint8Array => frame(macOf(BAD), STRANGER, length);

  /** Offers buffers of these lengths from descriptor 0 on. */
  function offer(at: Bench, lengths: readonly number[]): void {
    const space = at.bad.space(8192);
    let from = 0;
    lengths.forEach((len, i) => {
      at.bad.ring(RX).describe(i, { addr: space + from, len, flags: WRITE });
      from += len;
    });
    at.bad.ring(RX).offer(...lengths.map((_, i) => i));
    at.bad.kick(RX);
  }

  it('N10 mergeable buffers of one byte: the frame is spread out or dropped and counted', () => {
    const at = bench();
    offer(
      at,
      Array.from({ length: 250 }, () => 1),
    );

    at.card.arrive(arriving());

    const { rx_frames, rx_drop_no_buffer, rx_drop_too_small } = at.bad.counters;
    expect(rx_frames! + rx_drop_no_buffer! + rx_drop_too_small!).toBe(1);
    expect(at.bad.ring(RX).usedIdx).toBe(rx_frames === 1 ? HEADER + 60 : 0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([1, 11, 12])('N10 a first mergeable buffer of %i bytes, then enough', (first) => {
    const at = bench();
    offer(at, [first, 2000]);

    at.card.arrive(arriving());

    const { rx_frames, rx_drop_no_buffer, rx_drop_too_small } = at.bad.counters;
    expect(rx_frames! + rx_drop_no_buffer! + rx_drop_too_small!).toBe(1);
    if (rx_frames === 1)
      expect(
        at.bad
          .ring(RX)
          .usedSince(0)
          .map(({ len }) => len),
      ).toEqual([first, 72 - first]);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('N10 mergeable buffers of no bytes at all end in a drop', () => {
    const at = bench();
    offer(
      at,
      Array.from({ length: 200 }, () => 0),
    );

    at.card.arrive(arriving());

    expect(at.bad.counters['rx_frames']).toBe(0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('N10 mergeable buffers of no bytes between good ones take nothing or end in a drop', () => {
    const at = bench();
    offer(at, [0, 40, 0, 0, 40, 0]);

    at.card.arrive(arriving());

    const used = at.bad
      .ring(RX)
      .usedSince(0)
      .reduce((sum, { len }) => sum + len, 0);
    expect(used).toBe(at.bad.counters['rx_frames'] === 1 ? HEADER + 60 : 0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('a frame for which 256 small mergeable buffers are too few is dropped, and small frames still pass', () => {
    const at = bench();
    offer(
      at,
      Array.from({ length: 256 }, () => 5),
    );

    at.card.arrive(arriving(1500));
    at.card.arrive(arriving(28)); // 40 bytes: 8 buffers

    expect(at.bad.counters).toMatchObject({ rx_frames: 1, rx_drop_no_buffer: 1 });
    expect(at.bad.ring(RX).usedIdx).toBe(8);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('N10 without mergeable buffers, a thousand frames against one buffer that is too small', () => {
    const at = bench([]);
    submit(at.bad, RX, writable(at.bad, 20));

    for (let i = 0; i < 1000; i++) at.card.arrive(arriving());

    expect(at.bad.counters['rx_frames']).toBe(0);
    const { rx_drop_too_small, rx_drop_no_buffer } = at.bad.counters;
    expect(rx_drop_too_small! + rx_drop_no_buffer!).toBe(1000);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([14, 9216])('a frame of %i bytes from the wire is taken or dropped', (length) => {
    const at = bench();
    offer(at, [4000, 4000]);

    at.card.arrive(arriving(length));

    expect(at.bad.counters['rx_frames']).toBe(length === 14 ? 1 : 0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([0, 13, 9217, 100_000])(
    'the wire port refuses a frame of %i bytes with an error for its caller',
    (length) => {
      const at = bench();

      expect(() => at.card.nic.receiveFrame(new Uint8Array(length))).toThrow(
        expect.objectContaining({ code: 'FRAME' }),
      );

      expect(at.verdict()).toBe(UNHARMED);
    },
  );
});
