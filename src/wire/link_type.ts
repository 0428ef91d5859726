// SPDX-License-Identifier: Apache-2.0
// Link types (tcpdump.org/linktypes) of captures that people have beside Ethernet, and what can be done with each.

const OF_ANY = 'record on one Ethernet interface, not on "any"';
/** The times are lost on the way. */
const ADD_HEADERS =
  'add headers: tshark -r IN --hexdump frames | text2pcap -e 0x0800 - OUT (0x86dd for IPv6; times are lost)';
const OTHERWISE = 'record on an Ethernet interface';

const KNOWN: ReadonlyMap<number, readonly [name: string, remedy: string]> = new Map([
  [0, ['BSD loopback', OTHERWISE]],
  [9, ['PPP', OTHERWISE]],
  [12, ['raw IP', ADD_HEADERS]],
  [101, ['raw IP', ADD_HEADERS]],
  [105, ['IEEE 802.11', OTHERWISE]],
  [113, ['Linux cooked', OF_ANY]],
  [127, ['IEEE 802.11 with radiotap', OTHERWISE]],
  [147, ['private', OTHERWISE]],
  [228, ['raw IPv4', ADD_HEADERS]],
  [229, ['raw IPv6', ADD_HEADERS]],
  [276, ['Linux cooked v2', OF_ANY]],
]);

/** `113 (Linux cooked)`. */
export function linkTypeName(linkType: number): string {
  const name = KNOWN.get(linkType)?.[0];
  return name === undefined ? String(linkType) : `${linkType} (${name})`;
}

/** What to do for frames in place of those of this link type. */
export function linkTypeRemedy(linkType: number): string {
  return KNOWN.get(linkType)?.[1] ?? OTHERWISE;
}
