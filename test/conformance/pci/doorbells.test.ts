// SPDX-License-Identifier: Apache-2.0
// Available buffer notifications: virtio 1.4 §4.1.5.2. The value that is written names the queue; where each queue's doorbell
// lies is queue_notify_off * notify_off_multiplier. Bad-driver case Q07.
import { describe, expect, it } from 'vitest';

import { Card } from '../support/card.ts';
import { eachFunction, eachMode } from '../support/modes.ts';
import { NOTIFY, R, TX, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

eachMode((mode) => {
  eachFunction((fn) => {
    const started = (): RawFunction => new RawFunction(new Card({ mode }).enableVfs(2), fn).start();
    const ring = (target: RawFunction, offset: number, value: number, size: 1 | 2 | 4 = 2): number => {
      target.path.write(VIRTIO_BAR, NOTIFY + offset, size, value);
      target.card.settle();
      return target.ring(TX).usedIdx;
    };

    describe('a doorbell', () => {
      it('at the place of its queue with its index starts the queue', () => {
        const target = started();
        target.addFrame();

        expect(ring(target, 4 * target.queue(TX, R.QUEUE_NOTIFY_OFF), TX)).toBe(1);
      });

      it('at the place of queue 0 with another index starts that queue, as a legacy driver does', () => {
        const target = started();
        target.addFrame();

        expect(ring(target, 0, TX)).toBe(1);
      });

      it.each([2, 3, 7, 100, 0x7fff, 0xffff])('for queue %i, not enabled or not there, starts nothing', (queue) => {
        const target = started();
        target.addFrame();
        const before = target.card.nic.functionCounters(fn)['doorbells_ignored']!;

        expect(ring(target, 0, queue)).toBe(0);
        expect(target.card.nic.functionCounters(fn)['doorbells_ignored']).toBe(before + 1);
        expect(target.status).toBe(15);
      });

      it('of 32 bits with zeros above the index starts the queue or nothing', () => {
        const target = started();
        target.addFrame();

        expect([0, 1]).toContain(ring(target, 4 * TX, TX, 4));
        expect(ring(target, 4 * TX, TX)).toBe(1);
      });

      it('of one function does not start another', () => {
        const target = started();
        const other = new RawFunction(target.card, 1).start();
        target.addFrame();
        other.addFrame();

        other.kick(TX);

        expect(target.ring(TX).usedIdx).toBe(0);
        expect(other.ring(TX).usedIdx).toBe(1);
      });

      it('reads back as no register: a read starts nothing', () => {
        const target = started();
        target.addFrame();

        target.path.read(VIRTIO_BAR, NOTIFY + 4 * TX, 2);
        target.card.settle();

        expect(target.ring(TX).usedIdx).toBe(0);
      });

      it('that comes while nothing is available is harmless', () => {
        const target = started();

        for (let i = 0; i < 5; i++) expect(ring(target, 4 * TX, TX)).toBe(0);

        target.addFrame();
        expect(ring(target, 4 * TX, TX)).toBe(1);
      });
    });
  });
});
