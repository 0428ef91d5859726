// SPDX-License-Identifier: Apache-2.0
// Power states: PCI Express Base §5.3, §7.5.2; bad-driver case R15.
import { describe, expect, it } from 'vitest';

import { Card, EXPRESS, MSIX, PM } from '../support/card.ts';
import { eachMode } from '../support/modes.ts';
import { DEVICE_CONFIG, R, TX, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';
import { SRIOV } from '../../support/raw_bench.ts';

eachMode((mode) => {
  describe('power state D3hot', () => {
    const off = (target: RawFunction, state: number): void => {
      target.path.configWrite(PM + 4, 2, state);
      target.card.settle();
    };
    const vf = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), 2)
        .enableMsix(2)
        .start({ queues: { [TX]: { vector: 1 } }, configVector: null });

    it('memory accesses are Unsupported Requests, configuration accesses work', () => {
      const target = vf();

      off(target, 3);

      expect(target.path.read(VIRTIO_BAR, 18, 2)).toBe(0xffff);
      expect(target.path.configRead(PM + 4, 2) & 3).toBe(3);
      expect(target.path.configRead(0x34, 1)).toBe(0x40);
    });

    it('the way back to D0 is a reset, since No_Soft_Reset is 0: nothing of the driver is left (§5.3.1.4, §7.5.2.2)', () => {
      const target = vf();
      target.path.configWrite(EXPRESS + 8, 2, 0x5020); // Device Control: read requests of 4096 bytes
      off(target, 3);
      expect(target.path.configRead(PM + 4, 2)).toBe(3); // bit 3 is No_Soft_Reset

      off(target, 0);

      expect(target.path.configRead(PM + 4, 2)).toBe(0);
      expect(target.path.configRead(4, 2)).toBe(0); // Command
      expect(target.path.configRead(EXPRESS + 8, 2)).toBe(0); // Device Control of a VF
      expect(target.path.configRead(MSIX + 2, 2) & 0xc000).toBe(0); // MSI-X Enable, Function Mask
      expect(target.path.read(4, 12, 4)).toBe(1); // vector 0: masked
      expect(target.path.read(4, 0, 4)).toBe(0); // its address
      expect(target.status).toBe(0);
      expect(target.queue(TX, R.QUEUE_ENABLE)).toBe(0);
    });

    it('what was made available before the sleep is not touched after it', () => {
      const target = vf();
      target.addFrame();
      off(target, 3);

      off(target, 0);
      target.path.configWrite(4, 2, 4);
      target.kick(TX);

      expect(target.ring(TX).takeUsed()).toEqual([]);
      expect(target.card.messages).toEqual([]);
    });

    it('a driver that sets the function up again has it as after any reset', () => {
      const target = vf();
      off(target, 3);
      off(target, 0);

      target.path.configWrite(4, 2, 4);
      target.enableMsix(2).start({ queues: { [TX]: { vector: 1 } }, configVector: null });
      target.transmit();

      expect(target.ring(TX).takeUsed()).toHaveLength(1);
      expect(target.card.messages).toHaveLength(1);
    });

    it('identity and address survive it: they are the function, not its state', () => {
      const card = new Card({ mode }).enableVfs(2);
      const mac = () => [0, 1, 2, 3, 4, 5].map((at) => card.direct(2).read(VIRTIO_BAR, DEVICE_CONFIG + at, 1));
      const before = mac();

      card.nic.configWrite(2, PM + 4, 2, 3);
      card.nic.configWrite(2, PM + 4, 2, 0);

      expect(mac()).toEqual(before);
      expect(card.nic.isPresent(2)).toBe(true);
      expect(card.direct(1).read(VIRTIO_BAR, 18, 2)).toBe(3); // another VF: num_queues
    });

    it('a write of the state that it is in resets nothing', () => {
      const target = vf();
      off(target, 0);
      expect(target.status).toBe(15);

      off(target, 3);
      off(target, 3);
      off(target, 1); // there is no D1: the write is discarded
      expect(target.path.configRead(PM + 4, 2)).toBe(3);
    });

    it('the way back of the PF takes the VFs and its own BARs away, as its FLR does', () => {
      const card = new Card({ mode }).enableVfs(2);

      card.nic.configWrite(0, PM + 4, 2, 3);
      card.nic.configWrite(0, PM + 4, 2, 0);

      expect(card.nic.configRead(0, SRIOV + 8, 2)).toBe(0); // VF Enable, VF MSE
      expect(card.nic.configRead(0, SRIOV + 0x10, 2)).toBe(0); // NumVFs
      expect(card.nic.isPresent(1)).toBe(false);
      expect(card.nic.configRead(0, 4, 2)).toBe(0);
      expect(card.nic.configRead(0, 0x18, 4)).toBe(0x0000_0004); // BAR2: 64-bit memory, no address
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
