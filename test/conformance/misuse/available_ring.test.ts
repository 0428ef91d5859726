// SPDX-License-Identifier: Apache-2.0
// An available ring that lies: heads beyond the queue, an index that jumps, the same head twice.
import { describe, expect, it } from 'vitest';

import { readable, submit, writable } from '../ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { F, RX, TX } from '../../support/registers.ts';
import { BAD, Bench, UNHARMED } from './support/bench.ts';

const SIZE = 16;

describe.each(MODES)('%s', (mode) => {
  const bench = (): Bench => new Bench({ mode });
  const good = packet(frame(STRANGER, macOf(BAD)));

  it('D10 a head offered twice is used twice, once for each entry', () => {
    const at = bench();
    at.bad.ring(TX).chain(readable(at.bad, good), 5);

    at.bad.ring(TX).offer(5, 5, 5);
    at.bad.kick(TX);

    expect(at.bad.ring(TX).usedSince(0)).toEqual([5, 5, 5].map((id) => ({ id, len: 0 })));
    expect(at.card.wire).toHaveLength(3);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('D10 a receive head offered twice gets two frames', () => {
    const at = bench();
    at.bad.ring(RX).chain(writable(at.bad, 200), 5);
    at.bad.ring(RX).offer(5, 5);
    at.bad.kick(RX);

    for (const seed of [1, 2]) at.card.arrive(frame(macOf(BAD), STRANGER, 60, seed));

    expect(
      at.bad
        .ring(RX)
        .usedSince(0)
        .map(({ id }) => id),
    ).toEqual([5, 5]);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([SIZE + 1, 100, 0x7fff, 0x8000, 0xffff])('D11 the index jumps by %i in a ring of 16', (jump) => {
    const at = bench();
    at.bad.ring(TX).chain(readable(at.bad, good));

    at.bad.ring(TX).publish(jump);
    at.bad.kick(TX);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_avail_idx');
  });

  it('D11 the index goes back by one after traffic', () => {
    const at = bench();
    for (let i = 0; i < 3; i++) submit(at.bad, TX, readable(at.bad, good), i);

    at.bad.ring(TX).publish(2);
    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_avail_idx');
  });

  it('D11 a jump of exactly the queue size is a full ring and no mistake', () => {
    const at = bench();
    const [descriptor] = readable(at.bad, good);
    for (let i = 0; i < SIZE; i++) at.bad.ring(TX).describe(i, descriptor!);

    at.bad.ring(TX).offer(...Array.from({ length: SIZE }, (_, i) => i));
    at.bad.kick(TX);

    expect(at.bad.ring(TX).usedIdx).toBe(SIZE);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('D11 the index of a receive ring jumps', () => {
    const at = bench();
    at.bad.ring(RX).publish(300);
    at.bad.kick(RX);

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.verdict()).toBe('stopped: bad_avail_idx');
  });

  // the buffers of a frame in work are taken and not used: half a ring of new ones is more than the ring has entries
  it('D11 buffers come that a frame in work still has', () => {
    const at = new Bench({ mode }, { features: [F.MRG_RXBUF] });
    const buffers = Array.from({ length: SIZE }, (_, id) => id);
    for (const id of buffers) at.bad.ring(RX).chain(writable(at.bad, 32), id);
    at.bad.ring(RX).offer(...buffers);
    at.bad.kick(RX);
    at.card.arrive(frame(macOf(BAD), STRANGER, 14)); // 12 + 14 bytes take one
    expect(at.bad.ring(RX).usedIdx).toBe(1);

    at.bad.ring(RX).publish(SIZE + SIZE / 2);
    at.card.arrive(frame(macOf(BAD), STRANGER, 1514)); // needs 48

    expect(at.verdict()).toBe('stopped: bad_avail_idx');
  });

  it.each([SIZE, SIZE + 1, 0x8000, 0xffff])('D12 head %i of a transmit ring of 16', (head) => {
    const at = bench();
    at.bad.ring(TX).offer(head);

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_head');
  });

  it.each([SIZE, 0xffff])('D12 head %i of a receive ring of 16', (head) => {
    const at = bench();
    at.bad.ring(RX).offer(head);
    at.bad.kick(RX);

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.verdict()).toBe('stopped: bad_head');
  });

  it('D12 good entries before the bad head may be served, those behind it are not', () => {
    const at = bench();
    at.bad.ring(TX).chain(readable(at.bad, good), 0);

    at.bad.ring(TX).offer(0, SIZE, 0);
    at.bad.kick(TX);

    expect(at.card.wire.length).toBeLessThanOrEqual(1);
    expect(at.verdict()).toBe('stopped: bad_head');
  });
});
