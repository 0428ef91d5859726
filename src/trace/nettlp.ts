// SPDX-License-Identifier: Apache-2.0
// Transaction layer packets as a capture that an existing dissector opens: there is no link type for them, but NetTLP
// (github.com/NetTLP/libtlp, include/libtlp.h) sends them over UDP, and Wireshark has a dissector for that. The card
// stands where NetTLP's software device does, the root complex where its adapter does.
//
//   Ethernet 14 | IPv4 20 | UDP 8 | sequence 2 | time stamp 4 | TLP ...
//
// Port at both ends: 0x3000 + tag for requests of the card and their completions, 0x4000 + the low four bits of the tag for
// those of the root complex. The time stamp is that of the core's clock.
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { enhancedPacket, INBOUND, interfaceDescription, OUTBOUND, sectionHeader } from './pcapng.ts';
import { nanoseconds, type TracedCard, type TraceRecord } from './records.ts';
import { TlpEncoder, type Tlp } from './tlp.ts';

const CARD_PORT_BASE = 0x3000;
const CARD_PORT_TAGS = 0xfff;
const HOST_PORT_BASE = 0x4000;
const HOST_PORT_TAGS = 0xf;

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const UDP_BYTES = 8;
const NETTLP_BYTES = 6;
const IPV4_AT = ETHERNET_BYTES;
const UDP_AT = IPV4_AT + IPV4_BYTES;
const NETTLP_AT = UDP_AT + UDP_BYTES;
const HEADERS_BYTES = NETTLP_AT + NETTLP_BYTES;

const TYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;
/** Addresses as in NetTLP's own captures: adapter and device. */
const HOST = { mac: [2, 0, 0, 0, 0, 1], ip: [192, 168, 10, 1] } as const;
const CARD = { mac: [2, 0, 0, 0, 0, 3], ip: [192, 168, 10, 3] } as const;

/** The packets of a trace as a capture file, piece by piece, in the order of their first symbols. */
export function* tlpPieces(card: TracedCard, records: Iterable<TraceRecord>): Generator<Uint8Array, void, void> {
  const encoder = new TlpEncoder(card);
  const packets: { time: number; isDown: boolean; tlp: Tlp }[] = [];
  for (const record of records) {
    if (record.kind !== TRACE.TLP) continue;
    packets.push({ time: record.time, isDown: (record.sub & TRACE.TLP_DOWN) !== 0, tlp: encoder.encode(record) });
  }
  packets.sort((one, other) => one.time - other.time);

  yield sectionHeader();
  yield interfaceDescription('pcie', 'PCI Express link; outbound is what the card sends');
  let sequence = 0;
  for (const { time, isDown, tlp } of packets) {
    yield enhancedPacket({
      interfaceId: 0,
      timeNs: nanoseconds(time, card.clockPs),
      direction: isDown ? INBOUND : OUTBOUND,
      bytes: datagram(tlp, isDown, sequence++, time),
      originalLength: HEADERS_BYTES + tlp.length,
    });
  }
}

/** A packet in NetTLP's datagram. Lengths are those of the whole packet, though its end may not have been recorded. */
function datagram(tlp: Tlp, isDown: boolean, sequence: number, time: number): Uint8Array {
  const [from, to] = isDown ? [HOST, CARD] : [CARD, HOST];
  const bytes = new Uint8Array(HEADERS_BYTES + tlp.bytes.length);
  const view = new DataView(bytes.buffer);
  bytes.set(to.mac, 0);
  bytes.set(from.mac, 6);
  view.setUint16(12, TYPE_IPV4);

  view.setUint8(IPV4_AT, 0x45); // version 4, 5 words
  view.setUint16(IPV4_AT + 2, HEADERS_BYTES - IPV4_AT + tlp.length);
  view.setUint8(IPV4_AT + 8, 64); // time to live
  view.setUint8(IPV4_AT + 9, PROTOCOL_UDP);
  bytes.set(from.ip, IPV4_AT + 12);
  bytes.set(to.ip, IPV4_AT + 16);
  view.setUint16(IPV4_AT + 10, headerChecksum(view));

  const port = tlp.isHostRequest
    ? HOST_PORT_BASE + (tlp.tag & HOST_PORT_TAGS)
    : CARD_PORT_BASE + (tlp.tag & CARD_PORT_TAGS);
  view.setUint16(UDP_AT, port);
  view.setUint16(UDP_AT + 2, port);
  view.setUint16(UDP_AT + 4, HEADERS_BYTES - UDP_AT + tlp.length); // the checksum stays 0: none

  view.setUint16(NETTLP_AT, sequence & 0xffff);
  view.setUint32(NETTLP_AT + 2, time % 0x1_0000_0000);
  bytes.set(tlp.bytes, HEADERS_BYTES);
  return bytes;
}

/** Checksum of the IPv4 header, whose own field is still 0 (RFC 791). */
function headerChecksum(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < IPV4_BYTES; at += 2) sum += view.getUint16(IPV4_AT + at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
