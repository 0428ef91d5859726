// SPDX-License-Identifier: Apache-2.0
// Reads a transaction layer packet bit by bit as PCIe 4.0 §2.2 draws it, for tests: written from the figures of the
// specification, without anything of the code under test.

/** Bits of the packet: `byte` counts from 0, `high` is the upper bit of `count`, as in the figures. */
function bits(packet: Uint8Array, byte: number, high: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) {
    const at = byte * 8 + (7 - high) + i;
    value = value * 2 + ((packet[at >> 3]! >> (7 - (at & 7))) & 1);
  }
  return value;
}

const NAMES: ReadonlyMap<string, string> = new Map([
  ['000 00000', 'MRd32'],
  ['001 00000', 'MRd64'],
  ['010 00000', 'MWr32'],
  ['011 00000', 'MWr64'],
  ['000 00100', 'CfgRd0'],
  ['010 00100', 'CfgWr0'],
  ['000 00101', 'CfgRd1'],
  ['010 00101', 'CfgWr1'],
  ['001 10100', 'Msg local'],
  ['000 01010', 'Cpl'],
  ['010 01010', 'CplD'],
]);

/** The fields of a packet by the names of the specification; those that its kind does not have are left out. */
export function readTlp(packet: Uint8Array): Record<string, number | string> {
  const binary = packet[0]!.toString(2).padStart(8, '0');
  const name = NAMES.get(`${binary.slice(0, 3)} ${binary.slice(3)}`) ?? `? ${binary}`;
  const fmt = bits(packet, 0, 7, 3);
  const tagHigh = bits(packet, 1, 7, 1) * 2 + bits(packet, 1, 3, 1);
  const common = {
    name,
    TC: bits(packet, 1, 6, 3),
    TD: bits(packet, 2, 7, 1),
    EP: bits(packet, 2, 6, 1),
    Attr: bits(packet, 2, 5, 2),
    AT: bits(packet, 2, 3, 2),
    Length: bits(packet, 2, 1, 10),
  };
  const dataAt = fmt % 2 === 0 ? 12 : 16;
  const data = fmt >= 2 ? { data: Buffer.from(packet.subarray(dataAt)).toString('hex') } : {};
  if (name.startsWith('Cpl')) {
    return {
      ...common,
      completerId: bits(packet, 4, 7, 16),
      status: bits(packet, 6, 7, 3),
      BCM: bits(packet, 6, 4, 1),
      byteCount: bits(packet, 6, 3, 12),
      requesterId: bits(packet, 8, 7, 16),
      tag: tagHigh * 256 + bits(packet, 10, 7, 8),
      lowerAddress: bits(packet, 11, 6, 7),
      ...data,
    };
  }
  const request = { ...common, requesterId: bits(packet, 4, 7, 16), tag: tagHigh * 256 + bits(packet, 6, 7, 8) };
  if (name.startsWith('Msg')) return { ...request, messageCode: bits(packet, 7, 7, 8) };
  const enables = { lastBe: bits(packet, 7, 7, 4), firstBe: bits(packet, 7, 3, 4) };
  if (name.startsWith('Cfg')) {
    return {
      ...request,
      ...enables,
      targetId: bits(packet, 8, 7, 16),
      register: bits(packet, 10, 3, 4) * 64 + bits(packet, 11, 7, 6),
      ...data,
    };
  }
  const address = bits(packet, 8, 7, name.endsWith('64') ? 62 : 30) * 4;
  return { ...request, ...enables, address, ...data };
}
