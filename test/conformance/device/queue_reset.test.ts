// SPDX-License-Identifier: Apache-2.0
// Reset of one virtqueue: virtio 1.4 §2.6.1 "Virtqueue Reset" and re-enable, §4.1.4.3.1; bad-driver case Q09.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { R, RX, TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

const RING_RESET = 40;

eachMode((mode) => {
  eachFunction((fn) => {
    const running = (features: readonly number[] = [RING_RESET]): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn)
        .enableMsix(4)
        .start({ features, queues: { [RX]: { vector: 2 }, [TX]: { vector: 1 } }, configVector: 0 });
    /** Writes 1 and polls as a driver does; returns what queue_reset read meanwhile. */
    const resetQueue = (target: RawFunction, queue: number): number[] => {
      const seen: number[] = [];
      target.setQueue(queue, R.QUEUE_RESET, 1);
      do {
        seen.push(target.read(R.QUEUE_RESET));
      } while (seen.at(-1) !== 0 && seen.length < 1000);
      return seen;
    };

    describe(requirement('PCI-COMMON-09'), () => {
      it('queue_reset of every queue is 0 after a device reset', () => {
        const target = running();
        target.setQueue(TX, R.QUEUE_RESET, 1);

        target.status = 0;

        expect([0, 1, 2].map((queue) => target.queue(queue, R.QUEUE_RESET))).toEqual([0, 0, 0]);
      });
    });

    describe(requirement('PCI-COMMON-10'), () => {
      it('queue_reset is 0 once the queue has been enabled, and once it has been enabled again', () => {
        const target = running();

        expect(target.queue(TX, R.QUEUE_RESET)).toBe(0);
        resetQueue(target, TX);
        target.addQueue(TX);
        expect(target.queue(TX, R.QUEUE_RESET)).toBe(0);
        expect(target.read(R.QUEUE_ENABLE)).toBe(1);
      });
    });

    describe(requirement('PCI-COMMON-11'), () => {
      it('writing 1 resets that queue and no other', () => {
        const target = running();

        resetQueue(target, TX);

        expect(target.queue(TX, R.QUEUE_ENABLE)).toBe(0);
        expect(target.queue(RX, R.QUEUE_ENABLE)).toBe(1);
        expect(target.status).toBe(15);
      });

      it('writing 0 does nothing', () => {
        const target = running();

        target.setQueue(TX, R.QUEUE_RESET, 0);
        target.transmit();

        expect(target.queue(TX, R.QUEUE_ENABLE)).toBe(1);
        expect(target.ring(TX).takeUsed()).toHaveLength(1);
      });

      it('writing 1 twice is like once', () => {
        const target = running();
        resetQueue(target, TX);

        expect(resetQueue(target, TX).at(-1)).toBe(0);
        target.addQueue(TX);
        target.transmit();
        expect(target.ring(TX).takeUsed()).toHaveLength(1);
      });

      it('without RING_RESET negotiated the queue goes on', () => {
        const target = running([]);

        target.setQueue(TX, R.QUEUE_RESET, 1);
        target.transmit();

        expect(target.queue(TX, R.QUEUE_ENABLE)).toBe(1);
        expect(target.ring(TX).takeUsed()).toHaveLength(1);
      });
    });

    describe(requirement('PCI-COMMON-13'), () => {
      it('once queue_reset reads 0 queue_enable does too', () => {
        const target = running();
        target.addFrame();
        target.notify(TX);

        expect(resetQueue(target, TX).at(-1)).toBe(0);
        expect(target.read(R.QUEUE_ENABLE)).toBe(0);
      });
    });

    describe(requirement('GEN-VQRESET-01'), () => {
      it('a queue in reset takes no buffer and notifies nobody', () => {
        const target = running();
        resetQueue(target, TX);
        const reads = target.card.nic.counters()['dma_reads'];

        target.transmit();

        expect(target.card.nic.counters()['dma_reads']).toBe(reads);
        expect(target.ring(TX).usedIdx).toBe(0);
        expect(target.card.messages).toEqual([]);
      });

      it('the other queue of the function goes on', () => {
        const target = running();
        const at = target.memory.alloc(2048, 8);
        target.ring(RX).add([{ iova: target.memory.iova(at), length: 2048, isWritable: true }]);
        target.kick(RX);

        resetQueue(target, TX);
        target.card.nic.receiveFrame(new Uint8Array(64).fill(0xff, 0, 6));
        target.card.settle();

        expect(target.ring(RX).takeUsed()).toHaveLength(1);
      });
    });

    describe(requirement('GEN-VQRESET-02'), () => {
      it('size, vector and addresses are back at their reset values', () => {
        const target = running();
        target.transmit();

        resetQueue(target, TX);

        expect([target.queue(TX, R.QUEUE_SIZE), target.queue(TX, R.QUEUE_MSIX_VECTOR)]).toEqual([256, 0xffff]);
        const addresses = [R.QUEUE_DESC, R.QUEUE_DRIVER, R.QUEUE_DEVICE];
        expect(addresses.map((register) => target.queue(TX, register, 4))).toEqual([0, 0, 0]);
      });

      it('available and used positions start at 0 again', () => {
        const target = running();
        for (let i = 0; i < 5; i++) target.transmit();
        resetQueue(target, TX);

        target.addQueue(TX);
        const head = target.transmit();

        expect(target.ring(TX).usedIdx).toBe(1);
        expect(target.ring(TX).takeUsed()).toEqual([{ id: head, length: 0 }]);
      });
    });

    describe(requirement('GEN-VQREEN-01'), () => {
      it('another size, other addresses and another vector are taken up', () => {
        const target = running();
        target.transmit();
        target.card.messages.length = 0;
        resetQueue(target, TX);

        const ring = target.addQueue(TX, { size: 4, vector: 3 });
        for (let i = 0; i < 6; i++) target.transmit();

        expect(target.queue(TX, R.QUEUE_SIZE)).toBe(4);
        expect(ring.usedIdx).toBe(6);
        expect(target.card.messages.map(({ vector }) => vector)).toEqual([3, 3, 3, 3, 3, 3]);
      });
    });
  });
});

eachFunction((fn) => {
  describe(requirement('PCI-COMMON-12'), () => {
    it('at no stage of the work is the queue touched once queue_reset reads 0', () => {
      for (let delay = 0; delay < 800; delay += 37) {
        const card = new Card({ mode: 'timed' }).enableVfs(2);
        const target = new RawFunction(card, fn, 32 << 10)
          .enableMsix(2)
          .start({ features: [RING_RESET], queues: { [TX]: { vector: 1 } } });
        for (let i = 0; i < 3; i++) target.addFrame();
        target.notify(TX);
        card.nic.advance(card.nic.now() + delay);

        target.setQueue(TX, R.QUEUE_RESET, 1);
        while (target.read(R.QUEUE_RESET) !== 0);
        const before = card.trace(target.memory);
        card.settle();

        expect([delay, card.trace(target.memory)]).toEqual([delay, before]);
      }
    });
  });
});
