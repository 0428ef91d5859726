// SPDX-License-Identifier: Apache-2.0
// Q07 to Q09: doorbells at the wrong time, for the wrong queue, of the wrong shape; resets of a single queue.
import { NOTIFY_BAR_OFFSET, NOTIFY_BYTES } from '../../../assembly/abi/config_layout.ts';
import { STATUS_ACKNOWLEDGE, STATUS_DRIVER } from '../../../assembly/abi/device_status.ts';
import { VIRTIO_F_RING_RESET } from '../../../assembly/abi/virtio_features.ts';
import { COMMON_QUEUE_ENABLE, COMMON_QUEUE_RESET } from '../../../assembly/abi/virtio_pci_common.ts';
import type { AccessSize } from '../../vfio/vfio_device.ts';
import type { Bench } from '../bench.ts';
import { frame, goodPacket, HEADER, macOf, STRANGER } from '../frames.ts';
import { RX, TX } from '../raw_function.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { delays, mustHaveKept, mustHaveLeft } from './steps.ts';

const TOO_EARLY = 'GEN-STATUS-01, GEN-RESET-02';
const DOORBELL = 'virtio 1.4 §4.1.5.2; AMB-39';
const QUEUE_RESET = 'GEN-VQRESET-01, GEN-VQRESET-02, PCI-COMMON-11, PCI-COMMON-13';
const DELAYS: readonly number[] = delays(40, 25);

/** Makes a good frame available on the transmit queue, whatever state it is in. */
function prepareFrame({ bad }: Bench): void {
  const ring = bad.ring(TX);
  ring.offer(ring.chain(bad.readable(goodPacket(bad))));
}

/** Nothing was fetched, sent or told for what was made available. */
function untouched(bench: Bench, interrupts: number): Outcome {
  const { bad } = bench;
  mustHaveKept(bench);
  must(bad.ring(TX).usedIdx === 0, 'a buffer was taken');
  must(bench.interrupts(bad.fn) === interrupts, 'an interrupt was raised');
  return 'ignored';
}

/** A case that rings while the function is not ready; `upTo` brings it as far as that. */
function early(id: string, act: string, upTo: (bench: Bench) => void): Case {
  return {
    id: `Q07-${id}`,
    act,
    clause: TOO_EARLY,
    allowed: ['ignored'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { bad } = bench;
      upTo(bench);
      prepareFrame(bench);
      const before = bench.interrupts(bad.fn);
      bad.kick(TX);
      bad.kick(RX);
      return untouched(bench, before);
    },
  };
}

const TIMES: readonly Case[] = [
  early('early', 'rings before DRIVER_OK', ({ bad }) => {
    bad.prepare();
    bad.addQueue(RX);
    bad.addQueue(TX);
  }),
  early('driver', 'rings before FEATURES_OK', ({ bad }) => {
    bad.reset();
    bad.status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    bad.addQueue(TX);
  }),
  early('reset', 'rings after a reset, with nothing set up', ({ bad }) => {
    const ring = bad.ring(TX);
    bad.reset();
    bad.rings.set(TX, ring);
  }),
  {
    id: 'Q07-disabled',
    act: 'rings a queue that was never enabled',
    clause: DOORBELL,
    allowed: ['ignored'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { bad } = bench;
      const ring = bad.ring(TX);
      bad.prepare();
      bad.addQueue(RX);
      bad.setDriverOk();
      bad.rings.set(TX, ring);
      prepareFrame(bench);
      const before = bench.interrupts(bad.fn);
      bad.kick(TX);
      return untouched(bench, before);
    },
  },
  {
    id: 'Q07-stopped',
    act: 'rings a queue after its own reset',
    clause: QUEUE_RESET,
    allowed: ['ignored'],
    setup: 'net',
    features: [VIRTIO_F_RING_RESET],
    leavesDown: true,
    run: (bench) => {
      const { bad } = bench;
      bad.setQueue(TX, COMMON_QUEUE_RESET, 1);
      prepareFrame(bench);
      const before = bench.interrupts(bad.fn);
      bad.kick(TX);
      return untouched(bench, before);
    },
  },
];

/** A case that writes something into the notification area of a running function. */
function badDoorbell(
  id: string,
  act: string,
  writes: readonly (readonly [offset: number, value: number, size: AccessSize])[],
): Case {
  return {
    id,
    act,
    clause: DOORBELL,
    allowed: ['ignored'],
    setup: 'net',
    run: (bench) => {
      for (const [offset, value, size] of writes) bench.bad.write(NOTIFY_BAR_OFFSET + offset, value, size);
      bench.settle();
      return untouched(bench, bench.interrupts(bench.bad.fn));
    },
  };
}

const SHAPES: readonly Case[] = [
  badDoorbell(
    'Q07-past',
    'rings queues that are not there',
    [2, 3, 100, 0x3ff].map((queue) => [4 * queue, queue, 2] as const),
  ),
  badDoorbell('Q08-index', "writes a number of no queue to a queue's doorbell", [[4 * TX, 0x1234, 2]]),
  badDoorbell('Q08-byte', 'rings with one byte', [[4 * TX, TX, 1]]),
  badDoorbell('Q08-dword', 'rings with four bytes, of which two say nothing', [[4 * TX, 0xdead_0001, 4]]),
  badDoorbell('Q08-end', 'writes all ones to the end of the notification area', [[NOTIFY_BYTES - 2, 0xffff, 2]]),
  {
    id: 'Q08-other',
    act: "rings a queue at another queue's doorbell",
    clause: 'virtio 1.4 §4.1.5.2',
    allowed: ['served', 'ignored'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      prepareFrame(bench);
      bad.write(NOTIFY_BAR_OFFSET + 4 * RX, TX);
      bench.settle();
      if (bad.ring(TX).usedIdx === 1) return 'served';
      bad.kick(TX); // the frame waits for a good doorbell
      return 'ignored';
    },
  },
];

/** A good frame after the transmit queue was set up anew. */
function servesAgain(bench: Bench): void {
  const { bad } = bench;
  bad.addQueue(TX);
  const whole = goodPacket(bad);
  const before = bench.wire.length;
  bad.submit(TX, bad.readable(whole));
  mustHaveLeft(bench, before, whole.subarray(HEADER));
}

const RESETS: readonly Case[] = [
  {
    id: 'Q09-flight',
    act: 'resets a queue while its frames are in work',
    clause: QUEUE_RESET,
    allowed: ['served'],
    setup: 'net',
    features: [VIRTIO_F_RING_RESET],
    isTimed: true,
    run: (bench) => {
      const { bad } = bench;
      for (const cycles of DELAYS) {
        const ring = bad.ring(TX);
        for (let i = 0; i < 4; i++) ring.offer(ring.chain(bad.readable(goodPacket(bad)), 2 * i));
        bad.notify(TX);
        bench.advance(cycles);
        bad.setQueue(TX, COMMON_QUEUE_RESET, 1);
        for (let reads = 0; bad.queue(TX, COMMON_QUEUE_RESET) !== 0; reads++)
          must(reads < 1000, 'the reset never ends');
        must(bad.queue(TX, COMMON_QUEUE_ENABLE) === 0, 'queue_enable is not 0 after the reset');
        const used = ring.usedIdx;
        const image = bad.memory.u8.slice();
        bench.settle();
        must(Buffer.compare(bad.memory.u8, image) === 0, `after ${cycles} cycles: memory is written behind the reset`);
        must(ring.usedIdx === used, 'a buffer comes back behind the reset');
        servesAgain(bench);
      }
      return 'served';
    },
  },
  {
    id: 'Q09-twice',
    act: 'resets a queue twice',
    clause: QUEUE_RESET,
    allowed: ['served'],
    setup: 'net',
    features: [VIRTIO_F_RING_RESET],
    run: (bench) => {
      const { bad } = bench;
      for (let i = 0; i < 2; i++) bad.setQueue(TX, COMMON_QUEUE_RESET, 1);
      must(bad.queue(TX, COMMON_QUEUE_RESET) === 0 && bad.queue(TX, COMMON_QUEUE_ENABLE) === 0, 'not reset');
      servesAgain(bench);
      return 'served';
    },
  },
  {
    id: 'Q09-no-feature',
    act: 'resets a queue without VIRTIO_F_RING_RESET',
    clause: 'virtio 1.4 §2.6.1; AMB-39',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => {
      bad.setQueue(TX, COMMON_QUEUE_RESET, 1);
      return bad.queue(TX, COMMON_QUEUE_ENABLE) === 1 ? 'ignored' : 'served';
    },
  },
  {
    id: 'Q09-zero',
    act: 'writes 0 and other values but 1 to queue_reset',
    clause: 'virtio 1.4 §4.1.4.3.2; AMB-39',
    allowed: ['ignored'],
    setup: 'net',
    features: [VIRTIO_F_RING_RESET],
    run: ({ bad }) => {
      for (const value of [0, 2, 0xffff]) bad.setQueue(TX, COMMON_QUEUE_RESET, value);
      return bad.queue(TX, COMMON_QUEUE_ENABLE) === 1 ? 'ignored' : 'served';
    },
  },
  {
    id: 'Q09-rx',
    act: 'resets a receive queue that holds buffers, and a frame comes',
    clause: QUEUE_RESET,
    allowed: ['dropped'],
    setup: 'net',
    features: [VIRTIO_F_RING_RESET],
    run: (bench) => {
      const { bad } = bench;
      const ring = bad.ring(RX);
      bad.submit(RX, bad.writable(200));
      bad.setQueue(RX, COMMON_QUEUE_RESET, 1);
      const image = bad.memory.u8.slice();
      bench.arrive(frame(macOf(bad), STRANGER));
      must(Buffer.compare(bad.memory.u8, image) === 0, 'a queue in reset takes a frame');
      must(ring.usedIdx === 0, 'a queue in reset uses a buffer');
      bad.addQueue(RX);
      return 'dropped';
    },
  },
];

export const DOORBELL_CASES: readonly Case[] = [...TIMES, ...SHAPES, ...RESETS];
