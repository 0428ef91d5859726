// SPDX-License-Identifier: Apache-2.0
// N01 to N08: commands of the control queue whose counts lie, whose values are none, for features that nobody negotiated.
import {
  VIRTIO_NET_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MAC_TABLE_SET,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_RX_PROMISC,
  VIRTIO_NET_CTRL_VLAN,
  VIRTIO_NET_ERR,
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_VQ_NOTF_COAL,
  VIRTIO_NET_OK,
} from '../../../assembly/abi/virtio_net.ts';
import { le } from '../admin_queue.ts';
import type { Bench } from '../bench.ts';
import { macOf, STRANGER } from '../frames.ts';
import { WRITE } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, Misbehaviour, type Outcome } from '../verdict.ts';
import { missingFeature, waiting } from './not_offered.ts';

const CLAUSE = 'virtio 1.4 §5.1.6.5';
const CONTROL = 2;
const CONTROL_OF_TWO_PAIRS = 4;
const FILTERS: readonly number[] = [VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_MAC_ADDR];
const UNTOUCHED = 0xa5;
const FIRST_FREE_CLASS = 10;

/** Sends the `count`th command of the queue, with an ack of `ackBytes`, and says what the device made of it. */
function command(bench: Bench, bytes: readonly number[], queue = CONTROL, ackBytes = 1, count = 1): Outcome {
  const { bad } = bench;
  const ack = bad.memory.space(ackBytes, UNTOUCHED);
  bad.submit(queue, [...bad.readable(Uint8Array.from(bytes)), { addr: ack, len: ackBytes, flags: WRITE }]);
  const seen = bad.outcomeOf(queue, count);
  if (seen === 'needs-reset') return seen;
  bad.ring(queue).takeUsed();
  const [value, ...rest] = bad.memory.bytesAt(ack, ackBytes);
  must(
    rest.every((byte) => byte === UNTOUCHED),
    'more than the ack was written',
  );
  if (value === VIRTIO_NET_OK) return 'served';
  if (value === VIRTIO_NET_ERR) return 'refused';
  throw new Misbehaviour(`the ack is 0x${value!.toString(16)}`);
}

/** A case that sends one bad command to a function with receive filters. */
function badCommand(
  id: string,
  act: string,
  bytes: readonly number[],
  allowed: readonly Outcome[] = ['refused'],
  clause = CLAUSE,
  features: readonly number[] = FILTERS,
): Case {
  return {
    id,
    act,
    clause,
    allowed,
    setup: 'net',
    features,
    queues: [CONTROL],
    run: (bench) => {
      const mac = macOf(bench.bad);
      const outcome = command(bench, bytes);
      must(Buffer.compare(macOf(bench.bad), mac) === 0, 'the address changed');
      return outcome;
    },
  };
}

const TABLE_SET = [VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET];
const address = (i: number): number[] => [0x02, 0, 0, 0, 1, i];
const addresses = (count: number): number[] => Array.from({ length: count }, (_, i) => address(i)).flat();
const MAC_CLAUSE = `${CLAUSE}; NET-MAC-02`;

const TABLES: readonly Case[] = [
  badCommand('N01-count', 'counts more addresses than its table holds', [
    ...TABLE_SET,
    ...le(100, 4),
    ...address(0),
    ...le(0, 4),
  ]),
  badCommand('N01-huge', 'counts 2^32 - 1 addresses', [...TABLE_SET, ...le(0xffff_ffff, 4), ...address(0)]),
  badCommand('N01-wrap', 'counts so many addresses that their bytes wrap to none', [
    ...TABLE_SET,
    ...le(0x8000_0000, 4),
    ...le(0, 4),
  ]),
  badCommand('N01-second', 'leaves the table of multicast addresses out', [...TABLE_SET, ...le(1, 4), ...address(0)]),
  badCommand('N01-second-count', 'counts more multicast addresses than its table holds', [
    ...TABLE_SET,
    ...le(0, 4),
    ...le(50, 4),
    ...address(0),
  ]),
  badCommand('N01-half', 'cuts the count in half', [...TABLE_SET, 1, 0]),
  badCommand(
    'N01-over',
    'sets a table of 200 addresses',
    [...TABLE_SET, ...le(200, 4), ...addresses(200), ...le(0, 4)],
    ['served', 'refused'],
    MAC_CLAUSE,
  ),
  badCommand('N01-address', 'sets an address of five bytes', [
    VIRTIO_NET_CTRL_MAC,
    VIRTIO_NET_CTRL_MAC_ADDR_SET,
    2,
    0,
    0,
    0,
    9,
  ]),
  badCommand('N01-multicast', 'sets a multicast address as its own', [
    VIRTIO_NET_CTRL_MAC,
    VIRTIO_NET_CTRL_MAC_ADDR_SET,
    3,
    0,
    0,
    0,
    0,
    9,
  ]),
];

const PAIRS_SET = [VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET];

/** A case that asks a function with two queue pairs for another number of them. */
function pairs(id: string, act: string, data: readonly number[], allowed: readonly Outcome[] = ['refused']): Case {
  return {
    id: `N03-${id}`,
    act,
    clause: `${CLAUSE}; NET-MQ-01`,
    allowed,
    setup: 'net',
    config: { vfQueuePairs: 2 },
    features: [VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ],
    queues: [2, 3, CONTROL_OF_TWO_PAIRS],
    run: (bench) => command(bench, [...PAIRS_SET, ...data], CONTROL_OF_TWO_PAIRS),
  };
}

const NOT_NEGOTIATED = `${CLAUSE}: a class belongs to a feature`;
const RSS = [VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, ...le(1, 4), ...le(0, 2), ...le(0, 2), ...le(0, 2)];
const COALESCE = [VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, ...le(77, 2), ...le(0, 2), ...le(1, 8)];

/** A case that uses a class whose feature the driver has not accepted. */
function unasked(id: string, act: string, bytes: readonly number[]): Case {
  return badCommand(id, act, bytes, ['refused'], NOT_NEGOTIATED, [VIRTIO_NET_F_CTRL_VQ]);
}

const VLAN = missingFeature('VIRTIO_NET_F_CTRL_VLAN', VIRTIO_NET_F_CTRL_VLAN);
const RSS_FEATURE = missingFeature('VIRTIO_NET_F_RSS', VIRTIO_NET_F_RSS);
const OFFLOADS = missingFeature('VIRTIO_NET_F_CTRL_GUEST_OFFLOADS', VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
const COALESCING = missingFeature('VIRTIO_NET_F_VQ_NOTF_COAL', VIRTIO_NET_F_VQ_NOTF_COAL);

/** A chain of the control queue without room for the ack. */
function withoutAck(id: string, act: string, hasAckByte: boolean): Case {
  return {
    id: `N07-${id}`,
    act,
    clause: `${CLAUSE}; GEN-STATUS-02, GEN-STATUS-03, SPLIT-DESC-01`,
    allowed: ['needs-reset'],
    setup: 'net',
    features: FILTERS,
    queues: [CONTROL],
    run: ({ bad }) => {
      const bytes = Uint8Array.of(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1);
      const ack = bad.readable(Uint8Array.of(UNTOUCHED));
      bad.submit(CONTROL, [...bad.readable(bytes), ...(hasAckByte ? ack : [])]);
      return bad.outcomeOf(CONTROL);
    },
  };
}

export const NET_CONTROL_CASES: readonly Case[] = [
  ...TABLES,
  unasked('N02-no-feature', 'adds a VLAN without VIRTIO_NET_F_CTRL_VLAN', [VIRTIO_NET_CTRL_VLAN, 0, ...le(7, 2)]),
  waiting('N02-range', 'adds VLAN 4,096', CLAUSE, VLAN),
  pairs('zero', 'asks for no queue pair', le(0, 2)),
  pairs('over', 'asks for one queue pair more than there are', le(3, 2)),
  pairs('far', 'asks for 65,535 queue pairs', le(0xffff, 2)),
  pairs('short', 'asks for queue pairs with one byte', [1]),
  pairs('long', 'asks for queue pairs with three bytes', [1, 0, 0], ['served', 'refused']),
  unasked('N03-no-feature', 'asks for queue pairs without VIRTIO_NET_F_MQ', [...PAIRS_SET, ...le(1, 2)]),
  unasked('N04-no-feature', 'configures RSS without VIRTIO_NET_F_RSS', RSS),
  waiting('N04-power', 'gives an RSS table a length that is no power of two', CLAUSE, RSS_FEATURE),
  waiting('N04-entry', 'puts a queue that is not there into an RSS table', CLAUSE, RSS_FEATURE),
  waiting('N04-key', 'gives RSS a key longer than the device takes', CLAUSE, RSS_FEATURE),
  waiting('N04-type', 'asks RSS for a hash type that the device does not have', CLAUSE, RSS_FEATURE),
  unasked('N05-no-feature', 'sets offloads without VIRTIO_NET_F_CTRL_GUEST_OFFLOADS', [
    VIRTIO_NET_CTRL_GUEST_OFFLOADS,
    0,
    ...le(0x82, 8),
  ]),
  waiting('N05-bits', 'sets offloads that were never negotiated', CLAUSE, OFFLOADS),
  unasked('N06-no-feature', 'coalesces notifications without VIRTIO_NET_F_VQ_NOTF_COAL', COALESCE),
  waiting('N06-queue', 'coalesces notifications of a queue that is not there', CLAUSE, COALESCING),
  withoutAck('readable', 'makes the ack of a command readable', true),
  withoutAck('none', 'leaves the ack of a command out', false),
  {
    id: 'N07-long',
    act: 'gives the ack of a command 64 bytes',
    clause: CLAUSE,
    allowed: ['served'],
    setup: 'net',
    features: FILTERS,
    queues: [CONTROL],
    run: (bench) => command(bench, [VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0], CONTROL, 64),
  },
  {
    id: 'N08-class',
    act: 'uses every class that there is not',
    clause: CLAUSE,
    allowed: ['refused'],
    setup: 'net',
    features: FILTERS,
    queues: [CONTROL],
    run: (bench) => {
      for (let one = FIRST_FREE_CLASS; one < 256; one++) {
        const outcome = command(bench, [one, 0, 0, 0], CONTROL, 1, 1 + one - FIRST_FREE_CLASS);
        must(outcome === 'refused', `class ${one} is not refused`);
      }
      return 'refused';
    },
  },
  badCommand('N08-command', 'uses a command that its class does not have', [VIRTIO_NET_CTRL_RX, 77, 1]),
  badCommand('N08-value', 'switches promiscuous mode to 2', [VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 2]),
  badCommand('N08-empty', 'sends a class without a command', [VIRTIO_NET_CTRL_RX]),
  badCommand('N08-no-data', 'switches promiscuous mode to nothing', [VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC]),
  unasked('N08-rx', 'sets a receive mode without VIRTIO_NET_F_CTRL_RX', [VIRTIO_NET_CTRL_RX, 0, 1]),
  unasked('N08-mac', 'sets an address without VIRTIO_NET_F_CTRL_MAC_ADDR', [
    VIRTIO_NET_CTRL_MAC,
    VIRTIO_NET_CTRL_MAC_ADDR_SET,
    ...STRANGER,
  ]),
];
