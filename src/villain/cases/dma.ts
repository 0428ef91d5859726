// SPDX-License-Identifier: Apache-2.0
// D14 and D15: memory that changes between two reads of the device, is not there, or comes back broken.
import {
  ADMIN_CMD_GROUP_MEMBER_ID,
  ADMIN_RESULT_HEADER_SIZE,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
} from '../../../assembly/abi/virtio_admin.ts';
import { VIRTIO_F_INDIRECT_DESC } from '../../../assembly/abi/virtio_features.ts';
import { LEGACY_QUEUE_SIZE } from '../../../assembly/abi/virtio_pci_legacy.ts';
import { fromLe, header, outcomeOf, SRIOV } from '../admin_queue.ts';
import { BAD_VF, QUEUE_SIZE, type Bench } from '../bench.ts';
import type { ReadFault } from '../../device/injection.ts';
import { frame, goodPacket, HEADER, macOf, STRANGER } from '../frames.ts';
import { RX, TX, type RawFunction } from '../raw_function.ts';
import { NEXT, RawRing, WRITE, writeDescriptors, type Descriptor } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { adminCase, delays, mustHaveKept, mustHaveLeft } from './steps.ts';

const ERROR_STATE = 'GEN-STATUS-02, GEN-STATUS-03; PCIe 6.0 §2.3.1';
const SHARED = 'virtio 1.4 §2.7.13; GEN-STATUS-02';
const NOWHERE = 0x7777_0000;
const ANSWER_BYTES = ADMIN_RESULT_HEADER_SIZE + 2;
/** Delays in cycles that reach over all of a frame's life. */
const DELAYS: readonly number[] = delays(64, 15);

/** One frame sent for each delay, with `meddle` in the middle of it; each ends as one of `endings`, or in NEEDS_RESET. */
function eachDelay(
  bench: Bench,
  meddle: (addr: number, whole: Uint8Array) => void,
  isEnding: (left: Uint8Array) => boolean,
): Outcome {
  const { bad, wire } = bench;
  for (const cycles of DELAYS) {
    bad.start();
    const whole = goodPacket(bad);
    const addr = bad.memory.place(whole);
    const before = wire.length;
    bad.ring(TX).offer(bad.ring(TX).chain([{ addr, len: whole.length }]));
    bad.notify(TX);
    bench.advance(cycles);
    meddle(addr, whole);
    bench.settle();
    const seen = bad.outcomeOf(TX);
    const left = wire.slice(before);
    if (seen === 'needs-reset') must(left.length === 0, `after ${cycles} cycles: stopped, and a frame left`);
    else must(left.length === 1 && isEnding(left[0]!), `after ${cycles} cycles: neither the old frame nor the new one`);
  }
  bad.start();
  return 'served';
}

/** A case that changes what the device reads twice, at every moment of a frame's life. */
function doubleFetch(
  id: string,
  act: string,
  meddle: (bad: RawFunction, addr: number, whole: Uint8Array) => void,
  isEnding: (left: Uint8Array, old: Uint8Array) => boolean,
): Case {
  return {
    id: `D14-${id}`,
    act,
    clause: SHARED,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => {
      const old = goodPacket(bench.bad).subarray(HEADER);
      return eachDelay(
        bench,
        (addr, whole) => meddle(bench.bad, addr, whole),
        (left) => isEnding(left, old),
      );
    },
  };
}

const isOld = (left: Uint8Array, old: Uint8Array): boolean => Buffer.compare(left, old) === 0;

const DOUBLE_FETCH: readonly Case[] = [
  doubleFetch(
    'length',
    'shortens a descriptor while its frame is in work',
    (bad, addr, whole) => bad.ring(TX).describe(0, { addr, len: whole.length - 10 }),
    (left, old) => isOld(left, old) || isOld(left, old.subarray(0, old.length - 10)),
  ),
  doubleFetch(
    'loop',
    'turns a descriptor into a loop while its frame is in work',
    (bad, addr, whole) => bad.ring(TX).describe(0, { addr, len: whole.length, flags: NEXT, next: 0 }),
    isOld,
  ),
  doubleFetch(
    'head',
    'changes a head in the available ring to 65,535 while its frame is in work',
    (bad) => bad.memory.put16(bad.ring(TX).places.avail + 4, 0xffff),
    isOld,
  ),
  doubleFetch(
    'data',
    'changes the data of a frame that is in work',
    (bad, addr, whole) => bad.memory.put(addr - bad.memory.iova(0) + whole.length - 1, [0xfe]),
    (left, old) => isOld(left.subarray(0, -1), old.subarray(0, -1)) && [old.at(-1), 0xfe].includes(left.at(-1)!),
  ),
  {
    id: 'D14-table',
    act: 'shortens an entry of an indirect table while its frame is in work',
    clause: SHARED,
    allowed: ['served'],
    setup: 'net',
    features: [VIRTIO_F_INDIRECT_DESC],
    isTimed: true,
    run: (bench) => {
      const { bad } = bench;
      for (const cycles of DELAYS) {
        const whole = goodPacket(bad);
        const [buffer] = bad.readable(whole);
        const table = bad.indirect([buffer!]);
        const ring = bad.ring(TX);
        const from = bench.wire.length;
        ring.offer(ring.chain([table], ring.availIdx % ring.size));
        bad.notify(TX);
        bench.advance(cycles);
        writeDescriptors(bad.memory, table.addr - bad.memory.iova(0), [{ ...buffer!, len: whole.length - 10 }]);
        bench.settle();
        ring.takeUsed();
        const bytes = bench.wire[from]?.length === whole.length - HEADER ? whole : whole.subarray(0, -10);
        mustHaveLeft(bench, from, bytes.subarray(HEADER));
      }
      return 'served';
    },
  },
  adminCase(
    'D14-admin',
    'changes the member id of a command that is on the way',
    'ADM-CMD-01, ADM-CMD-04; virtio 1.4 §2.7.13',
    ['served'],
    (queue, bench) => {
      const sizeOf = header(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, SRIOV, BAD_VF);
      for (const cycles of DELAYS) {
        queue.ring.takeUsed();
        const at = queue.pf.memory.place([...sizeOf, LEGACY_QUEUE_SIZE], 8);
        const answer = queue.pf.memory.space(ANSWER_BYTES);
        queue.addChain([
          { addr: at, len: sizeOf.length + 1 },
          { addr: answer, len: ANSWER_BYTES, flags: WRITE },
        ]);
        queue.pf.notify(queue.index);
        bench.advance(cycles);
        queue.pf.memory.put16(at - queue.pf.memory.iova(0) + ADMIN_CMD_GROUP_MEMBER_ID, 77);
        bench.settle();
        const [used] = queue.ring.takeUsed();
        must(used !== undefined, `after ${cycles} cycles: no answer`);
        const reply = queue.answer({ head: used!.id, addr: answer, length: ANSWER_BYTES }, used!);
        const outcome = outcomeOf(reply, VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER);
        must(outcome === 'refused' || fromLe(reply.result) === QUEUE_SIZE, `after ${cycles} cycles: half an answer`);
      }
      return 'served';
    },
    { isTimed: true },
  ),
  {
    id: 'D14-rx',
    act: 'moves a receive buffer while a frame comes in',
    clause: SHARED,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => {
      const { bad } = bench;
      const [first] = bad.writable(100);
      const [second] = bad.writable(100);
      for (const cycles of DELAYS) {
        bad.start();
        bad.submit(RX, [first!]);
        must(bench.nic.receiveFrame(frame(macOf(bad), STRANGER, 88)), 'the wire port is busy');
        bench.advance(cycles);
        bad.ring(RX).describe(0, second!);
        bench.settle();
        must(bad.outcomeOf(RX) === 'served', `after ${cycles} cycles: a good buffer stopped the function`);
      }
      bad.start();
      return 'served';
    },
  },
];

/** A case that sends one buffer from a place where there is none. */
function elsewhere(id: string, act: string, chain: (bench: Bench) => readonly Descriptor[]): Case {
  return {
    id: `D15-${id}`,
    act,
    clause: ERROR_STATE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      bench.bad.submit(TX, chain(bench));
      mustHaveKept(bench);
      return bench.bad.outcomeOf(TX);
    },
  };
}

/** A case whose transmit queue has one of its three areas where there is no memory. */
function areaElsewhere(area: 'desc' | 'avail'): Case {
  return {
    id: `D15-${area}`,
    act: `puts the ${area === 'desc' ? 'descriptor table' : 'available ring'} where there is no memory`,
    clause: ERROR_STATE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const good = bad.ring(TX);
      bad.prepare();
      const places = { ...good.places, [area]: NOWHERE - bad.memory.iova(0) };
      const ring = new RawRing(bad.memory, good.size, places);
      bad.addQueue(TX, ring);
      bad.setDriverOk();
      if (area === 'desc') ring.offer(0);
      bad.kick(TX);
      return bad.needsReset ? 'needs-reset' : 'ignored';
    },
  };
}

/** A case that spoils one completion of the card's reads, at every moment of a frame's life. */
function spoiled(id: string, act: string, fault: ReadFault): Case {
  return {
    id: `D15-${id}`,
    act,
    clause: ERROR_STATE,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => {
      const outcome = eachDelay(
        bench,
        () => bench.nic.injectReadFault(fault),
        (left) => left.length === 60,
      );
      bench.nic.injectReadFault(fault, 0);
      must(bench.counter('bad_dma') > 0, 'no read was spoiled');
      return outcome;
    },
  };
}

const FAULTS: readonly Case[] = [
  elsewhere('unmapped', 'sends a buffer that is not mapped', () => [{ addr: NOWHERE, len: 72 }]),
  elsewhere('null', 'sends a buffer at address 0', () => [{ addr: 0, len: 72 }]),
  elsewhere('top', 'sends a buffer at the end of the address space', () => [{ addr: 2 ** 53 - 4096, len: 72 }]),
  elsewhere('edge', 'sends a buffer whose last byte is not mapped', ({ bad }) => [
    { addr: bad.memory.iova(bad.memory.size) - 71, len: 72 },
  ]),
  elsewhere('neighbour', "sends a buffer in the neighbour's memory", ({ bystander }) => [
    { addr: bystander.memory.iova(0), len: 72 },
  ]),
  areaElsewhere('desc'),
  areaElsewhere('avail'),
  {
    id: 'D15-rx',
    act: 'offers a receive buffer that is not mapped',
    clause: 'PCIe 6.0 §2.4: a memory write is posted, nobody tells the device that it went nowhere',
    allowed: ['served', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.submit(RX, [{ addr: NOWHERE, len: 200, flags: WRITE }]);
      bench.arrive(frame(macOf(bad), STRANGER));
      must(bench.nic.counters()['dma_faults']! > 0, 'the host has not seen the write');
      return bad.outcomeOf(RX);
    },
  },
  {
    id: 'D15-gone',
    act: 'takes all memory away with a frame made available',
    clause: ERROR_STATE,
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.ring(TX).offer(bad.ring(TX).chain(bad.readable(goodPacket(bad))));
      bad.endpoint.setMapped(false);
      bad.kick(TX);
      bad.endpoint.setMapped(true);
      mustHaveKept(bench);
      return bad.outcomeOf(TX);
    },
  },
  {
    id: 'D15-flight',
    act: 'takes all memory away while a frame is in work',
    clause: ERROR_STATE,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => {
      const { bad, wire } = bench;
      for (const cycles of DELAYS) {
        bad.start();
        const whole = goodPacket(bad);
        const before = wire.length;
        bad.ring(TX).offer(bad.ring(TX).chain(bad.readable(whole)));
        bad.notify(TX);
        bench.advance(cycles);
        bad.endpoint.setMapped(false);
        const image = bad.memory.u8.slice();
        bench.settle();
        must(
          Buffer.compare(bad.memory.u8, image) === 0,
          `after ${cycles} cycles: memory that was taken away is written`,
        );
        bad.endpoint.setMapped(true);
        const left = wire.slice(before);
        must(left.length <= 1 && left.every((one) => isOld(one, whole.subarray(HEADER))), 'a broken frame left');
      }
      bad.start();
      return 'served';
    },
  },
  {
    id: 'D15-receive',
    act: 'takes all memory away while a frame comes in',
    clause: ERROR_STATE,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => {
      const { bad } = bench;
      const [buffer] = bad.writable(200);
      for (const cycles of DELAYS) {
        bad.start();
        bad.ring(RX).offer(bad.ring(RX).chain([buffer!]));
        bad.notify(RX);
        must(bench.nic.receiveFrame(frame(macOf(bad), STRANGER)), 'the wire port is busy');
        bench.advance(cycles);
        bad.endpoint.setMapped(false);
        const image = bad.memory.u8.slice();
        bench.settle();
        must(
          Buffer.compare(bad.memory.u8, image) === 0,
          `after ${cycles} cycles: memory that was taken away is written`,
        );
        bad.endpoint.setMapped(true);
      }
      bad.start();
      return 'served';
    },
  },
  adminCase(
    'D15-admin',
    'has a read of the admin queue answered with Unsupported Request',
    ERROR_STATE,
    ['served'],
    (queue, bench) => {
      const { pf } = queue;
      for (const cycles of DELAYS) {
        const before = queue.ring.usedIdx;
        queue.add(header(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0), ANSWER_BYTES);
        pf.notify(queue.index);
        bench.advance(cycles);
        bench.nic.injectReadFault('unsupported');
        bench.settle();
        bench.nic.injectReadFault('unsupported', 0);
        if (queue.outcomeSince(before) !== 'needs-reset') continue;
        pf.start();
        queue.rewind();
      }
      must(bench.counter('bad_dma') > 0, 'no read was spoiled');
      return 'served';
    },
    { isTimed: true },
  ),
  spoiled('aborted', 'has a read answered with Unsupported Request', 'unsupported'),
  spoiled('poisoned', 'has a read answered with poisoned data', 'poisoned'),
  spoiled('lost', 'has a read never answered', 'lost'),
];

export const DMA_CASES: readonly Case[] = [...DOUBLE_FETCH, ...FAULTS];
