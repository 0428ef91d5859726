// SPDX-License-Identifier: Apache-2.0
// N09 and N10: headers that ask for offloads, frames and receive buffers of impossible sizes.
import {
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4,
  VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6,
} from '../../../assembly/abi/virtio_net.ts';
import type { Bench } from '../bench.ts';
import { frame, goodPacket, HEADER, macOf, packet, STRANGER } from '../frames.ts';
import { RX, TX } from '../raw_function.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';

const HEADER_RULES = 'virtio 1.4 §5.1.6.2.1, §5.1.6.2.2';
const MTU = 1500;
const ETHERNET = 14;

/** Sends one packet: it left as it was, or was dropped and counted, or the function stopped. */
function send(bench: Bench, parts: readonly Uint8Array[]): Outcome {
  const { bad } = bench;
  const dropped = (): number =>
    ['short', 'oversize', 'bad_header', 'hairpin'].reduce((sum, cause) => sum + bench.counter(`tx_drop_${cause}`), 0);
  const before = dropped();
  bad.submit(TX, bad.readable(...parts));
  const seen = bad.outcomeOf(TX);
  if (seen === 'needs-reset') return seen;
  const left = bench.wire.slice(bench.sentBefore);
  if (left.length === 0) {
    must(dropped() === before + 1, 'the frame is neither sent nor counted as dropped');
    return 'dropped';
  }
  const whole = Buffer.concat(parts).subarray(HEADER);
  must(left.length === 1 && Buffer.compare(left[0]!, whole) === 0, 'the frame did not leave as it is');
  return 'served';
}

/** struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers. */
function netHeader(flags: number, gso: number, hdrLen = 0, gsoSize = 0, start = 0, offset = 0): Uint8Array {
  const fields = [hdrLen, gsoSize, start, offset, 0].flatMap((value) => [value & 0xff, value >> 8]);
  return Uint8Array.of(flags, gso, ...fields);
}

function headerCase(
  id: string,
  act: string,
  header: Uint8Array,
  allowed: readonly Outcome[],
  clause: string = HEADER_RULES,
): Case {
  return {
    id: `N09-${id}`,
    act,
    clause,
    allowed,
    setup: 'net',
    run: (bench) => send(bench, [packet(frame(STRANGER, macOf(bench.bad)), header)]),
  };
}

const REFUSED: readonly Outcome[] = ['dropped', 'needs-reset'];
const TUNNELS = VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 | VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6;
const CSUM = VIRTIO_NET_HDR_F_NEEDS_CSUM;

const HEADERS: readonly Case[] = [
  headerCase(
    'tcp4',
    'asks for TCP segmentation that was never offered',
    netHeader(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1000, 34, 16),
    REFUSED,
  ),
  headerCase(
    'tcp6',
    'asks for TCP segmentation over IPv6',
    netHeader(CSUM, VIRTIO_NET_HDR_GSO_TCPV6, 74, 1000, 54, 16),
    REFUSED,
  ),
  headerCase('udp', 'asks for UDP fragmentation', netHeader(CSUM, VIRTIO_NET_HDR_GSO_UDP, 42, 1000, 34, 6), REFUSED),
  headerCase(
    'udp-l4',
    'asks for UDP segmentation',
    netHeader(CSUM, VIRTIO_NET_HDR_GSO_UDP_L4, 42, 1000, 34, 6),
    REFUSED,
  ),
  headerCase('type', 'names a kind of segmentation that there is not', netHeader(0, 0x7f, 1, 1), REFUSED),
  headerCase('size', 'asks for segments of no bytes', netHeader(CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 0), REFUSED),
  headerCase(
    'tunnels',
    'sets both tunnel bits',
    netHeader(CSUM, TUNNELS | VIRTIO_NET_HDR_GSO_TCPV4, 54, 100),
    REFUSED,
    'NET-TX-08',
  ),
  headerCase(
    'tunnel',
    'sets a tunnel bit without NEEDS_CSUM',
    netHeader(0, VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 | VIRTIO_NET_HDR_GSO_TCPV4, 54, 100),
    REFUSED,
    'NET-TX-10',
  ),
  headerCase(
    'tunnel-none',
    'sets a tunnel bit and no segmentation',
    netHeader(CSUM, VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4),
    REFUSED,
    'NET-TX-12',
  ),
  headerCase(
    'tunnel-flag',
    'sets UDP_TUNNEL_CSUM without a tunnel bit',
    netHeader(CSUM | VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM, 0),
    REFUSED,
    'NET-TX-13',
  ),
  headerCase('csum', 'asks for a checksum behind the end of the frame', netHeader(CSUM, 0, 0, 0, 0xfff0, 0xfff0), [
    'served',
    ...REFUSED,
  ]),
  headerCase('csum-wrap', 'asks for a checksum whose place wraps around 2^16', netHeader(CSUM, 0, 0, 0, 0xffff, 2), [
    'served',
    ...REFUSED,
  ]),
  headerCase(
    'csum-fields',
    'fills the checksum fields without NEEDS_CSUM',
    netHeader(0, 0, 0, 0, 0xffff, 0xffff),
    ['served'],
    'NET-TX-02',
  ),
  headerCase('flags', 'sets flags that there are not', netHeader(0xe0, 0), ['served'], 'NET-TX-01'),
  headerCase(
    'hdr-len',
    'gives a header length behind the end of the frame',
    netHeader(0, 0, 0xffff),
    ['served'],
    'NET-TX-07',
  ),
];

function sizeCase(
  id: string,
  act: string,
  clause: string,
  allowed: readonly Outcome[],
  parts: (bench: Bench) => readonly Uint8Array[],
): Case {
  return { id: `N10-${id}`, act, clause, allowed, setup: 'net', run: (bench) => send(bench, parts(bench)) };
}

const ofSize = ({ bad }: Bench, bytes: number): Uint8Array => packet(frame(STRANGER, macOf(bad), bytes));

/** A frame of `bytes` with tags of 802.1ad. */
function tagged(bench: Bench, bytes: number, tags: number): Uint8Array {
  const whole = ofSize(bench, bytes);
  for (let tag = 0; tag < tags; tag++) whole.set([0x88, 0xa8, 0, 7], HEADER + 12 + 4 * tag);
  return whole;
}

const SIZES: readonly Case[] = [
  sizeCase('max', 'sends the largest frame that the MTU allows', 'NET-CFG-05', ['served'], (b) => [
    ofSize(b, MTU + ETHERNET),
  ]),
  sizeCase('over', 'sends a frame above the MTU', 'virtio 1.4 §5.1.4.2', REFUSED, (b) => [
    ofSize(b, MTU + ETHERNET + 5),
  ]),
  sizeCase('stack', 'sends the largest frame with two VLAN tags', 'NET-CFG-05', ['served'], (b) => [
    tagged(b, MTU + ETHERNET + 8, 2),
  ]),
  sizeCase('stack-over', 'sends a frame above the MTU behind three VLAN tags', 'virtio 1.4 §5.1.4.2', REFUSED, (b) => [
    tagged(b, MTU + ETHERNET + 12, 3),
  ]),
  sizeCase('far', 'sends a frame of 20,000 bytes', 'virtio 1.4 §5.1.4.2', REFUSED, (b) => [ofSize(b, 20_000)]),
  sizeCase('short', 'sends a frame shorter than an Ethernet header', HEADER_RULES, REFUSED, (b) => [
    ofSize(b, ETHERNET - 1),
  ]),
  sizeCase('zero', 'sends a header without a frame', HEADER_RULES, REFUSED, () => [new Uint8Array(HEADER)]),
  sizeCase('part', 'sends a part of a header', HEADER_RULES, REFUSED, () => [new Uint8Array(HEADER - 1)]),
  sizeCase('own', 'sends a frame to itself', 'virtio 1.4 §5.1.6.2', ['dropped', 'served'], ({ bad }) => [
    packet(frame(macOf(bad), macOf(bad))),
  ]),
  sizeCase(
    'split',
    'cuts header and frame into single bytes at their border',
    'SPLIT-FRAME-01',
    ['served'],
    ({ bad }) => {
      const whole = goodPacket(bad);
      const cuts = [1, 2, 6, 10, 11, 12, 13, 14, 18, 24, 26];
      return [...cuts, whole.length].map((end, i) => whole.slice(i === 0 ? 0 : cuts[i - 1], end));
    },
  ),
];

/** A case that offers receive buffers of these lengths, and one frame comes in. */
function buffers(
  id: string,
  act: string,
  lengths: readonly number[],
  allowed: readonly Outcome[],
  features: readonly number[] = [VIRTIO_NET_F_MRG_RXBUF],
  bytes = 60,
): Case {
  return {
    id: `N10-${id}`,
    act,
    clause: 'virtio 1.4 §5.1.6.3.1, §5.1.6.4',
    allowed,
    setup: 'net',
    features,
    run: (bench) => {
      const { bad } = bench;
      const ring = bad.ring(RX);
      ring.offer(...bad.writable(...lengths).map((one, i) => ring.chain([one], i)));
      bad.kick(RX);
      bench.arrive(frame(macOf(bad), STRANGER, bytes));
      if (bad.needsReset) return 'needs-reset';
      const used = ring.takeUsed().reduce((sum, { len }) => sum + len, 0);
      const received = bench.counter('rx_frames');
      const dropped = ['no_buffer', 'too_small', 'oversize'].reduce(
        (sum, one) => sum + bench.counter(`rx_drop_${one}`),
        0,
      );
      must(received + dropped === 1, `${received} frames received and ${dropped} dropped, of one`);
      must(used === received * (HEADER + bytes), `${used} bytes used for ${received} frames of ${HEADER + bytes}`);
      return received === 1 ? 'served' : 'dropped';
    },
  };
}

const EITHER: readonly Outcome[] = ['served', 'dropped'];
const times = (count: number, length: number): number[] => Array.from({ length: count }, () => length);

const RECEIVE: readonly Case[] = [
  buffers('rx-none', 'offers no receive buffer', [], ['dropped']),
  buffers('rx-small', 'offers one buffer that is too small', [20], ['dropped'], []),
  buffers('rx-bytes', 'offers mergeable buffers of one byte', times(16, 1), EITHER),
  buffers('rx-small-many', 'offers so many small mergeable buffers that a frame just fits', times(16, 5), ['served']),
  buffers('rx-first', 'offers a mergeable buffer smaller than the header, then a large one', [1, 2000], EITHER),
  buffers('rx-empty', 'offers mergeable buffers of no bytes', times(16, 0), ['dropped']),
  buffers('rx-mixed', 'offers mergeable buffers of no bytes between good ones', [0, 40, 0, 0, 40, 0], EITHER),
  buffers('rx-over', 'offers a large buffer, and a frame above the MTU comes', [10_000], ['dropped'], [], 9216),
];

export const PACKET_CASES: readonly Case[] = [...HEADERS, ...SIZES, ...RECEIVE];
