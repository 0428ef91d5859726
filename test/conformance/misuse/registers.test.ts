// SPDX-License-Identifier: Apache-2.0
// Registers touched in every wrong way: odd widths, reserved places, read-only ones, selectors past the end, memory
// decode or bus mastering off, MSI-X table and VF controls at the wrong time.
import { describe, expect, it } from 'vitest';

import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { readable, submit } from '../ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { MODES } from '../../support/raw_card.ts';
import { R, TX } from '../../support/registers.ts';
import { BAD, Bench, UNHARMED } from './support/bench.ts';

const BARS = [
  { bar: 2, bytes: 0x4000 },
  { bar: 4, bytes: 0x1000 },
];
const SIZES = [1, 2, 4];
const good = packet(frame(STRANGER, macOf(BAD)));

describe.each(MODES)('%s', (mode) => {
  const bench = (): Bench => new Bench({ mode });
  const send = (at: Bench): void => submit(at.bad, TX, readable(at.bad, good), at.bad.ring(TX).availIdx % 16);

  it('R01 every width at every aligned offset of every region is read without harm', () => {
    const at = bench();
    const { nic } = at.card;
    const tooWide: string[] = [];
    const check = (place: string, size: number, value: number): void => {
      if (!(value >= 0 && value < 2 ** (8 * size))) tooWide.push(`${place}: ${value} from ${size} bytes`);
    };
    for (const size of SIZES) {
      for (const { bar, bytes } of BARS) {
        for (let offset = 0; offset < bytes; offset += size)
          check(`bar ${bar} + ${offset}`, size, nic.read(BAD, bar, offset, size));
      }
      for (let offset = 0; offset < 4096; offset += size)
        check(`config + ${offset}`, size, nic.configRead(BAD, offset, size));
    }

    send(at);

    expect(tooWide).toEqual([]);
    expect(at.card.wire).toHaveLength(1);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each(SIZES)('R01 reads of BARs that the function does not have give all ones, %i bytes', (size) => {
    const at = bench();

    for (const bar of [0, 1, 3, 5]) expect(at.card.nic.read(BAD, bar, 0, size)).toBe(2 ** (8 * size) - 1);

    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R01 zeros and ones written at every offset of both BARs, each width: a reset recovers', () => {
    const at = bench();
    const { nic } = at.card;
    for (const size of SIZES) {
      for (const { bar, bytes } of BARS) {
        for (let offset = 0; offset < bytes; offset += size) {
          nic.write(BAD, bar, offset, size, 2 ** (8 * size) - 1);
          nic.write(BAD, bar, offset, size, 0);
        }
      }
      at.card.settle();
    }

    at.bad.reset();
    at.bad.enableMsix();
    expect(at.isContained()).toBe(true);
  });

  it('R02 a 32-bit read over two 16-bit fields gives both', () => {
    const at = bench();

    expect(at.bad.read(R.CONFIG_MSIX_VECTOR, 4)).toBe(0 | (3 << 16)); // vector 0, three queues
  });

  it('R03 writes to read-only registers change nothing', () => {
    const at = bench();
    const places = [R.DEVICE_FEATURE, R.NUM_QUEUES, R.CONFIG_GENERATION, R.QUEUE_NOTIFY_OFF];
    const view = (): number[] => places.map((register) => at.bad.read(register, 1));
    const before = view();

    for (const register of places) at.bad.write(register, 0xff, 1);

    expect(view()).toEqual(before);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([3, 17, 0x7fff, 0xffff])('R04 queue_select %i has no registers behind it', (index) => {
    const at = bench();

    for (let register: number = R.QUEUE_SIZE; register <= 0x3a; register += 2) at.bad.setQueue(index, register, 0x5555);

    expect(at.bad.queue(index, R.QUEUE_SIZE)).toBe(0);
    expect(at.bad.queue(index, R.QUEUE_ENABLE)).toBe(0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([4, 0x100, 0xffff_ffff])('R04 feature word %i is empty', (word) => {
    const at = bench();
    at.bad.write(R.DEVICE_FEATURE_SELECT, word, 4);
    at.bad.write(R.DRIVER_FEATURE_SELECT, word, 4);
    at.bad.write(R.DRIVER_FEATURE, 0xffff_ffff, 4);

    expect(at.bad.read(R.DEVICE_FEATURE, 4)).toBe(0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R05 PF BARs are sized while decode is on and put back', () => {
    const at = bench();
    const { nic } = at.card;
    for (const register of [0x18, 0x1c, 0x20, 0x24]) {
      const value = nic.configRead(0, register, 4);
      nic.configWrite(0, register, 4, 0xffff_ffff);
      nic.configWrite(0, register, 4, value);
    }

    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R06 with memory decode of the VFs off their registers answer with all ones, and nothing is written', () => {
    const at = bench();
    at.card.nic.configWrite(0, 0x148, 2, 0x1); // VF Enable stays, VF MSE goes

    expect(at.bad.read(R.NUM_QUEUES)).toBe(0xffff);
    at.bad.status = 0;
    at.card.settle();
    at.card.nic.configWrite(0, 0x148, 2, 0x9);

    expect(at.bad.status).toBe(0xf);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R07 with bus mastering off nothing is fetched; switched on again, a reset recovers', () => {
    const at = bench();
    at.card.nic.configWrite(BAD, 4, 2, 0x2);
    const { dma_reads, dma_writes } = at.card.nic.counters();
    send(at);

    expect(at.card.wire).toEqual([]);
    expect(at.card.nic.counters()).toMatchObject({ dma_writes });
    expect(at.card.nic.counters()['dma_reads']! - dma_reads!).toBeLessThanOrEqual(1);
    expect(at.bad.ring(TX).usedIdx).toBe(0);

    at.card.nic.configWrite(BAD, 4, 2, 0x6);
    expect(at.isContained()).toBe(true);
  });

  it('R09 NumVFs written while VFs are enabled is ignored', () => {
    const at = bench();

    for (const count of [0, 1, 100, 0xffff]) at.card.nic.configWrite(0, 0x150, 2, count);

    expect(at.card.nic.configRead(0, 0x150, 2)).toBe(2);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R10 VF BARs written while VFs are enabled leave the VFs in working order', () => {
    const at = bench();
    const values = [0, 4, 8, 12, 16, 20].map((offset) => at.card.nic.configRead(0, 0x164 + offset, 4));

    values.forEach((_, i) => at.card.nic.configWrite(0, 0x164 + 4 * i, 4, 0xffff_ffff));
    values.forEach((value, i) => at.card.nic.configWrite(0, 0x164 + 4 * i, 4, value));

    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R12 MSI-X table entries take one- and two-byte writes or ignore them; the PBA ignores all', () => {
    const at = bench();
    for (const size of [1, 2])
      for (let offset = 0; offset < 16; offset += size) at.card.nic.write(BAD, 4, offset, size, 0);
    for (const size of SIZES) at.card.nic.write(BAD, 4, 0x800, size, 0xff);

    expect(at.card.nic.read(BAD, 4, 0x800, 4)).toBe(0);
    at.bad.enableMsix();
    expect(at.verdict()).toBe(UNHARMED);
  });

  it.each([4, 32, 0x800, 0xfffe])('R13 vector %i of a table of 4 is not mapped', (vector) => {
    const at = bench();

    at.bad.setQueue(TX, R.QUEUE_MSIX_VECTOR, vector);
    const before = at.card.interrupts(BAD).length;
    send(at);

    expect(at.bad.queue(TX, R.QUEUE_MSIX_VECTOR)).toBe(0xffff);
    expect(at.card.interrupts(BAD)).toHaveLength(before);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R14 a masked vector keeps one message, and unmasking sends it once', () => {
    const at = bench();
    at.card.nic.write(BAD, 4, 16 * 2 + 12, 4, 1);
    for (let i = 0; i < 3; i++) send(at);
    expect(at.card.interrupts(BAD, 2)).toEqual([]);
    expect(at.card.nic.read(BAD, 4, 0x800, 4)).toBe(1 << 2);

    at.card.nic.write(BAD, 4, 16 * 2 + 12, 4, 0);
    at.card.settle();

    expect(at.card.interrupts(BAD, 2)).toHaveLength(1);
    expect(at.card.nic.read(BAD, 4, 0x800, 4)).toBe(0);
    expect(at.verdict()).toBe(UNHARMED);
  });

  it('R15 in D3hot registers do not answer and doorbells do nothing; D0 and a reset recover', () => {
    const at = bench();
    at.card.nic.configWrite(BAD, 0x44, 2, 3);

    expect(at.bad.read(R.NUM_QUEUES)).toBe(0xffff);
    at.bad.ring(TX).offer(at.bad.ring(TX).chain(readable(at.bad, good)));
    at.bad.notify(TX);
    at.card.settle();
    expect(at.card.wire).toEqual([]);

    at.card.nic.configWrite(BAD, 0x44, 2, 0);
    at.card.nic.configWrite(BAD, 4, 2, 6);
    at.bad.enableMsix();
    expect(at.isContained()).toBe(true);
  });

  it('R16 region numbers and ranges beyond the function are refused: EINVAL, beyond configuration space EFAULT', () => {
    const at = bench();
    const device = new VfioPci(at.card.nic, BAD, at.card.bus);
    const refused: [number, number, 1 | 2 | 4, string?][] = [
      [2, 0x4000, 1],
      [2, 0x3ffe, 4],
      [2, -4, 4],
      [2, 2 ** 40, 4],
      [2, 2 ** 53, 4],
      [2, Number.NaN, 4],
      [4, 0x1000, 4],
      [7, 4096, 1, 'EFAULT'],
      [0, 0, 1],
      [9, 0, 1],
      [-1, 0, 1],
      [1.5, 0, 1],
      [2, 1, 2],
    ];

    for (const [region, offset, size, code = 'EINVAL'] of refused) {
      expect(() => device.read(region, offset, size)).toThrow(expect.objectContaining({ code }));
      expect(() => device.write(region, offset, size, 0)).toThrow(expect.objectContaining({ code }));
    }
    expect(at.verdict()).toBe(UNHARMED);
  });
});
