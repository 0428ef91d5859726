// SPDX-License-Identifier: Apache-2.0
// Memory that is not there, goes away, or changes under the device's hands. Every access is bounded by the function's
// own address space; a refused one stops the function (DEVICE_NEEDS_RESET), and a late one changes nothing.
import { describe, expect, it } from 'vitest';

import { readable, submit } from '../ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { RawRing, WRITE } from '../../support/raw_ring.ts';
import { NEEDS_RESET, RX, TX } from '../../support/registers.ts';
import { BAD, Bench } from './support/bench.ts';

const NOWHERE = 0x7777_0000;
const good = packet(frame(STRANGER, macOf(BAD)));

describe.each(MODES)('%s', (mode) => {
  const bench = (): Bench => new Bench({ mode });

  it.each(['desc', 'avail'] as const)('D15 the %s area of a transmit queue cannot be read', (area) => {
    const at = bench();
    const page = at.bad.memory.alloc(4096, 4096);
    const places = { ...new RawRing(at.bad.memory, 16).places, [area]: page };
    const ring = new RawRing(at.bad.memory, 16, places);
    at.bad.start({ queues: { 1: { ring } } });
    ring.chain(readable(at.bad, good));
    ring.offer(0);
    at.bad.protect(at.bad.memory.iova(page), 4096, { read: false });

    at.bad.kick(TX);

    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  it.each([
    ['not mapped', NOWHERE],
    ['null', 0],
    ['at the end of the address space', 2 ** 53 - 4096],
  ])('D15 a transmit buffer %s', (_, addr) => {
    const at = bench();

    submit(at.bad, TX, [{ addr, len: 72 }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  it('D15 a buffer whose last byte is not mapped', () => {
    const at = bench();
    const end = at.bad.memory.iova(at.bad.memory.size);

    submit(at.bad, TX, [{ addr: end - 71, len: 72 }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  // A memory write is posted: nobody tells the device that it went nowhere. The card may or may not stop.
  it('D15 a used ring that cannot be written: faults are counted, the memory stays', () => {
    const at = bench();
    const page = at.bad.memory.alloc(4096, 4096);
    const ring = new RawRing(at.bad.memory, 16, { ...new RawRing(at.bad.memory, 16).places, used: page });
    at.bad.start({ queues: { 1: { ring } } });
    at.bad.protect(at.bad.memory.iova(page), 4096, { write: false });

    submit(at.bad, TX, readable(at.bad, good));

    expect(at.bad.memory.u8.slice(page, page + 4096).every((byte) => byte === 0)).toBe(true);
    expect(at.card.nic.counters()['dma_faults']).toBeGreaterThan(0);
    expect(at.isContained()).toBe(true);
  });

  it.each([
    ['is not mapped', 'nowhere'],
    ['may only be read', 'protected'],
  ])('D15 a receive buffer that %s: faults are counted, the memory stays', (_, kind) => {
    const at = bench();
    const page = at.bad.memory.iova(at.bad.memory.alloc(4096, 4096));
    at.bad.protect(page, 4096, { write: false });
    submit(at.bad, RX, [{ addr: kind === 'nowhere' ? NOWHERE : page, len: 200, flags: WRITE }]);

    at.card.arrive(frame(macOf(BAD), STRANGER));

    expect(at.bad.bytesAt(page, 200).every((byte) => byte === 0)).toBe(true);
    expect(at.card.nic.counters()['dma_faults']).toBe(1);
    expect(at.isContained()).toBe(true);
  });

  it('D15 without an address space every access fails', () => {
    const at = bench();
    at.bad.ring(TX).chain(readable(at.bad, good));
    at.bad.ring(TX).offer(0);
    at.card.nic.attachIoas(BAD, null);

    at.bad.kick(TX);
    expect(at.bad.needsReset).toBe(true);

    at.card.nic.attachIoas(BAD, at.bad.ioas.id);
    expect(at.verdict()).toBe('stopped: bad_dma');
  });

  it("D15 a neighbour's memory is out of reach", () => {
    const at = bench();
    const neighbour = at.card.fn(2);
    const secret = neighbour.place(packet(frame(STRANGER, macOf(2), 60, 0x55)));

    submit(at.bad, TX, [{ addr: secret, len: 72 }]);

    expect(at.card.wire).toEqual([]);
    expect(at.verdict()).toBe('stopped: bad_dma');
  });
});

describe('timed, at every moment', () => {
  it('D15 memory is unmapped while a packet is in work: sent whole, or an error, and no late write', () => {
    const at = new Bench({ mode: 'timed' });
    const base = at.bad.memory.iova(0);
    const outcomes = new Set<string>();

    for (let cycles = 0; cycles < 1000; cycles += 8) {
      at.bad.start();
      const ring = at.bad.ring(TX);
      at.card.wire.length = 0;
      ring.offer(ring.chain(readable(at.bad, good)));
      at.bad.notify(TX);
      at.card.nic.advance(at.card.nic.now() + cycles);
      at.bad.ioas.unmap(base, at.bad.memory.size);
      const image = at.bad.memory.u8.slice();
      at.card.settle();

      expect(Buffer.compare(at.bad.memory.u8, image)).toBe(0);
      for (const { bytes } of at.card.wire) expect(bytes).toEqual(good.slice(12));
      outcomes.add(`${at.card.wire.length} sent, status ${at.bad.status & NEEDS_RESET}`);
      at.bad.ioas.map(base, at.bad.memory.size, base - 0x1_0000_0000);
    }

    expect(outcomes).toContain('0 sent, status 64');
    expect(outcomes).toContain('1 sent, status 0');
    expect(at.isContained()).toBe(true);
  });

  /** Runs a transmit with `change` applied after each of many delays; returns the distinct frames that left. */
  function changing(change: (at: Bench, ring: RawRing, addr: number) => void): Set<string> {
    const at = new Bench({ mode: 'timed' });
    const seen = new Set<string>();
    for (let cycles = 0; cycles < 900; cycles += 6) {
      at.bad.start();
      const ring = at.bad.ring(TX);
      const addr = at.bad.place(good);
      at.card.wire.length = 0;
      ring.offer(ring.chain([{ addr, len: good.length }]));
      at.bad.notify(TX);
      at.card.nic.advance(at.card.nic.now() + cycles);
      change(at, ring, addr);
      at.card.settle();
      seen.add(at.card.wire.map(({ bytes }) => `${bytes.length}:${bytes.at(-1)}`).join() || `status ${at.bad.status}`);
    }
    expect(at.isContained()).toBe(true);
    return seen;
  }

  it('D14 the length of a descriptor changes: the old frame or the new one, nothing between', () => {
    const seen = changing((_, ring, addr) => ring.describe(0, { addr, len: good.length - 10 }));

    expect([...seen].sort()).toEqual(['50:50', '60:60']);
  });

  it('D14 a descriptor turns into a loop: the old frame or an error', () => {
    const seen = changing((_, ring, addr) => ring.describe(0, { addr, len: good.length, flags: 1, next: 0 }));

    expect([...seen].sort()).toEqual(['60:60', 'status 79']);
  });

  it('D14 the head in the available ring changes to one beyond the queue: the old frame or an error', () => {
    const seen = changing((at, ring) => (at.bad.memory.u16[(ring.places.avail + 4) >> 1] = 0xffff));

    expect([...seen].sort()).toEqual(['60:60', 'status 79']);
  });

  it('D14 the data changes: a frame of the old or the new bytes', () => {
    const seen = changing((at, _, addr) => (at.bad.memory.u8[addr - at.bad.memory.iova(0) + good.length - 1] = 0xfe));

    expect([...seen].sort()).toEqual(['60:254', '60:60']);
  });

  it('D14 a receive descriptor changes while a frame comes in: never a byte outside both places', () => {
    const at = new Bench({ mode: 'timed' });
    const [a, b] = [at.bad.space(100), at.bad.space(100)];
    const area = at.bad.space(100);
    for (let cycles = 0; cycles < 600; cycles += 6) {
      at.bad.start();
      const ring = at.bad.ring(RX);
      ring.offer(ring.chain([{ addr: a, len: 100, flags: WRITE }]));
      at.bad.kick(RX);
      at.card.nic.receiveFrame(frame(macOf(BAD), STRANGER, 88));
      at.card.nic.advance(at.card.nic.now() + cycles);
      ring.describe(0, { addr: b, len: 100, flags: WRITE });
      at.card.settle();

      expect(ring.usedSince(0)).toEqual([{ id: 0, len: 100 }]);
    }
    expect(at.bad.bytesAt(area, 100).every((byte) => byte === 0xee)).toBe(true);
    expect(at.isContained()).toBe(true);
  });

  const RESETS: [string, (at: Bench) => void][] = [
    ['R11 a function level reset', (at) => at.card.nic.configWrite(BAD, 0x5c, 2, 0x8000)],
    ['a device reset, once status reads 0,', (at) => at.bad.reset()],
    ['R07 bus mastering off', (at) => at.card.nic.configWrite(BAD, 4, 2, 2)],
  ];
  it.each(RESETS)('%s with work outstanding: no write and no interrupt after it', (_, reset) => {
    const at = new Bench({ mode: 'timed' });
    const late: number[] = [];

    for (let cycles = 0; cycles < 1000; cycles += 4) {
      at.card.nic.configWrite(BAD, 4, 2, 6);
      at.bad.enableMsix();
      at.bad.start({ queues: { 0: { size: 4 }, 1: { size: 4 } } });
      const ring = at.bad.ring(TX);
      ring.offer(ring.chain([{ addr: at.bad.memory.iova(at.bad.memory.size - 72), len: 72 }]));
      submit(at.bad, RX, [{ addr: at.bad.memory.iova(at.bad.memory.size - 400), len: 200, flags: WRITE }]);
      at.bad.notify(TX);
      at.card.nic.receiveFrame(frame(macOf(BAD), STRANGER));
      at.card.nic.advance(at.card.nic.now() + cycles);
      reset(at);
      const image = at.bad.memory.u8.slice();
      const messages = at.card.interrupts(BAD).length;
      at.card.settle();

      expect(Buffer.compare(at.bad.memory.u8, image)).toBe(0);
      if (at.card.interrupts(BAD).length !== messages) late.push(cycles);
    }

    expect(late).toEqual([]);
  });
});
