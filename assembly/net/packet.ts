// SPDX-License-Identifier: Apache-2.0
// A frame as the switch sees it. It is looked at here and nowhere else: what was found lies in a record, from which size,
// VLAN and receive queue are decided. Reading is bounded whatever the bytes say.
//
//   | destination 6 | source 6 | tags 4 each, two at most | type 2 | IPv4, or IPv6 with extension headers | ports |
//   tag: | TPID 2 | priority 3 bits, DEI 1, VID 12 |     802.1Q, 802.1ad, and 0x9100 of stacks before it
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { PACKET } from '../abi/state_map.ts';
import {
  PACKET_FLOW,
  PACKET_FRAME,
  PACKET_HAS_FLOW,
  PACKET_LENGTH,
  PACKET_SOURCE,
  PACKET_TAG_BYTES,
  PACKET_TCI,
} from '../abi/switch_state.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { recordAt } from '../sim/trace.ts';

export const ETHERNET_HEADER: u32 = 14;
export const ADDRESS_BYTES = 6;
/** Both addresses; what follows is a type, or the TPID of a tag. */
export const STATION_BYTES = 12;
export const TAG_BYTES: u32 = 4;
const TAGS_MAX: u32 = 2;
/** PACKET_TCI of a frame whose first tag, if it has one, is none of 802.1Q. */
export const NO_TCI: u32 = 0xffffffff;
export const VID_MASK: u32 = 0xfff;

// types and TPIDs as a little-endian load sees them
export const TPID_8021Q: u32 = 0x0081;
const TPID_8021AD: u32 = 0xa888;
const TPID_9100: u32 = 0x0091;
const TYPE_IPV4: u32 = 0x0008;
const TYPE_IPV6: u32 = 0xdd86;

const IPV4_HEADER: u32 = 20;
const IPV4_FRAGMENT: u32 = 0xff3f; // MF and the offset, likewise
const IPV6_HEADER: u32 = 40;
const PROTOCOL_TCP: u32 = 6;
const PROTOCOL_UDP: u32 = 17;
const NEXT_HOP_BY_HOP: u32 = 0;
const NEXT_ROUTING: u32 = 43;
const NEXT_FRAGMENT: u32 = 44;
const NEXT_AUTHENTICATION: u32 = 51;
const NEXT_DESTINATION: u32 = 60;
const EXTENSIONS_MAX = 8;
const LEAST_HEADER: u32 = 8; // of an extension, of UDP
const PORT_BYTES: u32 = 4;

const FNV_BASIS: u32 = 0x811c9dc5;
const FNV_PRIME: u32 = 0x01000193;

/** The six bytes of an address, first byte lowest. */
export function macOf(frame: usize): u64 {
  return (<u64>load<u32>(frame)) | ((<u64>load<u16>(frame, 4)) << 32);
}

/** Reads a frame of at least an Ethernet header from `source` into PACKET, which it returns; good until the next is read. */
export function parse(frame: usize, length: u32, source: u32): usize {
  store<u32>(PACKET, <u32>frame, PACKET_FRAME);
  store<u32>(PACKET, length, PACKET_LENGTH);
  store<u32>(PACKET, source, PACKET_SOURCE);
  store<u32>(PACKET, 0, PACKET_HAS_FLOW);
  let tags: u32 = 0;
  let tci = NO_TCI;
  let type = <u32>load<u16>(frame, STATION_BYTES);
  while (isTpid(type) && tags < TAGS_MAX * TAG_BYTES && length >= tags + TAG_BYTES + ETHERNET_HEADER) {
    if (tags == 0 && type == TPID_8021Q) tci = bswap<u16>(load<u16>(frame, STATION_BYTES + 2));
    tags += TAG_BYTES;
    type = load<u16>(frame + tags, STATION_BYTES);
  }
  store<u32>(PACKET, tags, PACKET_TAG_BYTES);
  store<u32>(PACKET, tci, PACKET_TCI);
  return PACKET;
}

function isTpid(type: u32): bool {
  return type == TPID_8021Q || type == TPID_8021AD || type == TPID_9100;
}

/** Longer than mtu and Ethernet header; tags are not counted. */
export function isOversize(f: usize, packet: usize): bool {
  const length = load<u32>(packet, PACKET_LENGTH);
  const limit = load<u32>(f, FN.MAX_FRAME);
  return length > limit && length > limit + load<u32>(packet, PACKET_TAG_BYTES);
}

/**
 * Hash of the flow: of both IP addresses and, with TCP and UDP, both ports, tagged or not. Fragments, which do not all have
 * ports, and other protocols go by addresses alone; what is no IP by the addresses of the stations.
 */
export function flowOf(packet: usize): u32 {
  if (load<u32>(packet, PACKET_HAS_FLOW) != 0) return load<u32>(packet, PACKET_FLOW);
  const frame: usize = load<u32>(packet, PACKET_FRAME);
  const length = load<u32>(packet, PACKET_LENGTH);
  const tags = load<u32>(packet, PACKET_TAG_BYTES);
  const at = ETHERNET_HEADER + tags;
  const type = <u32>load<u16>(frame + tags, STATION_BYTES);
  let hash: u32 = 0;
  if (type == TYPE_IPV4) hash = ipv4Flow(frame, at, length);
  else if (type == TYPE_IPV6) hash = ipv6Flow(frame, at, length);
  if (hash == 0) hash = mix(FNV_BASIS, frame, STATION_BYTES);
  hash ^= hash >> 16;
  store<u32>(packet, hash, PACKET_FLOW);
  store<u32>(packet, 1, PACKET_HAS_FLOW);
  return hash;
}

/** 0: that is no IPv4. */
function ipv4Flow(frame: usize, at: u32, length: u32): u32 {
  const ip = frame + at;
  const first = <u32>load<u8>(ip);
  const header = (first & 15) << 2;
  if (length < at + IPV4_HEADER || first >> 4 != 4 || header < IPV4_HEADER) return 0;
  const hash = mix(FNV_BASIS, ip + 12, 8);
  if (((<u32>load<u16>(ip, 6)) & IPV4_FRAGMENT) != 0) return hash;
  const end = min(length, at + bswap<u16>(load<u16>(ip, 2)));
  return withPorts(hash, load<u8>(ip, 9), frame, at + header, end);
}

/** 0: that is no IPv6. */
function ipv6Flow(frame: usize, at: u32, length: u32): u32 {
  const ip = frame + at;
  if (length < at + IPV6_HEADER || load<u8>(ip) >> 4 != 6) return 0;
  const hash = mix(FNV_BASIS, ip + 8, 32);
  const end = min(length, at + IPV6_HEADER + bswap<u16>(load<u16>(ip, 4)));
  let next = <u32>load<u8>(ip, 6);
  at += IPV6_HEADER;
  for (let i = 0; i < EXTENSIONS_MAX && at + LEAST_HEADER <= end; i++) {
    const size = <u32>load<u8>(frame + at, 1);
    let bytes: u32 = 0;
    if (next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_DESTINATION) bytes = (size + 1) << 3;
    else if (next == NEXT_AUTHENTICATION) bytes = (size + 2) << 2;
    else return next == NEXT_FRAGMENT ? hash : withPorts(hash, next, frame, at, end);
    next = load<u8>(frame + at);
    at += bytes;
  }
  return hash;
}

function withPorts(hash: u32, protocol: u32, frame: usize, at: u32, end: u32): u32 {
  const hasPorts = (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP) && at + PORT_BYTES <= end;
  return hasPorts ? mix(hash, frame + at, PORT_BYTES) : hash;
}

function mix(hash: u32, from: usize, bytes: u32): u32 {
  for (let i: u32 = 0; i < bytes; i++) hash = (hash ^ load<u8>(from + i)) * FNV_PRIME;
  return hash;
}

// sub of TRACE.FRAME
export const FRAME_IN: u32 = 0;
export const FRAME_OUT: u32 = 1;

/** Records that the packet comes into the switch from `port`, or leaves it there: a function, or TRACE.NOBODY for the wire. */
export function traceFrame(port: u32, direction: u32, packet: usize): void {
  const frame = load<u32>(packet, PACKET_FRAME);
  const length = load<u32>(packet, PACKET_LENGTH);
  recordAt(load<u64>(CTL.NOW), TRACE.FRAME, port, direction, length, 0, 0, 0, 0, frame, length);
}
