// SPDX-License-Identifier: Apache-2.0
// Events to vectors: virtio 1.4 §4.1.5.1.2 "MSI-X Vector Configuration", §4.1.5.3, §4.1.5.4.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { eachFunction, eachMode, eachPath } from '../support/modes.ts';
import { RX, TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

const NO_VECTOR = 0xffff;

eachPath((kind) => {
  eachFunction((fn) => {
    const common = (): CommonConfig => {
      const card = new Card().enableVfs(2);
      return new CommonConfig(card.path(kind, fn));
    };
    const vectors = fn === 0 ? 5 : 4;

    describe(requirement('PCI-MSIX-06'), () => {
      it('the vector registers read back every valid vector', () => {
        const registers = common();

        for (let vector = 0; vector < vectors; vector++) {
          registers.write('config_msix_vector', vector);
          registers.writeQueue(1, 'queue_msix_vector', vector);
          expect(registers.read('config_msix_vector')).toBe(vector);
          expect(registers.read('queue_msix_vector')).toBe(vector);
        }
      });

      it('each queue has a vector of its own', () => {
        const registers = common();

        registers.writeQueue(0, 'queue_msix_vector', 2);
        registers.writeQueue(1, 'queue_msix_vector', 1);

        expect(registers.readQueue(0, 'queue_msix_vector')).toBe(2);
        expect(registers.readQueue(1, 'queue_msix_vector')).toBe(1);
        expect(registers.readQueue(2, 'queue_msix_vector')).toBe(NO_VECTOR);
      });
    });

    describe(requirement('PCI-MSIX-05'), () => {
      it('0xffff unmaps the configuration and a queue', () => {
        const registers = common();
        registers.write('config_msix_vector', 1);
        registers.writeQueue(0, 'queue_msix_vector', 1);

        registers.write('config_msix_vector', NO_VECTOR);
        registers.write('queue_msix_vector', NO_VECTOR);

        expect(registers.read('config_msix_vector')).toBe(NO_VECTOR);
        expect(registers.read('queue_msix_vector')).toBe(NO_VECTOR);
      });
    });

    describe(requirement('PCI-MSIX-07'), () => {
      it('nothing is mapped at power-on', () => {
        const registers = common();

        expect(registers.read('config_msix_vector')).toBe(NO_VECTOR);
        for (const queue of [0, 1, 2]) expect(registers.readQueue(queue, 'queue_msix_vector')).toBe(NO_VECTOR);
      });

      it('nothing is mapped after a reset', () => {
        const registers = common();
        registers.write('config_msix_vector', 1);
        registers.writeQueue(0, 'queue_msix_vector', 1);

        registers.status = 0;

        expect(registers.read('config_msix_vector')).toBe(NO_VECTOR);
        expect(registers.readQueue(0, 'queue_msix_vector')).toBe(NO_VECTOR);
      });
    });

    describe(requirement('PCI-MSIX-08'), () => {
      it('the configuration and every queue can share one vector', () => {
        const registers = common();

        registers.write('config_msix_vector', 1);
        for (const queue of [0, 1, 2]) registers.writeQueue(queue, 'queue_msix_vector', 1);

        expect(registers.read('config_msix_vector')).toBe(1);
        for (const queue of [0, 1, 2]) expect(registers.readQueue(queue, 'queue_msix_vector')).toBe(1);
      });
    });

    describe(requirement('PCI-MSIX-09'), () => {
      it.each([vectors, vectors + 1, 0x7ff, 0x800, 0xfffe])('vector %i beyond the table reads NO_VECTOR', (vector) => {
        const registers = common();
        registers.write('config_msix_vector', 0);
        registers.writeQueue(0, 'queue_msix_vector', 0);

        registers.write('config_msix_vector', vector);
        registers.write('queue_msix_vector', vector);

        expect(registers.read('config_msix_vector')).toBe(NO_VECTOR);
        expect(registers.read('queue_msix_vector')).toBe(NO_VECTOR);
      });
    });
  });
});

eachMode((mode) => {
  eachFunction((fn) => {
    const started = (vector: number | null, configVector: number | null): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn)
        .enableMsix(3, 0x4000)
        .start({ queues: { [RX]: { vector: null }, [TX]: { vector } }, configVector });

    describe(requirement('PCI-MSIX-04'), () => {
      it.each([0, 1, 2])('a queue mapped to vector %i sends the message of that entry', (vector) => {
        const target = started(vector, null);

        target.transmit();

        expect(target.card.messages).toEqual([
          { fn, vector, address: 0xfee00000, data: 0x4000 + vector, timeCycles: expect.any(Number) },
        ]);
      });

      it.each([0, 1, 2])('the configuration mapped to vector %i sends the message of that entry', (vector) => {
        const target = started(null, vector);

        target.breakQueue();

        expect(target.card.messages.map(({ data }) => data)).toEqual([0x4000 + vector]);
      });
    });

    describe(requirement('PCI-USEDNOTIF-01'), () => {
      it('a queue without a vector uses buffers and sends nothing', () => {
        const target = started(null, 0);

        target.transmit();

        expect(target.ring(TX).takeUsed()).toHaveLength(1);
        expect(target.card.messages).toEqual([]);
      });
    });

    describe(requirement('PCI-CFGNOTIF-01'), () => {
      it('with NO_VECTOR for the configuration, DEVICE_NEEDS_RESET sends nothing', () => {
        const target = started(1, null);

        target.breakQueue();

        expect(target.status & 0x40).toBe(0x40);
        expect(target.card.messages).toEqual([]);
      });
    });

    describe(requirement('PCI-TEXT-07'), () => {
      it('a vector shared by a queue and the configuration serves both', () => {
        const target = started(1, 1);

        target.transmit();
        target.breakQueue();

        expect(target.card.messages.map(({ vector }) => vector)).toEqual([1, 1]);
      });
    });
  });
});
