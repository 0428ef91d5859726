// SPDX-License-Identifier: Apache-2.0
// D09 to D13: indirect tables, and available rings that lie.
import { VIRTIO_F_INDIRECT_DESC, VIRTIO_F_RING_PACKED } from '../../../assembly/abi/virtio_features.ts';
import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_SIZE } from '../../../assembly/abi/virtio_ring.ts';
import type { Bench } from '../bench.ts';
import { frame, goodPacket, HEADER, macOf, STRANGER } from '../frames.ts';
import { RX, TX } from '../raw_function.ts';
import { NEXT, type Descriptor } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { mustHaveKept, mustHaveLeft } from './steps.ts';
import { missingFeature, waiting } from './not_offered.ts';

const INDIRECT: number = VIRTQ_DESC_F_INDIRECT;
const TABLE = 'virtio 1.4 §2.7.5.3.1; GEN-STATUS-02, GEN-STATUS-03';
const AVAILABLE = 'virtio 1.4 §2.7.6; GEN-STATUS-02, GEN-STATUS-03';
const PAGE = 4096;

function sent(bench: Bench): Uint8Array[] {
  return bench.wire.slice(bench.sentBefore);
}

/** The frames of `count` chains left as they were, or none of a function that stopped. */
function outcome(bench: Bench, whole: Uint8Array, count = 1): Outcome {
  const seen = bench.bad.outcomeOf(TX, count);
  if (seen === 'needs-reset') mustHaveKept(bench);
  else mustHaveLeft(bench, bench.sentBefore, whole.subarray(HEADER), count);
  return seen;
}

/** A case that sends one good frame by an indirect table that is wrong somehow. */
function table(
  id: string,
  act: string,
  allowed: readonly Outcome[],
  chain: (bench: Bench, whole: Uint8Array) => readonly Descriptor[],
  features: readonly number[] = [VIRTIO_F_INDIRECT_DESC],
): Case {
  return {
    id: `D09-${id}`,
    act,
    clause: TABLE,
    allowed,
    setup: 'net',
    features,
    run: (bench) => {
      const whole = goodPacket(bench.bad);
      bench.bad.submit(TX, chain(bench, whole));
      return outcome(bench, whole);
    },
  };
}

const good = ({ bad }: Bench, whole: Uint8Array): Descriptor => bad.indirect(bad.readable(whole));

const TABLES: readonly Case[] = [
  table('no-feature', 'uses an indirect table without the feature', ['needs-reset'], (b, w) => [good(b, w)], []),
  table('nested', 'puts an indirect table into an indirect table', ['needs-reset'], (b, w) => [
    b.bad.indirect([good(b, w)], true),
  ]),
  table('self', 'lets an indirect table name itself', ['needs-reset'], ({ bad }) => {
    const at = bad.memory.alloc(VIRTQ_DESC_SIZE, VIRTQ_DESC_SIZE);
    const self = { addr: bad.memory.iova(at), len: VIRTQ_DESC_SIZE, flags: INDIRECT };
    bad.memory.putWide(at, 8, self.addr);
    bad.memory.putWide(at + 8, 4, self.len);
    bad.memory.put16(at + 12, INDIRECT);
    return [self];
  }),
  table('next', 'sets NEXT beside INDIRECT', ['needs-reset'], (b, w) => [
    { ...good(b, w), flags: INDIRECT | NEXT, next: 1 },
    ...b.bad.readable(w),
  ]),
  table('odd', 'gives an indirect table a length that is no multiple of 16', ['needs-reset'], (b, w) => [
    { ...good(b, w), len: VIRTQ_DESC_SIZE + 1 },
  ]),
  table('short', 'gives an indirect table 15 bytes', ['needs-reset'], (b, w) => [{ ...good(b, w), len: 15 }]),
  table('zero', 'gives an indirect table no bytes', ['needs-reset'], (b, w) => [{ ...good(b, w), len: 0 }]),
  table(
    'huge',
    'gives an indirect table 2^32 - 16 bytes, of which it uses one entry',
    ['served', 'needs-reset'],
    (b, w) => [{ ...good(b, w), len: 0xffff_fff0 }],
  ),
  table(
    'over',
    'uses more entries of an indirect table than the queue has descriptors',
    ['served', 'needs-reset'],
    (b, w) => [b.bad.indirect(b.bad.readable(...Array.from({ length: 24 }, (_, i) => w.slice(3 * i, 3 * i + 3))))],
  ),
  table('page', 'puts an indirect table across two pages', ['served'], ({ bad }, w) => {
    const parts = bad.readable(w.slice(0, 20), w.slice(20));
    bad.memory.alloc(PAGE - VIRTQ_DESC_SIZE, PAGE); // the next block begins 16 bytes before the end of a page
    return [bad.indirect(parts)];
  }),
  table('link', 'links an entry of an indirect table beyond its end', ['needs-reset'], ({ bad }, w) => [
    bad.indirect([{ ...bad.readable(w)[0]!, flags: NEXT, next: 1 }], true),
  ]),
  table('loop', 'links an entry of an indirect table to itself', ['needs-reset'], ({ bad }, w) => [
    bad.indirect([{ ...bad.readable(w)[0]!, flags: NEXT, next: 0 }], true),
  ]),
];

const HEADS: readonly Case[] = [
  {
    id: 'D10-tx',
    act: 'makes one transmit head available three times',
    clause: AVAILABLE,
    allowed: ['served', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const whole = goodPacket(bad);
      bad.ring(TX).chain(bad.readable(whole), 5);
      bad.ring(TX).offer(5, 5, 5);
      bad.kick(TX);
      return outcome(bench, whole, 3);
    },
  },
  {
    id: 'D10-rx',
    act: 'makes one receive head available twice',
    clause: AVAILABLE,
    allowed: ['served', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.ring(RX).chain(bad.writable(200), 5);
      bad.ring(RX).offer(5, 5);
      bad.kick(RX);
      for (const seed of [1, 2]) bench.arrive(frame(macOf(bad), STRANGER, 60, seed));
      return bad.outcomeOf(RX, 2);
    },
  },
];

/** A case that publishes an available index of a transmit ring on which nothing, or three frames, were sent. */
function jump(id: string, act: string, sentFrames: number, index: (size: number) => number): Case {
  return {
    id: `D11-${id}`,
    act,
    clause: AVAILABLE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      for (let i = 0; i < sentFrames; i++) bad.submit(TX, bad.readable(goodPacket(bad)), i);
      const before = sent(bench).length;
      bad.ring(TX).publish(index(bad.ring(TX).size));
      bad.kick(TX);
      must(sent(bench).length === before, 'a frame left the card');
      return bad.needsReset ? 'needs-reset' : 'ignored';
    },
  };
}

const INDICES: readonly Case[] = [
  jump('over', 'moves the available index ahead by one more than the queue has', 0, (size) => size + 1),
  jump('half', 'moves the available index ahead by 32,768', 0, () => 0x8000),
  jump('back', 'moves the available index back by one', 3, () => 2),
  jump('minus', 'moves the available index of a fresh ring to 65,535', 0, () => 0xffff),
  {
    id: 'D11-full',
    act: 'moves the available index ahead by exactly the size of the queue',
    clause: 'virtio 1.4 §2.7.6',
    allowed: ['served'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const whole = goodPacket(bad);
      const ring = bad.ring(TX);
      const [descriptor] = bad.readable(whole);
      for (let i = 0; i < ring.size; i++) ring.describe(i, descriptor!);
      ring.offer(...Array.from({ length: ring.size }, (_, i) => i));
      bad.kick(TX);
      return outcome(bench, whole, ring.size);
    },
  },
  {
    id: 'D11-rx',
    act: 'moves the available index of a receive ring ahead by 300',
    clause: AVAILABLE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.ring(RX).publish(300);
      bad.kick(RX);
      bench.arrive(frame(macOf(bad), STRANGER));
      return bad.needsReset ? 'needs-reset' : 'ignored';
    },
  },
];

/** A case that makes a head beyond the table available. */
function badHead(id: string, act: string, queue: number, head: (size: number) => number): Case {
  return {
    id: `D12-${id}`,
    act,
    clause: AVAILABLE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.ring(queue).offer(head(bad.ring(queue).size));
      bad.kick(queue);
      if (queue === RX) bench.arrive(frame(macOf(bad), STRANGER));
      return bad.outcomeOf(queue);
    },
  };
}

const BEYOND: readonly Case[] = [
  badHead('size', 'makes the head just behind the transmit table available', TX, (size) => size),
  badHead('far', 'makes transmit head 65,535 available', TX, () => 0xffff),
  badHead('rx', 'makes the head just behind the receive table available', RX, (size) => size),
  {
    id: 'D12-behind',
    act: 'makes a bad head available behind a good one',
    clause: AVAILABLE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const ring = bad.ring(TX);
      ring.chain(bad.readable(goodPacket(bad)), 0);
      ring.offer(0, ring.size, 0);
      bad.kick(TX);
      must(sent(bench).length <= 1, 'what stands behind the bad head was served');
      return bad.outcomeOf(TX, 3);
    },
  },
];

const BESIDE: Case = {
  id: 'D12-beside',
  act: 'makes a bad head available while its neighbour sends eight frames',
  clause: `${AVAILABLE}; PCIe 6.0 §9.2.1: a VF is a function of its own`,
  allowed: ['needs-reset'],
  setup: 'net',
  isTimed: true,
  run: (bench) => {
    const { bad, bystander } = bench;
    const whole = goodPacket(bystander);
    const ring = bystander.ring(TX);
    for (let i = 0; i < 8; i++) ring.offer(ring.chain(bystander.readable(whole), ring.availIdx % ring.size));
    bystander.notify(TX);
    bad.ring(TX).offer(bad.ring(TX).size);
    bad.kick(TX);
    mustHaveLeft(bench, bench.sentBefore, whole.subarray(HEADER), 8);
    must(ring.takeUsed().length >= 8, 'the neighbour does not get its buffers back');
    bench.acceptBystander();
    return bad.outcomeOf(TX);
  },
};

const PACKED = missingFeature('VIRTIO_F_RING_PACKED', VIRTIO_F_RING_PACKED);
const RING = 'virtio 1.4 §2.8';

export const RING_CASES: readonly Case[] = [
  ...TABLES,
  ...HEADS,
  ...INDICES,
  ...BEYOND,
  BESIDE,
  waiting('D13-wrap', 'sets AVAIL and USED of a packed descriptor against the wrap counter', RING, PACKED),
  waiting('D13-id', 'gives a packed chain a buffer id beyond the queue', RING, PACKED),
  waiting('D13-partial', 'makes only a part of a packed chain available', RING, PACKED),
];
