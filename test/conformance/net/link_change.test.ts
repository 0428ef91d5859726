// SPDX-License-Identifier: Apache-2.0
// The wire's link goes down and up while drivers run: status of virtio_net_config (virtio 1.4 §5.1.4, bit 0 is
// VIRTIO_NET_S_LINK_UP), its generation (§4.1.4.3.1), and the notification of it by MSI-X, ISR and INTx (§4.1.4.5, §4.1.5.4).
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card, MSIX, PM } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { F, ISR, R, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

/** Offset of status behind the six bytes of mac. */
const STATUS = 6;
const CONFIG_CHANGED = 2;
const VECTORS = 3;
const MSIX_ENABLE = 0x8000;
const MASK_ALL = 0x4000;
const D3_HOT = 3;

eachMode((mode) => {
  eachFunction((fn) => {
    const target = (): RawFunction => new RawFunction(new Card({ mode }).enableVfs(2), fn);
    const withMsix = (configVector: number | null = 2): RawFunction =>
      target()
        .enableMsix(VECTORS, 0x40)
        .start({ features: [F.STATUS], configVector });
    const status = (one: RawFunction): number => one.deviceConfig(STATUS, 2);
    const isr = (one: RawFunction): number => one.path.read(VIRTIO_BAR, ISR, 1);
    const link = (one: RawFunction, isUp: boolean): void => {
      one.card.nic.setLink(isUp);
      one.card.settle();
    };

    describe('status', () => {
      it('follows the link, whatever the state of the driver', () => {
        const one = target();
        const seen = [status(one)];
        for (const isUp of [false, true, false]) {
          link(one, isUp);
          seen.push(status(one));
        }
        one.start({ features: [F.STATUS] });
        seen.push(status(one));
        link(one, true);
        seen.push(status(one));

        expect(seen).toEqual([1, 0, 1, 0, 0, 1]);
      });

      it.each(['device reset', 'function level reset'])('of a link that is down outlives a %s', (which) => {
        const one = withMsix();
        link(one, false);

        if (which === 'device reset') one.reset();
        else one.functionLevelReset();
        one.enableBusMaster(); // the PF's memory decoding is off after the second

        expect(status(one)).toBe(0);
      });

      it('of a link that came back is up after a reset', () => {
        const one = withMsix();
        link(one, false);
        link(one, true);

        one.reset();

        expect(status(one)).toBe(1);
      });

      it('of every function changes', () => {
        const one = target();

        link(one, false);

        expect([0, 1, 2].map((other) => one.card.direct(other).read(VIRTIO_BAR, 0x2000 + STATUS, 2))).toEqual([
          0, 0, 0,
        ]);
      });
    });

    describe(requirement('PCI-COMMON-06'), () => {
      it('config_generation differs after the link changed, and not when it did not', () => {
        const one = withMsix();
        const generation = (): number => {
          status(one);
          return one.read(R.CONFIG_GENERATION, 1);
        };
        const before = generation();
        link(one, true);
        expect(generation()).toBe(before);

        link(one, false);
        const down = generation();
        link(one, true);

        expect(down).not.toBe(before);
        expect(generation()).not.toBe(down);
      });
    });

    describe(requirement('PCI-ISR-02'), () => {
      it('each change sends one message with the vector of configuration changes, and sets ISR bit 1', () => {
        const one = withMsix(2);

        link(one, false);
        expect(one.card.interrupts(fn).map(({ vector, data }) => [vector, data])).toEqual([[2, 0x42]]);
        expect(isr(one)).toBe(CONFIG_CHANGED);
        link(one, true);

        expect(one.card.interrupts(fn)).toHaveLength(2);
        expect(isr(one)).toBe(CONFIG_CHANGED);
      });

      it('a change that is none sends nothing', () => {
        const one = withMsix();

        link(one, true);

        expect(one.card.messages).toEqual([]);
        expect(isr(one)).toBe(0);
      });

      it('without a vector, nothing is sent, and ISR bit 1 is set', () => {
        const one = withMsix(null);

        link(one, false);

        expect(one.card.messages).toEqual([]);
        expect(isr(one)).toBe(CONFIG_CHANGED);
      });

      it('a masked vector keeps the change pending', () => {
        const one = withMsix(2);
        one.maskVector(2, true);

        link(one, false);
        expect(one.card.messages).toEqual([]);
        expect(one.pending()).toBe(1 << 2);
        one.maskVector(2, false);

        expect(one.card.interrupts(fn, 2)).toHaveLength(1);
        expect(one.pending()).toBe(0);
      });

      it('so does a masked function', () => {
        const one = withMsix(1);
        one.path.configWrite(MSIX + 2, 2, MSIX_ENABLE | MASK_ALL);

        link(one, false);
        expect(one.card.messages).toEqual([]);
        expect(one.pending()).toBe(1 << 1);
        one.path.configWrite(MSIX + 2, 2, MSIX_ENABLE);
        one.card.settle();

        expect(one.card.interrupts(fn, 1)).toHaveLength(1);
      });

      it('no driver that is not there yet is notified', () => {
        const one = target()
          .enableMsix(VECTORS)
          .prepare({ features: [F.STATUS], configVector: 0 });

        link(one, false);

        expect(one.card.messages).toEqual([]);
        expect(isr(one)).toBe(0);
        expect(status(one)).toBe(0);
      });

      it('no function that was reset is notified', () => {
        const one = withMsix();
        one.reset();

        link(one, false);

        expect(one.card.messages).toEqual([]);
        expect(isr(one)).toBe(0);
      });

      it('a function that sleeps sends nothing', () => {
        const one = withMsix();
        one.path.configWrite(PM + 4, 2, D3_HOT);
        one.card.settle();

        link(one, false);

        expect(one.card.interrupts(fn)).toEqual([]);
      });
    });
  });

  it('VFs that were disabled hear nothing, and find the link as it is when they come back', () => {
    const one = new RawFunction(new Card({ mode }).enableVfs(2), 2).enableMsix(VECTORS).start({ features: [F.STATUS] });
    one.card.disableVfs();

    one.card.nic.setLink(false);
    one.card.settle();
    one.card.enableVfs(2);

    expect(one.card.messages).toEqual([]);
    expect(one.deviceConfig(STATUS, 2)).toBe(0);
  });

  describe(requirement('PCI-ISR-06'), () => {
    const started = (): RawFunction => new RawFunction(new Card({ mode }), 0).start({ features: [F.STATUS] });
    const change = (one: RawFunction, isUp: boolean): void => {
      one.card.nic.setLink(isUp);
      one.card.settle();
    };
    const read = (one: RawFunction): number => {
      const value = one.path.read(VIRTIO_BAR, ISR, 1);
      one.card.settle();
      return value;
    };
    const msix = (one: RawFunction, control: number): void => {
      one.path.configWrite(MSIX + 2, 2, control);
      one.card.settle();
    };

    it('with MSI-X off the line rises, and falls when ISR is read, for each change', () => {
      const one = started();

      change(one, false);
      expect(one.card.intx).toEqual([1]);
      expect(read(one)).toBe(CONFIG_CHANGED);
      change(one, true);
      expect(read(one)).toBe(CONFIG_CHANGED);

      expect(one.card.intx).toEqual([1, 0, 1, 0]);
    });

    it('the line stays up from a change to a used buffer: one read takes both', () => {
      const one = started();

      change(one, false);
      one.transmit();

      expect(one.card.intx).toEqual([1]);
      expect(read(one)).toBe(3);
      expect(one.card.intx).toEqual([1, 0]);
    });

    it('when MSI-X goes off, the line rises for a change that was not read', () => {
      const one = started();
      msix(one, MSIX_ENABLE);

      change(one, false);
      expect(one.card.intx).toEqual([]);
      msix(one, 0);

      expect(one.card.intx).toEqual([1]);
      expect(one.path.configRead(0x06, 2) & 0x8).toBe(0x8);
      expect(read(one)).toBe(CONFIG_CHANGED);
      expect(one.card.intx).toEqual([1, 0]);
    });

    it('when MSI-X goes off, the line stays down where everything was read', () => {
      const one = started();
      msix(one, MSIX_ENABLE);
      change(one, false);
      expect(read(one)).toBe(CONFIG_CHANGED);

      msix(one, 0);

      expect(one.card.intx).toEqual([]);
      expect(one.path.configRead(0x06, 2) & 0x8).toBe(0);
    });
  });
});
