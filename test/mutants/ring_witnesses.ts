// SPDX-License-Identifier: Apache-2.0
// Witnesses of bugs in descriptor chains, rings, memory access, and in what a reset gives back.
import { indirect, readable, submit, writable } from '../conformance/ring/support/buffers.ts';
import { frame, HEADER, macOf, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import type { RawFunction } from '../support/raw_function.ts';
import { INDIRECT, NEXT, RawRing, WRITE } from '../support/raw_ring.ts';
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, F, FEATURES_OK, R, RX, TX } from '../support/registers.ts';
import { Port } from '../conformance/net/support/port.ts';
import { cardOf, causes, foreignPage, offerFrame, sendFrame, type Witness, type Witnesses } from './witness.ts';

const SIZE = 16;
const NOWHERE = 0x7777_0000;
const RUNNING = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;

/** Writes a descriptor into a page of the caller's. */
function describe(page: Uint8Array, index: number, addr: number, len: number, flags: number, next: number): void {
  const view = new DataView(page.buffer);
  view.setBigUint64(16 * index, BigInt(addr), true);
  view.setUint32(16 * index + 8, len, true);
  view.setUint16(16 * index + 12, flags, true);
  view.setUint16(16 * index + 14, next, true);
}

/** Starts the transmit queue with its descriptors or its available ring in memory of the caller's. */
function startTransmit(fn: RawFunction, places: { desc?: number; driver?: number }): RawRing {
  fn.reset();
  fn.negotiate([F.VERSION_1, F.ACCESS_PLATFORM]);
  const ring = new RawRing(fn.memory, SIZE);
  const { desc, avail, used } = ring.iovas;
  fn.setQueueAddress(TX, R.QUEUE_DESC, places.desc ?? desc);
  fn.setQueueAddress(TX, R.QUEUE_DRIVER, places.driver ?? avail);
  fn.setQueueAddress(TX, R.QUEUE_DEVICE, used);
  fn.setQueue(TX, R.QUEUE_ENABLE, 1);
  fn.rings.set(TX, ring);
  fn.status = RUNNING;
  return ring;
}

/** A started VF 1 that makes one mistake; the card names it and sends nothing. */
function mistake(cause: string, act: (fn: RawFunction) => void, features: readonly number[] = []): Witness {
  return {
    right: `${cause}, 0 frames`,
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start({ features });
      act(fn);
      return `${causes(fn)}, ${fn.card.wire.length} frames`;
    },
  };
}

function goodPacket(): Uint8Array {
  return packet(frame(STRANGER, macOf(1)));
}

export const RING_WITNESSES: Witnesses = {
  M20: {
    right: 'bad_loop',
    run(core) {
      const fn = cardOf(core).fn(1);
      const page = new Uint8Array(4096);
      describe(page, 0, 0, 0, NEXT, 8);
      describe(page, 8, 0, 0, NEXT, 0);
      startTransmit(fn, { desc: foreignPage(fn, page) }).offer(0);
      fn.kick(TX);
      return causes(fn);
    },
  },
  M21: {
    right: 'bad_indirect',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start({ features: [F.INDIRECT_DESC] });
      const page = new Uint8Array(4096);
      const table = { addr: foreignPage(fn, page), len: 16, flags: INDIRECT };
      describe(page, 0, table.addr, table.len, INDIRECT, 0);
      submit(fn, TX, [table]);
      return causes(fn);
    },
  },
  M22: mistake(
    'bad_loop',
    (fn) => {
      const whole = goodPacket();
      const parts = [whole.slice(0, -SIZE), ...Array.from({ length: SIZE }, () => Uint8Array.of(0))];
      submit(fn, TX, [indirect(fn, readable(fn, ...parts))]);
    },
    [F.INDIRECT_DESC],
  ),
  M23: mistake('bad_indirect', (fn) => submit(fn, TX, [{ ...indirect(fn, readable(fn, goodPacket())), len: 24 }]), [
    F.INDIRECT_DESC,
  ]),
  M24: mistake('bad_indirect', (fn) => submit(fn, TX, [indirect(fn, readable(fn, goodPacket()))])),
  M25: mistake('bad_next', (fn) => {
    const ring = fn.ring(TX);
    ring.describe(0, { ...readable(fn, goodPacket())[0]!, flags: NEXT, next: SIZE });
    ring.offer(0);
    fn.kick(TX);
  }),
  M26: mistake('bad_head', (fn) => {
    fn.ring(TX).offer(SIZE);
    fn.kick(TX);
  }),
  M27: mistake('bad_avail_idx', (fn) => {
    fn.ring(TX).publish(SIZE + 1);
    fn.kick(TX);
  }),
  M28: {
    right: 'bad_loop, used 0',
    run(core) {
      const fn = cardOf(core, { queueSize: 256 }).fn(1);
      fn.start({ features: [F.MRG_RXBUF] });
      const addr = fn.space(1);
      fn.ring(RX).chain(Array.from({ length: 256 }, () => ({ addr, len: 1, flags: WRITE })));
      fn.ring(RX).offer(0, 0, 0, 0, 0, 0);
      fn.kick(RX);
      fn.card.arrive(frame(macOf(1), STRANGER, 1000));
      return `${causes(fn)}, used ${fn.ring(RX).usedIdx}`;
    },
  },
  M29: {
    right: '3 frames of the neighbour',
    run(core) {
      const card = cardOf(core, { mode: 'timed' });
      const [fn, neighbour] = [card.fn(1), card.fn(2)];
      fn.start();
      const length = 400 << 10;
      submit(fn, TX, [{ addr: fn.space(length, 0xff), len: length }]);
      neighbour.start();
      for (let i = 0; i < 3; i++) offerFrame(neighbour);
      neighbour.kick(TX);
      return `${card.wire.length} frames of the neighbour`;
    },
  },
  M30: mistake('bad_order', (fn) => submit(fn, TX, [...writable(fn, 100), ...readable(fn, goodPacket())])),
  M31: {
    right: 'written: false',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start();
      const addr = fn.memory.iova(fn.memory.alloc(4096, 4096));
      fn.protect(addr, 4096, { write: false });
      submit(fn, RX, [{ addr, len: 4096, flags: WRITE }]);
      fn.card.arrive(frame(macOf(1), STRANGER));
      return `written: ${fn.bytesAt(addr, 100).some((byte) => byte !== 0)}`;
    },
  },
  M32: {
    right: 'bad_dma, 1 frames',
    run(core) {
      const card = cardOf(core);
      const [pf, fn] = [card.fn(0), card.fn(1)];
      pf.start();
      fn.start();
      sendFrame(pf);
      submit(fn, TX, readable(pf, goodPacket())); // memory of the PF's driver
      return `${causes(fn)}, ${card.wire.length} frames`;
    },
  },
  M33: {
    right: 'bad_dma, 1 frames',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start();
      sendFrame(fn);
      offerFrame(fn);
      fn.ioas.unmap(fn.memory.iova(0), fn.memory.size);
      fn.kick(TX);
      return `${causes(fn)}, ${fn.card.wire.length} frames`;
    },
  },
  M34: mistake('bad_dma', (fn) => submit(fn, TX, [{ addr: NOWHERE, len: 72 }])),
  M35: {
    right: 'used 0,1',
    run(core) {
      const port = new Port(cardOf(core), 1, { features: [F.MRG_RXBUF] });
      port.post([HEADER + 60, HEADER + 60]);
      port.card.arrive(frame(port.mac, STRANGER, 100));
      return `used ${port.fn
        .ring(RX)
        .usedSince(0)
        .map(({ id }) => id)
        .join()}`;
    },
  },
  M36: {
    right: '2 frames',
    run(core) {
      const fn = cardOf(core).fn(1);
      for (let life = 0; life < 2; life++) {
        fn.start();
        sendFrame(fn);
      }
      return `${fn.card.wire.length} frames`;
    },
  },
  M37: {
    right: 'queue_enable 0',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start();
      fn.reset();
      return `queue_enable ${fn.queue(TX, R.QUEUE_ENABLE)}`;
    },
  },
  M38: {
    right: 'none',
    run(core) {
      const fn = cardOf(core, { mode: 'timed' }).fn(1);
      fn.start();
      offerFrame(fn);
      fn.notify(TX);
      fn.card.nic.advance(fn.card.nic.now() + 60); // the reset meets the read of the index under way
      fn.reset();
      fn.negotiate([F.VERSION_1, F.ACCESS_PLATFORM]);
      fn.addQueue(TX);
      fn.status = RUNNING;
      fn.kick(TX); // nothing is offered
      return causes(fn);
    },
  },
  M39: {
    right: '1 frame of the neighbour',
    run(core) {
      const card = cardOf(core, { mode: 'timed' });
      const [fn, neighbour] = [card.fn(1), card.fn(2)];
      for (let round = 0; round < 60; round++) {
        fn.start();
        for (let i = 0; i < 4; i++) offerFrame(fn);
        fn.notify(TX);
        card.nic.advance(card.nic.now() + 450); // 1.8 us: chains are being read
        fn.reset();
      }
      neighbour.start();
      sendFrame(neighbour);
      return `${card.wire.filter((sent) => sent.fn === 2).length} frame of the neighbour`;
    },
  },
  M40: {
    right: '1 frame of the neighbour',
    run(core) {
      const card = cardOf(core, { mode: 'timed', profile: { 'link.tags': 2 } });
      for (let fault = 0; fault < 2; fault++) {
        card.fn(1).start();
        submit(card.fn(1), TX, [{ addr: NOWHERE, len: 72 }]);
      }
      card.fn(2).start();
      sendFrame(card.fn(2));
      return `${card.wire.length} frame of the neighbour`;
    },
  },
  M41: {
    right: 'under way 0,0,0,0,0',
    run(core) {
      const fn = cardOf(core, { mode: 'timed' }).fn(1);
      const { nic } = fn.card;
      fn.start();
      for (let i = 0; i < 100; i++) sendFrame(fn);
      nic.advance(nic.now() + 1_000_000); // credits are back within microseconds
      return `under way ${Array.from({ length: 5 }, (_, pool) => nic.core.pins.creditsUnderWay(pool)).join()}`;
    },
  },
  M42: {
    right: 'idle before its frame left: false',
    run(core) {
      const fn = cardOf(core, { mode: 'timed' }).fn(1);
      fn.start({ queues: { [TX]: { vector: null } } });
      const long = packet(frame(STRANGER, macOf(1), 1500)); // longer on the wire than the used index to memory
      fn.ring(TX).offer(fn.ring(TX).chain(readable(fn, long)));
      fn.notify(TX);
      fn.card.nic.runToIdle();
      return `idle before its frame left: ${fn.card.nic.now() < fn.card.wire[0]!.timeCycles}`;
    },
  },
  M43: {
    right: 'none, used 1',
    run(core) {
      const fn = cardOf(core).fn(1);
      const page = new Uint8Array(4096);
      const index = (reads: number): void => new DataView(page.buffer).setUint16(2, reads === 1 ? 1 : 9, true);
      const ring = startTransmit(fn, { driver: foreignPage(fn, page, index) });
      ring.chain(readable(fn, goodPacket()));
      fn.kick(TX);
      return `${causes(fn)}, used ${ring.usedIdx}`;
    },
  },
  M44: {
    right: 'the same twice: true',
    run(core) {
      const fn = cardOf(core, { mode: 'timed' }).fn(1);
      const { nic } = fn.card;
      fn.start();
      offerFrame(fn);
      const start = nic.snapshot();
      const outcome = (): string => {
        nic.restore(start);
        fn.kick(TX);
        return `${nic.now()} ${nic.digest()}`;
      };
      return `the same twice: ${outcome() === outcome()}`;
    },
  },
};
