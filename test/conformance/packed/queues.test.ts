// SPDX-License-Identifier: Apache-2.0
// VIRTIO_F_RING_PACKED and the registers of its queues: virtio 1.4 §2.8.10.1 (sizes and alignment), §4.1.4.3, §2.6.1 (reset).
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { frame, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, F, FEATURES_OK, R } from '../../support/registers.ts';
import { RawPackedRing } from '../../support/raw_packed_ring.ts';
import { RawRing } from '../../support/raw_ring.ts';
import { submit, readable } from '../ring/support/buffers.ts';
import { PackedFunction, RING_PACKED, TX } from './support/packed_queues.ts';

describe('the feature', () => {
  it.each([
    [true, true],
    [false, false],
    [undefined, false],
  ])('packed %s of the card: offered %s, by the PF and its VFs', (packed, isOffered) => {
    const card = new RawCard({ numVfs: 1, ...(packed === undefined ? {} : { packed }) });

    expect([card.fn(0).hasOffered(RING_PACKED), card.fn(1).hasOffered(RING_PACKED)]).toEqual([isOffered, isOffered]);
  });

  it('is refused where it is not offered', () => {
    expect(new RawCard().fn(0).negotiate([F.VERSION_1, F.ACCESS_PLATFORM, RING_PACKED])).toBe(false);
  });

  it('leaves split rings to a driver that does not take it', () => {
    const card = new RawCard({ packed: true, queueSize: 16 });
    const fn = card.fn(0);
    fn.start();
    const bytes = frame(STRANGER, fn.mac);

    submit(fn, TX, readable(fn, Uint8Array.of(...new Uint8Array(12), ...bytes)));

    expect(card.wire.map((sent) => sent.bytes)).toEqual([bytes]);
  });

  it('goes away with a reset of the device: the next driver may take split rings', () => {
    const at = new PackedFunction();
    at.tx.offer(0, at.parts(at.frame()));
    at.fn.kick(TX);
    at.fn.start();
    const bytes = frame(STRANGER, at.fn.mac);

    submit(at.fn, TX, readable(at.fn, Uint8Array.of(...new Uint8Array(12), ...bytes)));

    expect(at.sent).toEqual([at.frame(), bytes]);
    expect(at.fn.ring(TX)).toBeInstanceOf(RawRing);
  });
});

describe('queue_size', () => {
  it.each([1, 3, 100, 255, 256])('%i is taken with packed rings', (size) => {
    const at = new PackedFunction({ size });

    expect(at.fn.queue(TX, R.QUEUE_SIZE)).toBe(size);
  });

  it.each([0, 257, 0xffff])('%i is not', (size) => {
    const card = new RawCard({ packed: true, queueSize: 256 });
    const fn = card.fn(0);
    fn.negotiate([F.VERSION_1, F.ACCESS_PLATFORM, RING_PACKED]);

    fn.setQueue(TX, R.QUEUE_SIZE, size);

    expect(fn.queue(TX, R.QUEUE_SIZE)).toBe(256);
  });

  describe(requirement('PCI-COMMON-15'), () => {
    it('without packed rings only powers of two are taken', () => {
      const card = new RawCard({ packed: true, queueSize: 256 });
      const fn = card.fn(0);
      fn.negotiate([F.VERSION_1, F.ACCESS_PLATFORM]);
      const seen = [3, 64, 100].map((size) => {
        fn.setQueue(TX, R.QUEUE_SIZE, size);
        return fn.queue(TX, R.QUEUE_SIZE);
      });

      expect(seen).toEqual([256, 64, 64]);
    });
  });
});

describe('queue_enable', () => {
  it.each([
    ['descriptor ring on 16 bytes', R.QUEUE_DESC, 8, 0],
    ['driver area on 4', R.QUEUE_DRIVER, 2, 0],
    ['device area on 4', R.QUEUE_DEVICE, 2, 0],
    ['driver area on 4, and on it', R.QUEUE_DRIVER, 4, 1],
  ])('%s', (_, register, offset, enabled) => {
    const card = new RawCard({ packed: true, queueSize: 16 });
    const fn = card.fn(0);
    fn.negotiate([F.VERSION_1, F.ACCESS_PLATFORM, RING_PACKED]);
    const ring = new RawPackedRing(fn.memory, 16);
    fn.setQueueAddress(TX, R.QUEUE_DESC, ring.iovas.desc);
    fn.setQueueAddress(TX, R.QUEUE_DRIVER, ring.iovas.driver);
    fn.setQueueAddress(TX, R.QUEUE_DEVICE, ring.iovas.device);
    const base = fn.queue(TX, register, 4);

    fn.setQueue(TX, register, base + offset, 4);
    fn.setQueue(TX, R.QUEUE_ENABLE, 1);

    expect(fn.queue(TX, R.QUEUE_ENABLE)).toBe(enabled);
  });
});

describe.each(MODES)('%s', (mode) => {
  it('a queue that is reset begins at descriptor 0 with wrap counter 1, in another place and of another size', () => {
    const at = new PackedFunction({ mode, size: 7, features: [F.EVENT_IDX] });
    for (let n = 0; n < 9; n++) {
      at.tx.offer(n, at.parts(at.frame()));
      at.fn.kick(TX);
      at.tx.takeUsed();
    }
    at.fn.setQueue(TX, R.QUEUE_RESET, 1);
    expect([at.fn.queue(TX, R.QUEUE_RESET), at.fn.queue(TX, R.QUEUE_ENABLE)]).toEqual([0, 0]);
    const other = new RawPackedRing(at.fn.memory, 3);
    at.enable(TX, other);

    for (let n = 0; n < 8; n++) {
      other.offer(n, at.parts(at.frame(61, n)));
      at.fn.kick(TX);
      expect(other.takeUsed().map(({ slot, id }) => [slot, id])).toEqual([[n % 3, n]]);
    }
    expect(at.sent).toHaveLength(17);
  });

  it('a queue that is reset in the middle of a list forgets it', () => {
    const at = new PackedFunction({ mode, size: 64 });
    at.tx.offer(0, at.parts(at.frame(200), ...Array.from({ length: 40 }, () => 4)));
    at.fn.notify(TX);
    at.card.nic.advance(at.card.nic.now() + 400); // timed: some of its lines are read
    at.fn.setQueue(TX, R.QUEUE_RESET, 1);
    at.tx.clear();
    at.enable(TX, at.tx);
    const before = at.sent.length;

    at.tx.offer(1, at.parts(at.frame(70)));
    at.fn.kick(TX);

    expect(at.sent.slice(before)).toEqual([at.frame(70)]);
    expect(at.tx.takeUsed().map(({ slot, id }) => [slot, id])).toEqual([[0, 1]]);
  });

  it('bus mastering off and on: what was fetched is fetched again, nothing is lost or sent twice', () => {
    const frames = Array.from({ length: 12 }, (_, n) => n);
    for (const cycles of [0, 100, 300, 500, 700, 1000, 1500]) {
      const at = new PackedFunction({ mode, size: 16 });
      for (const n of frames) at.tx.offer(n, at.parts(at.frame(60 + n, n)));
      at.fn.notify(TX);
      at.card.nic.advance(at.card.nic.now() + cycles);
      at.card.nic.configWrite(0, 4, 2, 2);
      at.card.settle();
      at.card.nic.configWrite(0, 4, 2, 6);
      at.card.settle();

      expect(at.sent).toEqual(frames.map((n) => at.frame(60 + n, n)));
      expect(at.tx.takeUsed().map(({ id }) => id)).toEqual(frames);
    }
  });

  it('VFs have packed rings of their own', () => {
    const at = new PackedFunction({ mode, numVfs: 1 }, 1);
    at.tx.offer(0, at.parts(frame(STRANGER, macOf(1))));
    at.fn.kick(TX);

    expect(at.sent).toEqual([frame(STRANGER, macOf(1))]);
    expect(at.fn.status).toBe(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  });
});
