// SPDX-License-Identifier: Apache-2.0
// ISR status and the INTx line of the PF: virtio 1.4 §4.1.4.5; PCI Express Base §7.5.1.1 for Interrupt Disable and Status.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card, EXPRESS, MSIX } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { ISR, RX, TX, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

const BUS_MASTER_AND_MEMORY = 0x0006;
const INTERRUPT_DISABLE = 0x0400;
const INTERRUPT_STATUS = 0x0008;

eachMode((mode) => {
  const pf = (): RawFunction => new RawFunction(new Card({ mode }), 0).start();
  const status = (target: RawFunction): number => target.path.configRead(0x06, 2) & INTERRUPT_STATUS;
  const isr = (target: RawFunction): number => {
    const value = target.path.read(VIRTIO_BAR, ISR, 1);
    target.card.settle();
    return value;
  };
  const command = (target: RawFunction, value: number): void => {
    target.path.configWrite(0x04, 2, value);
    target.card.settle();
  };

  describe(requirement('PCI-ISR-03'), () => {
    it('with MSI-X off a used buffer sets bit 0 and raises the line', () => {
      const target = pf();

      target.transmit();

      expect(target.card.intx).toEqual([1]);
      expect(isr(target)).toBe(1);
    });
  });

  describe(requirement('PCI-ISR-05'), () => {
    it('reading clears it', () => {
      const target = pf();
      target.transmit();

      expect(isr(target)).toBe(1);
      expect(isr(target)).toBe(0);
    });

    it('reading lowers the line', () => {
      const target = pf();
      target.transmit();

      isr(target);

      expect(target.card.intx).toEqual([1, 0]);
    });

    it('a dword read, which holds three reserved bytes, clears it as well', () => {
      const target = pf();
      target.transmit();

      expect(target.path.read(VIRTIO_BAR, ISR, 4) & 0xff).toBe(1);
      expect(isr(target)).toBe(0);
    });

    it('a write changes nothing', () => {
      const target = pf();
      target.transmit();

      target.path.write(VIRTIO_BAR, ISR, 1, 0xff);

      expect(isr(target)).toBe(1);
    });
  });

  describe(requirement('PCI-ISR-02'), () => {
    it('with MSI-X off DEVICE_NEEDS_RESET sets bit 1 and raises the line', () => {
      const target = pf();

      target.breakQueue();

      expect(target.card.intx).toEqual([1]);
      expect(isr(target) & 2).toBe(2);
    });

    it.each([0, 2])('with MSI-X on bit 1 is set all the same (function %i)', (fn) => {
      const target = new RawFunction(new Card({ mode }).enableVfs(2), fn).enableMsix(2);
      target.start({ configVector: 0 });

      target.breakQueue();

      expect(target.card.messages).toHaveLength(1);
      expect(isr(target) & 2).toBe(2);
    });
  });

  describe(requirement('PCI-ISR-04'), () => {
    it('Interrupt Status is set while ISR is not 0', () => {
      const target = pf();
      expect(status(target)).toBe(0);

      target.transmit();
      expect(status(target)).toBe(INTERRUPT_STATUS);
      isr(target);
      expect(status(target)).toBe(0);
    });

    it('Interrupt Status stays until both bits were read', () => {
      const target = pf();
      target.transmit();

      target.breakQueue();

      expect(isr(target)).toBe(3);
      expect(status(target)).toBe(0);
    });
  });

  describe(requirement('PCI-ISR-06'), () => {
    it('the line stays up for two events in a row', () => {
      const target = pf();

      target.transmit();
      target.transmit();

      expect(target.card.intx).toEqual([1]);
    });

    it('the line rises again for the next event after a read', () => {
      const target = pf();
      target.transmit();
      isr(target);

      target.transmit();

      expect(target.card.intx).toEqual([1, 0, 1]);
    });

    it('Interrupt Disable lowers the line and keeps Interrupt Status', () => {
      const target = pf();
      target.transmit();

      command(target, BUS_MASTER_AND_MEMORY | INTERRUPT_DISABLE);

      expect(target.card.intx).toEqual([1, 0]);
      expect(status(target)).toBe(INTERRUPT_STATUS);
    });

    it('the line rises when Interrupt Disable is cleared with an event pending', () => {
      const target = pf();
      command(target, BUS_MASTER_AND_MEMORY | INTERRUPT_DISABLE);
      target.transmit();
      expect(target.card.intx).toEqual([]);

      command(target, BUS_MASTER_AND_MEMORY);

      expect(target.card.intx).toEqual([1]);
    });

    it('available flags NO_INTERRUPT keep ISR and line down', () => {
      const target = pf();
      target.ring(TX).availFlags = 1;

      target.transmit();

      expect(target.card.intx).toEqual([]);
      expect(isr(target)).toBe(0);
    });

    it('the line stays down while MSI-X is enabled', () => {
      const target = new RawFunction(new Card({ mode }), 0).enableMsix(2);
      target.start({ queues: { [RX]: { vector: null }, [TX]: { vector: 1 } }, configVector: null });

      target.transmit();

      expect(target.card.intx).toEqual([]);
      expect(target.card.messages).toHaveLength(1);
    });

    it('the line falls when MSI-X is enabled', () => {
      const target = pf();
      target.transmit();

      target.path.configWrite(MSIX + 2, 2, 0x8000);
      target.card.settle();

      expect(target.card.intx).toEqual([1, 0]);
    });

    it('a device reset lowers the line', () => {
      const target = pf();
      target.transmit();

      target.status = 0;
      target.card.settle();

      expect(target.card.intx).toEqual([1, 0]);
      expect(status(target)).toBe(0);
    });
  });

  it('FLR lowers the line', () => {
    const target = pf();
    target.transmit();

    target.path.configWrite(EXPRESS + 8, 2, 0x8000);
    target.card.settle();

    expect(target.card.intx).toEqual([1, 0]);
  });

  eachFunction((fn) => {
    it('a VF never drives INTx; the PF does', () => {
      const target = new RawFunction(new Card({ mode }).enableVfs(2), fn).start();

      target.transmit();

      expect(target.ring(TX).takeUsed()).toHaveLength(1);
      expect(target.card.intx).toEqual(fn === 0 ? [1] : []);
    });
  });
});
