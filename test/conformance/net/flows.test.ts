// SPDX-License-Identifier: Apache-2.0
// What belongs to one flow comes on one receive queue, whatever stands around addresses and ports: tags (IEEE 802.1Q, 802.1ad),
// IPv4 options and fragments (RFC 791), IPv6 extension headers (RFC 8200 §4, RFC 4302). virtio 1.4 §5.1.6.5.6 leaves the
// choice to the device; a flow on two queues would be reordered.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { concat, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { Port } from './support/port.ts';

const PAIRS = 8;
const CONTROL = 2 * PAIRS;
const BUFFERS = 60;
const TCP = 6;
const UDP = 17;
const GRE = 47;

const be16 = (value: number): number[] => [value >> 8, value & 0xff];
const TAG = { q: [0x81, 0x00, 0x60, 0x05], ad: [0x88, 0xa8, 0x00, 0x07], old: [0x91, 0x00, 0x00, 0x08] };

/** Address n of a network of each version. */
const address4 = (n: number): number[] => [10, 0, 0, n];
const address6 = (n: number): number[] => [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n >> 8, n & 0xff];

interface Flow {
  readonly from: number;
  readonly to: number;
  readonly protocol: number;
  readonly ports: readonly [number, number];
}

/** What of a packet does not make the flow. */
interface Around {
  readonly tags?: readonly (readonly number[])[];
  readonly options?: number;
  readonly ttl?: number;
  readonly id?: number;
  /** MF and offset in units of eight bytes. */
  readonly fragment?: number;
  readonly extensions?: readonly (readonly [number, number])[];
  readonly payload?: number;
}

/** The segment of a flow: its ports, eight bytes in all, and a payload. */
function segment({ ports }: Flow, payload: number): number[] {
  return [...be16(ports[0]), ...be16(ports[1]), ...be16(8 + 20), 0, 0, ...Array.from({ length: 20 }, () => payload)];
}

function ethernet(to: Uint8Array, tags: Around['tags'], type: number, packet: readonly number[]): Uint8Array {
  const bytes = concat(to, STRANGER, Uint8Array.from((tags ?? []).flat()), Uint8Array.from([...be16(type), ...packet]));
  return bytes.length < 60 ? concat(bytes, new Uint8Array(60 - bytes.length)) : bytes;
}

function ipv4(to: Uint8Array, flow: Flow, around: Around = {}): Uint8Array {
  const { tags, options = 0, ttl = 64, id = 1, fragment = 0, payload = 0 } = around;
  const data = segment(flow, payload);
  const length = 20 + 4 * options + data.length;
  const header = [
    0x45 + options,
    0,
    ...be16(length),
    ...be16(id),
    ...be16(fragment),
    ttl,
    flow.protocol,
    ttl,
    id & 0xff,
  ];
  const opts = Array.from({ length: 4 * options }, () => 1); // no operation
  return ethernet(to, tags, 0x0800, [...header, ...address4(flow.from), ...address4(flow.to), ...opts, ...data]);
}

/** Extension headers are [type, further units]; a unit is 8 bytes, of an authentication header 4 (RFC 4302 §2.2). */
function ipv6(to: Uint8Array, flow: Flow, around: Around = {}): Uint8Array {
  const { tags, ttl = 64, extensions = [], payload = 0 } = around;
  const types = [...extensions.map(([type]) => type), flow.protocol];
  const headers = extensions.flatMap(([type, units], i) => {
    const bytes = type === 51 ? 4 * (units + 2) : 8 * (units + 1);
    return [types[i + 1]!, type === 44 ? 0 : units, ...Array.from({ length: bytes - 2 }, () => payload)];
  });
  const data = [...headers, ...segment(flow, payload)];
  const header = [0x60, 0, payload, 0, ...be16(data.length), types[0]!, ttl];
  return ethernet(to, tags, 0x86dd, [...header, ...address6(flow.from), ...address6(flow.to), ...data]);
}

describe.each(MODES)('%s', (mode) => {
  function started() {
    const card = new RawCard({ mode, queueSize: 64, pfQueuePairs: PAIRS, windowBytes: 16 << 20 });
    const features = [F.CTRL_VQ, F.CTRL_RX, F.MQ];
    const port = new Port(card, 0, { features, pairs: PAIRS, control: CONTROL });
    const post = (count: number, pair: number): void => {
      const lengths = Array.from({ length: count }, () => 400);
      port.post(lengths, pair);
    };
    for (let pair = 0; pair < PAIRS; pair++) post(BUFFERS, pair);
    port.setPairs(PAIRS);
    /** The queues on which these frames come. */
    const queues = (frames: readonly Uint8Array[]): number[] => {
      for (const frame of frames) card.arrive(frame);
      const counts = Array.from({ length: PAIRS }, (_, pair) => port.frames(pair).length);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(frames.length);
      counts.forEach((count, pair) => post(count, pair));
      return counts.flatMap((count, pair) => (count > 0 ? [pair] : []));
    };
    return { mac: port.mac, queues };
  }

  const flow: Flow = { from: 1, to: 2, protocol: UDP, ports: [12_345, 53] };
  const surroundings: readonly (readonly [string, readonly Around[]])[] = [
    ['a tag of 802.1Q', [{}, { tags: [TAG.q] }]],
    ['a tag of 802.1ad', [{}, { tags: [TAG.ad] }]],
    [
      'tags of 802.1ad and 802.1Q',
      [{}, { tags: [TAG.ad, TAG.q] }, { tags: [TAG.old, TAG.q] }, { tags: [TAG.q, TAG.q] }],
    ],
    ['a life and an identification of its own', Array.from({ length: 12 }, (_, i) => ({ ttl: 50 + i, id: i * 97 }))],
    ['a payload of its own', Array.from({ length: 12 }, (_, i) => ({ payload: i * 21 }))],
  ];

  it.each(surroundings)('IPv4: a flow stays on one queue with %s', (_what, list) => {
    const { mac, queues } = started();

    expect(queues(list.map((one) => ipv4(mac, flow, one)))).toHaveLength(1);
  });

  it.each(surroundings)('IPv6: a flow stays on one queue with %s', (_what, list) => {
    const { mac, queues } = started();

    expect(queues(list.map((one) => ipv6(mac, { ...flow, protocol: TCP }, one)))).toHaveLength(1);
  });

  it('IPv4: a flow stays on one queue with options of any length', () => {
    const { mac, queues } = started();
    const lengths = Array.from({ length: 11 }, (_, options) => ({ options, payload: options }));

    expect(queues(lengths.map((one) => ipv4(mac, flow, one)))).toHaveLength(1);
  });

  it.each([
    ['hop-by-hop', [[0, 0]]],
    ['routing', [[43, 2]]],
    ['destination', [[60, 1]]],
    ['authentication', [[51, 4]]],
    [
      'all of these',
      [
        [0, 0],
        [60, 0],
        [43, 2],
        [51, 4],
        [60, 3],
      ],
    ],
  ] as const)('IPv6: a flow stays on one queue behind extension headers: %s', (_name, extensions) => {
    const { mac, queues } = started();

    expect(queues([ipv6(mac, flow), ipv6(mac, flow, { extensions, payload: 7 })])).toHaveLength(1);
  });

  it('IPv4: all fragments of a datagram come on one queue, the first, which has ports, among them', () => {
    const { mac, queues } = started();
    const parts = Array.from({ length: 20 }, (_, i) => ({ fragment: (i < 19 ? 0x2000 : 0) | i, payload: i * 11 }));
    const ports = (i: number): [number, number] => (i === 0 ? [12_345, 53] : [i * 771, i * 13]);

    expect(queues(parts.map((one, i) => ipv4(mac, { ...flow, ports: ports(i) }, one)))).toHaveLength(1);
  });

  it('IPv6: likewise, behind other headers or not', () => {
    const { mac, queues } = started();
    const part = (i: number): Uint8Array =>
      ipv6(
        mac,
        { ...flow, ports: [i * 771, i * 13] },
        {
          extensions: [
            [60, i % 3],
            [44, 0],
          ],
          payload: i,
        },
      );

    expect(queues(Array.from({ length: 20 }, (_, i) => part(i)))).toHaveLength(1);
  });

  it('other protocols, which have no ports, go by addresses alone', () => {
    const { mac, queues } = started();
    const packets = Array.from({ length: 20 }, (_, i): Flow => ({ ...flow, protocol: GRE, ports: [i * 771, i * 13] }));

    expect(queues(packets.map((one) => ipv4(mac, one)))).toHaveLength(1);
    expect(queues(packets.map((one) => ipv6(mac, one)))).toHaveLength(1);
  });

  it.each([
    ['ARP', 0x0806],
    ['an experiment', 0x88b5],
    ['IPv4 whose version is 6', 0x0800],
    ['IPv6 whose version is 4', 0x86dd],
  ])('%s: what two stations say to each other stays on one queue', (_what, type) => {
    const { mac, queues } = started();
    const first = type === 0x0800 ? 0x65 : 0x45;
    const content = (i: number): number[] => [
      first,
      ...Array.from({ length: 45 }, (_, at) => (i * 37 + at * 5) & 0xff),
    ];

    expect(queues(Array.from({ length: 20 }, (_, i) => ethernet(mac, [], type, content(i))))).toHaveLength(1);
  });

  it('flows that differ in an address or a port are spread', () => {
    const { mac, queues } = started();
    const by = (change: (i: number) => Partial<Flow>): Flow[] =>
      Array.from({ length: 40 }, (_, i) => ({ ...flow, ...change(i) }));

    for (const flows of [
      by((i) => ({ from: i })),
      by((i) => ({ to: i })),
      by((i) => ({ ports: [i * 7, 53] })),
      by((i) => ({ ports: [53, i * 7] })),
    ]) {
      // 40 flows that all take one of two queues of eight: less than once in 10^20
      expect(queues(flows.map((one) => ipv4(mac, one))).length).toBeGreaterThan(2);
      expect(queues(flows.map((one) => ipv6(mac, one, { extensions: [[0, 0]] }))).length).toBeGreaterThan(2);
    }
  });

  it('ports count where nothing follows them', () => {
    const { mac, queues } = started();
    const flows = Array.from({ length: 40 }, (_, i): Flow => ({ ...flow, ports: [i * 7, 53] }));
    /** The datagram without its payload, and the length that says so at `lengthAt`. */
    const cut = (bytes: Uint8Array, lengthAt: number): Uint8Array => {
      const view = new DataView(bytes.buffer);
      view.setUint16(lengthAt, view.getUint16(lengthAt) - 20);
      return bytes.slice(0, Math.max(60, bytes.length - 20));
    };

    expect(queues(flows.map((one) => cut(ipv4(mac, one), 14 + 2))).length).toBeGreaterThan(2);
    expect(queues(flows.map((one) => cut(ipv6(mac, one), 14 + 4))).length).toBeGreaterThan(2);
  });

  it('a flow is a flow, whatever stands around it', () => {
    const byte = fc.nat(255);
    const flows = fc.record<Flow>({
      from: byte,
      to: byte,
      protocol: fc.constantFrom(TCP, UDP, GRE),
      ports: fc.tuple(fc.nat(0xffff), fc.nat(0xffff)),
    });
    const extension = fc.tuple(fc.constantFrom(0, 43, 51, 60), fc.nat(3));
    const rest = fc.record({
      tags: fc.array(fc.constantFrom(TAG.q, TAG.ad, TAG.old), { maxLength: 2 }),
      options: fc.nat(10),
      ttl: byte,
      id: fc.nat(0xffff),
      payload: byte,
      extensions: fc.array(extension, { maxLength: 4 }),
    });
    const { mac, queues } = started();
    fc.assert(
      fc.property(flows, rest, rest, fc.boolean(), (one, a, b, is6) => {
        const packet = (around: Around): Uint8Array => (is6 ? ipv6(mac, one, around) : ipv4(mac, one, around));
        expect(queues([packet(a), packet(b)])).toHaveLength(1);
      }),
      { numRuns: mode === 'functional' ? 200 : 25 },
    );
  });

  it('frames that end or turn anywhere within their headers are read no further, and come', () => {
    const { mac, queues } = started();
    const whole = [
      ipv4(mac, flow, { tags: [TAG.ad, TAG.q], options: 10 }),
      ipv6(mac, flow, {
        tags: [TAG.q],
        extensions: [
          [0, 0],
          [51, 1],
          [60, 255],
        ],
      }),
      ethernet(mac, [TAG.q, TAG.q, TAG.q], 0x8100, []),
    ];
    for (const frame of whole) {
      for (let end = 14; end < Math.min(frame.length, 50); end += 3)
        expect(queues([frame.slice(0, end)])).toHaveLength(1);
    }
  });
});
