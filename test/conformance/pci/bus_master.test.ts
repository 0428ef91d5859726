// SPDX-License-Identifier: Apache-2.0
// Bus mastering and address spaces: PCI Express Base §7.5.1.1.3; bad-driver case R07 and oracle O4 (DMA by requester id).
import { describe, expect, it } from 'vitest';

import { Card } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { R, TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

eachMode((mode) => {
  eachFunction((fn) => {
    const started = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn)
        .enableMsix(2)
        .start({ queues: { [TX]: { vector: 1 } }, configVector: null });
    const busMaster = (target: RawFunction, isOn: boolean): void => {
      const memory = fn === 0 ? 0x0002 : 0;
      target.path.configWrite(0x04, 2, memory | (isOn ? 0x0004 : 0));
      target.card.settle();
    };

    describe('Bus Master Enable clear', () => {
      it('a doorbell starts no access to memory', () => {
        const target = started();
        busMaster(target, false);
        const before = target.card.nic.counters();

        target.transmit();

        const { dma_reads: reads, dma_writes: writes, msi_writes: messages } = target.card.nic.counters();
        expect([reads, writes, messages]).toEqual([before['dma_reads'], before['dma_writes'], before['msi_writes']]);
        expect(target.ring(TX).usedIdx).toBe(0);
      });

      it('is no error of the driver: the device stays usable', () => {
        const target = started();
        busMaster(target, false);

        target.transmit();

        expect(target.status).toBe(15);
      });

      it('the doorbell is remembered until bus mastering comes on', () => {
        const target = started();
        busMaster(target, false);
        target.transmit();

        busMaster(target, true);

        expect(target.ring(TX).takeUsed()).toHaveLength(1);
      });

      // every cycle is a different stage of the work: doorbell, index, ring, descriptors, data (CARD-02)
      it('work that it interrupts anywhere goes on when bus mastering comes back', () => {
        for (let cycles = 0; cycles < 700; cycles += 7) {
          const target = started();
          target.addFrame();
          target.path.write(2, 0x3000 + 4 * TX, 2, TX);
          target.card.nic.advance(target.card.nic.now() + cycles);

          busMaster(target, false);
          busMaster(target, true);

          expect([cycles, target.ring(TX).takeUsed().length]).toEqual([cycles, 1]);
        }
      });

      it('registers work', () => {
        const target = started();

        busMaster(target, false);

        expect(target.read(R.NUM_QUEUES)).toBe(3);
      });
    });

    describe('an address space', () => {
      it('that lacks the ring makes the device need a reset, counted as bad_dma', () => {
        const target = started();
        target.card.nic.attachIoas(fn, null);

        target.transmit();

        expect(target.status & 0x40).toBe(0x40);
        expect(target.card.nic.functionCounters(fn)['bad_dma']).toBe(1);
        expect(target.card.nic.counters()['dma_faults']).toBeGreaterThanOrEqual(1);
      });

      it('that lacks a buffer makes the device need a reset', () => {
        const target = started();

        target.ring(TX).add([{ iova: 0x7777_0000_0000, length: 72 }]);
        target.kick(TX);

        expect(target.status & 0x40).toBe(0x40);
        expect(target.card.nic.functionCounters(fn)['bad_dma']).toBe(1);
      });
    });
  });

  it('Bus Master Enable of the PF does not stop a VF', () => {
    const card = new Card({ mode }).enableVfs(2);
    const vf = new RawFunction(card, 2).start();

    card.nic.configWrite(0, 0x04, 2, 0x0002);
    vf.transmit();

    expect(vf.ring(TX).takeUsed()).toHaveLength(1);
  });

  it('a VF cannot reach the memory of another VF', () => {
    const card = new Card({ mode }).enableVfs(2);
    const victim = new RawFunction(card, 1, 16 << 10).start();
    const culprit = new RawFunction(card, 2, 16 << 10).start();
    const at = victim.memory.alloc(128, 8);

    culprit.ring(TX).add([{ iova: victim.memory.iova(at), length: 72 }]);
    culprit.kick(TX);

    expect(card.nic.functionCounters(2)['bad_dma']).toBe(1);
    expect(card.nic.functionCounters(2)['tx_frames']).toBe(0);
    expect(victim.status).toBe(15);
  });
});
