// SPDX-License-Identifier: Apache-2.0
// Power states: PCI Express Base §5.3, §7.5.2; bad-driver case R15.
import { describe, expect, it } from 'vitest';

import { Card, PM } from '../support/card.ts';
import { VIRTIO_BAR } from '../support/common_config.ts';
import { eachMode } from '../support/modes.ts';
import { RawFunction, TX } from '../support/raw_function.ts';

eachMode((mode) => {
  describe('power state D3hot', () => {
    const off = (target: RawFunction, state: number): void => {
      target.path.configWrite(PM + 4, 2, state);
      target.card.settle();
    };
    const vf = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), 2).enableMsix(2).start({ queues: { [TX]: { vector: 1 } } });

    it('memory accesses are Unsupported Requests, configuration accesses work', () => {
      const target = vf();

      off(target, 3);

      expect(target.path.read(VIRTIO_BAR, 18, 2)).toBe(0xffff);
      expect(target.path.configRead(PM + 4, 2) & 3).toBe(3);
      expect(target.path.configRead(0x34, 1)).toBe(0x40);
    });

    it('a write is lost', () => {
      const target = vf();
      off(target, 3);

      target.path.write(VIRTIO_BAR, 20, 1, 0);
      off(target, 0);

      expect(target.common.status).toBe(15);
    });

    it('the way back to D0 keeps the state, as No_Soft_Reset promises', () => {
      const target = vf();

      off(target, 3);
      off(target, 0);
      target.transmit();

      expect(target.path.configRead(PM + 4, 2)).toBe(0x0008);
      expect(target.ring(TX).takeUsed()).toHaveLength(1);
      expect(target.card.messages).toHaveLength(1);
    });

    it('D1 and D2, which the card has not, leave it in D0', () => {
      const target = vf();

      off(target, 1);
      expect(target.path.configRead(PM + 4, 2) & 3).toBe(0);
      off(target, 2);
      expect(target.path.configRead(PM + 4, 2) & 3).toBe(0);
    });

    it('the PF in D3hot takes the registers of the PF away, not those of a VF', () => {
      const card = new Card({ mode }).enableVfs(1);

      card.nic.configWrite(0, PM + 4, 2, 3);

      expect(card.direct(0).read(VIRTIO_BAR, 18, 2)).toBe(0xffff);
      expect(card.direct(1).read(VIRTIO_BAR, 18, 2)).toBe(3);
    });
  });
});
