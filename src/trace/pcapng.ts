// SPDX-License-Identifier: Apache-2.0
// Capture files in the pcapng format (draft-ietf-opsawg-pcapng), little-endian: one section, one interface description
// for each function and one for the wire, each frame with its direction as its interface sees it. Stamps are simulated
// time in nanoseconds, so a capture begins in the first seconds of 1970.
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { addressText } from '../util/address_text.ts';
import {
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET,
  EPB_FLAGS,
  IF_DESCRIPTION,
  IF_NAME,
  IF_TSRESOL,
  INTERFACE_DESCRIPTION,
  LINKTYPE_ETHERNET,
  OPT_ENDOFOPT,
  PCAPNG_MAJOR,
  SECTION_HEADER,
  SHB_USERAPPL,
} from '../util/pcapng_layout.ts';
import { functionName, nanoseconds, type TracedCard, type TraceRecord } from './records.ts';

const SECTION_LENGTH_UNKNOWN = 0xffffffff;
const NANOSECONDS = 9; // 10^-9

/** Direction of a packet, as the interface sees it: bits 0 and 1 of epb_flags. */
export const INBOUND = 1;
export const OUTBOUND = 2;

interface Option {
  readonly code: number;
  readonly value: string | Uint8Array;
}

/** A packet to write. */
export interface CapturedPacket {
  readonly interfaceId: number;
  readonly timeNs: number;
  readonly direction: typeof INBOUND | typeof OUTBOUND;
  readonly bytes: Uint8Array;
  /** Bytes on the wire; more than `bytes` where the end was not recorded. */
  readonly originalLength: number;
}

const encoder = new TextEncoder();

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** A block of which `fill` writes the fixed part of the body. */
function block(
  type: number,
  bodyBytes: number,
  options: readonly Option[],
  fill: (body: DataView) => void,
): Uint8Array {
  const encoded = options.map(({ code, value }) => ({
    code,
    value: typeof value === 'string' ? encoder.encode(value) : value,
  }));
  const optionBytes = encoded.reduce((sum, { value }) => sum + 4 + padded(value.length), 4); // the end included
  const length = 12 + padded(bodyBytes) + optionBytes;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  fill(new DataView(bytes.buffer, 8, bodyBytes));
  let at = 8 + padded(bodyBytes);
  for (const { code, value } of [...encoded, { code: OPT_ENDOFOPT, value: new Uint8Array() }]) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  view.setUint32(length - 4, length, true);
  return bytes;
}

/** The block that a file begins with. */
export function sectionHeader(): Uint8Array {
  return block(SECTION_HEADER, 16, [{ code: SHB_USERAPPL, value: 'virtfn' }], (body) => {
    body.setUint32(0, BYTE_ORDER_MAGIC, true);
    body.setUint16(4, PCAPNG_MAJOR, true);
    body.setUint32(8, SECTION_LENGTH_UNKNOWN, true);
    body.setUint32(12, SECTION_LENGTH_UNKNOWN, true);
  });
}

/** An interface for Ethernet frames without limit of length; packets name it by its place in the file. */
export function interfaceDescription(name: string, description: string): Uint8Array {
  const options = [
    { code: IF_NAME, value: name },
    { code: IF_DESCRIPTION, value: description },
    { code: IF_TSRESOL, value: Uint8Array.of(NANOSECONDS) },
  ];
  return block(INTERFACE_DESCRIPTION, 8, options, (body) => body.setUint16(0, LINKTYPE_ETHERNET, true));
}

/** A packet. */
export function enhancedPacket(packet: CapturedPacket): Uint8Array {
  const { interfaceId, timeNs, direction, bytes, originalLength } = packet;
  const flags = Uint8Array.of(direction, 0, 0, 0);
  return block(ENHANCED_PACKET, 20 + bytes.length, [{ code: EPB_FLAGS, value: flags }], (body) => {
    body.setUint32(0, interfaceId, true);
    body.setUint32(4, Math.floor(timeNs / 0x1_0000_0000), true);
    body.setUint32(8, timeNs % 0x1_0000_0000, true);
    body.setUint32(12, bytes.length, true);
    body.setUint32(16, originalLength, true);
    new Uint8Array(body.buffer, body.byteOffset + 20, bytes.length).set(bytes);
  });
}

/** The frames of a trace as a capture file, piece by piece. */
export function* framePieces(card: TracedCard, records: Iterable<TraceRecord>): Generator<Uint8Array, void, void> {
  yield sectionHeader();
  for (let fn = 0; fn < card.functions; fn++) {
    yield interfaceDescription(functionName(fn, card), `virtio-net function ${addressText(card.routingId(fn))}`);
  }
  yield interfaceDescription(functionName(TRACE.NOBODY), 'wire port');
  for (const { kind, fn, sub, a, time, payload } of records) {
    if (kind !== TRACE.FRAME) continue;
    const isWire = fn === TRACE.NOBODY;
    const isIntoSwitch = sub === 0;
    yield enhancedPacket({
      interfaceId: isWire ? card.functions : fn,
      timeNs: nanoseconds(time, card.clockPs),
      // a driver sends into the switch; the port receives into it
      direction: isIntoSwitch === isWire ? INBOUND : OUTBOUND,
      bytes: payload.subarray(0, a),
      originalLength: a,
    });
  }
}
