// SPDX-License-Identifier: Apache-2.0
// What a function's DMA addresses mean: mappings side by side, permissions, unmapping. Oracle O4: the card reaches what is
// mapped for that requester, in the direction allowed, and nothing else.
import { expect, it } from 'vitest';

import { Card } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { RX, TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

const PAGE = 4096;
const IOVA = 0x5000_0000;
const HEADER = 12;
const FRAME = [0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00];
const BROADCAST = new Uint8Array(64).fill(0xff, 0, 6);

eachMode((mode) => {
  eachFunction((fn) => {
    /** A running function and three pages of the window that are not mapped yet. */
    const started = (): { target: RawFunction; window: number; pages: Uint8Array } => {
      const target = new RawFunction(new Card({ mode }).enableVfs(2), fn).start();
      const { nic } = target.card;
      const window = nic.takeWindow(3 * PAGE);
      const at = nic.core.windowBase + window;
      return { target, window, pages: nic.core.u8.subarray(at, at + 3 * PAGE) };
    };
    const counter = (target: RawFunction, name: string): number => target.card.nic.functionCounters(fn)[name]!;

    it('a frame over the border of two mappings is read from both', () => {
      const { target, window, pages } = started();
      const frames: number[][] = [];
      target.card.nic.onFrame((frame) => frames.push([...frame]));
      const ioas = target.ioas;
      ioas.map(IOVA, PAGE, window);
      ioas.map(IOVA + PAGE, PAGE, window + 2 * PAGE);
      pages.set(FRAME.slice(0, 6), PAGE - 6);
      pages.set(FRAME.slice(6), 2 * PAGE);

      target.ring(TX).add([{ iova: IOVA + PAGE - 6 - HEADER, length: 72 }]);
      target.kick(TX);

      expect(target.ring(TX).takeUsed()).toHaveLength(1);
      expect(frames[0]!.slice(0, 14)).toEqual(FRAME);
    });

    it('a frame is received over the border of two mappings', () => {
      const { target, window, pages } = started();
      const ioas = target.ioas;
      ioas.map(IOVA, PAGE, window);
      ioas.map(IOVA + PAGE, PAGE, window + 2 * PAGE);
      target.ring(RX).add([{ iova: IOVA + PAGE - HEADER - 4, length: 1600, isWritable: true }]);
      target.kick(RX);

      target.card.nic.receiveFrame(BROADCAST);
      target.card.settle();

      expect([...pages.subarray(PAGE - 4, PAGE)]).toEqual([0xff, 0xff, 0xff, 0xff]);
      expect([...pages.subarray(2 * PAGE, 2 * PAGE + 3)]).toEqual([0xff, 0xff, 0]);
      expect([...pages.subarray(PAGE, PAGE + 3)]).toEqual([0, 0, 0]);
    });

    it('memory that may not be read makes a transmission fail: DEVICE_NEEDS_RESET, bad_dma', () => {
      const { target, window } = started();
      target.ioas.map(IOVA, PAGE, window, { read: false });

      target.ring(TX).add([{ iova: IOVA, length: 72 }]);
      target.kick(TX);

      expect(target.status & 0x40).toBe(0x40);
      expect(counter(target, 'bad_dma')).toBe(1);
    });

    it('memory that may not be written stays as it is, and the fault is counted', () => {
      const { target, window, pages } = started();
      target.ioas.map(IOVA, PAGE, window, { write: false });
      target.ring(RX).add([{ iova: IOVA, length: 1600, isWritable: true }]);
      target.kick(RX);

      target.card.nic.receiveFrame(BROADCAST);
      target.card.settle();

      expect(pages.every((byte) => byte === 0)).toBe(true);
      expect(target.card.nic.counters()['dma_faults']).toBeGreaterThanOrEqual(1);
    });

    it('a buffer that only begins in mapped memory fails as a whole', () => {
      const { target, window } = started();
      target.ioas.map(IOVA, PAGE, window);

      target.ring(TX).add([{ iova: IOVA + PAGE - 20, length: 72 }]);
      target.kick(TX);

      expect(counter(target, 'tx_frames')).toBe(0);
      expect(counter(target, 'bad_dma')).toBe(1);
    });

    it.each([2 ** 64 - 4096, 2 ** 63, 2 ** 52])('address %i is like any other that is not mapped', (iova) => {
      const { target } = started();

      target.ring(TX).add([{ iova, length: 72 }]);
      target.kick(TX);

      expect(counter(target, 'bad_dma')).toBe(1);
    });

    it('memory that was unmapped is out of reach', () => {
      const { target, window } = started();
      const ioas = target.ioas;
      ioas.map(IOVA, PAGE, window);
      target.ring(TX).add([{ iova: IOVA, length: 72 }]);
      target.kick(TX);
      expect(counter(target, 'bad_dma')).toBe(0);

      ioas.unmap(IOVA, PAGE);
      target.ring(TX).add([{ iova: IOVA, length: 72 }]);
      target.kick(TX);

      expect(counter(target, 'bad_dma')).toBe(1);
    });
  });
});
