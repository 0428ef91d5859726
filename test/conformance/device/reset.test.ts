// SPDX-License-Identifier: Apache-2.0
// Device reset: virtio 1.4 §2.4, §4.1.4.3.1; oracle O6 (no late write, no late interrupt) at every stage of the work.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card, EXPRESS } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { R, RX, TX, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

/** Cycles after the doorbell or the frame at which the reset is written; three frames are through after 750. */
const DELAYS = Array.from({ length: 27 }, (_, i) => 31 * i);

eachFunction((fn) => {
  const running = (mode: 'timed' | 'functional' = 'timed'): RawFunction =>
    new RawFunction(new Card({ mode }).enableVfs(2), fn, 32 << 10)
      .enableMsix(3, 0x4000)
      .start({ queues: { [RX]: { vector: 2 }, [TX]: { vector: 1 } }, configVector: 0 });
  const advance = (target: RawFunction, cycles: number): void => {
    const { nic } = target.card;
    nic.advance(nic.now() + cycles);
  };
  const seen = (target: RawFunction): string => target.card.trace(target.memory);
  const reset = (target: RawFunction): void => {
    target.status = 0;
    while (target.status !== 0) advance(target, 100);
  };

  eachMode((mode) => {
    describe(requirement('GEN-RESET-01'), () => {
      it.each([1, 3, 11, 15, 0x8f])('status %i reads 0 after a reset', (status) => {
        const target = running(mode);
        target.status = status;

        target.status = 0;

        expect(target.status).toBe(0);
      });

      it('a reset of a device that was never started is one as well', () => {
        const target = new RawFunction(new Card({ mode }).enableVfs(2), fn);

        target.status = 0;

        expect(target.status).toBe(0);
      });
    });

    describe(requirement('PCI-COMMON-07'), () => {
      it('all registers of the common configuration are back at their reset values', () => {
        const target = running(mode);
        const fresh = new Card({ mode }).enableVfs(2).direct(fn);

        reset(target);

        target.write(R.QUEUE_SELECT, 1);
        fresh.write(VIRTIO_BAR, 22, 2, 1);
        target.write(R.DEVICE_FEATURE_SELECT, 0, 4);
        target.write(R.DRIVER_FEATURE_SELECT, 0, 4);
        const offsets = Array.from({ length: 16 }, (_, i) => 4 * i);
        const read = (at: number): number => target.path.read(VIRTIO_BAR, at, 4);
        expect(offsets.map(read)).toEqual(offsets.map((at) => fresh.read(VIRTIO_BAR, at, 4)));
      });

      it('the MSI-X table and bus mastering, which are PCI’s, are not touched', () => {
        const target = running(mode);

        reset(target);

        expect(target.path.read(4, 16 + 8, 4)).toBe(0x4001);
        expect(target.path.configRead(0x4a, 2) & 0x8000).toBe(0x8000);
        expect(target.path.configRead(0x04, 2) & 4).toBe(4);
      });
    });

    describe(requirement('GEN-RESET-02'), () => {
      it('a doorbell after the reset reads no queue and notifies nobody', () => {
        const target = running(mode);
        reset(target);
        const reads = target.card.nic.counters()['dma_reads'];

        target.transmit();

        expect(target.card.nic.counters()['dma_reads']).toBe(reads);
        expect(target.card.messages).toEqual([]);
      });

      it('a frame that arrives after the reset uses no buffer', () => {
        const target = running(mode);
        const at = target.memory.alloc(2048, 8);
        target.ring(RX).add([{ iova: target.memory.iova(at), length: 2048, isWritable: true }]);
        target.kick(RX);
        reset(target);

        target.card.nic.receiveFrame(new Uint8Array(64).fill(0xff, 0, 6));
        target.card.settle();

        expect(target.ring(RX).usedIdx).toBe(0);
        expect(target.card.messages).toEqual([]);
      });
    });
  });

  describe(requirement('GEN-RESET-02'), () => {
    it('at no stage of a transmission does anything follow once status reads 0', () => {
      for (const delay of DELAYS) {
        const target = running();
        for (let i = 0; i < 3; i++) target.addFrame();
        target.notify(TX);
        advance(target, delay);

        reset(target);
        const before = seen(target);
        target.card.settle();

        expect([delay, seen(target)]).toEqual([delay, before]);
      }
    });

    it('at no stage of a reception does anything follow once status reads 0', () => {
      for (const delay of DELAYS) {
        const target = running();
        const at = target.memory.alloc(2048, 8);
        target.ring(RX).add([{ iova: target.memory.iova(at), length: 2048, isWritable: true }]);
        target.kick(RX);
        target.card.nic.receiveFrame(new Uint8Array(64).fill(0xff, 0, 6));
        advance(target, delay);

        reset(target);
        const before = seen(target);
        target.card.settle();

        expect([delay, seen(target)]).toEqual([delay, before]);
      }
    });

    it('at no stage does the work of before the reset disturb what is set up anew', () => {
      for (const delay of DELAYS) {
        const target = running();
        for (let i = 0; i < 3; i++) target.addFrame();
        target.notify(TX);
        advance(target, delay);

        target.start({ queues: { [TX]: { vector: 1 } }, configVector: null });
        target.card.messages.length = 0;
        const head = target.transmit();

        expect([delay, target.status, target.ring(TX).takeUsed()]).toEqual([delay, 15, [{ id: head, length: 0 }]]);
        expect(target.card.messages).toHaveLength(1);
      }
    });
  });

  describe('function level reset under way', () => {
    it('at no stage of a transmission does anything follow the FLR', () => {
      for (const delay of DELAYS) {
        const target = running();
        for (let i = 0; i < 3; i++) target.addFrame();
        target.notify(TX);
        advance(target, delay);

        target.path.configWrite(EXPRESS + 8, 2, 0x8000);
        const before = seen(target);
        target.card.settle();

        expect([delay, seen(target)]).toEqual([delay, before]);
      }
    });
  });
});

describe('reset of the PF', () => {
  it('leaves the VFs enabled and running', () => {
    const card = new Card().enableVfs(2);
    const pf = new RawFunction(card, 0).start();
    const vf = new RawFunction(card, 2).start();

    pf.status = 0;
    vf.transmit();

    expect(card.nic.isPresent(2)).toBe(true);
    expect(vf.status).toBe(15);
    expect(vf.ring(TX).takeUsed()).toHaveLength(1);
  });
});

describe('VF Enable cleared under way', () => {
  it('at no stage of a transmission does anything follow', () => {
    for (const delay of DELAYS) {
      const card = new Card({ mode: 'timed' }).enableVfs(2);
      const target = new RawFunction(card, 2, 32 << 10)
        .enableMsix(2)
        .start({ queues: { [TX]: { vector: 1 } }, configVector: null });
      for (let i = 0; i < 3; i++) target.addFrame();
      target.notify(TX);
      card.nic.advance(card.nic.now() + delay);

      card.disableVfs();
      const before = card.trace(target.memory);
      card.settle();

      expect([delay, card.trace(target.memory)]).toEqual([delay, before]);
    }
  });
});
