// SPDX-License-Identifier: Apache-2.0
// Masks, pending bits and enables of MSI-X: PCI Express Base §6.1.4, §7.7.2; bad-driver cases R12 to R14.
import { describe, expect, it } from 'vitest';

import { Card, MSIX } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { RX, TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

const MSIX_BAR = 4;

eachMode((mode) => {
  eachFunction((fn) => {
    const started = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn)
        .enableMsix(3, 0x4000)
        .start({ queues: { [RX]: { vector: null }, [TX]: { vector: 1 } }, configVector: 0 });
    const control = (target: RawFunction, value: number): void => {
      target.path.configWrite(MSIX + 2, 2, value);
      target.card.settle();
    };

    describe('a masked vector', () => {
      it('sends nothing and sets its pending bit', () => {
        const target = started();
        target.maskVector(1, true);

        target.transmit();

        expect(target.card.messages).toEqual([]);
        expect(target.pending()).toBe(0b010);
      });

      it('fires once when it is unmasked, however many events came, and clears the bit', () => {
        const target = started();
        target.maskVector(1, true);
        for (let i = 0; i < 3; i++) target.transmit();

        target.maskVector(1, false);

        expect(target.card.messages.map(({ data }) => data)).toEqual([0x4001]);
        expect(target.pending()).toBe(0);
      });

      it('does not fire when it is unmasked without an event', () => {
        const target = started();
        target.maskVector(1, true);

        target.maskVector(1, false);
        target.maskVector(1, true);
        target.maskVector(1, false);

        expect(target.card.messages).toEqual([]);
      });

      it('leaves other vectors alone', () => {
        const target = started();
        target.maskVector(1, true);
        target.transmit();

        target.breakQueue();

        expect(target.card.messages.map(({ vector }) => vector)).toEqual([0]);
        expect(target.pending()).toBe(0b010);
      });

      it('sends what its entry holds at the time of unmasking', () => {
        const target = started();
        target.maskVector(1, true);
        target.transmit();

        target.path.write(MSIX_BAR, 16, 4, 0xfee0f000);
        target.path.write(MSIX_BAR, 16 + 8, 4, 0x1234);
        target.maskVector(1, false);

        expect(target.card.messages).toMatchObject([{ address: 0xfee0f000, data: 0x1234 }]);
      });

      it('goes on with one message for each event after unmasking', () => {
        const target = started();
        target.maskVector(1, true);
        target.transmit();
        target.maskVector(1, false);

        target.transmit();

        expect(target.card.messages).toHaveLength(2);
      });
    });

    describe('Function Mask', () => {
      it('holds all vectors back and keeps them pending', () => {
        const target = started();
        control(target, 0xc000);

        target.transmit();
        target.breakQueue();

        expect(target.card.messages).toEqual([]);
        expect(target.pending()).toBe(0b011);
      });

      it('lets each pending vector fire once when it is cleared', () => {
        const target = started();
        control(target, 0xc000);
        target.transmit();
        target.transmit();
        target.breakQueue();

        control(target, 0x8000);

        expect(target.card.messages.map(({ vector }) => vector).sort()).toEqual([0, 1]);
        expect(target.pending()).toBe(0);
      });

      it('a vector that is masked itself stays pending when Function Mask is cleared', () => {
        const target = started();
        target.maskVector(1, true);
        control(target, 0xc000);
        target.transmit();

        control(target, 0x8000);

        expect(target.card.messages).toEqual([]);
        expect(target.pending()).toBe(0b010);
      });
    });

    describe('MSI-X Enable', () => {
      it('clear: a mapped queue sends no message', () => {
        const target = started();
        control(target, 0x0000);

        target.transmit();

        expect(target.ring(TX).takeUsed()).toHaveLength(1);
        expect(target.card.messages).toEqual([]);
      });
    });

    describe('the message', () => {
      it('goes to the whole 64-bit address', () => {
        const target = started();

        target.path.write(MSIX_BAR, 16 + 4, 4, 0x12);
        target.transmit();

        expect(target.card.messages).toMatchObject([{ address: 0x12_fee0_0000 }]);
      });

      it('is not sent while Bus Master Enable is clear', () => {
        const target = started();
        target.breakQueue();
        target.card.messages.length = 0;
        target.maskVector(0, true);
        target.path.configWrite(0x04, 2, fn === 0 ? 0x0002 : 0x0000);

        target.maskVector(0, false);

        expect(target.card.messages).toEqual([]);
      });

      it('is counted as an interrupt of its function', () => {
        const target = started();
        const before = target.card.nic.functionCounters(fn)['interrupts']!;

        target.transmit();

        expect(target.card.nic.functionCounters(fn)['interrupts']).toBe(before + 1);
        expect(target.card.nic.counters()['msi_writes']).toBe(1);
      });
    });

    describe('pending bits', () => {
      it('cannot be written', () => {
        const target = started();

        target.path.write(MSIX_BAR, 0x800, 4, 0xffffffff);

        expect(target.pending()).toBe(0);
        expect(target.path.read(MSIX_BAR, 0x804, 4)).toBe(0);
      });
    });
  });
});
