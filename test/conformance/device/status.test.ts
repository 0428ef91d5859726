// SPDX-License-Identifier: Apache-2.0
// The device status field: virtio 1.4 §2.1, §3.1 for the order of its bits.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { BASE_FEATURES, CommonConfig, featureWords } from '../support/common_config.ts';
import { eachFunction, eachMode, eachPath } from '../support/modes.ts';
import { RX, TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

const NEEDS_RESET = 0x40;

eachMode((mode) => {
  eachFunction((fn) => {
    const prepared = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn)
        .enableMsix(3)
        .prepare({ queues: { [RX]: { vector: 2 }, [TX]: { vector: 1 } }, configVector: 0 });
    const running = (): RawFunction => {
      const target = prepared();
      target.status = 15;
      return target;
    };

    describe(requirement('GEN-STATUS-01'), () => {
      it('before DRIVER_OK a doorbell uses no buffer and notifies nobody', () => {
        const target = prepared();

        target.transmit();

        expect(target.ring(TX).usedIdx).toBe(0);
        expect(target.card.messages).toEqual([]);
      });

      it('before DRIVER_OK a frame from the wire uses no receive buffer', () => {
        const target = prepared();
        const at = target.memory.alloc(2048, 8);
        target.ring(RX).add([{ iova: target.memory.iova(at), length: 2048, isWritable: true }]);
        target.kick(RX);

        target.card.nic.receiveFrame(new Uint8Array(64).fill(0xff, 0, 6));
        target.card.settle();

        expect(target.ring(RX).usedIdx).toBe(0);
        expect(target.card.messages).toEqual([]);
      });

      it('buffers made available before DRIVER_OK are used after it, with the next doorbell', () => {
        const target = prepared();
        target.transmit();

        target.status = 15;
        target.transmit();

        expect(target.ring(TX).takeUsed()).toHaveLength(2);
      });

      it('a doorbell before DRIVER_OK is counted as ignored', () => {
        const target = prepared();
        const before = target.card.nic.functionCounters(fn)['doorbells_ignored']!;

        target.transmit();

        expect(target.card.nic.functionCounters(fn)['doorbells_ignored']).toBe(before + 1);
      });
    });

    describe(requirement('GEN-STATUS-02'), () => {
      it('a head beyond the queue sets DEVICE_NEEDS_RESET', () => {
        const target = running();

        target.breakQueue();

        expect(target.status).toBe(15 | NEEDS_RESET);
      });

      it('the driver cannot clear DEVICE_NEEDS_RESET but by a reset', () => {
        const target = running();
        target.breakQueue();

        target.status = 15;
        expect(target.status & NEEDS_RESET).toBe(NEEDS_RESET);
        target.status = 0;
        expect(target.status).toBe(0);
      });

      it('the function works again after the reset', () => {
        const target = running();
        target.breakQueue();

        target.start();
        target.transmit();

        expect(target.status).toBe(15);
        expect(target.ring(TX).takeUsed()).toHaveLength(1);
      });

      it('other functions do not notice', () => {
        const target = running();
        const other = new RawFunction(target.card, 1).start();

        target.breakQueue();
        other.transmit();

        expect(other.status).toBe(15);
        expect(other.ring(TX).takeUsed()).toHaveLength(1);
      });
    });

    describe(requirement('GEN-STATUS-03'), () => {
      it('DEVICE_NEEDS_RESET with DRIVER_OK set is announced on the configuration vector, once', () => {
        const target = running();

        target.breakQueue();

        expect(target.card.messages.map(({ fn: sender, vector }) => [sender, vector])).toEqual([[fn, 0]]);
      });
    });
  });
});

eachPath((kind) => {
  eachFunction((fn) => {
    const common = (): CommonConfig => new CommonConfig(new Card().enableVfs(2).path(kind, fn));

    describe('status bits', () => {
      it('is 0 at power-on', () => {
        expect(common().status).toBe(0);
      });

      it('read back as the driver sets them one after the other', () => {
        const registers = common();
        const seen: number[] = [];

        for (const value of [1, 3]) {
          registers.status = value;
          seen.push(registers.status);
        }
        registers.accept(featureWords(...BASE_FEATURES));
        for (const value of [11, 15]) {
          registers.status = value;
          seen.push(registers.status);
        }

        expect(seen).toEqual([1, 3, 11, 15]);
      });

      it('FAILED is kept until a reset', () => {
        const registers = common();
        registers.status = 1;

        registers.status = 0x81;
        expect(registers.status).toBe(0x81);
        registers.status = 0;
        expect(registers.status).toBe(0);
      });

      it('DEVICE_NEEDS_RESET is not the driver’s to set', () => {
        const registers = common();
        registers.status = 1;

        registers.status = 1 | NEEDS_RESET;

        expect(registers.status).toBe(1);
      });

      it('SUSPEND, which is not offered, and the unassigned bit stay clear', () => {
        const registers = common();
        registers.negotiate(featureWords(...BASE_FEATURES));
        registers.status = 15;

        registers.status = 15 | 0x30;

        expect(registers.status).toBe(15);
      });

      it('the features are fixed once FEATURES_OK is set', () => {
        const registers = common();
        registers.negotiate(featureWords(...BASE_FEATURES));

        registers.accept(featureWords(...BASE_FEATURES, 5, 16));

        expect(registers.accepted()).toEqual(featureWords(...BASE_FEATURES));
      });
    });
  });
});
