// SPDX-License-Identifier: Apache-2.0
// D01 to D08: descriptor chains with loops, links out of the table, lengths that are none, and wrong directions.
import { VIRTIO_F_RING_PACKED } from '../../../assembly/abi/virtio_features.ts';
import type { Bench } from '../bench.ts';
import { frame, goodPacket, HEADER, macOf, packet, STRANGER } from '../frames.ts';
import { RX, TX, type RawFunction } from '../raw_function.ts';
import { NEXT, WRITE, type Descriptor } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { mustHaveKept, mustHaveLeft } from './steps.ts';
import { missingFeature, waiting } from './not_offered.ts';

/** "A driver MUST NOT add a chain that ..."; a device that meets one is in an error state. */
const CHAIN = 'virtio 1.4 §2.7.5.2; GEN-STATUS-02, GEN-STATUS-03';
const ORDER = 'virtio 1.4 §2.7.4.2; GEN-STATUS-02, GEN-STATUS-03, SPLIT-DESC-01';
const FRAMING = 'SPLIT-FRAME-01';
const MAX = 0xffff_ffff;

/** A frame comes in: receive chains are walked when one is needed. */
function arrive(bench: Bench): void {
  bench.arrive(frame(macOf(bench.bad), STRANGER));
}

/** Describes the given descriptors as they are, makes the first one available on a queue and rings. */
function offerRaw(bad: RawFunction, queue: number, table: Readonly<Record<number, Descriptor>>, head: number): void {
  const ring = bad.ring(queue);
  for (const [index, descriptor] of Object.entries(table)) ring.describe(Number(index), descriptor);
  ring.offer(head);
  bad.kick(queue);
}

/** Nothing may leave of a chain that stops the function. */
function stoppedUnsent(bench: Bench, queue = TX): Outcome {
  const outcome = bench.bad.outcomeOf(queue);
  mustHaveKept(bench);
  return outcome;
}

/** The chain as one transmit request. */
function transmit(bench: Bench, descriptors: readonly Descriptor[]): Outcome {
  bench.bad.submit(TX, descriptors);
  return stoppedUnsent(bench);
}

/** The chain as the only receive buffer, and a frame for it. */
function receive(bench: Bench, descriptors: readonly Descriptor[]): void {
  bench.bad.submit(RX, descriptors);
  arrive(bench);
}

/** A frame that no buffer took: dropped, counted, and the buffer is still the device's or used with length 0. */
function droppedOnReceive(bench: Bench): Outcome {
  const { bad } = bench;
  if (bad.needsReset) return 'needs-reset';
  must(bench.counter('rx_frames') === 0, 'a frame was received');
  const drops = bench.counter('rx_drop_too_small') + bench.counter('rx_drop_no_buffer');
  must(drops === 1, `${drops} frames were counted as dropped, and one came`);
  for (const { len } of bad.ring(RX).takeUsed()) must(len === 0, 'a dropped frame has a used length');
  return 'dropped';
}

/** The frame of a good packet left, once and as it was. */
function sentAsIs(bench: Bench, whole: Uint8Array): Outcome {
  const outcome = bench.bad.outcomeOf(TX);
  if (outcome === 'served') mustHaveLeft(bench, bench.sentBefore, whole.subarray(HEADER));
  return outcome;
}

function slices(bytes: Uint8Array, count: number): Uint8Array[] {
  const step = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, i) => bytes.slice(i * step, (i + 1) * step));
}

const LOOPS: readonly Case[] = [
  {
    id: 'D01-tx',
    act: 'links a transmit descriptor to itself',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      offerRaw(bad, TX, { 3: { addr: bad.memory.space(16), len: 16, flags: NEXT, next: 3 } }, 3);
      return stoppedUnsent(bench);
    },
  },
  {
    id: 'D01-rx',
    act: 'links a receive descriptor to itself',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      offerRaw(bad, RX, { 3: { addr: bad.memory.space(16), len: 16, flags: WRITE | NEXT, next: 3 } }, 3);
      arrive(bench);
      return bad.outcomeOf(RX);
    },
  },
  {
    id: 'D02-tx',
    act: 'links two transmit descriptors to each other',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const addr = bench.bad.memory.space(16);
      const table = { 3: { addr, len: 1, flags: NEXT, next: 9 }, 9: { addr, len: 1, flags: NEXT, next: 3 } };
      offerRaw(bench.bad, TX, table, 9);
      return stoppedUnsent(bench);
    },
  },
  {
    id: 'D02-rx',
    act: 'links two receive descriptors to each other',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const addr = bench.bad.memory.space(16);
      const flags = WRITE | NEXT;
      offerRaw(bench.bad, RX, { 3: { addr, len: 1, flags, next: 9 }, 9: { addr, len: 1, flags, next: 3 } }, 9);
      arrive(bench);
      return bench.bad.outcomeOf(RX);
    },
  },
  {
    id: 'D02-empty',
    act: 'links two descriptors of no bytes to each other',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const table = { 0: { addr: 0, len: 0, flags: NEXT, next: 1 }, 1: { addr: 0, len: 0, flags: NEXT, next: 0 } };
      offerRaw(bench.bad, TX, table, 0);
      return stoppedUnsent(bench);
    },
  },
  {
    id: 'D03-full',
    act: 'sends a frame in as many descriptors as the queue has',
    clause: FRAMING,
    allowed: ['served'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const whole = goodPacket(bad);
      bad.submit(TX, bad.readable(...slices(whole, bad.ring(TX).size)));
      return sentAsIs(bench, whole);
    },
  },
  {
    id: 'D03-over',
    act: 'links the last of as many descriptors as the queue has to the first',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const { size } = bad.ring(TX);
      const addr = bad.memory.place(goodPacket(bad));
      const table = Array.from({ length: size }, (_, i) => ({ addr, len: 4, flags: NEXT, next: (i + 1) % size }));
      offerRaw(bad, TX, table, 0);
      return stoppedUnsent(bench);
    },
  },
];

const LINKS: readonly Case[] = (['size', 'far'] as const).map((id) => ({
  id: `D04-${id}`,
  act: id === 'size' ? 'links to the descriptor just behind the table' : 'links to descriptor 65,535',
  clause: CHAIN,
  allowed: ['needs-reset'],
  setup: 'net',
  run: (bench) => {
    const { bad } = bench;
    const next = id === 'size' ? bad.ring(TX).size : 0xffff;
    const [first] = bad.readable(goodPacket(bad));
    offerRaw(bad, TX, { 0: { ...first!, flags: NEXT, next } }, 0);
    return stoppedUnsent(bench);
  },
}));

const LENGTHS: readonly Case[] = [
  waiting(
    'D05',
    'sets NEXT on the last descriptor of a packed ring',
    'virtio 1.4 §2.8.6',
    missingFeature('VIRTIO_F_RING_PACKED', VIRTIO_F_RING_PACKED),
  ),
  {
    id: 'D06-all',
    act: 'sends three descriptors of no bytes',
    clause: 'virtio 1.4 §5.1.6.2',
    allowed: ['dropped', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      const outcome = transmit(bench, [
        { addr: 0, len: 0 },
        { addr: 0, len: 0 },
        { addr: 0, len: 0 },
      ]);
      return outcome === 'served' ? 'dropped' : outcome;
    },
  },
  ...(['first', 'middle', 'last'] as const).map((place): Case => ({
    id: `D06-${place}`,
    act: `sends a good frame with a descriptor of no bytes in the ${place} place`,
    clause: FRAMING,
    allowed: ['served', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const whole = goodPacket(bad);
      const parts = bad.readable(whole.slice(0, 30), whole.slice(30));
      parts.splice({ first: 0, middle: 1, last: 2 }[place], 0, { addr: 0, len: 0 });
      bad.submit(TX, parts);
      return sentAsIs(bench, whole);
    },
  })),
  {
    id: 'D06-rx',
    act: 'offers a receive buffer of no bytes',
    clause: 'virtio 1.4 §5.1.6.3.1',
    allowed: ['dropped', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      receive(bench, [{ addr: 0, len: 0, flags: WRITE }]);
      return droppedOnReceive(bench);
    },
  },
  {
    id: 'D07-max',
    act: 'sends a descriptor of 2^32 - 1 bytes',
    clause: CHAIN,
    allowed: ['needs-reset', 'dropped'],
    setup: 'net',
    run: (bench) => {
      const outcome = transmit(bench, [{ ...bench.bad.readable(goodPacket(bench.bad))[0]!, len: MAX }]);
      return outcome === 'served' ? 'dropped' : outcome;
    },
  },
  {
    id: 'D07-sum',
    act: 'sends descriptors whose lengths sum up to more than 2^32',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const addr = bench.bad.memory.place(goodPacket(bench.bad));
      return transmit(
        bench,
        [0x8000_0000, 0x8000_0000, 72].map((len) => ({ addr, len })),
      );
    },
  },
  {
    id: 'D07-wrap',
    act: 'sends lengths whose sum, cut to 32 bits, is that of a good packet',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const whole = goodPacket(bench.bad);
      const addr = bench.bad.memory.place(whole);
      return transmit(
        bench,
        [whole.length, MAX, 1].map((len) => ({ addr, len })),
      );
    },
  },
  {
    id: 'D07-rx',
    act: 'offers receive descriptors whose lengths sum up to more than 2^32',
    clause: CHAIN,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const addr = bench.bad.memory.space(200);
      receive(bench, [
        { addr, len: MAX, flags: WRITE },
        { addr, len: MAX, flags: WRITE },
      ]);
      return bench.bad.outcomeOf(RX);
    },
  },
];

/** Directions of a chain's descriptors, and what may become of it. */
const DIRECTIONS: readonly (readonly [id: string, act: string, queue: number, flags: readonly number[]])[] = [
  ['tx-write', 'sends a chain that may only be written', TX, [WRITE]],
  ['tx-first', 'sends a writable descriptor in front of the readable one', TX, [WRITE, 0]],
  ['tx-between', 'sends a writable descriptor between two readable ones', TX, [0, WRITE, 0]],
  ['tx-behind', 'sends a writable descriptor behind the readable one', TX, [0, WRITE]],
  ['rx-read', 'offers a receive buffer that may only be read', RX, [0]],
  ['rx-first', 'offers a readable descriptor in front of a writable one', RX, [0, WRITE]],
  ['rx-behind', 'offers a readable descriptor behind a writable one', RX, [WRITE, 0]],
];

const ORDERS: readonly Case[] = DIRECTIONS.map(([id, act, queue, flags]) => ({
  id: `D08-${id}`,
  act,
  clause: ORDER,
  // a transmit chain may end in something writable, which then is left alone; all else is no chain for its queue
  allowed: id === 'tx-behind' || id === 'tx-write' ? ['served', 'dropped', 'needs-reset'] : ['needs-reset'],
  setup: 'net',
  run: (bench) => {
    const { bad } = bench;
    const whole = packet(frame(queue === TX ? STRANGER : macOf(bad), STRANGER));
    const addr = bad.memory.place(whole);
    bad.submit(
      queue,
      flags.map((one) => ({ addr, len: whole.length, flags: one })),
    );
    if (queue === RX) arrive(bench);
    must(Buffer.compare(bad.memory.bytesAt(addr, whole.length), whole) === 0, 'a readable buffer was written');
    const outcome = bad.outcomeOf(queue);
    if (outcome === 'needs-reset') mustHaveKept(bench);
    return outcome;
  },
}));

export const CHAIN_CASES: readonly Case[] = [...LOOPS, ...LINKS, ...LENGTHS, ...ORDERS];
